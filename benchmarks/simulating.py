"""What `adarena simulate` does: a market is run under some policies, its day told in tables and drawn, perhaps logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from ..agents.catalogue import holders, make_policy
from ..simulator.books.journal import Logs
from ..simulator.core.disk import remove, write_together
from ..simulator.core.errors import MarketError
from ..simulator.scenario.tree import Scenario
from ..simulator.world import World
from .audits.funnel import audit
from .output.progress import progress
from .pictures import all as pictures
from .pictures import delivery
from .pictures.ads import reach_table

TRACED = 200  # requests through a funnel, against the truth


def seated(bidder: str, texts: Sequence[str]) -> dict[str, Any]:
    """Who sits where: the bidder, and who decides in other seats by texts SEAT=POLICY, all as the catalogue reads them.

    Raises:
        PolicyError: if a text is none, names a seat or a policy that there is not, or a seat is named twice.
    """
    return {seat: make_policy(seat, spec) for seat, spec in holders(bidder, texts).items()}


def command(
    console: Console, market: Scenario, policies: Mapping[str, Any], seed: int, engine: Literal["compiled", "events"],
    folder: Path, figure: bool, journal: bool,
) -> None:  # fmt: skip
    """Runs the market and prints its day; draws it and logs it into the folder, if that is wanted.

    Raises:
        MarketError: if pictures would stand beside the journal of an earlier run.
    """
    if figure and not journal and any(path.suffix == ".parquet" for path in (folder / "journal").glob("*")):
        held = f"{str(folder / 'journal')!r} holds the journal of an earlier run"
        raise MarketError(f"{held}: write it anew with --journal, remove it, or choose another --out")
    logs = None
    if journal:  # with a training set, and candidates where there is a funnel
        logs = Logs(folder / "journal", features=True, candidates=1e-3 if market.funnel is not None else 0.0)
    world = World(market, policies, seed=seed, engine=engine, journal=logs)
    if any(len(campaign.ads) > 1 for campaign in world.campaigns.listed):
        world.count_ads()
    if journal:  # whose files have their names before any picture is drawn
        remove(folder / name for name in pictures.NAMES)
    ticks = market.days * market.ticks_per_day
    with progress(f"{market.name}, {engine}", ticks) as advance:
        for tick in range(ticks):
            world.run((tick + 1) * market.tick_us)
            advance()
    for table in pictures.tables(world):
        console.print(table)
    if market.funnel is not None:
        console.print(delivery.funnel_table(audit(market, TRACED, seed)))
    if journal:
        console.print(reach_table(folder / "journal"))
        console.print(f"journal: {folder / 'journal'}", soft_wrap=True)
    if figure:
        _draw(console, world, folder)


def _draw(console: Console, world: World, folder: Path) -> None:
    """Writes the pictures of a world, and removes those of an earlier one that it does not have."""
    from .output.figures import encoded

    files = {folder / name: encoded(figure, "png") for name, figure in pictures.figures(world).items()}
    write_together(files, stale=[folder / name for name in pictures.NAMES])
    for path in files:
        console.print(f"figure: {path}", soft_wrap=True)
