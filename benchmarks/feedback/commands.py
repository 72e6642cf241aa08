"""What `adarena rank loop` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ...agents.rankers.settings import Settings
from ...simulator.core.disk import write
from ..output.figures import save
from ..output.progress import progress
from ..rankers.commands import settings_of
from . import loop, telling
from .plan import UNTOLD, Plan


def learning(model: str, seed: int, changes: Sequence[str]) -> Settings:
    """Settings of training for the ranking seat: of clicks alone, and without what nobody tells as candidates are scored."""
    usual = ["chain=clicked", f"without={','.join(UNTOLD)}"]
    return settings_of(model, seed, [*usual, *changes])


def run(console: Console, plan: Plan, out: Path, fresh: bool, again: str) -> None:
    """Tables, result.json and loop.png; `again` is the command that goes on."""
    try:
        with progress(f"{plan.settings.model}, {plan.rounds} rounds", loop.steps(plan)) as advance:
            found = loop.run(plan, out, fresh, advance)
    except KeyboardInterrupt as stop:
        raise type(stop)(f"stopped; go on with: {again}") from None
    for each in telling.tables(found):
        console.print(each)
    write(out / "result.json", json.dumps(telling.to_json(found), indent=2, allow_nan=False))
    console.print(f"figure: {save(telling.picture(found), out / 'loop.png')}", soft_wrap=True)
