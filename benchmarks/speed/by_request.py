"""What measurements of decisions by request share: policies that decide once, drawn networks, lives side by side."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from ...simulator.core.layers import PLAIN, TANH, Layers
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.seat import Policy
from ...simulator.world import World
from .stopwatch import REPEATS, processor_seconds

LANES, STEPS = 512, 200


def deciding(base: type[Policy[Any, Any]], decide: Callable[[Any], Any]) -> Any:
    """A policy of a seat that decides the same from the first tick on."""

    class Decides(base):  # type: ignore[misc, valid-type]
        """See `deciding`."""

        def decide(self, view: Any) -> Any:
            """See `Policy.decide`."""
            return decide(view) if view.day == view.tick == 0 else None

    return Decides()


def drawn_network(*sizes: int) -> Layers:
    """A network of so many inputs, units and outputs, whose weights are drawn."""
    dice = np.random.default_rng(0)
    layers = []
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weights = (dice.standard_normal((outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)
        layers.append((weights, np.zeros(outputs, np.float32), PLAIN if place == len(sizes) - 2 else TANH))
    return Layers(layers, bounded=True)


def a_request(scenario: Scenario, policy: Policy[Any, Any], seed: int) -> float:
    """Processor seconds a request of a whole world, rules being compiled."""
    world = World(scenario, {policy.seat: policy}, seed=seed)
    world.run(scenario.tick_us)
    before = world.played
    return processor_seconds(world.run) / (world.played - before)


def side_by_side(name: str) -> float:
    """Steps a second of an environment's lanes, by the clock, under random actions; new worlds included."""
    envs = gymnasium.make_vec(name, num_envs=LANES)
    envs.reset(seed=0)
    shape = envs.single_action_space.shape
    assert shape is not None
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, LANES, *shape)).astype(np.float32)
    rates = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        for action in actions:
            envs.step(action)
        rates.append(STEPS * LANES / (time.perf_counter() - begun))
    envs.close()
    return max(rates)
