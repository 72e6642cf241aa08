"""Pictures leave no trace in the session, show something where there is little to show, and are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from places import ROOT

from adarena.benchmarks.output import figures as drawing
from adarena.benchmarks.pictures import day as plots
from adarena.benchmarks.pictures import delivery
from adarena.simulator import MarketError, Scenario, World

# Imports every module of the package, draws every figure, and prints what of a session's state is not as it was before. Others'
# packages are imported first: what they do is theirs.
SESSION = """
import gc, importlib, locale, logging, os, pkgutil, random, signal, sys, threading, types, warnings
import faiss, gymnasium, matplotlib, matplotlib.pyplot as plt, numba, numpy as np, pandas, pyarrow.parquet, rich.console
import scipy.stats, seaborn, simpy, stable_baselines3, threadpoolctl, torch, tyro, yaml
from numba.core import config
matplotlib.use("svg")
matplotlib.rcParams["axes.titlesize"] = 31
plt.figure(num="the user's own")

def state():
    return {
        "matplotlib's settings": {k: repr(dict.__getitem__(matplotlib.rcParams, k)) for k in matplotlib.rcParams},
        "its colours": dict(matplotlib.colors.colorConverter.colors), "its figures": plt.get_figlabels(),
        "its units": set(matplotlib.units.registry),
        "numpy's errors": np.geterr(), "numpy's printing": np.get_printoptions(), "numpy's luck": repr(np.random.get_state()),
        "luck": random.getstate(), "warnings": list(warnings.filters), "environment": dict(os.environ),
        "torch": (torch.get_num_threads(), torch.get_num_interop_threads(), torch.get_default_dtype(),
                  torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist(),
                  str(torch.get_default_device())),
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals()}, "locale": locale.setlocale(locale.LC_ALL),
        "numba": {k: repr(v) for k, v in vars(config).items() if k.isupper()},
        "threads": {t.name for t in threading.enumerate()},
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook), "path": list(sys.path),
        "folder": os.getcwd(), "collector": (gc.isenabled(), gc.get_threshold()), "depth": sys.getrecursionlimit(),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "pools": sorted((p["filepath"], p["num_threads"]) for p in threadpoolctl.threadpool_info()),
        "pandas": pandas.describe_option(_print_desc=False),
    }

def compare(what, before):
    after = state()
    for name in before:
        if before[name] != after[name]:
            if isinstance(before[name], dict):
                keys = [k for k in {**before[name], **after[name]} if before[name].get(k) != after[name].get(k)]
                print(what, name, keys)
            else:
                print(what, name, before[name], after[name])

before = state()
with warnings.catch_warnings(record=True) as said:
    import adarena
    for module in pkgutil.walk_packages(adarena.__path__, "adarena."):
        if not module.name.startswith("adarena.tests"):
            importlib.import_module(module.name)
compare("importing changes", before)
for one in said:
    print("importing warns", one.message)

from adarena.agents.catalogue import make_policy
from adarena.benchmarks.audits import quotas, realism
from adarena.benchmarks.comparison import measuring, page, report
from adarena.benchmarks.comparison.plots import comparison, curves
from adarena.benchmarks.output import figures as drawing
from adarena.benchmarks import servers, servers_report
from adarena.benchmarks.pictures import day as plots, delivery, leads as chain, tiers, users
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import Scenario, World

def played(preset, **changes):
    world = World(Scenario.preset(preset).override({k.replace("__", "."): v for k, v in changes.items()}))
    world.run()
    return world

before = state()
serving = {"servers": 1, "service_s": 20.0, "service": "exponential", "deadline_s": 60.0}
small = {"traffic__requests_per_day": 500}
tiny = played("tiny", **small, serving=serving, sessions={"mean_requests": 6.0, "leave_rate": 0.05}, fatigue={"exponent": 0.4},
              funnel={"levels": [{"recall": 5, "rough": 4, "fine": 3}]})
results = measuring.run(BIDDING, Scenario.preset("tiny"), {"pid": "pid", "fixed": "fixed"}, 2)
spend = np.random.default_rng(0).random((2, 10))
bought = quotas.Bought("x", np.array([25, 50]), 10, np.array([0.3, 0.5]), spend, np.full(10, 9))
few = {"traffic__requests_per_day": 500, "users__count": 500, "demand__campaigns": 20, "ticks_per_day": 12}
queued = played("compute-small", **few)
numbers = {name: spend[:, :2] for name in servers.NUMBERS}
curves_ = servers.Curves(queued.scenario, (2, 4), "x", {"x": "x", "y": "y"}, [None, None], {"x": numbers, "y": numbers})
facts = realism.Realism([], np.ones(24), np.arange(1.0, 9), np.arange(1.0, 9), {1: 1.0, 2: 0.8})
figures = [
    plots.day(tiny), plots.day(played("uniform", **small)), delivery.picture(tiny, 0, 5), users.picture(tiny),
    chain.picture(played("leads", **small, days=1, users__count=500)),
    tiers.picture(queued), servers_report.picture(curves_), quotas.picture(bought), realism.picture(facts),
    *(comparison(results, narrow) for narrow in (False, True)),
    *(curves(results, BIDDING.curve, narrow=narrow) for narrow in (False, True)),
]
page.page(results, report.estimates(results, "fixed"), "fixed", "a command")
for figure in figures:
    assert figure._repr_png_().startswith(b"\\x89PNG")
    assert drawing.encoded(figure, "svg")
compare("drawing changes", before)
"""


def test_importing_and_drawing_leave_the_session_as_it_was() -> None:
    own = {"SDL_AUDIODRIVER": "dsp"}  # which PettingZoo sets where it is imported
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings"), **own}
    done = subprocess.run([sys.executable, "-c", SESSION], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def world(preset: str, **changes: Any) -> World:
    out = World(Scenario.preset(preset).override({name.replace("__", "."): value for name, value in changes.items()}))
    out.run()
    return out


def test_a_picture_looks_the_same_whatever_the_session_looks_like() -> None:
    import matplotlib

    tiny = world("tiny")
    for kind in ("png", "svg"):
        plain = drawing.encoded(plots.day(tiny), kind)
        with matplotlib.rc_context({"axes.titlesize": 40, "font.size": 30, "grid.color": "red", "xtick.labelsize": 30}):
            assert drawing.encoded(plots.day(tiny), kind) == plain
            figure = plots.day(tiny)
        assert drawing.encoded(figure, kind) == plain


def visible(axis: Any) -> bool:
    """Whether something of data is to be seen: a line of two known points inside the panel, an area, or a word."""
    left, right, low, high = *axis.get_xlim(), *sorted(axis.get_ylim())
    for line in axis.lines:
        points = np.array([line.get_xdata(), line.get_ydata()], float).T
        inside = (points >= (left, low)).all(axis=1) & (points <= (right, high)).all(axis=1)
        if len(points) > 1 and (inside[1:] & inside[:-1]).any():
            return True
    areas = [patch for patch in axis.patches if patch.get_path().get_extents(patch.get_transform()).height > 1]
    return bool(areas) or any(text.get_text().strip() for text in axis.texts)


DAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform": ("uniform", {"traffic__requests_per_day": 2_000}),
    "queue": ("queue", {"traffic__requests_per_day": 2_000}),
    "tiny": ("tiny", {}),
    "two days": ("tiny", {"days": 2}),
    "one campaign": ("tiny", {"demand__campaigns": 1}),
    "one request": ("tiny", {"traffic__requests_per_day": 1, "traffic__arrivals": "even"}),
    "one tick": ("tiny", {"ticks_per_day": 1}),
    "two days of one tick": ("tiny", {"ticks_per_day": 1, "days": 2}),
    "no impressions": ("tiny", {"auction__reserve": 1e9}),
    "no budgets": ("tiny", {"demand__budget_share": None}),
    "no budgets, no impressions": ("uniform", {"auction__reserve": 1e9, "traffic__requests_per_day": 100}),
}


@pytest.mark.parametrize("name", DAYS)
def test_no_panel_of_a_day_is_empty(name: str) -> None:
    preset, changes = DAYS[name]
    figure = plots.day(world(preset, **changes))
    assert len(figure.axes) == 4
    for axis in figure.axes:
        assert visible(axis), axis.get_title(loc="left")
        words = [text.get_text() for text in axis.texts]
        assert ("no impression was sold" in words) == ("no impressions" in name and "Price" in axis.get_title(loc="left")) or (
            name == "no budgets, no impressions"
        )
        assert "no campaign has a budget" not in words


def test_a_market_without_budgets_shows_what_was_spent_and_who_was_seen() -> None:
    """The theory of two bidders with values U[0, 1]: the price is 1/3, a competitor asks for 1/2, value is 2/3."""
    played = world("uniform", traffic__requests_per_day=20_000)
    _, worth, prices, shown = plots.day(played).axes
    value, spend = (line.get_ydata()[-1] / played.played for line in worth.lines)
    paid, least = (line.get_ydata() for line in prices.lines)
    error = 1 / played.played**0.5
    assert value == pytest.approx(2 / 3, abs=error)
    assert spend == pytest.approx(1 / 3, abs=error)
    np.testing.assert_allclose(paid, [1 / 3] * 2, atol=error)
    np.testing.assert_allclose(least, [1 / 2] * 2, atol=error)
    assert sorted(bar.get_width() for bar in shown.patches) == sorted(played.ledger.impressions().sum(axis=0))


def test_more_campaigns_than_bars_are_added_up() -> None:
    played = world("tiny", demand__budget_share=None, demand__campaigns=14)
    bars = [bar.get_width() for bar in plots.day(played).axes[3].patches]
    assert len(bars) == plots.BARS + 1
    assert sum(bars) == played.ledger.impressions().sum()
    assert bars[:-1] == sorted(bars[:-1], reverse=True)


def test_a_tick_alone_is_drawn_from_edge_to_edge() -> None:
    edges = np.arange(8.0)
    places, ticks = drawing.course(np.array([True, False, True, True, False, False, True]), edges)
    np.testing.assert_array_equal(places, [0, 1, np.nan, 2.5, 3.5, np.nan, 6, 7])
    assert ticks[[0, 1, 3, 4, 6, 7]].tolist() == [0, 0, 2, 3, 6, 6]
    assert drawing.course(np.ones(7, bool), edges)[0].tolist() == (edges[:-1] + 0.5).tolist()
    assert [part.size for part in drawing.course(np.zeros(7, bool), edges)] == [0, 0]


def test_latency_of_one_tick_is_seen() -> None:
    played = world("queue", traffic__requests_per_day=2_000, ticks_per_day=1)
    for axis in delivery.picture(played).axes[:3]:
        assert visible(axis), axis.get_title(loc="left")


def test_a_world_that_has_not_run_is_one_sentence() -> None:
    with pytest.raises(MarketError, match="nothing to draw yet"):
        plots.day(World(Scenario.preset("tiny")))
