"""A tuple of arrays that compiled functions take by its address.

A kernel's state has a hundred arrays. Handing all of them over costs a microsecond and a half a call; one address costs a fifth
of one, which is what an engine that calls for every request can afford.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import NativeValue, intrinsic, models, register_model, typeof_impl, unbox

from .compiled import entry, kernel, kind

T = TypeVar("T", bound=tuple[Any, ...])


class Addressed(Generic[T]):
    """A tuple, also laid out in memory as compiled functions know it; they take it back with `value_of`.

    Its arrays may be replaced by others of the same types, and who has the `Addressed` need not be told.
    """

    def __init__(self, value: T) -> None:
        self.value, self.numba_kind = value, (Addressed, kind(value))  # see `kind`, which takes a while for a hundred arrays
        self._room = np.zeros(size_of(value) // 8 + 1, np.int64)
        self.address = self._room.ctypes.data
        self._lay_out = entry(lay_out, value, self.address)
        self._lay_out(value, self.address)

    def replace(self, part: str = "", /, **items: Any) -> None:
        """Puts other values into the tuple, or into one that is a `part` of it, of the types of those that they replace.

        Raises:
            TypeError: if one is of another type, which compiled functions would misread.
        """
        whole: Any = getattr(self.value, part) if part else self.value
        changed = {name: new for name, new in items.items() if new is not getattr(whole, name)}
        for name, new in changed.items():
            if kind(new) != kind(getattr(whole, name)):
                raise TypeError(f"{name} is of another type than what it replaces")
        if changed:
            whole = whole._replace(**changed)
            self.value = cast(Any, self.value)._replace(**{part: whole}) if part else whole
            self._lay_out(self.value, self.address)


class AddressedType(types.Type):  # type: ignore[misc]
    """The type of a `Addressed` in compiled code, whose value is an address."""

    def __init__(self, of: Any) -> None:
        self.of = of
        super().__init__(name=f"Addressed({of})")


@register_model(AddressedType)
class _AddressedModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(64))


@typeof_impl.register(Addressed)
def _typeof(value: Addressed[Any], context: Any) -> AddressedType:
    return AddressedType(numba.typeof(value.value))


@unbox(AddressedType)
def _unbox(kind: Any, value: Any, context: Any) -> NativeValue:
    address = context.pyapi.object_getattr_string(value, "address")
    number = context.pyapi.long_as_longlong(address)
    context.pyapi.decref(address)
    return NativeValue(number)


@intrinsic
def value_of(typing: Any, addressed: Any) -> Any:
    """The tuple at an address; only what is used of it is read."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.inttoptr(values[0], context.get_value_type(addressed.of).as_pointer()))

    return addressed.of(addressed), generate


@intrinsic
def _store(typing: Any, value: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[0], builder.inttoptr(values[1], values[0].type.as_pointer()))
        return context.get_dummy_value()

    return types.none(value, types.int64), generate


@intrinsic
def _size(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.get_constant(types.int64, context.get_abi_sizeof(values[0].type))

    return types.int64(value), generate


@kernel()
def lay_out(value: Any, address: Any) -> None:
    """Writes a tuple to an address."""
    _store(value, address)


@kernel()
def size_of(value: Any) -> Any:
    """Bytes that a tuple takes."""
    return _size(value)
