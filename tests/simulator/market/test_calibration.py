"""What a day is expected to bring, against days that were played."""

import numpy as np
import pytest
from markets import CALM

from adarena.agents.bidding import Fixed
from adarena.simulator import Scenario, ScenarioError, World
from adarena.simulator.engine.state import Control, Count, Sum
from adarena.simulator.market.market import build
from adarena.simulator.market.sample import SAMPLE


@pytest.mark.parametrize("squashing", [1.0, 0.5, 0.0])
def test_an_expected_day_is_the_mean_of_played_days(squashing: float) -> None:
    """Without weather and budgets, campaigns spend and convert what was expected, under any rank score."""
    scenario = Scenario.preset("bidding-small").override({**CALM, "demand.budget_share": None, "auction.squashing": squashing})
    expected = build(scenario).expected
    world = World(scenario, {"bidding": Fixed()}, seed=5)
    world.run()
    spend = world.ledger.spend().sum(axis=0)
    luck = 4 / SAMPLE**0.5  # four standard errors of the sample behind it: a request's spend deviates by about its mean
    assert spend.sum() == pytest.approx(expected.spend.sum(), rel=luck)
    # Standard errors of log impressions: both the day and the sample behind the expectation are draws.
    played = world.ledger.impressions().sum(axis=0)
    large = expected.impressions > 400
    assert large.sum() >= 8
    deviation = np.sqrt((1 + scenario.traffic.requests_per_day / SAMPLE) / expected.impressions[large])
    sigmas = np.log(played[large] / expected.impressions[large]) / deviation
    assert np.abs(sigmas).max() < 4.5  # impressions of one user come in clusters
    assert np.abs(np.log(spend[large] / expected.spend[large]) / deviation).max() < 4.5


def test_prior_multipliers_spend_the_budget_of_an_expected_day() -> None:
    market = build(Scenario.preset("bidding-small"))
    budget, prior = market.campaigns.budget / 1e6, market.campaigns.prior
    bound = prior < 0.999
    assert bound.sum() >= 24
    assert np.median(np.abs(np.log(market.expected.spend[bound] / budget[bound]))) < 0.01
    assert (market.expected.spend[~bound] <= budget[~bound] * 1.05).all()


def test_target_cpas_are_multiples_of_the_usual_cost_and_move_no_bid() -> None:
    """The market stays what it was: same bids at the prior, same budgets; an expected day pays just so much a conversion."""
    base, limited = (build(Scenario.preset(name)) for name in ("bidding-small", "bidding-tcpa"))
    np.testing.assert_allclose(
        limited.campaigns.prior * limited.campaigns.target, base.campaigns.prior * base.campaigns.target, rtol=1e-12
    )
    np.testing.assert_array_equal(limited.campaigns.budget, base.campaigns.budget)
    usual = base.expected.spend / base.expected.conversions
    np.testing.assert_allclose(limited.campaigns.target, usual, rtol=1e-6)
    half = build(Scenario.preset("bidding-tcpa").override({"demand.target_cpa_share": 0.5}))
    np.testing.assert_allclose(half.campaigns.target, usual / 2, rtol=1e-6)
    assert [c.target_cpa for c in half.campaigns.listed] == list(half.campaigns.target)
    with pytest.raises(ScenarioError, match="target_cpa_share is for the objective target_cpa, not for max_value"):
        Scenario.preset("tiny").override({"demand.target_cpa_share": 1.0})


def test_beliefs_about_conversions_err_and_the_truth_does_not_move() -> None:
    base = Scenario.preset("tiny").override({**CALM, "demand.budget_share": None, "traffic.requests_per_day": 20_000})
    wrong = base.override({"response.belief_sigma": 0.5})
    right_market, wrong_market = build(base), build(wrong)
    np.testing.assert_array_equal(right_market.conversion, wrong_market.conversion)
    np.testing.assert_array_equal(right_market.conversion, right_market.believed_conversion)
    error = np.log(wrong_market.believed_conversion / wrong_market.conversion)
    assert np.abs(error).max() > 0.1
    np.testing.assert_allclose(error, np.broadcast_to(error[0], error.shape), atol=1e-12)  # it lasts
    world = World(wrong, seed=1)
    world.run()
    clicks = world.ledger.counts[:, Count.CLICKS].sum(axis=0)
    true = clicks @ wrong_market.conversion.mean(axis=0)
    assert world.ledger.conversions().sum() == pytest.approx(true, abs=4 * true**0.5 + 0.05 * true)
    believed = world.ledger.sums[:, Sum.BELIEVED].sum(axis=0) / world.ledger.sums[:, Sum.VALUE].sum(axis=0)
    # Rates of clicks are believed with noise too, so the ratios agree only roughly.
    assert np.corrcoef(np.log(believed), error[0])[0, 1] > 0.9


def test_a_price_is_never_below_a_reserve_that_no_float_holds() -> None:
    """20.000001 lies between two float32 numbers of millionths: bids are rounded, and so is the reserve, upward."""
    scenario = Scenario.preset("uniform", bidders=2, requests=2000).override(
        {"auction.reserve": 20.000001, "auction.pricing": "second"}
    )
    world = World(scenario, seed=0)
    world.set_multiplier(0, 30.0)
    world.set_multiplier(1, 30.0)
    world.run()
    sold = world.ledger.counts[:, Count.IMPRESSIONS].sum()
    assert sold > 100
    assert world._exchange.state.control[Control.RESERVE] >= 20_000_001
    assert world._exchange.state.terms.spent.sum() >= sold * 20_000_001
