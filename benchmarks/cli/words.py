"""The words of a command line before tyro reads them: a command that there is, the version, a scenario without its flag."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import tyro

from ...simulator.core.errors import AdArenaError, suggest


def understood(words: Sequence[str], commands: Mapping[str, Callable[..., Any]]) -> list[str]:
    """The words with `--scenario` before a scenario that comes first. Raises `AdArenaError` if there is no such command."""
    if not words or words[0].startswith("-"):
        return list(words)
    command, *rest = words
    if command not in commands:
        raise AdArenaError(f"there is no command {command!r}{suggest(command, commands)}")
    first_is_a_value = bool(rest) and not rest[0].startswith("-")
    return [command, "--scenario", *rest] if first_is_a_value and _takes_a_scenario(commands[command]) else list(words)


def _takes_a_scenario(command: Callable[..., Any]) -> bool:
    """Whether a command takes a scenario, and nothing that has no flag."""
    parameters = inspect.signature(command).parameters
    if "scenario" not in parameters:
        return False
    hints = get_type_hints(command, include_extras=True).values()
    return not any(tyro.conf.Positional in getattr(hint, "__metadata__", ()) for hint in hints)
