"""Policies by name, seat by seat: `pid`, `dual:step=0.05`, `agent:path/of/a/trained/one`, `zoo:bidding-ppo`, `module:Class`.

Each seat has a folder here, whose `POLICIES` names what this package has for it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..simulator.core.errors import AdArenaError, PolicyError, suggest
from ..simulator.seats import SEATS
from ..simulator.seats.seat import Policy
from .learning.learned import Learned
from .provenance.loading import FROM_FILE, load, named
from .zoo import name_of


def base(seat: str) -> type[Policy[Any, Any]]:
    """The class that policies of a seat derive from, a user's own too. Raises `PolicyError` if there is no such seat."""
    if seat not in SEATS:
        raise PolicyError(f"there is no seat {seat!r}{suggest(seat, SEATS)}")
    return SEATS[seat].policy


def policies(seat: str) -> dict[str, type[Policy[Any, Any]]]:
    """The policies that this package has for a seat, by name. Raises `PolicyError` if there is no such seat."""
    base(seat)
    found: dict[str, type[Policy[Any, Any]]] = importlib.import_module(f".{seat}", __package__).POLICIES
    return found


@cache
def _beginning(names: tuple[str, ...]) -> re.Pattern[str]:
    """A policy at the beginning of a text that goes on with its settings, or with a + and another."""
    return re.compile(
        rf"(?:{'|'.join(map(re.escape, names))})(?=[:+]|$)"
        r"|agent:|zoo:"
        r"|(?:[^\W\d]\w*\.)*[^\W\d]\w*:[^\W\d]\w*(?=[:+]|$)"  # module:Class
        r"|[^+:]+\.py:[^\W\d]\w*"
    )


def make_policy(seat: str, text: str) -> Any:
    """The policy of a seat that a text names.

    `text` reads `name` or `name:field=value,field=value`, where the name is one of the seat's `policies`, or `module:Class`, or
    `file.py:Class`; modules are looked for in the current folder, too. Values are read by the type of the field. A trained
    agent reads `agent:PATH`, of its file or the folder of its training, or `zoo:NAME`, of the package. Any character may
    stand in the path of a file or folder that exists, and a comma in a value that is not followed by `field=`.

    Raises:
        PolicyError: whatever is wrong with it, in one sentence.
    """
    known, kind = policies(seat), base(seat)
    name, _, rest = text.partition(":")
    if name in ("agent", "zoo"):
        return _agent(seat, text, rest if name == "agent" else text)
    if (end := path_end(text)) > 0:
        name, rest = text[:end], text[end + 1 :]
    if name in known:
        return _build(known[name], name, rest)
    class_name, _, settings = rest.partition(":")
    if not class_name.isidentifier():
        raise PolicyError(f"there is no {seat} policy {name!r}{suggest(name, known)}; one of your own reads module:Class")
    module = load(name, seat, known)
    if not hasattr(module, class_name):
        there = [n for n, thing in vars(module).items() if _sits(thing, kind) and thing is not kind]
        raise PolicyError(f"{name} has no class {class_name!r}{suggest(class_name, there) if there else ''}")
    found = getattr(module, class_name)
    if not _sits(found, kind):
        raise PolicyError(f"{name}:{class_name} is no {seat} policy: it is not a subclass of {kind.__name__}")
    named(found, module)
    return _build(found, f"{name}:{class_name}", settings)


def holders(bidder: str, texts: Iterable[str]) -> dict[str, str]:
    """Who sits where, by names: the bidder, and who decides in other seats by texts SEAT=POLICY.

    Raises:
        PolicyError: if a text is none, or names a seat that is taken.
    """
    found = {"bidding": bidder}
    for text in texts:
        seat, equals, spec = text.partition("=")
        if not equals:
            raise PolicyError(f"who decides in a seat is written SEAT=POLICY, for example compute=mpc, and not {text!r}")
        if seat in found:
            by = "--bidder" if seat == "bidding" else f"{seat}={found[seat]}"
            raise PolicyError(f"the {seat} seat is taken, by {by}, when {text!r} comes")
        found[seat] = spec
    return found


def _agent(seat: str, text: str, path: str) -> Learned:
    agent = Learned(path)
    if agent.seat != seat:
        raise PolicyError(f"{text} is no {seat} policy: it was trained for the seat {agent.seat!r}")
    return agent


def path_end(text: str) -> int:
    """Where the longest path of an existing agent or file of policies ends, with which a text begins; 0: with none.

    After the path of a file comes a colon, after that of an agent a + or nothing.
    """
    if text.startswith("agent:"):
        ends = [match.start() for match in re.finditer(r"\+|$", text)]
        return max((end for end in ends if end > len("agent:") and _exists(text[len("agent:") : end])), default=0)
    ends = [match.start() for match in re.finditer(r"(?<=\.py):", text)]
    return max((end for end in ends if _exists(text[:end])), default=0)


def _exists(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, or no path at all
        return False


def joined(seat: str, text: str) -> list[str]:
    """The policies that a text joins by +, such as agents trained with different seeds, whose mean is wanted.

    A + joins only where it lies in no path that exists, and where what follows names a policy: one of the seat's `policies`,
    `agent:`, `module:Class` or `file.py:Class`.
    """
    begins = _beginning(tuple(policies(seat)))
    start, found = 0, []
    place = path_end(text)
    while (place := text.find("+", place)) >= 0:
        rest = text[place + 1 :]
        if begins.match(rest) or path_end(rest):
            found.append(text[start:place])
            start = place + 1
            place = start + path_end(rest)
        else:
            place += 1
    return [*found, text[start:]]


def labelled(text: str) -> tuple[str, str]:
    """A label and what it stands for: LABEL=POLICY, or a text for itself.

    No label is what holds a colon, and so a policy's settings, or what begins the path of a file of policies that exists.
    """
    label, equals, spec = text.partition("=")
    return (label, spec) if equals and label and ":" not in label and not path_end(text) else (text, text)


def describe(seat: str, policy: Policy[Any, Any]) -> str:
    """The text that `make_policy` turns into an equal policy: its name, and its fields where they differ from the default."""
    if isinstance(policy, Learned):
        return name_of(policy.path) or f"agent:{policy.path}"
    kind = type(policy)
    names = {known: name for name, known in policies(seat).items()}
    name = names.get(kind) or f"{_source(kind)}:{kind.__qualname__}"
    if not dataclasses.is_dataclass(policy):
        return name
    changed = [
        f"{field.name}={getattr(policy, field.name)}"
        for field in dataclasses.fields(policy)
        if field.init and getattr(policy, field.name) != _default(field)
    ]
    return ":".join([name, ",".join(changed)]) if changed else name


def _source(kind: type) -> str:
    """The module of a class, or the file it was loaded from."""
    if not kind.__module__.startswith(FROM_FILE):
        return kind.__module__
    path = Path(str(sys.modules[kind.__module__].__file__))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _sits(thing: Any, kind: type) -> bool:
    return isinstance(thing, type) and issubclass(thing, kind)


def _build(kind: type[Policy[Any, Any]], name: str, text: str) -> Policy[Any, Any]:
    """An object of a class with the settings of a text."""
    parameters = {
        n: p for n, p in inspect.signature(kind).parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    hints = _hints(kind, name)
    values: dict[str, Any] = {}
    for setting in re.split(r",(?=\s*[^\W\d]\w*\s*=)", text) if text else []:
        field, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not field:
            raise PolicyError(f"a setting of {name} reads field=value, and not {setting!r}")
        if field not in parameters:
            hint = suggest(field, parameters) if parameters else "; it has no fields at all"
            raise PolicyError(f"{name} has no field {field!r}{hint}")
        if field in values:
            raise PolicyError(f"{name} is given {field!r} twice")
        values[field] = _parsed(value, _kind_of(parameters[field], hints), f"{name}'s {field}")
    for field, parameter in parameters.items():
        if parameter.default is parameter.empty and field not in values:
            raise PolicyError(f"{name} needs a value for {field}: write {name}:{field}=...")
    try:
        return kind(**values)
    except AdArenaError:
        raise
    except Exception as error:  # whatever a user's constructor raises
        raise PolicyError(f"{name} cannot be built: {type(error).__name__}: {error}") from error


def _hints(kind: type[Any], name: str) -> Mapping[str, Any]:
    try:
        return get_type_hints(kind) if dataclasses.is_dataclass(kind) else get_type_hints(kind.__init__)
    except NameError as error:
        raise PolicyError(f"the types of {name}'s fields cannot be read: {error}") from error


def _kind_of(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """The type of a parameter: as annotated, else that of its default, else text."""
    if parameter.name in hints:
        return hints[parameter.name]
    return str if parameter.default in (parameter.empty, None) else type(parameter.default)


def _parsed(text: str, kind: Any, what: str) -> Any:
    """The value a text stands for as a field of a type."""
    if get_origin(kind) in (Union, UnionType):
        if NoneType in get_args(kind) and text.lower() == "none":
            return None
        kinds = [k for k in get_args(kind) if k is not NoneType]
        if len(kinds) != 1:
            raise PolicyError(f"{what} cannot be given as text: it is of type {kind}")
        return _parsed(text, kinds[0], what)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise PolicyError(f"{what} is true or false, not {text!r}")
        return text.lower() == "true"
    if kind is str:
        return text
    if kind not in (int, float):
        raise PolicyError(f"{what} cannot be given as text: it is of type {getattr(kind, '__name__', kind)}")
    try:
        value = kind(text)
    except ValueError:
        raise PolicyError(f"{what} is a {'whole ' if kind is int else ''}number, not {text!r}") from None
    if not math.isfinite(value):
        raise PolicyError(f"{what} is a finite number, not {text!r}")
    return value
