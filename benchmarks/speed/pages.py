"""Decisions page by page: what a rule, a network and Python cost, and how fast users side by side move on."""

from __future__ import annotations

from typing import Any

from ...simulator.core.rules import row_rule
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.allocation.decisions import AllocationPolicy, PageFunction, PageRule, Patterns
from ...simulator.seats.allocation.learned import LearnedPages
from .by_request import LANES, a_request, deciding, drawn_network, side_by_side
from .stopwatch import REPEATS, Measure, best

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

    layers = drawn_network(20, 64, 64, 2)
    by_value, by_rule, by_function, by_network = (
        deciding(AllocationPolicy, decide)
        for decide in (
            lambda view: Patterns(1),
            lambda view: PageRule(always),
            lambda view: PageFunction(lambda page: 1),
            lambda view: LearnedPages().standing(layers, view),
        )
    )
    values, rules = zip(*((a_request(one, by_value, k), a_request(one, by_rule, k)) for k in range(2 * REPEATS)), strict=True)
    function, network = (best(lambda k, by=by: a_request(market, by, k)) for by in (by_function, by_network))  # type: ignore[misc]
    return [
        Measure(
            f"Allocation-v0, {LANES} side by side", side_by_side("AdArena/Allocation-v0"), "steps/s, wall-clock", least=5e4
        ),
        Measure("pages at one place, by a value", 1e9 * min(values), "ns"),
        Measure("pages at one place, by a compiled rule", 1e9 * min(rules), "ns"),
        Measure("the rule over the value", min(rules) / min(values), "x", most=1.1),
        Measure("pages by a Python function", 1e-3 / function, "k pages/s", least=300.0),
        Measure("pages by a trained network", 1e-3 / network, "k pages/s", least=100.0),
    ]
