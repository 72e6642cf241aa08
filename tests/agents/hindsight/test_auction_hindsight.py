"""The best pair of each tick: exact where ticks are apart, above every constant, and refused elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.auction.constant import Constant
from adarena.agents.hindsight.auction import best_by_tick, pairs, ticks_are_apart
from adarena.benchmarks.suites.auction import scores
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.arrays import Floats
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.auction.view import AuctionView

SMALL = Scenario.preset("auction-small").override({"traffic.requests_per_day": 2_000, "ticks_per_day": 12})


class Laid(AuctionPolicy):
    """Plays the pair of each tick."""

    def __init__(self, by_tick: list[Constant]) -> None:
        self.by_tick = by_tick

    def decide(self, view: AuctionView) -> Sale | None:
        pair = self.by_tick[view.told.tick]
        first = view._replace(told=view.told._replace(tick=0))  # at which a constant decides
        return pair.decide(first)


def scored(pair: AuctionPolicy, seed: int = 4) -> Floats:
    world = World(SMALL, {"auction": pair}, seed=seed)
    world.run()
    return scores(world)


def test_playing_the_best_of_each_tick_brings_what_was_found() -> None:
    best = best_by_tick(SMALL, scored)
    played = scored(Laid(best.pairs))
    assert played.sum() == pytest.approx(best.score, rel=1e-12)
    constants = [scored(pair).sum() for pair in pairs()]
    assert best.score > max(constants) * 1.005
    every = np.array([scored(pair) for pair in pairs()])
    assert (played >= every.max(axis=0) - 1e-9).all()


def test_markets_whose_ticks_depend_on_each_other_are_refused() -> None:
    assert ticks_are_apart(SMALL)
    for name in ("bidding-small", "leads", "queue"):
        market = Scenario.preset(name)
        assert not ticks_are_apart(market)
    with pytest.raises(MarketError, match="depend on each other"):
        best_by_tick(Scenario.preset("tiny"), scored)
