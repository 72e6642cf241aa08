"""Networks at rest: equal to PyTorch's within a rounding, whoever else is asked, for every algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from adarena.agents.learning.algorithms import networks
from adarena.agents.learning.network import network_of
from adarena.agents.learning.settings import make_settings
from adarena.simulator import PolicyError
from adarena.simulator.core.layers import Layers

UNITS, FEATURES, ACTIONS = 3, 5, 2
SEEN = spaces.Box(-5.0, 5.0, (UNITS * FEATURES,), np.float32)
DONE = spaces.Box(-1.0, 1.0, (UNITS * ACTIONS,), np.float32)
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("ppo", {}),
    ("ppo", {"width": 7}),
    ("ppo", {"shared": True}),
    ("sac", {}),
    ("es", {}),
    ("es", {"width": 16}),
]


def policy_of(algorithm: str, changes: dict[str, Any]) -> Any:
    """A policy with weights large enough that its actions reach the bounds."""
    torch.manual_seed(0)
    policy = networks(make_settings(algorithm, changes), SEEN, DONE, UNITS)
    with torch.no_grad():
        for weights in policy.parameters():
            weights.copy_(torch.randn_like(weights) * 1.5 / weights.shape[-1] ** 0.5)
    policy.set_training_mode(False)
    return policy


def in_double(policy: Any, seen: torch.Tensor) -> np.ndarray:
    """What PyTorch makes of it without the rounding of single precision."""
    with torch.no_grad():
        if hasattr(policy, "action_net"):
            acted = policy.action_net(policy.mlp_extractor.forward_actor(seen)).clamp(-1, 1)
        elif hasattr(policy.actor, "mu"):
            acted = torch.tanh(policy.actor.mu(policy.actor.latent_pi(seen)))
        else:
            acted = policy.actor(seen)
    return np.asarray(acted)


@pytest.mark.parametrize(("algorithm", "changes"), KINDS)
def test_it_acts_as_pytorch_does(algorithm: str, changes: dict[str, Any]) -> None:
    policy = policy_of(algorithm, changes)
    seen = np.random.default_rng(1).uniform(-5, 5, (200, UNITS * FEATURES)).astype(np.float32)
    network = network_of(policy)
    found = network(seen.reshape(-1, network.inputs)).reshape(200, -1)
    rough = policy.predict(seen, deterministic=True)[0]
    wanted = in_double(policy.double(), torch.from_numpy(seen).double())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-7)
    np.testing.assert_allclose(found, rough, rtol=0, atol=1e-5)
    assert wanted.std() > 0.3
    assert algorithm != "ppo" or 0.02 < (np.abs(wanted) == 1).mean() < 0.9


def test_a_row_is_acted_on_by_itself() -> None:
    network = network_of(policy_of("ppo", {}))
    seen = np.random.default_rng(2).uniform(-5, 5, (50, network.inputs)).astype(np.float32)
    together = network(seen)
    assert np.array_equal(together, np.concatenate([network(row[None]) for row in seen]))
    assert np.array_equal(together[::-1], network(seen[::-1]))


def test_layers_by_hand() -> None:
    """tanh(2 x - y + 1), then thrice that less a half, cut to 1."""
    first = np.array([[2.0, -1.0]], np.float32), np.array([1.0], np.float32), 1
    second = np.array([[3.0]], np.float32), np.array([-0.5], np.float32), 0
    rows = np.array([[0.0, 1.0], [0.1, 0.9], [5.0, 0.0]], np.float32)
    hidden = np.tanh(2 * rows[:, 0] - rows[:, 1] + 1)
    np.testing.assert_allclose(Layers([first, second], bounded=False)(rows)[:, 0], 3 * hidden - 0.5, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(Layers([first, second], bounded=True)(rows)[:, 0], np.clip(3 * hidden - 0.5, -1, 1), atol=1e-6)


def test_other_layers_are_refused() -> None:
    policy = policy_of("es", {"width": 4})
    policy.actor.network = nn.Sequential(nn.Linear(FEATURES, 4), nn.GELU(), nn.Linear(4, ACTIONS))
    with pytest.raises(PolicyError, match="made of layers with tanh or ReLU, not of GELU"):
        network_of(policy)
