"""What the market is sampled from: arrivals of requests, the winner's curse in beliefs, and experiments on shared budgets."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

from ...simulator import Requests, Scenario, World
from ...simulator.core.arrays import Floats
from .check import Check, equal, ratio, sampled
from .market import Scripted, coin, column, journal_folder, played, uniform, value, whole_ticks, with_budgets

CURVE = (1.0, 3.0, 2.0, 6.0)
SURGE = (0.30, 0.55, 3.0)  # from, to (shares of the day), factor
CELLS = 40  # of a day, in which arrivals are counted
GAIN = 1.5  # what the treatment multiplies bids by


def expected_arrivals(requests: int, at: Floats) -> Floats:
    """The integral of `CURVE` with `SURGE` up to shares `at` of the day, by the trapezium of its kinks; shape of `at`."""
    start, end, factor = SURGE
    kinks = np.unique([*np.linspace(0, 1, len(CURVE) + 1), start, end])
    middle = (kinks[1:] + kinks[:-1]) / 2
    height = np.array(CURVE)[(middle * len(CURVE)).astype(int)] / np.mean(CURVE)
    height *= np.where((middle > start) & (middle < end), factor, 1.0)
    total = np.concatenate([[0.0], np.cumsum(height * np.diff(kinks))])
    integral: Floats = requests * np.interp(at, kinks, total)
    return integral


def arrivals(effort: float, kind: str = "poisson", wrong: float = 1.0) -> list[Check]:
    """Check 7: a non-homogeneous Poisson process with a surge by a user's process, of requests that nobody fills.

    Times from the journal. Seeds 0, 1, ... are the samples of the day's count; the dispersion's standard error is that of a
    Poisson law, sqrt((2 + 1/m) / cells). `wrong` scales the surge that is played, for tests that want to see the check fail.
    """
    requests, seeds = 20_000, max(10, round(40 * effort))
    edges = np.linspace(0, 1, CELLS + 1)
    mean = np.diff(expected_arrivals(requests, edges))
    counts, gaps, wins, differ = [], [], 0, 0
    for seed in range(seeds):
        share, world = _arrival_times(requests, seed, kind, SURGE[2] * wrong)
        counts.append(np.histogram(share, edges)[0])
        gaps.append(np.diff(expected_arrivals(requests, share), prepend=0.0))
        wins += int(world.ledger.to_frame()["wins"].sum())
        differ += int(np.abs(counts[-1].reshape(len(CURVE), -1).sum(axis=1) - world.ledger.requests()).sum())
    count, gap = np.array(counts), np.concatenate(gaps)
    total, days = float(mean.sum()), count.sum(axis=1)
    p = float(stats.kstest(gap, "expon").pvalue)
    source = "Poisson process; Cinlar 1975"
    lag = float(np.corrcoef(gap[1:], gap[:-1])[0, 1])
    dispersion, by_day = float(((count - mean) ** 2 / mean).mean()), float(((days - total) ** 2 / total).mean())
    return [
        Check("7 arrivals: requests a day", f"integral; {source}", total, float(days.mean()), math.sqrt(total / seeds)),
        _share_in_surge(count, mean, source),
        Check("7 arrivals: variance / mean, day", source, 1.0, by_day, math.sqrt((2 + 1 / total) / seeds)),
        Check(
            "7 arrivals: variance / mean, 1/40 day", source, 1.0, dispersion,
            math.sqrt(float((2 + 1 / mean).mean()) / count.size),
        ),
        # z is standard normal if increments are exponential; 1e-300 is the least p that has a finite z.
        Check("7 arrivals: KS of increments, as z", f"Exp(1); {source}", 0.0, float(stats.norm.isf(max(p, 1e-300))), 1.0),
        Check("7 arrivals: correlation of increments", f"0; {source}", 0.0, lag, 1 / math.sqrt(gap.size)),
        equal("7 arrivals: slots filled above all bids", "0", 0, wins),
        equal("7 arrivals: requests in journal, not in ledger", "0", 0, differ),
    ]  # fmt: skip


def _share_in_surge(count: NDArray[np.int64], mean: Floats, source: str) -> Check:
    inside = slice(round(SURGE[0] * CELLS), round(SURGE[1] * CELLS))
    expected, got = float(mean[inside].sum()), count[:, inside].sum(axis=1)
    return Check(
        "7 arrivals: requests in the surge",
        f"integral; {source}",
        expected,
        float(got.mean()),
        math.sqrt(expected / len(count)),
    )


def _arrival_times(requests: int, seed: int, kind: str, factor: float) -> tuple[Floats, World]:
    """Arrival times of a day as shares of it, and the world that was played."""
    scenario = uniform(
        2, requests, ticks_per_day=len(CURVE), traffic__curve=CURVE, traffic__arrivals=kind, auction__reserve=2.0
    )
    start, end, _ = SURGE
    with journal_folder() as folder:
        world = World(scenario, seed=seed, journal=folder)

        def surge() -> Generator[Any, Any, None]:
            yield world.env.timeout(round(start * scenario.day_us))
            world.surge(factor)
            yield world.env.timeout(round((end - start) * scenario.day_us))
            world.surge(1 / factor)

        world.process(surge())
        world.run()
        return column(folder, "requests", "time_us") / scenario.day_us, world


def largest_of(n: int) -> float:
    """Expected largest of n standard normals."""
    mean: float = integrate.quad(lambda x: x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1), -12, 12)[0]
    return mean


def winners_curse(effort: float, noise_believed: float = 1.0) -> list[Check]:
    """Check 16: of ten ads of normal value, the one believed best is worth sv^2 / (sv^2 + se^2) of its estimate's excess.

    Values and beliefs are measured from the mean, in units of sv. Standard errors from ticks. `noise_believed` scales the
    noise that theory is told of, for tests that want to see the check fail.
    """
    n, mean, sigma = 10, 0.5, 0.04
    checks = []
    for noise in (1.0, 0.5):
        rates = {"kind": "normal", "mean": mean, "sigma": sigma, "belief_noise": noise * sigma}
        scenario = uniform(n, whole_ticks(200_000 * effort)).override({"rates": rates})
        world = played(scenario, seed=16)
        told = noise * noise_believed
        shrink, best = 1 / (1 + told**2), largest_of(n) * math.sqrt(1 + told**2)
        believed = world.ledger.to_frame().groupby("tick")["believed_value"].sum().to_numpy() / world.ledger.requests()
        true, believed = (value(world) - mean) / sigma, (believed - mean) / sigma
        name, source = f"16 winner's curse, noise {noise}", "best of 10 normals; Smith & Winkler 2006"
        checks += [
            sampled(f"{name}: believed value", f"m10 sqrt(1+s^2); {source}", best, believed),
            sampled(f"{name}: true value", f"m10 / sqrt(1+s^2); {source}", best * shrink, true),
            ratio(f"{name}: true / believed", f"1/(1+s^2); {source}", shrink, true, believed),
        ]
    return checks


def treated(request: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The arm of a request, by a hash of its number: half are treated."""
    return coin(request, salt=19) < 0.5


def interference(effort: float, affluence: float = 1.0) -> list[Check]:
    """Check 19: a treatment that multiplies all bids by g, where budgets bind, in a first-price market.

    Spend is proportional to bids until budgets end, so sharing them shows a lift of g - 1; split in two, each arm spends its
    half. The true effect on spend is 0: with all or with none treated, the budgets are spent. A day is a sample.
    `affluence` scales budgets, for tests that want to see the check fail where they do not bind.
    """
    requests, days = 10_000, max(20, round(60 * effort))
    budgets: list[float | None] = [0.1 * requests * affluence, 0.15 * requests * affluence]
    shared = with_budgets(uniform(2, requests, ticks_per_day=1, days=days, auction__pricing="first"), budgets)
    halves = [b / 2 for b in budgets if b is not None for _ in range(2)]
    split = with_budgets(uniform(4, requests, ticks_per_day=1, days=days, auction__pricing="first"), [*halves])
    every, none, mixed = (
        Scripted(lambda r: GAIN * r.rate), Scripted(lambda r: r.rate),
        Scripted(lambda r: r.rate * np.where(treated(r.number), GAIN, 1.0)),
    )  # fmt: skip
    all_spend, no_spend = (played(shared, policy, seed=19).ledger.spend().sum() for policy in (every, none))
    source = "{}; Liu et al. 2021, budget-split testing"
    return [
        ratio("19 shared budgets: A/B lift of spend", source.format("g-1"), GAIN - 1, *_lift(shared, mixed)),
        ratio("19 split budgets: A/B lift of spend", source.format("0"), 0.0, *_lift(split, Scripted(_own_arm))),
        equal("19 all treated or none: lift of spend", source.format("0"), 0.0, all_spend / no_spend - 1, tolerance=1e-9),
    ]


def _own_arm(requests: Requests) -> Any:
    """Bids of four campaigns, of which the even ones take treated requests and the odd ones the others."""
    bids, arm = requests.rate.astype(np.float64), treated(requests.number)
    bids[0::2] *= GAIN * arm
    bids[1::2] *= ~arm
    return bids


def _lift(scenario: Scenario, policy: Scripted) -> tuple[Floats, Floats]:
    """Of each day, spend a treated request less spend an untreated one, and the latter; from the journal."""
    with journal_folder() as folder:
        world = played(scenario, policy, seed=19, journal=folder)
        every = column(folder, "requests", "request")
        number, price = column(folder, "impressions", "request"), column(folder, "impressions", "price")
    per_day = scenario.traffic.requests_per_day

    def arms(request: NDArray[np.int64], weights: Floats | None = None) -> Floats:
        cell = 2 * (request // per_day) + treated(request)
        return np.bincount(cell, weights, minlength=2 * scenario.days).reshape(-1, 2).astype(np.float64)

    a_request = arms(number, price) / arms(every)
    if world.played != per_day * scenario.days:
        raise AssertionError("requests come evenly, so their number tells their day")
    return a_request[:, 1] - a_request[:, 0], a_request[:, 0]
