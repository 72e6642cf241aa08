"""What may be read of a world at any time: its books, its market, how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from .books.ads import AdBooks
from .books.ledger import Ledger
from .core.arrays import Floats
from .core.books import Books
from .core.clock import Clock
from .core.notebook import clock_time, titled
from .delivery.queue import ServingBooks
from .delivery.rotation import CreativeBooks
from .engine.engines import Engine
from .engine.exchange import Exchange
from .engine.record import Recorded, Recorder
from .population.campaigns import Campaigns
from .population.content import AdContent
from .requests.surfaces import SurfaceBooks
from .response.memory import FatigueBooks
from .response.pages import PageBooks
from .response.visits import VisitBooks
from .scenario.tree import Scenario


class Accounts:
    """The part of a `World` that is read; `books` by name are those that its market keeps."""

    scenario: Scenario
    seed: int
    engine: str | Callable[[Clock, Exchange], Engine]
    env: Clock
    ledger: Ledger
    books: dict[str, Books]
    ads: AdBooks | None  # see `count_ads`
    _exchange: Exchange
    _recorder: Recorder

    @property
    def now(self) -> int:
        """Time in microseconds."""
        return int(self.env.now)

    @property
    def serving(self) -> ServingBooks | None:
        """What the servers did; None in a market without."""
        return cast(ServingBooks | None, self.books.get("serving"))

    @property
    def visits(self) -> VisitBooks | None:
        """What users did in their sessions; None where requests come by themselves."""
        return cast(VisitBooks | None, self.books.get("visits"))

    @property
    def pages(self) -> PageBooks | None:
        """What came of pages, and by user; None where requests show ads alone."""
        return cast(PageBooks | None, self.books.get("pages"))

    @property
    def fatigue(self) -> FatigueBooks | None:
        """Clicks by how often an ad had been seen; None where users do not tire."""
        return cast(FatigueBooks | None, self.books.get("fatigue"))

    @property
    def surfaces(self) -> SurfaceBooks | None:
        """What came of requests by surface; None where there is one and nobody asks for anything."""
        return cast(SurfaceBooks | None, self.books.get("surfaces"))

    @property
    def creatives(self) -> CreativeBooks | None:
        """What came of each creative; None where an ad is its one creative."""
        return cast(CreativeBooks | None, self.books.get("creatives"))

    def count_ads(self) -> AdBooks:
        """Has be counted from now on what comes of each ad; a market plays the same, a little slower."""
        self.ads = self.ads or AdBooks(self._exchange)
        return self.ads

    def recorded(self) -> Recorded:
        """What a clairvoyant could know of the recorded campaign's requests so far. For judges only."""
        return self._recorder.recorded()

    @property
    def campaigns(self) -> Campaigns:
        """The campaigns of the market, as a table of arrays."""
        return self._exchange.market.campaigns

    @property
    def content(self) -> AdContent | None:
        """What everybody is told of what the ads look like; None where nothing is."""
        return self._exchange.market.content

    @property
    def forecast(self) -> Floats:
        """Expected shares of a day's requests, (ticks,), as everybody is told."""
        return self._exchange.forecast.shares

    @property
    def played(self) -> int:
        """Requests made so far; those that users who had left would have made do not count."""
        return self._exchange.made

    def __repr__(self) -> str:
        scenario, (day, since) = self.scenario, divmod(self.now, self.scenario.day_us)
        when = "over" if self.now == scenario.horizon_us else f"day {day + 1} of {scenario.days}, {clock_time(since)}"
        engine = self.engine if isinstance(self.engine, str) else getattr(self.engine, "__name__", type(self.engine).__name__)
        made = f"{self.played:,} requests made, {len(self.campaigns.names):,} campaigns"
        return f"<World {scenario.name!r}, seed {self.seed}, engine {engine}: {when}; {made}>"

    def _repr_html_(self) -> str:
        return titled(repr(self).strip("<>"), self.ledger._repr_html_())
