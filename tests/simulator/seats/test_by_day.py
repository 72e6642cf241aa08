"""Policies that are asked once a day: when that is, and that nothing else comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from adarena.agents.bidding import PID, Fixed
from adarena.simulator import Scenario, World
from adarena.simulator.seats.bidding.decisions import BidPolicy, Multiplier
from adarena.simulator.seats.bidding.view import BidView

TWO_DAYS = Scenario.preset("tiny").override({"days": 2})


@dataclass
class Daily(BidPolicy):
    """Bids more on each day, and notes when it is asked."""

    by_day: ClassVar[bool] = True
    asked: list[tuple[int, int]] = field(default_factory=list)

    def decide(self, view: BidView) -> Any:
        self.asked.append((view.day, view.tick))
        return Multiplier((1.0 + view.day) * view.prior)


class Derived(Daily):
    """Does not say itself that it is asked by day."""


class EachTick(Fixed):
    """Decides what `Fixed` does, at each tick."""


def test_who_is_asked_by_day_is_asked_at_the_first_tick_of_each() -> None:
    daily, derived = Daily(), Derived()
    worlds = [World(TWO_DAYS, {"bidding": policy}, seed=3) for policy in (daily, derived)]
    for world in worlds:
        world.run()
    assert daily.asked == [(0, 0), (1, 0)]
    ticks = TWO_DAYS.ticks_per_day
    assert derived.asked == [(day, tick) for day in range(2) for tick in range(ticks)]
    ledgers = [world.ledger for world in worlds]
    np.testing.assert_array_equal(ledgers[0].multiplier[ticks:], 2 * ledgers[0].multiplier[:ticks])
    for name in ("counts", "sums", "multiplier"):
        np.testing.assert_array_equal(*(getattr(ledger, name) for ledger in ledgers))


def test_fixed_bids_as_if_it_were_asked_at_each_tick_beside_others_that_are() -> None:
    books = []
    for one in (Fixed(0.7), EachTick(0.7)):
        assert bool(vars(type(one)).get("by_day")) == (type(one) is Fixed)
        pid = PID()
        world = World(TWO_DAYS, {"bidding": {k: pid if k % 2 else one for k in range(4)}}, seed=1)
        world.run()
        books.append(world.ledger)
    for name in ("counts", "sums", "multiplier"):
        np.testing.assert_array_equal(*(getattr(ledger, name) for ledger in books))
