"""What a day's servers could have earned at most, had everybody known requests, outages and worth. For judges only."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.delivery.queue import Served
from ...simulator.requests.worth import worth
from ...simulator.seats.compute.known import known
from ...simulator.world import World

PRICES: Floats = np.exp(
    np.linspace(-8.0, 4.0, 241)
)  # of a server second, as multiples of what one earns at full depth on average


def one_price_bound(world: World) -> float:
    """The most revenue that could be expected of a finished day with its arrivals, servers and worth, currency.

    min over a price p of  sum over ticks and tiers of n max over depths (expected worth - p server seconds) + p all server
    seconds: the Lagrangian dual of a fluid plan in which nobody waits and work moves freely over the day, so no policy can
    expect more. Luck in auctions may bring more in a single run. (The same tick by tick is no bound: work crosses ticks.)

    Raises:
        MarketError: if the world has no funnel on servers.
    """
    scenario, books = world.scenario, world.serving
    if books is None or scenario.funnel is None:
        raise MarketError(f"a bound on compute needs a funnel on servers, and scenario {scenario.name!r} lacks one of them")
    its, settings, ticks = known(scenario).earnings, scenario.weather.tiers, scenario.ticks_per_day
    factors = np.ones((scenario.days * ticks, len(its.revenue)))
    if settings is not None:
        factors = np.concatenate([worth(settings, ticks, world.seed, day) for day in range(scenario.days)])
    requests = books.by_tier[: books.closed, :, Served.ARRIVED]
    seconds = float(books.capacity[: books.closed].sum()) * scenario.tick_us / 1e6
    earned = its.revenue * factors[: books.closed, :, None]  # (ticks, T, D)
    unit = max(float(its.revenue[:, -1].mean() / its.work_s[:, -1].mean()), 1e-12)
    bounds = [
        float((np.maximum(earned - price * its.work_s, 0.0).max(axis=2) * requests).sum() + price * seconds)
        for price in PRICES * unit
    ]
    return min(bounds)
