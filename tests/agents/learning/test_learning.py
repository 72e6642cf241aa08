"""Learning: runs that repeat and resume to the last bit, agents that carry their own description, an agent in the seat."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from places import ROOT
from stable_baselines3.common.callbacks import BaseCallback

from adarena import ENVIRONMENTS
from adarena.__main__ import main
from adarena.agents.bidding import PID
from adarena.agents.bidding.rivals import contested, rivals
from adarena.agents.catalogue import describe, make_policy
from adarena.agents.learning.groups import GroupedRollouts
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import ALGORITHMS, make_settings, parsed
from adarena.agents.learning.training import _model, train
from adarena.benchmarks.comparison.store import source_digest
from adarena.simulator import PolicyError, Scenario, World
from adarena.simulator.core.yaml_text import read_yaml
from adarena.simulator.seats.bidding.vectors import FEATURES, BidVectors

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")
BOX = spaces.Box(-1.0, 1.0, (1,), np.float32)
# A rollout of 50 or 10 steps ends in the middle of a day of 24.
SMALL = {
    "ppo": make_settings("ppo", {"envs": 2, "group": 2, "n_steps": 50, "batch_size": 50, "n_epochs": 2}),
    "sac": make_settings("sac", {"envs": 2, "learning_starts": 60, "batch_size": 32, "train_freq": 5, "gradient_steps": 3}),
    "es": make_settings("es", {"envs": 2}),
}
# Those that learn from any environment; `pi` has its own tests, in test_lanes.
every_algorithm = pytest.mark.parametrize("algorithm", sorted(ALGORITHMS.keys() - {"pi"}))


def learn(out: Path, algorithm: str = "ppo", timesteps: int = 200, seed: int = 0, **more: Any) -> Path:
    """A short training on the tiny market; returns its folder."""
    settings = more.pop("settings", SMALL[algorithm])
    train(ID, settings, timesteps, seed, out, environment_settings={"scenario": "tiny", **more.pop("env", {})}, **more)
    return out


def weights(folder: Path) -> bytes:
    """Every number of an agent's networks."""
    state = load_agent(folder).policy.state_dict()
    return b"".join(state[name].numpy().tobytes() for name in sorted(state))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an agent that has seen a few days."""
    return learn(tmp_path_factory.mktemp("agent") / "ppo", timesteps=400)


@every_algorithm
def test_a_run_repeats_and_resumes_to_the_last_bit(algorithm: str, tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole", algorithm, 400, seed=7)
    again = learn(tmp_path / "again", algorithm, 400, seed=7)
    assert weights(whole) == weights(again)
    assert weights(learn(tmp_path / "other", algorithm, 400, seed=8)) != weights(whole)
    if algorithm != "sac":  # the learning rate falls with the steps to come, of which the first part of a run has fewer
        return
    parts = learn(tmp_path / "parts", algorithm, 200, seed=7)
    assert weights(parts) != weights(whole)
    learn(parts, algorithm, 400, seed=7, resume=True)
    assert weights(parts) == weights(whole)
    assert load_agent(parts).card == load_agent(whole).card


@every_algorithm
def test_a_run_that_was_killed_resumes_to_the_last_bit(algorithm: str, tmp_path: Path) -> None:
    """Killed at step 330, between two checkpoints: what was done since the last one is done again, and the same."""
    whole = learn(tmp_path / "whole", algorithm, 400)

    def kill(steps: int, mean_return: float | None) -> None:
        if steps >= 330:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "killed", algorithm, 400, checkpoint_every=100, advance=kill)
    assert 200 <= load_agent(tmp_path / "killed").card.timesteps <= 330
    learn(tmp_path / "killed", algorithm, 400, checkpoint_every=100, resume=True)
    assert weights(tmp_path / "killed") == weights(whole)
    assert not [path.name for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")]


def test_groups_meet_the_same_days_and_learn_what_one_gained_over_the_others() -> None:
    """Members differ by their actions alone, and the advantages of a group sum to nothing at each step."""
    settings = make_settings("ppo", {"envs": 4, "group": 2, "n_steps": 48, "batch_size": 96, "n_epochs": 1})
    model = _model(settings, ID, {"scenario": "tiny"}, seed=3)
    met: list[tuple[int, int]] = []

    class Noted(BaseCallback):
        def _on_step(self) -> bool:
            met.extend((info["day"], info["campaign"]) for info in self.locals["infos"])
            return True

    model.learn(192, callback=Noted())
    cases = np.array(met).reshape(48, 2, 2, 2)  # step, group, member, (day, campaign)
    assert (cases[:, :, 0] == cases[:, :, 1]).all()
    assert len(np.unique(cases[:, :, 0, 0])) == 4  # two days of 24 ticks for each of two groups
    advantages = model.rollout_buffer.advantages.reshape(2, 2, 48).transpose(2, 0, 1)  # flattened env by env since
    np.testing.assert_allclose(advantages.sum(axis=2), 0.0, atol=1e-6)
    assert np.abs(advantages).max() > 1e-4


def test_groups_need_episodes_of_one_length() -> None:
    buffer = GroupedRollouts(3, BOX, BOX, device="cpu", n_envs=2, group=2, relative=False)
    for step in range(3):
        rewards, starts = np.zeros(2), np.array([step == 0, step == 2])
        buffer.add(np.zeros((2, 1)), np.zeros((2, 1)), rewards, starts, torch.zeros(2), torch.zeros(2))
    with pytest.raises(PolicyError, match="only if all episodes have one length: set group=1"):
        buffer.compute_returns_and_advantage(torch.zeros(2), np.zeros(2, bool))


def test_learning_learns(tmp_path: Path) -> None:
    """A short training bids better than the network it began with, on days that neither has met."""
    folder = learn(
        tmp_path / "run",
        timesteps=6_000,
        settings=make_settings("ppo", {"envs": 4, "n_steps": 48, "batch_size": 64, "learning_rate": 1e-3}),
    )
    before = learn(
        tmp_path / "start",
        timesteps=1,
        settings=make_settings("ppo", {"envs": 4, "n_steps": 48, "batch_size": 64, "n_epochs": 1}),
    )
    assert mean_return(folder) > mean_return(before) * 1.02


def mean_return(folder: Path) -> float:
    """Of an agent on 20 days that it has not met."""
    agent, env = load_agent(folder), gym.make(ID, scenario="tiny", days=(800_000, 900_000))
    total = 0.0
    for day in range(20):
        observation, _ = env.reset(options={"day": 800_000 + day, "campaign": contested(TINY)[day % len(contested(TINY))]})
        over = False
        while not over:
            observation, reward, over, _, _ = env.step(agent.act(observation))
            total += float(reward)
    return total / 20


def test_settings_are_by_environment() -> None:
    """All fields have a default; what differs is of an environment that there is, and of fields that there are."""
    known = read_yaml((ROOT / "agents" / "learning" / "settings.yaml").read_bytes())
    for algorithm, kind in ALGORITHMS.items():
        fields = [field.name for field in dataclasses.fields(kind)]
        assert list(known["default"][algorithm]) == fields
        for environment, entry in known.items():
            assert environment == "default" or environment in ENVIRONMENTS
            changed = entry.get(algorithm, {})
            assert set(changed) <= set(fields)
            made = dataclasses.asdict(make_settings(algorithm, {"learning_rate": 0.5}, environment))
            assert made == {**known["default"][algorithm], **changed, "learning_rate": 0.5}
    ten_days = 10 * Scenario.preset("bidding-small").ticks_per_day
    assert make_settings("ppo", {}, ID).n_steps == ten_days  # type: ignore[union-attr]
    assert make_settings("ppo", {}, "Pendulum-v1") == make_settings("ppo", {})


def test_what_is_trained_must_be_said_right(tmp_path: Path) -> None:
    for changes, words in (
        ({"gamma": 1.5}, "ppo needs a finite number from 0 up to 1 as gamma, not 1.5"),
        ({"n_steps": 0}, "ppo needs a whole number above 0 as n_steps, not 0"),
        ({"n_steps": 2.5}, "ppo needs a whole number above 0 as n_steps, not 2.5"),
        ({"learning_rate": "fast"}, "ppo needs a finite number above 0 as learning_rate, not 'fast'"),
        ({"batch_size": 7}, "ppo needs a batch_size that divides envs x n_steps = 3840, not 7"),
        ({"group": 3}, "ppo needs a group that divides envs = 8, not 3"),
        ({"lerning_rate": 1e-3}, "ppo has no setting 'lerning_rate'; did you mean 'learning_rate'?"),
    ):
        with pytest.raises(PolicyError, match=words.replace("?", r"\?")):
            make_settings("ppo", changes, ID)
    with pytest.raises(PolicyError, match="there is no algorithm 'a2c'"):
        make_settings("a2c", {})
    with pytest.raises(PolicyError, match="a setting reads FIELD=VALUE, not 'gamma'"):
        parsed(["gamma"])
    assert parsed(["gamma=0.9", "scenario=tiny"]) == {"gamma": 0.9, "scenario": "tiny"}
    for timesteps, seed in ((0, 0), (1.5, 0), (10, -1)):
        with pytest.raises(PolicyError, match="training needs a whole number from"):
            learn(tmp_path / "run", timesteps=timesteps, seed=seed)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="there is no environment 'AdArena/Biding-v0'"):
        train("AdArena/Biding-v0", SMALL["ppo"], 10, 0, tmp_path / "none")
    with pytest.raises(PolicyError, match="Pendulum-v1 does not have flat observations and actions from -1 to 1"):
        train("Pendulum-v1", SMALL["ppo"], 10, 0, tmp_path / "pendulum")
    for days in ([1_000_000, 1_000_100], (0, 800_001)):
        with pytest.raises(PolicyError, match="training days lie from 0 to 800,000, unlike"):
            learn(tmp_path / "peek", env={"days": days})
    with pytest.raises(PolicyError, match="are numbers, text and lists of them"):
        learn(tmp_path / "object", env={"scenario": TINY})
    with pytest.raises(PolicyError, match="AdArena/Bidding-v0 has no argument 'colour'; known are"):
        learn(tmp_path / "argument", env={"colour": "red"})
    with pytest.raises(PolicyError, match="there is no environment 'bidding': did you mean 'AdArena/Bidding-v0'"):
        train("bidding", SMALL["ppo"], 10, 0, tmp_path / "short")


def test_a_folder_holds_one_run(agent: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="holds a training run: resume it, or name another folder"):
        learn(agent, timesteps=400)
    with pytest.raises(PolicyError, match="there is nothing to resume in"):
        learn(tmp_path / "empty", resume=True)
    with pytest.raises(PolicyError, match="holds a run with seed 0, which cannot go on with 1"):
        learn(agent, timesteps=800, seed=1, resume=True)
    with pytest.raises(PolicyError, match="holds a run with algorithm 'ppo', which cannot go on with 'sac'"):
        learn(agent, "sac", timesteps=800, resume=True)
    damaged = tmp_path / "damaged"
    shutil.copytree(agent, damaged)
    (damaged / "checkpoint.pt").write_bytes((agent / "checkpoint.pt").read_bytes()[:1000])
    with pytest.raises(PolicyError, match=r"the checkpoint .* is damaged"):
        learn(damaged, timesteps=800, resume=True)
    before = weights(agent)
    learn(agent, timesteps=400, resume=True)  # nothing left to do
    assert weights(agent) == before


def test_an_agent_describes_itself(agent: Path) -> None:
    card = load_agent(agent / "agent.zip").card
    assert (card.algorithm, card.environment, card.environment_settings) == ("ppo", ID, {"scenario": "tiny"})
    assert make_settings(card.algorithm, card.settings) == SMALL["ppo"]
    assert card.features == FEATURES
    assert (card.observation_bounds, card.actions, card.seed, card.timesteps) == ((-5.0, 5.0), 1, 0, 400)


def rewritten(agent: Path, out: Path, **changes: Any) -> Path:
    """An agent with another description."""
    with zipfile.ZipFile(agent / "agent.zip") as old, zipfile.ZipFile(out, "w") as new:
        new.writestr("agent.json", json.dumps({**json.loads(old.read("agent.json")), **changes}))
        new.writestr("policy.pt", old.read("policy.pt"))
    return out


def test_an_agent_for_something_else_is_refused_in_one_sentence(agent: Path, tmp_path: Path) -> None:
    renamed = ("clock", *FEATURES[1:])
    for changes, words in (
        ({"features": FEATURES[:16]}, "cannot see this: it was trained on 16 features and is shown 22"),
        ({"features": renamed}, "cannot see this: its feature 0 is 'clock', and it is shown 'time_left'"),
        ({"environment": "AdArena/Nowhere-v0"}, "was trained for AdArena/Nowhere-v0, which is not known here"),
        ({"environment": "Pendulum-v1"}, "was trained for Pendulum-v1, which leaves no seat of a market open"),
        ({"format": 2}, "is not of format 1"),
        ({"colour": "red"}, "is not a saved agent, or is damaged"),
        ({"algorithm": "a2c"}, "was trained with 'a2c', which is not known here"),
        ({"settings": {"width": 32}}, "do not fit its own description"),
    ):
        path = rewritten(agent, tmp_path / "other.zip", **changes)
        with pytest.raises(PolicyError, match=words) as caught:
            make_policy("bidding", f"agent:{path}")
        assert "\n" not in str(caught.value)
    (tmp_path / "noise.zip").write_bytes(b"not a zip")
    with pytest.raises(PolicyError, match="is not a saved agent, or is damaged"):
        make_policy("bidding", f"agent:{tmp_path / 'noise.zip'}")
    with pytest.raises(PolicyError, match=r"there is no agent in '.*nowhere': No such file"):
        make_policy("bidding", f"agent:{tmp_path / 'nowhere'}")
    with pytest.raises(PolicyError, match="name its file or folder: agent:PATH"):
        make_policy("bidding", "agent:")


def test_results_of_an_agent_depend_on_its_file_and_not_on_logs_beside_it(agent: Path) -> None:
    folder, file = (source_digest(make_policy("bidding", f"agent:{path}")) for path in (agent, agent / "agent.zip"))
    (agent / "a.log").write_text("noise")
    assert folder == file == source_digest(make_policy("bidding", f"agent:{agent}")) != ""


@pytest.mark.parametrize("case", range(4))
def test_the_policy_in_a_world_does_what_the_agent_does_in_the_environment(agent: Path, case: int) -> None:
    held = contested(TINY)
    k, day, mix = held[case % len(held)], 1_000_000 + case, ("mixed", "dual")[case % 2]
    env, actor = gym.make(ID, scenario="tiny"), load_agent(agent)
    observation, _ = env.reset(options={"campaign": k, "day": day, "rivals": mix})
    decided, values, over = [], [], False
    while not over:
        observation, _, over, _, info = env.step(actor.act(observation))
        decided.append(info["multiplier"])
        values.append(info["value"])
    world = World(TINY, {"bidding": {**rivals(TINY, k, mix), k: make_policy("bidding", f"agent:{agent}")}}, seed=day)
    world.run()
    assert world.ledger.multiplier[:, k].tolist() == decided
    assert world.ledger.value()[:, k].tolist() == values
    assert len(set(decided)) > 10


def test_holding_many_is_holding_each(agent: Path) -> None:
    two_days = TINY.override({"days": 2})
    policy = make_policy("bidding", f"agent:{agent}")
    together = World(two_days, {"bidding": policy}, seed=3)
    apart = World(two_days, {"bidding": {k: make_policy("bidding", f"agent:{agent}") for k in range(6)}}, seed=3)
    for world in (together, apart):
        world.run()
    assert together.ledger.multiplier.tobytes() == apart.ledger.multiplier.tobytes()
    assert together.ledger.counts.tobytes() == apart.ledger.counts.tobytes()
    again = World(two_days, {"bidding": policy}, seed=3)
    again.run()
    assert again.ledger.multiplier.tobytes() == together.ledger.multiplier.tobytes()


@pytest.mark.parametrize("changes", [{"demand.budget_share": None}, {"auction.price_told": False}, {"demand.campaigns": 2}])
def test_observations_stay_finite_whatever_is_held(agent: Path, changes: dict[str, Any]) -> None:
    """Unlimited budgets, budgets of nothing, money added at noon: seen, in bounds, and never a NaN."""

    class Watching(PID):
        def start(self, view: Any, dice: Any) -> None:
            super().start(view, dice)
            self.observer = BidVectors()

        def decide(self, view: Any) -> Any:
            seen = self.observer.observe(view)
            assert np.isfinite(seen).all()
            assert np.abs(seen).max() <= 5
            return super().decide(view)

    world = World(TINY.override(changes), {"bidding": Watching()}, seed=1)
    world.set_budget(0, 0.0)
    world.run(world.scenario.horizon_us // 2)
    world.top_up(0, 5.0)
    world.run()


def test_agents_are_named_by_their_path(agent: Path) -> None:
    policy = make_policy("bidding", f"agent:{agent}")
    assert describe("bidding", policy) == f"agent:{agent / 'agent.zip'}"
    assert dataclasses.asdict(policy) == {"path": str(agent / "agent.zip")}  # type: ignore[call-overload]


def test_the_command_trains_resumes_and_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    line = [
        "adarena",
        "train",
        ID,
        "--out",
        str(out),
        "--env",
        "scenario=tiny",
        "--set",
        "envs=2",
        "group=2",
        "n_steps=50",
        "batch_size=50",
    ]
    monkeypatch.setattr(sys, "argv", [*line, "--timesteps", "100"])
    main()
    assert "trained for 100 steps" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "holds a training run: resume it" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*line, "--timesteps", "200", "--resume"])
    main()
    assert load_agent(out).card.timesteps == 200
    assert {path.name for path in out.glob("progress-*.csv")} == {"progress-0.csv", "progress-100.csv"}
