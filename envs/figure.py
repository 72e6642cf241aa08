"""Draws frames as pictures of a fixed size, quickly enough for a video.

What stays the same from frame to frame (axes, grid, labels, ideals) is drawn once and kept as pixels; what moves is drawn
over it. Nothing of this is seen by pyplot, and matplotlib's settings are as before after each frame.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats
from ..simulator.core.look import IDEAL, INK, style
from .frames import Frame, Line, Panel

WIDTH, HEIGHT = 960, 540  # pixels; even, as encoders of video need them
DPI = 100
PAD, RAISED = 8, 13  # points from axes to their title; how much more where the legend takes the room
OWN = "#4c72b0"  # of a panel's own course, the first colour of the look; the others take those that follow
PLACES = (0.085, 0.115, 0.46, 0.665), (0.645, 0.495, 0.335, 0.285), (0.645, 0.115, 0.335, 0.275)  # left, bottom, width, height


class Screen:
    """Draws frames of one day after another; a frame is the same pixels whatever was drawn before."""

    def __init__(self) -> None:
        self._still: Any = None  # what the pixels that are kept were drawn for

    def draw(self, frame: Frame) -> NDArray[np.uint8]:
        """The picture of a frame, (HEIGHT, WIDTH, 3)."""
        with style():
            still = _still(frame)
            if still != self._still:
                self._lay_out(frame)
                self._still = still
            self._canvas.restore_region(self._pixels)
            self._facts.set_text(_cut(frame.facts, 110))
            self._figure.draw_artist(self._facts)
            for axes, panel, moving in zip(self._axes, frame.panels, self._moving, strict=True):
                for line, its in zip(panel.lines, moving, strict=True):
                    _move(axes, its, line, frame)
            return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _lay_out(self, frame: Frame) -> None:
        """Draws what stays, and makes what moves."""
        self._figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        self._canvas = cast(Any, FigureCanvasAgg(self._figure))
        self._figure.text(0.022, 0.935, _cut(frame.headline, 80), fontsize=13, weight="bold", color=INK)
        self._facts = self._figure.text(0.022, 0.885, "", fontsize=10, color=INK, animated=True)
        self._axes = [self._figure.add_axes(place) for place in PLACES]
        self._moving = [_panel(axes, panel, frame) for axes, panel in zip(self._axes, frame.panels, strict=True)]
        self._axes[1].tick_params(labelbottom=False)
        for axes in (self._axes[0], self._axes[2]):
            axes.set_xlabel("hour of the day" if frame.hours[-1] == 24 else "hours", fontsize=9)
        self._canvas.draw()
        self._pixels = self._canvas.copy_from_bbox(self._figure.bbox)


def _still(frame: Frame) -> Any:
    """All of a frame that does not move: two frames for which it is equal differ in their courses and lines of text only."""
    ideals = (None if panel.ideal is None else (panel.ideal.shape, panel.ideal.tobytes()) for panel in frame.panels)
    panels = [panel._replace(course=None, ideal=None, others=(), high=panel.top) for panel in frame.panels]  # type: ignore[arg-type]
    labels = [[line.label for line in panel.others] for panel in frame.panels]
    scaled = [panel.scaled for panel in frame.panels]
    return frame.headline, panels, labels, scaled, list(ideals), frame.hours.tobytes()


def _cut(line: str, letters: int) -> str:
    """A line that fits across the picture."""
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def _panel(axes: Axes, panel: Panel, frame: Frame) -> list[tuple[Any, Any]]:
    """What stays of a panel; gives back each of its courses and the mark at its end, which move."""
    title = axes.set_title(panel.title, fontsize=11, color=INK, pad=PAD)
    axes.set_ylabel(panel.unit, fontsize=9)
    low, high = panel.low, panel.top
    axes.set_xlim(frame.hours[0], frame.hours[-1])
    _number(axes, panel, low, high, float(frame.hours[-1]))
    if panel.ideal is not None:
        axes.plot(*_line(panel.ideal, frame.hours), color=IDEAL, linewidth=1.6, label=panel.ideal_label)
    moving = []
    for number, line in enumerate(panel.lines):
        colour = f"C{number}" if number else OWN
        (course,) = axes.plot([], [], color=colour, linewidth=2.0, label=line.label, animated=True, solid_joinstyle="round")
        (mark,) = axes.plot([], [], color=colour, marker="o", markersize=5, linestyle="none", animated=True, clip_on=False)
        moving.append((course, mark))
    if panel.note:
        axes.text(0.5, 0.5, panel.note, transform=axes.transAxes, ha="center", va="center", color=INK)
    if panel.ideal is not None or panel.others:
        handles, labels = axes.get_legend_handles_labels()
        if panel.ideal is not None:  # drawn below, named last
            handles, labels = [*handles[1:], handles[0]], [*labels[1:], labels[0]]
        legend = axes.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=len(labels), frameon=False, fontsize=8.5,
            handlelength=1.4 if len(labels) < 5 else 0.7, columnspacing=1.0, borderaxespad=0.1,
        )  # fmt: skip
        cast(Figure, axes.figure).draw_without_rendering()
        if legend.get_window_extent().overlaps(title.get_window_extent()):  # no room beside each other
            axes.set_title(panel.title, fontsize=11, color=INK, pad=PAD + RAISED)
    return moving


def _number(axes: Axes, panel: Panel, low: float, high: float, hours: float) -> None:
    """Few round numbers along both axes."""
    step = next((step for step in (1, 2, 4, 6, 12, 24) if 2 < hours / step <= 6), None)
    axes.xaxis.set_major_locator(MaxNLocator(6) if step is None else FixedLocator(np.arange(0.0, hours + 1e-9, step).tolist()))
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator(np.geomspace(low, high, 5).tolist()))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _written(y, panel)))
    axes.tick_params(labelleft=panel.scaled)
    room = (high / low) ** 0.04 if panel.logarithmic else 0.0
    axes.set_ylim(low / room if room else low, high * room if room else high)


def _written(y: float, panel: Panel) -> str:
    """A number along an axis; large ones in thousands, so that they leave room for what they are of."""
    if panel.form.endswith("%}"):
        return f"{y:.0%}"
    return f"{y / 1000:,.3g}k" if abs(y) >= 1000 else f"{y:.3g}"


def _line(numbers: Floats, hours: Floats) -> tuple[Floats, Floats]:
    """Places and heights of a course: from edge to edge, or a step for each tick."""
    if numbers.size == hours.size:
        return hours, numbers
    return np.repeat(hours, 2)[1:-1], np.repeat(numbers, 2)


def _move(axes: Axes, moving: tuple[Any, Any], line: Line, frame: Frame) -> None:
    course, mark = moving
    places, heights = _line(line.course, frame.hours)
    course.set_data(places, heights)
    axes.draw_artist(course)
    known = np.flatnonzero(~np.isnan(heights))
    if known.size:
        mark.set_data(places[known[-1:]], heights[known[-1:]])
        axes.draw_artist(mark)
