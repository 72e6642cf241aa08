"""The market suite: what becomes of a market in which everybody bids alike, or half of them do.

A policy is no longer compared in one seat but as a crowd. Yardsticks, each of that very day: the best common multiple of what
all bid for (static hindsight), the pacing equilibrium, a crowd of mixed classics, truthful bids, and what a campaign gains that
leaves. The metrics of PlatformBid (arXiv 2607.27265, KDD 2026) and its three protocols are among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...agents.bidding.fixed import Fixed
from ...agents.bidding.rivals import MIXES
from ...agents.hindsight.scores import day_scores
from ...agents.hindsight.static import Scale
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ..comparison.suite import Case, Metric, Panel, Shown, Suite, against_hindsight
from .market_day import PROTOCOLS, CrowdDay, budgets, common_bids, leaver, leaving, references, seated
from .market_numbers import better_off, collusion, concentration, costs, gini

FIRST, MIDDLE, DIFFERENCE = against_hindsight(
    "common bid", "value", "true value of the campaigns that the policy bids for", rivals=False
)


class Market(Suite[CrowdDay]):
    """The bid seats of all campaigns. Money in currency."""

    name, seat, unit, eligible, constant = "market", "bidding", "market", "market, all its campaigns", "common_bid"
    scenario, reference, tuned = "pacing-small", "fixed", ("pid", "dual", "fixed")
    compared = ("truthful", "fixed", "pid", "dual", "adaptive", "mpc")
    mixes: ClassVar[Mapping[str, str]] = PROTOCOLS
    numbers: ClassVar[Mapping[str, str]] = {
        "score": "true expected value of the campaigns that the policy bids for",
        "value": "true expected value of all campaigns",
        "revenue": "what all campaigns paid",
        "conversions": "realised, of those that are attributed, of the campaigns that the policy bids for",
        "budget_use": "mean over them of spend over budget",
        "cpa_ratio": "mean over them of cost per expected conversion over what a conversion may cost",
        "cpa_variance": "variance of that over them",
        "exceeding": "share of those with conversions that pay more than they want to",
        "qualified": "share of all that have conversions and pay no more",
        "gini": "inequality over all campaigns of value, over that of their expected day",
        "concentration": "Herfindahl-Hirschman index of revenue over all campaigns",
        "gainers": "share of the campaigns that the policy bids for that fare better than among mixed classics",
        "colluding": "from 0, where all bid truthfully, to 1, where all bid together what leaves them most: by revenue",
        "leaving": "score of the day's campaign that leaves, by its best constant multiplier",
        "staying": "score of that campaign if it stays",
        "mixed_value": "value of all in a crowd of mixed classics",
        "mixed_revenue": "revenue from it",
        "equilibrium_value": "value of all in the day's pacing equilibrium",
        "equilibrium_revenue": "revenue in it",
    }
    metrics = (
        FIRST._replace(table=Shown("hindsight"), note=FIRST.note.removeprefix("of ")),
        MIDDLE._replace(table=None, note=""),
        DIFFERENCE,
        Metric(
            "value_over_equilibrium", "mean", "value", "equilibrium_value",
            Shown("V/eq"), Shown("value over equilibrium", interval=True),
            "V/eq, R/eq: value of all campaigns and revenue over those of the day's pacing equilibrium.",
            "Over the pacing equilibrium",
            "Value of all campaigns, and revenue, over those of the pacing equilibrium of the same day in hindsight: constant "
            "multiples of what a conversion is worth, none above 1, at which each budget is spent or the multiple is 1. "
            "Revenue may exceed it, since crowds may bid more than a conversion is worth; so may value.",
            Panel("Value over the pacing equilibrium", "of all campaigns, over that of the day's pacing equilibrium", True),
        ),
        Metric(
            "revenue_over_equilibrium", "mean", "revenue", "equilibrium_revenue",
            Shown("R/eq"), Shown("revenue over equilibrium", interval=True),
        ),
        Metric(
            "value_over_mixed", "mean", "value", "mixed_value",
            None, Shown("value over mixed", interval=True), "",
            "Over mixed classics",
            f"Value of all campaigns, and revenue, over those of the same day with a crowd of mixed classics ("
            f"{', '.join(kind.__name__ for kind in MIXES['mixed'])}, dealt in turn within each vertical).",
        ),
        Metric(
            "revenue_over_mixed", "mean", "revenue", "mixed_revenue",
            None, Shown("revenue over mixed", interval=True),
        ),
        Metric(
            "gainers", "mean", "gainers", None, None, Shown("gainers", ".0%"), "",
            "Gainers", "The share of campaigns, day by day, that have more value than in the crowd of mixed classics.",
        ),
        Metric(
            "colluding", "mean", "colluding", None, Shown("collude", ".2f"), Shown("collusion", ".2f", interval=True),
            "collude: 0 at the revenue of truthful bids, 1 at that of the common bid that leaves campaigns most.",
            "Collusion",
            "Where revenue lies between that of a market in which all bid what a conversion is worth to them (0) and that of "
            "one in which all together bid the same multiple of it, the one that leaves them most value beyond what they pay "
            "(1), day by day. Below 0 campaigns pay more than truthful bidders would: value is all they want.",
            Panel("Collusion", "from truthful bids (0) to joint ones (1), by revenue"),
        ),
        Metric(
            "gain_of_leaving", "ratio", "leaving", "staying", Shown("leave", ".2f"), Shown("leaving", ".2f", interval=True),
            "leave: what a campaign has with the day's best constant, over what it has with the crowd.",
            "Leaving",
            "What a campaign gains at most that leaves a crowd which stays as it is: its score with the best constant "
            "multiplier of that very day, found with foresight, over its score with the crowd. One campaign a day, in turn, of "
            "those whose budgets bind. In an equilibrium nobody gains by leaving without foresight.",
        ),
        Metric("conversions", "mean", "conversions", None, None, Shown("conversions", ".1f")),
        Metric(
            "budget_use", "mean", "budget_use", None, Shown("spent", ".0%"), Shown("budget use", ".1%"), "",
            "Budget use", "Spend over budget, as a mean over the campaigns that have one.",
        ),
        Metric(
            "cpa_ratio", "mean", "cpa_ratio", None, Shown("CPA/C", ".2f"), Shown("CPA over C", ".3f", interval=True),
            "CPA/C: cost of a conversion over what it may cost; exceed: share of campaigns above 1.",
            "CPA over C",
            "What an expected conversion costs over what it may cost (its target CPA, or without one its value): mean over "
            "campaigns, and its variance. Exceeding: the share of campaigns above 1, of those that have had any value; "
            "qualified: the share of all campaigns that have had value, at 1 or below.",
        ),
        Metric("cpa_variance", "mean", "cpa_variance", None, None, Shown("its variance", ".3f")),
        Metric("exceeding", "mean", "exceeding", None, Shown("exceed", ".0%"), Shown("exceeding", ".1%")),
        Metric("qualified", "mean", "qualified", None, None, Shown("qualified", ".1%")),
        Metric(
            "gini", "mean", "gini", None, None, Shown("Gini", ".3f"), "",
            "Gini", "Gini's coefficient over campaigns of value, over the value that each one's expected day brings.",
        ),
        Metric(
            "concentration", "mean", "concentration", None, None, Shown("HHI", ".3f"), "",
            "HHI", "The Herfindahl-Hirschman index of revenue: the sum of squared shares of campaigns.",
        ),
        Metric("value", "mean", "value", page=Shown("value a day", ",.0f")),
        Metric("revenue", "mean", "revenue", page=Shown("revenue a day", ",.0f")),
    )  # fmt: skip

    def units(self, scenario: Scenario) -> Sequence[int]:
        leaver(scenario, 0)  # there is one, or this says why not
        return [0]

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> CrowdDay:
        return seated(scenario, case.seed, policy, mix)

    def score(self, world: CrowdDay, case: Case) -> float:
        return float(world.world.ledger.value()[:, world.held].sum())

    def measure(self, world: CrowdDay, case: Case) -> dict[str, float]:
        scenario, held, ledger = world.day.scenario, world.held, world.world.ledger
        table, expected = build(scenario).campaigns, build(scenario).expected
        value, spend = ledger.value().sum(axis=0), ledger.spend().sum(axis=0)
        known, k = references(world.day), leaver(scenario, case.seed)
        limited = [place for place in held if np.isfinite(budgets(world.day)[place])]
        cost = costs(value[held], spend[held], (table.target / table.value)[held])
        return {
            "value": float(value.sum()),
            "revenue": float(spend.sum()),
            "conversions": int(ledger.attributed()[:, held].sum()),
            "budget_use": float((spend / budgets(world.day))[limited].mean()) / scenario.days if limited else 0.0,
            "cpa_ratio": cost.mean,
            "cpa_variance": cost.variance,
            "exceeding": cost.exceed,
            "qualified": cost.qualified,
            "gini": gini(value / (np.maximum(expected.conversions, 1.0) * table.value)),
            "concentration": concentration(spend),
            "gainers": better_off(value[held], known.mixed_value[held]),
            "colluding": collusion(float(spend.sum()), known.truthful_revenue, known.joint_revenue),
            "leaving": leaving(world, k),
            "staying": float(day_scores(world.world, k).sum()),
            "mixed_value": float(known.mixed_value.sum()),
            "mixed_revenue": known.mixed_revenue,
            "equilibrium_value": known.equilibrium_value,
            "equilibrium_revenue": known.equilibrium_revenue,
        }

    def constants(self, scenario: Scenario, case: Case) -> Scale[Fixed]:
        return common_bids()

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no common multiple of their bids brings campaigns anything on the day of seed {case.seed}, so there is no "
            "yardstick for a crowd: budgets or bids are too small"
        )


MARKET = Market()
