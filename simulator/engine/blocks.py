"""Requests in blocks: who asks when and for what, drawn and rated together before the kernels play them one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Floats, Integers, Keys
from ..core.chance import Stream, stream_keys
from ..core.compiled import entry
from ..core.errors import MarketError
from ..core.numeric import real
from ..delivery.funnel import BATCH, Seen, Trace, Winnow
from ..delivery.models import Batch, Correction, RateModel, asked
from ..delivery.queue import Demands, Queue, moved, new_queue, price, widened, with_columns
from ..delivery.quotas import service_s
from ..delivery.ranking import Ranking
from ..delivery.selection import draw_participation
from ..market.market import Market
from ..population.rates import Context, best_ads, new_rates
from ..requests.sessions import Planner, ticks_before
from ..requests.surfaces import Contexts
from ..requests.traffic import WHOLE, Intensity, Share, arrive, place_anew
from ..requests.worth import Lifts, differs
from ..response.memory import with_room_for_exposures
from ..response.visits import new_visits, with_evening_before, with_room_for_sessions
from ..scenario.tree import Scenario
from .new_state import new_state
from .state import Control, State, Sum

# What `State` keeps of a request in its column, for as long as it is under way.
COLUMNS = {
    "block": ("times", "users", "session", "page", "surface", "query", "lift", "content"),
    "bids": ("rate", "platform", "ad", "who", "weight", "draw", "offer"),
    "truth": ("block",),
}  # fmt: skip

# Plain numbers, for what is read at each request or block: by a member of an enumeration NumPy finds a place half as fast.
NEXT, BASE, SCORED, GROUP = (int(place) for place in (Control.NEXT, Control.BASE, Control.SCORED, Control.GROUP))


class Drawn(NamedTuple):
    """Requests of a whole run, (n,) each, in order."""

    times: Integers  # microseconds
    users: Integers
    session: Integers
    page: Integers
    lift: Floats  # (n,), or (0,) where all are worth the same
    oldest: int  # session of which one may be
    sessions: int  # all that have started


class Blocks:
    """Fills the columns of the state with the requests of a world, a block at a time; `addressed` is the state.

    Behind a funnel candidates are found a batch at a time, as late as they are needed: what changes quotas or the index changes
    all that have not come, and a batch is cheaper to find anew than a block.

    `on_block` is called before a block is drawn over; `on_fill` when candidates of requests are found, with the number of the
    block's first request and the places from and up to which they are.
    """

    def __init__(self, scenario: Scenario, market: Market, seed: int, share: Share = WHOLE) -> None:
        self.scenario, self.market, keys = scenario, market, stream_keys(seed)
        before = 0 if scenario.sessions is None else ticks_before(scenario.sessions, scenario.tick_us)
        self._intensity = Intensity.of(scenario, seed, before, share)
        self._planner: Planner | None = None
        visits = new_visits(scenario.sessions, len(market.users.segment), market.temper)
        if scenario.sessions is not None:
            even, ads_seen = scenario.traffic.arrivals == "even", scenario.ads_per_request
            self._planner = Planner(
                scenario.sessions, even, keys, market.users, scenario.tick_us, self._intensity, ads_seen, market.temper
            )
            visits = with_evening_before(visits, self._planner)
        campaigns, ads = len(market.campaigns.names), len(market.campaigns.appeal)
        self._rates = new_rates(scenario.rates, market.users, market.ads, ads, CHUNK, keys)
        self.rate_bound = self._rates.bound  # no believed rate is larger
        self._winnow = _winnow(scenario, market, keys)
        rows = np.array([0, campaigns]) if self._winnow is None else self._winnow.first_row
        self.addressed = Addressed(new_state(scenario, market, keys, self._rates.truth, int(rows[-1]), visits))
        self.line: Addressed[Queue] | None = None  # the queue, where there are servers
        self._demands: Demands | None = None
        if scenario.serving is not None:
            tiers = int(market.users.tier.max()) + 1
            self.line = Addressed(new_queue(scenario.serving, scenario.funnel, tiers, rows))
            self._demands = Demands(scenario.serving, market.users, keys)
        self._context: Context | None = None  # what requests of the block bring beside their users
        self._contexts: Contexts | None = None
        if scenario.asks:
            self._contexts = Contexts(self.state.surfaces, market.language, market.users.interests.shape[1], keys)
        self._lifts = Lifts(scenario, market.users, keys, seed) if differs(scenario) else None
        self.ranking = Ranking(scenario.auction.squashing, np.ones(campaigns, np.float32))
        self.model: RateModel | Correction | None = None  # of the rates of the auction, in place of what the platform believes
        self._outdated = False  # whether rates of requests that have not come are to be found anew
        # Believed rates of all ads: the very bids, where each campaign has one ad and nobody waits in other columns.
        ready = self._winnow is None and self.line is None and ads == campaigns
        self._block = self.state.bids.rate if ready else np.zeros((0 if self._winnow else ads, CHUNK), np.float32)
        self._own = self._block  # what the platform itself believes of them, where a model says otherwise
        self._epochs, self._draws = np.zeros(CHUNK), np.zeros((3, CHUNK))
        self._draw: Callable[..., float] | None = None  # `arrive`, compiled
        self._sum = 0.0
        self._first = self._counted = share.first  # requests whose rates are added up
        self.state.control[[NEXT, BASE, SCORED]] = share.first
        self.on_block: list[Callable[[], None]] = []
        self.on_fill: list[Callable[[int, int, int], None]] = []
        self._drawn = share.first  # the end of the block under way

    def draw_all(self, horizon_us: int) -> Drawn:
        """All requests that users in sessions would make before a time, in order, of a world that has not begun."""
        assert self._planner is not None
        planner, oldest = self._planner, self._planner.oldest()
        parts: list[tuple[NDArray[Any], ...]] = []
        for first in itertools.count(0, CHUNK):
            now = int(parts[-1][0][-1]) if parts else 0
            columns = tuple(np.zeros(CHUNK, np.int64) for _ in range(4))
            planner.next_block(self._intensity, now, *columns)
            lift = np.zeros(CHUNK if self._lifts is not None else 0)
            if self._lifts is not None:
                self._lifts.fill(first, columns[0], columns[1], lift)
            parts.append((*columns, lift))
            if columns[0][-1] >= horizon_us:
                break
        times, users, session, page, lift = (np.concatenate(column) for column in zip(*parts, strict=True))
        end = int(np.searchsorted(times, horizon_us))
        return Drawn(times[:end], users[:end], session[:end], page[:end], lift[:end], oldest, planner.started)

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
        return self._drawn > self._first

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
        if self._planner is not None:
            oldest = self._oldest_session(self._planner)
            self._planner.next_block(self._intensity, now, *self._plan())
            self.addressed.replace(visits=with_room_for_sessions(state.visits, oldest, self._planner.started))
        else:
            self._arrive(first, now)
        room = state.block.times.size * len(state.seen) * 2  # each slot adds an ad and a campaign at most
        self.addressed.replace(memory=with_room_for_exposures(state.memory, room, now))
        end = self._rate(first, 0)
        self._drawn = first + CHUNK
        control[BASE], control[SCORED], control[GROUP] = first, first + end, -1

    def _arrive(self, first: int, now: int) -> None:
        """Draws the requests of a block, that come by themselves."""
        state, users = self.state, self.market.users
        arguments = (
            state.keys, first, self.scenario.traffic.arrivals == "even", self._sum, now, self.scenario.tick_us,
            *self._intensity, users.segment_share, users.segment_start, users.alias_share, users.alias_user,
            self._draws, self._epochs, state.block.times, state.block.users,
        )  # fmt: skip
        if self._draw is None:
            self._draw = entry(arrive, *arguments)
        self._sum = self._draw(*arguments)

    def _plan(self) -> tuple[NDArray[np.int64], ...]:
        """The columns of the block that say who comes when."""
        block, new = self.state.block, slice(CHUNK)
        return block.times[new], block.users[new], block.session[new], block.page[new]

    def _oldest_session(self, planner: Planner) -> int:
        """The first session of which a request is still to be played or under way."""
        oldest = planner.oldest()
        if self.queue is not None and self.queue.under_way.any():
            oldest = min(oldest, int(self.state.block.session[self.queue.under_way].min()))
        return oldest

    def _rate(self, first: int, start: int) -> int:
        """All that follows from who asks, for requests from place `start` on; returns the place up to which they are rated."""
        block = self.state.block
        if self._contexts is not None:
            self._contexts.draw(first, block.surface[:CHUNK], block.query[:CHUNK])
        if self.queue is not None and self._demands is not None:
            self._demands.fill(first, block.users[:CHUNK], self.queue)
        self._context = self._new_context(first, start)
        end = self._fill(first, start)
        if self.queue is not None and self.state.truth.block.size:
            self.state.truth.block[:, :CHUNK] = self._rates.truth.block
        return end

    def _fill(self, first: int, start: int) -> int:
        """Believed rates of the block's requests from place `start` on: of all campaigns, or of a batch's candidates.

        Returns the place up to which they are.
        """
        end = CHUNK if self._winnow is None else min((start // BATCH + 1) * BATCH, CHUNK)
        state, bids, rest = self.state, self.state.bids, slice(start, end)
        context = self._context
        if self.queue is not None:
            price(self.queue, rest)
        if self._winnow is not None:
            seen = Seen(state.memory, state.block.times[:CHUNK])
            drawn, batch = state.block.users[:CHUNK], self._batch(first)
            self._winnow.fill(first, start, drawn, context, bids.rate, bids.ad, bids.who, seen, end, batch)
            if bids.platform.size:
                own = self._winnow.believed(drawn[rest], None if context is None else context.part(rest), bids.ad[:, rest].T)
                bids.platform[:, rest] = own.T if context is None else own.T * context.lift[rest]
        else:
            self._fill_all(first, start)
        if bids.weight.size:
            self._weigh(rest)
        if bids.draw.size:
            self._draw_participation(np.arange(first + start, first + end), start)
        for filled in self.on_fill:
            filled(first, start, end)
        return end

    def _fill_all(self, first: int, start: int) -> None:
        """Believed rates of all campaigns' best ads for requests from place `start` on; the others keep theirs."""
        bids, context, users = self.state.bids, self._context, self.state.block.users[:CHUNK]
        before = bids.rate[:, :start].copy(), bids.ad[:, :start].copy()
        believed, rest = self._block if self.model is None else self._own, slice(start, CHUNK)
        self._rates.fill(first, users, context, believed)
        if self.model is not None:
            lift = np.float32(1) if context is None else context.lift[rest]
            told, ads = self._batch(first).part(rest), np.arange(len(believed))
            self._block[:, rest] = asked(self.model, told, ads, lambda: (believed[:, rest] / lift).T).T * lift
        if bids.ad.size:
            best_ads(self._block, self.market.campaigns.first_ad, bids.rate, bids.ad)
            bids.ad[:, :start] = before[1]
        elif bids.rate is not self._block:
            bids.rate[:, :CHUNK] = self._block
        if bids.platform.size:
            shown = np.take_along_axis(believed, bids.ad[:, :CHUNK], axis=0) if bids.ad.size else believed
            bids.platform[:, rest] = shown[:, rest]
        bids.rate[:, :start] = before[0]

    def _batch(self, first: int) -> Batch:
        """The requests of the block, as models of rates see them."""
        block, number = self.state.block, np.arange(first, first + CHUNK)
        surface, query = (block.surface, block.query) if self._contexts is not None else (np.zeros_like(number), number * 0 - 1)
        return Batch(number, block.times[:CHUNK], block.users[:CHUNK], surface[:CHUNK], query[:CHUNK])

    def believe(self, stage: str, model: RateModel | Correction | None) -> None:
        """Has a model say the rates of a stage, or, if it is None, the platform again; `reindex` follows."""
        if self._winnow is not None:
            self._winnow.believe(stage, model)
        if stage == "fine":
            self.model = model
            if not self.state.bids.platform.size:  # so far all is as the platform believes
                self.addressed.replace("bids", platform=self.state.bids.rate.copy())
                self._own = np.zeros_like(self._block)
        self._outdated = True

    def correct(self, odds: Floats) -> None:
        """Takes over factors on the odds of a click as first believed, (A,), for who has not come; `reindex` follows."""
        if self._winnow is not None:
            self._winnow.correct(odds)
        else:
            self._rates.correct(odds)
        self._outdated = True

    @property
    def must_reindex(self) -> bool:
        """Whether what changes at an instant may change the rates of requests to come."""
        return self._winnow is not None or self._outdated

    def _draw_participation(self, requests: Integers, start: int) -> None:
        """Draws who sits out requests, by number, in columns from `start` on."""
        bids, key = self.state.bids, self.state.keys[Stream.PARTICIPATION]
        draw_participation(key, requests, start, start + len(requests), bids.who, bids.draw)

    def throttle(self) -> None:
        """Draws which requests a throttled campaign sits out, from now on; nobody has been throttled before."""
        self.addressed.replace("bids", draw=np.zeros(self.state.bids.rate.shape, np.float32))
        if self.drawn:
            self._draw_participation(self._requests(), 0)

    def rank(self, ranking: Ranking) -> None:
        """Weights of ranks from now on, those of requests that have come and wait among them."""
        if ranking.is_as(self.ranking):
            return
        if not self.state.bids.weight.size:
            self.addressed.replace("bids", weight=np.ones(self.state.bids.rate.shape, np.float32))
        self.ranking = ranking
        if self.queue is not None or not self._outdated:  # else all that counts is rated anew, and weighed then
            self._weigh(slice(None))

    def _weigh(self, columns: slice) -> None:
        """Fills in the weights of ranks in columns."""
        bids = self.state.bids
        self.ranking.weigh(bids.rate[:, columns], bids.who[:, columns], bids.ad[:, columns], bids.weight[:, columns])

    def _requests(self) -> Integers:
        """The requests in all columns, by number."""
        block = np.arange(CHUNK) + int(self.state.control[BASE])
        return block if self.queue is None else np.concatenate([block, self.queue.request[CHUNK:]])

    def _new_context(self, first: int, start: int) -> Context | None:
        """See `_context`; of the block that starts with request `first`, lifts are found from place `start` on."""
        block, context = self.state.block, None
        if self._contexts is not None:
            context = self._contexts.of(block.surface[:CHUNK], block.query[:CHUNK])
        if self._lifts is not None:
            rest = slice(start, CHUNK)
            self._lifts.fill(first + start, block.times[rest], block.users[rest], block.lift[rest])
            context = context or Context.plain(CHUNK, self.market.users.interests.shape[1])
            context = context.lifted(block.lift[:CHUNK])
        return context

    def trace(self, number: int, place: int) -> Trace:
        """The way of a request, in a place of the block, through the full quotas of its tier, as the index is; for logs."""
        assert self._winnow is not None
        state, block, one, context = self.state, self.state.block, slice(place, place + 1), None
        if self._contexts is not None:
            context = self._contexts.of(block.surface[one], block.query[one])
        batch = self._batch(number - place).part(one)
        return self._winnow.trace(number, int(block.users[place]), context, Seen(state.memory, block.times[one]), batch)

    def reindex(self) -> bool:
        """Takes the bids of the moment into the funnel's index, and what quotas and beliefs there are, for who has not come.

        Returns whether rates of all campaigns have been found anew, on which they may bid.
        """
        bids, control = self.state.bids, self.state.control
        outdated, self._outdated = self._outdated, False
        if self._winnow is not None:
            self._winnow.refresh(np.where(bids.cap >= bids.floor, bids.live, np.float32(0)))
        elif not outdated:
            return False
        if control[NEXT] < self._drawn:
            self._rate_rest()
            control[GROUP] = -1
        return self._winnow is None

    @property
    def quotas(self) -> Integers:
        """Those in force behind a funnel, (T, levels, 3); `queue.after` has the waits from which on they hold."""
        assert self._winnow is not None
        return self._winnow.quotas

    def set_quotas(self, tier: int, quotas: Integers, after_us: Integers) -> None:
        """Other quotas (levels, 3) of a tier and the waits (levels,) from which on they hold; `reindex` follows.

        Who has come keeps the candidates found and what they cost; which of the levels he gets goes by the new waits.
        """
        assert self._winnow is not None
        assert self.scenario.funnel is not None
        self._winnow.set_quotas(tier, quotas)
        if (queue := self.queue) is not None and self.scenario.serving is not None:
            levels = len(quotas)
            queue.after[tier, :levels] = after_us
            queue.service[tier, :levels] = service_s(self.scenario.serving, self.scenario.funnel, quotas) * 1e6

    def surge(self, now: int, factor: float) -> int | None:
        """Multiplies all traffic from now on; requests that have arrived stay, the others are placed anew.

        Returns the place in the block from which on other users ask than before, None if it is the same ones.
        """
        times = real(factor)
        if times is None or not 0 <= times <= 1e9:
            raise MarketError(f"a surge needs a factor from 0 to 1e9, not {factor!r}")
        self._intensity = self._intensity.scaled(now, times)
        block, control = self.state.block, self.state.control
        base, start = int(control[BASE]), int(control[NEXT] - control[BASE])
        if not self.drawn:
            return None
        if self._planner is None:
            place_anew(now, self._epochs[start:], block.times[start:CHUNK], *self._intensity)
            if self._lifts is None or start == CHUNK:
                return None
            self._context = self._new_context(base, start)  # they come at other hours, and are worth more or less
            self._rate_rest()
            control[GROUP] = -1
            return start
        oldest = min(self._oldest_session(self._planner), int(block.session[:CHUNK].min()))
        self._planner.again(self._intensity, start, now, *self._plan())  # sessions start at other times, so others are next
        self.addressed.replace(visits=with_room_for_sessions(self.state.visits, oldest, self._planner.started))
        control[SCORED] = base + self._rate(base, start)
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

        With servers the kernel does it, since requests are then not auctioned as they come.
        """
        if self.line is not None:
            return
        state = self.addressed.value
        played = int(state.control[NEXT])
        if played == self._counted:
            return
        base, bids, conversion = int(state.control[BASE]), state.bids, state.terms.believed_conversion
        columns = slice(self._counted - base, played - base)
        self._counted = played
        rate, offered = bids.rate[:, columns], state.tally.sums[Sum.OFFERED]
        if state.block.present.size:
            rate = rate * state.block.present[columns]
        if bids.who.size:
            who = bids.who[:, columns]
            np.add.at(offered, who, rate * conversion[who])
            return
        # Not a product with ones: OpenBLAS then multiplies what lies on its stack, and NumPy warns of an invalid value.
        offered += np.einsum("ij->i", rate) * conversion


def _winnow(scenario: Scenario, market: Market, keys: Keys) -> Winnow | None:
    settings = scenario.funnel
    if settings is None or market.stages is None or market.ads is None:
        return None
    matches = None if market.language is None else market.language.matches
    if scenario.serving is None:  # nobody waits, so that nothing but the full quotas is used
        settings = settings.in_full()
    return Winnow(settings, market.stages, market.ads, market.users, market.campaigns.ad_campaign, keys, matches)
