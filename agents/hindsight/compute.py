"""What a day's servers could have earned at most, had everybody known requests, outages and worth. For judges only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.delivery.queue import Served
from ...simulator.delivery.quotas import tiers_of
from ...simulator.requests.worth import worth
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.compute.known import known
from ...simulator.world import World

PRICES: Floats = np.exp(
    np.linspace(-8.0, 4.0, 241)
)  # of a server second, as multiples of what one earns at full depth on average


def worth_by_tick(scenario: Scenario, seed: int) -> Floats:
    """By what factors clicks convert in the days of a seed, (days x ticks, T)."""
    settings, ticks = scenario.weather.tiers, scenario.ticks_per_day
    if settings is None:
        return np.ones((scenario.days * ticks, tiers_of(scenario)))
    return np.concatenate([worth(settings, ticks, seed, day) for day in range(scenario.days)])


def one_price_bound(world: World) -> float:
    """The most revenue that could be expected of a finished run with its arrivals, servers and worth, currency.

    See `one_price`, which says what may raise a `MarketError`.
    """
    return one_price(world).bound


class OnePrice(NamedTuple):
    """One price for all server seconds of a run, and what it bounds."""

    price: float  # of a server second, currency
    bound: float  # on expected revenue, currency


def one_price(world: World) -> OnePrice:
    """min over a price p of  sum over ticks and tiers of n max over depths (expected worth - p server seconds) + p all seconds.

    It is the Lagrangian dual of a fluid plan in which nobody waits and work moves freely over the run, so no policy can expect
    more that does not know beforehand how long a server will take. Luck in auctions, in who comes and in how long servers take
    may bring more in a single run. (The same tick by tick is no bound: work crosses ticks.)

    Raises:
        MarketError: if the world has no funnel on servers.
    """
    scenario, books = world.scenario, world.serving
    if books is None or scenario.funnel is None:
        raise MarketError(f"a bound on compute needs a funnel on servers, and scenario {scenario.name!r} lacks one of them")
    its, factors = known(scenario).earnings, worth_by_tick(scenario, world.seed)
    requests = books.by_tier[: books.closed, :, Served.ARRIVED]
    seconds = float(books.capacity[: books.closed].sum()) * scenario.tick_us / 1e6
    earned = its.revenue * factors[: books.closed, :, None]  # (ticks, T, D)
    unit = max(float(its.revenue[:, -1].mean() / its.work_s[:, -1].mean()), 1e-12)
    return min(
        (
            OnePrice(
                float(price),
                float((np.maximum(earned - price * its.work_s, 0.0).max(axis=2) * requests).sum() + price * seconds),
            )
            for price in PRICES * unit
        ),
        key=lambda one: one.bound,
    )
