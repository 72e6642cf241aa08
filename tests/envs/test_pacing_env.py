"""The pacing environment: actions are factors, rewards are the books, features are what their names say."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from adarena.agents.catalogue import make_policy
from adarena.envs.figure import Screen
from adarena.envs.frames import text
from adarena.envs.pacing import PacingEnv
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.engine.state import Count
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.vectors import FEATURES
from adarena.simulator.seats.pacing.view import PacingView

SMALL = Scenario.preset("pacing-small").override({"traffic.requests_per_day": 5_000})
PLACE = {name: place for place, name in enumerate(FEATURES)}


class Scripted(PacingPolicy):
    """Decides factors (ticks, held) written down beforehand, keeping half the campaigns out of a third of auctions."""

    def __init__(self, factors: np.ndarray, participation: float = 1.0) -> None:
        self.factors, self.participation = factors, participation
        self.views: list[PacingView] = []

    def decide(self, view: PacingView) -> Pace:
        self.views.append(view)
        return Pace(self.factors[view.told.tick], self.participation)


def actions(seed: int, env: PacingEnv) -> np.ndarray:
    """Random ones for each tick, as float32."""
    shape = (env.scenario.ticks_per_day, *env.action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_a_day_of_actions_is_the_market_under_those_factors() -> None:
    env = PacingEnv(SMALL)
    env.reset(options={"day": 5})
    prior, done = env.world.campaigns.prior, actions(0, env)
    total, units = 0.0, np.zeros(24)
    for action in done:
        _, reward, over, _, info = env.step(action)
        total += reward
        units += info["unit_rewards"]
        assert reward == pytest.approx(info["unit_rewards"].mean())
    assert over
    factors = np.clip(np.minimum(prior, 1) * 8.0 ** done.astype(np.float64), 0.02, 1)
    world = World(SMALL, {"pacing": Scripted(factors)}, seed=5)
    world.run()
    assert np.array_equal(world.ledger.counts, env.world.ledger.counts)
    np.testing.assert_allclose(env.world.ledger.pace, factors, rtol=1e-12)
    # Half is value over that of an expected day, half spend over the budget.
    expected = world._exchange.market.expected.conversions * world.campaigns.value
    value = world.ledger.value().sum(axis=0) / np.maximum(expected, world.campaigns.value)
    spend = world.ledger.spend().sum(axis=0) / (world.campaigns.budget / MICRO)
    np.testing.assert_allclose(units, (value + spend) / 2, rtol=1e-9)
    assert total == pytest.approx(units.mean())
    assert info["total_spend"] == pytest.approx(world.ledger.spend().sum())
    assert info["spent_share"] == pytest.approx(world.ledger.spend().sum() / (world.campaigns.budget.sum() / MICRO))


def test_features_are_what_their_names_say() -> None:
    """Each worked out again from the ledger, in the middle of a day and at its close."""
    env = PacingEnv(SMALL)
    env.reset(options={"day": 8})
    done = actions(1, env)
    for tick, action in enumerate(done, start=1):
        seen, *_ = env.step(action)
        if tick not in (10, 24):
            continue
        x, ledger, world = seen.reshape(24, 25).astype(np.float64), env.world.ledger, env.world
        budget, spent = world.campaigns.budget / MICRO, ledger.spend().sum(axis=0)
        elapsed, target = world.forecast[:tick].sum(), world._exchange.target
        usual = world.campaigns.target

        def near(name: str, wanted: object, x: np.ndarray = x) -> None:
            np.testing.assert_allclose(x[:, PLACE[name]], np.clip(np.broadcast_to(wanted, 24), -5, 5), rtol=2e-5, atol=2e-5)

        near("time_left", 1 - tick / 12)
        near("elapsed", 2 * elapsed - 1)
        near("budget_left", 1 - 2 * spent / budget)
        near("pacing_error", 5 * (elapsed - spent / budget))
        near("log_factor", np.log(ledger.pace[tick - 1]))
        near("last_change", np.log(ledger.pace[tick - 1] / ledger.pace[tick - 2]))
        near("value", np.log(target / usual))
        near("spend_rate", ledger.spend()[tick - 1] / (budget * world.forecast[tick - 1]) - 1)
        requests = ledger.requests()
        near("traffic_over_forecast", 2 * np.log(requests.sum() / (5_000 * elapsed)))
        near("traffic_last", np.log(requests[tick - 1] / (5_000 * world.forecast[tick - 1])))
        near("win_rate", 2 * ledger.counts[tick - 1, Count.WINS] / requests[tick - 1] - 1)
        lately = ledger.spend()[tick - 3 : tick].sum(axis=0) / world.forecast[tick - 3 : tick].sum()
        need = np.maximum((budget - spent) / max(1 - elapsed, 1e-6), 1e-6 * budget)
        near("required_rate", np.log(need / np.maximum(lately, 1e-3 * budget)))
        near("prior", np.log(world.campaigns.prior))
        near("market_factor", np.average(np.log(ledger.pace[tick - 1]), weights=budget))
        near("market_spent", 4 * np.average(budget - spent < 0.01 * budget, weights=budget))
        near("value_over_market", np.log(target / usual) - np.average(np.log(target / usual), weights=budget))
        near("market_price", np.log(ledger.market_price[tick - 1] / usual_price(world)))


def usual_price(world: World) -> np.ndarray:
    """What an impression costs on an expected day."""
    expected = world._exchange.market.expected
    return np.asarray(expected.spend / expected.impressions)


def test_actions_go_around_whatever_policy_is_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doing nothing is the base itself, which sees what the learner sees; what it keeps out stays out."""
    env = gym.make("AdArena/Pacing-v0", scenario=SMALL, base="pid", reach=2.0).unwrapped
    assert isinstance(env, PacingEnv)
    env.reset(options={"day": 3})
    for _ in range(24):
        seen, *_ = env.step(np.zeros(24, np.float32))
    world = World(SMALL, {"pacing": make_policy("pacing", "pid")}, seed=3)
    world.run()
    np.testing.assert_allclose(env.world.ledger.pace, np.maximum(world.ledger.pace, 0.02), rtol=1e-9)
    np.testing.assert_allclose(seen.reshape(24, 25)[:, PLACE["base"]], np.log(env.world.ledger.pace[-1]), rtol=1e-5)
    (tmp_path / "half.py").write_text(
        "from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy\n"
        "class Half(PacingPolicy):\n    def decide(self, view):\n        return Pace(0.5, 0.25)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    env = PacingEnv(SMALL, base="half.py:Half", reach=2.0)
    env.reset(options={"day": 3})
    env.step(np.full(24, 0.5, np.float32))
    np.testing.assert_allclose(env.world.ledger.pace[0], 0.5 * 2**0.5)
    assert (env.world.ledger.taking[0] == 0.25).all()


def test_mistakes() -> None:
    for arguments, error, words in (
        ({"base": "mpx"}, PolicyError, "there is no pacing policy 'mpx'; did you mean 'mpc'"),
        ({"base": 3}, MarketError, "the base is the name of a pacing policy, not 3"),
        ({"reach": 1.0}, MarketError, "the reach of an action is a factor above 1, not 1.0"),
    ):
        with pytest.raises(error, match=words):
            PacingEnv(SMALL, **arguments)  # type: ignore[arg-type]


def test_budgets_that_do_not_bind_and_bids_by_request_are_seen_as_numbers() -> None:
    scenario = Scenario.preset("tiny").override({"demand.budget_share": None})
    env = PacingEnv(scenario)
    seen, _ = env.reset(options={"day": 0})
    for _ in range(24):
        assert np.isfinite(seen).all()
        seen, reward, *_ = env.step(np.zeros(env.action_space.shape, np.float32))
        assert np.isfinite(reward)
    assert (seen.reshape(-1, 25)[:, PLACE["tightness"]] == -5).all()


def test_a_frame_is_the_books() -> None:
    env = PacingEnv(SMALL)
    env.reset(options={"day": 2})
    for action in actions(2, env)[:9]:
        env.step(action)
    spend, factor, value = env.frame().panels
    ledger, budget = env.world.ledger, env.world.campaigns.budget / MICRO
    shares = np.cumsum(ledger.spend(), axis=0) / budget
    np.testing.assert_allclose([line.course[9] for line in spend.lines], [
        ledger.spend().sum() / budget.sum(), shares[-1].min(), shares[-1].max(),
    ])  # fmt: skip
    np.testing.assert_allclose([line.course[8] for line in factor.lines[1:]], [ledger.pace[8].min(), ledger.pace[8].max()])
    assert value.course[9] == pytest.approx(ledger.value().sum())
    assert np.isnan(spend.course[10:]).all()
    assert Screen().draw(env.frame()).std() > 0
    assert len(text(env.frame()).splitlines()) == 2 + 3 + 3 + 1
