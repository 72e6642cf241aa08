"""Requests in blocks: drawn and rated together before the kernels play them one by one, and out of the way when the next comes.

`coming` draws who asks when and for what, `rating` says what is believed of them; the order of the two, and what becomes of
their columns, is here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Integers
from ..core.chance import stream_keys
from ..core.compiled import entry
from ..core.errors import MarketError
from ..core.numeric import real
from ..delivery.queue import Demands, Queue, moved, new_queue, price, widened, with_columns
from ..market.market import Market
from ..population.rates import Context, new_rates
from ..requests.traffic import WHOLE, Share
from ..response.memory import with_room_for_exposures
from ..scenario.tree import Scenario
from .coming import Coming, Traffic
from .drawing import drawer_of, new_source
from .new_state import new_state
from .offered import add_offered
from .rating import Rating, new_winnow
from .state import Control, State

# What `State` keeps of a request in its column, for as long as it is under way.
COLUMNS = {
    "block": ("times", "users", "session", "page", "surface", "query", "lift", "content", "slots_seen"),
    "bids": ("rate", "platform", "ad", "who", "weight", "draw", "offer"),
    "truth": ("block",),
}  # fmt: skip

# Plain numbers, for what is read at each request or block: by a member of an enumeration NumPy finds a place half as fast.
NEXT, BASE, SCORED, GROUP = (int(place) for place in (Control.NEXT, Control.BASE, Control.SCORED, Control.GROUP))
DRAWER, COUNTED = int(Control.DRAWER), int(Control.COUNTED)


class Blocks:
    """Fills the columns of the state with the requests of a world, a block at a time; `addressed` is the state.

    `on_block` is called before a block is drawn over; `on_fill` when candidates of requests are found, with the number of the
    block's first request and the places from and up to which they are.
    """

    def __init__(self, scenario: Scenario, market: Market, seed: int, share: Share = WHOLE) -> None:
        self.scenario, keys = scenario, stream_keys(seed)
        traffic = Traffic.of(scenario, market, keys, seed, share)
        campaigns, ads = len(market.campaigns.names), len(market.campaigns.appeal)
        rates, winnow = (
            new_rates(scenario.rates, market.users, market.ads, ads, CHUNK, keys),
            new_winnow(scenario, market, keys),
        )
        rows = np.array([0, campaigns]) if winnow is None else winnow.first_row
        visits = traffic.visits(scenario, market)
        source = new_source(scenario, market, traffic.intensity, np.array(scenario.auction.seen)[None], rates)
        self.addressed = Addressed(new_state(scenario, market, keys, rates.truth, int(rows[-1]), visits, source))
        self.line: Addressed[Queue] | None = None  # the queue, where there are servers
        self._demands: Demands | None = None
        if scenario.serving is not None:
            tiers = int(market.users.tier.max()) + 1
            self.line = Addressed(new_queue(scenario.serving, scenario.funnel, tiers, rows))
            self._demands = Demands(scenario.serving, market.users, keys)
        self.coming = Coming(scenario, market, keys, seed, traffic, self.addressed, self.line)
        self.rating = Rating(scenario, market, rates, winnow, self.addressed, self.line, self.coming)
        self._context: Context | None = None  # what requests of the block bring beside their users
        self._first = share.first
        self.state.control[[NEXT, BASE, SCORED, COUNTED]] = share.first
        self.on_block: list[Callable[[], None]] = []
        self.on_fill: list[Callable[[int, int, int], None]] = []
        self._add_offered = entry(add_offered, 0, 0, source.room, self.addressed) if self.line is None else None
        plain = self.coming.is_plain and self.rating.is_plain and self.line is None and not self.state.memory.whose.size
        self._drawer = drawer_of(self.addressed, self.rating.room) if plain else 0

    @property
    def state(self) -> State:
        """What the kernels read and write."""
        return self.addressed.value

    @property
    def queue(self) -> Queue | None:
        """Requests that wait for servers or are served; None where there are no servers."""
        return None if self.line is None else self.line.value

    @property
    def drawn(self) -> bool:
        """Whether there has been a block."""
        return bool(self.state.control[SCORED] > self._first)

    @property
    def _drawn(self) -> int:
        """The end of the block under way."""
        return int(self.state.control[BASE]) + CHUNK if self.drawn else self._first

    def let_draw(self) -> None:
        """Has compiled code draw further blocks by itself, where nobody but it has to do with them; see `drawing`."""
        alone = self._drawer and not (self.on_block or self.on_fill or self.state.bids.offer.size) and self.rating.is_plain
        self.state.control[DRAWER] = self._drawer if alone else 0

    def rate_next(self) -> None:
        """Rates more requests, those of the next block when this one is rated; called when the last rated one is played."""
        control = self.state.control
        if control[SCORED] < self._drawn:
            self._rate_rest()
        else:
            self._draw_next()

    def _rate_rest(self) -> None:
        """Rates requests of the block that have not come, a batch of them behind a funnel."""
        control = self.state.control
        base, start = int(control[BASE]), int(control[NEXT] - control[BASE])
        control[SCORED] = base + self._fill(base, start)

    def _draw_next(self) -> None:
        self.count_offered()
        if self.line is not None:
            self._park(self.line)
        for before in self.on_block:
            before()
        state, control = self.state, self.state.control
        first = self._drawn
        now = int(state.block.times[CHUNK - 1]) if self.drawn else 0
        self.coming.next_block(first, now)
        room = state.block.times.size * len(state.seen) * 2  # each slot adds an ad and a campaign at most
        if (memory := with_room_for_exposures(state.memory, room, now)) is not state.memory:
            self.addressed.replace(memory=memory)
        end = self._rate(first, 0)
        control[BASE], control[SCORED], control[GROUP] = first, first + end, -1

    def _rate(self, first: int, start: int) -> int:
        """All that follows from who asks, for requests from place `start` on; returns the place up to which they are rated."""
        self.coming.ask(first)
        if self.queue is not None and self._demands is not None:
            self._demands.fill(first, self.state.block.users[:CHUNK], self.queue)
        self._context = self.coming.context(first, start)
        end = self._fill(first, start)
        if self.queue is not None:
            self.rating.keep_truth()
        return end

    def _fill(self, first: int, start: int) -> int:
        """Believed rates of requests from place `start` on; returns the place up to which they are."""
        end = self.rating.fill(first, start, self._context)
        if self.queue is not None:
            price(self.queue, slice(start, end))
        for filled in self.on_fill:
            filled(first, start, end)
        return end

    def throttle(self) -> None:
        """Draws which requests a throttled campaign sits out, from now on; nobody has been throttled before."""
        self.rating.throttle(self._requests())

    def _requests(self) -> Integers:
        """The requests in all columns, by number; none before the first block."""
        if not self.drawn:
            return np.zeros(0, np.int64)
        block = np.arange(CHUNK) + int(self.state.control[BASE])
        return block if self.queue is None else np.concatenate([block, self.queue.request[CHUNK:]])

    def reindex(self) -> bool:
        """Takes the bids of the moment into the funnel's index, and what quotas and beliefs there are, for who has not come.

        Returns whether rates of all campaigns have been found anew, on which they may bid.
        """
        if not self.rating.refresh():
            return False
        control = self.state.control
        if control[NEXT] < self._drawn:
            self._rate_rest()
            control[GROUP] = -1
        return not self.rating.funnelled

    def surge(self, now: int, factor: float) -> int | None:
        """Multiplies all traffic from now on; requests that have arrived stay, the others are placed anew.

        Returns the place in the block from which on other users ask than before, None if it is the same ones.
        """
        times = real(factor)
        if times is None or not 0 <= times <= 1e9:
            raise MarketError(f"a surge needs a factor from 0 to 1e9, not {factor!r}")
        self.coming.scale(now, times)
        if not self.drawn:
            return None
        control = self.state.control
        base, start = int(control[BASE]), int(control[NEXT] - control[BASE])
        self.coming.again(start, now)
        if self.coming.planner is not None:
            control[SCORED] = base + self._rate(base, start)
        elif self.coming.lifted and start < CHUNK:
            self._context = self.coming.context(base, start)  # they come at other hours, and are worth more or less
            self._rate_rest()
        else:
            return None
        control[GROUP] = -1
        return start

    def _park(self, line: Addressed[Queue]) -> None:
        """Moves requests that are still under way out of the columns that the next block takes."""
        queue = line.value
        old = np.flatnonzero(queue.under_way[:CHUNK])
        columns = queue.under_way.size
        if np.count_nonzero(queue.under_way[CHUNK:]) + old.size > columns - CHUNK:
            queue = widened(queue, 2 * columns)
            line.replace(**queue._asdict())
            for part, names in COLUMNS.items():
                group = getattr(self.state, part)
                self.addressed.replace(part, **{name: with_columns(getattr(group, name), columns) for name in names})
        new = np.flatnonzero(~queue.under_way[CHUNK:])[: old.size] + CHUNK
        moved(queue, old, new)
        for array in (getattr(getattr(self.state, part), name) for part, names in COLUMNS.items() for name in names):
            if array.size:
                array[..., new] = array[..., old]

    def count_offered(self) -> None:
        """Adds up the believed conversions of all requests played since the last call, won or lost: what bidders saw.

        With servers the kernel does it, as requests are then not auctioned as they come. Whoever lets shards play draws none.
        """
        if self._add_offered is None or not self.drawn:
            return
        control = self.addressed.value.control
        played = int(control[NEXT])
        if played > (counted := int(control[COUNTED])):
            base = int(control[BASE])
            self._add_offered(counted - base, played - base, self.state.source.room, self.addressed)
            control[COUNTED] = played
