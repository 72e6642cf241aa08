"""What a bidder sees: the one maker of a `BidView`, for campaigns of a world and for the one of a replay.

A policy sees only what a real campaign is told: bids, wins, cost, conversions once reported, the forecast of traffic. The
truth is not in a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...core.compiled import entry, inlined, kernel
from ...core.money import UNLIMITED
from ...engine.state import SUMS_TOLD, Count
from ...response.leads import LEADS_TOLD
from ..seat import Moment

# How many of the fields of `Told` are counts, in the order of the kernel's rows, and how many sums: spend, then the kernel's.
COUNTS_SEEN, SUMS_SEEN = Count.SPEND, 1 + SUMS_TOLD
STANDING = 8  # target, value, multiplier, budget, budget left, price, share of the budget spent, reach


class Told(NamedTuple):
    """What the held campaigns were told of a span of time; arrays have shape (held,)."""

    requests: Integers  # that came to the market
    wins: Integers  # slots won
    impressions: Integers  # slots seen by the user
    clicks: Integers
    conversions_reported: Integers  # reported in this span, whenever they happened
    spend: Floats  # currency
    believed_value: Floats  # sum of the platform's estimate of the impressions' value, currency
    offered: Floats  # sum of believed conversions per impression over all requests, won or lost


class ToldLeads(NamedTuple):
    """What held lead campaigns know of a span of time besides `Told`; arrays have shape (held,), 0 for other campaigns."""

    form_opens: Integers  # known at once; submits are conversions_reported
    qualified_reported: Integers  # leads found qualified in this span, whenever they were submitted


class History(NamedTuple):
    """An earlier day, as a campaign would have it in its reports; arrays have shape (held,), money in currency."""

    impressions: Floats
    conversions: Floats
    spend: Floats
    rate: Floats  # mean believed conversion rate of an impression, over all requests, won or lost
    # (held, steps) earlier auctions by the least price that won them, a column for each step of `price_unit` from 0 up; a
    # price between two steps counts as the upper. None: not known.
    prices: Floats | None = None
    price_unit: Floats | None = None  # currency; None with `prices`


class BidView(NamedTuple):
    """What a policy sees at the start of a tick; arrays have shape (held,) unless said otherwise, money in currency."""

    day: int
    tick: int  # of the day
    ticks: int  # of a day
    campaigns: tuple[str, ...]
    objectives: tuple[str, ...]  # of each: max_value, target_cpa, target_roas or utility
    active: NDArray[np.bool_]  # in flight and not paused
    could_bid: NDArray[np.bool_]  # active throughout the last tick, in which requests came: it can be learned from
    reach: Floats  # share of today's forecast traffic that has come while it was active, or is still to come
    target: Floats  # bid for a conversion at multiplier 1
    value: Floats  # of a conversion to the campaign now, by its own account
    prior: Floats  # multiplier of an earlier day
    multiplier: Floats  # in force; NaN where bids come by request
    budget: Floats  # of today; inf: unlimited
    budget_left: Floats
    spent_share: Floats  # spend of today over today's budget; 0 where it is unlimited, 1 where there is none to spend
    forecast: Floats  # (ticks,) expected shares of the day's requests, summing to 1
    elapsed: float  # sum of those before this tick
    forecast_requests: float  # of the whole day
    last: Told  # the tick that has just ended; zeros in the first tick of all
    today: Told  # the day so far
    market_price: Floats  # mean least winning cost of a slot in the last tick (as a rank if squashed); NaN: not told
    history: History
    last_leads: ToldLeads | None = None  # the tick that has just ended; None in a market without lead campaigns
    today_leads: ToldLeads | None = None  # the day so far
    rule_unit: float = 1e-6  # what 1 stands for in budgets and bids of a `RequestRule`, in currency

    @property
    def due(self) -> Floats:
        """What share of today's budget would be spent by now, at an even pace over the traffic within reach; (held,).

        `elapsed` for a campaign that has been active all day; what came while it was not is no reason to hurry.
        """
        due = np.empty(self.reach.shape)
        all_due(self.elapsed, self.reach, due)
        return due


@inlined
def due_of(elapsed: Any, reach: Any) -> Any:
    """See `BidView.due`, for one campaign."""
    return (elapsed - (1.0 - reach)) / reach if reach > 0.0 else 0.0


@kernel()
def all_due(elapsed: Any, reach: Any, due: Any) -> None:
    """Fills `due` (held,)."""
    for n in range(due.size):
        due[n] = due_of(elapsed, reach[n])


class Known(NamedTuple):
    """What never changes of the campaigns that a policy holds; arrays have shape (held,) and cannot be written to."""

    held: Integers  # their places among those of `Facts`
    campaigns: tuple[str, ...]
    objectives: tuple[str, ...]
    prior: Floats
    history: History


def joined(knowns: Sequence[Known]) -> Known:
    """The campaigns of several policies as those of one, one policy after another."""
    histories = [known.history for known in knowns]
    # A market either tells all campaigns what prices were or none.
    columns: dict[str, Any] = {
        name: None if getattr(histories[0], name) is None else np.concatenate([getattr(h, name) for h in histories])
        for name in History._fields
    }
    return Known(
        held=np.concatenate([known.held for known in knowns]),
        campaigns=tuple(name for known in knowns for name in known.campaigns),
        objectives=tuple(objective for known in knowns for objective in known.objectives),
        prior=np.concatenate([known.prior for known in knowns]),
        history=History(**columns),
    )


class Facts(NamedTuple):
    """What there is to tell of K campaigns now, in the arrays of whoever keeps their books: money charged in `unit`s."""

    last_counts: Integers  # (rows, K) of the tick that has ended, rows as in the kernels' state
    last_sums: Floats
    today_counts: Integers
    today_sums: Floats
    target: Floats  # (K,), as are the following
    value: Floats
    multiplier: Floats
    allowance: Integers  # what may have been spent by now, since the start
    day_spent: Integers  # what had been spent before today
    spent: Integers
    market_price: Floats  # currency; NaN: not told
    active: NDArray[np.bool_]
    could_bid: NDArray[np.bool_]
    reach: Floats


class Views:
    """Makes the views of one market: `forecast` (ticks,) and its sums before each tick, how many requests it is of, and what 1
    is worth in the market's books.
    """

    def __init__(self, forecast: Floats, elapsed: Sequence[float], expected_requests: float, unit: int, like: Facts) -> None:
        self._forecast, self._elapsed, self._expected, self._unit = forecast, elapsed, expected_requests, unit
        self._look = entry(look, like.spent, 0, *like, unit, *_room(0))

    def views(
        self, knowns: Sequence[Known], moment: Moment, parts: Sequence[tuple[Integers, Facts]], leads: Integers | None = None
    ) -> list[BidView]:
        """What holders of campaigns see, each in arrays of its own.

        `parts` are places of campaigns among those of facts; all of them, one part after another, are those of the first of
        `knowns`, then those of the next, and so on. `leads` (2 LEADS_TOLD, campaigns): of the last tick, and of today.
        """
        room = _room(sum(held.size for held, _ in parts))
        column = 0
        for held, facts in parts:
            self._look(held, column, *facts, self._unit, *room)
            column += held.size
        if len(knowns) == 1:
            return [self._view(knowns[0], moment, *room, leads)]
        found, first = [], 0
        for known in knowns:
            cut = slice(first, first + known.held.size)
            ints, floats, flags = room
            told = None if leads is None else leads[:, cut]
            found.append(self._view(known, moment, ints[:, cut], floats[:, cut], flags[:, cut], told))
            first = cut.stop
        return found

    def _view(
        self, known: Known, moment: Moment, ints: Integers, floats: Floats, flags: NDArray[np.bool_], leads: Integers | None
    ) -> BidView:
        counts, sums, (active, could_bid) = list(ints), list(floats), flags  # rows of arrays, the quickest way to have each
        target, value, multiplier, budget, left, price, spent_share, reach = sums[2 * SUMS_SEEN :]
        return BidView(
            day=moment.day,
            tick=moment.tick,
            ticks=moment.ticks,
            campaigns=known.campaigns,
            objectives=known.objectives,
            active=active,
            could_bid=could_bid,
            reach=reach,
            target=target,
            value=value,
            prior=known.prior,
            multiplier=multiplier,
            budget=budget,
            budget_left=left,
            spent_share=spent_share,
            forecast=self._forecast,
            elapsed=self._elapsed[moment.tick],
            forecast_requests=self._expected,
            last=Told._make(counts[:COUNTS_SEEN] + sums[:SUMS_SEEN]),
            today=Told._make(counts[COUNTS_SEEN:] + sums[SUMS_SEEN : 2 * SUMS_SEEN]),
            market_price=price,
            history=known.history,
            last_leads=None if leads is None else ToldLeads(*leads[:LEADS_TOLD]),
            today_leads=None if leads is None else ToldLeads(*leads[LEADS_TOLD:]),
            rule_unit=1 / self._unit,
        )


def _room(campaigns: int) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """What `look` fills."""
    return (
        np.empty((2 * COUNTS_SEEN, campaigns), np.int64),
        np.empty((2 * SUMS_SEEN + STANDING, campaigns)),
        np.empty((2, campaigns), np.bool_),
    )


@kernel()
def look(
    held: Any, column: Any, counts: Any, sums: Any, today_counts: Any, today_sums: Any, target: Any, value: Any,
    multiplier: Any, allowance: Any, day_spent: Any, spent: Any, price: Any, active: Any, could_bid: Any, reach: Any, unit: Any,
    ints: Any, floats: Any, flags: Any,
) -> None:  # fmt: skip
    """Copies what held campaigns are told into columns from one on: the last tick, today, and how they stand.

    `unit`s of money become currency.
    """
    for n in range(held.size):
        k, c = held[n], column + n
        for row in range(COUNTS_SEEN):
            ints[row, c] = counts[row, k]
            ints[COUNTS_SEEN + row, c] = today_counts[row, k]
        floats[0, c] = counts[Count.SPEND, k] / unit
        floats[SUMS_SEEN, c] = today_counts[Count.SPEND, k] / unit
        for row in range(SUMS_TOLD):
            floats[1 + row, c] = sums[row, k]
            floats[SUMS_SEEN + 1 + row, c] = today_sums[row, k]
        standing = floats[2 * SUMS_SEEN :, c]
        standing[0], standing[1], standing[2] = target[k], value[k], multiplier[k]
        budget = currency(allowance[k] - day_spent[k], unit)
        standing[3], standing[4], standing[5] = budget, currency(allowance[k] - spent[k], unit), price[k]
        standing[6] = floats[SUMS_SEEN, c] / budget if budget > 0 else 1.0
        standing[7] = reach[k]
        flags[0, c], flags[1, c] = active[k], could_bid[k]


@inlined
def currency(money: Any, unit: Any) -> Any:
    """An amount of money; inf where there is no limit."""
    return np.inf if money >= UNLIMITED // 2 else money / unit
