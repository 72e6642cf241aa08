"""The picture of a paced day: paces and budgets are the ledger's; there is none where nobody is paced."""

from __future__ import annotations

import numpy as np

from adarena.benchmarks.output.figures import encoded
from adarena.benchmarks.pictures.all import figures
from adarena.benchmarks.pictures.pacing import is_paced, paces, picture, spent_and_paced
from adarena.simulator import Scenario, World
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

TINY = Scenario.preset("tiny")


class ByHour(PacingPolicy):
    """Halves bids in even ticks; lets campaigns into a quarter of auctions in the third."""

    def decide(self, view: PacingView) -> Pace:
        return Pace(0.5 if view.told.tick % 2 == 0 else 1.0, 0.25 if view.told.tick == 2 else 1.0)


def test_paces_and_budgets_are_the_ledgers() -> None:
    world = World(TINY, {"pacing": ByHour()}, seed=3)
    world.run()
    wanted = np.where(np.arange(24) % 2 == 0, 0.5, 1.0)
    wanted[2] = 0.125
    np.testing.assert_allclose(paces(world), np.repeat(wanted[:, None], 6, axis=1))
    spent, paced = spent_and_paced(world)
    frame = world.ledger.to_frame()
    requests = frame.groupby("tick")["requests"].first().to_numpy()
    np.testing.assert_allclose(paced, (wanted * requests).sum() / requests.sum())
    by_campaign = frame.groupby("campaign", observed=True)["spend"].sum()
    budgets = [campaign.budget_per_day for campaign in world.campaigns.listed]
    np.testing.assert_allclose(spent, by_campaign.to_numpy() / np.array(budgets, np.float64), rtol=1e-5)
    np.testing.assert_allclose(frame["factor"].to_numpy().reshape(24, 6)[:, 0], np.where(np.arange(24) % 2 == 0, 0.5, 1.0))
    left, right = picture(world).axes
    assert len(right.collections[0].get_offsets()) == 6
    assert left.get_yscale() == "log"


def test_it_is_drawn_only_where_somebody_is_paced() -> None:
    world = World(TINY, seed=3)
    world.run()
    assert not is_paced(world)
    assert "pacing.png" not in figures(world)
    assert "factor" not in world.ledger.to_frame()
    world = World(TINY.override({"demand.campaigns": 70, "demand.verticals": 7}), {"pacing": ByHour()}, seed=3)
    world.run()
    assert len(encoded(figures(world)["pacing.png"], "png")) > 10_000  # many campaigns, as a band
