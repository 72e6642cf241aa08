"""A day of pacing as a judge knows it: what each request was worth to each campaign, and who was shown to whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats, Floats32, Integers
from ...simulator.engine.state import JOURNAL_FLOATS, JOURNAL_INTS, Control
from ...simulator.market.market import build
from ...simulator.population.campaigns import demand_weather
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.seat import Policies
from ...simulator.world import World

NOTED = [JOURNAL_INTS.index(name) for name in ("request", "campaign")]


class DayRequests(NamedTuple):
    """The n requests of a run, in order, and what they are worth to K campaigns, whatever is decided; money in currency."""

    worth: Floats32  # (K, n) true expected value of a slot that is seen
    bid: Floats32  # (K, n) for it, of a campaign that bids its target and is not paced
    seen: Integers  # (n,) slots that the user looks at
    day: Integers  # (n,)


@lru_cache(maxsize=2)
def requests_of(scenario: Scenario, seed: int) -> DayRequests:
    """The requests of the days of a seed; read-only. A campaign that has no flight on a day can have nothing.

    The days are played once for each campaign, which is recorded in turn.

    Raises:
        MarketError: where what requests are worth depends on what is decided; see `World(record=...)`.
    """
    market = build(scenario)
    table, ticks = market.campaigns, scenario.ticks_per_day
    weather = np.concatenate([demand_weather(scenario, table, seed, day) for day in range(scenario.days)])
    believed = np.tile(market.believed_conversion, (scenario.days, 1)) * weather * table.target  # by click, (ticks, K)
    active = np.array([table.active(day) for day in range(scenario.days)])
    worth, bid = [], []
    for k in range(len(table.names)):
        world = World(scenario, seed=seed, record=k)
        world.run()
        noted = world.recorded()
        tick = np.repeat(np.arange(len(weather)), world.ledger.requests())
        there = active[tick // ticks, k]
        worth.append((noted.value * there).astype(np.float32))
        bid.append((noted.rate * believed[tick, k] * there).astype(np.float32))
    found = DayRequests(np.array(worth), np.array(bid), noted.slots_seen.copy(), tick // ticks)
    for array in found:
        array.flags.writeable = False
    return found


def best_by_slot(rank: Floats32, seen: Integers) -> Iterator[tuple[Integers, Integers, Floats32]]:
    """Slot by slot the requests whose user looks at it, the campaign with the highest rank among those without one, and that.

    Args:
        rank: (n, K), from 0 up; written over.
        seen: (n,) slots that users look at.
    """
    rows = np.arange(seen.size)
    for slot in range(min(int(seen.max(initial=0)), rank.shape[1])):
        rows = rows[seen[rows] > slot]
        best = rank[rows].argmax(axis=1)
        yield rows, best, rank[rows, best]
        rank[rows, best] = -1.0


class Watched(World):
    """A world of which is noted which campaigns are shown, and at which requests."""

    def __init__(self, scenario: Scenario, policies: Mapping[str, Policies], seed: int) -> None:
        super().__init__(scenario, policies, seed=seed)
        state = self._exchange.state
        rows = state.block.times.size * len(state.seen)  # that can be shown before the next block is drawn
        ints, floats = np.zeros((rows, len(JOURNAL_INTS)), np.int64), np.zeros((rows, len(JOURNAL_FLOATS)))
        self._exchange.replace("logs", journal_ints=ints, journal_floats=floats)
        self._noted: list[Integers] = []
        self._exchange.blocks.on_block.append(self._keep)

    def _keep(self) -> None:
        state = self._exchange.state
        self._noted.append(state.logs.journal_ints[: state.control[Control.JOURNALED], NOTED])
        state.control[Control.JOURNALED] = 0

    def shown(self) -> Integers:
        """Requests, counted from 0, and campaigns of all impressions so far, (impressions, 2)."""
        self._keep()
        return np.concatenate(self._noted)

    def worth_to(self) -> Floats:
        """What the impressions that each campaign j had would have been worth to each campaign i, (K, K) currency.

        Raises:
            MarketError: as `requests_of`.
        """
        worth = requests_of(self.scenario, self.seed).worth
        request, campaign = self.shown().T
        order = np.argsort(campaign, kind="stable")
        parts = np.split(request[order], np.searchsorted(campaign[order], np.arange(1, len(worth))))
        return np.stack([worth[:, part].sum(axis=1, dtype=np.float64) for part in parts], axis=1)
