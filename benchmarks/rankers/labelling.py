"""What labels of new ads teach, as they are paid for: AUC on ads kept apart over the number labelled, by strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ...agents.rankers.labelling import STRATEGIES, Ads, Labelled, ads_of, labelled
from ...agents.rankers.logs import Log
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import LogError
from ..output.tables import plain_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Budget:
    """How many labels there are, and what one is.

    Args:
        impressions: of an ad, that make its label.
        first: ads labelled at random to begin with.
        step: ads labelled in each round.
        rounds: of them.
        apart: share of the ads that are kept apart, and judged.
        seeds: repetitions, each with other ads kept apart and other first labels.
    """

    impressions: int
    first: int
    step: int
    rounds: int
    apart: float
    seeds: int

    def __post_init__(self) -> None:
        for name in ("impressions", "first", "step", "rounds"):
            if getattr(self, name) < 1:
                raise LogError(f"{name} must be 1 at least, not {getattr(self, name)}")
        if self.seeds < 2:
            raise LogError(f"it takes two seeds at least to tell how far strategies differ, not {self.seeds}")
        if not 0 < self.apart < 1:
            raise LogError(f"a share of the ads above 0 and below 1 is kept apart, not {self.apart!r}")


@dataclass(frozen=True)
class Curves:
    """Of each strategy over the seeds: AUC and click rate (seeds, R), and AUC less that of random labels, (seeds, R)."""

    log: str
    ads: int
    budget: Budget
    labels: tuple[int, ...]  # (R,)
    auc: Mapping[str, Floats]
    click_rate: Mapping[str, Floats]
    whole: Floats  # (seeds,) AUC with all ads labelled that may be


def measure(log: Log, budget: Budget) -> Curves:
    """All strategies on the same ads and first labels. Raises `LogError` if the log has too few ads, or does not show them."""
    ads = ads_of(log, budget.impressions)
    found: dict[str, list[Labelled]] = {name: [] for name in STRATEGIES}
    whole = []
    for seed in range(budget.seeds):
        pool, apart = _dealt(ads, budget.apart, seed)
        for name, held in found.items():
            held.append(labelled(pool, apart, name, seed, budget.first, budget.step, budget.rounds))
        whole.append(labelled(pool, apart, "random", seed, pool.shown.size, 0, 0).auc[-1])
    auc = {name: np.stack([each.auc for each in held]) for name, held in found.items()}
    rate = {name: np.stack([each.click_rate for each in held]) for name, held in found.items()}
    labels = tuple(found["random"][0].labels.tolist())
    return Curves(str(log.folder), ads.shown.size, budget, labels, auc, rate, np.array(whole))


def _dealt(ads: Ads, apart: float, seed: int) -> tuple[Ads, Ads]:
    order = np.random.default_rng([seed, 1]).permutation(ads.shown.size)
    kept = round(apart * order.size)
    return ads.part(order[kept:]), ads.part(order[:kept])


def _interval(values: Floats) -> tuple[float, float]:
    """Mean, and twice its standard error, over seeds."""
    return float(values.mean()), float(2 * values.std(ddof=1) / np.sqrt(values.size))


def table(found: Curves) -> Table:
    """A row for each number of labels."""
    title = f"{found.log}: {found.ads} ads, a label is {found.budget.impressions} impressions, {found.budget.seeds} seeds"
    mean, error = _interval(found.whole)
    out = plain_table(title, _caption(mean, error))
    others = [name for name in STRATEGIES if name != "random"]
    out.add_column("ads labelled", justify="right")
    for column in ("random", *others, *(f"rate, {name}" for name in STRATEGIES)):
        out.add_column(column, justify="right", no_wrap=True)
    for r, count in enumerate(found.labels):
        gains = [_interval((found.auc[name] - found.auc["random"])[:, r]) for name in others]
        rates = [f"{found.click_rate[name][:, r].mean():.2%}" for name in STRATEGIES]
        told = [f"{gain:+.3f} ±{error:.3f}" for gain, error in gains]
        out.add_row(f"{count}", f"{found.auc['random'][:, r].mean():.4f}", *told, *rates)
    return out


def _caption(mean: float, error: float) -> str:
    told = "AUC of labels at random, and of other strategies less that, paired; twice the standard error."
    return f"{told} rate: clicks of the impressions spent. All that may be labelled: AUC {mean:.4f} ±{error:.4f}."


def to_json(found: Curves) -> dict[str, Any]:
    """As a file holds it."""
    curves = {name: {"auc": found.auc[name].tolist(), "click_rate": found.click_rate[name].tolist()} for name in STRATEGIES}
    return {"log": found.log, "ads": found.ads, "labels": list(found.labels), "whole": found.whole.tolist(), "curves": curves}


def picture(found: Curves) -> Figure:
    """AUC over labels, with twice its standard error over seeds."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(8, 5), layout="constrained")
        axis = figure.subplots()
        for name, auc in found.auc.items():
            mean, error = auc.mean(axis=0), 2 * auc.std(axis=0, ddof=1) / np.sqrt(len(auc))
            (line,) = axis.plot(found.labels, mean, marker="o", markersize=3, label=name)
            axis.fill_between(found.labels, mean - error, mean + error, color=line.get_color(), alpha=0.12, linewidth=0)
        axis.axhline(found.whole.mean(), color="#888888", linewidth=1, label="all labelled")
        axis.set(xlabel="ads labelled", ylabel="AUC on ads kept apart")
        axis.legend(frameon=False)
        figure.suptitle(f"{found.log}: labels of {found.budget.impressions} impressions", x=0.01, ha="left", color=INK)
    return figure
