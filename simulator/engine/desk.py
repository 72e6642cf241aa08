"""Where pages are decided on: buckets of users, and what each of them is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, generator
from ..core.errors import PolicyError
from ..core.rules import PythonRowRule, RowRule
from ..market.market import Market
from ..requests.sessions import NOBODY
from ..scenario.tree import Scenario
from .asking import LEFT_OPEN, NOBODY_ASKED, Column, Known
from .blocks import Blocks
from .state import Asking, Control

BUCKETS = 100
PENDING, PENDING_US, ANSWERED, NEXT, BASE = (
    int(place) for place in (Control.PENDING, Control.PENDING_US, Control.ANSWERED, Control.NEXT, Control.BASE)
)


def bucket_of(scenario: Scenario, users: int) -> Integers:
    """The bucket of each user, (users,): drawn by the market's seed, so that a user is in the same one on all days."""
    return generator(scenario.market_seed, Stream.BUCKET).integers(BUCKETS, size=users)


class PageDesk:
    """Decides on the pages of a market in motion, by bucket of users; without one they are what the scenario says."""

    def __init__(self, scenario: Scenario, market: Market, blocks: Blocks) -> None:
        self._blocks, state, users = blocks, blocks.state, market.users.segment.size
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
        self._rules: dict[int, tuple[Any, ...]] = {}  # what must live as long as its address is used, by bucket

    @property
    def asking(self) -> Asking:
        """What the kernel knows of who decides."""
        return self._blocks.state.asking

    def by_chance(self, buckets: Integers, chance: Floats) -> None:
        """Pages of these buckets have patterns with these probabilities, (buckets, P)."""
        self.asking.chance[buckets] = chance
        self._ask(buckets, NOBODY_ASKED, ())

    def by_rule(self, buckets: Integers, rule: RowRule | PythonRowRule, memory: Floats, own: Floats) -> None:
        """Pages of these buckets are what a rule says: `memory` (m,) is its own, as is a row of `own` (users, w) for each."""
        kept = memory.ctypes.data, memory.size, own.ctypes.data, own.shape[1] if own.ndim == 2 else 0
        self.asking.memory[buckets] = kept
        self._ask(buckets, rule.address, (rule, memory, own))

    def by_function(self, buckets: Integers, function: Any) -> None:
        """Pages of these buckets are what a Python function of `asking.shown` says."""
        nothing = np.zeros(0)
        self.by_rule(buckets, PythonRowRule(function, self.asking.shown, self.asking.answer), nothing, nothing)

    def leave_open(self, buckets: Integers) -> None:
        """Whoever runs the world decides on pages of these buckets."""
        self._ask(buckets, LEFT_OPEN, ())

    def _ask(self, buckets: Integers, address: int, kept: tuple[Any, ...]) -> None:
        if address != NOBODY_ASKED and not self.asking.known.size:
            known = np.zeros((self.asking.bucket.size, len(Known)))
            self._blocks.addressed.replace("asking", known=known)
        self.asking.address[buckets] = address
        for bucket in buckets:
            self._rules[int(bucket)] = kept

    # One who is asked from outside

    @property
    def column(self) -> int:
        """The column of the request that is asked about."""
        control = self._blocks.state.control
        return int(control[PENDING]) - 1 if control[PENDING] else int(control[NEXT] - control[BASE])

    @property
    def asked_us(self) -> int:
        """When it is allocated."""
        control = self._blocks.state.control
        return int(control[PENDING_US]) if control[PENDING] else int(self._blocks.state.block.times[self.column])

    @property
    def asked_bucket(self) -> int:
        """The bucket of its user."""
        return int(self.asking.bucket[self._blocks.state.block.users[self.column]])

    def answer(self, chance: Floats) -> None:
        """Allocates it by these probabilities of patterns, (P,)."""
        self.asking.answer[:] = chance
        control = self._blocks.state.control
        if not control[PENDING]:
            control[ANSWERED] = control[NEXT] + 1

    def blame(self, bucket: int) -> None:
        """Raises what a rule of Python has raised, or else `PolicyError`: it has answered what is not allowed."""
        rule = self._rules[bucket][0] if self._rules.get(bucket) else None
        if isinstance(rule, PythonRowRule) and rule.error is not None:
            raise rule.error
        patterns = self.asking.answer.size
        raise PolicyError(
            f"the rule of bucket {bucket} must choose a pattern from 0 to {patterns - 1}, or give probabilities that sum to 1"
        )
