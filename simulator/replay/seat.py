"""The bid seat of a replay."""

from __future__ import annotations

import numpy as np

from ..core.arrays import CHUNK, Floats, Integers
from ..core.chance import Stream, generator
from ..core.errors import PolicyError
from ..core.rules import PythonRule
from ..engine.state import Count, Sum
from ..scenario.forecast import elapsed_before
from ..seats.bidding.decisions import BidPolicy, ChunkBids, Decision, Multiplier, RequestRule, Requests, checked, checked_bids
from ..seats.bidding.view import BidView, Facts, History, Known, Views
from ..seats.seat import Moment
from .history import PriceHistory, histogram
from .log import GRACE, Log, money
from .result import Episodes
from .walk import LEFT, walk_bids, walk_rule


class _Seat:
    """The bid seat of a replay: asks the policy at each tick and plays the auctions in between."""

    def __init__(
        self, log: Log, policy: BidPolicy, history: PriceHistory, parts: int, episode: int, budget: int, cap: int, ticks: int,
        seed: int,
    ) -> None:  # fmt: skip
        self._log, self._policy, self._name = log, policy, type(policy).__name__
        self._parts, self._price = parts, log.price * (parts // log.parts)
        self._grace = 1.0 if parts == 1 else GRACE
        self._episode, self._budget, self._cap, self._ticks, self._seed = episode, budget, cap, ticks, seed
        self._click = np.zeros(len(log), np.int8) if log.click is None else log.click
        self._target = history.cost_per_click
        self._starts = [tick * episode // ticks for tick in range(ticks + 1)]
        self._forecast = np.diff(self._starts) / episode
        counts, unit = histogram(history)
        past = History(
            impressions=np.array([float(history.impressions)]),
            conversions=np.array([float(history.clicks)]),
            spend=np.array([history.cost / history.parts]),
            rate=np.array([float(history.rate)]),
            prices=None if counts is None else counts[None].astype(np.float64),
            price_unit=None if counts is None else np.array([unit]),
        )
        self._known = Known(np.zeros(1, np.int64), ("replay",), ("max_value",), np.ones(1), past)
        self._decision: Decision | None = None
        self._multiplier = 1.0  # in force; NaN where bids come by request
        self._state = np.zeros(0)  # of a rule
        self._books = np.zeros(3, np.int64)  # of the episode
        self._believed = np.zeros(1)
        # Of the episode up to the last tick: auctions, impressions, clicks, spend, believed, offered.
        self._told = np.zeros(6)
        self._last = np.zeros(6)
        self._offered = 0.0
        nothing = _counted(self._told, self._target)
        one, count, flag = np.ones(1), np.zeros(1, np.int64), np.ones(1, np.bool_)
        like = Facts(*nothing, *nothing, one, one, one, count, count, count, one, flag, flag, one)
        self._views = Views(self._forecast, elapsed_before(self._forecast), float(episode), parts, like)

    def run(self) -> Episodes:
        """Plays the log from end to end."""
        rows = []
        for number, first in enumerate(range(0, len(self._log), self._episode)):
            self._books[:] = self._budget, 0, 0
            self._believed[0] = 0
            self._told = np.zeros(6)
            self._offered = 0.0
            for tick, (start, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
                if first + start >= len(self._log):
                    break
                self._ask(number, tick)
                end = min(first + end, len(self._log))
                self._play(first + start, end, self._episode - start)
                now = self._counts(end - first)
                self._last, self._told = now - self._told, now
            rows.append(self._told)
        *counts, believed, _ = np.array(rows).T
        auctions, impressions, clicks, spend = (c.astype(np.int64) for c in counts)
        return Episodes(auctions, impressions, clicks, money(spend, self._parts), believed)

    def _counts(self, auctions: int) -> Floats:
        left, impressions, clicks = self._books
        return np.array([auctions, impressions, clicks, self._budget - left, self._believed[0], self._offered])

    def _ask(self, number: int, tick: int) -> None:
        """Has the policy decide, and checks what it decided."""
        view = self._view(number, tick)
        if number == tick == 0:
            self._policy.start(view, generator(self._seed, Stream.POLICY, 0))
        decision = self._policy.decide(view)
        if decision is None:
            return
        self._decision = decision = checked(self._name, decision, 1, self._parts)
        self._multiplier = float(decision.values[0]) if isinstance(decision, Multiplier) else np.nan
        if isinstance(decision, RequestRule):
            self._state = np.ascontiguousarray(decision.state)  # the policy's own, wherever it can be: a table may be large

    def _view(self, number: int, tick: int) -> BidView:
        today, last = (_counted(told, self._target) for told in (self._told, self._last))
        target = np.array([self._target])
        facts = Facts(
            *last, *today, target, target, np.array([self._multiplier]), np.array([self._budget]), np.zeros(1, np.int64),
            self._budget - self._books[LEFT : LEFT + 1], np.full(1, np.nan), np.ones(1, np.bool_), last[0][Count.REQUESTS] > 0,
            np.ones(1),
        )  # fmt: skip
        (view,) = self._views.views([self._known], Moment(number, tick, self._ticks, 0), [(self._known.held, facts)])
        return view

    def _play(self, start: int, end: int, requests_left: int) -> None:
        """Plays the auctions of a tick; `requests_left` counts from its first to the end of the episode."""
        span = slice(start, end)
        rate, price, click = self._log.rate[span], self._price[span], self._click[span]
        self._offered += float(rate.sum())
        decision = self._decision
        if isinstance(decision, RequestRule):
            bad = walk_rule(
                rate, price, click, self._cap, requests_left, decision.rule.address, self._state.reshape(-1), self._books,
                self._believed, self._grace,
            )  # fmt: skip
            if self._state is not decision.state:
                decision.state[:] = self._state
            if isinstance(decision.rule, PythonRule) and decision.rule.error is not None:
                raise decision.rule.error
            if bad >= 0:
                raise PolicyError(f"the rule of {self._name} bid a negative or non-finite amount in auction {start + bad + 1}")
        elif isinstance(decision, ChunkBids):
            bids = self._offers(decision, start, end)
            walk_bids(self._parts * self._grace, bids, rate, price, click, self._cap, self._books, self._believed)
        else:
            scale = self._multiplier * self._target * self._parts * self._grace
            walk_bids(scale, rate, rate, price, click, self._cap, self._books, self._believed)

    def _offers(self, decision: ChunkBids, start: int, end: int) -> Floats:
        """Bids for the auctions of a tick, asked in blocks as in a world."""
        offers = np.empty(end - start)
        for first in range(start, end, CHUNK):
            last = min(first + CHUNK, end)
            rate = self._log.rate[None, first:last].copy()  # a policy must not write into the log
            requests = Requests(np.arange(first, last), np.zeros(last - first, np.int64), rate)
            bids = checked_bids(self._name, decision, requests)
            offers[first - start : last - start] = bids[0]
        return offers


def _counted(told: Floats, target: float) -> tuple[Integers, Floats]:
    """What was made of a span of auctions, in rows as in a world's books; what is reported as a conversion is a click."""
    requests, impressions, clicks, spend = (int(x) for x in told[:4])
    counts, sums = np.zeros((len(Count), 1), np.int64), np.zeros((len(Sum), 1))
    rows = {
        Count.REQUESTS: requests, Count.WINS: impressions, Count.IMPRESSIONS: impressions, Count.CLICKS: clicks,
        Count.REPORTED: clicks, Count.SPEND: spend,
    }  # fmt: skip
    for row, number in rows.items():
        counts[row] = number
    sums[Sum.BELIEVED], sums[Sum.OFFERED] = told[4] * target, told[5]
    return counts, sums
