"""What goes wrong, said in one sentence: every error that AdArena raises on purpose derives from `AdArenaError`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AdArenaError(Exception):
    """Base of all errors raised on purpose; its text is one clear sentence."""


class ScenarioError(AdArenaError):
    """A scenario, one of its fields, or a scenario file is wrong."""


class PolicyError(AdArenaError):
    """A policy cannot be found or built, or it decided something that is not allowed."""


class MarketError(AdArenaError):
    """A running market was asked for something that is not allowed."""


class LogError(AdArenaError):
    """A log of auctions, or the history that goes with it, cannot be used."""


class InvariantError(AdArenaError):
    """The books do not balance: a defect of the simulator, never of its user."""


def reason(*cases: tuple[str, bool]) -> str | None:
    """The words of the first case that holds; None: none does."""
    return next((words for words, holds in cases if holds), None)


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint `; did you mean 'x'?`, or the list of what is known where nothing is close, if anything is."""
    known = sorted(known)
    if not known:
        return ""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
