"""What several bidders ask of a view: what is still to come, and the multiplier, price or bid that costs just so much."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from ...simulator.seats.bidding.decisions import BidPolicy
from ...simulator.seats.bidding.view import BidView, History
from .laws import DEPLETED, all_budgets, all_shares, all_short

HALVINGS = 50  # of a search's interval


def requests_to_come(view: BidView) -> float:
    """Requests that the forecast puts into the rest of the day, from this tick on."""
    return view.forecast_requests * float(view.forecast[view.tick :].sum())


def has_money(view: BidView) -> NDArray[np.bool_]:
    """Whose spend will say something about its bid: those without a budget, or with more than a rest of it left."""
    return np.isinf(view.budget) | (view.budget_left > DEPLETED * view.budget)


def budget_of_tick(view: BidView) -> Floats:
    """The budget times the coming tick's share of the forecast traffic in reach, at most what is left; 0 without either."""
    found = np.empty(view.reach.shape)
    all_budgets(view.forecast[view.tick], view.reach, view.budget, view.budget_left, found)
    return found


def spend_of_tick(view: BidView) -> Floats:
    """As much of the day's spend, the budget or without one that of the history, as the forecast puts into the coming tick."""
    daily = np.where(np.isinf(view.budget), view.history.spend, view.budget)
    return np.where(has_money(view), daily * share_of_tick(view), 0.0)


def share_of_tick(view: BidView) -> Floats:
    """The coming tick's share of the day's forecast traffic that is within reach; 0 where none is."""
    share = np.empty(view.reach.shape)
    all_shares(view.forecast[view.tick], view.reach, share)
    return share


def shortfall(wanted: Floats, view: BidView, where: NDArray[np.bool_] | bool = True) -> Floats:
    """By what share of what was wanted of it the last tick spent less.

    0 where nothing was, where a campaign could not bid, or not `where`.
    """
    short = np.empty(wanted.shape)
    all_short(wanted, view.last.spend, view.could_bid if where is True else view.could_bid & where, short)
    return short


def pays_for_itself(view: BidView) -> NDArray[np.bool_]:
    """Which campaigns want a conversion at no more than `target`, or value of so many times its cost."""
    return np.array([objective in ("target_cpa", "target_roas") for objective in view.objectives])


def allowed_spend(believed_value: Floats, view: BidView) -> Floats:
    """The most that impressions of this believed value may cost under the campaigns' targets: target x conversions."""
    return believed_value * view.target / view.value


def known_prices(policy: BidPolicy, history: History) -> tuple[Floats, Floats]:
    """The history's prices as shares of auctions, (held, steps), and their unit, (held,). Raises `PolicyError` without."""
    if history.prices is None or history.price_unit is None:
        raise PolicyError(
            f"{type(policy).__name__} needs a history that tells market prices, and this one has no histogram of them "
            "(price_counter_train in JSON; a log of past auctions tells them, too)"
        )
    return history.prices / history.prices.sum(axis=1, keepdims=True), history.price_unit


def highest_within(cost: Callable[[Floats], Floats], limit: Floats, least: Floats, most: Floats) -> Floats:
    """The highest x from `least` to `most` (both above 0) with cost(x) <= limit, cost rising in x; else `least`.

    All of shape (held,). Found by halving the interval of log x.
    """
    low, high = np.log(least), np.log(most)
    fits = cost(most) <= limit
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = cost(np.exp(middle)) <= limit
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(fits, most, np.exp(low))
