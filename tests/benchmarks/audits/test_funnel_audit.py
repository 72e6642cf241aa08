"""What an audit of a funnel says: what each stage loses of the truly best ads, and what it costs, tier by tier."""

from __future__ import annotations

import numpy as np
import pytest
from funnel_markets import FULL, LEAN, NOTHING, market, tiered

from adarena.benchmarks.audits.funnel import audit, traced
from adarena.simulator.market.market import build


def test_errors_of_the_rough_sort_lose_what_is_best() -> None:
    lost = [audit(market(rough={"dimensions": 8, "sigma": sigma}), 200).lost[1] for sigma in (0.0, 0.5, 1.5)]
    assert lost[0] < lost[1] < lost[2]


def test_more_candidates_lose_less_and_gains_diminish() -> None:
    quotas = [12, 24, 60, 150]
    lost = [audit(market(levels=[{"recall": q, "rough": 10, "fine": 5}]), 300).lost[0] for q in quotas]
    gains = -np.diff(lost)
    assert (gains > 0).all()
    assert gains[0] / 12 > gains[1] / 36 > gains[2] / 90


def test_audit_of_a_funnel_that_passes_everything() -> None:
    everything = market(
        recall={"dimensions": 8}, rough={"dimensions": 8}, levels=[{"recall": 300, "rough": 300, "fine": 100}],
        popular_share=0.0, exploring_share=0.0,
    ).override({"rates.belief_noise": 0.0})  # fmt: skip
    found = audit(everything, 50)
    np.testing.assert_allclose(found.survival, 1)
    np.testing.assert_allclose(found.recall, 1)
    np.testing.assert_allclose(found.lost, 0, atol=1e-6)
    assert (found.consistency > 0.999).all()


def test_an_audit_of_the_fine_sort_takes_queries_as_the_platform_does() -> None:
    """What is believed of queries is noise: so are the scores of all stages."""
    search = {"concepts": 200, "queries": 500, "head_queries": 100, "keywords": 8, "query_weight": 5.0}
    rare = market().override({"demand.conversion_rate": 0.1})
    right, wrong = (audit(rare.override({"search": {**search, "belief_noise": noise}}), 100) for noise in (0.0, 5.0))
    assert right.consistency[2] > 0.8
    assert wrong.consistency[2] < right.consistency[2] - 0.3


def test_an_audit_weighs_the_slots_of_the_surface_of_each_request() -> None:
    """Half of the requests have one slot, the others two; of the best ads a thousand impressions are worth what they are."""
    places = [{"name": "one", "share": 1, "exposure": [0.5]}, {"name": "two", "share": 1, "exposure": [1.0, 0.4]}]
    scenario = market().override({"surfaces": places})
    found, owner = audit(scenario, 60), build(scenario).campaigns.ad_campaign
    worth, seen = 0.0, 0.0
    for request in traced(scenario, 60, 0):
        exposure = [0.5] if request.exposure[0] == 0.5 else [1.0, 0.4]
        best = np.sort([request.worth[owner == k].max() for k in np.unique(owner)])[::-1]
        worth, seen = worth + best[: len(exposure)] @ exposure, seen + sum(exposure)
    assert 0.5 * 60 < seen < 1.4 * 60
    assert found.best_ecpm == pytest.approx(1000 * worth / seen)


def test_new_ads_are_found_by_exploring() -> None:
    """Without a history a popular new ad looks like any other; what exploring finds is shown to be better."""
    known, new = market(), market(new_share=1.0)
    assert audit(new, 200).lost[2] > audit(known, 200).lost[2]


def test_an_audit_counts_each_tier_at_its_own_quotas() -> None:
    costs = {"funnel.rough_cost_s": 1.0, "funnel.fine_cost_s": 10.0}
    full, lean = audit(tiered(**costs), 300), audit(tiered(LEAN, LEAN, LEAN, **costs), 300)
    mixed, nothing = audit(tiered(FULL, LEAN, LEAN, **costs), 300), audit(tiered(NOTHING, NOTHING, NOTHING, **costs), 300)
    np.testing.assert_allclose(full.cost_s, [0, 60, 200])
    np.testing.assert_allclose(lean.cost_s, [0, 12, 60])
    np.testing.assert_allclose(nothing.cost_s, 0)
    assert (nothing.lost == 1).all()
    assert (lean.candidates < mixed.candidates).all()
    assert (mixed.candidates < full.candidates).all()
    assert full.lost[2] < mixed.lost[2] < lean.lost[2] < 1
    assert 12 < mixed.cost_s[1] < 60
