"""Where is decided request by request: who is asked, and what each of them is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, generator
from ..core.compiled import address
from ..core.errors import PolicyError
from ..core.rules import PythonRowRule, RowRule
from ..market.market import Market
from ..population.creatives import ad_names, most_creatives
from ..requests.sessions import NOBODY
from ..scenario.tree import Scenario
from .answers import LEFT_OPEN, NOBODY_ASKED
from .asking import Column, Known, choose_pattern
from .blocks import Blocks
from .casting import WIDTH, Kept, cast
from .casting import Column as Shown
from .state import Asking, Casting, Control, State

BUCKETS = 100
CASTING, TICK_US = int(Control.CASTING), int(Control.TICK_US)
PENDING, PENDING_US, ANSWERED, NEXT, BASE = (
    int(place) for place in (Control.PENDING, Control.PENDING_US, Control.ANSWERED, Control.NEXT, Control.BASE)
)


def asked_column(state: State) -> int:
    """The column of the request that whoever runs the world is asked about."""
    control = state.control
    return int(control[PENDING]) - 1 if control[PENDING] else int(control[NEXT] - control[BASE])


def asked_us(state: State) -> int:
    """When it is auctioned."""
    return int(state.control[PENDING_US]) if state.control[PENDING] else int(state.block.times[asked_column(state)])


def bucket_of(scenario: Scenario, users: int) -> Integers:
    """The bucket of each user, (users,): drawn by the market's seed, so that a user is in the same one on all days."""
    return generator(scenario.market_seed, Stream.BUCKET).integers(BUCKETS, size=users)


class Desk(ABC):
    """Has rules, functions or whoever runs the world decide on requests, each unit by itself."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._rules: dict[int, tuple[Any, ...]] = {}  # what must live as long as its address is used, by unit

    @property
    @abstractmethod
    def _asked(self) -> Asking | Casting:
        """What the kernel knows of who decides."""

    @abstractmethod
    def _refusal(self, unit: int) -> str:
        """What is said where the rule of a unit answers what is not allowed."""

    def by_rule(self, units: Integers, rule: RowRule | PythonRowRule, memory: Floats, own: Floats) -> None:
        """These units are decided for by a rule, whose own are `memory` (m,) and a row of `own` (n, w) for each user or ad."""
        kept = memory.ctypes.data, memory.size, own.ctypes.data, own.shape[1]
        self._asked.memory[units] = kept
        self._ask(units, rule.address, (rule, memory, own))

    def by_function(self, units: Integers, function: Any) -> None:
        """These units are decided for by a Python function of what is shown."""
        nothing = np.zeros(0)
        self.by_rule(units, PythonRowRule(function, self._asked.shown, self._asked.answer), nothing, np.zeros((0, 0)))

    def leave_open(self, units: Integers) -> None:
        """Whoever runs the world decides for these units."""
        self._ask(units, LEFT_OPEN, ())

    def _ask(self, units: Integers, address: int, kept: tuple[Any, ...]) -> None:
        self._asked.address[units] = address
        for unit in units:
            self._rules[int(unit)] = kept

    @property
    def column(self) -> int:
        """The column of the request that is asked about."""
        return asked_column(self._blocks.state)

    @property
    def shown(self) -> Floats:
        """What is shown of the request that is asked about, in an array of its own."""
        return self._asked.shown.copy()

    def blame(self, unit: int) -> None:
        """Raises what a rule of Python has raised, or else `PolicyError`: it has answered what is not allowed."""
        rule = self._rules[unit][0] if self._rules.get(unit) else None
        if isinstance(rule, PythonRowRule) and rule.error is not None:
            raise rule.error
        raise PolicyError(self._refusal(unit))


class PageDesk(Desk):
    """Decides on the pages of a market in motion, by bucket of users; without one they are what the scenario says."""

    def __init__(self, scenario: Scenario, market: Market, blocks: Blocks) -> None:
        super().__init__(blocks)
        state, users = blocks.state, market.users.segment.size
        patterns = state.pages.depth.size
        chance = np.zeros((BUCKETS, patterns))
        chance[:, state.pages.usual] = 1.0
        hint = NOBODY if market.temper is None else market.temper.hint
        asking = Asking(
            bucket=bucket_of(scenario, users),
            address=np.full(BUCKETS, NOBODY_ASKED),
            memory=np.zeros((BUCKETS, 4), np.int64),
            chance=chance,
            shown=np.zeros(Column.PAYS + scenario.ad_places),
            answer=np.zeros(patterns),
            known=np.zeros((0, 0)),
            hint=hint,
            day_us=scenario.day_us,
        )
        blocks.addressed.replace(asking=asking)
        state.control[Control.CHOOSER] = address(choose_pattern, 0, 0, 0, False, blocks.addressed)

    @property
    def asking(self) -> Asking:
        """What the kernel knows of who decides."""
        return self._blocks.state.asking

    _asked = asking

    def by_chance(self, buckets: Integers, chance: Floats) -> None:
        """Pages of these buckets have patterns with these probabilities, (buckets, P)."""
        self.asking.chance[buckets] = chance
        self._ask(buckets, NOBODY_ASKED, ())

    def _ask(self, buckets: Integers, address: int, kept: tuple[Any, ...]) -> None:
        if address != NOBODY_ASKED and not self.asking.known.size:
            known = np.zeros((self.asking.bucket.size, len(Known)))
            self._blocks.addressed.replace("asking", known=known)
        super()._ask(buckets, address, kept)

    @property
    def asked_bucket(self) -> int | None:
        """The bucket of the user whose page is asked about; None if it is not a page."""
        state = self._blocks.state
        return None if state.control[CASTING] else int(self.asking.bucket[state.block.users[self.column]])

    def answer(self, chance: Floats) -> None:
        """Allocates it by these probabilities of patterns, (P,)."""
        self.asking.answer[:] = chance
        control = self._blocks.state.control
        if not control[PENDING]:
            control[ANSWERED] = control[NEXT] + 1

    def _refusal(self, unit: int) -> str:
        patterns = self.asking.answer.size
        return f"the rule of bucket {unit} must choose a pattern from 0 to {patterns - 1}, or give probabilities that sum to 1"


class CreativeDesk(Desk):
    """Casts the creatives of a market in motion, ad by ad; without one they are shown by their shares."""

    def __init__(self, scenario: Scenario, market: Market, blocks: Blocks, content: Floats) -> None:
        super().__init__(blocks)
        portfolio = market.creatives
        assert portfolio is not None
        ads, creatives, segments = portfolio.first.size - 1, portfolio.ad.size, scenario.users.segments
        most, ahead = most_creatives(scenario, market.campaigns), blocks.state.terms.reports.shape[0]
        counts = (creatives, segments)
        casting = Casting(
            address=np.full(ads, NOBODY_ASKED),
            memory=np.zeros((ads, 4), np.int64),
            shown=np.zeros(Shown.ROWS + most * WIDTH),
            answer=np.zeros(most),
            format=portfolio.format.astype(np.int64),
            content=content.copy(),
            impressions=np.zeros(counts, np.int64),
            clicks=np.zeros(counts, np.int64),
            expected=np.zeros(counts),
            reported=np.zeros(creatives, np.int64),
            reports=np.zeros((ahead, creatives), np.int64),
            closed=np.zeros(ads, np.int64),
            kept=np.zeros(len(Kept), np.int64),
            kept_content=np.zeros(1),
            likely=np.ones(1),
            day_us=scenario.day_us,
        )
        blocks.addressed.replace(casting=casting)
        blocks.state.control[Control.CASTER] = address(cast, 0, 0, 0, 0, 0.0, False, blocks.addressed)
        self.first, self._names = portfolio.first, ad_names(market.campaigns)

    @property
    def casting(self) -> Casting:
        """What the kernel knows of who casts, and has counted for him."""
        return self._blocks.state.casting

    _asked = casting

    def by_shares(self, ads: Integers) -> None:
        """Creatives of these ads are shown by the shares they have."""
        self._ask(ads, NOBODY_ASKED, ())

    def reported(self, now: int) -> Integers:
        """Conversions of each creative that have been reported in the ticks that are over, (C,)."""
        casting, tick = self.casting, now // int(self._blocks.state.control[TICK_US])
        found = casting.reported.copy()
        for ad, closed in enumerate(casting.closed.tolist()):
            those, over = slice(self.first[ad], self.first[ad + 1]), np.arange(closed, tick) % len(casting.reports)
            found[those] += casting.reports[over, those].sum(axis=0)
        return found

    def there(self, ad: int, now: int) -> NDArray[np.bool_]:
        """Which of an ad's creatives have come by now, (most creatives of an ad,)."""
        found, born = np.zeros(self.casting.answer.size, np.bool_), self._blocks.state.rotation.born
        low, high = int(self.first[ad]), int(self.first[ad + 1])
        found[: high - low] = born[low:high] <= now if born.size else True
        return found

    @property
    def asked_ad(self) -> int | None:
        """The ad whose creative is asked for; None if it is none."""
        return int(self.casting.kept[Kept.AD]) if self._blocks.state.control[CASTING] else None

    def answer(self, chance: Floats) -> None:
        """Casts it by these probabilities of the ad's creatives, (most creatives of an ad,)."""
        self.casting.answer[:] = chance

    def _refusal(self, unit: int) -> str:
        count = int(self.first[unit + 1] - self.first[unit])
        return (
            f"the rule of ad {self._names[unit]!r} must choose one of its {count} creatives that has come by then, or give "
            "these probabilities that sum to 1, and all others 0"
        )
