"""Modules of the user's, by name or by file: loaded once, and again when their sources or the files they read have changed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ...simulator.core.errors import PolicyError, suggest
from . import sources, watching

FROM_FILE = "_adarena_policies_"  # prefix of the modules that were loaded from files
_named: dict[type, tuple[str, Path]] = {}  # the module that a class was named by, and where its imports are sought


def load(name: str, seat: str, known: Iterable[str]) -> ModuleType:
    """The module of a name, or of a file that ends in .py, as it is on disk now.

    Raises:
        PolicyError: if there is none, with a hint at names that are known in the seat; or if it cannot be run.
    """
    watching.watch()
    return _load_file(name) if name.endswith(".py") else _load_module(name, seat, known)


def named(kind: type, module: ModuleType) -> None:
    """Notes by which module a class was named."""
    _named[kind] = module.__name__, _folder(module)


def sources_of(kind: type) -> sources.Sources | None:
    """What a class is made of beside this package; None for one of this package."""
    if kind.__module__.partition(".")[0] == sources.PACKAGE:
        return None
    name, folder = _named.get(kind, (kind.__module__, Path.cwd()))
    return sources.Sources({module: _file(module) for module in (name, kind.__module__)}, folder)


def _file(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return None if file is None or not os.path.isfile(file) else Path(file).resolve()


def _folder(module: ModuleType) -> Path:
    """Where the imports of a module are sought first."""
    if module.__name__.startswith(FROM_FILE):
        return Path(str(module.__file__)).parent
    return Path.cwd()


@contextmanager
def _at(folder: Path) -> Iterator[None]:
    """Modules are sought in a folder first; nothing compiled is kept, which would outlive an edit within the same second."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = before


def _load_module(name: str, seat: str, known: Iterable[str]) -> ModuleType:
    folder = Path.cwd()
    if name != "__main__" and (file := sources.located(name, folder)) is not None:
        sources.refresh(name, file, folder)
    try:
        with _at(folder):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise PolicyError(f"module {name!r} cannot be imported: {error}") from error
        raise PolicyError(
            f"there is no {seat} policy and no module {name!r}{suggest(name, known)} "
            f"(modules are sought in {folder} and installed)"
        ) from None
    except Exception as error:  # whatever a user's module raises when it is run
        raise PolicyError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def _load_file(name: str) -> ModuleType:
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise PolicyError(f"there is no file {name!r}")
    key = f"{FROM_FILE}{hashlib.blake2b(bytes(path), digest_size=8).hexdigest()}"
    sources.refresh(key, path, path.parent)
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module  # dataclasses look their module up while it runs
    try:
        with _at(path.parent):
            spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises when it is run
        del sys.modules[key]
        raise PolicyError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error
    return module
