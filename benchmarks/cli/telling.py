"""Commands that tell: what there is by name, and what a scenario is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from . import terminal

What = Literal["policies", "presets", "environments", "suites", "models", "agents"]
Form = Literal["yaml", "reference", "schema"]


def list_(what: Annotated[What, tyro.conf.Positional] = "policies", seat: str | None = None) -> None:
    """Names what there is: policies, presets, environments, suites, models of rankers, agents of the zoo, each with a sentence.

    Args:
        what: of what kind.
        seat: policies of this seat alone, e.g. bidding.
    """
    from .. import listing

    listing.command(terminal.console, what, seat)


def scenario(
    name: Annotated[str, tyro.conf.Positional] = "bidding-small",
    form: Form = "yaml",
    out: Path | None = None,
    settings: terminal.Settings = (),
) -> None:
    """Writes a market as YAML with a comment for each field, to begin one's own from: `--scenario FILE` then takes it.

    Args:
        name: a preset, or a YAML file.
        form: yaml; or for all markets alike: reference, a Markdown page of all fields, or schema, a JSON schema for editors.
        out: file to write; by default it is printed.
        settings: fields to change first, e.g. campaigns.bread.budget_per_day=180.
    """
    from .. import listing

    listing.write_scenario(terminal.scenario(name, settings), form, out)
