"""What is to be seen of an episode so far, as numbers and texts, and the same as a few lines of text.

A frame knows neither a seat nor matplotlib: an environment fills it in, `figure.py` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..simulator.core.arrays import Floats

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 48  # characters of a course in text, at most


class Line(NamedTuple):
    """A course through the ticks of a day."""

    label: str
    course: Floats  # (ticks,) of each tick, or (ticks + 1,) from the day's beginning to its end; NaN: not told, or not yet


class Panel(NamedTuple):
    """A course through the ticks of a day, perhaps with others of its kind, beside what it is measured by."""

    name: str  # a word or two
    title: str
    unit: str  # along the axis
    course: Floats  # as in `Line`
    label: str  # of the course
    form: str  # of one of its numbers, as in "{:.1%}"
    ideal: Floats | None = None  # of the same shape, or of the other
    ideal_label: str = ""
    low: float = 0.0  # of the axis
    high: float | None = None  # None: as high as the course and its ideal need
    logarithmic: bool = False
    note: str = ""  # why there is no course, and will be none
    others: tuple[Line, ...] = ()  # of the same kind and form, such as those of other tiers

    @property
    def lines(self) -> tuple[Line, ...]:
        """All courses, the panel's own first."""
        return Line(self.label, self.course), *self.others

    @property
    def latest(self) -> str:
        """The last number that is known of the panel's own course."""
        return self.told(self.course)

    def told(self, course: Floats) -> str:
        """The last number that is known of a course, as it is written."""
        known = course[~np.isnan(course)]
        return self.form.format(known[-1]) if known.size else self.note or "not yet"

    @property
    def scaled(self) -> bool:
        """Whether the axis has numbers: nobody knows the size of what is still to be told."""
        return self.high is not None or self._most > 0

    @property
    def top(self) -> float:
        """The end of the axis: a round number above all that is known."""
        if self.high is not None:
            return self.high
        if not (most := 1.1 * self._most) > 0:
            return 1.0
        power = 10.0 ** np.floor(np.log10(most))
        return float(next(step * power for step in (1, 2, 5, 10) if step * power >= most))

    @property
    def _most(self) -> float:
        drawn = np.concatenate([*(line.course for line in self.lines), np.empty(0) if self.ideal is None else self.ideal])
        return float(np.nanmax(drawn, initial=0.0))


def panel_of(lines: Iterable[Line], name: str, title: str, unit: str, form: str, high: float | None = None) -> Panel:
    """A panel of several courses, such as those of tiers."""
    first, *others = lines
    return Panel(name, title, unit, first.course, first.label, form, high=high, others=tuple(others))


def outermost(low: str, high: str, courses: Floats, rest: Floats) -> tuple[Line, Line]:
    """The least and the greatest of courses, (n, courses), so far; `rest` are NaN for what is not known yet."""
    return Line(low, np.append(courses.min(axis=1), rest)), Line(high, np.append(courses.max(axis=1), rest))


class Frame(NamedTuple):
    """A day so far: the first panel is drawn large."""

    headline: str  # what is played: the same all day
    facts: str  # what it has come to, in a line
    tick: int  # ticks played
    hours: Floats  # (ticks + 1,) where ticks begin, and the last ends
    panels: tuple[Panel, Panel, Panel]


def text(frame: Frame) -> str:
    """A frame as lines of text: what is played, what it has come to, and a line for each course."""
    courses = [
        (f"{panel.name}, {line.label}" if panel.others else panel.name, _bars(panel, line.course), panel.told(line.course))
        for panel in frame.panels
        for line in panel.lines
    ]
    broad = max(len(name) for name, _, _ in courses)
    return "\n".join([frame.headline, frame.facts, *(f"{name:<{broad}} {bars} {latest}" for name, bars, latest in courses)])


def _bars(panel: Panel, course: Floats) -> str:
    """A course as a row of bars: its last tick of each of at most `WIDTH` pieces of the day; a dot where nothing is known."""
    low, high = panel.low, panel.top
    if panel.logarithmic:
        course, low, high = np.log(course), np.log(low), np.log(high)
    pieces = np.array_split(course, min(course.size, WIDTH))
    known = (piece[~np.isnan(piece)] for piece in pieces)
    shares = [float((piece[-1] - low) / (high - low)) if piece.size else np.nan for piece in known]
    return "".join("·" if np.isnan(s) else BARS[int(min(max(s, 0.0) * len(BARS), len(BARS) - 1))] for s in shares)
