"""What a policy of the user's own is made of: the sources of its modules, and the files that they read.

Import statements are read from the sources, wherever in them they stand, so that a module that is imported late counts from
the first. What no source tells, data opened by a name in the code or modules imported by a computed name, is seen as it
happens; see `watching` for what is not.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from .watching import UNKNOWN, digest, own, reads, seen, since

PACKAGE = __name__.partition(".")[0]


class Parts(NamedTuple):
    """What a module imports, and so on from there."""

    own: dict[str, Path | None]  # modules of the user's, itself among them; None: a folder without source
    others: set[str]  # installed packages
    computed: bool  # whether any of them imports modules whose names its source does not tell


class _Statements(NamedTuple):
    wanted: tuple[tuple[int, str, tuple[str, ...]], ...]  # level, module, names; no names: `import module`
    computed: bool


@cache
def _statements(path: Path, content: str) -> _Statements:
    """What a source imports anywhere in it; `content` is its digest, so that an edit is read anew."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return _Statements((), False)
    wanted: list[tuple[int, str, tuple[str, ...]]] = []
    computed = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    bare = name.lstrip(".")
                    wanted.append((len(name) - len(bare), bare, ()))
                case _:
                    computed = True
    return _Statements(tuple(wanted), computed)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def parts(name: str, file: Path, folder: Path, loaded: bool) -> Parts:
    """What a module is made of.

    Args:
        name: of the module.
        file: its source.
        folder: where modules are sought first.
        loaded: as they were when they were loaded, where they have been; else as they are on disk.
    """
    found: dict[str, Path | None] = {name: file}
    others: set[str] = set()
    computed, waiting = False, [(name, file)]
    sys.path.insert(0, str(folder))
    try:
        while waiting:
            name, file = waiting.pop()
            content = seen.get(file) if loaded else None
            statements = _statements(file, content or digest(file))
            computed |= statements.computed
            for spec in (spec for wanted in statements.wanted for spec in _specs(*wanted, _package(name, file))):
                path = None if spec.origin is None else own(spec.origin)
                if path is None and spec.origin is not None:
                    others.add(spec.name.partition(".")[0])
                elif spec.name not in found:
                    found[spec.name] = path
                    if path is not None and path.suffix == ".py":
                        waiting.append((spec.name, path))
    finally:
        sys.path.remove(str(folder))
    return Parts(found, others, computed)


def _package(name: str, file: Path) -> str:
    return name if file.name == "__init__.py" else name.rpartition(".")[0]


def _specs(level: int, module: str, names: tuple[str, ...], package: str) -> Iterator[ModuleSpec]:
    """Every module that an import statement runs: packages on the way, and names that are modules themselves."""
    try:
        base = resolve_name("." * level + module, package or None) if level else module
    except ImportError:
        return
    chain = _chain(base)
    yield from chain
    last = chain[-1] if chain else None
    if last is not None and last.name == base and last.submodule_search_locations is not None:
        for name in _modules_in(last) if names == ("*",) else names:
            if (spec := _find(f"{base}.{name}", last.submodule_search_locations)) is not None:
                yield spec


def _modules_in(spec: ModuleSpec) -> list[str]:
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    return sorted({path.stem for folder in folders for path in folder.glob("*.py") if own(str(path)) is not None})


def _chain(name: str) -> list[ModuleSpec]:
    """The specifications of a module and the packages around it, outermost first, as far as they are found; runs nothing."""
    chain: list[ModuleSpec] = []
    words = name.split(".")
    for depth in range(1, len(words) + 1):
        spec = _find(".".join(words[:depth]), chain[-1].submodule_search_locations if chain else None)
        if spec is None:
            break
        chain.append(spec)
        if spec.submodule_search_locations is None or (spec.origin and own(spec.origin) is None):
            break
    return chain


def _find(name: str, path: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if (search := getattr(finder, "find_spec", None)) is not None and (spec := search(name, path, None)) is not None:
            return spec if isinstance(spec, ModuleSpec) else None
    return None


def located(name: str, folder: Path) -> Path | None:
    """The user's source that a module of this name would be loaded from now."""
    sys.path.insert(0, str(folder))
    try:
        chain = _chain(name)
    finally:
        sys.path.remove(str(folder))
    origin = chain[-1].origin if chain and chain[-1].name == name else None
    return None if origin is None else own(origin)


def refresh(name: str, file: Path, folder: Path) -> None:
    """Takes what a module is made of out of `sys.modules` if a source of it, or a file that was read, has changed since.

    All of it, so that none holds on to an old object of another. The arguments are those of `parts`.
    """
    importlib.invalidate_caches()
    found = dict(parts(name, file, folder, loaded=False).own)
    for path in _read_sources(path for path in found.values() if path is not None):
        found.update({loaded: path for loaded, held in _own_modules().items() if held == path})
    files = [path for path in found.values() if path is not None]
    if any(_stale(loaded, path) for loaded, path in found.items()) or not unchanged(_read_by(files)):
        _forget(found)


def _stale(name: str, path: Path | None) -> bool:
    """Whether a loaded module is not what its source says now."""
    module = sys.modules.get(name)
    if module is None or path is None or _of_package(name):
        return False
    if not (held := getattr(module, "__file__", None)) or Path(held).resolve() != path:
        return True  # another one of this name
    if path in seen:
        return seen[path] != digest(path)
    return path.stat().st_mtime > since[0]  # loaded before anybody watched


def _forget(modules: Mapping[str, Path | None]) -> None:
    """Takes modules of the user's, and those inside them, out of `sys.modules`, with what they were seen to read."""
    names = {name for name in modules if not _of_package(name)} - {"__main__"}
    gone = [loaded for loaded in sys.modules if any(loaded == name or loaded.startswith(f"{name}.") for name in names)]
    files = [own(getattr(sys.modules[loaded], "__file__", None) or "") for loaded in gone]
    for loaded in gone:
        del sys.modules[loaded]
    for path in (path for path in (*files, *modules.values()) if path is not None):
        seen.pop(path, None)
        reads.pop(path, None)


def _of_package(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def _own_modules() -> dict[str, Path]:
    """The user's modules that are loaded, and their sources."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    found = {name: own(file) for name, file in files.items() if isinstance(file, str) and not _of_package(name)}
    return {name: path for name, path in found.items() if path is not None}


def _read_by(files: Sequence[Path]) -> dict[str, str]:
    """What the code of some sources has read, and the code of sources that it has read."""
    found: dict[str, str] = {}
    for file in (*files, *_read_sources(files)):
        for path, content in reads.get(file, {}).items():
            found[path] = content if found.get(path, content) == content else UNKNOWN
    return found


def _read_sources(files: Iterable[Path]) -> list[Path]:
    """Sources that were loaded by the code of other sources, seen as it happened."""
    waiting = list(files)
    first, known = set(waiting), set(waiting)
    while waiting:
        for path in (own(os.path.abspath(name)) for name in reads.get(waiting.pop(), ())):
            if path is not None and path.suffix == ".py" and path not in known:
                known.add(path)
                waiting.append(path)
    return sorted(known - first)


def unchanged(read: Mapping[str, str]) -> bool:
    """Whether everything that was read holds what it held."""
    return all(digest(path) == content for path, content in read.items())


class Sources:
    """What objects of one of the user's classes are made of, as it was loaded."""

    def __init__(self, modules: Mapping[str, Path | None], folder: Path) -> None:
        """The arguments: the modules that define the class or that it was named by, and where their imports are sought first.

        A module of an installed package counts by that package's version.
        """
        self._folder = folder
        self._unread = None in modules.values()  # such as those that were typed into a notebook
        known = {name: file for name, file in modules.items() if file is not None}
        every = [parts(name, file, folder, loaded=True) for name, file in known.items() if own(str(file)) is not None]
        self._names = {name: file.name for name, file in known.items()}  # wherever it lies
        self._own = known | {name: path for one in every for name, path in one.own.items() if path is not None}
        self._others = sorted({name for one in every for name in one.others} | {name.partition(".")[0] for name in known})
        self._computed = any(one.computed for one in every)

    def digest(self) -> str:
        """A digest of the modules' sources, and of the versions of what they import of installed packages."""
        whole = hashlib.blake2b(digest_size=8)
        for name, path in sorted(self._own.items()):
            whole.update(f"\0{self._names.get(name, name)}\0{seen.get(path) or digest(path)}".encode())
        for package in sorted({package for name in self._others for package in _distributions().get(name, ())}):
            whole.update(f"\0{package}=={version(package)}".encode())
        return whole.hexdigest()

    def read(self) -> dict[str, str]:
        """What their code has read so far beside those sources: paths as given, digests as read; `UNKNOWN` if nobody saw."""
        files = list(self._own.values())
        if self._computed:
            files += [path for name, path in _own_modules().items() if name != "__main__" and self._folder in path.parents]
        found = _read_by(files)
        late = {*files, *_read_sources(files)} - set(self._own.values())
        found.update({str(path): seen.get(path, UNKNOWN) for path in late})
        for name, path in self._own.items():
            found.pop(str(path), None)
            if name in sys.modules and path not in seen and not _of_package(name) and own(str(path)) is not None:
                found[str(path)] = UNKNOWN  # loaded before anybody watched
        return found | ({"": UNKNOWN} if self._unread else {})


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
