"""A market that goes by itself is what a world is in which nobody decides; and what is found so is found on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from adarena.simulator import Scenario, World
from adarena.simulator.core.threads import one_blas_thread
from adarena.simulator.engine.ad_lives import AdLives
from adarena.simulator.engine.exchange import Exchange
from adarena.simulator.engine.lives import Lives
from adarena.simulator.engine.unattended import player, ticks
from adarena.simulator.market.market import build
from adarena.simulator.population.rates import InterestRates


def test_it_is_a_world_in_which_nobody_decides() -> None:
    """With budgets that are renewed day by day, and creatives."""
    scenario = Scenario.preset("tiny").override({"days": 2, "creatives": {}, "demand.budget_share": 0.4})
    exchange, world = Exchange(scenario, build(scenario), 3), World(scenario, seed=3)
    play, ends = player(exchange), []
    with one_blas_thread():
        for end in ticks(exchange):
            play(end)
            ends.append(end)
    world.run()
    np.testing.assert_array_equal(ends, np.arange(1, 49) * scenario.tick_us)
    mine, theirs = exchange.state, world._exchange.state
    np.testing.assert_array_equal(mine.terms.spent, theirs.terms.spent)
    np.testing.assert_array_equal(mine.rotation.counts, theirs.rotation.counts)
    assert (mine.terms.spent > 0).all()


def test_lives_are_found_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a world's are: products split over threads may differ in the last bit. SciPy may have brought a library of its own."""
    found, filled = set(), InterestRates.fill

    def fill(rates: Any, *given: Any) -> None:
        found.add(min(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"))
        filled(rates, *given)

    monkeypatch.setattr(InterestRates, "fill", fill)
    for kind, preset in ((Lives, "allocation-small"), (AdLives, "creative-small")):
        found.clear()
        with threadpool_limits(2, user_api="blas"):
            kind(Scenario.preset(preset).override({"traffic.requests_per_day": 1000, "users.count": 100, "days": 1}), 0, 1)
        assert found == {1}
