"""What a ranker supposes of new ads before their clicks: a prior in place of the market's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adarena.simulator import PolicyError, Scenario, World
from adarena.simulator.response.beliefs import Prior
from adarena.simulator.seats.ranking.decisions import RankingPolicy, Weights

TINY = Scenario.preset("tiny").override(
    {"demand.budget_share": None, "fatigue": None, "rates.new_share": 0.5, "rates.learning": {"shape": 2.0}}
)
PRIOR = Prior(np.linspace(1.0, 5.0, 12), np.linspace(0.5, 3.0, 12))


class Supposes(RankingPolicy):
    """From some tick on; what is seen is kept."""

    def __init__(self, prior: Any, tick: int = 0) -> None:
        self._prior, self._tick = prior, tick

    def start(self, view: Any, dice: Any) -> None:
        self.seen: list[Any] = []

    def decide(self, view: Any) -> Weights | None:
        self.seen.append(view)
        return Weights(prior=self._prior) if view.told.tick == self._tick else None


def played(prior: Any, engine: str = "compiled", tick: int = 0, scenario: Scenario = TINY) -> tuple[World, Supposes]:
    policy = Supposes(prior, tick)
    world = World(scenario, {"ranking": policy}, 1, engine)
    world.run()
    return world, policy


@pytest.mark.parametrize("tick", [0, 9])
def test_what_is_believed_is_the_posterior_of_that_prior(tick: int) -> None:
    world, policy = played(PRIOR, tick=tick)
    for before, view in zip(policy.seen[tick:], policy.seen[tick + 1 :], strict=False):
        seen = view.seen
        np.testing.assert_allclose(view.posterior.shape, PRIOR.shape + seen.clicks)
        np.testing.assert_allclose(view.posterior.rate, PRIOR.shape / PRIOR.mean + seen.expected)
        np.testing.assert_allclose(view.correction, np.where(view.new, view.posterior.mean, 1.0))
        assert (before.seen.shown <= seen.shown).all()
    assert world._exchange.state.beliefs.clicks[policy.seen[0].new].sum() > 5


def test_it_holds_from_the_very_first_request() -> None:
    """An ad supposed to be clicked a hundred times as often is shown, and one a hundredth as often is not."""
    often, seldom = (played(Prior(np.full(12, 50.0), np.full(12, mean)))[0] for mean in (30.0, 1 / 30))
    new = often._exchange.market.ads.new  # type: ignore[union-attr]
    shown = [world._exchange.state.beliefs.shown[new].sum() for world in (often, seldom)]
    assert shown[0] > 3 * shown[1]


def test_one_number_for_all_is_the_markets_own_where_it_is_the_same() -> None:
    plain, same = played(None)[0], played(Prior(2.0, 1.0))[0]  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.ledger.counts, same.ledger.counts)


def test_both_engines_suppose_the_same() -> None:
    one, two = (played(PRIOR, engine, tick=3)[0] for engine in ("compiled", "events"))
    np.testing.assert_array_equal(one.ledger.counts, two.ledger.counts)
    np.testing.assert_array_equal(one._exchange.state.beliefs.correction, two._exchange.state.beliefs.correction)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (2.0, r"must decide a Prior of new ads, not 2.0"),
        (Prior(np.ones(3), np.ones(12)), r"must decide a shape for each of 12 ads, or for all"),
        (Prior(np.ones(12), np.zeros(12)), r"decided the mean 0.0: numbers from 1e-09 to 1e\+09 are allowed"),
        (Prior(np.full(12, np.nan), np.ones(12)), r"decided the shape nan: numbers from"),
        (Prior(None, np.ones(12)), r"decides a Prior with a shape and a mean"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_prior_is_refused(prior: Any, words: str) -> None:
    with pytest.raises(PolicyError, match=f"^Supposes {words}"):
        played(prior)


def test_a_market_that_does_not_learn_supposes_nothing() -> None:
    with pytest.raises(PolicyError, match=r"beliefs of new ads in scenario 'tiny' do not learn \(rates.learning\)"):
        played(PRIOR, scenario=TINY.override({"rates.learning": None}))
