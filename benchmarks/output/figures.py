"""How pictures look and how they are written, without a trace in the session that draws them.

No figure is registered with pyplot, no backend is chosen, and matplotlib's settings are ours only while we draw: in a notebook
the user's own figures appear and look as they would without us.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from cycler import cycler
from matplotlib.artist import allow_rasterization
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...simulator.core.disk import write

INK, IDEAL = "#222222", "#d1495b"


@cache
def _settings() -> Any:
    return {
        **sns.plotting_context("notebook"),
        **sns.axes_style("whitegrid"),
        "axes.prop_cycle": cycler(color=sns.color_palette("deep")),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 10,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "grid.color": "#ececec",
        "figure.dpi": 120,
        "text.parse_math": False,  # a $ in a name is a $
        "svg.hashsalt": "adarena",  # the same figure is the same bytes
    }


@contextmanager
def style() -> Iterator[None]:
    """Our look, for as long as something is drawn; all that makes a figure or adds to it stands inside."""
    with matplotlib.rc_context(_settings()):
        yield


class Picture(Figure):
    """A figure that keeps our look wherever it is rendered, and shows itself in a notebook; make it inside `style`."""

    @allow_rasterization
    def draw(self, renderer: Any) -> None:
        with style():  # ticks, for one, are made only now
            super().draw(renderer)

    def get_tightbbox(self, *arguments: Any, **options: Any) -> Any:
        with style():
            return super().get_tightbbox(*arguments, **options)

    def savefig(self, *arguments: Any, **options: Any) -> None:
        with style():
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
