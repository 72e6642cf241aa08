"""What rules of pages need to know of patterns, in the one row of numbers that a compiled rule is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.arrays import Floats
from ...core.compiled import spelt_out
from .vectors import scales, shapes
from .view import Facts

HEAD = 3  # how many scales, patterns, and numbers of a pattern there are


def packed(facts: Facts, *rest: Any) -> Floats:
    """The memory of a rule: scales, shapes of patterns, and whatever else it needs, one after another."""
    own, shape = scales(facts), shapes(facts)
    numbers = (np.asarray(part, np.float64).ravel() for part in rest)
    return np.concatenate([[own.size, *shape.shape], own, shape.ravel(), *numbers])


@spelt_out
def scales_in(memory: Any) -> Any:
    """The scales, as `vectors.scales` has them."""
    return memory[HEAD : HEAD + np.int64(memory[0])]


@spelt_out
def shapes_in(memory: Any) -> Any:
    """The shapes of patterns, (P, A + 2), as `vectors.shapes` has them."""
    first, count, width = HEAD + np.int64(memory[0]), np.int64(memory[1]), np.int64(memory[2])
    return memory[first : first + count * width].reshape(count, width)


@spelt_out
def rest_in(memory: Any) -> Any:
    """All that follows."""
    return memory[HEAD + np.int64(memory[0]) + np.int64(memory[1]) * np.int64(memory[2]) :]
