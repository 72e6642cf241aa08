"""The pacing suite: all campaigns of a day are paced by each policy in turn, on the same days, with the same requests and luck.

Yardsticks, each of that very day: the best constant of a few dozen (static hindsight), the pacing equilibrium, in whose value
and revenue the score is counted, and the dual bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...agents.bidding.dual import DualMirrorDescent
from ...agents.bidding.mpc import RecedingHorizon
from ...agents.bidding.pid import PID
from ...agents.crowds import deal
from ...agents.hindsight.pacing import equilibrium_of
from ...agents.hindsight.pacing_bound import pacing_bound
from ...agents.hindsight.pacing_day import Watched
from ...agents.pacing.constant import Constant
from ...agents.pacing.prior import Prior
from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.engine.state import Count
from ...simulator.market.market import build
from ...simulator.scenario.forecast import forecast
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicy
from ...simulator.seats.pacing.decisions import PacingPolicy
from ...simulator.seats.seat import Policies
from ...simulator.world import World
from ..comparison.suite import Case, Curve, Metric, Panel, Results, Shown, Suite, against_hindsight
from .market_numbers import gini
from .pacing_numbers import GONE, envy, exhausted, nash_welfare, unevenness

BINDS = 0.9  # of what a campaign could spend: a budget below that needs pacing
FACTORS = np.round(np.geomspace(0.2, 1.0, 12), 3).tolist()  # one for all, of the constants that static hindsight tries
SCALES = np.round(np.geomspace(0.3, 2.5, 16), 3).tolist()  # of the multipliers of an earlier day
BIDDERS = (PID, DualMirrorDescent, RecedingHorizon)
OWN = "bidders"  # the mix in which campaigns bid by themselves
SCORE = "half the true value over that of the day's pacing equilibrium, and half the revenue over the equilibrium's"
YARDSTICK = against_hindsight("factor", "score", f"score ({SCORE})", ", one for all or one on all priors", rivals=False)


class Pacing(Suite[World]):
    """By how much bids are lowered, or how often campaigns are kept out. Money in currency."""

    seat, unit, eligible, constant = "pacing", "market", "market, in which all campaigns are paced at once", "pace"
    scenario, reference = "pacing-small", "mpc"
    compared = (
        "none", "constant", "prior", "uniform", "linkedin", "pid", "dual", "dual_replan", "mpc", "joint_mpc", "plan",
        "first_price",
    )  # fmt: skip
    tuned = ("constant", "prior", "linkedin", "pid", "dual", "dual_replan", "mpc", "joint_mpc")
    mixes: ClassVar[Mapping[str, str]] = {
        "truthful": "campaigns bid their targets",
        OWN: f"campaigns bid by themselves, in turn within verticals: {', '.join(kind.__name__ for kind in BIDDERS)}",
    }
    numbers: ClassVar[Mapping[str, str]] = {
        "score": SCORE,
        "value": "true expected value of the impressions seen, of all campaigns",
        "revenue": "what all campaigns paid",
        "spent": "of it, what those with budgets paid",
        "budget": "what they could have paid",
        "exhausted": f"share of requests after all but {GONE:.0%} of a budget is gone, mean over campaigns with budgets",
        "pacing_error": "mean distance of a campaign's course of spend from that of requests, by budget",
        "clicks": "of all impressions",
        "impressions": "slots won and seen",
        "envy": "by what share a campaign falls short of the best outcome of others, scaled to its budget; mean",
        "gini": "inequality over campaigns of value, over that of the day's equilibrium",
        "nash": "geometric mean, by budget, of value over that of the day's equilibrium",
        "equilibrium_value": "value of the day's pacing equilibrium",
        "equilibrium_revenue": "revenue of it",
        "equilibrium_slack": "how far it is from spending a budget, as a share of that, or 0 where the factor is 1; mean",
        "bound": "on the score of the day, if campaigns bid their targets",
    }
    known = ("equilibrium_value", "equilibrium_revenue", "equilibrium_slack", "bound")
    metrics = (
        YARDSTICK[0],
        YARDSTICK[1]._replace(table=None, page=None, note="", term="", says=""),
        YARDSTICK[2],
        Metric(
            "score", "mean", "score", None, Shown("score"), Shown("score", interval=True),
            f"score: {SCORE}.",
            "Score",
            "Half the true value over that of the day's pacing equilibrium, and half the revenue over the equilibrium's. There "
            "each campaign has one factor all day, and its budget is spent, or the factor is 1. It is found by playing the day "
            "again and again, with campaigns that bid their targets. It leaves a hundredth of budgets, and cannot adapt, so "
            "that it is a yardstick and no bound.",
            Panel("Score", "value and revenue over those of the day's equilibrium", True),
        ),
        Metric(
            "value_over_equilibrium", "ratio", "value", "equilibrium_value", Shown("V", ".2f"), Shown("value"),
            "V, R: value and revenue over the equilibrium's.",
            "Value, revenue", "Sums over the days, over those of the equilibria.",
        ),
        Metric(
            "revenue_over_equilibrium", "ratio", "revenue", "equilibrium_revenue", Shown("R", ".2f"), Shown("revenue")
        ),
        Metric(
            "score_over_bound", "ratio", "score", "bound", None, Shown("of bound"), "",
            "Bound",
            "The score over the most that any pacing could have had that day, with every request known, by the Lagrangian dual "
            "of the budgets. Payments count as if they were as high as bids, so that nobody comes near to it.",
        ),
        Metric(
            "delivery", "ratio", "spent", "budget", Shown("spent", ".0%"), Shown("spent", ".1%"), "",
            "Spent", "What campaigns with budgets spent, over these: how much was delivered.",
        ),
        Metric(
            "exhausted", "mean", "exhausted", None, Shown("gone", ".0%"), Shown("gone", ".1%"),
            "gone: share of requests that come after a budget's end.",
            "Gone",
            f"The share of the day's requests that came when less than {GONE:.0%} of a budget was left, mean over campaigns.",
            Panel("Exhausted early", "share of requests after a budget's end", True),
        ),
        Metric(
            "pacing_error", "mean", "pacing_error", None, Shown("pacing", ".1%"), Shown("pacing", ".1%"),
            "pacing: mean distance of spend from the course of requests.",
            "Pacing",
            "The mean distance over the day of what a campaign has spent, as a share of all it spends, from the share of "
            "requests that have come; mean over campaigns by budget. Hours differ in worth, so that 0 is nobody's aim.",
        ),
        Metric(
            "envy", "mean", "envy", None, None, Shown("envy", ".3f"), "",
            "Envy",
            "By what share a campaign falls short of the outcome that it likes best: the impressions of another, at what they "
            "were worth to itself, and the money left, times its own budget over the other's. 0 if it likes its own best; mean "
            "over campaigns. A first-price equilibrium of one slot is free of envy (Conitzer et al. 2022).",
        ),
        Metric("gini", "mean", "gini"),
        Metric(
            "nash_welfare", "mean", "nash", None, None, Shown("Nash", ".3f"), "",
            "Nash",
            "Nash's welfare: the geometric mean, by budget, of a campaign's value over that in the day's equilibrium. What is "
            "lost weighs more than what is gained.",
        ),
        Metric(
            "click_rate", "ratio", "clicks", "impressions", None, Shown("CTR", ".2%"), "", "CTR", "Clicks over impressions."
        ),
        Metric("value", "mean", "value"),
        Metric("revenue", "mean", "revenue"),
    )  # fmt: skip
    curve = Curve(
        "spending",
        "share of budgets spent",
        "the forecast's curve",
        "How all budgets together were spent on the first days, against the forecast's curve of traffic; of the policies the "
        "best few.",
        share=True,
    )

    def units(self, scenario: Scenario) -> Sequence[int]:
        market = build(scenario)
        if not (market.campaigns.budget / MICRO < BINDS * market.expected.unconstrained_spend).any():
            raise MarketError(f"scenario {scenario.name!r} has no campaign whose budget binds, so there is nothing to pace")
        return [0]

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        seats: dict[str, Policies] = {"pacing": policy}
        if mix == OWN:
            seats["bidding"] = _bidders(scenario)
        return Watched(scenario, seats, case.seed) if judged else World(scenario, seats, case.seed)

    def score(self, world: World, case: Case) -> float:
        best = equilibrium_of(world.scenario, case.seed)
        value, revenue = float(world.ledger.value().sum()), float(world.ledger.spend().sum())
        return (_over(value, float(best.value.sum())) + _over(revenue, float(best.spend.sum()))) / 2

    def measure(self, world: World, case: Case) -> dict[str, float]:
        assert isinstance(world, Watched)
        ledger, limited = world.ledger, _limited(world.scenario)
        budget, entitled = _budgets(world.scenario)[limited], equilibrium_of(world.scenario, case.seed).value.sum(axis=0)
        value, spend = ledger.value().sum(axis=0), ledger.spend().sum(axis=0)
        counts = ledger.counts.sum(axis=(0, 2))
        days = [
            (spent[:, limited], requests.astype(np.float64))
            for spent, requests in zip(_by_day(world, ledger.spend()), _by_day(world, ledger.requests()), strict=True)
        ]
        whole = budget * world.scenario.days
        uneven = np.mean([unevenness(spent, requests) for spent, requests in days], axis=0)
        return {
            "value": float(value.sum()),
            "revenue": float(spend.sum()),
            "spent": float(spend[limited].sum()),
            "budget": float(whole.sum()),
            "exhausted": float(np.mean([exhausted(spent, requests, budget) for spent, requests in days])),
            "pacing_error": float(uneven @ budget / budget.sum()),
            "clicks": int(counts[Count.CLICKS]),
            "impressions": int(counts[Count.IMPRESSIONS]),
            "envy": float(envy(world.worth_to()[np.ix_(limited, limited)], spend[limited], whole).mean()),
            "gini": gini(value[entitled > 0] / entitled[entitled > 0]),
            "nash": nash_welfare(value[limited], entitled[limited], whole),
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        best = equilibrium_of(scenario, case.seed)
        value, revenue = float(best.value.sum()), float(best.spend.sum())
        return {
            "equilibrium_value": value,
            "equilibrium_revenue": revenue,
            "equilibrium_slack": float(best.slack[:, _limited(scenario)].mean()),
            "bound": pacing_bound(scenario, case.seed, _over(0.5, value), _over(0.5, revenue)),
        }

    def constants(self, scenario: Scenario, case: Case) -> Sequence[PacingPolicy]:
        return [*(Constant(factor) for factor in FACTORS), *(Prior(scale) for scale in SCALES)]

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no constant pace brings anything on the day of seed {case.seed}, so there is no yardstick for it: budgets or "
            "bids are too small"
        )

    def points(self, world: World, case: Case) -> Floats:
        limited = _limited(world.scenario)
        spent, budget = world.ledger.spend()[:, limited].sum(axis=1), _budgets(world.scenario)[limited].sum()
        course: Floats = np.append(0.0, np.cumsum(spent)) / (budget * world.scenario.days)
        return course

    def ideal(self, scenario: Scenario) -> Floats:
        return np.append(0.0, np.cumsum(np.tile(forecast(scenario), scenario.days))) / scenario.days

    def shown(self, results: Results) -> tuple[Metric, ...]:
        """The bound holds for campaigns that bid their targets, and only there is it shown."""
        return tuple(m for m in self.metrics if m.over != "bound" or results.rivals != OWN)


def _bidders(scenario: Scenario) -> dict[int | str, BidPolicy]:
    """A third of the campaigns for each kind: in turn within each vertical, each vertical beginning with another."""
    kinds, vertical = [kind() for kind in BIDDERS], build(scenario).campaigns.vertical
    turns = deal(scenario, range(vertical.size))
    return {k: kinds[(turn + int(vertical[int(k)])) % len(kinds)] for k, turn in turns.items()}


def _budgets(scenario: Scenario) -> Floats:
    """Of a day, (K,) currency."""
    return build(scenario).campaigns.budget / MICRO


def _limited(scenario: Scenario) -> Integers:
    """The campaigns that have one."""
    return np.flatnonzero(build(scenario).campaigns.budget < UNLIMITED // 2)


def _by_day(world: World, of_ticks: Any) -> Any:
    """What ticks have, (days, ticks, ...)."""
    return of_ticks.reshape(world.scenario.days, world.scenario.ticks_per_day, *of_ticks.shape[1:])


def _over(part: float, whole: float) -> float:
    """Their ratio; 0 where there is nothing to be had."""
    return part / whole if whole > 0 else 0.0


PACING = Pacing()
