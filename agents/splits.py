"""Which seeds are for what: days to train and tune on, days to choose by, and days to test on never meet."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Literal

from ..simulator.core import numeric
from ..simulator.core.errors import MarketError, PolicyError

Split = Literal["train", "validation", "test"]
SPLITS: dict[Split, range] = {
    "train": range(800_000),
    "validation": range(800_000, 1_000_000),
    "test": range(1_000_000, 2_000_000),
}


def seeds(split: Split, count: int) -> range:
    """The first `count` seeds of a split. Raises `MarketError` if there are not so many, or less than one is wanted."""
    whole = SPLITS[split]
    wanted = numeric.whole(count)
    if wanted is None or not 1 <= wanted <= len(whole):
        raise MarketError(f"from 1 to {len(whole):,} {split} seeds can be had, not {count!r}")
    return whole[:wanted]


def split_of(seed: int) -> Split:
    """The split a seed belongs to. Raises `MarketError` if it belongs to none."""
    for split, whole in SPLITS.items():
        if isinstance(seed, Integral) and not isinstance(seed, bool) and seed in whole:
            return split
    raise MarketError(f"a seed of a comparison is a whole number from 0 to {SPLITS['test'].stop - 1:,}, not {seed!r}")


def checked(seed: int, split: Split) -> int:
    """The seed, if it belongs to the split; else `MarketError`."""
    if (own := split_of(seed)) != split:
        raise MarketError(f"seed {seed:,} is a {own} seed; {split} seeds run from {_span(split)}")
    return seed


def check_training_days(arguments: Mapping[str, Any]) -> None:
    """Keeps training off the days that agents are chosen and compared on, where an environment's arguments name days at all.

    Raises:
        PolicyError: if they name one that is not for training.
    """
    days, kept = arguments.get("days"), SPLITS["train"]
    if isinstance(days, list | tuple) and not all(isinstance(day, int) and kept.start <= day <= kept.stop for day in days):
        raise PolicyError(f"training days lie from {kept.start} to {kept.stop:,}, unlike {days!r}: the others are for judging")


def _span(split: Split) -> str:
    whole = SPLITS[split]
    return f"{whole.start:,} to {whole.stop - 1:,}"
