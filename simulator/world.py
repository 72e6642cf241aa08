"""A world: the SimPy environment that owns time, and the processes that live in it.

Everything that can change the market is a process: the clock that opens and closes ticks and days and asks the seats, the
servers' outages and scaling, a user's own. Between two of their events one of the `engines` plays the requests.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import simpy
from simpy.events import NORMAL

from .books.all import other_books
from .books.journal import Journal, Logs
from .books.ledger import Ledger
from .controls import Controls
from .core import garbage
from .core.books import Books, Tick
from .core.clock import ARRIVAL, END, HOUR_US, TICK, Clock, Own
from .core.errors import MarketError, PolicyError
from .core.interrupts import Interrupts, held_interrupts
from .core.numeric import real, whole
from .core.threads import one_blas_thread
from .delivery.fleet import Fleet, drawn_outages
from .delivery.queue import Served
from .engine.engines import ENGINES, Engine
from .engine.exchange import Exchange
from .engine.record import Recorder
from .market.market import build
from .scenario.agreement import LONGEST_US
from .scenario.tree import Scenario
from .seats.roster import Asked, OpenRound, Roster, rosters
from .seats.seat import Cadence, Moment, Policies, RequestSeat


class World(Controls):
    """A market that runs.

    Args:
        scenario: what the market is.
        policies: who sits in which seat of `seats.SEATS`; {"bidding": policy} or {"bidding": {campaign: policy}}. Campaigns
            without a policy bid their target.
        seed: the days they live through: arrivals, weather, luck. Same seed, same luck, whatever the policies do.
        engine: "compiled" plays requests in blocks, "events" makes each request a SimPy process; `shards.Sharded` splits users
            over several places.
        journal: a folder for logs of requests, impressions and events (Parquet), or `Logs` for more of them; None: no log.
        record: a campaign for which to keep what a clairvoyant needs (see `agents.hindsight`); None: nobody.

    Raises:
        MarketError, PolicyError: if any of these cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Mapping[str, Policies] | None = None,
        seed: int = 0,
        engine: Literal["compiled", "events"] | Callable[[Clock, Exchange], Engine] = "compiled",
        journal: str | Path | Logs | None = None,
        record: int | str | None = None,
    ) -> None:
        if not isinstance(scenario, Scenario):
            raise MarketError(f"a world is made from a Scenario, not from {scenario!r}")
        make = ENGINES.get(engine) if isinstance(engine, str) else engine
        if not callable(make):
            raise MarketError(f"there is no engine {engine!r}; known are {' and '.join(ENGINES)}")
        if (given := whole(seed)) is None or given < 0:
            raise MarketError(f"a seed is a whole number from 0 up, not {seed!r}")
        if policies is not None and not isinstance(policies, Mapping):
            raise PolicyError(f"policies are a mapping from seats to policies, not {type(policies).__name__}")
        self.scenario, self.seed, self.engine = scenario, given, engine
        self.env, self.events = Clock(), []
        self.ads = None
        self._exchange = Exchange(scenario, build(scenario), self.seed)
        ticks, day = scenario.days * scenario.ticks_per_day, scenario.ticks_per_day
        self.ledger = Ledger(self.campaigns, day, ticks, self._exchange.addressed, self._exchange.multiplier)
        self._rosters = rosters(policies or {}, self._exchange, self.ledger)
        self._recorder = Recorder(self._exchange.blocks, None if record is None else self._exchange.find(record))
        self.journal = Journal(journal, self._exchange, self.ledger) if journal is not None else None
        fleet = None
        if scenario.serving is not None:
            assert self._exchange.line is not None
            drawn = drawn_outages(scenario, self.seed)
            self._exchange.fleet = fleet = Fleet(self.env, scenario.serving, self._exchange.line, self._resized, drawn)
        other = other_books(self._exchange, None if fleet is None else fleet.server_us)
        self.books: dict[str, Books] = {"ledger": self.ledger, **other}
        self._exchange.open_day(0)  # here, so that what is done before the first run lasts
        self.env.own(self._clock())
        for roster in self._rosters:
            if roster.seat.cadence is Cadence.INTERVAL:
                self.env.own(self._control(roster))
        self._auctioned = 0  # requests, in a market with servers
        self._in_event = False
        self._stopped_by: BaseException | None = None
        self._round: OpenRound | None = None  # of an open seat that must be decided
        self.calls_others = any(not holding.is_open for roster in self._rosters for holding in roster.holdings)
        self._over: simpy.Event | None = None  # the end of the last day, once it has been waited for
        self._exchange.ask = self._leave_request_open
        self._engine = make(self.env, self._exchange)
        garbage.count(self._exchange.addressed.size)

    def process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        """Adds a SimPy process of the user's own.

        It may yield `world.at(hours=20)`, or any event of SimPy on `world.env`, whose times are whole microseconds.
        """
        if not hasattr(generator, "send"):
            name = getattr(generator, "__name__", "surge")
            raise MarketError(f"a process is what a function with `yield` returns: world.process({name}()), not {generator!r}")
        self.calls_others = True
        return self.env.process(generator)

    def at(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> simpy.Event:
        """An event at that time since the start, for a process to wait for; a day has the scenario's `day_s`.

        Raises:
            MarketError: if that is past, or no time.
        """
        time = self.time_us(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not self.now <= time < LONGEST_US:
            raise MarketError(f"one waits for a time from now on, {self.now / HOUR_US:g} h, not for {time / HOUR_US:g} h")
        return self.env.at(time, NORMAL)

    def time_us(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> int:
        """A length of time in microseconds, as `run` and `now` count it; a day has the scenario's `day_s`.

        Raises:
            MarketError: if it is none.
        """
        parts = [real(number) for number in (days, hours, minutes, seconds)]
        if any(number is None for number in parts):
            raise MarketError(f"a time is made of numbers, not of {(days, hours, minutes, seconds)!r}")
        lengths = (self.scenario.day_s, 3600, 60, 1)
        return round(sum(1e6 * length * (number or 0) for number, length in zip(parts, lengths, strict=True)))

    def hours(self, number: float) -> int:
        """So many hours in microseconds: `world.run(until=world.hours(20))`."""
        return self.time_us(hours=number)

    def run(self, until: int | None = None) -> None:
        """Runs until a time in microseconds (None: the end of the last day). May be called again to go on.

        Control events at `until` take place, requests at `until` do not. A tick that ends at an instant is closed, and the
        next one opened, before processes act at that instant.

        Ctrl-C stops it after the event under way, as a rule at the end of a tick; it may then be called again, with the same
        result as if it had not been stopped. Pressed twice, it stops at once. After that, and after an error of a policy, the
        world is left in the middle of an event and cannot go on. After an error of a process of the user's own it can, without
        that process.

        Raises:
            MarketError: if `until` is not allowed, a seat is left open, or the world cannot go on.
        """
        self._check_whole()
        if (left := next((r.seat.name for r in self._rosters if r.open_holdings or r.open_by_request), None)) is not None:
            raise MarketError(f"the {left} seat is left open: go on with until_asked() and answer()")
        horizon = self.scenario.horizon_us
        end = horizon if until is None else whole(until)
        if end is None or not self.now <= end <= horizon:
            raise MarketError(f"a run ends at a whole number of microseconds from now ({self.now}) to {horizon}, not {until!r}")
        stop = self.env.at(end, END)
        self._step_until(lambda: stop.callbacks is None)  # it has taken place

    def until_asked(self) -> Asked | None:
        """Runs until an open seat must be decided, and says which, for whom, and what is seen; None at the end of the last day.

        It is the run of a policy that decides the same: nothing else happens before the answer. Called again without an answer
        it says the same again. What stops it, and what then, is as with `run`.
        """
        if (asked := self.until_round()) is None:
            return None
        if (told := asked.tell()) is None:
            raise MarketError("this world waits for a policy that holds units of several worlds: run them together")
        return told

    def until_round(self) -> OpenRound | None:
        """Runs as `until_asked` does, and tells nobody yet: for whoever runs several worlds together."""
        over = self._end()
        self._step_until(lambda: self._round is not None or over.callbacks is None)
        return self._round

    def until_traffic(self) -> bool:
        """Runs as `until_round` does, but no further than to where requests come next; says whether they do.

        Whoever runs several worlds together may so play the requests of all in a row, with `play_traffic`, and then run each
        on; interrupts are to be held, and BLAS at one thread, meanwhile.
        """
        over, env = self._end(), self.env
        self._steps(lambda: self._round is not None or over.callbacks is None or env.has_next(ARRIVAL))
        return self._round is None and over.callbacks is not None

    def play_traffic(self) -> None:
        """Plays requests for as long as they come next; see `until_traffic`."""
        self._steps(lambda: not self.env.has_next(ARRIVAL))

    def _end(self) -> simpy.Event:
        """The end of the last day, for a world that can go on."""
        self._check_whole()
        if self._over is None:
            self._over = self.env.at(self.scenario.horizon_us, END)
        return self._over

    def answer(self, decision: Any) -> None:
        """Decides for the open seat that `until_asked` told of; None keeps its last decision. `until_asked` then goes on.

        Raises:
            MarketError: if no seat has been asked.
            PolicyError: if the decision is not allowed; another one may be given.
        """
        asked = self._round
        if asked is None or (place := asked.told) is None:
            raise MarketError("no open seat waits for an answer: run the world with until_asked() first")
        self._take(asked, place, None if decision is None else asked.check[place](decision))

    def answer_elsewhere(self, place: int, checked: Any) -> None:
        """Decides for units that are left `Elsewhere`, by their place in the `open_round`; the decision has been checked."""
        assert self._round is not None
        self._take(self._round, place, checked)

    def _take(self, asked: OpenRound, place: int, checked: Any) -> None:
        if asked.answer(place, checked):
            self._round = None
            asked.close(self.env)

    @property
    def open_round(self) -> OpenRound | None:
        """What an open seat is asked now; None if none is. For whoever runs several worlds together."""
        return self._round

    def look(self, seat: str) -> Any:
        """What whoever left a seat open sees now: what it was asked with, or, at the end of the last day, how that closed.

        Raises:
            MarketError: if the seat is not left open, by one `Open` policy, or the world is in the middle of a tick.
        """
        asked = self._round
        if asked is not None and asked.roster.seat.name == seat and (place := asked.next_open) is not None:
            return cast(Asked, asked.asked[place]).view
        found = [(r, h) for r in self._rosters if r.seat.name == seat for h in r.open_holdings if h.waits_for_learner]
        if len(found) != 1:
            raise MarketError(f"one may look at a seat that one Open policy leaves open: {seat!r} is left open by {len(found)}")
        if (asked is None or asked.roster.seat.name != seat) and self.now < self.scenario.horizon_us:
            raise MarketError("an open seat is looked at when it is asked, or at the end of the last day")
        roster, holding = found[0]
        return roster.seat.view(holding, self.moment)

    @property
    def moment(self) -> Moment:
        """When an open seat is asked now, or else the end of the last day."""
        if self._round is not None:
            return self._round.moment
        ticks = self.scenario.ticks_per_day
        return Moment(self.scenario.days - 1, ticks, ticks, self.now)

    def _step_until(self, done: Callable[[], bool]) -> None:
        """Lets events take place, one by one, until that is so, and Ctrl-C between two of them."""
        with one_blas_thread(), held_interrupts() as interrupts:
            self._steps(done, interrupts)

    def _steps(self, done: Callable[[], bool], interrupts: Interrupts | None = None) -> None:
        """Lets events take place until that is so; closes the journal at the end of the last day."""
        try:
            while not done():
                self._in_event = True
                self.env.step()
                self._in_event = False
                if interrupts is not None and interrupts.pressed:
                    interrupts.deliver()
        except BaseException as error:
            self._stop(error)
            raise
        if self.now == self.scenario.horizon_us and self.journal is not None:
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

    # Processes

    def _resized(self, servers: int) -> None:
        """Another number of servers works, whoever brought that about."""
        self._engine.resized(servers)
        self._note("servers_working", None, servers)

    def _clock(self) -> Generator[simpy.Event, Any, None]:
        """The story of a run: days and ticks open, the seats decide, requests come, and the books close."""
        ticks, ticking = self.scenario.ticks_per_day, [r for r in self._rosters if r.seat.cadence is Cadence.TICK]
        for number in range(self.scenario.days * ticks):
            now, (day, tick) = self.now, divmod(number, ticks)
            if tick == 0 and day > 0:
                self._exchange.open_day(day)
                for books in self.books.values():
                    books.open_day()
            self._exchange.open_tick(tick, now)
            for roster in ticking:
                yield from roster.round(Moment(day, tick, ticks, now), self._leave_open)
            self._exchange.refresh()
            self._reindex()
            first = self.played
            yield self.env.at(now + self.scenario.tick_us, TICK)
            self._close_tick(number, self.played - first)

    def _close_tick(self, number: int, made: int) -> None:
        self._exchange.blocks.count_offered()
        queue = self._exchange.queue
        if queue is not None:
            auctioned = int(queue.books[:, Served.AUCTIONED].sum())
            made, self._auctioned = auctioned - self._auctioned, auctioned
        tick = Tick(number, made)
        for books in self.books.values():
            books.close_tick(tick)
        self._exchange.presence.close_tick(number % self.scenario.ticks_per_day, self.now, tick.requests)

    def _control(self, roster: Roster) -> Generator[simpy.Event, Any, None]:
        """Asks a seat that does not go by ticks, after whatever ticks do at the same instant."""
        ticks, tick_us, every = self.scenario.ticks_per_day, self.scenario.tick_us, roster.seat.every_us
        while True:
            day, tick = divmod(self.now // tick_us, ticks)
            if (yield from roster.round(Moment(day, tick, ticks, self.now), self._leave_open)):
                self._exchange.refresh()
                self._reindex()
            if self.now + every >= self.scenario.horizon_us:
                return
            yield self.env.timeout(every)

    def _leave_open(self, roster: Roster, moment: Moment, views: list[Any]) -> Generator[simpy.Event, Any, list[Any]]:
        """Has the world stop for an open seat; returns what is answered for each holding."""
        answered = simpy.Event(self.env)
        self._round = roster.opened(moment, views, answered)
        return cast("list[Any]", (yield answered))

    def _leave_request_open(self) -> Generator[simpy.Event, Any, None]:
        """Has the world stop for a request that is left open, and the seat take what is answered."""
        answered, ticks = simpy.Event(self.env), self.scenario.ticks_per_day
        moment = Moment(*divmod(self.now // self.scenario.tick_us, ticks), ticks, self.now)
        found = ((roster, roster.opened_by_request(moment, answered)) for roster in self._rosters)
        roster, self._round = next((r, asked) for r, asked in found if asked is not None)
        self._exchange.waits = True  # else what it found, and is about to sell, might no longer hold
        (decision,) = yield answered
        self._exchange.waits = False
        cast("RequestSeat[Any, Any, Any]", roster.seat).answer(decision)
