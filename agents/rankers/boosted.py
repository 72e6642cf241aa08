"""Gradient-boosted trees (LightGBM) as the plain baseline: the same features, numbers in place of hashes, one label.

An extra: `pip install "adarena[trees]"`. Trees split numbers in their order and categories into sets. Hashed identities are too
many for sets, and are replaced by how often they were clicked before the row: with the row itself, trees would read its label
off it (ordered target statistics, Prokhorenkova et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from .features import Schema
from .logs import Examples, joined

PRIOR = 20.0  # impressions at the mean rate, with which the rate of a value begins


@dataclass(frozen=True)
class Trees:
    """How they are grown: LightGBM's own names."""

    num_leaves: int = 31
    learning_rate: float = 0.05
    rounds: int = 200
    min_data_in_leaf: int = 200
    seed: int = 0


class Boosted:
    """Trees that have been grown."""

    def __init__(self, schema: Schema, rates: dict[int, Floats], booster: Any) -> None:
        self.schema, self._rates, self._booster = schema, rates, booster

    def predicted(self, examples: Examples) -> Floats:
        """Click rates, (n,)."""
        table = examples.ids.astype(np.float64)
        for f, rate in self._rates.items():
            table[:, f] = rate[examples.ids[:, f]]
        return np.asarray(self._booster.predict(table, num_threads=1), np.float64)


def grown(schema: Schema, parts: list[Examples], settings: Trees) -> Boosted:
    """Grows trees on the clicks of examples in the order of time, all of them in memory.

    Raises:
        PolicyError: if LightGBM is not installed.
        LogError: if there are no examples.
    """
    try:
        import lightgbm
    except ImportError:
        raise PolicyError("trees are grown by LightGBM: pip install 'adarena[trees]'") from None
    examples = joined(parts)
    label, table = examples.labels[:, 0].astype(np.float64), examples.ids.astype(np.float64)
    rates: dict[int, Floats] = {}
    for f, feature in enumerate(schema.features):
        if feature.kind == "hashed":
            table[:, f], rates[f] = _by_value(examples.ids[:, f], label, feature.size)
    sets = [f for f, feature in enumerate(schema.features) if feature.kind == "category"]
    held = lightgbm.Dataset(table, label, categorical_feature=sets, free_raw_data=True)
    told = {
        "objective": "binary", "num_leaves": settings.num_leaves, "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_data_in_leaf, "seed": settings.seed, "deterministic": True, "num_threads": 1,
        "verbose": -1,
    }  # fmt: skip
    return Boosted(schema, rates, lightgbm.train(told, held, settings.rounds))


def _by_value(value: NDArray[Any], label: Floats, size: int) -> tuple[Floats, Floats]:
    """The click rate of each row's value in the rows before it, (n,), and that of each value at the end, (size,)."""
    clicks, shown, mean = np.bincount(value, label, size), np.bincount(value, minlength=size), label.mean()
    order = np.argsort(value, kind="stable")
    first = np.cumsum(shown) - shown  # of each value, in the order
    total = np.r_[0.0, np.cumsum(label[order])]
    before = np.empty(value.size)
    place = np.arange(value.size)
    start = first[value[order]]
    before[order] = (total[place] - total[start] + PRIOR * mean) / (place - start + PRIOR)
    return before, (clicks + PRIOR * mean) / (shown + PRIOR)
