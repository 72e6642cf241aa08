"""Scenarios: what is saved is what is loaded, what is equal has one digest, and nothing about them can be changed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios

from adarena.simulator import Scenario, ScenarioError, World
from adarena.simulator.delivery.quotas import service_s
from adarena.simulator.requests.worth import usual_worth
from adarena.simulator.scenario.delivery import Auction
from adarena.simulator.scenario.demand import Campaign, DrawnDemand, Flight, ListedDemand
from adarena.simulator.scenario.presets import PRESETS
from adarena.simulator.scenario.response import Interests


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_yaml(name: str, tmp_path: Path) -> None:
    scenario = Scenario.preset(name)
    path = tmp_path / "market.yaml"
    scenario.save(path)
    loaded = Scenario.load(path)
    assert loaded == scenario
    assert hash(loaded) == hash(scenario)
    assert loaded.digest == scenario.digest
    assert path.read_text() == str(scenario)
    assert Scenario.named(str(path)) == Scenario.named(name)


@settings(max_examples=40)
@given(scenarios())
def test_any_scenario_survives_yaml(scenario: Scenario) -> None:
    import yaml

    loaded = Scenario.from_tree(yaml.safe_load(str(scenario)))
    assert loaded == scenario
    assert loaded.digest == scenario.digest


def test_presets_are_the_named_markets() -> None:
    names = {"tiny", "bidding", "bidding-small", "bidding-tcpa", "uniform", "queue", "feed", "overload", "coldstart"}
    names |= {"search", "leads", "compute", "compute-small", "pacing-small", "auction-small", "allocation-small"}
    names |= {"creative-small", "ranking-small", "coldstart-small"}
    assert set(PRESETS) == names
    for name in PRESETS:
        assert Scenario.preset(name).name == name
    bidding = Scenario.preset("bidding")
    assert (bidding.demand.campaigns, bidding.demand.verticals) == (48, 6)  # type: ignore[union-attr]
    assert (bidding.auction.slots, bidding.ticks_per_day, bidding.traffic.requests_per_day) == (3, 48, 500_000)
    assert bidding.auction.marginal == pytest.approx((1.0, 0.8, 0.6))
    small = Scenario.preset("bidding-small")
    assert small == bidding.override({"name": "bidding-small", "traffic.requests_per_day": 50_000})
    pacing, thin = Scenario.preset("pacing-small"), Scenario.preset("auction-small")
    assert (pacing.demand.campaigns, pacing.ticks_per_day, pacing.traffic.requests_per_day) == (24, 24, 20_000)  # type: ignore[union-attr]
    assert (thin.demand.campaigns, thin.demand.verticals, thin.auction.slots) == (6, 6, 1)  # type: ignore[union-attr]
    assert World(thin).campaigns.budget.min() > 1e15  # none
    assert set(World(thin).campaigns.vertical) == set(range(6))
    uniform = Scenario.preset("uniform", bidders=7, requests=99)
    assert len(uniform.demand.advertisers) == 7  # type: ignore[union-attr]
    assert uniform.traffic.requests_per_day == 99


@pytest.mark.parametrize(("name", "costs", "share", "moves"), [("compute", 0.76, 0.4, 4.0), ("compute-small", 3.7, 1 / 3, 7.4)])
def test_servers_of_a_compute_market_are_as_short_as_it_says(name: str, costs: float, share: float, moves: float) -> None:
    scenario = Scenario.preset(name)
    serving, funnel, settings = scenario.serving, scenario.funnel, scenario.weather.tiers
    assert serving is not None
    assert funnel is not None
    assert settings is not None
    full = np.array([(q.recall, q.rough, q.fine) for q in funnel.levels[:1]])
    each = float(service_s(serving, funnel, full)[0])
    assert each == pytest.approx(costs)
    assert serving.servers * scenario.day_s / each == pytest.approx(share * scenario.traffic.requests_per_day, rel=0.05)
    usual = usual_worth(settings, scenario.ticks_per_day)
    assert usual.max(axis=0) / usual.min(axis=0) == pytest.approx([moves] * 3, rel=0.02)


def test_feed_is_as_large_and_as_busy_as_it_says() -> None:
    feed = Scenario.preset("feed")
    assert feed.funnel is not None
    assert feed.serving is not None
    assert feed.demand.campaigns * feed.demand.ads_per_campaign == 10_000  # type: ignore[union-attr]
    assert feed.users.count == 1_000_000
    full = feed.funnel.levels[0]
    assert (full.recall, full.rough, full.fine) == (2_000, 200, 40)
    assert feed.expected_requests == pytest.approx(1_000_000, rel=1e-3)  # made, of those planned
    # Sessions take an hour, and so the busiest tick is less busy than the curve of those that begin: a day without weather.
    calm = {"traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "funnel": None, "serving": None, "demand.campaigns": 20}
    day = World(feed.override(calm))
    day.run()
    service = feed.serving.service_s + feed.funnel.service_s(full)
    busiest = day.ledger.requests().max() / feed.tick_us * 1e6
    assert busiest * service / feed.serving.servers == pytest.approx(0.8, abs=0.01)
    late = Scenario.preset("overload")
    assert late.expected_requests == pytest.approx(1_172_000, rel=0.01)
    assert late.serving is not None
    assert len(late.serving.outages) == 1
    new = Scenario.preset("coldstart")
    assert new.funnel is not None
    assert new.funnel.new_share == pytest.approx(1 / 3)


def test_the_digest_is_stable_and_names_every_setting() -> None:
    """The digest is part of what files are named after: the same in every process, another for every change."""
    scenario = Scenario.preset("tiny")
    assert scenario.digest == Scenario.preset("tiny").digest
    assert len(scenario.digest) == 16
    assert set(scenario.digest) <= set("0123456789abcdef")
    digests = {scenario.digest}
    changes = {
        "days": 2, "ticks_per_day": 12, "market_seed": 7, "name": "x", "traffic.requests_per_day": 2001,
        "auction.reserve": 1.1e-4,
        "auction.squashing": 1.0000000000000002, "users.spread": 0.5, "rates.affinity": 1.0, "demand.billing": "cpc",
        "weather.day_sigma": 0.41, "response.window_days": 29.0, "auction.exposure": [1.0, 0.8, 0.59],
    }  # fmt: skip
    for field, value in changes.items():
        digests.add(scenario.override({field: value}).digest)
    assert len(digests) == 1 + len(changes)
    assert scenario.override({"auction.reserve": 1e-4}).digest == scenario.digest
    assert scenario.override({"traffic.requests_per_day": 2000.0}).digest == scenario.digest


def test_overrides_by_text_and_by_value_are_the_same() -> None:
    scenario = Scenario.preset("tiny")
    texts = ["auction.slots=1", "traffic.curve=[1, 2]", "demand.budget_share=null", "name=other", "auction.reserve=1e-3"]
    values = {
        "auction.slots": 1, "traffic.curve": [1.0, 2.0], "demand.budget_share": None, "name": "other", "auction.reserve": 0.001,
    }  # fmt: skip
    changed = scenario.override(texts)
    assert changed == scenario.override(values)
    assert (changed.auction.slots, changed.traffic.curve, changed.name) == (1, (1.0, 2.0), "other")
    assert scenario == Scenario.preset("tiny")  # the first is as it was
    assert scenario.override({}) == scenario


def test_a_part_that_does_not_name_its_kind_is_of_the_one_its_fields_are_of() -> None:
    assert Scenario.from_tree({"rates": {"click_rate": 0.03}}).rates == Interests(click_rate=0.03)
    assert Scenario.from_tree({"demand": {"campaigns": 4}, "rates": {}}).demand == DrawnDemand(campaigns=4)
    advertisers = [{"name": "a", "campaigns": [{"name": "c"}]}]
    assert isinstance(Scenario.from_tree({"demand": {"advertisers": advertisers}}).demand, ListedDemand)


def test_a_preset_is_named_with_its_sizes() -> None:
    assert Scenario.named("uniform:bidders=5,requests=20") == Scenario.preset("uniform", bidders=5, requests=20)
    with pytest.raises(ScenarioError, match="does not take 'bidder'; did you mean 'bidders'"):
        Scenario.named("uniform:bidder=5")


def test_tiers_are_named_for_every_segment_and_survive_a_file(tmp_path: Path) -> None:
    own = {"tier": 4, "levels": [{"recall": 0, "rough": 0, "fine": 0}]}
    scenario = Scenario.preset("feed").override({"users.segments": 3, "users.tiers": [4, 0, 4], "funnel.tiers": [own]})
    scenario.save(tmp_path / "tiers.yaml")
    loaded = Scenario.load(tmp_path / "tiers.yaml")
    assert loaded == scenario
    assert {loaded: 1} == {scenario: 1}
    assert loaded.funnel is not None
    assert [q.fine for q in loaded.funnel.levels_of(4)] == [0]
    assert loaded.funnel.levels_of(0) == loaded.funnel.levels
    assert [len(loaded.funnel.in_full().levels_of(tier)) for tier in (0, 4)] == [1, 1]
    with pytest.raises(ScenarioError, match="users: tiers must name a tier for each of the 12 segments, not 2"):
        Scenario.preset("feed").override(["users.tiers=[0, 1]"])
    with pytest.raises(ScenarioError, match=r"users\.tiers\.0 cannot be 256"):
        Scenario.preset("queue").override(["users.tiers=[256]"])


def test_a_scenario_cannot_be_changed_and_can_be_a_key() -> None:
    scenario = Scenario.preset("tiny")
    with pytest.raises(ScenarioError, match=r"cannot be set to .*: a scenario stays as it is, and override makes another"):
        scenario.days = 3  # type: ignore[misc]
    with pytest.raises(ScenarioError, match=r"cannot be set to .*: a scenario stays as it is, and override makes another"):
        scenario.auction.slots = 1  # type: ignore[misc]
    assert {scenario: 1, Scenario.preset("tiny"): 2} == {scenario: 2}


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=8).map(lambda e: tuple(sorted(e, reverse=True))))
def test_cascades_have_the_marginals_given(exposure: tuple[float, ...]) -> None:
    slots = len(exposure)
    cascade = Auction(slots=slots, exposure=exposure)
    assert cascade.marginal == pytest.approx(exposure)
    assert all(0 < s <= 1 + 1e-12 for s in cascade.seen)
    repeated = Auction(slots=slots, exposure=exposure, exposure_draws="repeated")
    assert repeated.seen == exposure
    assert repeated.marginal == pytest.approx([math.prod(exposure[: k + 1]) for k in range(slots)])


def test_repeated_draws_are_auctionnets_rule() -> None:
    auction = Auction(slots=3, exposure=(1.0, 0.8, 0.6), exposure_draws="repeated")
    assert auction.marginal == pytest.approx((1.0, 0.8, 0.48))
    assert Auction(slots=3, exposure=(1.0, 0.8, 0.6)).seen == pytest.approx((1.0, 0.8, 0.75))
    assert Auction(slots=1, exposure=(1.0, 0.8, 0.6)).marginal == (1.0,)


def test_times_are_whole_microseconds() -> None:
    scenario = Scenario.preset("tiny").override({"days": 3})
    assert (scenario.day_us, scenario.tick_us, scenario.horizon_us) == (86_400_000_000, 3_600_000_000, 259_200_000_000)
    with pytest.raises(ScenarioError, match="ticks_per_day"):
        scenario.override({"day_s": 1, "ticks_per_day": 7})


def test_targets_follow_the_objective() -> None:
    assert Campaign(name="c", value_per_conversion=3.0).target == 3.0
    assert Campaign(name="c", objective="target_cpa", target_cpa=2.0, value_per_conversion=3.0).target == 2.0
    assert Campaign(name="c", objective="target_roas", target_roas=1.5, value_per_conversion=3.0).target == 2.0
    assert Campaign(name="c", objective="utility", value_per_conversion=3.0).target == 3.0


def test_flights_may_touch_and_stand_in_any_order() -> None:
    flights = (Flight(first_day=4, end_day=5), Flight(first_day=0, end_day=2), Flight(first_day=2, end_day=3))
    assert Campaign(name="c", flights=flights).flights == flights
