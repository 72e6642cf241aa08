"""Baseline rankers: each ranks by what its name says, seen in who is shown, and against bonuses written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import gamma
from tapes import Tape, give_tape

from adarena.agents.catalogue import make_policy
from adarena.simulator import Open, Scenario, World
from adarena.simulator.seats.ranking.decisions import Weights

# Without a reserve that an unlikely click would not reach.
MARKET = Scenario.preset("ranking-small").override(
    {"days": 1, "traffic.requests_per_day": 3_000, "auction.slots": 1, "auction.reserve": 1e-6}
)


def shown(policy: str, seed: int = 3) -> tuple[Tape, World]:
    world = World(MARKET, {"ranking": make_policy("ranking", policy)}, seed=seed)
    read = give_tape(world, 20_000)
    world.run()
    return read(), world


def first_view() -> Any:
    asked = World(MARKET, {"ranking": Open()}, seed=3).until_asked()
    assert asked is not None
    return asked.view


def odds(world: World, users: NDArray[np.int64]) -> Any:
    ads = world._exchange.market.ads
    assert ads is not None
    return world._exchange.market.users.interests[users] @ ads.believed_vectors.T + ads.believed_bias


def test_the_best_bid_is_shown_to_everybody() -> None:
    tape, _ = shown("bid_only")
    start = tape.column("time_us") < MARKET.tick_us
    view = first_view()
    assert set(tape.column("ad")[start]) == {int(view.click_bid.argmax())}


def test_the_likeliest_click_is_shown_whatever_it_is_worth() -> None:
    tape, world = shown("pctr_only")
    start = tape.column("time_us") < MARKET.tick_us  # as first believed
    best = odds(world, tape.column("user")[start]).argmax(axis=1)
    assert (best == tape.column("ad")[start]).mean() > 0.99
    assert len(set(best)) > 5


def test_the_most_popular_ad_is_shown_to_everybody() -> None:
    tape, _ = shown("popularity")
    start = tape.column("time_us") < MARKET.tick_us
    assert set(tape.column("ad")[start]) == {int(first_view().typical.argmax())}


def test_an_impression_goes_to_what_it_is_worth_most_to() -> None:
    tape, world = shown("ecpm")
    start = tape.column("time_us") < MARKET.tick_us
    worth = first_view().click_bid / (1 + np.exp(-odds(world, tape.column("user")[start])))
    assert (worth.argmax(axis=1) == tape.column("ad")[start]).mean() > 0.99


def test_new_ads_are_shown_first_those_shown_least_before_the_others() -> None:
    tape, world = shown("newest")
    ads, new = tape.column("ad"), world._exchange.market.ads.new
    assert new[ads].all()
    by_tick = [set(ads[tape.column("time_us") // MARKET.tick_us == tick]) for tick in range(24)]
    once = [found for found in by_tick if found]
    assert all(len(found) == 1 for found in once)
    assert len(set.union(*once)) == len(once)  # nobody twice, as long as there are others


def test_random_is_another_ad_each_tick() -> None:
    tape, _ = shown("random")
    ads = [set(tape.column("ad")[tape.column("time_us") // MARKET.tick_us == tick]) for tick in range(24)]
    assert all(len(found) <= 1 for found in ads)
    assert len(set.union(*ads)) > 15


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("squashed:squashing=1.7", Weights(1.7)),
        ("user_cost:cost=0.3", Weights(1.0, 0.3)),
        ("constant:squashing=1.2,cost=0.1,optimism=0.4", Weights(1.2, 0.1, 0.4)),
        ("thompson:squashing=1.3,cost=0.2", Weights(1.3, 0.2, thompson=True)),
    ],
)
def test_weights_are_those_it_is_given(name: str, weights: Weights) -> None:
    policy = make_policy("ranking", name)
    policy.start(first_view(), np.random.default_rng(0))
    assert policy.decide(first_view()) == weights


def test_ucb_ranks_by_the_quantile_of_what_a_rate_may_be() -> None:
    view, policy = first_view(), make_policy("ranking", "ucb:exponent=1")
    told = view.told._replace(day=1, tick=6)
    seen = view._replace(told=told, posterior=view.posterior._replace(shape=view.posterior.shape + np.arange(120.0)))
    bonus = policy.decide(seen).bonus
    quantile = gamma.ppf(1 - 1 / 32, seen.posterior.shape) / seen.posterior.shape
    np.testing.assert_allclose(bonus, np.where(view.new, quantile, 1.0), rtol=1e-9)


def test_epsilon_greedy_lifts_a_share_of_the_new_ads() -> None:
    view, policy = first_view(), make_policy("ranking", "epsilon_greedy:epsilon=0.3,lift=7")
    policy.start(view, np.random.default_rng(1))
    bonus = np.array([policy.decide(view).bonus for _ in range(300)])
    assert set(np.unique(bonus)) == {1.0, 7.0}
    assert (bonus[:, ~view.new] == 1).all()
    assert (bonus[:, view.new] == 7).mean() == pytest.approx(0.3, abs=0.02)
