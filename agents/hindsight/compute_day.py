"""A day of servers as a judge knows it: its very requests, how many servers worked when, and what requests were worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from ...simulator.core.arrays import CHUNK, Floats, Integers
from ...simulator.core.errors import MarketError
from ...simulator.delivery.queue import Servers
from ...simulator.delivery.quotas import Ladders, service_s, tiers_of
from ...simulator.engine.state import Control
from ...simulator.requests.traffic import NEVER
from ...simulator.scenario.tree import Scenario
from ...simulator.seats import SEATS
from ...simulator.seats.compute.decisions import ComputePolicy
from ...simulator.seats.compute.known import interval_us, known
from ...simulator.seats.seat import Moment
from ...simulator.world import World
from ..compute.static import Static
from .compute import worth_by_tick
from .compute_queue import Day, Options


class Outlook(NamedTuple):
    """What could be known of the intervals of a run beforehand; K intervals, T tiers."""

    arrivals: Floats  # (K, T) requests
    server_s: Floats  # (K,) seconds of servers that work


class Watched(World):
    """A world of which is noted who comes when, what each will ask of the servers, and how many of these work."""

    def __init__(self, scenario: Scenario, policy: ComputePolicy, seed: int) -> None:
        """Raises `MarketError` if the scenario has no compute seat."""
        if (lacks := SEATS["compute"].missing(scenario)) is not None:
            raise MarketError(f"hindsight of compute needs {lacks}, and scenario {scenario.name!r} has none")
        assert scenario.serving is not None
        self.changes = [(0, scenario.serving.servers)]  # from when on so many work
        self._noted: list[list[Integers | Floats]] = []
        super().__init__(scenario, {"compute": policy}, seed=seed)
        self._exchange.blocks.on_block.append(self._keep)

    def _resized(self, servers: int) -> None:
        self.changes.append((self.now, servers))
        super()._resized(servers)

    def _keep(self) -> None:
        """Keeps the requests of the block that is under way, before another takes its columns: those that have come."""
        blocks, queue, block = self._exchange.blocks, self._exchange.queue, self._exchange.state.block
        assert queue is not None
        if not blocks.drawn:
            return
        number = int(self._exchange.state.control[Control.BASE]) + np.arange(CHUNK)
        came = np.flatnonzero((queue.request[:CHUNK] == number) & (block.times[:CHUNK] < self.scenario.horizon_us))
        limit = np.full(came.size, queue.control[Servers.DEADLINE])
        if block.surface.size:
            limit = self._exchange.state.surfaces.deadline[block.surface[came]]
        self._noted.append([block.times[came], queue.tier[came], queue.draw[came], queue.network[came], limit])

    def day(self) -> Day:
        """What has been noted of the run, which is over."""
        self._keep()
        assert self._exchange.queue is not None
        deadline_us = int(self._exchange.queue.control[Servers.DEADLINE])  # the longest that requests wait
        scenario, every = self.scenario, interval_us(self.scenario)
        times, tier, draw, network, limit = (np.concatenate(column) for column in zip(*self._noted, strict=True))
        factors, tiers = worth_by_tick(scenario, self.seed), tiers_of(scenario)
        order = np.argsort(tier, kind="stable")
        changes = np.array(self.changes)
        noted = Day(
            times, tier, draw, network, limit, factors[times // scenario.tick_us, tier], times // every, order,
            np.searchsorted(tier[order], np.arange(tiers + 1)), changes[:, 0].copy(), changes[:, 1].copy(), every,
            scenario.horizon_us, deadline_us,
        )  # fmt: skip
        return read_only(noted)

    def quotas(self, policies: Sequence[ComputePolicy]) -> tuple[Integers, Integers]:
        """What policies decide as a run begins: quotas (policies, T, L, 3), and waits (policies, T, L) in microseconds."""
        seat, holding = self._rosters[0].seat, self._rosters[0].holdings[0]
        view = seat.view(holding, Moment(0, 0, self.scenario.ticks_per_day, 0))
        checked = [seat.check(holding, policy.decide(view)) for policy in policies]
        assert self.scenario.funnel is not None
        lacks = Ladders.of(self.scenario.funnel, tiers_of(self.scenario)).after_us == NEVER
        after_s = np.where(lacks, 0.0, np.stack([its.after_s for its in checked]))
        return np.stack([its.quotas for its in checked]), np.where(lacks, NEVER, np.rint(after_s * 1e6).astype(np.int64))


@lru_cache(maxsize=4)
def day_of(scenario: Scenario, seed: int) -> Day:
    """The requests and servers of a seed, as they were when requests got the depth of `Static`; read-only.

    What is decided changes neither, unless users leave the sooner the more ads they see, or servers are ordered.

    Raises:
        MarketError: if the scenario has no compute seat.
    """
    world = Watched(scenario, Static(), seed)
    world.run()
    return world.day()


def outlook(day: Day) -> Outlook:
    """A day interval by interval."""
    intervals, tiers = day.intervals, day.first.size - 1
    cell = day.interval * tiers + day.tier
    arrivals = np.bincount(cell, minlength=intervals * tiers).astype(np.float64)
    edges = np.minimum(np.arange(intervals + 1) * day.every_us, day.horizon_us)
    until = np.append(day.change_us[1:], day.horizon_us)
    overlap = np.minimum(until, edges[1:, None]) - np.maximum(day.change_us, edges[:-1, None])
    server_s = np.maximum(overlap, 0) @ day.servers / 1e6
    return Outlook(arrivals.reshape(intervals, tiers), server_s)


def options(scenario: Scenario, policies: Sequence[ComputePolicy]) -> Options:
    """What it means for requests of each tier if one of these policies decides as a run begins, and never again; read-only.

    Raises:
        MarketError: if the scenario has no compute seat.
        PolicyError: if a decision is not allowed.
    """
    quotas, after_us = Watched(scenario, Static(), 0).quotas(policies)
    assert scenario.serving is not None
    assert scenario.funnel is not None
    work_s = service_s(scenario.serving, scenario.funnel, quotas)  # (policies, T, L)
    depths, revenue, work_at = known(scenario).earnings
    earned = [np.interp(np.interp(work_s[:, t], work_at[t], depths), depths, revenue[t]) for t in range(len(revenue))]
    work_us, waits_us = np.ascontiguousarray(work_s.swapaxes(0, 1)) * 1e6, np.ascontiguousarray(after_us.swapaxes(0, 1))
    return read_only(Options(work_us, np.stack(earned), waits_us))


N = TypeVar("N", Day, Options)


def read_only(arrays: N) -> N:
    """The same, of which nothing can be written to any more."""
    for array in arrays:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays
