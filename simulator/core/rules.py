"""Rules: functions that decide request by request, called by address from inside a kernel; compiled, or any Python.

A rule reaches the kernel as a number, so one compiled kernel serves every rule there is, and its cache stays valid.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .money import UNLIMITED

SIGNATURE = types.float64(types.float64, types.int64, types.int64, types.float64[::1])
_ADDRESSED = types.float64(types.float64, types.int64, types.int64, types.CPointer(types.float64), types.int64)


class Rule:
    """A function rule(rate, budget_left, requests_left, state) -> bid, compiled; call it from Python to try it.

    rate: believed conversions per impression (clicks, in a replay of clicks). budget_left: millionths of currency (the
    log's own unit in a replay). requests_left: forecast for the rest of the day or episode, this one included. state: the
    campaign's row, float64, mutable. The bid is per impression, in the unit of budget_left; the market caps it at the budget.
    """

    def __init__(self, function: Callable[..., float]) -> None:
        inner = numba.njit(SIGNATURE, error_model="numpy")(function)

        def addressed(rate: Any, budget_left: Any, requests_left: Any, state: Any, width: Any) -> Any:
            return inner(rate, budget_left, requests_left, numba.carray(state, (width,)))

        self._compiled = numba.cfunc(_ADDRESSED, error_model="numpy")(addressed)  # must outlive its address
        self._inner = inner
        self.address: int = self._compiled.address
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, rate: float, budget_left: int, requests_left: int, state: Any) -> float:
        return float(self._inner(rate, budget_left, requests_left, state))


def rule(function: Callable[..., float]) -> Rule:
    """Compiles a rule; use it as a decorator. It takes about half a second."""
    return Rule(function)


class PythonRule:
    """A Python function bid(place, rate, budget_left, requests_left) as a rule; `place` is the first number of its state.

    Money is currency, of which the kernel counts `parts`; a budget without limit is inf. What the function raises is kept as
    `error`, since an exception cannot pass through compiled code, and the bid is one that is not allowed.
    """

    def __init__(self, function: Callable[[int, float, float, int], float], parts: int) -> None:
        self.error: BaseException | None = None

        def bid(rate: float, budget_left: int, requests_left: int, state: Any, width: int) -> float:
            if self.error is not None:
                return math.nan
            try:
                left = math.inf if budget_left >= UNLIMITED // 2 else budget_left / parts
                return float(function(int(state[0]), rate, left, requests_left)) * parts
            except BaseException as error:  # whatever it is, it is raised again outside
                self.error = error
                return math.nan

        self._called = _C_RULE(bid)  # must outlive its address
        self.address: int = ctypes.cast(self._called, ctypes.c_void_p).value or 0


_C_RULE = ctypes.CFUNCTYPE(
    ctypes.c_double, ctypes.c_double, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_double), ctypes.c_int64
)


@intrinsic
def call_rule(typing: Any, address: Any, rate: Any, budget_left: Any, requests_left: Any, state: Any, width: Any) -> Any:
    """Calls the rule at an address; `state` is a pointer to its row."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = [context.get_value_type(kind) for kind in signature.args[1:]]
        function = ir.FunctionType(context.get_value_type(signature.return_type), kinds)
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), values[1:])

    return types.float64(types.int64, *_ADDRESSED.args), generate


_ROW = types.CPointer(types.float64)
_FOUR_ROWS = types.int64(_ROW, types.int64, _ROW, types.int64, _ROW, types.int64, _ROW, types.int64)


class RowRule:
    """A function rule(view, answer, memory, own) -> int, compiled; call it from Python to try it. All rows are float64.

    view: what is shown of a request. answer: a number for each of the choices there are. memory: the rule's own, the same for
    all requests; own: what it keeps of the user who makes the request; both mutable. It returns the choice it makes, or -1 if
    it has filled `answer` with the probability of each.
    """

    def __init__(self, function: Callable[..., int]) -> None:
        row = types.float64[::1]
        inner = numba.njit(types.int64(row, row, row, row), error_model="numpy")(function)

        def addressed(view: Any, n: Any, answer: Any, a: Any, memory: Any, m: Any, own: Any, o: Any) -> Any:
            carray = numba.carray
            return inner(carray(view, (n,)), carray(answer, (a,)), carray(memory, (m,)), carray(own, (o,)))

        self._compiled = numba.cfunc(_FOUR_ROWS, error_model="numpy")(addressed)  # must outlive its address
        self._inner = inner
        self.address: int = self._compiled.address
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, view: Any, answer: Any, memory: Any, own: Any) -> int:
        return int(self._inner(view, answer, memory, own))


def row_rule(function: Callable[..., int]) -> RowRule:
    """Compiles a rule of rows; use it as a decorator. It takes half a second and more."""
    return RowRule(function)


class PythonRowRule:
    """A Python function of a request's view as a rule of rows: it returns the number of a choice, or a probability for each.

    `view` and `answer` are the arrays that the kernel reads and writes. What the function raises is kept as `error`, since an
    exception cannot pass through compiled code, and the answer is one that is not allowed.
    """

    def __init__(self, function: Callable[[Any], Any], view: Any, answer: Any) -> None:
        self.error: BaseException | None = None

        def decide(*rows: Any) -> int:
            if self.error is not None:
                return NO_CHOICE
            try:
                chosen = function(view)
                if isinstance(chosen, int | np.integer):
                    return int(chosen) if chosen >= 0 else NO_CHOICE
                answer[:] = chosen
                return -1
            except BaseException as error:  # whatever it is, it is raised again outside
                self.error = error
                return NO_CHOICE

        self._called = _C_FOUR_ROWS(decide)  # must outlive its address
        self.address: int = ctypes.cast(self._called, ctypes.c_void_p).value or 0


NO_CHOICE = -2
_C_FOUR_ROWS = ctypes.CFUNCTYPE(ctypes.c_int64, *(ctypes.c_int64,) * 8)


@intrinsic
def call_row_rule(
    typing: Any, address: Any, view: Any, n: Any, answer: Any, a: Any, memory: Any, m: Any, own: Any, o: Any
) -> Any:
    """Calls the rule of rows at an address; `view` and `answer` are pointers, `memory` and `own` addresses."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = [context.get_value_type(kind) for kind in _FOUR_ROWS.args]
        function = ir.FunctionType(context.get_value_type(signature.return_type), kinds)
        given = [
            value if value.type == kind else builder.inttoptr(value, kind)
            for value, kind in zip(values[1:], kinds, strict=True)
        ]
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), given)

    whole = types.int64
    return whole(whole, _ROW, whole, _ROW, whole, whole, whole, whole, whole), generate


@intrinsic
def pointer_to(typing: Any, array: Any, place: Any) -> Any:
    """A pointer to the element of a float64 array at a place."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.gep(data, [values[1]])

    return types.CPointer(types.float64)(array, place), generate
