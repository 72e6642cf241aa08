"""Creatives cast impression by impression: what a rule, a network and Python cost, and how fast ads side by side move on."""

from __future__ import annotations

from typing import Any

from ...agents.creative.best_so_far import BestSoFar
from ...agents.creative.even import EvenRotation
from ...agents.creative.linucb import LinUCB
from ...agents.creative.thompson import Thompson
from ...simulator.core.rules import row_rule
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.creative.decisions import CreativeFunction, CreativePolicy, CreativeRule
from ...simulator.seats.creative.learned import LearnedCreatives
from .by_request import LANES, a_request, deciding, drawn_network, side_by_side
from .stopwatch import Measure, best


def creative_measures() -> list[Measure]:
    """On `creative-small`, where nearly every request is an impression."""
    market = Scenario.preset("creative-small")

    @row_rule
    def first(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        """The creative in place 0, which is there from the start."""
        return 0

    layers = drawn_network(len(LearnedCreatives.features), 32, 32, 1)
    rows: list[tuple[str, Any, float | None]] = [
        ("by even shares", EvenRotation(), None),
        ("by a compiled rule", deciding(CreativePolicy, lambda view: CreativeRule(first)), None),
        ("by the best so far", BestSoFar(), None),
        ("by Thompson", Thompson(), None),
        ("by LinUCB", LinUCB(), None),
        ("by a trained network", deciding(CreativePolicy, lambda view: LearnedCreatives().standing(layers, view)), 100.0),
        ("by a Python function", deciding(CreativePolicy, lambda view: CreativeFunction(lambda shown: 0)), 100.0),
    ]
    found = [
        Measure(f"Creative-v0, {LANES} side by side", side_by_side("AdArena/Creative-v0"), "steps/s, wall-clock", least=5e4)
    ]
    for name, policy, least in rows:
        seconds = best(lambda k, policy=policy: a_request(market, policy, k))  # type: ignore[misc]
        found.append(Measure(f"creatives {name}", 1e-3 / seconds, "k requests/s", least=least))
    return found
