"""The words of a command line before tyro reads them: commands and options that there are, a scenario without its flag."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tyro

from ...simulator.core.errors import AdArenaError, suggest

Command = Callable[..., Any]
OPTION = re.compile(r"--([A-Za-z][\w-]*)")
CONTINUED = re.compile(r"\n {12,}(?=\S)")  # a line that goes on with what is said of an argument
SCENARIO = re.compile(r"^( {8}scenario: .*?)\.?$", re.MULTILINE)


def understood(words: Sequence[str], commands: Mapping[str, Command]) -> list[str]:
    """The words with `--scenario` before a scenario that comes first.

    Raises:
        AdArenaError: if there is no such command, or it has no such option, or has another choice as its first word.
    """
    if not words or words[0].startswith("-"):
        return list(words)
    name, *rest = words
    if name not in commands:
        raise AdArenaError(f"there is no command {name!r}{suggest(name, commands)}")
    command, first = commands[name], rest[0] if rest and not rest[0].startswith("-") else None
    _check_options(name, command, rest)
    if first is not None and (choices := _choices(command)) and first not in choices:
        raise AdArenaError(f"{name} knows no {first!r}{suggest(first, choices)}")
    return [name, "--scenario", *rest] if first is not None and _takes_a_scenario(command) else list(words)


def flowing(command: Command) -> Command:
    """The command, with what it says of each argument in one line, which help breaks where the terminal ends.

    Where a scenario may come first, what is said of it says so.
    """
    told = CONTINUED.sub(" ", command.__doc__ or "")
    command.__doc__ = SCENARIO.sub(r"\1; may stand first, without --scenario.", told) if _takes_a_scenario(command) else told
    return command


def _check_options(name: str, command: Command, words: Sequence[str]) -> None:
    """tyro would list the options of all other commands that are written alike."""
    known = {"help", *_options(command)}
    if "" in known:  # a command of commands
        return
    for word in words:
        given = OPTION.match(word)
        if given is not None and (option := given[1].replace("_", "-")) not in known:
            hint = suggest(f"--{option}", [f"--{one}" for one in known])
            raise AdArenaError(f"{name} has no option --{option}{hint}")


def _options(command: Command) -> Iterator[str]:
    """The names of a command's options; a yes or no has two."""
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters:
        beside = getattr(hints[parameter], "__metadata__", ())
        own = next((one.name for one in beside if getattr(one, "name", None) is not None), parameter.replace("_", "-"))
        yield own
        if hints[parameter] is bool:
            yield f"no-{own}"


def _choices(command: Command) -> tuple[str, ...]:
    """What the first word of a command is one of, where it is one of several."""
    for hint in get_type_hints(command, include_extras=True).values():
        if _stands_alone(hint):
            kind = get_args(hint)[0]
            return get_args(kind) if get_origin(kind) is Literal else ()
    return ()


def _takes_a_scenario(command: Command) -> bool:
    """Whether a command takes a scenario, and nothing that has no flag."""
    hints = get_type_hints(command, include_extras=True)
    return "scenario" in hints and not any(map(_stands_alone, hints.values()))


def _stands_alone(hint: Any) -> bool:
    """Whether an argument has no flag."""
    return tyro.conf.Positional in getattr(hint, "__metadata__", ())
