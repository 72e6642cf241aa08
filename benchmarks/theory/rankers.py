"""What can be known of a ranker beforehand: ceilings, the arithmetic of thinned negatives and of pairs, rates behind delays."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...agents.rankers.delayed import Clicks, Fitting, learned
from ...agents.rankers.logs import recalibrated
from ...agents.rankers.metrics import auc, beta_auc, beta_floor, log_loss
from ...agents.rankers.models.fm import pairs
from ...agents.rankers.models.layers import Batch, Shape
from ...agents.rankers.models.lr import LR
from ...simulator import Scenario
from .check import Check, equal, ratio, sampled
from .delays import naive_rate
from .market import coin, column, journal_folder, played, uniform, whole_ticks

BIDDERS = (1, 2, 5)
KEPT = (0.025, 0.1)  # shares of the negatives
RATE, MEAN_DAYS, DAYS, WORLDS = 0.25, 2.0, 7, 16
DAY_S = 86_400.0


def ceilings(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 31: the AUC and the log loss of true rates, where the best of n bidders with U[0, 1] is shown: Beta(n, 1).

    From the journal and its truth; parts of the day are the samples. `wrong` is the power that truth is raised to.
    """
    found = []
    for n in BIDDERS:
        with journal_folder() as folder:
            played(uniform(n, whole_ticks(200_000 * effort)), seed=31, journal=folder)
            rates = column(folder, "truth", "true_rate") ** wrong
            clicks = column(folder, "impressions", "clicked")
        parts = list(zip(np.array_split(rates, 50), np.array_split(clicks, 50), strict=True))
        name, source = f"31 ceiling, best of {n}", f"rates Beta({n}, 1)"
        aucs, losses = ([measure(*part) for part in parts] for measure in (auc, log_loss))
        found += [
            sampled(f"{name}: AUC", f"P(Beta({n + 1}, 1) > Beta({n}, 2)); {source}", beta_auc(n, 1), aucs),
            sampled(f"{name}: log loss", f"psi(a+b+1) - (a psi(a+1) + b psi(b+1)) / (a+b); {source}", beta_floor(n, 1), losses),
        ]
    return found


def thinned(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 15: clicks among all clicks and a share of the other impressions, brought back by p / (p + (1 - p) / w).

    Against the mean true rate of the same impressions. `wrong` scales the share that the formula is told of.
    """
    found = [
        equal(f"15 recalibration, p {p:g}, w {w:g}", "p / (p + (1 - p) / w); He et al. 2014", expected, float(back), 1e-6)
        for p, w, expected, back in ((p, w, e, recalibrated(np.array(p), w)) for p, w, e in PUBLISHED)
    ]
    with journal_folder() as folder:
        played(uniform(1, whole_ticks(200_000 * effort)).override({"rates.high": 0.1}), seed=15, journal=folder)
        rates, clicks = column(folder, "truth", "true_rate"), column(folder, "impressions", "clicked")
        request = column(folder, "impressions", "request")
    for kept in KEPT:
        held = clicks | (coin(request, salt=15) < kept)
        share = float(clicks[held].mean())
        back = float(recalibrated(np.array(share), kept * wrong))
        # The share is that of clicks among those held; the error of the rate follows by the slope of the formula.
        slope = back * (1 - back) / (share * (1 - share))
        error = slope * math.sqrt(share * (1 - share) / held.sum())
        name = f"15 recalibration of a log, w {kept:g}: click rate"
        found.append(Check(name, "p / (p + (1 - p) / w); He et al. 2014", float(rates.mean()), back, error))
    return found


PUBLISHED = ((0.2, 0.025, 0.006211), (0.5, 0.1, 0.090909), (0.1, 0.01, 0.00111))


def factorised(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 21: the factorisation machine's sum over pairs in O(F k), against all pairs; the largest difference is 0."""
    vectors = torch.from_numpy(np.random.default_rng(21).standard_normal((round(200 * effort) + 1, 26, 10)))
    both = torch.einsum("bfk,bgk->bfg", vectors, vectors)
    each = (both * torch.triu(torch.ones(26, 26, dtype=torch.float64), diagonal=1)).sum(dim=(1, 2))
    worst = float((wrong * pairs(vectors) - each).abs().max())
    return [equal("21 pairs of a factorisation machine: worst difference", "Rendle 2010, lemma 3.1", 0.0, worst, 1e-9)]


def delay_modelled(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 12: what is learned of a conversion rate from a week's clicks, of which the latest have not been told of yet.

    Naively, the rate times the share reported; with delays modelled, the rate. Each world is a sample; `wrong` scales the
    market's delays.
    """
    told = {"naive": np.zeros(WORLDS), "dfm": np.zeros(WORLDS)}
    for seed in range(WORLDS):
        with journal_folder() as folder:
            played(_late(round(2_500 * effort), wrong * MEAN_DAYS), seed=seed, journal=folder)
            clicks = _clicks(folder)
        for method, rates in told.items():
            fitting = Fitting(epochs=100, batch=1 << 20, learning_rate=0.05)
            network = learned(method, clicks, LR, Shape((1,), 1, 0, (), 1), fitting)
            rates[seed] = float(torch.sigmoid(network(_first(clicks.batch))[0, 0].detach()))
    naive = RATE * naive_rate(MEAN_DAYS, DAYS)
    name = f"12 delay {MEAN_DAYS:g} days, rate learned after {DAYS}"
    return [
        sampled(f"{name}: naively", "p (1 - (1 - e^(-W/d)) / (W/d)); Chapelle 2014", naive, told["naive"]),
        sampled(f"{name}: delays modelled", "p; Chapelle 2014", RATE, told["dfm"]),
        ratio(f"{name}: naive over modelled", "1 - (1 - e^(-W/d)) / (W/d)", naive / RATE, told["naive"], told["dfm"]),
    ]


def _late(requests: int, delay_days: float) -> Scenario:
    """One bidder, whose clicks, one impression in two, convert at `RATE`, told of after an exponential delay."""
    scenario = Scenario.preset("uniform", bidders=1, requests=requests).override(
        {
            "days": DAYS, "ticks_per_day": 24, "response.window_days": 3650.0,
            "response.delay": [{"scale_s": delay_days * DAY_S}],
        }
    )  # fmt: skip
    tree = scenario.model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0]["conversion_rate"] = RATE
    return Scenario.from_tree(tree)


def _clicks(folder: Path) -> Clicks:
    """The clicks of a journal, all alike, as they are known at its end."""
    clicked = np.flatnonzero(column(folder, "impressions", "clicked"))
    time, report = (column(folder, "impressions", name)[clicked] for name in ("time_us", "report_us"))
    age = DAYS - time / 1e6 / DAY_S
    delay: NDArray[np.float64] = np.where(report >= 0, (report - time) / 1e6 / DAY_S, np.nan)
    none = torch.zeros(clicked.size, 0, dtype=torch.int32)
    ids = torch.zeros(clicked.size, 1, dtype=torch.int32)
    batch = Batch(ids, none[..., None], none, torch.full((clicked.size,), -1))
    return Clicks(batch, age, np.where(delay <= age, delay, np.nan))


def _first(batch: Batch) -> Batch:
    return Batch(*(field[:1] for field in batch))
