"""The creatives that ads have: how many, of which formats, what segments think of them, and what is in their embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from creative_markets import large, listed, made, tiny
from scipy import stats

from adarena.simulator import MarketError, Scenario, ScenarioError, World
from adarena.simulator.population.campaigns import campaign_table
from adarena.simulator.population.creatives import new_portfolio
from adarena.simulator.population.embeddings import MODALITIES, MODALITIES_OF, embeddings, has_modality
from adarena.simulator.population.users import new_users
from adarena.simulator.scenario.creatives import FORMATS, Creative, DrawnCreatives, FormatShares
from adarena.simulator.scenario.demand import Ad
from adarena.simulator.scenario.people import day_shares


def test_counts_formats_and_freshness_have_their_shares() -> None:
    settings = {
        "per_ad": [2, 5],
        "formats": {"image": 5, "video": 3, "text": 0, "lead_form": 1, "carousel": 1},
        "fresh_share": 0.3,
    }
    *_, held = large(settings)
    count = np.diff(held.first)
    assert held.first[0] == 0
    np.testing.assert_array_equal(held.ad, np.repeat(np.arange(12_000), count))
    assert stats.chisquare(np.bincount(count, minlength=6)[2:]).pvalue > 1e-3
    by_format = dict(zip(FORMATS, np.bincount(held.format, minlength=len(FORMATS)), strict=True))
    assert by_format.pop("text") == 0
    assert stats.chisquare(list(by_format.values()), np.array([5, 3, 1, 1]) / 10 * len(held.ad)).pvalue > 1e-3
    assert abs(held.fresh.mean() - 0.3) < 4 * (0.21 / len(held.ad)) ** 0.5


def test_appeals_and_tastes_have_their_spread_and_leave_the_ad_where_it_is() -> None:
    scenario, _, people, held = large({"per_ad": [1, 4], "appeal_sigma": 0.5, "interaction_sigma": 0.3, "format_sigma": 0.0})
    count = np.diff(held.first)
    traffic = np.zeros(3)
    for tick, share in enumerate(day_shares(scenario.traffic.curve, scenario.ticks_per_day)):
        before = 0.0
        for segment, reached in enumerate(people.segment_share[tick]):
            traffic[segment] += share * (reached - before)
            before = reached
    np.testing.assert_allclose(held.interaction @ traffic, 0, atol=1e-6)
    for values in (held.appeal, *held.interaction.T):
        np.testing.assert_allclose(np.add.reduceat(values.astype(float), held.first[:-1]), 0, atol=1e-6)
    alone = count[held.ad] == 1
    assert not held.appeal[alone].any()
    assert not held.interaction[alone].any()
    # An ad of n creatives has n - 1 degrees of freedom.
    freedom = (count - 1).sum()
    variance = (held.appeal.astype(float) ** 2).sum() / freedom
    assert abs(variance / 0.25 - 1) < 4 * (2 / freedom) ** 0.5
    # Of a segment of traffic w centring leaves (1 - w)^2 + the squares of the others' traffic.
    left = (1 - traffic) ** 2 + (traffic**2).sum() - traffic**2
    by_segment = (held.interaction.astype(float) ** 2).sum(axis=0) / freedom
    np.testing.assert_allclose(by_segment / (0.09 * left), 1, atol=4 * (2 / freedom) ** 0.5)


def test_a_segment_likes_formats_alike_whatever_the_ad() -> None:
    *_, held = large({"per_ad": [2, 2], "interaction_sigma": 0.0, "format_sigma": 0.4})
    one, two = held.format[::2], held.format[1::2]
    assert not held.interaction[::2][one == two].any()
    for pair in {(a, b) for a, b in zip(one, two, strict=True) if a != b}:
        found = held.interaction[::2][(one == pair[0]) & (two == pair[1])]
        assert (found == found[0]).all()
        assert found[0].any()


def test_creatives_are_a_function_of_the_market_seed() -> None:
    scenario = tiny({})
    assert scenario.creatives is not None
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    again = new_portfolio(scenario, scenario.creatives, campaign_table(scenario), people)
    for one, two in zip(made(scenario), again, strict=True):
        np.testing.assert_array_equal(one, two)
    other = made(scenario.override({"market_seed": 2}))
    assert made(scenario).appeal[:4].tolist() != other.appeal[:4].tolist()


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
def test_a_regression_finds_appeal_in_embeddings_as_far_as_it_is_written_there(modality: str, correlation: float) -> None:
    scenario, table, _, held = large({"per_ad": [1, 3], "embedding_correlation": correlation, "embedding_dimensions": 12})
    found, there = embeddings(scenario, table, held, modality), has_modality(held, modality)
    assert found.dtype == np.float32
    assert found.shape == (len(held.ad), 12)
    np.testing.assert_array_equal(np.isnan(found), np.repeat(~there[:, None], 12, axis=1))
    np.testing.assert_array_equal(there, [modality in MODALITIES_OF[FORMATS[f]] for f in held.format])
    squares = (found[there].astype(float) ** 2).sum(axis=1)
    assert abs(squares.mean() - 1) < 4 * squares.std() / len(squares) ** 0.5
    explained = r_squared(found[there], held.appeal[there])
    assert abs(explained - correlation**2) < 4 * 2 * correlation * (1 - correlation**2) / len(squares) ** 0.5 + 2e-3
    # Those of a vertical lie around a centre that has half of their square length.
    vertical = table.vertical[table.ad_campaign][held.ad][there]
    centres = np.array([found[there][vertical == v].mean(axis=0) for v in range(5)])
    np.testing.assert_allclose((centres**2).sum(axis=1), 0.5, atol=0.05)


def r_squared(features: Any, target: Any) -> float:
    """Adjusted R^2 of a linear regression with an intercept."""
    design = np.column_stack([np.ones(len(target)), features]).astype(float)
    target = target.astype(float)
    rest = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    n, p = design.shape
    return float(1 - (rest @ rest / (n - p)) / target.var(ddof=1))


def test_modalities_tell_more_together_than_alone() -> None:
    scenario, table, _, held = large({"per_ad": [2, 2], "embedding_correlation": 0.6, "formats": {"image": 0.0}})
    films = np.flatnonzero(held.format == FORMATS.index("video"))
    parts = [embeddings(scenario, table, held, modality, films) for modality in MODALITIES]
    q = 0.36 / 0.64
    for m in (1, 2, 3):
        expected = m * q / (1 + m * q)
        assert abs(r_squared(np.column_stack(parts[:m]), held.appeal[films]) - expected) < 0.04


def test_an_embedding_is_the_same_whatever_is_asked_for_with_it() -> None:
    world = World(tiny({}))
    assert world.creatives is not None
    every = world.creatives.embeddings("image")
    some = world.creatives.embeddings("image", [5, 0, 5])
    np.testing.assert_array_equal(some, every[[5, 0, 5]])
    assert world.creatives.embeddings("image", []).shape == (0, 16)
    assert not np.array_equal(world.creatives.embeddings("text", [0]), world.creatives.embeddings("image", [0]))


def test_listed_creatives_are_as_written() -> None:
    film, still = Creative(name="film", format="video", appeal=0.8), Creative(name="still", format="text")
    scenario = listed(Ad(name="a", creatives=(film, still)), Ad(name="b"))
    world = World(scenario)
    assert world.creatives is not None
    frame = world.creatives.to_frame()
    assert frame["creative"][:3].tolist() == ["film", "still", "creative-0"]
    assert frame["ad"][:3].tolist() == ["a", "a", "b"]
    assert frame["format"][:2].tolist() == ["video", "text"]
    held = world.creatives.portfolio
    np.testing.assert_allclose(held.appeal[:2], [0.8, 0.0])  # not centred
    np.testing.assert_allclose(held.interaction[:2].sum(axis=0), 0, atol=1e-6)
    for start, end in zip(held.first[1:-1], held.first[2:], strict=True):
        np.testing.assert_allclose(held.appeal[start:end].sum(), 0, atol=1e-6)
    world.set_creative_shares("c0", [0.25, 0.75], ad="a")
    assert world.creatives.to_frame()["share"][:2].tolist() == [0.25, 0.75]


def test_wrong_questions_about_content_get_a_sentence() -> None:
    world = World(tiny({"per_ad": [2, 2]}))
    assert world.creatives is not None
    with pytest.raises(MarketError, match="no modality 'sound': known are text, image, video"):
        world.creatives.embeddings("sound")
    for number in (24, -1):
        with pytest.raises(MarketError, match=f"no creative {number}: they are numbered from 0 to 23"):
            world.creatives.embeddings("text", [0, number])
    for which in (3, [0.5], [[0]], [True], "all"):
        with pytest.raises(MarketError, match="a list of their numbers"):
            world.creatives.embeddings("text", which)
    scenario = Scenario.preset("tiny")
    with pytest.raises(MarketError, match="embeddings need a market with creatives, and scenario 'tiny' has none"):
        embeddings(scenario, world.campaigns, world.creatives.portfolio, "text")


def test_wrong_settings_get_a_sentence() -> None:
    with pytest.raises(ScenarioError, match="creatives need rates of kind interests, not uniform"):
        Scenario.preset("uniform").override({"creatives": {}})
    with pytest.raises(ScenarioError, match="per_ad must be a range from low to high, not 3 to 2"):
        DrawnCreatives(per_ad=(3, 2))
    with pytest.raises(ScenarioError, match=r"creatives.per_ad.0 cannot be 0"):
        tiny({"per_ad": [0, 2]})
    with pytest.raises(ScenarioError, match="one of the formats must have a share above 0"):
        FormatShares(image=0, video=0, text=0, lead_form=0, carousel=0)
    with pytest.raises(ScenarioError, match=r"no field 'vidio'.*video"):
        tiny({"formats": {"vidio": 1}})
    with pytest.raises(ScenarioError, match=r"no field 'fresh'.*fresh_share"):
        tiny({"fresh": 1})
    with pytest.raises(ScenarioError, match="names of an ad's creatives must differ, and 'x' stands twice"):
        Ad(name="a", creatives=(Creative(name="x"), Creative(name="x")))
    with pytest.raises(ScenarioError, match="format cannot be 'gif'"):
        Creative(name="x", format="gif")
    with pytest.raises(ScenarioError, match="campaign 'c0' lists creatives, which need a part creatives of the scenario"):
        listed(Ad(name="a", creatives=(Creative(name="x"),)), creatives=None)


def test_settings_survive_yaml(tmp_path: Path) -> None:
    pair = (Creative(name="film", format="video", appeal=0.5), Creative(name="still"))
    scenario = listed(Ad(name="a", creatives=pair), Ad(name="b"), **{"creatives.per_ad": [1, 3], "creatives.formats.text": 0.7})
    scenario.save(tmp_path / "market.yaml")
    loaded = Scenario.load(tmp_path / "market.yaml")
    assert loaded == scenario
    assert loaded.digest == scenario.digest
    assert hash(loaded) == hash(scenario)
    assert tiny({}).digest != Scenario.preset("tiny").digest
