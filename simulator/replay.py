"""A market made from a log: one bidder against recorded prices, with the same policies as in a world.

The bidder is a price taker: its bids move no price, and no rival reacts to it. It wins an auction if its bid, cut down to what
prices are counted in (whole money, or parts of it: see `log`), is above 0 and reaches the market price, and pays that price.
The log is cut into episodes with a budget each (a "day" in the
terms of the bid seat), an episode into ticks at which the policy decides. A click is what is valued: one is worth the
history's cost per click.

Reference for the setting: Cai et al., Real-Time Bidding by Reinforcement Learning in Display Advertising, WSDM 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chance import Stream, generator
from .compiled import inlined, kernel
from .errors import LogError, PolicyError
from .kernel import CHUNK
from .log import Log, PriceHistory, read_history, read_log
from .numeric import real, whole
from .rules import call_rule, pointer_to
from .seats import (
    BidPolicy,
    BidView,
    ChunkBids,
    Decision,
    History,
    Multiplier,
    RequestRule,
    Requests,
    Told,
    check_form,
    checked_bids,
    checked_multipliers,
)  # fmt: skip

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

PRICE_TAKER = "The bidder is a price taker here: its bids move no recorded price, and no rival reacts to them."
GRACE = 1 + 2.0**-40  # on bids in parts of money: 0.29 is 29 hundredths, and as a float a little less
STEPS = 1000  # of a histogram of prices in parts of money, as in a world
TICKS = 10  # of an episode, unless said otherwise
# Places in the books a kernel keeps.
LEFT, IMPRESSIONS, CLICKS = range(3)


class Episodes(NamedTuple):
    """What happened in each episode; arrays have shape (episodes,), money in the log's own."""

    auctions: Counts
    impressions: Counts
    clicks: Counts  # zeros if the log has none
    spend: Counts | Floats  # whole numbers where the log's money is
    believed_clicks: Floats  # sum of predicted rates of the impressions


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What a bidder made of a log; money in the log's own unit."""

    price_taker: ClassVar[bool] = True  # see `PRICE_TAKER`

    episodes: Episodes
    budget: int | float  # of an episode; a whole number where the log's money is, as is all money here
    max_bid: int | float
    has_clicks: bool  # whether the log says what was clicked

    @property
    def auctions(self) -> int:
        return int(self.episodes.auctions.sum())

    @property
    def impressions(self) -> int:
        return int(self.episodes.impressions.sum())

    @property
    def clicks(self) -> int | None:
        """None if the log does not say."""
        return int(self.episodes.clicks.sum()) if self.has_clicks else None

    @property
    def spend(self) -> int | float:
        total: int | float = self.episodes.spend.sum().item()
        return total

    @property
    def believed_clicks(self) -> float:
        return float(self.episodes.believed_clicks.sum())

    @property
    def win_rate(self) -> float:
        return self.impressions / self.auctions

    @property
    def cpm(self) -> float:
        """Mean price of an impression, as the log prices it (per thousand, if the log does); NaN without impressions."""
        return self.spend / self.impressions if self.impressions else np.nan

    @property
    def ecpc(self) -> float:
        """Spend over clicks; NaN without clicks."""
        return self.spend / self.clicks if self.clicks else np.nan

    def __str__(self) -> str:
        clicks = "an unknown number of" if self.clicks is None else f"{self.clicks:,}"
        return (
            f"{self.auctions:,} auctions in {len(self.episodes.auctions):,} episodes with a budget of {self.budget:,} each: "
            f"{self.impressions:,} impressions, {clicks} clicks, {self.believed_clicks:,.1f} believed, cost {self.spend:,}.\n"
            + PRICE_TAKER
        )


class Replayed(NamedTuple):
    """Several bidders on one log."""

    log: Log
    history: PriceHistory
    results: dict[str, ReplayResult]  # by bidder
    notes: tuple[str, ...]  # sentences that belong under the results


def replay_log(
    log: str | Path,
    bidders: Mapping[str, BidPolicy],
    history: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    **terms: Any,
) -> Replayed:
    """Reads a log and a history and replays each bidder on it: all that `adarena replay` does but print.

    Args:
        log, columns: see `read_log`.
        bidders: policies by the name under which their results are wanted.
        history: see `read_history`; None: the log itself, and the notes say so.
        terms: what else `replay` takes (episode, budget_fraction, ticks, max_bid, seed).

    Raises:
        LogError, PolicyError: as `replay`; nothing has been played if the log, the history or the terms are wrong.
    """
    auctions = read_log(log, columns)
    notes = [PRICE_TAKER]
    if history is None:
        if auctions.click is None:
            raise LogError(f"{auctions.name} has no column of clicks: give a history that tells what a click costs")
        past = PriceHistory.of(auctions)
        notes.append("No history was given: bidders know the means of the very log they bid in, which no bidder does.")
    else:
        past = read_history(history)
    results = {name: replay(auctions, policy, past, **terms) for name, policy in bidders.items()}
    return Replayed(auctions, past, results, tuple(notes))


def rows(results: Mapping[str, ReplayResult]) -> Iterator[dict[str, str | int | float | None]]:
    """A table row for each bidder: what was won, what it cost, and the share of all budgets that was spent."""
    for name, result in results.items():
        yield {
            "bidder": name,
            "auctions": result.auctions,
            "impressions": result.impressions,
            "win_rate": result.win_rate,
            "clicks": result.clicks,
            "believed_clicks": result.believed_clicks,
            "cost": result.spend,
            "cpm": result.cpm,
            "ecpc": result.ecpc,
            "budget_spent": result.spend / (result.budget * len(result.episodes.auctions)),
        }


def replay(
    log: Log,
    policy: BidPolicy,
    history: PriceHistory,
    episode: int = 1000,
    budget_fraction: float = 1 / 32,
    ticks: int | None = None,
    max_bid: float | None = None,
    seed: int = 0,
) -> ReplayResult:
    """Replays one bidder on a log.

    Args:
        log: the auctions.
        policy: sits in the bid seat for one campaign. Its target is the history's cost per click, its prior 1; `day` is
            the episode. What is reported as a conversion is a click (none, if the log has no clicks). Market prices are
            told only by what is paid.
        history: what the bidder knows from earlier.
        episode: auctions with one budget. The log's last episode may end early; neither bidder nor budget knows.
        budget_fraction: budget of an episode, as a share of what its auctions cost at the history's mean price.
        ticks: decisions an episode; None: 10, or as many as it has auctions.
        max_bid: bids are capped at it, a whole number where all prices are; None: the largest price of the history, or the
            budget if prices are not known.
        seed: of the policy's own dice.

    Raises:
        LogError: if the terms are wrong.
        PolicyError: if the policy cannot be asked or decides what is not allowed.
    """
    episode = _whole("episode", episode, 1)
    ticks = min(TICKS, episode) if ticks is None else _whole("ticks", ticks, 1)
    if ticks > episode:
        raise LogError(f"ticks={ticks} is more than the {episode} auctions of an episode: an auction a tick is the most")
    fraction = real(budget_fraction)
    if fraction is None or not fraction > 0:
        raise LogError(f"budget_fraction={budget_fraction} must be a finite number above 0")
    parts = max(log.parts, history.parts)  # all money is counted in the finer ones
    cost = history.cost * (parts // history.parts)
    budget = int(min(cost / history.impressions * fraction * episode, 2.0**53))
    if not 0 < budget < 2**53:
        told = f"the {history.cost_per_impression * episode:.6g} that {episode} auctions cost"
        unit = "units" if parts == 1 else f"parts of 1/{parts:,}"
        raise LogError(f"budget_fraction={budget_fraction} of {told} is a budget of {budget}: 1 to 2**53 {unit} are allowed")
    if max_bid is not None:
        cap = _whole("max_bid", max_bid, 0) if parts == 1 else _counted("max_bid", max_bid, parts)
    else:
        cap = budget if history.largest_price is None else history.largest_price * (parts // history.parts)
    if not isinstance(policy, BidPolicy):
        raise PolicyError(f"a replay needs a BidPolicy, not {type(policy).__name__}")
    seat = _Seat(log, policy, history, parts, episode, budget, min(cap, budget), ticks, _whole("seed", seed, 0))
    return ReplayResult(seat.run(), money(budget, parts), money(cap, parts), log.click is not None)


def money(counted: Any, parts: int) -> Any:
    """An amount in the log's own money; a whole number stays one where prices are whole."""
    return counted if parts == 1 else counted / parts


def _counted(name: str, value: Any, parts: int) -> int:
    """An amount of money in parts of it, cut down."""
    amount = real(value)
    if amount is None or not 0 <= amount < 2**53 / parts:
        raise LogError(f"{name}={value!r} must be an amount of money from 0 up")
    return int(amount * parts * GRACE)


def _whole(name: str, value: Any, least: int) -> int:
    number = whole(value)
    if number is None or not least <= number < 2**63:
        raise LogError(f"{name}={value!r} must be a whole number from {least} up")
    return number


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
        counts, unit = _histogram(history)
        self._past = History(
            impressions=np.array([float(history.impressions)]),
            conversions=np.array([float(history.clicks)]),
            spend=np.array([history.cost / history.parts]),
            rate=np.array([float(history.rate)]),
            prices=None if counts is None else counts[None].astype(np.float64),
            price_unit=None if counts is None else np.array([unit]),
        )
        self._decision: Decision | None = None
        self._multiplier = 1.0  # in force; NaN where bids come by request
        self._state = np.zeros(0)  # of a rule
        self._books = np.zeros(3, np.int64)  # of the episode
        self._believed = np.zeros(1)
        # Of the episode up to the last tick: auctions, impressions, clicks, spend, believed, offered.
        self._told = np.zeros(6)
        self._last = np.zeros(6)
        self._offered = 0.0

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
        check_form(self._name, decision, 1)
        self._decision = decision
        self._multiplier = np.nan
        if isinstance(decision, Multiplier):
            self._multiplier = float(checked_multipliers(self._name, decision, 1)[0])
        elif isinstance(decision, RequestRule):
            self._state = np.ascontiguousarray(decision.state)  # the policy's own, wherever it can be: a table may be large

    def _view(self, number: int, tick: int) -> BidView:
        today, last = (_told(told, self._target, self._parts) for told in (self._told, self._last))
        return BidView(
            day=number,
            tick=tick,
            ticks=self._ticks,
            campaigns=("replay",),
            objectives=("max_value",),
            active=np.ones(1, np.bool_),
            could_bid=last.requests > 0,
            reach=np.ones(1),
            target=np.array([self._target]),
            value=np.array([self._target]),
            prior=np.ones(1),
            multiplier=np.array([self._multiplier]),
            budget=np.array([self._budget / self._parts]),
            budget_left=np.array([self._books[LEFT] / self._parts]),
            spent_share=self._told[3:4] / self._budget if self._budget > 0 else np.ones(1),
            forecast=self._forecast,
            elapsed=float(self._forecast[:tick].sum()),
            forecast_requests=float(self._episode),
            last=last,
            today=today,
            market_price=np.full(1, np.nan),
            history=self._past,
            rule_unit=1.0 / self._parts,
        )

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


def _histogram(history: PriceHistory) -> tuple[Counts | None, float]:
    """The history's histogram of prices and its step in money; of fine parts steps are put together, a price counting up."""
    counts, unit = history.price_counts, 1 / history.parts
    if counts is None or history.parts == 1 or len(counts) <= STEPS + 1:
        return counts, unit
    merged = -(-(len(counts) - 1) // STEPS)
    place = -(-np.arange(len(counts)) // merged)
    return np.bincount(place, counts).astype(np.int64), unit * merged


def _told(counts: Floats, target: float, parts: int) -> Told:
    requests, impressions, clicks = (np.array([int(x)]) for x in counts[:3])
    return Told(requests, impressions, impressions, clicks, clicks, counts[3:4] / parts, counts[4:5] * target, counts[5:])


@inlined
def wins(bid: Any, cap: Any, left: Any, price: Any) -> Any:
    """1 if a bid, cut down to a whole number, capped, and never above the budget left, is 1 at least and reaches the price.

    Otherwise 0: a bid of 0 is none, as in a world, and wins no auction at price 0.
    A number and no condition: callers multiply by it, because a branch on it is guessed wrong so often that it costs 5 ns.
    """
    return np.int64(max(price, np.int64(1)) <= min(np.int64(min(bid, np.float64(cap))), left))


@kernel()
def walk_bids(scale: Any, base: Any, rate: Any, price: Any, click: Any, cap: Any, books: Any, believed: Any) -> None:
    """Plays auctions with bids of scale x base; arrays have shape (auctions,)."""
    left, impressions, clicks, sum_of_rates = books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0]
    for i in range(price.size):
        won = wins(scale * base[i], cap, left, price[i])
        left -= price[i] * won
        impressions += won
        clicks += click[i] * won
        sum_of_rates += rate[i] * won
    books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0] = left, impressions, clicks, sum_of_rates


@kernel()
def walk_rule(
    rate: Any, price: Any, click: Any, cap: Any, requests_left: Any, address: Any, state: Any, books: Any, believed: Any,
    grace: Any,
) -> Any:  # fmt: skip
    """Plays auctions with a compiled rule. Returns the place of its first bid that is not allowed, where it stops, or -1."""
    left, impressions, clicks, sum_of_rates = books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0]
    row, width, bad = pointer_to(state, 0), state.size, -1
    for i in range(price.size):
        bid = call_rule(address, rate[i], left, requests_left - i, row, width)
        if not 0.0 <= bid < np.inf:
            bad = i
            break
        won = wins(bid * grace, cap, left, price[i])
        left -= price[i] * won
        impressions += won
        clicks += click[i] * won
        sum_of_rates += rate[i] * won
    books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0] = left, impressions, clicks, sum_of_rates
    return bad
