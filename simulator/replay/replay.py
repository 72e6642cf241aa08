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
from pathlib import Path
from typing import Any

from ..core.errors import LogError, PolicyError
from ..core.numeric import real, whole
from ..seats.bidding.decisions import BidPolicy
from .history import PriceHistory, read_history
from .log import GRACE, Log, money
from .reading import read_log
from .result import PRICE_TAKER, Replayed, ReplayResult
from .seat import _Seat

TICKS = 10  # of an episode, unless said otherwise


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
