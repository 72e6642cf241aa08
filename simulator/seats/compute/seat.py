"""The compute seat of a world: what the serving layer is told of each tier, and what becomes of its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats, Integers
from ...core.errors import PolicyError
from ...core.numeric import whole
from ...delivery.queue import Served, revenue_of
from ...delivery.quotas import Ladders, check_levels, service_s, tiers_of
from ...engine.exchange import Exchange
from ...engine.state import Worth
from ...scenario.tree import Scenario
from ..seat import Cadence, Holding, Moment, Policy, Seat
from .decisions import ComputePolicy, Depth, Levels
from .depths import quotas_at
from .known import Known, interval_us, known, seconds
from .view import ComputeView, Others


class Checked(NamedTuple):
    """A decision in canonical form."""

    quotas: Integers  # (held, L, 3)
    after_s: Floats  # (held, L)
    servers: int | None


class ComputeHolding(Holding):
    """A policy's tiers, what it knows of them, and the books of the queue when it last saw them."""

    def __init__(self, policy: Policy[Any, Any], held: list[int], known: Known, books: Integers, worth: Floats) -> None:
        super().__init__(policy, held)
        self.others = np.delete(np.arange(len(books)), held)  # tiers that are not its own
        self.known, self.books, self.worth, self.seen_us = known, books, worth, 0
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
        assert scenario.serving is not None
        assert scenario.funnel is not None
        assert exchange.queue is not None
        self._exchange, self._scenario, self._serving, self._funnel = exchange, scenario, scenario.serving, scenario.funnel
        self.units = tuple(f"tier {t}" for t in range(tiers_of(scenario)))
        self.every_us = interval_us(scenario)
        self._room, self._known = Ladders.of(scenario.funnel, len(self.units)), known(scenario)
        self._cached = self._room.cached

    def holding(self, policy: Policy[ComputeView, Checked], held: list[int]) -> ComputeHolding:
        """See `Seat.holding`."""
        queue = self._exchange.queue
        assert queue is not None
        return ComputeHolding(policy, held, self._known.of(np.array(held)), queue.books.copy(), queue.worth.copy())

    def view(self, holding: ComputeHolding, moment: Moment) -> ComputeView:
        """See `ComputeView`; the same again until time has passed."""
        if holding.shown is None or holding.seen_us != moment.now_us:
            holding.shown = self._look(holding, moment)
        return holding.shown

    def _look(self, holding: ComputeHolding, moment: Moment) -> ComputeView:
        queue, fleet, held, facts = self._exchange.queue, self._exchange.fleet, holding.held, holding.known
        assert queue is not None
        assert fleet is not None
        books, worth = queue.books - holding.books, queue.worth - holding.worth
        holding.books, holding.worth, holding.seen_us = queue.books.copy(), queue.worth.copy(), moment.now_us
        waiting = queue.books[:, Served.ARRIVED] - queue.books[:, Served.BEGUN] - queue.books[:, Served.GAVE_UP]
        own, begun, quotas = books[held], np.maximum(books[held, Served.BEGUN], 1), self._exchange.blocks.rating.quotas[held]
        others, scale = holding.others, self._serving.autoscaling
        intervals = len(facts.forecast)
        return ComputeView(
            day=moment.day,
            tick=moment.tick,
            ticks=moment.ticks,
            number=intervals if moment.tick == moment.ticks else moment.now_us % self._scenario.day_us // self.every_us,
            intervals=intervals,
            interval_s=self.every_us / 1e6,
            tiers=tuple(self.units[t] for t in held),
            forecast=facts.forecast,
            usual=facts.usual,
            earnings=facts.earnings,
            most=facts.most,
            cached=self._cached,
            deadline_s=np.inf if self._serving.deadline_s is None else self._serving.deadline_s,
            autoscaling=None if scale is None else (scale.least, scale.most),
            servers=fleet.working,
            planned=self._serving.servers,
            quotas=quotas,
            after_s=seconds(queue.after[held]),
            depth=facts.earnings.depth_of(service_s(self._serving, self._funnel, quotas[:, 0])),
            arrived=own[:, Served.ARRIVED],
            served=own[:, Served.AUCTIONED],
            lost=own[:, Served.LATE] + own[:, Served.GAVE_UP],
            begun=own[:, Served.BEGUN],
            work_s=own[:, Served.WORK_US] / 1e6,
            wait_s=own[:, Served.WAIT_US] / begun / 1e6,
            stepped_down=own[:, Served.STEPPED_DOWN] / begun,
            revenue=revenue_of(own),
            believed=worth[held, Worth.BELIEVED],
            waiting=waiting[held],
            others=Others(
                int(books[others, Served.ARRIVED].sum()),
                float(books[others, Served.WORK_US].sum() / 1e6),
                int(waiting[others].sum()),
            ),
        )

    def check(self, holding: ComputeHolding, decision: Any) -> Checked:
        """See `Seat.check`."""
        if isinstance(decision, Depth):
            quotas, after_s = self._of_depth(holding, decision)
        elif isinstance(decision, Levels):
            quotas, after_s = self._of_levels(holding, decision)
        else:
            raise PolicyError(f"{holding.name} must decide a Depth or Levels, not {type(decision).__name__}")
        for t, its, waits in zip(holding.held.tolist(), quotas, after_s, strict=True):
            own = slice(self._room.levels[t])
            check_levels(t, its[own], waits[own] * 1e6, self._room, PolicyError)
        return Checked(quotas, after_s, self._servers(holding.name, decision.servers))

    def _of_depth(self, holding: ComputeHolding, decision: Depth) -> tuple[Integers, Floats]:
        """Quotas (held, L, 3) and waits (held, L) of depths."""
        held, who, facts = holding.held, holding.name, holding.known
        depth = _numbers(who, decision.values, (held.size,), "a depth for each of its {} tiers", 0.0, 1.0)
        most, steps = facts.most, decision.steps
        quotas, after_s = most.copy(), facts.after_s.copy()
        quotas[:, 0] = quotas_at(depth, most[:, 0], self._cached)
        if steps is None:
            end = np.arange(held.size), facts.last
            quotas[:, 1:, :2] = np.minimum(most[end], quotas[:, 0])[:, None, :2]
            quotas[:, 1:, 2] = most[end][:, None, 2]
            after_s[:, 1:] = facts.after_s[end][:, None]
            return quotas, after_s
        if not isinstance(steps, Sequence | np.ndarray):
            raise PolicyError(f"{who} must decide steps as pairs of depth and wait, not {steps!r}")
        shape, what = (len(steps), 2), "steps as pairs of depth and wait"
        given = _numbers(who, steps, shape, what, 0.0, np.inf) if len(steps) else np.zeros(shape)
        if len(steps) >= most.shape[1]:
            raise PolicyError(f"{who} decided {len(steps)} steps down, and there is room for {most.shape[1] - 1}")
        for level in range(1, most.shape[1]):
            lower, wait_s = given[min(level, len(given)) - 1] if len(given) else (1.0, 1e9)
            quotas[:, level] = np.minimum(quotas_at(np.minimum(depth, lower), most[:, 0], self._cached), most[:, level])
            after_s[:, level] = wait_s
        return quotas, after_s

    def _of_levels(self, holding: ComputeHolding, decision: Levels) -> tuple[Integers, Floats]:
        shape, after_s = holding.known.most.shape, holding.known.after_s
        what = f"quotas of shape {shape}, tiers by levels by stages"
        quotas = _numbers(holding.name, decision.quotas, shape, what, 0.0, np.inf)
        if (parts := quotas[quotas != np.rint(quotas)]).size:
            raise PolicyError(f"{holding.name} must decide whole numbers of candidates, not {parts[0]}")
        if decision.after_s is not None:
            waits = f"waits of shape {shape[:2]}, tiers by levels"
            after_s = _numbers(holding.name, decision.after_s, shape[:2], waits, 0.0, 1e9)
        return quotas.astype(np.int64), after_s

    def _servers(self, who: str, servers: Any) -> int | None:
        if servers is None:
            return None
        if (scale := self._serving.autoscaling) is None:
            raise PolicyError(f"{who} orders servers, which needs serving.autoscaling in the scenario")
        if (count := whole(servers)) is None or not scale.least <= count <= scale.most:
            raise PolicyError(f"{who} may order from {scale.least} to {scale.most} servers, not {servers!r}")
        return count

    def apply(self, holding: ComputeHolding, decision: Checked) -> None:
        """See `Seat.apply`."""
        for t, its, waits in zip(holding.held.tolist(), decision.quotas, decision.after_s, strict=True):
            own = slice(self._room.levels[t])
            self._exchange.blocks.rating.set_quotas(t, its[own], np.rint(waits[own] * 1e6).astype(np.int64))
        if decision.servers is not None:
            assert self._exchange.fleet is not None
            self._exchange.fleet.order(decision.servers)


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
