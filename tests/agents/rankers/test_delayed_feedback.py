"""Delayed feedback: what each method finds of a rate that is known, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from adarena.agents.rankers.delayed import METHODS, Clicks, Fitting, clicks_of, dfm_loss, learned
from adarena.agents.rankers.history import Past
from adarena.agents.rankers.logs import Examples
from adarena.agents.rankers.models.layers import Batch, Shape
from adarena.agents.rankers.models.lr import LR
from adarena.simulator.core.errors import LogError, PolicyError

RATES, DELAYS, WINDOW = np.array([0.3, 0.1]), np.array([2.0, 1.0]), 7.0
SHAPE = Shape((2,), 1, 0, (), 1)
FITTING = Fitting(epochs=10, batch=4096, learning_rate=0.05, window=3.0, elapsed=0.5, ago=2.0)


def clicks(n: int = 50_000, seed: int = 0) -> Clicks:
    """Of two kinds, that convert at 30% and 10% and are told of after 2 days and 1 on average; evenly over a week."""
    dice = np.random.default_rng(seed)
    kind = dice.integers(0, 2, n)
    age = dice.uniform(0, WINDOW, n)
    delay = dice.exponential(DELAYS[kind])
    told = (dice.random(n) < RATES[kind]) & (delay <= age)
    empty = torch.zeros(n, 0, dtype=torch.int32)
    batch = Batch(torch.from_numpy(kind[:, None].astype(np.int32)), empty[..., None], empty, torch.full((n,), -1))
    return Clicks(batch, age, np.where(told, delay, np.nan))


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    """The two rates that each method finds."""
    held = clicks()
    one = Batch(torch.tensor([[0], [1]], dtype=torch.int32), *(field[:2] for field in held.batch[1:]))
    networks = {name: learned(name, held, LR, SHAPE, FITTING) for name in METHODS}
    return {name: torch.sigmoid(network(one)[:, 0]).detach().numpy() for name, network in networks.items()}


def test_naive_finds_what_has_been_reported(found):
    """p (1 - (1 - exp(-W / d)) / (W / d)), Chapelle 2014."""
    share = 1 - (1 - np.exp(-WINDOW / DELAYS)) / (WINDOW / DELAYS)
    assert found["naive"] == pytest.approx(RATES * share, rel=0.05)


def test_waiting_finds_what_comes_within_its_window(found):
    assert found["waiting"] == pytest.approx(RATES * (1 - np.exp(-FITTING.window / DELAYS)), rel=0.05)


def test_the_delayed_feedback_model_finds_the_rates(found):
    assert found["dfm"][0] == pytest.approx(RATES[0], rel=0.03)
    assert found["dfm"][1] == pytest.approx(RATES[1], rel=0.04)


def test_fake_negatives_weighted_find_what_has_been_reported(found):
    assert found["fnw"] == pytest.approx(found["naive"], rel=0.06)


def test_elapsed_sampling_finds_what_has_been_reported_of_those_who_waited(found):
    """Of clicks older than e, the share told of: as naive, over ages from e to W."""
    e = FITTING.elapsed
    share = 1 - DELAYS * (np.exp(-e / DELAYS) - np.exp(-WINDOW / DELAYS)) / (WINDOW - e)
    assert found["es-dfm"] == pytest.approx(RATES * share, rel=0.08)


def test_importance_weights_go_part_of_the_way(found):
    """They learn what two more days bring, from two days ago."""
    assert (found["fsiw"] > found["naive"] * 1.05).all()
    assert (found["fsiw"] < RATES * 1.05).all()


def test_the_loss_of_delays_is_the_likelihood():
    odds, told, days = torch.tensor([[0.2, -0.5]]), torch.tensor([1.0, 0.0]), torch.tensor([[1.3], [2.1]])
    p, hazard = 1 / (1 + math.exp(-0.2)), math.exp(-0.5)
    expected = -math.log(p * hazard * math.exp(-hazard * 1.3)) - math.log(1 - p + p * math.exp(-hazard * 2.1))
    assert float(dfm_loss(odds.expand(2, 2), told, days)) == pytest.approx(expected / 2, abs=1e-6)


def test_the_same_seed_is_the_same_network():
    held = clicks(3_000)
    both = [learned("es-dfm", held, LR, SHAPE, FITTING).state_dict() for _ in range(2)]
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])


def test_what_cannot_be_learned_is_refused():
    held = clicks(100)
    with pytest.raises(PolicyError, match="no method 'dfn'"):
        learned("dfn", held, LR, SHAPE, FITTING)
    with pytest.raises(LogError, match="old enough"):
        learned("waiting", held, LR, SHAPE, Fitting(window=100.0))
    n, none = 3, np.zeros(3)
    past = Past(np.zeros((n, 0, 0), np.int32), np.zeros((n, 0), np.int32))
    ones = np.ones((n, 2), np.float32)
    judge = Examples(np.zeros((n, 1), np.int32), past, none.astype(int), none, none, ones, none + np.inf, none, none, none)
    with pytest.raises(LogError, match="at some time"):
        clicks_of(judge, SHAPE)
    known = clicks_of(judge._replace(age_s=none + 172_800.0, delay_s=none + 86_400.0), SHAPE)
    assert known.age.tolist() == [2.0] * n
    assert known.reported().all()
    assert not known.reported(1.5).any()
