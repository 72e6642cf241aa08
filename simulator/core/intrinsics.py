"""What compiled code tells the compiler or the processor, and Numba has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .addressed import AddressedType


@intrinsic
def stay_apart(typing: Any) -> Any:
    """Has LLVM leave the function in which this stands a function; see `compiled.apart`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), generate


PASSED = (types.int64, types.float64, types.boolean)  # beside arrays and addresses of tuples


@intrinsic
def call_kernel(typing: Any, address: Any, arguments: Any) -> Any:
    """Calls the kernel at an address, see `compiled.address`, with a tuple of arguments; it returns a whole number, or nothing.

    What few markets have is not compiled into the kernels of all.
    """
    kinds = types.Tuple([types.unliteral(kind) for kind in arguments])
    for kind in kinds:
        if kind not in PASSED and not isinstance(kind, AddressedType | types.Array):
            raise TypingError(f"a kernel that is called by its address takes no {kind}")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        parts = [builder.extract_value(values[1], place) for place in range(len(kinds))]
        function = ir.FunctionType(context.get_value_type(types.int64), [part.type for part in parts])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), parts)

    return types.int64(types.int64, kinds), generate


@intrinsic
def fetch(typing: Any, array: Any, *place: Any) -> Any:
    """Asks the processor to bring array[place] into its cache, and does not wait for it. Changes nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        indices = cgutils.unpack_tuple(builder, values[1], len(kinds[1]))
        where = [context.cast(builder, value, kind, types.intp) for value, kind in zip(indices, kinds[1], strict=True)]
        whole = make_array(kinds[0])(context, builder, values[0])
        item = cgutils.get_item_pointer(context, builder, kinds[0], whole, where)
        pointer, number = builder.bitcast(item, ir.IntType(8).as_pointer()), ir.IntType(32)
        prefetch = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, prefetch, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, number(0), number(3), number(1)])  # to be read, kept in all caches, data
        return context.get_dummy_value()

    return types.none(array, types.StarArgTuple([types.unliteral(kind) for kind in place])), generate
