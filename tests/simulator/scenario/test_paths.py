"""Paths reach every field of a scenario, and what is no path costs one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from places import ROOT

from adarena.simulator import Scenario
from adarena.simulator.core.errors import ScenarioError
from adarena.simulator.core.numeric import amount

OWN = Scenario.load(ROOT / "docs" / "own_market.yaml")


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that is neither a part nor a list, with its path by names and numbers."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if not items:
        yield path.removeprefix("."), node
    for key, value in items:
        yield from leaves(value, f"{path}.{key}")


@pytest.mark.parametrize("scenario", [OWN, Scenario.preset("feed"), Scenario.preset("search")], ids=lambda s: s.name)
def test_every_value_may_be_set_to_what_it_is(scenario: Scenario) -> None:
    paths = dict(leaves(scenario.model_dump(mode="json")))
    assert len(paths) > 100
    assert scenario.override(paths) == scenario


def test_items_go_by_number_by_name_and_campaigns_without_their_advertiser() -> None:
    for path in (
        "demand.advertisers.0.campaigns.0.budget_per_day",
        "demand.advertisers.Crumb & Sons.campaigns.bread.budget_per_day",
        "campaigns.bread.budget_per_day",
        "campaigns.0.budget_per_day",
    ):
        changed = OWN.override({path: 180.0})
        tree = OWN.model_dump(mode="json")
        tree["demand"]["advertisers"][0]["campaigns"][0]["budget_per_day"] = 180.0
        assert changed == Scenario.from_tree(tree), path
    assert OWN.override(["campaigns.bread.ads.rye.appeal=0.3", "auction.exposure.1=0.5"]).auction.exposure == (1.0, 0.5)


def test_a_whole_item_may_be_replaced() -> None:
    demand = OWN.override({"campaigns.card": {"name": "loan"}}).demand
    assert demand.kind == "listed"
    assert [c.name for a in demand.advertisers for c in a.campaigns] == ["bread", "cakes", "rivals", "loan"]


def test_names_with_dots_are_found_the_longest_first() -> None:
    named = OWN.override({"campaigns.bread.name": "v1", "campaigns.cakes.name": "v1.2"})
    demand = named.override({"campaigns.v1.2.budget_per_day": 7.0}).demand
    assert demand.kind == "listed"
    assert [c.budget_per_day for c in demand.advertisers[0].campaigns] == [150.0, 7.0]


def test_a_part_that_is_none_begins_with_its_defaults() -> None:
    tiny = Scenario.preset("uniform", bidders=3)
    assert tiny.sessions is None
    changed = Scenario.preset("tiny").override({"sessions.patience.sigma": 0.5, "sessions.mean_requests": 5})
    assert changed == Scenario.preset("tiny").override({"sessions": {"patience": {"sigma": 0.5}, "mean_requests": 5}})
    with pytest.raises(ScenarioError, match=r"^serving.service_s is missing$"):
        tiny.override({"serving.servers": 3})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("campaigns.bred.billing", "campaigns has no item 'bred'; did you mean 'bread'?"),
        ("campaigns.7.billing", "campaigns has no item 7: there are 4, numbered from 0"),
        ("campaigns.bread.biling", "campaigns.bread has no field 'biling'; did you mean 'billing'?"),
        ("demand.advertisers.0.campaigns.bread.ads.white.appeal", "campaigns.bread.ads has no item 'white'"),
        ("serving.outages.x.servers", "serving.outages has no item 'x'; items are named by a number from 0 to 0"),
        ("serving.outages.0.server", "serving.outages.0 has no field 'server'; did you mean 'servers'?"),
        ("auction.slots.x", "auction.slots has no field 'x'"),
        ("auction.exposure.5", "auction.exposure has no item 5: there are 2"),
        ("surfaces.0.share", "surfaces"),
    ],
)
def test_what_is_no_path_is_said(path: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        OWN.override({path: 1})
    assert words in str(caught.value)


def test_campaigns_that_are_drawn_have_no_names() -> None:
    with pytest.raises(ScenarioError, match=r"drawn are not written out: demand\.campaigns is how many"):
        Scenario.preset("tiny").override({"campaigns.bread.billing": "cpc"})


def test_large_numbers_may_be_written_short() -> None:
    short = Scenario.preset("tiny").override(["traffic.requests_per_day=10k", "name=10k", "demand.budget_share=1.5"])
    assert (short.traffic.requests_per_day, short.name) == (10_000, "10k")
    with pytest.raises(ScenarioError, match="whole number is needed"):
        Scenario.preset("tiny").override(["traffic.requests_per_day=10q"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250", 250),
        ("1e6", 10**6),
        ("10k", 10_000),
        ("2.5M", 2_500_000),
        ("1,000,000", 10**6),
        ("1_000", 1000),
        ("-5", -5),
        ("1" + 30 * "0", 10**30),
        (".5k", 500),
    ],
)
def test_whole_amounts(text: str, number: int) -> None:
    found = amount(text)
    assert found == number
    assert isinstance(found, int)


@pytest.mark.parametrize("text", ["", ".", "k", "abc", "1kk", "nan", "inf", "1e4000", "0x10", "1 000"])
def test_other_texts_are_no_amounts(text: str) -> None:
    assert amount(text) is None


def test_amounts_below_one_are_floats() -> None:
    assert amount("0.1") == 0.1
    assert amount("1e-3") == 0.001
