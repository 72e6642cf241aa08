"""Sixteen float32 numbers as one value of compiled code, with the operators of one, kept in registers of the processor.

For loops that LLVM would take apart otherwise, or whose order of additions has to be known. Where a processor's registers hold
eight or four numbers, it uses several of them; what comes of it is the same, to the last bit.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

from .simd import WIDTH, everywhere, loaded, pointer_to

VECTOR, INTEGERS = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.IntType(32), WIDTH)


class Sixteen(types.Type):  # type: ignore[misc]
    """The type of such a value."""

    def __init__(self) -> None:
        super().__init__(name="Sixteen")


sixteen = Sixteen()


@register_model(Sixteen)
class _SixteenModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


class _TwoOfThem(ConcreteTemplate):  # type: ignore[misc]
    cases = (signature(sixteen, sixteen, sixteen),)


def _has_operator(function: Any, name: str) -> None:
    infer_global(function)(type(f"_{name}", (_TwoOfThem,), {"key": function}))

    @lower_builtin(function, sixteen, sixteen)
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return getattr(builder, name)(*values)


for _function, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _has_operator(_function, _name)


@intrinsic
def load(typing: Any, array: Any, first: Any) -> Any:
    """The numbers array[first], array[first + 1], ..."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return loaded(context, builder, array, *values)

    return sixteen(_of_floats(array), types.int64), generate


@intrinsic
def store(typing: Any, array: Any, first: Any, numbers: Any) -> Any:
    """Writes them to array[first], array[first + 1], ..."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], pointer_to(context, builder, array, *values[:2]), align=4)
        return context.get_dummy_value()

    return types.none(_of_floats(array), types.int64, sixteen), generate


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """A number sixteen times."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return everywhere(builder, values[0])

    return sixteen(types.float32), generate


@intrinsic
def repeat(typing: Any, array: Any, place: Any) -> Any:
    """The number array[place] sixteen times; a place is from 0 up, so that there is nothing to check in a loop over places."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        item = builder.gep(make_array(array)(context, builder, values[0]).data, [values[1]])
        return everywhere(builder, builder.load(item))

    return sixteen(_of_floats(array), types.int64), generate


@intrinsic
def fused(typing: Any, factor: Any, other: Any, summand: Any) -> Any:
    """factor x other + summand, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.call(_of_llvm(builder, "fma", 3), values)

    return sixteen(sixteen, sixteen, sixteen), generate


@intrinsic
def floor(typing: Any, numbers: Any) -> Any:
    """The largest whole numbers that do not exceed them."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.call(_of_llvm(builder, "floor", 1), values)

    return sixteen(sixteen), generate


@intrinsic
def smaller(typing: Any, numbers: Any, others: Any) -> Any:
    """The smaller of each two."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *values), *values)

    return sixteen(sixteen, sixteen), generate


@intrinsic
def larger(typing: Any, numbers: Any, others: Any) -> Any:
    """The larger of each two."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *values), *values)

    return sixteen(sixteen, sixteen), generate


@intrinsic
def where_at_least(typing: Any, numbers: Any, limits: Any, yes: Any, no: Any) -> Any:
    """Those of `yes` where numbers reach their limits, and else, also where one is NaN, those of `no`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *values[:2]), *values[2:])

    return sixteen(sixteen, sixteen, sixteen, sixteen), generate


@intrinsic
def power_of_two(typing: Any, exponents: Any) -> Any:
    """2 to the power of whole numbers from -126 to 127."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        biased = builder.add(builder.fptosi(values[0], INTEGERS), ir.Constant(INTEGERS, [127] * WIDTH))
        return builder.bitcast(builder.shl(biased, ir.Constant(INTEGERS, [23] * WIDTH)), VECTOR)

    return sixteen(sixteen), generate


@intrinsic
def quarters(typing: Any, numbers: Any) -> Any:
    """(first quarter + second) + (third + fourth), four numbers, in the first quarter; what is in the others means nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        total = values[0]
        for apart in (WIDTH // 4, WIDTH // 2):
            mask = ir.Constant(INTEGERS, [n ^ apart for n in range(WIDTH)])
            total = builder.fadd(total, builder.shuffle_vector(total, total, mask))
        return total

    return sixteen(sixteen), generate


@intrinsic
def turn(typing: Any, array: Any, first: Any) -> Any:
    """Turns a square round, in place: sixteen rows of sixteen numbers, one after the other, from array[first] on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        places = [builder.add(values[1], ir.IntType(64)(row * WIDTH)) for row in range(WIDTH)]
        pointers = [pointer_to(context, builder, array, values[0], place) for place in places]
        rows = [loaded(context, builder, array, values[0], place) for place in places]
        half = WIDTH // 2
        while half:  # each square of 2 half x 2 half numbers exchanges two of its four quarters
            own, other = ([n ^ half * side for n in range(WIDTH)] for side in (0, 1))
            upper = [other[n] + WIDTH if n & half else own[n] for n in range(WIDTH)]
            lower = [own[n] + WIDTH if n & half else other[n] for n in range(WIDTH)]
            for row in (row for row in range(WIDTH) if not row & half):
                pair = rows[row], rows[row + half]
                rows[row], rows[row + half] = (
                    builder.shuffle_vector(*pair, ir.Constant(INTEGERS, mask)) for mask in (upper, lower)
                )
            half //= 2
        for row, pointer in zip(rows, pointers, strict=True):
            builder.store(row, pointer, align=4)
        return context.get_dummy_value()

    return types.none(_of_floats(array), types.int64), generate


def _of_floats(array: Any) -> Any:
    if not isinstance(array, types.Array) or array.ndim != 1 or array.layout != "C" or array.dtype != types.float32:
        raise TypingError(f"sixteen numbers are of float32 in one piece, not of {array}")
    return array


def _of_llvm(builder: Any, name: str, arguments: int) -> Any:
    kind = ir.FunctionType(VECTOR, [VECTOR] * arguments)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f32")
