"""A shard: the requests of its users, played for an interval on orders of the head, which has the clock, seats and books."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ..core.arrays import Floats, Floats32, Integers
from ..core.compiled import cache_directory
from ..core.threads import one_blas_thread
from ..delivery.ranking import Ranking
from ..engine.exchange import Exchange
from ..engine.state import Control, State
from ..engine.unattended import player
from ..market.market import build
from ..scenario.tree import Scenario
from .split import part

Counts = NDArray[Any]  # of whole numbers, or sums
# Counters of the kernels by part of the state: those that books clear when a tick closes, those of the whole run, and
# calendars of what is to be reported, from which books take rows.
OF_TICK = (
    ("tally", "counts"), ("tally", "sums"), ("tally", "slot_impressions"), ("tally", "threshold"), ("chain", "counts"),
    ("baseline", "incremental"), ("baseline", "value"),
)  # fmt: skip
OF_RUN = (
    ("chain", "elapsed"), ("memory", "shown_counts"), ("memory", "shown_sums"), ("surfaces", "counts"), ("rotation", "counts"),
    ("rotation", "sums"),
)  # fmt: skip
CALENDARS = (("terms", "reports"), ("terms", "owed"), ("chain", "reports"))


class Orders(NamedTuple):
    """What a shard is told before an interval; K campaigns, money in millionths."""

    now: int
    until: int  # microseconds
    opens: bool  # a tick, of which nothing has been counted
    closes: bool  # that tick
    surges: tuple[float, ...]  # factors on the traffic from now on
    active: NDArray[np.bool_]  # (K,)
    multiplier: Floats  # (K,)
    pace: Floats  # (K,) the platform's factor on it
    taking: Floats32  # (K,) share of auctions in which it may take part
    floor: Floats32  # (K,) reserves, millionths
    ranking: Ranking
    target: Floats  # (K,) currency
    value: Floats  # (K,) currency
    believed_conversion: Floats  # (K,)
    conversion: Floats  # (K,)
    shares: Floats  # of creatives, cumulative; (0,) where there are none
    allowance: Integers  # (K,) most that this shard may spend in the interval


class Report(NamedTuple):
    """What a shard says after an interval."""

    requests: int  # so far
    spent: Integers  # (K,) in the interval, millionths
    of_tick: tuple[Counts, ...]  # as in OF_TICK, so far
    of_run: tuple[Counts, ...]  # as in OF_RUN
    due: tuple[tuple[Counts, Counts], ...]  # as in CALENDARS: places and what the interval adds there


def code() -> str:
    """What a run's bytes depend on: the version, and all that compiled code depends on."""
    return f"{__version__} ({cache_directory().name})"


class Shard:
    """Shard `number` of so many of the world with this seed."""

    def __init__(self, scenario: Scenario, seed: int, shards: int, number: int) -> None:
        market = build(scenario)
        people, share = part(market.users, shards, number)
        self._exchange = Exchange(scenario, market._replace(users=people), seed, share)
        self._first = share.first
        self._play = player(self._exchange)

    def code(self) -> str:
        """The code that this shard runs."""
        return code()

    def play(self, orders: Orders) -> Report:
        """Plays the requests before `until`. Spends no more than the allowance."""
        exchange = self._exchange
        if orders.opens:
            for array in _arrays(exchange.state, OF_TICK):
                array[...] = 0
        with one_blas_thread():
            self._obey(orders)
            self._play(orders.until)
            if orders.closes:
                exchange.blocks.count_offered()
        return self._report()

    def _obey(self, orders: Orders) -> None:
        """Takes over what may have changed."""
        exchange, terms = self._exchange, self._exchange.state.terms
        for array, told in (
            (terms.active, orders.active), (exchange.multiplier, orders.multiplier), (exchange.target, orders.target),
            (terms.value, orders.value), (terms.believed_conversion, orders.believed_conversion),
            (exchange.state.truth.conversion, orders.conversion), (exchange.state.rotation.share, orders.shares),
            (terms.allowance, orders.allowance), (exchange.state.bids.floor, orders.floor),
        ):  # fmt: skip
            np.copyto(array, told)
        exchange.state.control[Control.RESERVE] = int(orders.floor.min())
        terms.spent[:] = 0
        for factor in orders.surges:
            exchange.surge(orders.now, factor)
        everybody = np.arange(orders.pace.size)
        exchange.pace(everybody, orders.pace, orders.taking.astype(np.float64))
        exchange.blocks.rating.rank(orders.ranking)
        exchange.refresh()

    def _report(self) -> Report:
        state = self._exchange.state
        due: list[tuple[Counts, Counts]] = []
        for array in _arrays(state, CALENDARS):
            places = np.flatnonzero(array)
            due.append((places, array.ravel()[places]))
            array[...] = 0
        of_tick, of_run = (tuple(array.copy() for array in _arrays(state, names)) for names in (OF_TICK, OF_RUN))
        return Report(self._exchange.made - self._first, state.terms.spent.copy(), of_tick, of_run, tuple(due))


def take(state: State, reports: list[Report]) -> None:
    """Adds up in the head's state what all shards report, in their order."""
    for names, found in ((OF_TICK, "of_tick"), (OF_RUN, "of_run")):
        for place, array in enumerate(_arrays(state, names)):
            first, *others = (getattr(report, found)[place] for report in reports)
            np.copyto(array, first)
            for other in others:
                array += other
    spent = state.terms.spent
    for report in reports:
        spent += report.spent
        for array, (places, more) in zip(_arrays(state, CALENDARS), report.due, strict=True):
            array.reshape(-1)[places] += more


def _arrays(state: State, names: tuple[tuple[str, str], ...]) -> list[Counts]:
    return [getattr(getattr(state, group), name) for group, name in names]
