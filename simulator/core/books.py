"""What all books of a run have in common, whatever is in them: days open, ticks close, and all can be had as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class Tick(NamedTuple):
    """A tick that closes."""

    number: int  # since the start
    requests: int  # that came to the auction in it


class Books(ABC):
    """Books of a run. Those that only ever add up have nothing to do when a day opens or a tick closes."""

    def open_day(self) -> None:
        """Called as a day begins, but for the first."""
        return

    def close_tick(self, tick: Tick) -> None:
        """Called as a tick ends: books it and clears the kernels' counters. Raises `InvariantError` if they are wrong."""
        return

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """What is in them, as a table."""
