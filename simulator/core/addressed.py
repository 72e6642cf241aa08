"""A tuple of arrays that compiled functions take by its address.

A kernel's state has a hundred arrays. Handing all of them over costs a microsecond and a half a call; one address costs a fifth
of one, which is what an engine that calls for every request can afford. Compiled code hands the address on to its pieces, and
reads a part where it is asked for: a hundred arrays as arguments of each piece took most of the time of compiling.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

from .arrays import Integers
from .compiled import kernel, kind

T = TypeVar("T", bound=tuple[Any, ...])

HEAD = object.__basicsize__  # bytes with which an object of Python begins


class Addressed(Generic[T]):
    """A tuple, also laid out in memory as compiled functions know it, where they read its parts by their names.

    Its arrays may be replaced by others of the same types, and who has the `Addressed` need not be told.
    """

    def __init__(self, value: T) -> None:
        self.value, self.numba_kind = value, (Addressed, kind(value))  # see `kind`, which takes a while for a hundred arrays
        layout, leaves = _layouts.get(self.numba_kind), list(_leaves(value))
        arrays = [item for item in leaves if isinstance(item, np.ndarray)]
        if layout is None or layout.shapes != [(array.shape, array.strides) for array in arrays]:
            layout = _layouts[self.numba_kind] = _layout(value, leaves)
        self._places, self._room, self._size = layout.places, layout.words.copy(), layout.size
        self._room[layout.numbers] = [_number(item) for item in leaves if not isinstance(item, np.ndarray)]
        _put_data(arrays, layout.data, self._room)
        self.address = self._room.ctypes.data

    @property
    def size(self) -> int:
        """Bytes of its arrays, as it was made, but for those that nobody may write to, which others share."""
        return self._size

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
        for name, new in changed.items():
            for path, item in _items(new, f"{part}.{name}" if part else name):
                words, place = _words(item), self._places[path]
                self._room[place : place + len(words)] = words


class Layout(NamedTuple):
    """How tuples of one kind lie in memory, and all of the last one that the next is likely to have in common with it."""

    places: dict[str, int]  # where each array or number begins, in words
    words: Integers
    numbers: Integers  # places of numbers
    data: Integers  # places of the addresses of arrays' data
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]]  # and strides, of each array
    size: int


_layouts: dict[Any, Layout] = {}  # by kind


def _layout(value: Any, leaves: list[Any]) -> Layout:
    """The layout of a nest of tuples, which has such leaves.

    Raises:
        TypeError: if compiled functions would look for them elsewhere.
    """
    words = [_words(item) for item in leaves]
    starts = np.cumsum([0, *map(len, words)])
    context = cpu_target.target_context
    if 8 * starts[-1] != context.get_abi_sizeof(context.get_value_type(numba.typeof(value))):
        raise TypeError("a tuple with something that is no array and no number of 64 bits has no address")
    is_array = np.array([isinstance(item, np.ndarray) for item in leaves])
    arrays = [item for item in leaves if isinstance(item, np.ndarray)]
    room = np.array([word for item in words for word in item], np.int64)
    layout = Layout(
        places={path: int(start) for (path, _), start in zip(_items(value), starts[:-1], strict=True)},
        words=room,
        numbers=starts[:-1][~is_array],
        data=starts[:-1][is_array] + DATA,
        shapes=[(array.shape, array.strides) for array in arrays],
        size=sum(array.nbytes for array in arrays if array.flags.writeable),
    )
    found = np.zeros_like(room)
    _put_data(arrays, layout.data, found)
    if (found[layout.data] != room[layout.data]).any():
        raise TypeError("arrays of this NumPy do not have the address of their data where it is looked for")
    return layout


def _items(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays and numbers of a nest of tuples, in order, with their names."""
    if not isinstance(value, tuple):
        yield path, value
        return
    for name, part in zip(cast(Any, value)._fields, value, strict=True):
        yield from _items(part, f"{path}.{name}" if path else name)


def _leaves(value: Any) -> Iterator[Any]:
    """The same without names."""
    for part in value:
        if isinstance(part, tuple):
            yield from _leaves(part)
        else:
            yield part


def _words(item: Any) -> list[int]:
    """An array or a number as compiled functions have it, in words of 64 bits; nobody counts who holds an array."""
    if isinstance(item, np.ndarray):
        return [0, 0, item.size, item.itemsize, item.__array_interface__["data"][0], *item.shape, *item.strides]
    return [_number(item)]


DATA = 4  # the place among an array's words at which stands where its data are


def _number(item: Any) -> int:
    return int(np.float64(item).view(np.int64)) if isinstance(item, float) else int(item)


@intrinsic
def _word_at(typing: Any, address: Any) -> Any:
    """The word of 64 bits at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.inttoptr(values[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), generate


def _put_data(arrays: Sequence[Any], places: Integers, words: Integers) -> None:
    put_data(np.fromiter(map(id, arrays), np.int64, len(arrays)), places, words)


@kernel()
def put_data(arrays: Any, places: Any, words: Any) -> None:
    """Puts where the data of arrays are, each an object at an address, into such places of words.

    Their objects say so right after what all objects of Python begin with. To ask each for its `__array_interface__` takes a
    microsecond, and a market has a hundred and fifty.
    """
    for n in range(arrays.size):
        words[places[n]] = _word_at(arrays[n] + HEAD)


class AddressedType(types.Type):  # type: ignore[misc]
    """The type of an `Addressed` in compiled code: a pointer. Its name is short, since symbols are made of it."""

    def __init__(self, of: Any) -> None:
        self.of = of
        whole = hashlib.blake2b(str(of).encode(), digest_size=12).hexdigest()
        super().__init__(name=f"Addressed({of.instance_class.__name__}, {whole})")


@register_model(AddressedType)
class _AddressedModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


@typeof_impl.register(Addressed)
def _typeof(value: Addressed[Any], context: Any) -> AddressedType:
    return AddressedType(numba.typeof(value.value))


@unbox(AddressedType)
def _unbox(kind: Any, value: Any, context: Any) -> NativeValue:
    address = context.pyapi.object_getattr_string(value, "address")
    number = context.pyapi.long_as_longlong(address)
    context.pyapi.decref(address)
    return NativeValue(context.builder.inttoptr(number, ir.IntType(8).as_pointer()))


@infer_getattr
class _Parts(AttributeTemplate):  # type: ignore[misc]
    key = AddressedType

    def generic_resolve(self, addressed: Any, name: str) -> Any:
        """A part that is a named tuple is addressed itself; any other is read."""
        if name not in addressed.of.fields:
            return None
        part = addressed.of.types[addressed.of.fields.index(name)]
        return AddressedType(part) if isinstance(part, types.BaseNamedTuple) else part


@lower_getattr_generic(AddressedType)
def _part(context: Any, builder: Any, kind: Any, pointer: Any, name: str) -> Any:
    place = kind.of.fields.index(name)
    whole = builder.bitcast(pointer, context.get_value_type(kind.of).as_pointer())
    part = builder.gep(whole, [ir.IntType(32)(0), ir.IntType(32)(place)], inbounds=True)
    if isinstance(kind.of.types[place], types.BaseNamedTuple):
        return builder.bitcast(part, ir.IntType(8).as_pointer())
    return _read(builder, part)


def _read(builder: Any, pointer: Any) -> Any:
    """What is at a pointer, item by item: nobody writes there while compiled code runs, so that LLVM may read it but once."""
    kind = pointer.type.pointee
    if isinstance(kind, ir.Aggregate):
        whole = ir.Constant(kind, ir.Undefined)
        for place in range(len(kind.elements) if isinstance(kind, ir.LiteralStructType) else kind.count):
            item = builder.gep(pointer, [ir.IntType(32)(0), ir.IntType(32)(place)], inbounds=True)
            whole = builder.insert_value(whole, _read(builder, item), place)
        return whole
    item = builder.load(pointer)
    item.set_metadata("invariant.load", builder.module.add_metadata([]))
    return item
