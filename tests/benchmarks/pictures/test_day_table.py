"""The table of a day holds what was reached beside what was wanted."""

from __future__ import annotations

import io

import pytest
from places import ROOT
from rich.console import Console

from adarena.benchmarks.pictures.tables import AIMS, day_table
from adarena.simulator import Scenario, World

OWN = Scenario.load(ROOT / "docs" / "own_market.yaml").override({"serving": None})


def rows(scenario: Scenario) -> tuple[World, list[str], dict[str, list[str]]]:
    """A world that is over, the headers of its table, and each campaign's cells."""
    world = World(scenario, seed=0)
    world.run()
    table = day_table(world)
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return world, [str(c.header) for c in table.columns], {name: [c[n] for c in columns] for n, name in enumerate(columns[0])}


def test_what_a_conversion_cost_stands_beside_its_target() -> None:
    world, headers, cells = rows(OWN.override({"campaigns.card.conversion_rate": 0.2}))
    assert headers[-2:] == ["CPA", "target CPA"]
    k = world.campaigns.names.index("card")
    cost = world.ledger.spend()[:, k].sum() / world.ledger.attributed()[:, k].sum()
    assert cells["card"][-2:] == [f"{cost:,.2f}", "40.00"]
    for name in ("bread", "cakes", "rivals", "market"):  # who wants something else, or not all the same
        assert cells[name][-2:] == ["", ""]


def test_so_does_what_was_got_for_money() -> None:
    change = {
        "campaigns.bread.objective": "target_roas",
        "campaigns.bread.target_roas": 1.5,
        "campaigns.card.conversion_rate": 1e-9,
    }
    world, headers, cells = rows(OWN.override(change))
    assert headers[-4:] == ["CPA", "target CPA", "ROAS", "target ROAS"]
    k = world.campaigns.names.index("bread")
    got = 4.0 * world.ledger.attributed()[:, k].sum() / world.ledger.spend()[:, k].sum()
    assert cells["bread"][-4:] == ["", "", f"{got:,.2f}", "1.50"]
    assert cells["card"][-4:] == ["", "", "", ""]  # nothing was reported, and nothing charged


def test_advertisers_stand_beside_campaigns_where_they_have_names() -> None:
    world, headers, cells = rows(OWN)
    assert headers[:2] == ["campaign", "advertiser"]
    owners = {c.name: a.name for a in OWN.demand.advertisers for c in a.campaigns}  # type: ignore[union-attr]
    assert {name: cells[name][1] for name in world.campaigns.names} == owners
    assert cells["market"][1] == ""


def test_where_nobody_has_a_target_there_are_no_such_columns() -> None:
    _, headers, _ = rows(Scenario.preset("tiny"))
    assert headers[-1] == "price"


@pytest.mark.parametrize("objective", list(AIMS))
def test_where_all_have_one_the_market_has_one_too(objective: str) -> None:
    world, _, cells = rows(Scenario.preset("tiny").override({"demand.objective": objective}))
    spend, conversions = world.ledger.spend().sum(), world.ledger.attributed()
    value = (conversions.sum(axis=0) * [c.value_per_conversion for c in world.campaigns.listed]).sum()
    reached = spend / conversions.sum() if objective == "target_cpa" else value / spend
    assert cells["market"][-2:] == [f"{reached:,.2f}", ""]
    stream = io.StringIO()
    Console(file=stream, width=80).print(day_table(world))
    assert AIMS[objective][0] in stream.getvalue()
