"""How pictures look, those of a run and the frames of an environment alike.

Matplotlib's settings are ours only while we draw, and it is imported only then: a user's own figures look as they would
without us.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

INK, IDEAL = "#222222", "#d1495b"


@cache
def _settings() -> Any:
    import seaborn as sns
    from cycler import cycler

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
    import matplotlib

    with matplotlib.rc_context(_settings()):
        yield
