"""The market's arrays and what may be done to them: blocks of requests, bids, budgets, hours, reports.

An `Exchange` is the state of one world without its clock. Everything that can change a request's fate between two calls
of a kernel goes through here and ends with `refresh`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, LANES
from ..core.chance import stream_keys
from ..core.compiled import entry
from ..core.errors import MarketError, suggest
from ..core.money import LARGEST, MICRO, UNLIMITED, micros
from ..core.numeric import real
from ..delivery import queue as serving
from ..delivery.auction import PRICING
from ..delivery.funnel import Seen, Trace, Winnow
from ..delivery.rotation import find_ad, new_rotation, set_shares
from ..market.market import Market
from ..population import campaigns as demand
from ..population.rates import best_ads, rates
from ..requests.sessions import Planner, ticks_before
from ..requests.surfaces import Asking, new_surfaces
from ..requests.traffic import NEVER, Intensity, arrive, place_anew
from ..response.counters import new_history
from ..response.delays import delay_table
from ..response.leads import new_chain
from ..response.memory import new_memory, with_room
from ..response.organic import new_baseline
from ..response.visits import new_visits, with_evening_before
from ..response.visits import with_room as with_place
from ..scenario.forecast import forecast
from ..scenario.tree import Scenario
from . import state as K
from .bids import cap_all, refresh
from .presence import Presence
from .record import RECORD_FLOATS, RECORD_INTS, Recorded

# What `State` keeps of a request in its column, for as long as it is under way.
COLUMNS = ("times", "users", "session", "surface", "query", "rate", "ad", "who", "weight", "offer", "truth_block")


class Exchange:
    """One market under way: `state` is what the kernels see; the rest is what Python needs between two calls."""

    def __init__(self, scenario: Scenario, market: Market, seed: int) -> None:
        self.scenario, self.market, self.seed = scenario, market, seed
        table = market.campaigns
        campaigns, ads, slots = len(table.names), len(table.appeal), scenario.auction.slots
        before = 0 if scenario.sessions is None else ticks_before(scenario.sessions, scenario.tick_us)
        self.intensity = Intensity.of(scenario, seed, before)
        self.shares = forecast(scenario)
        self.shares.flags.writeable = False  # every policy sees it
        ticks = range(self.shares.size)
        self.elapsed = [float(self.shares[:t].sum()) for t in ticks]
        self._expected_left = [round(scenario.expected_requests * self.shares[t:].sum()) for t in ticks]
        keys = stream_keys(seed)
        self._planner: Planner | None = None
        visits = new_visits(scenario.sessions, len(market.users.segment))
        if scenario.sessions is not None:
            even, ads_seen = scenario.traffic.arrivals == "even", scenario.ads_per_request
            self._planner = Planner(scenario.sessions, even, keys, market.users, scenario.tick_us, self.intensity, ads_seen)
            visits = with_evening_before(visits, self._planner)
        surfaces = new_surfaces(scenario, market.language)
        self._asking: Asking | None = None
        if scenario.asks:
            self._asking = Asking(surfaces, market.language, market.users.interests.shape[1], keys)
        asks = np.zeros(CHUNK if scenario.asks else 0, np.int64)
        in_block = np.zeros(0 if self._planner is None else CHUNK, np.int64)
        self._rates = rates(scenario.rates, market.users, market.ads, ads, CHUNK, keys)
        self._squashing = np.float32(scenario.auction.squashing - 1)
        self._winnow = self._new_winnow(keys)
        self._block = np.zeros((0 if self._winnow is not None else ads, CHUNK), np.float32)
        self._epochs, self._draws = np.zeros(CHUNK), np.zeros((3, CHUNK))
        self._sum = 0.0
        self._counted = 0  # requests whose rates are added up
        self.multiplier = np.ones(campaigns)  # NaN: bids by offer or by rule
        self.offer_bound = np.zeros(campaigns)
        self.daily = table.budget.copy()
        self.value_factor = np.ones(campaigns)  # by processes of the user's
        self.weather = np.ones((scenario.ticks_per_day, campaigns))
        self.target = table.target.copy()  # bid for a conversion at multiplier 1, now, currency
        self.day_spent = np.zeros(campaigns, np.int64)  # spent before today
        self.on_block: list[Callable[[], None]] = []  # before a block is drawn over
        self.on_fill: list[Callable[[int, int], None]] = []  # when candidates of requests are found: first, from which on
        self.on_scores: list[Callable[[int], None]] = []  # asks for offers, from a request of the block on
        rows = np.array([0, campaigns]) if self._winnow is None else self._winnow.first_row
        self.line: Addressed[serving.Queue] | None = None  # the queue, where there are servers
        if scenario.serving is not None:
            tiers = int(market.users.tier.max()) + 1
            self.line = Addressed(serving.new_queue(scenario.serving, scenario.funnel, tiers, rows))
        self._demands = None if scenario.serving is None else serving.Demands(scenario.serving, market.users, keys)
        one_ad = ads == campaigns and self._winnow is None
        rate_shape = rows[-1], CHUNK
        last_tick = scenario.days * scenario.ticks_per_day
        response = scenario.response
        window = int(response.window_days * 86_400e6 // scenario.tick_us) + 2
        none = np.zeros((0, 0), np.float32)
        truth = self._rates.truth
        state = K.State(
            control=np.zeros(K.CONTROLS, np.int64),
            keys=keys,
            seen=scenario.auction.seen,
            times=np.zeros(CHUNK, np.int64),
            users=np.zeros(CHUNK, np.int64),
            session=in_block,
            surface=asks,
            query=asks.copy(),
            page=in_block.copy(),
            present=in_block.astype(np.float32),
            rate=self._block if one_ad and self.queue is None else np.zeros(rate_shape, np.float32),
            ad=np.zeros((0, 0) if one_ad else rate_shape, np.int64),
            who=np.zeros((0, 0) if self._winnow is None else rate_shape, np.int64),
            weight=none if self._squashing == 0 else np.zeros(rate_shape, np.float32),
            offer=none,
            offer_row=np.full(campaigns, -1),
            truth_users=truth.users,
            truth_ads=truth.ads,
            truth_bias=truth.bias,
            truth_block=truth.block if self.queue is None else truth.block.copy(),
            live=np.zeros(campaigns, np.float32),
            cap=np.zeros(campaigns, np.float32),
            click_cap=np.zeros(campaigns, np.float32),
            active=table.active(0),
            watch=np.zeros(campaigns),
            billing=table.billing,
            allowance=np.zeros(campaigns, np.int64),
            spent=np.zeros(campaigns, np.int64),
            believed_conversion=table.conversion_rate.copy(),
            true_conversion=table.conversion_rate.copy(),
            attributed=demand.attributed(response, table),
            value=table.value.copy(),
            counts=np.zeros((K.COUNTS, campaigns), np.int64),
            sums=np.zeros((K.SUMS, campaigns)),
            slot_impressions=np.zeros(slots, np.int64),
            threshold=np.zeros(1),
            reports=np.zeros((min(window, last_tick + 1), campaigns), np.int64),
            owed=np.zeros((min(window, last_tick + 1), campaigns), np.int64),
            delay=delay_table(response.delay, response.window_days),
            attribution_us=int(NEVER if response.attribution_days is None else response.attribution_days * 86_400e6),
            chain=new_chain(scenario, table),
            baseline=new_baseline(scenario, table, market.users, market.ads),
            memory=new_memory(scenario, table, None if market.creatives is None else len(market.creatives.ad)),
            visits=visits,
            surfaces=surfaces,
            rotation=new_rotation(market.creatives, market.users),
            rule_address=np.zeros(0, np.int64),
            rule_campaign=np.zeros(0, np.int64),
            rule_first=np.zeros(1, np.int64),
            rule_state=np.zeros(0),
            rule_word=np.zeros(0, np.int64),
            top=np.zeros((slots + 1, LANES), np.int64),
            journal_ints=np.zeros((0, len(K.JOURNAL_INTS)), np.int64),
            journal_floats=np.zeros((0, len(K.JOURNAL_FLOATS))),
            history=new_history(),
            record_ints=np.zeros((0, RECORD_INTS), np.int64),
            record_floats=np.zeros((0, RECORD_FLOATS + slots)),
        )
        self.held = Addressed(state)
        self.presence = Presence(state.active, self.shares, scenario.tick_us)
        control = state.control
        control[K.PRICING] = PRICING[scenario.auction.pricing]
        control[K.RESERVE] = _at_least(round(scenario.auction.reserve * MICRO))
        control[K.TICK_US], control[K.LAST_TICK] = scenario.tick_us, last_tick
        control[K.RECORD_OF] = -1

        self._refresh = entry(refresh, self.multiplier, self.target, self.offer_bound, self._rates.bound, self.held)
        self._cap_all = entry(cap_all, self.held)

    @property
    def state(self) -> K.State:
        """What the kernels read and write."""
        return self.held.value

    @property
    def made(self) -> int:
        """Requests that have been made so far: those played, less those of users who had left or not come."""
        control = self.state.control
        return int(control[K.NEXT] - control[K.UNMADE])

    @property
    def queue(self) -> serving.Queue | None:
        """Requests that wait for servers or are served; None where there are no servers."""
        return None if self.line is None else self.line.value

    # Blocks of requests

    def score(self) -> None:
        """Draws and scores the next block; called when the one before is played to its last request."""
        self.count_offered()
        if self.line is not None:
            self._park(self.line)
        for before in self.on_block:
            before()
        state, users, control = self.state, self.market.users, self.state.control
        first = int(control[K.SCORED])
        now = int(state.times[CHUNK - 1]) if first else 0
        if self._planner is not None:
            oldest = self._oldest_session(self._planner)
            self._planner.next_block(self.intensity, now, *self._plan())
            self.replace(visits=with_place(state.visits, oldest, self._planner.started))
        else:
            self._sum = arrive(
                state.keys, first, self.scenario.traffic.arrivals == "even", self._sum, now, self.scenario.tick_us,
                *self.intensity, users.segment_share, users.segment_start, users.alias_share, users.alias_user,
                self._draws, self._epochs, state.times, state.users,
            )  # fmt: skip
        room = state.times.size * len(state.seen) * 2  # each slot adds an ad and a campaign at most
        self.replace(memory=with_room(state.memory, room, now))
        self._rate(first, 0)
        state = self.state
        control[K.BASE], control[K.SCORED], control[K.GROUP] = first, first + CHUNK, -1
        if len(state.offer):
            for ask in self.on_scores:
                ask(0)
            self.refresh()
        else:
            self._cap_all(self.held)

    def _plan(self) -> tuple[NDArray[np.int64], ...]:
        """The columns of the block that say who comes when."""
        state, block = self.state, slice(CHUNK)
        return state.times[block], state.users[block], state.session[block], state.page

    def _oldest_session(self, planner: Planner) -> int:
        """The first session of which a request is still to be played or under way."""
        oldest = planner.oldest()
        if self.queue is not None and self.queue.under_way.any():
            oldest = min(oldest, int(self.state.session[self.queue.under_way].min()))
        return oldest

    def _rate(self, first: int, start: int) -> None:
        """All that follows from who asks, for the block's requests from place `start` on."""
        if self._asking is not None:
            self._asking.draw(first, self.state.surface[:CHUNK], self.state.query[:CHUNK])
        self._fill(first, start)
        if self.queue is not None and self._demands is not None:
            self._demands.fill(first, self.state.users[:CHUNK], self.queue)
            if self.state.truth_block.size:
                self.state.truth_block[:, :CHUNK] = self._rates.truth.block

    def _fill(self, first: int, start: int) -> None:
        """Believed rates of the block's requests from place `start` on: of all campaigns, or of a funnel's candidates."""
        state, drawn, block = self.state, self.state.users[:CHUNK], slice(start, CHUNK)
        asked = None if self._asking is None else self._asking.asked(state.surface[:CHUNK], state.query[:CHUNK])
        if self._winnow is not None:
            seen = Seen(state.memory, state.times[:CHUNK])
            self._winnow.fill(first, start, drawn, asked, state.rate, state.ad, state.who, seen)
        else:
            self._rates.fill(first, drawn, asked, self._block)
            if state.ad.size:
                best_ads(self._block, self.market.campaigns.first_ad, state.rate, state.ad)
            elif state.rate is not self._block:
                state.rate[:, :CHUNK] = self._block
        if state.weight.size:
            rate = state.rate[:, block]
            np.power(rate, self._squashing, out=state.weight[:, block], where=rate > 0)
        for filled in self.on_fill:
            filled(first, start)

    def trace(self, number: int, place: int) -> Trace:
        """The way of a request, in a place of the block, through the full quotas of its tier, as the index is; for logs."""
        assert self._winnow is not None
        state, one, asked = self.state, slice(place, place + 1), None
        if self._asking is not None:
            asked = self._asking.asked(state.surface[one], state.query[one])
        return self._winnow.trace(number, int(state.users[place]), asked, Seen(state.memory, state.times[one]))

    def _new_winnow(self, keys: NDArray[np.uint64]) -> Winnow | None:
        settings, market = self.scenario.funnel, self.market
        if settings is None or market.stages is None or market.ads is None:
            return None
        matches = None if market.language is None else market.language.matches
        if self.scenario.serving is None:  # nobody waits, so that nothing but the full quotas is used
            settings = settings.in_full()
        return Winnow(settings, market.stages, market.ads, market.users, market.campaigns.ad_campaign, keys, matches)

    def reindex(self) -> None:
        """Takes the bids of the moment into the funnel's index, and winnows anew what has not come yet of the block."""
        if self._winnow is None:
            return
        can_pay = self.state.cap >= self.state.control[K.RESERVE]
        self._winnow.refresh(np.where(can_pay, self.state.live, np.float32(0)))
        control = self.state.control
        start = int(control[K.NEXT] - control[K.BASE])
        if control[K.SCORED] and start < CHUNK:
            self._fill(int(control[K.BASE]), start)

    def surge(self, now: int, factor: float) -> None:
        """Multiplies all traffic from now on; requests that have arrived stay, the others are placed anew."""
        times = real(factor)
        if times is None or not 0 <= times <= 1e9:
            raise MarketError(f"a surge needs a factor from 0 to 1e9, not {factor!r}")
        self.intensity = self.intensity.scaled(now, times)
        control = self.state.control
        base, start = int(control[K.BASE]), int(control[K.NEXT] - control[K.BASE])
        if not control[K.SCORED]:
            return
        if self._planner is None:
            place_anew(now, self._epochs[start:], self.state.times[start:CHUNK], *self.intensity)
            return
        oldest = min(self._oldest_session(self._planner), int(self.state.session[:CHUNK].min()))
        self._planner.again(self.intensity, start, now, *self._plan())  # sessions start at other times, so others are next
        self.replace(visits=with_place(self.state.visits, oldest, self._planner.started))
        self._rate(base, start)
        control[K.GROUP] = -1
        for ask in self.on_scores if len(self.state.offer) else ():
            ask(start)
        self.refresh()

    def _park(self, line: Addressed[serving.Queue]) -> None:
        """Moves requests that are still under way out of the columns that the next block takes."""
        queue = line.value
        old = np.flatnonzero(queue.under_way[:CHUNK])
        columns = queue.under_way.size
        if np.count_nonzero(queue.under_way[CHUNK:]) + old.size > columns - CHUNK:
            queue = serving.widened(queue, 2 * columns)
            line.replace(**queue._asdict())
            self.replace(**{name: _widened(getattr(self.state, name), columns) for name in COLUMNS})
        new = np.flatnonzero(~queue.under_way[CHUNK:])[: old.size] + CHUNK
        serving.moved(queue, old, new)
        for array in (getattr(self.state, name) for name in COLUMNS):
            if array.size:
                array[..., new] = array[..., old]

    def record(self, campaign: int | str) -> None:
        """Keeps for one campaign what a clairvoyant would want to know of each request (see `kernel.record`)."""
        if self._winnow is not None:
            raise MarketError("behind a funnel a campaign does not meet every request, so there is no record of them")
        if self.state.memory.whose.size or self.state.session.size:
            raise MarketError("where users tire or leave, what a request is worth depends on those before: there is no record")
        if self.state.surface.size:
            raise MarketError("where surfaces and queries differ, slots and conversions do too: there is no record of them")
        self.state.control[K.RECORD_OF] = self.find(campaign)
        self.on_block.append(self._grow_record)
        self._grow_record()

    def recorded(self) -> Recorded:
        """What has been kept so far. Raises `MarketError` if nobody is recorded."""
        campaign, rows = int(self.state.control[K.RECORD_OF]), int(self.state.control[K.RECORDED])
        if campaign < 0:
            raise MarketError("no campaign is recorded: name one with World(record=...)")
        ints, floats = self.state.record_ints[:rows], self.state.record_floats[:rows]
        return Recorded(
            campaign,
            ints[:, 0],
            ints[:, 1],
            ints[:, 2] > 0,
            floats[:, 0],
            floats[:, 1],
            floats[:, 2],
            floats[:, RECORD_FLOATS:],
        )

    def _grow_record(self) -> None:
        rows, used = len(self.state.record_ints), int(self.state.control[K.RECORDED])
        if rows - used >= self.state.times.size:  # nothing else can be settled before the next block is drawn
            return
        more = max(rows, 64 * self.state.times.size)
        self.replace(
            record_ints=np.pad(self.state.record_ints, ((0, more), (0, 0))),
            record_floats=np.pad(self.state.record_floats, ((0, more), (0, 0))),
        )

    # Ticks and days

    def count_offered(self) -> None:
        """Adds up the believed conversions of all requests played since the last call, won or lost: what bidders saw.

        With servers the kernel does it, since requests are then not auctioned as they come.
        """
        if self.queue is not None:
            return
        state = self.state
        base, played = int(state.control[K.BASE]), int(state.control[K.NEXT])
        if played == self._counted:
            return
        rows = slice(self._counted - base, played - base)
        self._counted = played
        rate = state.rate[:, rows]
        if state.present.size:
            rate = rate * state.present[rows]
        if state.who.size:
            who = state.who[:, rows]
            np.add.at(state.sums[K.OFFERED], who, rate * state.believed_conversion[who])
            return
        # Not a product with ones: OpenBLAS then multiplies what lies on its stack, and NumPy warns of an invalid value.
        state.sums[K.OFFERED] += np.einsum("ij->i", rate) * state.believed_conversion

    def open_day(self, day: int) -> None:
        """New budgets, flights and weather; users have slept over what they saw."""
        state, table = self.state, self.market.campaigns
        np.copyto(state.visits.at_midnight, state.visits.satisfaction)
        self.presence.open_day(table.active(day))
        self.day_spent[:] = state.spent
        state.allowance[:] = state.spent + self.daily
        self.weather = demand.weather(self.scenario, table, self.seed, day)

    def open_tick(self, tick: int, now: int) -> None:
        """The hour's conversion rates and values, and the forecast of requests left today (`tick` of the day)."""
        state, control = self.state, self.state.control
        self.presence.open_tick(now)
        np.copyto(state.true_conversion, self.market.conversion[tick])
        np.copyto(state.believed_conversion, self.market.believed_conversion[tick])
        self._revalue(tick)
        control[K.LEFT_BASE] = control[K.NEXT] + self._expected_left[tick]

    def _revalue(self, tick: int) -> None:
        factor = self.weather[tick] * self.value_factor
        np.multiply(self.market.campaigns.value, factor, out=self.state.value)
        np.multiply(self.market.campaigns.target, factor, out=self.target)

    def refresh(self) -> None:
        """Recomputes what each campaign may bid; anything that changes bids, budgets, hours or flights ends here."""
        self._refresh(self.multiplier, self.target, self.offer_bound, self._rates.bound, self.held)

    # What a campaign may ask for

    def find(self, campaign: int | str) -> int:
        """The place of a campaign given by name or place. Raises `MarketError` if there is none."""
        k = self.market.campaigns.place(campaign)
        if k is None:
            raise MarketError(f"there is no campaign {campaign!r}{suggest(str(campaign), self.market.campaigns.names)}")
        return k

    def top_up(self, campaign: int | str, amount: float) -> None:
        """Adds currency to what a campaign may still spend today; unlimited stays unlimited."""
        k = self.find(campaign)
        self.state.allowance[k] = min(int(self.state.allowance[k]) + int(_money(amount)), int(UNLIMITED) * 2)
        self.refresh()

    def set_budget(self, campaign: int | str, amount: float | None) -> None:
        """A new daily budget in currency, from today on; what is spent stays spent. None: unlimited."""
        k = self.find(campaign)
        self.daily[k] = UNLIMITED if amount is None else _money(amount)
        self.state.allowance[k] = max(self.day_spent[k] + self.daily[k], self.state.spent[k])
        self.refresh()

    def set_multiplier(self, campaign: int | str, multiplier: float) -> None:
        """What a campaign bids until its policy decides again, as a multiple of its target."""
        number = real(multiplier)
        if number is None or not 0 <= number <= LARGEST:
            raise MarketError(f"a multiplier is a number from 0 to {LARGEST:g}, not {multiplier!r}")
        k = self.find(campaign)
        if np.isnan(self.multiplier[k]):
            raise MarketError(f"campaign {campaign!r} bids by request: it has no multiplier to set")
        self.multiplier[k] = number
        self.refresh()

    def scale_value(self, campaign: int | str, factor: float, tick: int) -> None:
        """Multiplies what a conversion is worth to a campaign, and with it its target."""
        k = self.find(campaign)
        times = real(factor)
        if times is None or not 1 / LARGEST <= times * self.value_factor[k] <= LARGEST:
            raise MarketError(
                f"a value is scaled by a factor above 0, to at most {LARGEST:g} times what it was, not by {factor!r}"
            )
        self.value_factor[k] *= times
        self._revalue(tick)
        self.refresh()

    def launch(self, campaign: int | str, now: int) -> None:
        """Starts a campaign, until its flights say otherwise on another day; a pause is over."""
        self.presence.launch(self.find(campaign), now)
        self.refresh()

    def pause(self, campaign: int | str, now: int) -> None:
        """Stops a campaign until it is launched."""
        self.presence.pause(self.find(campaign), now)
        self.refresh()

    def set_creative_shares(self, campaign: int | str, shares: ArrayLike, ad: int | str = 0) -> int:
        """How an ad shows its creatives from now on; returns the ad's number in the market. See `World.set_creative_shares`."""
        if self.market.creatives is None:
            raise MarketError(
                f"set_creative_shares needs a market with creatives, and scenario {self.scenario.name!r} has none"
            )
        number = find_ad(self.market.campaigns, self.find(campaign), ad)
        set_shares(self.state.rotation, number, shares)
        return number

    def replace(self, **arrays: Any) -> None:
        """Puts other arrays into the state, for what changes size: offers, rules, journal, record."""
        self.held.replace(**arrays)


def _widened(array: NDArray[Any], more: int) -> NDArray[Any]:
    """The same array with more columns; one without any stays so."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, more)]) if array.size else array


def _money(amount: float) -> np.int64:
    number = real(amount)
    if number is None or not 0 <= number < 1e12:
        raise MarketError(f"an amount of money is a number from 0 to 1e12, not {amount!r}")
    return np.int64(micros(number))


def next_arrival(state: K.State) -> int | None:
    """When the next request of the block arrives, in microseconds; None if it never does."""
    time = int(state.times[state.control[K.NEXT] - state.control[K.BASE]])
    return None if time == NEVER else time


def _at_least(money: int) -> int:
    """The least amount that is not below this one and that a float32 can hold, as bids are."""
    near = np.float32(money)
    return int(near) if int(near) >= money else int(np.nextafter(near, np.float32(np.inf)))
