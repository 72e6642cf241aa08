"""The compute seat of a world: what the serving layer is told of each tier, and what becomes of its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats, Integers
from ...core.errors import PolicyError
from ...core.money import MICRO
from ...core.numeric import real, whole
from ...delivery.queue import Served
from ...delivery.quotas import checked_levels, most_cached, most_quotas, tiers_of
from ...engine.exchange import Exchange
from ...engine.state import Worth
from ...market.earnings import earnings
from ...market.market import build
from ...requests.worth import usual_worth
from ...scenario.delivery import Quotas
from ...scenario.forecast import forecast
from ...scenario.tree import Scenario
from ..seat import Cadence, Holding, Moment, Policy, Seat
from .decisions import ComputePolicy, Depth, Levels
from .depths import GRID, quotas_at
from .view import ComputeView, Earnings, depth_of

SAMPLED = GRID[::4]  # depths at which earnings are sampled; straight between them


class Checked(NamedTuple):
    """A decision in canonical form."""

    levels: tuple[Sequence[Quotas], ...]  # of each tier held
    servers: int | None


class Known(NamedTuple):
    """What never changes of a scenario's tiers, all of them."""

    forecast: Floats  # (intervals, T) expected requests
    usual: Floats  # (intervals, T)
    earnings: Earnings  # (T, D)
    most: Integers  # (T, L, 3)
    after_s: Floats  # (T, L)
    cached: int


class ComputeHolding(Holding):
    """A policy's tiers, and the books of the queue when it last saw them."""

    def __init__(self, policy: Policy[Any, Any], held: list[int], books: Integers, worth: Floats) -> None:
        super().__init__(policy, held)
        self.books, self.worth, self.seen_us = books, worth, 0
        self.shown: ComputeView | None = None


class ComputeSeat(Seat[ComputeView, Checked, ComputeHolding]):
    """How many candidates requests of each tier get, and how many servers there are."""

    name = "compute"
    unit = "tier"
    policy: ClassVar[type[Policy[Any, Any]]] = ComputePolicy
    cadence = Cadence.INTERVAL

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """A funnel on servers is what it is about."""
        if scenario.serving is None:
            return "servers"
        return None if scenario.funnel is not None else "a funnel"

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        scenario = exchange.scenario
        self._exchange, self._scenario = exchange, scenario
        self.units = tuple(f"tier {t}" for t in range(tiers_of(scenario)))
        self.every_us = interval_us(scenario)
        self._intervals = -(-scenario.day_us // self.every_us)
        self._known = known(scenario)
        self._quotas, self._after_s = self._known.most.copy(), self._known.after_s.copy()  # in force

    def holding(self, policy: Policy[ComputeView, Checked], held: list[int]) -> ComputeHolding:
        """See `Seat.holding`."""
        queue = self._exchange.queue
        assert queue is not None
        return ComputeHolding(policy, held, queue.books.copy(), queue.worth.copy())

    def view(self, holding: ComputeHolding, moment: Moment) -> ComputeView:
        """See `ComputeView`; the same again until time has passed."""
        if holding.shown is not None and holding.seen_us == moment.now_us:
            return holding.shown
        queue, fleet, serving = self._exchange.queue, self._exchange.fleet, self._scenario.serving
        assert queue is not None
        assert fleet is not None
        assert serving is not None
        held, all_known = holding.held, self._known
        books, worth = queue.books - holding.books, queue.worth - holding.worth
        holding.books, holding.worth, holding.seen_us = queue.books.copy(), queue.worth.copy(), moment.now_us
        own, begun = books[held], np.maximum(books[held, Served.BEGUN], 1)
        waiting = queue.books[:, Served.ARRIVED] - queue.books[:, Served.BEGUN] - queue.books[:, Served.GAVE_UP]
        others = np.delete(np.arange(len(self.units)), held)
        quotas, its = self._quotas[held], Earnings(*(all_known.earnings.depths, *(x[held] for x in all_known.earnings[1:])))
        scale = serving.autoscaling
        holding.shown = ComputeView(
            day=moment.day,
            tick=moment.tick,
            ticks=moment.ticks,
            number=self._intervals if moment.tick == moment.ticks else moment.now_us % self._scenario.day_us // self.every_us,
            intervals=self._intervals,
            interval_s=self.every_us / 1e6,
            tiers=tuple(self.units[t] for t in held),
            forecast=all_known.forecast[:, held],
            usual=all_known.usual[:, held],
            earnings=its,
            most=all_known.most[held],
            cached=all_known.cached,
            deadline_s=np.inf if serving.deadline_s is None else serving.deadline_s,
            autoscaling=None if scale is None else (scale.least, scale.most),
            servers=fleet.working,
            planned=serving.servers,
            quotas=quotas,
            after_s=self._after_s[held],
            depth=depth_of(work_of(self._scenario, quotas[:, 0]), its),
            arrived=own[:, Served.ARRIVED],
            served=own[:, Served.AUCTIONED],
            lost=own[:, Served.LATE] + own[:, Served.GAVE_UP],
            begun=own[:, Served.BEGUN],
            work_s=own[:, Served.WORK_US] / 1e6,
            wait_s=own[:, Served.WAIT_US] / begun / 1e6,
            stepped_down=own[:, Served.STEPPED_DOWN] / begun,
            revenue=(own[:, Served.CHARGED] + own[:, Served.OWED]) / MICRO,
            believed=worth[held, Worth.BELIEVED],
            waiting=waiting[held],
            others=np.array(
                [
                    books[others, Served.ARRIVED].sum(),
                    books[others, Served.WORK_US].sum() / 1e6,
                    waiting[others].sum(),
                ],
                np.float64,
            ),
        )
        return holding.shown

    def check(self, holding: ComputeHolding, decision: Any) -> Checked:
        """See `Seat.check`."""
        if isinstance(decision, Depth):
            quotas, after_s = self._of_depth(holding, decision)
        elif isinstance(decision, Levels):
            quotas, after_s = self._of_levels(holding, decision)
        else:
            raise PolicyError(f"{holding.name} must decide a Depth or Levels, not {type(decision).__name__}")
        levels = []
        for t, its, waits in zip(holding.held.tolist(), quotas, after_s, strict=True):
            count = len(self._levels_of(t))
            own = [
                _quotas(holding.name, row, wait) for row, wait in zip(its[:count].tolist(), waits[:count].tolist(), strict=True)
            ]
            levels.append(checked_levels(self._scenario, t, own, PolicyError))
        return Checked(tuple(levels), self._servers(holding.name, decision.servers))

    def _levels_of(self, tier: int) -> tuple[Quotas, ...]:
        assert self._scenario.funnel is not None
        return self._scenario.funnel.levels_of(tier)

    def _of_depth(self, holding: ComputeHolding, decision: Depth) -> tuple[Integers, Floats]:
        """Quotas (held, L, 3) and waits (held, L) of depths."""
        held, who = holding.held, holding.name
        depth = _numbers(who, decision.values, (held.size,), "a depth for each of its {} tiers", 0.0, 1.0)
        most, cached = self._known.most[held], self._known.cached
        count, steps = most.shape[1], decision.steps
        after_s = self._known.after_s[held].copy()
        quotas = np.empty_like(most)
        quotas[:, 0] = quotas_at(depth, most[:, 0], cached)
        if steps is None:
            quotas[:, 1:] = np.minimum(most[:, -1:], quotas[:, :1])
            quotas[:, 1:, 2] = most[:, -1:, 2]
            after_s[:, 1:] = after_s[:, -1:]
            return quotas, after_s
        given = _numbers(who, steps, (len(steps), 2), "steps as pairs of depth and wait", 0.0, np.inf)
        if len(steps) >= count:
            raise PolicyError(f"{who} decided {len(steps)} steps down, and there is room for {count - 1}")
        for level in range(1, count):
            lower, wait_s = given[min(level, len(steps)) - 1] if steps else (1.0, 1e9)
            quotas[:, level] = quotas_at(np.minimum(depth, lower), most[:, 0], cached)
            quotas[:, level] = np.minimum(quotas[:, level], most[:, level])
            after_s[:, level] = wait_s
        return quotas, after_s

    def _of_levels(self, holding: ComputeHolding, decision: Levels) -> tuple[Integers, Floats]:
        held, shape = holding.held, self._known.most[holding.held].shape
        what = f"quotas of shape {shape}, tiers by levels by stages"
        quotas = _numbers(holding.name, decision.quotas, shape, what, 0.0, np.inf)
        if (quotas != np.rint(quotas)).any():
            raise PolicyError(
                f"{holding.name} must decide whole numbers of candidates, not {quotas[quotas != np.rint(quotas)][0]}"
            )
        after_s = self._known.after_s[held]
        if decision.after_s is not None:
            after_s = _numbers(
                holding.name, decision.after_s, shape[:2], f"waits of shape {shape[:2]}, tiers by levels", 0.0, 1e9
            )
        return quotas.astype(np.int64), after_s

    def _servers(self, who: str, servers: Any) -> int | None:
        if servers is None:
            return None
        assert self._scenario.serving is not None
        scale = self._scenario.serving.autoscaling
        if scale is None:
            raise PolicyError(f"{who} orders servers, which needs serving.autoscaling in the scenario")
        if (count := whole(servers)) is None or not scale.least <= count <= scale.most:
            raise PolicyError(f"{who} may order from {scale.least} to {scale.most} servers, not {servers!r}")
        return count

    def apply(self, holding: ComputeHolding, decision: Checked) -> None:
        """See `Seat.apply`."""
        for t, levels in zip(holding.held.tolist(), decision.levels, strict=True):
            self._exchange.set_quotas(t, levels)
            self._quotas[t, : len(levels)] = [(q.recall, q.rough, q.fine) for q in levels]
            self._after_s[t, : len(levels)] = [q.after_wait_s for q in levels]
        if decision.servers is not None:
            assert self._exchange.fleet is not None
            self._exchange.fleet.order(decision.servers)


def interval_us(scenario: Scenario) -> int:
    """Microseconds between two decisions."""
    every = None if scenario.serving is None else scenario.serving.control_s
    return scenario.tick_us if every is None else round(every * 1e6)


def work_of(scenario: Scenario, quotas: Integers) -> Floats:
    """Mean server seconds of requests under quotas (..., 3), (...)."""
    assert scenario.serving is not None
    assert scenario.funnel is not None
    work: Floats = scenario.serving.service_s + scenario.funnel.work_s(quotas)
    return work


@lru_cache(maxsize=16)
def known(scenario: Scenario) -> Known:
    """What never changes; worlds of one scenario share it, and nothing of it can be written to."""
    assert scenario.funnel is not None
    most, cached, people = most_quotas(scenario), most_cached(scenario), build(scenario).users
    tiers, ticks = len(most), scenario.ticks_per_day
    after_s = np.zeros(most.shape[:2])
    for t in range(tiers):
        waits = [q.after_wait_s for q in scenario.funnel.levels_of(t)]
        after_s[t] = [*waits, *[waits[-1]] * (most.shape[1] - len(waits))]
    share = np.diff(people.segment_share, axis=1, prepend=0.0)
    by_tier = np.stack([share[:, people.tier == t].sum(axis=1) for t in range(tiers)], axis=1)
    expected = scenario.expected_requests * forecast(scenario)[:, None] * by_tier  # (ticks, T)
    settings = scenario.weather.tiers
    usual = np.ones((ticks, tiers)) if settings is None else usual_worth(settings, ticks)
    spans = _spans(scenario)
    found = Known(
        forecast=spans @ expected,
        usual=spans @ usual / spans.sum(axis=1, keepdims=True),
        earnings=_earnings(scenario, most[:, 0], cached),
        most=most,
        after_s=after_s,
        cached=cached,
    )
    for array in (found.forecast, found.usual, *found.earnings, found.most, found.after_s):
        array.flags.writeable = False
    return found


def _spans(scenario: Scenario) -> Floats:
    """Which share of each tick lies in each interval of a day, (intervals, ticks)."""
    every, tick = interval_us(scenario), scenario.tick_us
    start = np.arange(-(-scenario.day_us // every))[:, None] * every
    end = np.minimum(start + every, scenario.day_us)
    opens = np.arange(scenario.ticks_per_day) * tick
    overlap: Floats = np.maximum(np.minimum(end, opens + tick) - np.maximum(start, opens), 0) / tick
    return overlap


def _earnings(scenario: Scenario, full: Integers, cached: int) -> Earnings:
    revenue = np.empty((len(full), GRID.size))
    for quotas in {tuple(row) for row in full.tolist()}:
        alike = quotas_at(SAMPLED, np.array(quotas), cached)
        sampled = earnings(scenario, tuple(tuple(row) for row in alike.tolist()))
        for t in np.flatnonzero((full == quotas).all(axis=1)):
            revenue[t] = np.interp(GRID, SAMPLED, sampled[t])
    work = np.stack([work_of(scenario, quotas_at(GRID, its, cached)) for its in full])
    return Earnings(GRID.copy(), revenue, work)


def _numbers(who: str, given: Any, shape: tuple[int, ...], what: str, least: float, most: float) -> Floats:
    """Numbers of a shape, or one for all. Raises `PolicyError` if they are not that, or lie outside."""
    try:
        values = np.asarray(given, np.float64)
        values = values if values.shape == shape else np.broadcast_to(float(values), shape)
    except (TypeError, ValueError):
        raise PolicyError(f"{who} must decide {what.format(shape[0])}, not {given!r}") from None
    if values.size and not least <= values.min() <= values.max() <= most:  # not so for NaN
        bad = values[~((values >= least) & (values <= most))][0]
        span = f"from {least:g} to {most:g}" if most < np.inf else f"from {least:g} up"
        raise PolicyError(f"{who} decided {bad}, and {what.format(shape[0])} lie {span}")
    return values


def _quotas(who: str, row: list[int], wait: float) -> Quotas:
    """As a part of a scenario, which says what is wrong with them."""
    if real(wait) is None:
        raise PolicyError(f"{who} decided a wait of {wait!r} seconds")
    return Quotas.model_construct(recall=row[0], rough=row[1], fine=row[2], after_wait_s=float(wait))
