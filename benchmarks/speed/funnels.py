"""Requests a second behind a funnel: all ads scored, or some recalled through an index."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

from ...agents.bidding.pid import PID
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..audits.funnel import index_recall
from .stopwatch import Measure, best, processor_seconds

LARGE = {"demand.campaigns": 10_000, "demand.ads_per_campaign": 10, "users.count": 200_000}


def funnel_measures() -> list[Measure]:
    """The preset `feed` as it comes, all channels, ladder and servers, at 10,000 ads and at 100,000, searched exactly."""
    cases: tuple[tuple[str, dict[str, Any], float], ...] = (("10,000", {}, 10_000.0), ("100,000", LARGE, 3_000.0))
    return [
        Measure(f"feed, {name} ads", requests_per_second(Scenario.preset("feed").override(changes)), "requests/s", least=least)
        for name, changes, least in cases
    ]


def index_measures() -> list[Measure]:
    """The same with 200 ads recalled through an index, and its recall against scoring every ad; no figures without FAISS."""
    if importlib.util.find_spec("faiss") is None:
        return []
    feed = Scenario.preset("feed")
    assert feed.funnel is not None
    few = [quotas.model_dump() | {"recall": min(quotas.recall, 2 * quotas.rough, 200)} for quotas in feed.funnel.levels]
    scenario = feed.override({**LARGE, "funnel.levels": few, "funnel.index": {}})
    name = "feed, 100,000 ads, 200 recalled approximately"
    return [
        Measure(name, requests_per_second(scenario), "requests/s", least=5_000.0),
        Measure(f"{name}: recall", index_recall(scenario), "of the best", least=0.95),
    ]


def requests_per_second(scenario: Scenario) -> float:
    """Best of several ticks in the morning."""
    world = World(scenario, {"bidding": PID()})
    world.run(5 * 3600 * 1_000_000)  # past the night, so that a tick is some thousands of requests

    def seconds(k: int) -> float:
        before = world.played
        return processor_seconds(partial(world.run, world.now + world.scenario.tick_us)) / (world.played - before)

    return 1 / best(seconds)
