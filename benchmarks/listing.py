"""What there is by name, and scenarios as files: the sentences are those that stand at the head of each thing's source."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import ENVIRONMENTS
from ..agents import zoo
from ..agents.catalogue import policies
from ..agents.learning.saved import card_of
from ..simulator.core.disk import write
from ..simulator.core.errors import MarketError
from ..simulator.scenario.described import commented, reference
from ..simulator.scenario.tree import PRESETS, Scenario
from ..simulator.seats import SEATS
from .output.tables import plain_table
from .suites import SUITES, suite

REFERENCE_HEAD = """# What a scenario is made of

A market is a YAML file, or a preset (`adarena list presets`), and any field may be changed on the command line:
`--set auction.slots=2 campaigns.bread.budget_per_day=180 surfaces.0.share=2 serving.servers=5`. A part that is null begins with
its defaults when one of its fields is set, items of lists go by number or name, and `campaigns.NAME` finds a listed campaign
whoever its advertiser is. `adarena scenario NAME` writes a market with a comment for each field; this page is
`adarena scenario --form reference`, and `--form schema` is the same for editors that complete and check YAML.
[own_market.yaml](own_market.yaml) is a market that is written out.

"""


def command(console: Console, what: str, seat: str | None) -> None:
    """Prints a table of names and sentences. Raises `MarketError` if a seat is named where none is meant."""
    if seat is not None and what != "policies":
        raise MarketError(f"{what} are not listed by seat: --seat is for policies")
    if what == "policies":
        for each in SEATS if seat is None else (seat,):
            _print(console, f"Policies of the seat {each}", {name: sentence(its) for name, its in policies(each).items()})
    else:
        _print(console, what[0].upper() + what[1:], LISTS[what]())


def write_scenario(scenario: Scenario, form: str, out: Path | None) -> None:
    """A scenario as commented YAML, or what all may hold as a page or as a schema, printed or written."""
    forms: dict[str, Callable[[], str]] = {
        "yaml": lambda: commented(scenario),
        "reference": lambda: REFERENCE_HEAD + reference(),
        "schema": lambda: json.dumps(Scenario.model_json_schema(), indent=2) + "\n",
    }
    text = forms[form]()
    if out is None:
        sys.stdout.write(text)
    else:
        write(out, text, MarketError)


def _print(console: Console, title: str, found: dict[str, str]) -> None:
    table = plain_table(title)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for name, sentence in found.items():
        table.add_row(name, sentence)
    console.print(table)


def _environments() -> dict[str, str]:
    places = {name: entry.partition(":") for name, entry in ENVIRONMENTS.items()}
    return {name: sentence(getattr(importlib.import_module(module), kind)) for name, (module, _, kind) in places.items()}


def _models() -> dict[str, str]:
    from ..agents.rankers.models.registry import MODELS  # PyTorch takes a second

    return {name: sentence(model) for name, model in MODELS.items()}


def _agents() -> dict[str, str]:
    found = {}
    for name in zoo.names():
        card, one = card_of(zoo.PREFIX + name), zoo.standing_of(name)
        judged = "not judged yet" if one is None else f"{one.told} of the score of {one.classic}, on {one.days} test days"
        found[zoo.PREFIX + name] = f"{card.algorithm} on {card.environment}, {card.timesteps:,} steps: {judged}"
    return found


def sentence(thing: Any) -> str:
    """The first paragraph of what a thing says of itself."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "presets": lambda: {name: sentence(preset) for name, preset in PRESETS.items()},
    "environments": _environments,
    "suites": lambda: {name: sentence(suite(name)) for name in SUITES},
    "models": _models,
    "agents": _agents,
}
