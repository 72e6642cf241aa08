"""Allocation policies stand in the order in which they know more."""

from __future__ import annotations

import numpy as np

from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.allocation import Told
from adarena.simulator import Scenario, World


def test_policies_stand_in_their_order() -> None:
    """On the suite's own market, by what users bring in two worlds, paired."""
    scenario, scores = Scenario.preset("allocation-small"), {}
    for name in ("never", "most", "fixed:pattern=10", "gap_effect", "shadow", "state", "believed", "told"):
        policy = Told(scenario) if name == "told" else make_policy("allocation", name)
        total = np.zeros(scenario.users.count)
        for seed in range(5, 7):
            world = World(scenario, {"allocation": policy}, seed=seed)
            world.run()
            assert world.pages is not None
            total += world.pages.score
        scores[name] = total
    for (worse, low), (better, high) in zip(list(scores.items())[:-1], list(scores.items())[1:], strict=True):
        gained = high - low
        assert gained.mean() > 2 * gained.std() / np.sqrt(gained.size), (worse, better)
    assert scores["shadow"].mean() > 1.08 * scores["fixed:pattern=10"].mean()
