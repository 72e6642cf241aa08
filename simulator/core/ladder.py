"""The best few of many numbers and whose they are, for sixteen side by side, kept in registers while the many go by.

A ladder is two tuples, of numbers and of marks, best first; where nobody stands yet, the number is below 0.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .simd import WIDTH, everywhere
from .sixteen import INTEGERS, VECTOR, sixteen

NONE = -1.0  # a number with which nobody enters
WORDS = ir.VectorType(ir.IntType(64), WIDTH)


@intrinsic(prefer_literal=True)
def nobody(typing: Any, places: Any) -> Any:
    """A ladder of so many places, a number known when it is compiled, on which nobody stands."""
    if not isinstance(places, types.IntegerLiteral) or places.literal_value < 1:
        raise TypingError(f"the places of a ladder are a constant from 1 up, not {places}")
    count = places.literal_value

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _packed(builder, [ir.Constant(VECTOR, [NONE] * WIDTH)] * count, [ir.Constant(VECTOR, None)] * count)

    return types.UniTuple(types.UniTuple(sixteen, count), 2)(places), generate


@intrinsic
def entered(typing: Any, ladder: Any, numbers: Any, mark: Any) -> Any:
    """The ladder after sixteen numbers have come, NONE where one does not, all of one `mark`, a whole number from 0 up.

    Whoever came first stands above equals, so that a new number goes below all that it does not exceed.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        new = values[1], builder.bitcast(everywhere(builder, builder.trunc(values[2], ir.IntType(32))), VECTOR)
        there = _unpacked(builder, ladder, values[0])
        exceeds = [builder.fcmp_ordered(">", new[0], number) for number in there[0]]
        after: list[list[Any]] = []
        for mine, theirs in zip(new, there, strict=True):  # numbers, then marks
            column = [builder.select(exceeds[0], mine, theirs[0])]
            for place in range(1, len(theirs)):  # if it exceeds the one above, too, that one moves here
                comes = builder.select(exceeds[place - 1], theirs[place - 1], mine)
                column.append(builder.select(exceeds[place], comes, theirs[place]))
            after.append(column)
        return _packed(builder, *after)

    return ladder(ladder, sixteen, types.int64), generate


@intrinsic
def write_words(typing: Any, ladder: Any, top: Any, lane: Any) -> Any:
    """Writes a ladder to top[place, lane], top[place, lane + 1], ...: a number's bits above, its mark below; 0 for nobody.

    `top` has a row of int64 for each place.
    """
    if not isinstance(top, types.Array) or top.ndim != 2 or top.layout != "C" or top.dtype != types.int64:
        raise TypingError(f"a ladder is written to int64, (places, lanes) in one piece, not to {top}")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = make_array(top)(context, builder, values[1])
        lanes = builder.extract_value(whole.shape, 1)
        for place, (number, mark) in enumerate(zip(*_unpacked(builder, ladder, values[0]), strict=True)):
            above, below = (builder.zext(builder.bitcast(part, INTEGERS), WORDS) for part in (number, mark))
            word = builder.or_(builder.shl(above, ir.Constant(WORDS, [32] * WIDTH)), below)
            somebody = builder.fcmp_ordered(">=", number, ir.Constant(VECTOR, None))
            item = builder.gep(whole.data, [builder.add(builder.mul(lanes, ir.IntType(64)(place)), values[2])])
            word = builder.select(somebody, word, ir.Constant(WORDS, None))
            builder.store(word, builder.bitcast(item, WORDS.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(ladder, top, types.int64), generate


def _packed(builder: Any, numbers: Any, marks: Any) -> Any:
    return cgutils.pack_array(builder, [cgutils.pack_array(builder, numbers), cgutils.pack_array(builder, marks)])


def _unpacked(builder: Any, ladder: Any, value: Any) -> tuple[Any, Any]:
    """The numbers and the marks of a ladder, by place."""
    numbers, marks = cgutils.unpack_tuple(builder, value, 2)
    return cgutils.unpack_tuple(builder, numbers, len(ladder[0])), cgutils.unpack_tuple(builder, marks, len(ladder[1]))
