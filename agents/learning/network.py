"""A trained network at rest: the layers that act in a policy, as compiled code has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...simulator.core.arrays import Floats32
from ...simulator.core.errors import PolicyError
from ...simulator.core.layers import PLAIN, RELU, TANH, Layers


def network_of(policy: Any) -> Layers:
    """The network that acts in a policy as `algorithms.networks` makes them, at its most likely; or in layers by themselves.

    Raises:
        PolicyError: if it is made of something else than layers with tanh or ReLU.
    """
    layers: list[tuple[Floats32, Floats32, int]] = []
    for module in _modules(policy):
        kind = type(module).__name__
        if kind == "Linear":
            weights, bias = (x.detach().cpu().numpy().astype(np.float32) for x in (module.weight, module.bias))
            layers.append((weights, bias, PLAIN))
        elif kind in ("Tanh", "ReLU") and layers and layers[-1][2] == PLAIN:
            layers[-1] = (*layers[-1][:2], TANH if kind == "Tanh" else RELU)
        elif kind not in ("Flatten", "Identity"):
            raise PolicyError(f"an agent at rest is made of layers with tanh or ReLU, not of {kind}")
    if not layers:
        raise PolicyError("an agent at rest is made of layers with tanh or ReLU, and there are none")
    return Layers(layers, bounded=layers[-1][2] != TANH)


def _modules(policy: Any) -> Iterator[Any]:
    """Those that an observation goes through on its way to an action, in their order."""
    import torch.nn as nn

    from .rows import Rows

    if isinstance(policy, nn.Sequential):
        yield from policy
        return
    if not hasattr(policy, "action_net") and not hasattr(policy, "actor"):
        raise PolicyError(f"an agent at rest acts by numbers from -1 to 1, as no {type(policy).__name__} does")

    if hasattr(policy, "action_net"):  # of an actor beside a critic
        layers = policy.mlp_extractor
        stages = [layers.actor if hasattr(layers, "actor") else layers.policy_net, policy.action_net]
    elif isinstance(policy.actor, Rows):
        stages = [policy.actor]
    elif not hasattr(policy.actor, "latent_pi"):  # of TD3 and DDPG: its layers end with tanh
        stages = [policy.actor.mu]
    else:  # the mean of a squashed normal distribution
        stages = [policy.actor.latent_pi, policy.actor.mu, nn.Tanh()]
    for stage in stages:
        whole = stage.network if isinstance(stage, Rows) else stage
        yield from whole if isinstance(whole, nn.Sequential) else [whole]
