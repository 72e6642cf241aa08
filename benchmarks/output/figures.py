"""Figures that keep our look wherever they are rendered, and how they are written.

No figure is registered with pyplot and no backend is chosen: in a notebook the user's own figures appear as they would
without us.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import allow_rasterization
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...simulator.core.disk import write
from ...simulator.core.look import style


@contextmanager
def _drawing() -> Iterator[None]:
    """Our look, without a word for each letter that no font of this machine has, as of emoji in names: a box stands for it."""
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


class Picture(Figure):
    """A figure that keeps our look wherever it is rendered, and shows itself in a notebook; make it inside `style`."""

    @allow_rasterization
    def draw(self, renderer: Any) -> None:
        with _drawing():  # ticks, for one, are made only now
            super().draw(renderer)

    def get_tightbbox(self, *arguments: Any, **options: Any) -> Any:
        with _drawing():
            return super().get_tightbbox(*arguments, **options)

    def savefig(self, *arguments: Any, **options: Any) -> None:
        with _drawing():
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        return encoded(self, "png")


def encoded(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a file: "png" or "svg"."""
    held = io.BytesIO()
    figure.savefig(held, format=kind, bbox_inches="tight", metadata={"Date": None} if kind == "svg" else None)
    return held.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure, of the kind that the path's suffix says, and gives back what it holds.

    Raises:
        MarketError: if it cannot be written.
    """
    write(path, encoded(figure, path.suffix[1:]))
    close(figure)
    return path


def close(figure: Figure) -> None:
    """Gives back what a figure holds."""
    figure.clear()


def course(known: NDArray[np.bool_], edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How to draw what is known of some ticks only: places along the axis, and the tick whose value stands at each.

    Ticks that follow each other are joined from middle to middle. One alone would be a line of one point, which is nothing to
    see, so it is drawn from edge to edge. Between them the place is NaN, which breaks a line.

    Args:
        known: (ticks,).
        edges: (ticks + 1,) where each begins, and the last ends.
    """
    places: list[float] = []
    ticks: list[int] = []
    for run in np.split(np.flatnonzero(known), np.flatnonzero(np.diff(np.flatnonzero(known)) > 1) + 1):
        if run.size == 1:
            places += [edges[run[0]], edges[run[0] + 1], np.nan]
            ticks += [run[0]] * 3
        elif run.size:
            places += [*(edges[run] + edges[run + 1]) / 2, np.nan]
            ticks += [*run, run[-1]]
    return np.array(places[:-1]), np.array(ticks[:-1], np.int64)
