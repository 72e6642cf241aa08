"""Validation on the way: it changes nothing of a training, keeps the best, and goes on where it was."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from adarena.agents.learning import validating
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.agents.splits import SPLITS
from adarena.envs.bidding import BiddingEnv
from adarena.simulator import PolicyError

ID = "AdArena/Bidding-v0"
SMALL = make_settings("ppo", {"envs": 2, "group": 2, "n_steps": 50, "batch_size": 50, "n_epochs": 2})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BiddingEnv, "episodes_to_judge", 3)


def learn(out: Path, timesteps: int = 400, validations: int = 4, **more: Any) -> Path:
    more = {"environment_settings": {"scenario": "tiny"}, **more}
    train(ID, SMALL, timesteps, 5, out, validations=validations, **more)
    return out


def weights(path: Path) -> bytes:
    state = load_agent(path).policy.state_dict()
    return b"".join(state[name].numpy().tobytes() for name in sorted(state))


def test_the_agent_is_the_same_with_and_without(tmp_path: Path) -> None:
    judged, plain = learn(tmp_path / "judged"), learn(tmp_path / "plain", validations=0)
    assert weights(judged) == weights(plain)
    assert not (plain / validating.BEST).exists()
    assert validating.read(plain) == []


def test_it_is_judged_evenly_and_the_best_is_kept(tmp_path: Path) -> None:
    """Of each rollout of 100 steps an agent was seen; returns are those of the very agent on the very days."""
    out = learn(tmp_path)
    judged = validating.read(out)
    assert [one.steps for one in judged] == [100, 200, 300, 400]
    best = max(judged, key=lambda one: one.mean_return)
    kept = load_agent(out / validating.BEST)
    assert kept.card.timesteps == best.steps
    env, total = gym.make(ID, scenario="tiny", days=[SPLITS["validation"].start, SPLITS["validation"].start + 3]), []
    for episode in range(3):
        observation, info = env.reset(seed=SPLITS["validation"].start if episode == 0 else None)
        assert info["day"] in SPLITS["validation"]
        gained, over = 0.0, False
        while not over:
            observation, reward, over, _, _ = env.step(kept.act(observation))
            gained += float(reward)
        total.append(gained)
    assert best.mean_return == np.mean(total)
    last = validating.episodes(ID, {"scenario": "tiny"}, validating.acting(load_agent(out)), SPLITS["validation"].start, 3)
    assert judged[-1].mean_return == last.mean()


def test_a_run_that_is_resumed_ends_with_the_same_best(tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole")
    parts = tmp_path / "parts"

    class Enough(Exception):
        pass

    def advance(steps: int, _: float | None) -> None:
        if steps >= 350:
            raise Enough

    with pytest.raises(Enough):
        learn(parts, checkpoint_every=200, advance=advance)
    assert [one.steps for one in validating.read(parts)] == [100, 200, 300]  # of which the last is after the checkpoint
    learn(parts, resume=True)
    assert weights(parts) == weights(whole)
    for name in (validating.BEST, validating.JUDGED):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_a_worse_agent_does_not_take_the_best_ones_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    returns = iter([1.0, 3.0, 2.0, 3.0])
    monkeypatch.setattr(validating, "episodes", lambda *_: np.full(3, next(returns)))
    out = learn(tmp_path)
    assert load_agent(out / validating.BEST).card.timesteps == 200  # the first of equals
    assert load_agent(out).card.timesteps == 400
    with zipfile.ZipFile(out / validating.BEST) as kept, zipfile.ZipFile(out / "agent.zip") as last:
        assert kept.read("policy.pt") != last.read("policy.pt")


def test_what_has_no_days_to_choose_by_is_refused(tmp_path: Path) -> None:
    card = dataclasses.replace(load_agent(learn(tmp_path / "run", 100, 0)).card, environment="Pendulum-v1")
    with pytest.raises(PolicyError, match="Pendulum-v1 has no validation days"):
        validating.Validation(tmp_path, card, 2, 100, 0)
    with pytest.raises(PolicyError, match="whole number from 0 up as validations, not -1"):
        learn(tmp_path, validations=-1)
