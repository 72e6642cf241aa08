"""Networks shared between units: the same row gets the same action in any place, and what is learned from one is for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from adarena.agents.learning.algorithms import networks
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.simulator import PolicyError

UNITS, FEATURES = 3, 5
SEEN, DONE = spaces.Box(-5.0, 5.0, (UNITS * FEATURES,), np.float32), spaces.Box(-1.0, 1.0, (UNITS,), np.float32)


def test_a_row_is_treated_alike_wherever_it_stands() -> None:
    torch.manual_seed(0)
    policy = networks(make_settings("ppo", {"shared": True}), SEEN, DONE, UNITS)
    for parameter in policy.action_net.parameters():  # as if it had learned something
        torch.nn.init.normal_(parameter)
    rows = torch.randn(7, UNITS, FEATURES)
    order = [2, 0, 1]
    means = policy.get_distribution(rows.reshape(7, -1)).distribution.mean
    turned = policy.get_distribution(rows[:, order].reshape(7, -1)).distribution.mean
    torch.testing.assert_close(turned, means[:, order])
    torch.testing.assert_close(policy.predict_values(rows.reshape(7, -1)), policy.predict_values(rows[:, order].reshape(7, -1)))
    assert means.std() > 0.1


def test_a_joint_network_is_larger_by_its_units() -> None:
    """Only the spread of exploration is each unit's own in a shared one."""
    sizes = {
        shared: sum(p.numel() for p in networks(make_settings("ppo", {"shared": shared}), SEEN, DONE, UNITS).parameters())
        for shared in (False, True)
    }
    width = make_settings("ppo", {}).width
    layers = 2 * (FEATURES * width + width + width * width + width)
    assert sizes[True] == layers + (width + 1) + (width + 1) + UNITS
    assert sizes[False] - sizes[True] == 2 * (UNITS - 1) * FEATURES * width + (UNITS - 1) * (width + 1)


def test_a_shared_agent_is_trained_saved_and_read(tmp_path: Path) -> None:
    changes = {"envs": 2, "group": 2, "n_steps": 24, "batch_size": 24, "n_epochs": 1, "shared": True}
    small = {"scenario": "compute-small"}
    agent = train("AdArena/Compute-v0", make_settings("ppo", changes), 48, 0, tmp_path, environment_settings=small)
    again = load_agent(tmp_path)
    assert again.card.units == 3
    rows = np.random.default_rng(1).standard_normal(3 * 17).astype(np.float32)
    np.testing.assert_array_equal(agent.act(rows), again.act(rows))
    np.testing.assert_allclose(again.act(rows.reshape(3, -1)[::-1].reshape(-1)), again.act(rows)[::-1], atol=1e-6)


def test_whether_it_is_shared_is_said_as_such() -> None:
    with pytest.raises(PolicyError, match="true or false as shared, not 1"):
        make_settings("ppo", {"shared": 1})
