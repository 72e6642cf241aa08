"""The optimal reserve: against the goal maximised by quadrature, and the law of bids against the bids themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import lognorm

from adarena.agents.auction.myerson import fitted, optimal_reserve
from adarena.agents.auction.trials import requests_near
from adarena.simulator import Open, Scenario, World
from adarena.simulator.seats.auction.verticals import Verticals

SMALL = Scenario.preset("auction-small").override({"traffic.requests_per_day": 2_000, "ticks_per_day": 8})


@pytest.mark.parametrize(
    ("mean", "deviation", "surplus", "cost"),
    [(0.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.3, 0.1), (-2.0, 0.4, 0.0, 0.05), (1.0, 2.0, 0.6, 1.0), (0.5, 0.7, 0.0, 3.0)],
)
def test_the_reserve_is_what_one_bidder_should_be_asked(mean: float, deviation: float, surplus: float, cost: float) -> None:
    """One bidder who pays the reserve: revenue r, and what is kept v - r, whenever v > r."""
    law = lognorm(deviation, scale=np.exp(mean))

    def lost(log_reserve: float) -> float:
        reserve = float(np.exp(log_reserve))
        kept = quad(law.sf, reserve, law.ppf(1 - 1e-12), epsabs=1e-11, epsrel=1e-9, limit=400)[0]  # E (v - r)+
        return -float((reserve - cost) * law.sf(reserve) + surplus * kept)

    best = minimize_scalar(lost, bounds=(mean - 4 * deviation, mean + 4 * deviation), method="bounded", options={"xatol": 1e-9})
    found = float(optimal_reserve(np.array([mean]), np.array([deviation]), surplus, cost)[0])
    assert lost(np.log(found)) == pytest.approx(best.fun, rel=1e-7)
    assert found == pytest.approx(float(np.exp(best.x)), rel=2e-3)


def test_who_wants_all_of_the_surplus_asks_for_the_cost() -> None:
    """Welfare less cost is largest where whoever values an impression at more than its cost has it."""
    reserve = optimal_reserve(np.array([0.0, -1.0]), np.array([1.0, 0.3]), 1.0, 0.5)
    np.testing.assert_allclose(reserve, 0.5, rtol=1e-9)


def test_the_reserve_scales_with_bids() -> None:
    one, ten = (optimal_reserve(np.array([np.log(scale)]), np.array([0.8]), 0.3, 0.1 * scale) for scale in (1.0, 10.0))
    assert float(ten[0]) == pytest.approx(10 * float(one[0]), rel=1e-9)


def test_the_law_is_that_of_the_bids_of_each_vertical() -> None:
    scenario = SMALL.override({"demand.campaigns": 7, "demand.verticals": 3})
    asked = World(scenario, {"auction": Open()}, seed=3).until_asked()
    assert asked is not None
    view = asked.view
    view = view._replace(bid=np.where(np.arange(7) == 4, 0.0, view.bid))  # one is not there
    verticals, requests = Verticals(view.vertical), requests_near(view.rehearsal, 0, 512)
    mean, deviation = fitted(view, requests, verticals)
    assert mean.shape == (verticals.count,) == (3,)
    for place, vertical in enumerate(np.unique(view.vertical)):
        own = [k for k in range(7) if view.vertical[k] == vertical and k != 4]
        logs = np.log(np.concatenate([view.bid[k] * requests.rate[k].astype(np.float64) for k in own]))
        assert mean[place] == pytest.approx(logs.mean(), rel=1e-6)
        assert deviation[place] == pytest.approx(logs.std(), rel=1e-6)
