"""Tuples that compiled functions take by address: what they read is what is held now, and nothing of another type."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from adarena.simulator.compiled import entry, kernel
from adarena.simulator.held import Held, value_of


class Inner(NamedTuple):
    rows: Any
    scale: float


class Outer(NamedTuple):
    flags: Any
    seen: tuple[float, ...]
    inner: Inner
    last: int


def outer(rows: int = 3) -> Outer:
    return Outer(np.array([True, False]), (0.5, 0.25), Inner(np.arange(2.0 * rows).reshape(rows, 2), 3.0), 7)


@kernel()
def total(weight: Any, held: Any) -> Any:
    """Something of every part."""
    x = value_of(held)
    out = x.last + x.seen[1] + x.inner.scale * x.inner.rows[-1, 1] + 100 * x.flags[0]
    x.inner.rows[-1, 1] += weight
    return out


def test_a_kernel_reads_and_writes_what_is_held() -> None:
    value = outer()
    held = Held(value)
    call = entry(total, 1.0, held)
    assert call(1.0, held) == 7 + 0.25 + 3 * 5 + 100
    assert value.inner.rows[-1, 1] == 6
    assert call(1.0, held) == 7 + 0.25 + 3 * 6 + 100


def test_what_is_replaced_is_read_from_then_on() -> None:
    held = Held(outer())
    call, address = entry(total, 1.0, held), held.address
    held.replace(inner=Inner(np.full((9, 2), 1.0), 2.0), flags=np.array([False]))
    assert held.address == address
    assert call(0.0, held) == 7 + 0.25 + 2
    assert held.value.last == 7


def test_two_of_one_type_share_the_machine_code_and_nothing_else() -> None:
    one, other = Held(outer()), Held(outer(5))
    assert entry(total, 1.0, one) is entry(total, 1.0, other)
    assert [entry(total, 1.0, one)(1.0, each) for each in (one, other)] == [122.25, 134.25]


@pytest.mark.parametrize(
    "inner",
    [
        Inner(np.zeros((3, 2), np.float32), 3.0),
        Inner(np.zeros(6), 3.0),
        Inner(np.zeros((3, 4))[:, ::2], 3.0),
        Inner(np.zeros((2, 3)).T, 3.0),
        Inner(np.zeros((3, 2)), 3),
    ],
)
def test_another_type_is_refused(inner: Inner) -> None:
    held = Held(outer())
    with pytest.raises(TypeError, match="inner is of another type"):
        held.replace(inner=inner)
    assert entry(total, 1.0, held)(1.0, held) == 122.25
