"""All the books that a market has beside its ledger, by name: whatever it has to keep books of."""

from __future__ import annotations

from collections.abc import Callable

from ..core.books import Books
from ..delivery.queue import ServingBooks
from ..delivery.rotation import CreativeBooks
from ..engine.exchange import Exchange
from ..requests.surfaces import SurfaceBooks
from ..response.memory import FatigueBooks
from ..response.pages import PageBooks
from ..response.visits import VisitBooks


def other_books(exchange: Exchange, server_us: Callable[[], int] | None) -> dict[str, Books]:
    """Books of servers, sessions, pages, fatigue, surfaces, creatives, where there are any; `server_us`: see `ServingBooks`."""
    scenario, state, table = exchange.scenario, exchange.state, exchange.market.campaigns
    ticks, day = scenario.days * scenario.ticks_per_day, scenario.ticks_per_day
    found: dict[str, Books] = {}
    if exchange.line is not None and server_us is not None:
        found["serving"] = ServingBooks(ticks, scenario.tick_us, day, exchange.line, server_us)
    if scenario.asks:
        found["surfaces"] = SurfaceBooks(scenario, state.surfaces)
    if scenario.sessions is not None:
        found["visits"] = VisitBooks(ticks, day, state.visits)
    if scenario.pages is not None:
        found["pages"] = PageBooks(scenario, state.pages)
    if scenario.fatigue is not None:
        found["fatigue"] = FatigueBooks(state.memory)
    if (portfolio := exchange.market.creatives) is not None:
        found["creatives"] = CreativeBooks(scenario, table, portfolio, state.rotation)
    return found
