"""Sixteen numbers at once: which of them exceed a limit, those packed together, and the extremes among them.

A loop that branches, or writes to where its last turn left off, LLVM does not vectorise: it takes one number after the other.
What is here are a few instructions on processors that can do it (AVX-512), and more of them on others.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WIDTH = 16
NAMES = {types.float32: "f32", types.int32: "i32"}  # LLVM's, of the kinds of numbers


@intrinsic
def above(typing: Any, array: Any, first: Any, limit: Any) -> Any:
    """Which of array[first], array[first + 1], ... exceed a limit: a bit for each of WIDTH, the lowest for the first."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        numbers = loaded(context, builder, array, *values[:2])
        compare = builder.fcmp_ordered if isinstance(array.dtype, types.Float) else builder.icmp_signed
        found = compare(">", numbers, everywhere(builder, values[2]))
        return builder.zext(builder.bitcast(found, ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(_checked(array), types.int64, array.dtype), generate


@intrinsic
def pack(typing: Any, array: Any, first: Any, bits: Any, target: Any, place: Any) -> Any:
    """Writes those of array[first], array[first + 1], ... whose bits are set to target[place], target[place + 1], ...

    It needs room for WIDTH there, and leaves whatever it likes behind those written.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _store_packed(context, builder, loaded(context, builder, array, *values[:2]), values[2], target, *values[3:])
        return context.get_dummy_value()

    return types.none(_checked(array), types.int64, types.int64, _checked(target), types.int64), generate


@intrinsic
def pack_places(typing: Any, first: Any, bits: Any, target: Any, place: Any) -> Any:
    """Writes those of the numbers first, first + 1, ... whose bits are set, as `pack` does."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = everywhere(builder, builder.trunc(values[0], ir.IntType(32)))
        numbers = builder.add(start, ir.Constant(start.type, list(range(WIDTH))))
        _store_packed(context, builder, numbers, values[1], target, *values[2:])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, _checked(target), types.int64), generate


@intrinsic
def smallest(typing: Any, array: Any, first: Any) -> Any:
    """The smallest of array[first], array[first + 1], ..., none of which is NaN."""
    return _extreme("min", array)


@intrinsic
def largest(typing: Any, array: Any, first: Any) -> Any:
    """The largest of array[first], array[first + 1], ..., none of which is NaN."""
    return _extreme("max", array)


@intrinsic
def count(typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.int64(types.int64), generate


@intrinsic
def lowest(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; one must be."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


def _checked(array: Any) -> Any:
    if not isinstance(array, types.Array) or array.ndim != 1 or array.layout != "C" or array.dtype not in NAMES:
        raise TypingError(f"numbers are taken sixteen at once from float32 or int32 in one piece, not from {array}")
    return array


def _extreme(which: str, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        numbers = loaded(context, builder, array, *values)
        kind, flags = ("f", ("nnan",)) if isinstance(array.dtype, types.Float) else ("s", ())
        reduce = ir.FunctionType(numbers.type.element, [numbers.type])
        name = f"llvm.vector.reduce.{kind}{which}.v{WIDTH}{NAMES[array.dtype]}"
        return builder.call(cgutils.get_or_insert_function(builder.module, reduce, name), [numbers], fastmath=flags)

    return array.dtype(_checked(array), types.int64), generate


def pointer_to(context: Any, builder: Any, array: Any, value: Any, place: Any) -> Any:
    """Where WIDTH numbers of an array are in memory, from a place on."""
    item = builder.gep(make_array(array)(context, builder, value).data, [place])
    return builder.bitcast(item, ir.VectorType(context.get_value_type(array.dtype), WIDTH).as_pointer())


def loaded(context: Any, builder: Any, array: Any, value: Any, place: Any) -> Any:
    """Those WIDTH numbers."""
    return builder.load(pointer_to(context, builder, array, value, place), align=array.dtype.bitwidth // 8)


def everywhere(builder: Any, number: Any) -> Any:
    """A number WIDTH times."""
    vector = ir.VectorType(number.type, WIDTH)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _store_packed(context: Any, builder: Any, numbers: Any, bits: Any, target: Any, array: Any, place: Any) -> None:
    kind = numbers.type
    chosen = builder.bitcast(builder.trunc(bits, ir.IntType(WIDTH)), ir.VectorType(ir.IntType(1), WIDTH))
    compress = ir.FunctionType(kind, [kind, chosen.type, kind])
    name = f"llvm.experimental.vector.compress.v{WIDTH}{NAMES[target.dtype]}"
    function = cgutils.get_or_insert_function(builder.module, compress, name)
    packed = builder.call(function, [numbers, chosen, ir.Constant(kind, ir.Undefined)])
    builder.store(packed, pointer_to(context, builder, target, array, place), align=target.dtype.bitwidth // 8)
