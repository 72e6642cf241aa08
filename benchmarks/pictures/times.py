"""Time in pictures: one axis for all of them, by hour or by day, what was done to the market marked on it, and days folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...simulator.core.clock import HOUR_US
from ...simulator.core.look import INK
from ...simulator.delivery.fleet import drawn_outages
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 3  # days: curves of more of them, side by side, would be a comb, and are laid over each other
MOST = 8  # marks with words
CLOSE = 0.03  # of the axis: marks nearer than that share their words
# What is marked, by the name of the call that did it.
WORDS = {
    "surge": "surge", "top_up": "top-up", "set_budget": "budget", "launch": "launch", "pause": "pause",
    "scale_value": "value", "fail_servers": "outage", "repair_servers": "repaired",
}  # fmt: skip


class Mark(NamedTuple):
    """A moment and a word for it."""

    hour: float
    word: str


def time_axis(axis: Axes, scenario: Scenario, hours: float) -> None:
    """An axis from 0 to so many hours, in hours of a day or, where days of 24 hours follow each other, in days."""
    axis.set_xlim(0, hours)
    whole_day = scenario.day_s == 86_400
    axis.set_xlabel("hour of the day" if scenario.days == 1 and whole_day else "hours")
    if scenario.days == 1 and whole_day:
        axis.set_xticks(range(0, 25, 4))
    elif whole_day:
        step = -(-scenario.days // 14)
        axis.set_xticks(
            [24 * day for day in range(0, scenario.days, step)], [str(day) for day in range(1, scenario.days + 1, step)]
        )
        axis.set_xlabel("day, from its midnight")


def day_axis(axis: Axes, scenario: Scenario) -> None:
    """An axis over one day, for days that lie over each other."""
    time_axis(axis, scenario.model_copy(update={"days": 1}), scenario.day_s / 3600)


def is_folded(scenario: Scenario) -> bool:
    """Whether the days of a market are laid over each other."""
    return scenario.days > FEW


def marks(world: World) -> list[Mark]:
    """What was done to the market so far, and when its servers failed, in the order of time."""
    found = []
    for event in world.events:
        if event.what in WORDS:
            whose = "" if event.campaign is None else f" {world.campaigns.names[event.campaign]}"
            times = f" x{event.amount:.3g}" if event.what in ("surge", "scale_value") and event.amount is not None else ""
            found.append(Mark(event.time_us / HOUR_US, WORDS[event.what] + whose + times))
    serving = world.scenario.serving
    for outage in () if serving is None else (*serving.outages, *drawn_outages(world.scenario, world.seed)):
        for at, word in ((outage.start_s, "outage"), (outage.start_s + outage.duration_s, "repaired")):
            if at * 1e6 < world.now:
                found.append(Mark(at / 3600, word))
    return sorted(found, key=lambda mark: mark.hour)


def draw_marks(axes: Sequence[Axes], world: World, hours: float) -> None:
    """Vertical lines through panels that share a time axis, with words in the first of them."""
    groups: list[list[Mark]] = []
    for mark in marks(world):
        if groups and mark.hour - groups[-1][-1].hour < CLOSE * hours:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    for number, group in enumerate(groups):
        for axis in axes:
            axis.axvline(group[0].hour, color=INK, linewidth=0.9, linestyle=":", zorder=4)
        if number < MOST:
            words = list(dict.fromkeys(mark.word for mark in group))
            shown = ", ".join(words[:2]) + (f" and {len(words) - 2} more" if len(words) > 2 else "")
            end = group[0].hour > 0.97 * hours  # no room on its right
            axes[0].annotate(
                shown, (group[0].hour, 0.03), (-2 if end else 2, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", rotation=90, ha="right" if end else "left", va="bottom", fontsize=8, color=INK,
                zorder=5, bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.6},
            )  # fmt: skip
