"""What compiled code tells the compiler or the processor, and Numba has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


@intrinsic
def stay_apart(typing: Any) -> Any:
    """Has LLVM leave the function in which this stands a function; see `compiled.apart`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), generate


@intrinsic
def fetch(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Asks the processor to bring array[row, column] into its cache, and does not wait for it. Changes nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        place = [context.cast(builder, value, kind, types.intp) for value, kind in zip(values[1:], kinds[1:], strict=True)]
        whole = make_array(kinds[0])(context, builder, values[0])
        item = cgutils.get_item_pointer(context, builder, kinds[0], whole, place)
        pointer, number = builder.bitcast(item, ir.IntType(8).as_pointer()), ir.IntType(32)
        prefetch = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, prefetch, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, number(0), number(3), number(1)])  # to be read, kept in all caches, data
        return context.get_dummy_value()

    return types.none(array, row, column), generate
