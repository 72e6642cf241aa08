"""What is known from earlier auctions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import Integers
from ..core.errors import LogError
from ..core.numeric import whole
from .log import LARGEST_COUNTED, Log, _each_once, _impressions, _utf8
from .reading import _head, read_log

STEPS = 1000  # of a histogram of prices in parts of money, as in a world


@dataclass(frozen=True, eq=False)
class PriceHistory:
    """What is known from earlier auctions, as a campaign has it in its reports; money in the log's own, or parts of it.

    Raises:
        LogError: if there is nothing to learn from it.
    """

    impressions: int
    clicks: int
    cost: int  # in `parts`
    rate: float  # mean predicted rate of an auction; clicks / impressions where no predictions are kept
    price_counts: Integers | None = None  # (largest price + 1,) auctions by market price in `parts`; None: not kept
    source: str = "the history"
    parts: int = 1  # into which cost and prices divide one unit of money

    def __post_init__(self) -> None:
        for name in ("impressions", "clicks", "cost"):
            number = whole(getattr(self, name))
            if number is None or not abs(number) < 2**53:
                raise LogError(f"{self.source}: {name} must be a whole number below 2^53, not {getattr(self, name)!r}")
            object.__setattr__(self, name, number)
        if not 0 < self.clicks <= self.impressions:
            raise LogError(
                f"{self.source} has {self.clicks} clicks in {self.impressions} impressions: "
                "a history needs at least one click and no more clicks than impressions"
            )
        if self.cost <= 0:
            raise LogError(f"{self.source} has a cost of {self.cost}: a history needs a cost above 0")

    @property
    def largest_price(self) -> int | None:
        """The last price of the histogram, in `parts`; None without one."""
        return None if self.price_counts is None else len(self.price_counts) - 1

    @property
    def cost_per_impression(self) -> float:
        """In the log's money."""
        return self.cost / self.parts / self.impressions

    @property
    def cost_per_click(self) -> float:
        """In the log's money."""
        return self.cost / self.parts / self.clicks

    @classmethod
    def of(cls, log: Log, source: str | None = None) -> PriceHistory:
        """The history that a log is: each of its auctions bought at its market price. The log must have clicks."""
        if log.click is None:
            raise LogError(f"{log.name} has no column of clicks, so it cannot be a history")
        largest = int(log.price.max())
        most = LARGEST_COUNTED * (10 if log.parts > 1 else 1)
        counts = np.bincount(log.price) if largest < most else None
        return cls(
            impressions=len(log),
            clicks=int(log.click.sum()),
            cost=int(log.price.sum()),
            rate=float(log.rate.mean()),
            price_counts=counts,
            source=source or log.name,
            parts=log.parts,
        )


def read_history(path: str | Path, columns: Mapping[str, str] | None = None) -> PriceHistory:
    """Reads a history: JSON of the form of iPinYou's `info` files, or an earlier log with clicks.

    The JSON has imp_train, clk_train, cost_train and, if known, price_counter_train: how often each price from 0 up was seen.

    Raises:
        LogError: if the file or one of its values cannot be used.
    """
    path = _impressions(Path(path))
    if path.suffix.lower() != ".json" and _utf8(_head(path)).lstrip()[:1] != b"{":
        return PriceHistory.of(read_log(path, columns))
    try:
        known = json.loads(_utf8(path.read_bytes()), object_pairs_hook=_each_once)
    except OSError as error:
        raise LogError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise LogError(f"{path} is not JSON: {error}") from None
    if not isinstance(known, dict):
        raise LogError(f"{path} must hold a JSON object with imp_train, clk_train and cost_train, not a {type(known).__name__}")
    impressions, clicks, cost = (_count(path, known, key) for key in ("imp_train", "clk_train", "cost_train"))
    counts = known.get("price_counter_train")
    if counts is not None:
        if not isinstance(counts, list) or not counts or not all(type(c) is int and 0 <= c < 2**53 for c in counts):
            raise LogError(f"{path}: 'price_counter_train' must be a list of whole numbers from 0 up, one for each price")
        counts = np.array(counts, np.int64)
    return PriceHistory(impressions, clicks, cost, clicks / max(impressions, 1), counts, str(path))


def _count(path: Path, known: Mapping[str, Any], key: str) -> int:
    value = known.get(key)
    if type(value) is not int or not 0 <= value < 2**53:
        raise LogError(f"{path}: {key!r} must be a whole number from 0 up, not {value!r}")
    return value


def histogram(history: PriceHistory) -> tuple[Integers | None, float]:
    """The history's histogram of prices and its step in money; of fine parts steps are put together, a price counting up."""
    counts, unit = history.price_counts, 1 / history.parts
    if counts is None or history.parts == 1 or len(counts) <= STEPS + 1:
        return counts, unit
    merged = -(-(len(counts) - 1) // STEPS)
    place = -(-np.arange(len(counts)) // merged)
    return np.bincount(place, counts).astype(np.int64), unit * merged
