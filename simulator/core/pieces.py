"""How pieces of kernels are compiled: only as far as kernels need them, and without asking Numba's flags at every operator.

Numba makes of every compiled function, before it goes into those that call it, optimised machine code of its own that Python
could call. Of a piece nobody ever calls that, and what it calls is compiled into it as into all others: with pieces in pieces
the same lines were optimised ten times over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.targetconfig import TargetConfig
from numba.core.typed_passes import NativeLowering


def same_flags(one: Any, other: Any) -> Any:
    """Whether two sets of Numba's flags are equal; an option that neither has set is as by default in both."""
    if not isinstance(other, TargetConfig):
        return NotImplemented
    if one is other or one._values == other._values:
        return True
    if type(one) is not type(other):
        return one.values() == other.values()
    defaults = {name: option.default for name, option in one.options.items()}
    set_in_either = one._values.keys() | other._values.keys()
    return all(one._values.get(name, defaults[name]) == other._values.get(name, defaults[name]) for name in set_in_either)


# Each operator is looked up, several times, in tables whose keys hold the flags. To hash and to compare them Numba reads two
# dozen options through properties, 50,000 times a kernel: an eighth of the time of compiling. Its own hash is one of the
# options' names, the same for all flags of a kind.
TargetConfig.__hash__ = lambda flags: hash(type(flags))
TargetConfig.__eq__ = same_flags


class Piece(JITCodeLibrary):  # type: ignore[misc]
    """The code of a piece, as kernels take it in: they optimise it, and make machine code of it, with their own."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class PieceLowering(NativeLowering):  # type: ignore[misc]
    """Makes LLVM's code of a piece, and makes it known to the functions that will call it."""

    _name = "piece_lowering"

    def run_pass(self, state: Any) -> bool:
        """See Numba's `NativeLowering`."""
        flags = state.flags
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        state.library = Piece(state.targetctx.codegen(), state.func_id.func_qualname)
        super().run_pass(state)
        called = _Called(state.func_id.func_qualname)
        state.targetctx.insert_user_function(called, state["cr"].fndesc, [state.library])
        state["cr"] = state["cr"]._replace(cfunc=called)
        return True


class _Called:
    """Stands for the machine code that a piece does not have; Numba knows the piece by it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        raise TypeError(f"{self._name} is a piece of kernels, which cannot be called by itself")


class PieceCompiler(Compiler):  # type: ignore[misc]
    """Numba's compiler, with another last step."""

    def define_pipelines(self) -> list[Any]:
        """See Numba's `Compiler`."""
        build, manager = DefaultPassBuilder, PassManager("piece")
        for part in (build.define_untyped_pipeline, build.define_typed_pipeline, build.define_nopython_lowering_pipeline):
            manager.passes += part(self.state).passes
        manager.passes = [(PieceLowering if p is NativeLowering else p, why) for p, why in manager.passes]
        manager.finalize()
        return [manager]


def piece(function: Callable[..., Any], **options: Any) -> Any:
    """A function that others, compiled too, can call, and Python cannot."""
    compiled = numba.njit(pipeline_class=PieceCompiler, **options)(function)
    overloads = compiled.overloads
    # Numba would call from Python what it adds by its own `add_overload`, as machine code.
    compiled.add_overload = lambda result: overloads.__setitem__(tuple(result.signature.args), result)
    return compiled
