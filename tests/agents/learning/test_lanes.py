"""Learning from users side by side: runs repeat themselves and go on where they stopped; agents sit in the seat as rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adarena.agents.learning.algorithms import new_model
from adarena.agents.learning.lanes import SideBySide
from adarena.agents.learning.learned import Learned
from adarena.agents.learning.network import network_of
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.envs.allocation import AllocationEnv, rules
from adarena.simulator import PolicyError, Scenario, World
from adarena.simulator.engine.lives import Lives
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.learned import network_rule
from adarena.simulator.seats.allocation.memory import packed
from adarena.simulator.seats.allocation.vectors import FEATURES

ID = "AdArena/Allocation-v0"
FEW = {"days": 3, "users.count": 80, "traffic.requests_per_day": 900, "demand.campaigns": 6, "ticks_per_day": 24}
SMALL = Scenario.preset("allocation-small").override(FEW)
ENV = {"scenario": SMALL.model_dump(mode="json")}
SETTINGS = make_settings("ppo", {"envs": 16, "n_steps": 16, "batch_size": 64, "n_epochs": 2}, ID)


@pytest.mark.parametrize("algorithm", ["ppo", "pi"])
def test_a_run_repeats_itself_and_goes_on_where_it_stopped(algorithm: str, tmp_path: Path) -> None:
    few = {"envs": 16, "n_steps": 16, "batch_size": 64, "n_epochs": 2}
    settings = make_settings(algorithm, few, ID)
    once = train(ID, settings, 1024, 0, tmp_path / "once", environment_settings=ENV)
    train(ID, settings, 1024, 0, tmp_path / "again", environment_settings=ENV)
    assert np.array_equal(once.layers.packed, load_agent(tmp_path / "again").layers.packed)
    # The learning rate falls with the steps that are still to come, so that a run is stopped in the middle, not made longer.
    told: list[int] = []

    def stop(steps: int, mean_return: float | None) -> None:
        told.append(steps)
        if steps == 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ID, settings, 1024, 0, tmp_path / "stopped", environment_settings=ENV, checkpoint_every=256, advance=stop)
    train(ID, settings, 1024, 0, tmp_path / "stopped", environment_settings=ENV, resume=True)
    assert np.array_equal(once.layers.packed, load_agent(tmp_path / "stopped").layers.packed)
    assert once.card.features == FEATURES
    assert once.card.actions == 2


def test_an_agent_in_the_seat_does_what_it_does_side_by_side(tmp_path: Path) -> None:
    agent = train(ID, SETTINGS, 512, 1, tmp_path / "agent", environment_settings=ENV)
    world = World(SMALL, {"allocation": Learned(str(tmp_path / "agent"))}, seed=800_003)
    world.run()
    assert world.pages is not None
    how, lives = rules(SMALL, "price", "expected"), Lives(SMALL, 800_003, 11)
    lives.seat(np.ones(11, np.bool_))
    while (lives.lanes.user >= 0).any():
        shown = lives.lanes.shown
        lives.step(how.choices(shown, agent.act_on(how.vectors.observe(shown))))
    assert np.array_equal(lives.books, world.pages.users)
    assert world.pages.users[:, PageSum.PAGES].sum() > 500


def test_the_rule_is_the_network_of_pytorch() -> None:
    """To a millionth of what an action may be, which is what float32 leaves."""
    model = new_model(make_settings("ppo", {"envs": 2, "n_steps": 8, "batch_size": 16}, ID), lambda: AllocationEnv(SMALL), 1, 0)
    policy, how = model.policy, rules(SMALL, "price", "expected")
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3.0)
    lives = Lives(SMALL, 3, 64)
    lives.seat(np.ones(64, np.bool_))
    seen, same = how.vectors.observe(lives.lanes.shown), 0
    with torch.no_grad():
        double = policy.double()
        wanted = double.action_net(double.mlp_extractor.forward_actor(torch.from_numpy(seen.astype(np.float64)))).numpy()
    layers = network_of(policy.float())
    np.testing.assert_allclose(layers(seen), np.clip(wanted, -1, 1), atol=2e-6)
    memory = packed(how.facts, np.zeros(len(FEATURES) + 2), layers.packed)
    rule = network_rule()
    for page, action in zip(lives.lanes.shown, layers(seen), strict=True):
        chosen = rule(page, np.zeros(13), memory, np.zeros(0))
        same += chosen == how.vectors.decide(page[None], action[None].astype(np.float64))[0]
    assert same == 64


def test_lanes_tell_of_episodes_as_they_end() -> None:
    lanes = SideBySide(AllocationEnv(SMALL), 8, 1)
    lanes.seed(3)
    lanes.reset()
    returns, lengths, ended = np.zeros(8), np.zeros(8, int), 0
    for _ in range(300):
        observed, rewards, over, infos = lanes.step(np.zeros((8, 2), np.float32))
        returns, lengths = returns + rewards, lengths + 1
        for lane in np.flatnonzero(over):
            told: Any = infos[lane]
            assert told["episode"]["r"] == pytest.approx(returns[lane], rel=1e-5)
            assert told["episode"]["l"] == lengths[lane]
            assert told["terminal_observation"].shape == observed[lane].shape
            returns[lane], lengths[lane], ended = 0.0, 0, ended + 1
        assert all(not info for info, ends in zip(infos, over, strict=True) if not ends)
    assert ended > 20


def test_what_patterns_bring_is_what_is_played() -> None:
    """Over many pages: what is expected of the patterns that are drawn, and what they leave behind, against what came."""
    many, dice = AllocationEnv(SMALL).side_by_side(64), np.random.default_rng(0)
    many.begin(np.random.default_rng(1))
    said, came = [], []
    for _ in range(300):
        gain, after = many.patterns_at_hand()
        chosen = dice.integers(13, size=64)
        said.append(gain[np.arange(64), chosen])
        came.append(many.move_by(chosen)[1] / many.usual)
        assert (after[:, 0, 0] == 0).all()  # without ads none bores
    off = np.array(came).mean(axis=0) - np.array(said).mean(axis=0)
    assert abs(off.mean()) < 4 * off.std() / 8 + 0.01 * np.mean(said)  # the rates of ads are believed ones
    price, worth = many.prices(torch.tensor([[0.0, 0.0], [1.0, -1.0]]))
    assert price[1] / price[0] == pytest.approx(np.exp(2.5))
    assert worth[1] == 0


def test_mistakes_cost_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="set group=1"):
        new_model(make_settings("ppo", {"envs": 8, "group": 4, "batch_size": 512}, ID), lambda: AllocationEnv(SMALL), 1, 0)
    with pytest.raises(PolicyError, match="does not have flat observations and actions from -1 to 1"):
        train(ID, SETTINGS, 64, 0, tmp_path / "a", environment_settings={**ENV, "action": "pattern"})
    with pytest.raises(PolicyError, match="which only an environment of pages tells"):
        train("AdArena/Bidding-v0", make_settings("pi", {}), 64, 0, tmp_path / "b", environment_settings={"scenario": "tiny"})
    lanes = SideBySide(AllocationEnv(SMALL), 2, 1)
    with pytest.raises(PolicyError, match="cannot be set lane by lane"):
        lanes.set_attr("days", (0, 1))
