"""The truth about uplift: what showing an ad adds to what its user would have done anyway. For judges only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.engine.exchange import Exchange
from ...simulator.market.market import build
from ...simulator.response.organic import true_organic, true_rates
from ...simulator.scenario.tree import Scenario


def uplift(scenario: Scenario, users: ArrayLike, ads: ArrayLike, ticks: ArrayLike = 0, appetite: ArrayLike = 1.0) -> Floats:
    """P(conversion | ad shown and seen) - P(conversion | not), for user n and ad n in tick n of the day, shape (n,).

    A user converts for a campaign if a click on its ad leads to it, or would do so that day without an ad; these draws are
    independent, given who the user is. So the difference is click rate x conversion rate x (1 - organic rate). `appetite`
    is what fatigue makes of the click rate: 1 on first sight. Arguments of one number stand for all n.

    Raises:
        MarketError: if rates do not follow from users, or from more than user and ad, or if there is no such user, ad or tick.
    """
    if scenario.rates.kind != "interests":
        raise MarketError(
            f"uplift is a function of user and ad only where rates are of kind interests, not {scenario.rates.kind}"
        )
    if scenario.asks or scenario.creatives is not None:
        raise MarketError(
            f"uplift is a function of user and ad only where requests are alike and an ad is its one creative, and scenario "
            f"{scenario.name!r} has {'surfaces or search' if scenario.asks else 'creatives'}"
        )
    market = build(scenario)
    user, ad, tick = _places(
        (
            ("user", users, len(market.users.segment)),
            ("ad", ads, len(market.campaigns.appeal)),
            ("tick", ticks, scenario.ticks_per_day),
        )
    )
    campaign = market.campaigns.ad_campaign[ad]
    click, anyway = np.zeros(user.size), np.zeros(user.size)
    true_rates(user, ad, campaign, Exchange(scenario, market, 0).state, click, anyway)
    return np.asarray(appetite, np.float64) * click * market.conversion[tick, campaign] * (1 - anyway)


def organic(scenario: Scenario, seed: int, users: ArrayLike, days: ArrayLike, campaigns: ArrayLike) -> NDArray[np.bool_]:
    """Whether user n converts on day n for campaign n without its ad, in the world of this seed; shape (n,).

    Raises:
        MarketError: if nobody converts without an ad, or if there is no such user, day or campaign.
    """
    market = build(scenario)
    if scenario.response.organic is None:
        raise MarketError(f"in scenario {scenario.name!r} nobody converts without an ad: response.organic is None")
    user, day, campaign = _places(
        (
            ("user", users, len(market.users.segment)),
            ("day", days, scenario.days),
            ("campaign", campaigns, len(market.campaigns.names)),
        )
    )
    out = np.zeros(user.size, np.bool_)
    true_organic(user, day, campaign, Exchange(scenario, market, seed).state, out)
    return out


def _places(given: tuple[tuple[str, ArrayLike, int], ...]) -> list[NDArray[np.int64]]:
    """Whole numbers below their bounds, broadcast to one row."""
    rows = []
    for name, values, bound in given:
        row = np.atleast_1d(np.asarray(values))
        if row.dtype.kind not in "iu" or row.ndim != 1 or (row.size and not 0 <= row.min() <= row.max() < bound):
            raise MarketError(f"each {name} is a whole number from 0 to {bound - 1:,}")
        rows.append(row.astype(np.int64))
    return [np.ascontiguousarray(row) for row in np.broadcast_arrays(*rows)]
