"""What a larger quota of recall buys: revenue of days that are really played, and recall of the truly best ads.

One day is played again under each quota, with the same requests, users, weather and luck. All that recall finds goes on to the
fine sort, which passes the same number everywhere, so that nothing but recall's quota limits what comes to the auction. There
are no servers, and drawn campaigns have no budgets: these would be set anew from what a day costs under each quota.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.scenario.delivery import Quotas
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..output.figures import save
from ..output.progress import progress
from ..output.tables import plain_table
from .funnel import audit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LADDER = (25, 50, 100, 200, 400, 800, 1_600, 3_200)


class Bought(NamedTuple):
    """What each of Q quotas of recall, smallest first, brings over the T ticks of one day."""

    name: str  # of the scenario
    quota: NDArray[np.int64]  # (Q,) candidates recalled
    passed: int  # by the fine sort; recall is of so many of the truly best ads
    recall: Floats  # (Q,) share of those that leave recall, mean over traced requests
    spend: Floats  # (Q, T) currency
    requests: NDArray[np.int64]  # (T,)

    @property
    def revenue(self) -> Floats:
        """Currency per thousand requests, shape (Q,)."""
        mille: Floats = 1000 * self.spend.sum(axis=1) / self.requests.sum()
        return mille

    @property
    def step_error(self) -> Floats:
        """Standard errors of the steps from quota to quota in `revenue`, shape (Q - 1,), from the ticks' paired differences."""
        step = np.diff(self.spend, axis=0)
        off = step - np.outer(step.sum(axis=1) / self.requests.sum(), self.requests)
        error: Floats = 1000 * off.std(axis=1, ddof=1) * np.sqrt(self.requests.size) / self.requests.sum()
        return error


def command(console: Console, market: Scenario, ladder: Sequence[int], requests: int, seed: int, folder: Path) -> None:
    """Plays a day under each of the quotas, prints a table and draws it into the folder."""
    with progress(f"{market.name}, quotas", len(ladder)) as advance:
        found = sweep(market, ladder, requests, seed=seed, advance=advance)
    console.print(table(found))
    console.print(f"figure: {save(picture(found), folder / 'quotas.png')}", soft_wrap=True)


def sweep(
    scenario: Scenario,
    ladder: Sequence[int] = LADDER,
    requests: int = 10_000,
    traced: int = 100,
    seed: int = 0,
    advance: Callable[[], None] | None = None,
) -> Bought:
    """Plays a day of about `requests` requests at each quota of `ladder`, and traces `traced` requests against the truth.

    `advance()` is called after each quota.

    Raises:
        MarketError: if the scenario has no funnel, or the quotas do not rise.
    """
    if scenario.funnel is None:
        raise MarketError(f"scenario {scenario.name!r} has no funnel whose quotas could grow")
    if len(ladder) < 2 or any(b <= a for a, b in pairwise(ladder)):
        raise MarketError(f"quotas must rise, two of them at least, not {' '.join(map(str, ladder))}")
    if ladder[0] < 1:
        raise MarketError(f"quotas must be at least 1, not {ladder[0]}")
    changes: dict[str, Any] = {"serving": None, "traffic.requests_per_day": requests, "days": 1, "funnel.tiers": ()}
    if scenario.demand.kind == "drawn":
        changes["demand.budget_share"] = None
    if scenario.surfaces is not None:  # nobody waits for servers, on no surface
        changes["surfaces"] = [surface.model_copy(update={"deadline_s": None}).model_dump() for surface in scenario.surfaces]
    market = scenario.override(changes)
    passed = min(scenario.funnel.levels[0].fine, *ladder)
    spend, recall = [], []
    for quota in ladder:
        quotas = Quotas(recall=quota, rough=quota, fine=passed)
        world = World(market.override({"funnel.levels": [quotas.model_dump()]}), seed=seed)
        found = audit(world.scenario, traced, seed)
        world.run()
        spend.append(world.ledger.spend().sum(axis=1))
        recall.append(found.recall[0])
        if advance is not None:
            advance()
    met = world.ledger.requests()
    return Bought(market.name, np.array(ladder), passed, np.array(recall), np.array(spend), met)


def table(found: Bought) -> Table:
    """A row per quota."""
    out = plain_table(
        f"Quotas of recall, {found.requests.sum():,} requests at each",
        caption=f"Recall: of the {found.passed} truly best ads. Step: revenue above the quota before, and its standard error.",
    )
    for column in ("quota", "recall", "revenue per 1,000", "step", "error", "step per 100 more"):
        out.add_column(column, justify="right", no_wrap=True)
    step, more = np.diff(found.revenue), np.diff(found.quota)
    for n, quota in enumerate(found.quota):
        last = ("", "", "")
        if n:
            last = f"{step[n - 1]:+,.2f}", f"{found.step_error[n - 1]:.2f}", f"{100 * step[n - 1] / more[n - 1]:+,.2f}"
        out.add_row(f"{quota:,}", f"{found.recall[n]:.1%}", f"{found.revenue[n]:,.2f}", *last)
    return out


def picture(found: Bought) -> Figure:
    """Recall and revenue over the quota, and what a doubling of it brings."""
    from matplotlib.ticker import PercentFormatter

    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 3.9), layout="constrained")
        axes = figure.subplots(1, 3)
        names = [f"{quota:,}" for quota in found.quota]
        for axis in axes:
            axis.set_xscale("log", base=2)
            axis.set_xlim(found.quota[0] / 1.3, found.quota[-1] * 1.3)
            axis.set_xticks(found.quota, names)
            axis.minorticks_off()
            axis.set_xlabel("candidates recalled")
        axes[0].plot(found.quota, found.recall, "o-", color="#4c72b0")
        axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
        axes[0].set_ylim(0, 1.02)
        axes[0].set_title(f"Recall of the {found.passed} truly best ads")
        axes[1].plot(found.quota, found.revenue, "o-", color="#2f7d4f")
        axes[1].set_ylim(0, found.revenue.max() * 1.1)
        axes[1].set_title("Revenue per 1,000 requests, currency")
        doublings, middle = np.diff(np.log2(found.quota)), np.sqrt(found.quota[1:] * found.quota[:-1])
        step, error = np.diff(found.revenue) / doublings, 2 * found.step_error / doublings
        axes[2].errorbar(middle, step, error, fmt="o-", color="#e08a4f", capsize=3)
        axes[2].axhline(0, color="0.6", linewidth=1)
        axes[2].set_title("Revenue that a doubling adds, ± 2 SE")
        figure.suptitle(f"{found.name}: {found.requests.sum():,} requests at each quota", x=0.01, ha="left", color=INK)
    return figure
