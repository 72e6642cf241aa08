"""What is told of a world: what never changes of its market, and numbers of each tick as it closes. For judges: truth too."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.clock import HOUR_US
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.delivery.queue import Served
from ...simulator.engine.state import Count
from ...simulator.world import World


class Line(NamedTuple):
    """One number of each tick, drawn as a curve for each world."""

    key: str  # in `Teller.tell`
    label: str
    fixed: bool = False  # the same in all worlds: drawn once, as what they are held against


class Chart(NamedTuple):
    """A picture of some lines over time."""

    key: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    form: str = "number"  # or "share", of numbers from 0 to 1


ALWAYS = (
    Chart("price", "Price of a thousand impressions", "currency", (Line("price", "mean paid"),)),
    Chart("fill", "Ads seen", "impressions a request", (Line("fill", "seen"),)),
    Chart("worth", "What money bought", "value a unit of spend, today", (Line("worth", "value"),)),
)
BUDGETS = Chart(
    "course", "Spend against the even course", "share of budgets",
    (Line("course", "spent"), Line("even", "even course", fixed=True)), "share",
)  # fmt: skip
SPEND = Chart("course", "Spend since midnight", "currency", (Line("spent", "spent"),))
REQUESTS = Chart("requests", "Requests", "a tick", (Line("requests", "made"), Line("planned", "planned", fixed=True)))
SERVERS = (
    Chart("load", "Servers: load and requests lost", "share", (Line("load", "load"), Line("lost", "lost")), "share"),
    Chart("latency", "Time to an answer", "ms", (Line("p50", "median"), Line("p99", "99%"))),
)


def charts(world: World) -> tuple[Chart, ...]:
    """The pictures of a market, by what it has."""
    limited = bool((world.campaigns.budget < UNLIMITED).any())
    return (BUDGETS if limited else SPEND, REQUESTS, *ALWAYS, *(SERVERS if world.serving is not None else ()))


def facts(world: World) -> dict[str, Any]:
    """What never changes: the market, its campaigns, what they aim at, its pictures."""
    scenario, table = world.scenario, world.campaigns
    return {
        "name": scenario.name,
        "seed": world.seed,
        "tick_h": scenario.tick_us / HOUR_US,
        "day_h": scenario.day_us / HOUR_US,
        "ticks": scenario.days * scenario.ticks_per_day,
        "ticks_per_day": scenario.ticks_per_day,
        "servers": None if scenario.serving is None else scenario.serving.servers,
        "campaigns": [
            {
                "name": name,
                "aim": campaign.objective,
                "target": {"target_cpa": campaign.target_cpa, "target_roas": campaign.target_roas}.get(campaign.objective),
                "value": campaign.value_per_conversion,
            }
            for name, campaign in zip(table.names, table.listed, strict=True)
        ],
        "charts": [chart._asdict() | {"lines": [line._asdict() for line in chart.lines]} for chart in charts(world)],
    }


class Teller:
    """Tells of one world's ticks, one after the other; keeps sums, so that a tick costs the same however long the run is.

    Money of campaigns is to the cent, and numbers that are drawn have six digits; the books have all of them.
    """

    def __init__(self, world: World) -> None:
        self._world, campaigns = world, len(world.campaigns.names)
        self._spend, self._today = np.zeros(campaigns, np.int64), np.zeros(campaigns, np.int64)
        self._clicks, self._reported = np.zeros(campaigns, np.int64), np.zeros(campaigns, np.int64)
        self._totals = {"requests": 0.0, "spend": 0.0, "impressions": 0.0, "clicks": 0.0, "conversions": 0.0, "value": 0.0}
        self._lost, self._worth = 0, 0.0
        self._forecast = _cumulative(world.forecast)

    def tell(self) -> dict[str, Any]:
        """Numbers of the tick that has closed last, sums since the start, and of each campaign."""
        world, ledger = self._world, self._world.ledger
        row, tick = ledger.closed - 1, (ledger.closed - 1) % world.scenario.ticks_per_day
        counts = ledger.counts[row]
        if tick == 0:
            self._today[:], self._worth = 0, 0.0
        self._spend += counts[Count.SPEND]
        self._today += counts[Count.SPEND]
        self._clicks += counts[Count.CLICKS]
        self._reported += counts[Count.REPORTED]
        left = ledger.left[row]
        limited = left < UNLIMITED // 2
        budget = left + self._today
        requests, spend = int(ledger.requests()[-1]), counts[Count.SPEND].sum() / MICRO
        impressions, value = int(counts[Count.IMPRESSIONS].sum()), float(ledger.value()[-1].sum())
        of_tick = {
            "requests": requests, "spend": spend, "impressions": impressions, "clicks": int(counts[Count.CLICKS].sum()),
            "conversions": int(counts[Count.REPORTED].sum()), "value": value,
        }  # fmt: skip
        for name, number in of_tick.items():
            self._totals[name] += number
        self._worth += value
        budgets, spent = budget[limited].sum(), self._today.sum() / MICRO
        numbers: dict[str, float | None] = {
            "requests": requests,
            "planned": world.scenario.expected_requests * world.forecast[tick],
            "spent": spent,
            "course": _over(self._today[limited].sum(), budgets),
            "even": self._forecast[tick + 1],
            "price": _over(1000 * spend, impressions),
            "fill": _over(impressions, requests),
            "worth": _over(self._worth, spent),
        }
        if world.serving is not None:
            numbers |= self._served(row)
        return {
            "numbers": {name: _short(number) for name, number in numbers.items()},
            "totals": {name: round(number, 2) for name, number in {**self._totals, "lost": self._lost}.items()},
            "budget": _money(budget, limited),
            "left": _money(left, limited),
            "spend": _money(self._spend, np.ones_like(limited)),
            "clicks": self._clicks.tolist(),
            "conversions": self._reported.tolist(),
        }

    def _served(self, row: int) -> dict[str, float | None]:
        """What servers did in a tick."""
        serving = self._world.serving
        assert serving is not None
        counts, could = serving.counts[row], serving.capacity[row] * serving.tick_us
        lost = int(counts[Served.LATE] + counts[Served.GAVE_UP])
        self._lost += lost
        answered = serving.latency[row].any()
        here = slice(row, row + 1)
        return {
            "servers": serving.capacity[row],
            "load": _over(counts[Served.WORK_US], could),
            "lost": _over(lost, counts[Served.ARRIVED]),
            "p50": serving.quantiles(0.5, here) if answered else None,
            "p99": serving.quantiles(0.99, here) if answered else None,
        }


def _cumulative(shares: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(shares)])


def _over(part: float, whole: float) -> float | None:
    """A ratio; None where there is nothing to divide by."""
    return float(part / whole) if whole > 0 else None


def _money(micros: Integers, has: NDArray[np.bool_]) -> list[float | None]:
    """Currency, to the cent; None where there is no such thing."""
    return [round(m / MICRO, 2) if there else None for m, there in zip(micros.tolist(), has.tolist(), strict=True)]


def _short(number: float | None) -> float | None:
    """Six digits, enough to draw."""
    return None if number is None else float(f"{number:.6g}")
