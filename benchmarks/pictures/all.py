"""All tables and pictures of one run: a walk over its books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from ...simulator.world import World
from . import day, delivery, leads, pacing, pages, tiers, users
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
}
NAMES = ("day.png", "pacing.png", "delivery.png", "tiers.png", "users.png", "pages.png", "leads.png")  # of pictures


def tables(world: World) -> Iterator[Table]:
    """What is printed of a run."""
    yield day_table(world)
    for name in world.books:
        if name in TABLES:
            yield TABLES[name](world)
    if world.ledger.leads is not None:
        yield leads.chain_table(world)


def figures(world: World) -> dict[str, Figure]:
    """What is drawn of a run, by the names of files."""
    found = {"day.png": day.day(world)}
    if pacing.is_paced(world):
        found["pacing.png"] = pacing.picture(world)
    if "serving" in world.books or world.scenario.funnel is not None:
        found["delivery.png"] = delivery.picture(world, world.seed)
    if tiers.has_tiers(world):
        found["tiers.png"] = tiers.picture(world)
    if "visits" in world.books or "fatigue" in world.books:
        found["users.png"] = users.picture(world)
    if "pages" in world.books:
        found["pages.png"] = pages.picture(world)
    if world.ledger.leads is not None:
        found["leads.png"] = leads.picture(world)
    return found
