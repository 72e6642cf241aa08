"""Tuples that compiled functions take by address: what they read is what is addressed now, and nothing of another type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adarena.simulator import Scenario, World
from adarena.simulator.core.addressed import Addressed
from adarena.simulator.core.compiled import entry, kernel
from adarena.simulator.response.memory import Memory

# The types are the package's own: what was compiled for others would stand in a cache that all processes read.


def memory(places: int = 4) -> Memory:
    """What a market without fatigue or caps remembers, with room for something."""
    market = World(Scenario.preset("tiny"))._exchange.state.memory
    return market._replace(shown=np.arange(1.0, places + 1), barred_active=np.array([True, False]), tire_of=7, exponent=0.5)


@kernel()
def total(weight: Any, x: Any) -> Any:
    """Something of every kind."""
    out = x.tire_of + x.exponent * x.shown[-1] + 100 * x.barred_active[0]
    x.shown[-1] += weight
    return out


def test_a_kernel_reads_and_writes_what_is_at_an_address() -> None:
    value = memory()
    addressed = Addressed(value)
    call = entry(total, 1.0, addressed)
    assert call(1.0, addressed) == 7 + 0.5 * 4 + 100
    assert value.shown[-1] == 5
    assert call(1.0, addressed) == 7 + 0.5 * 5 + 100


def test_what_is_replaced_is_read_from_then_on() -> None:
    addressed = Addressed(memory())
    call, address = entry(total, 1.0, addressed), addressed.address
    addressed.replace(shown=np.full(9, 3.0), barred_active=np.array([False]), exponent=2.0)
    assert addressed.address == address
    assert call(0.0, addressed) == 7 + 2 * 3
    assert addressed.value.tire_of == 7


def test_two_of_one_type_share_the_machine_code_and_nothing_else() -> None:
    one, other = Addressed(memory()), Addressed(memory(6))
    assert entry(total, 1.0, one) is entry(total, 1.0, other)
    assert [entry(total, 1.0, one)(1.0, each) for each in (one, other)] == [109.0, 110.0]


@pytest.mark.parametrize(
    "items",
    [
        {"shown": np.zeros(4, np.float32)},
        {"shown": np.zeros((2, 2))},
        {"shown": np.zeros(8)[::2]},
        {"shown": np.frombuffer(bytes(32))},
        {"exponent": 1},
    ],
)
def test_another_type_is_refused(items: dict[str, Any]) -> None:
    addressed = Addressed(memory())
    with pytest.raises(TypeError, match=f"{next(iter(items))} is of another type"):
        addressed.replace(**items)
    assert entry(total, 1.0, addressed)(1.0, addressed) == 109.0


def state() -> Addressed[Any]:
    """A tuple of tuples: the state of a market."""
    return Addressed(World(Scenario.preset("tiny"))._exchange.state)


@kernel()
def spent_by(k: Any, state: Any) -> Any:
    """An entry of an array in a tuple within the tuple."""
    return state.terms.spent[k]


def test_a_part_of_a_part_is_replaced_and_the_rest_stays() -> None:
    addressed = state()
    before, call = addressed.value, entry(spent_by, 0, addressed)
    addressed.replace("terms", spent=np.full_like(before.terms.spent, 7))
    assert call(0, addressed) == 7
    assert before.terms.spent[0] == 0
    assert addressed.value.terms.allowance is before.terms.allowance
    assert addressed.value.bids is before.bids


def test_a_part_of_a_part_of_another_type_is_refused() -> None:
    addressed = state()
    with pytest.raises(TypeError, match="spent is of another type"):
        addressed.replace("terms", spent=np.zeros(9))
    assert entry(spent_by, 0, addressed)(0, addressed) == 0


def test_words_are_those_of_numba() -> None:
    """Also where the layout of an earlier tuple is taken, of which all is the same but numbers and places, or shapes, too."""
    for value in (memory(), memory(), memory(9), memory()):
        words = Addressed(value)._room
        expected = [
            word
            for item in value
            for word in (
                [0, 0, item.size, item.itemsize, item.ctypes.data, *item.shape, *item.strides]
                if isinstance(item, np.ndarray)
                else [np.array(item, np.float64 if isinstance(item, float) else np.int64).view(np.int64).item()]
            )
        ]
        assert words.tolist() == expected


def test_its_size_is_that_of_what_may_be_written_to() -> None:
    value = memory(5)
    arrays = [item for item in value if isinstance(item, np.ndarray) and item.flags.writeable]
    assert Addressed(value).size == sum(array.nbytes for array in arrays) > 40
    assert Addressed(value._replace(shown=np.zeros(7))).size == Addressed(value).size + 16
