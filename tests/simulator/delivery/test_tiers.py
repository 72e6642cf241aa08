"""Tiers of traffic behind a funnel: quotas of their own, work of their own, steps down of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from funnel_markets import CACHED, FULL, LEAN, NOTHING, market, tiered

from adarena.simulator import Scenario, World
from adarena.simulator.delivery.queue import Served


def shown(scenario: Scenario, folder: Path) -> dict[int, list[tuple[Any, ...]]]:
    """Ad, price and belief of the impressions of each request of a day, and its segment in front."""
    World(scenario, seed=5, journal=folder).run()
    requests = pq.read_table(folder / "requests.parquet").to_pydict()
    out: dict[int, list[tuple[Any, ...]]] = {i: [(s,)] for i, s in zip(requests["request"], requests["segment"], strict=True)}
    columns = pq.read_table(folder / "impressions.parquet").to_pydict()
    for i, *rest in zip(*(columns[name] for name in ("request", "ad", "slot", "price", "believed_rate")), strict=True):
        out[i].append(tuple(rest))
    return out


@pytest.mark.parametrize("first", [FULL, CACHED, NOTHING], ids=["full", "cached", "nothing"])
def test_a_tier_is_shown_what_a_market_with_its_quotas_shows(first: dict[str, Any], tmp_path: Path) -> None:
    """Without budgets requests do not touch each other: each is as in the market where its tier's quotas hold for all."""
    free = {"demand.budget_share": None}
    mixed = shown(tiered(first, LEAN, **free), tmp_path / "mixed")
    for segment, quotas in enumerate([first, LEAN, FULL]):
        alone = shown(tiered(quotas, quotas, quotas, **free), tmp_path / str(segment))
        mine = [i for i, (whose, *_) in mixed.items() if whose == (segment,)]
        assert len(mine) > 300
        assert [mixed[i] for i in mine] == [alone[i] for i in mine]
        assert any(len(mixed[i]) > 1 for i in mine) == (quotas is not NOTHING)


def test_tiers_with_the_quotas_of_all_are_no_tiers() -> None:
    """The books of a market do not depend on whether its quotas are written down once or for each tier, with servers or not."""
    levels = [FULL, {**LEAN, "after_wait_s": 100.0}]
    own = [{"tier": tier, "levels": levels} for tier in range(3)]
    for serving in (None, {"servers": 1, "service_s": 60.0}):
        worlds = [
            World(market(0, 1, 2, levels=levels, tiers=tiers).override({"serving": serving}), seed=2) for tiers in ([], own)
        ]
        for world in worlds:
            world.run()
        np.testing.assert_array_equal(worlds[0].ledger.counts, worlds[1].ledger.counts)
        np.testing.assert_array_equal(worlds[0].ledger.sums, worlds[1].ledger.sums)


def test_servers_work_as_long_as_a_tier_has_candidates(tmp_path: Path) -> None:
    """With servers to spare nobody steps down, and the work is the sum of what each request's tier costs."""
    costs = {"funnel.recall_cost_s": 0.01, "funnel.rough_cost_s": 0.02, "funnel.fine_cost_s": 0.1}
    serving = {"servers": 200, "service_s": 1.0, "service": "fixed"}
    scenario = tiered(NOTHING, LEAN, **costs, serving=serving)
    world = World(scenario, seed=1, journal=tmp_path)
    world.run()
    assert world.serving is not None
    assert scenario.funnel is not None
    segment = pq.read_table(tmp_path / "requests.parquet")["segment"].to_numpy()
    total = world.serving.counts.sum(axis=0)
    assert total[Served.BEGUN] == segment.size
    assert total[Served.STEPPED_DOWN] == 0
    work = np.array([1.0, 1.0 + 12 * 0.03 + 6 * 0.1, 1.0 + 60 * 0.03 + 20 * 0.1])
    assert total[Served.WORK_US] == pytest.approx(work[segment].sum() * 1e6, rel=1e-6)


def test_tiers_step_down_by_their_own_rules() -> None:
    """A tier without steps keeps its quotas however long it waits; only the others step down."""
    ladder = [FULL, {**NOTHING, "after_wait_s": 1e-6}]
    overloaded = {"serving": {"servers": 1, "service_s": 1.5 * 86_400 / 2_000, "service": "fixed"}}
    stepped = []
    for tiers in ([], [{"tier": 1, "levels": [FULL]}], [{"tier": tier, "levels": [FULL]} for tier in (0, 1)]):
        world = World(market(0, 1, 1, levels=ladder, tiers=tiers).override(overloaded), seed=1)
        world.run()
        assert world.serving is not None
        stepped.append(world.serving.counts[:, Served.STEPPED_DOWN].sum())
    assert stepped[0] > stepped[1] > 100
    assert stepped[2] == 0
