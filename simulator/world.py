"""A world: the SimPy environment that owns time, and the processes that live in it.

Everything that can change the market is a process: the clock that opens and closes ticks and days, the servers' outages and
scaling, a user's own. Between two of their events one of the `engines` plays the requests.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import simpy
from numpy.typing import ArrayLike, NDArray

from .books.journal import Journal, Logs
from .books.ledger import Ledger
from .core.clock import END, TICK, Clock, Own
from .core.errors import MarketError, PolicyError, suggest
from .core.interrupts import held_interrupts
from .core.numeric import whole
from .core.threads import one_blas_thread
from .delivery.fleet import Fleet
from .delivery.queue import Served, ServingBooks
from .delivery.rotation import CreativeBooks
from .engine.engines import ENGINES, Engine
from .engine.exchange import Exchange
from .engine.record import Recorded, Recorder
from .market import market
from .population.campaigns import Campaigns
from .requests.surfaces import SurfaceBooks
from .response.memory import FatigueBooks
from .response.visits import VisitBooks
from .scenario.tree import Scenario
from .seats.bidding.decisions import BidPolicies
from .seats.bidding.seat import BidSeat

SEATS = {"bid"}


class World:
    """A market that runs.

    Args:
        scenario: what the market is.
        policies: who sits in which seat; {"bid": policy} or {"bid": {campaign: policy}}. Campaigns without a policy bid
            their target.
        seed: the days they live through: arrivals, weather, luck. Same seed, same luck, whatever the policies do.
        engine: "compiled" plays requests in blocks, "events" makes each request a SimPy process.
        journal: a folder for logs of requests, impressions and events (Parquet), or `Logs` for more of them; None: no log.
        record: a campaign for which to keep what a clairvoyant needs (see `agents.hindsight`); None: nobody.

    Raises:
        MarketError, PolicyError: if any of these cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Mapping[str, BidPolicies] | None = None,
        seed: int = 0,
        engine: Literal["compiled", "events"] = "compiled",
        journal: str | Path | Logs | None = None,
        record: int | str | None = None,
    ) -> None:
        if not isinstance(scenario, Scenario):
            raise MarketError(f"a world is made from a Scenario, not from {scenario!r}")
        if engine not in ENGINES:
            raise MarketError(f"there is no engine {engine!r}; known are {' and '.join(ENGINES)}")
        if (given := whole(seed)) is None or given < 0:
            raise MarketError(f"a seed is a whole number from 0 up, not {seed!r}")
        if policies is not None and not isinstance(policies, Mapping):
            raise PolicyError(f"policies are a mapping from seats to policies, not {type(policies).__name__}")
        for seat in policies or {}:
            if seat not in SEATS:
                raise PolicyError(f"there is no seat {seat!r}{suggest(str(seat), SEATS)}")
        self.scenario, self.seed, self.engine = scenario, given, engine
        self.env = Clock()
        self._exchange = Exchange(scenario, market.build(scenario), self.seed)
        ticks = scenario.days * scenario.ticks_per_day
        self.ledger = Ledger(self.campaigns, scenario.ticks_per_day, ticks, self._exchange.addressed)
        self._seat = BidSeat(self._exchange, self.ledger, (policies or {}).get("bid"))
        self._recorder = Recorder(self._exchange.blocks, None if record is None else self._exchange.find(record))
        self.journal = Journal(journal, self._exchange) if journal is not None else None
        self.serving: ServingBooks | None = None
        self._fleet: Fleet | None = None
        if scenario.serving is not None:
            self.serving = ServingBooks(ticks, scenario.tick_us, scenario.ticks_per_day)
            assert self._exchange.line is not None
            self._fleet = Fleet(self.env, scenario.serving, self._exchange.line, self._resized)
        self.visits = (
            None if scenario.sessions is None else VisitBooks(ticks, scenario.ticks_per_day, self._exchange.state.visits)
        )
        self.fatigue = None if scenario.fatigue is None else FatigueBooks(self._exchange.state.memory)
        self.surfaces = SurfaceBooks(scenario, self._exchange.state.surfaces) if scenario.asks else None
        self.creatives: CreativeBooks | None = None
        if (portfolio := self._exchange.market.creatives) is not None:
            self.creatives = CreativeBooks(scenario, self.campaigns, portfolio, self._exchange.state.rotation)
        self._exchange.open_day(0)  # here, so that what is done before the first run lasts
        self.env.own(self._clock())
        self._in_event = False
        self._stopped_by: BaseException | None = None
        self._engine: Engine = ENGINES[engine](self.env, self._exchange)

    # The public face

    def recorded(self) -> Recorded:
        """What a clairvoyant could know of the recorded campaign's requests so far. For judges only."""
        return self._recorder.recorded()

    @property
    def now(self) -> int:
        """Time in microseconds."""
        return int(self.env.now)

    @property
    def campaigns(self) -> Campaigns:
        """The campaigns of the market, as a table of arrays."""
        return self._exchange.market.campaigns

    @property
    def forecast(self) -> NDArray[np.float64]:
        """Expected shares of a day's requests, (ticks,), as everybody is told."""
        return self._exchange.shares

    @property
    def played(self) -> int:
        """Requests made so far; those that users who had left would have made do not count."""
        return self._exchange.made

    def process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        """Adds a SimPy process of the user's own; it may yield `world.env.timeout(microseconds)`, a whole number."""
        return self.env.process(generator)

    def run(self, until: int | None = None) -> None:
        """Runs until a time in microseconds (None: the end of the last day). May be called again to go on.

        Control events at `until` take place, requests at `until` do not. A tick that ends at an instant is closed, and the
        next one opened, before processes act at that instant.

        Ctrl-C stops it after the event under way, as a rule at the end of a tick; it may then be called again, with the same
        result as if it had not been stopped. Pressed twice, it stops at once. After that, and after an error of a policy, the
        world is left in the middle of an event and cannot go on. After an error of a process of the user's own it can, without
        that process.

        Raises:
            MarketError: if `until` is not allowed, or the world cannot go on.
        """
        self._check_whole()
        horizon = self.scenario.horizon_us
        end = horizon if until is None else whole(until)
        if end is None or not self.now <= end <= horizon:
            raise MarketError(f"a run ends at a whole number of microseconds from now ({self.now}) to {horizon}, not {until!r}")
        stop = self.env.at(end, END)
        with one_blas_thread(), held_interrupts() as interrupts:
            try:
                while stop.callbacks is not None:  # as long as it has not taken place
                    self._in_event = True
                    self.env.step()
                    self._in_event = False
                    if interrupts.pressed:
                        interrupts.deliver()
            except BaseException as error:
                self._stop(error)
                raise
        if self.now == horizon and self.journal is not None:
            self.journal.close()

    def _stop(self, error: BaseException) -> None:
        """Notes why a run has stopped; if a process of somebody's has failed, raises the error as that raised it."""
        self._stopped_by = error
        failed, self.env.failed = self.env.failed, None
        if failed is None or hasattr(failed, "_defused"):  # or another process has seen to it
            return
        self._stopped_by = cast(BaseException, failed.value)
        self._in_event = isinstance(failed, Own) or not isinstance(failed.value, Exception)
        raise self._stopped_by from None  # SimPy makes another error of it, without what its constructor may want

    def _check_whole(self) -> None:
        """Raises `MarketError` if an event has begun and not ended."""
        if not self._in_event:
            return
        if (error := self._stopped_by) is None:
            raise MarketError("a world cannot be run by one of its own processes or policies: it is running")
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise MarketError(
            f"this world was stopped in the middle of an event, at {self.now:,} microseconds, by {said}; what the event had "
            "changed by then is not known, so it cannot go on: make a new World"
        )

    def top_up(self, campaign: int | str, amount: float) -> None:
        """Adds currency to what a campaign may still spend today."""
        self._exchange.top_up(campaign, amount)
        self._note("top_up", campaign, amount)

    def set_budget(self, campaign: int | str, amount: float | None) -> None:
        """A new daily budget in currency, from today on; None: unlimited."""
        self._exchange.set_budget(campaign, amount)
        self._note("set_budget", campaign, amount)

    def set_multiplier(self, campaign: int | str, multiplier: float) -> None:
        """What a campaign bids, as a multiple of its target, until its policy decides again."""
        self._exchange.set_multiplier(campaign, multiplier)
        self._note("set_multiplier", campaign, multiplier)

    def scale_value(self, campaign: int | str, factor: float) -> None:
        """Multiplies what a conversion is worth to a campaign, and with it its target: a price shock."""
        self._exchange.scale_value(campaign, factor, self.now // self.scenario.tick_us % self.scenario.ticks_per_day)
        self._note("scale_value", campaign, factor)

    def launch(self, campaign: int | str) -> None:
        """Starts a campaign, until its flights say otherwise on another day; ends a pause."""
        self._exchange.launch(campaign, self.now)
        self._note("launch", campaign, None)

    def pause(self, campaign: int | str) -> None:
        """Stops a campaign until it is launched again, however many days that takes."""
        self._exchange.pause(campaign, self.now)
        self._note("pause", campaign, None)

    def set_creative_shares(self, campaign: int | str, shares: ArrayLike, ad: int | str = 0) -> None:
        """How an ad shows its creatives from now on: with these probabilities, one for each, in their order, summing to 1.

        `ad` is its name or its place among the campaign's ads. The log notes its number in the market.
        """
        number = self._exchange.set_creative_shares(campaign, shares, ad)
        self._note("set_creative_shares", campaign, number)

    def set_servers(self, servers: int) -> None:
        """How many servers there are from now on, failed ones among them; those too many end the work they have begun."""
        self._servers("set_servers").own(servers)
        self._note("set_servers", None, servers)

    def fail_servers(self, servers: int) -> None:
        """An outage: so many servers end the work they have begun and take up no other."""
        self._servers("fail_servers").fail(servers)
        self._note("fail_servers", None, servers)

    def repair_servers(self, servers: int) -> None:
        """Brings back servers that have failed."""
        self._servers("repair_servers").repair(servers)
        self._note("repair_servers", None, servers)

    def _servers(self, what: str) -> Fleet:
        if self._fleet is None:
            raise MarketError(f"{what} needs a market with servers, and scenario {self.scenario.name!r} has none")
        return self._fleet

    def surge(self, factor: float) -> None:
        """Multiplies all traffic from now on; call it again with the inverse to end the surge. 0 ends traffic for good.

        In a market with sessions it multiplies those that begin: whoever is in one goes on.
        """
        self._exchange.surge(self.now, factor)
        self._engine.placed_anew()
        self._note("surge", None, factor)

    # Processes

    def _resized(self, servers: int) -> None:
        """Another number of servers works, whoever brought that about."""
        self._engine.resized(servers)
        self._note("servers_working", None, servers)

    def _clock(self) -> Generator[simpy.Event, Any, None]:
        """Opens and closes ticks and days; asks the policies in between."""
        ticks = self.scenario.ticks_per_day
        for number in range(self.scenario.days * ticks):
            day, tick = divmod(number, ticks)
            if tick == 0 and day > 0:
                self._exchange.open_day(day)
                self.ledger.open_day()
                if self.creatives is not None:
                    self.creatives.open_day()
            self._exchange.open_tick(tick, self.now)
            self._seat.decide(day, tick)
            self._exchange.refresh()
            self._exchange.blocks.reindex()
            first = self.played
            yield self.env.at(self.now + self.scenario.tick_us, TICK)
            self._close_tick(tick, self.played - first)

    def _close_tick(self, tick: int, requests: int) -> None:
        exchange = self._exchange
        exchange.blocks.count_offered()
        if self.visits is not None:
            self.visits.close_tick(exchange.state.visits)
        if exchange.queue is not None and self.serving is not None and self._fleet is not None:
            requests = int(exchange.queue.books[Served.AUCTIONED])
            self.serving.close_tick(exchange.queue, self._fleet.server_us())
        self.ledger.close_tick(exchange.multiplier, requests)
        exchange.presence.close_tick(tick, self.now, requests)

    def _note(self, what: str, campaign: int | str | None, amount: float | None) -> None:
        if self.journal is not None:
            self.journal.note(
                self.now,
                what,
                -1 if campaign is None else self._exchange.find(campaign),
                None if amount is None else float(amount),
            )
