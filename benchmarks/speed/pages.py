"""Decisions page by page: what a rule, a network and Python cost, and how fast users side by side move on."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np

from ...simulator.core.layers import PLAIN, TANH, Layers
from ...simulator.core.rules import row_rule
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.allocation.decisions import AllocationPolicy, PageFunction, PageRule, Patterns
from ...simulator.seats.allocation.learned import LearnedPages
from ...simulator.seats.allocation.view import AllocationView
from ...simulator.world import World
from .stopwatch import REPEATS, Measure, best, processor_seconds

LANES, STEPS = 512, 200
# One place a page, and ten times the traffic, so that ticks do not count.
PAGES = {"traffic.requests_per_day": 120_000, "users.count": 10_000, "days": 2}
ONE_SLOT = {**PAGES, "auction.slots": 1, "auction.exposure": [0.9], "pages.carries": None}


def page_measures() -> list[Measure]:
    """On `allocation-small`; the rule with one place a page, against the same pattern by value, in turns."""
    market, one = Scenario.preset("allocation-small").override(PAGES), Scenario.preset("allocation-small").override(ONE_SLOT)

    @row_rule
    def always(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        """The ad."""
        return 1

    dice = np.random.default_rng(0)
    sizes = ((20, 64, TANH), (64, 64, TANH), (64, 2, PLAIN))
    layers = Layers([(_drawn(dice, n, m), np.zeros(n, np.float32), kind) for m, n, kind in sizes], bounded=True)
    by_value, by_rule = _Decides(lambda view: Patterns(1)), _Decides(lambda view: PageRule(always))
    values, rules = zip(*((_a_page(one, by_value, k), _a_page(one, by_rule, k)) for k in range(2 * REPEATS)), strict=True)
    function, network = (
        best(lambda k, policy=policy: _a_page(market, policy, k))  # type: ignore[misc]
        for policy in (
            _Decides(lambda view: PageFunction(lambda page: 1)),
            _Decides(lambda view: LearnedPages().standing(layers, view)),
        )
    )
    return [
        Measure(f"Allocation-v0, {LANES} side by side", _side_by_side(), "steps/s, wall-clock", least=50_000.0),
        Measure("pages at one place, by a value", 1e9 * min(values), "ns"),
        Measure("pages at one place, by a compiled rule", 1e9 * min(rules), "ns"),
        Measure("the rule over the value", min(rules) / min(values), "x", most=1.1),
        Measure("pages by a Python function", 1e-3 / function, "k pages/s", least=300.0),
        Measure("pages by a trained network", 1e-3 / network, "k pages/s", least=100.0),
    ]


class _Decides(AllocationPolicy):
    """The same from the first tick on."""

    def __init__(self, decide: Any) -> None:
        self._decide = decide

    def decide(self, view: AllocationView) -> Any:
        """See `AllocationPolicy.decide`."""
        return self._decide(view) if view.day == view.tick == 0 else None


def _drawn(dice: np.random.Generator, outputs: int, inputs: int) -> Any:
    return (dice.standard_normal((outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)


def _a_page(scenario: Scenario, policy: AllocationPolicy, seed: int) -> float:
    """Processor seconds a page of a whole world."""
    world = World(scenario, {"allocation": policy}, seed=seed)
    world.run(scenario.tick_us)  # rules are compiled
    before = world.played
    return processor_seconds(world.run) / (world.played - before)


def _side_by_side() -> float:
    """Steps a second by the clock under random actions, new worlds included."""
    envs = gymnasium.make_vec("AdArena/Allocation-v0", num_envs=LANES)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, LANES, 2)).astype(np.float32)
    rates = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        for action in actions:
            envs.step(action)
        rates.append(STEPS * LANES / (time.perf_counter() - begun))
    envs.close()
    return max(rates)
