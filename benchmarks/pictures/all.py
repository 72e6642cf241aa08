"""All tables and pictures of one run: a walk over its books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from ...simulator.core.errors import MarketError
from ...simulator.world import World
from . import ads, day, delivery, leads, pacing, pages, tiers, users
from .tables import day_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the books that have a table of their own; the ledger has two.
TABLES: dict[str, Callable[[World], Table]] = {
    "serving": delivery.serving_table,
    "surfaces": delivery.surfaces_table,
    "visits": users.sessions_table,
    "pages": pages.table,
    "fatigue": users.fatigue_table,
    "creatives": ads.creatives_table,
}
NAMES = ("day.png", "pacing.png", "delivery.png", "tiers.png", "users.png", "pages.png", "leads.png")  # of pictures


def tables(world: World) -> Iterator[Table]:
    """What is printed of a run."""
    yield day_table(world)
    if world.ads is not None:
        yield ads.ads_table(world)
    for name in world.books:
        if name in TABLES:
            yield TABLES[name](world)
    if world.ledger.leads is not None:
        yield leads.chain_table(world)


def drawn_of(world: World) -> dict[str, Callable[[], Figure]]:
    """What there is to draw of a run, by name."""
    has = {
        "day": True,
        "pacing": pacing.is_paced(world),
        "delivery": "serving" in world.books or world.scenario.funnel is not None,
        "tiers": tiers.has_tiers(world),
        "users": "visits" in world.books or "fatigue" in world.books,
        "pages": "pages" in world.books,
        "leads": world.ledger.leads is not None,
    }
    made: dict[str, Callable[[], Figure]] = {
        "day": lambda: day.day(world),
        "pacing": lambda: pacing.picture(world),
        "delivery": lambda: delivery.picture(world, world.seed),
        "tiers": lambda: tiers.picture(world),
        "users": lambda: users.picture(world),
        "pages": lambda: pages.picture(world),
        "leads": lambda: leads.picture(world),
    }
    return {name: make for name, make in made.items() if has[name]}


def figures(world: World) -> dict[str, Figure]:
    """What is drawn of a run, by the names of files."""
    return {f"{name}.png": make() for name, make in drawn_of(world).items()}


def draw(world: World, what: str = "day") -> Figure:
    """A picture of a run as a figure of Matplotlib's, which a notebook shows and `savefig` writes; settings stay as they were.

    Args:
        world: one that has run for a tick at least.
        what: "day", or what else the market has: "pacing", "delivery", "tiers", "users", "pages", "leads".

    Raises:
        MarketError: if there is no such picture of it.
    """
    there = drawn_of(world)
    if what not in there:
        raise MarketError(f"there is no picture {what!r} of scenario {world.scenario.name!r}, but {', '.join(there)}")
    return there[what]()
