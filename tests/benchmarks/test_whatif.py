"""What a change brings is what two worlds of the same seed differ by."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from notices import besides_compiling
from places import ROOT

from adarena.__main__ import main
from adarena.agents.catalogue import make_policy
from adarena.agents.splits import seeds
from adarena.benchmarks import whatif
from adarena.benchmarks.comparison.workers import HERE, Processes
from adarena.simulator import Scenario, World
from adarena.simulator.core.errors import MarketError, ScenarioError

OWN = Scenario.load(ROOT / "docs" / "own_market.yaml").override(
    {"days": 1, "traffic.requests_per_day": 2_000, "serving": None, "campaigns.cakes.flights": []}
)
MORE = ("campaigns.bread.budget_per_day=+20%",)


def measured(before: Scenario, changes: tuple[str, ...], days: int, jobs: int = 1) -> whatif.Found:
    crew = HERE if jobs == 1 else Processes(jobs)
    return whatif.measure(whatif.asked(before, changes), "pid", (), days, 3, crew, "")


def test_a_share_is_of_what_there_is() -> None:
    found = whatif.asked(OWN, ["campaigns.bread.budget_per_day=+20%", "auction.exposure=-50%", "users.count=+1.5%", "days=2"])
    assert found.told[0] == "campaigns.bread.budget_per_day: 150 -> 180"
    assert found.after == OWN.override(
        {"campaigns.bread.budget_per_day": 180.0, "auction.exposure": [0.5, 0.35], "users.count": 5_075, "days": 2}
    )
    for path, value in (("demand.kind", "'listed'"), ("auction.price_told", "True"), ("campaigns.card.frequency_cap", "None")):
        with pytest.raises(ScenarioError, match=f"{path} is {value}: what can grow by a share is a number"):
            whatif.asked(OWN, [f"{path}=+20%"])
    with pytest.raises(ScenarioError, match=r"auction\.slots is 2, which would be 2\.4: a whole number is needed"):
        whatif.asked(OWN, ["auction.slots=+20%"])


def test_the_budget_of_a_drawn_campaign_is_that_of_a_world_that_sets_it() -> None:
    tiny = Scenario.preset("tiny")
    world = World(tiny, {"bidding": make_policy("bidding", "pid")}, seed=seeds("test", 4)[3])
    budget = float(world.campaigns.budget[2]) / 1e6
    world.set_budget("c2", 2 * budget)
    world.run()
    found = measured(tiny, ("campaigns.c2.budget_per_day=+100%",), 1)
    assert np.array_equal(found.would_be[0, :, 0], world.ledger.spend().sum(axis=0))
    assert found.was[0, 2, 0] < found.would_be[0, 2, 0]
    assert list(found.groups()) == ["c2", "all others", "market"]
    assert whatif.asked(tiny, ["campaigns.c2.budget_per_day=1k"]).budgets == (("c2", 1_000),)
    with pytest.raises(ScenarioError, match="there is no campaign 'c22'"):
        whatif.asked(tiny, ["campaigns.c22.budget_per_day=5"])
    with pytest.raises(MarketError, match="nothing is changed"):
        measured(tiny, (f"campaigns.c2.budget_per_day={budget}",), 1)


def test_what_it_says_is_the_difference_of_two_worlds() -> None:
    found = measured(OWN, MORE, 2)
    for day, seed in enumerate(seeds("test", 5)[3:]):
        for side, scenario in ((found.was, OWN), (found.would_be, OWN.override({"campaigns.bread.budget_per_day": 180.0}))):
            world = World(scenario, {"bidding": make_policy("bidding", "pid")}, seed=seed)
            world.run()
            assert np.array_equal(side[day, :, 0], world.ledger.spend().sum(axis=0))
            assert np.array_equal(side[day, :, 1], world.ledger.impressions().sum(axis=0))
            assert side[day, :, 5] == pytest.approx((world.ledger.value() - world.ledger.spend()).sum(axis=0))
    assert list(found.groups()) == ["bread", "all others", "market"]
    for number in range(len(whatif.NUMBERS)):
        rows = [found.estimates(campaigns, number) for campaigns in found.groups().values()]
        for of_rows in zip(*((now, then, more.mean) for now, then, more in rows), strict=True):
            assert of_rows[0] + of_rows[1] == pytest.approx(of_rows[2])
        for now, then, more in rows:
            assert then - now == pytest.approx(more.mean)


def test_several_days_count_as_their_mean() -> None:
    found = measured(OWN.override({"days": 2}), ("auction.slots=1",), 1)
    world = World(OWN.override({"days": 2}), {"bidding": make_policy("bidding", "pid")}, seed=seeds("test", 4)[3])
    world.run()
    assert found.was[0, :, 0] * 2 == pytest.approx(world.ledger.spend().sum(axis=0))
    assert list(found.groups()) == ["market"]  # no campaign is changed by itself


def test_two_processes_find_the_same() -> None:
    one, two = measured(OWN, MORE, 2), measured(OWN, MORE, 2, jobs=2)
    assert np.array_equal(one.was, two.was)
    assert np.array_equal(one.would_be, two.would_be)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(MarketError, match="nothing is changed"):
        measured(OWN, ("campaigns.bread.budget_per_day=150",), 1)
    with pytest.raises(MarketError, match="other campaigns are there after the change"):
        measured(OWN, ("campaigns.bread.name=loaf",), 1)


def test_the_command_prints_and_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    OWN.save("own.yaml")
    words = ["whatif", "own.yaml", "--change", *MORE, "--seeds", "8", "--out", "w"]
    monkeypatch.setattr(sys, "argv", ["adarena", *words])
    main()
    printed = capsys.readouterr()
    assert besides_compiling(printed.err) == ""
    assert "high-street, campaigns.bread.budget_per_day: 150 -> 180 " in printed.out
    assert "8 days, mean of a day" in printed.out
    assert "more [95%]" in printed.out
    written = json.loads(Path("w/whatif.json").read_text())
    assert written["changes"] == list(MORE)
    assert [row["campaign"] for row in written["rows"]] == ["bread"] * 6 + ["all others"] * 6 + ["market"] * 6
    spend = written["rows"][0]
    assert spend["ci_low"] <= spend["more"] <= spend["ci_high"]
    assert f"{spend['now']:,.2f}" in printed.out
