"""The bidding suite: one campaign's bid seat is handed to each policy in turn, on the same days, against the same rivals.

A case is a day (a seed) and a campaign; the seat rotates over the campaigns whose budgets bind. Rivals are a mixture of
classics: half PID, a quarter their multiplier of an earlier day, a quarter mirror descent. Yardsticks: the best constant
multiplier of that very day (static hindsight), and the clairvoyant bound given the rivals' bids of the policy's own run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...agents.bidding import PID, DualMirrorDescent, Fixed
from ...agents.hindsight import clairvoyant_bound, static_hindsight
from ...simulator.errors import MarketError
from ...simulator.market import build
from ...simulator.scenario import Scenario
from ...simulator.seats import BidPolicy
from ...simulator.traffic import day_shares
from ...simulator.world import World

Floats = NDArray[np.float64]

# Seeds from here on are for tests; lower ones for tuning and training. They are never mixed.
TEST_SEEDS = 1_000_000
SEATS = 8


class Case(NamedTuple):
    """One day seen from one campaign."""

    seed: int
    campaign: int


class Run(NamedTuple):
    """What a policy made of a case. Money in currency."""

    value: float  # true expected value of the impressions seen
    spend: float
    budget: float
    pacing_error: float  # mean distance of cumulative spend from the forecast traffic curve, as a share of the budget
    conversions: int  # realised
    clairvoyant: float  # bound on value, given the rivals' bids of this run
    seconds: float  # of the whole market, processor time
    spend_curve: Floats  # (ticks + 1,) cumulative, as a share of the budget


class Yardstick(NamedTuple):
    """Static hindsight of a case."""

    value: float
    multiplier: float


class Results(NamedTuple):
    """Everything the suite measured; `runs[policy]` and `yardsticks` go by `cases`."""

    scenario: Scenario
    cases: list[Case]
    runs: dict[str, list[Run]]
    yardsticks: list[Yardstick]


def seats(scenario: Scenario) -> list[int]:
    """The campaigns whose seat is handed round: value steady, budget under 90% of what they could spend, most conversions.

    Raises `MarketError` if the market has none.
    """
    table, expected = (market := build(scenario)).campaigns, market.expected
    bound = (table.budget / 1e6 < 0.9 * expected.unconstrained_spend) & ~table.follows_demand
    if not bound.any():
        raise MarketError(
            f"scenario {scenario.name!r} has no steady campaign whose budget binds, so there is nothing to compare"
        )
    order = np.argsort(-expected.conversions, kind="stable")
    return [int(k) for k in order if bound[k]][:SEATS]


def cases(scenario: Scenario, seeds: int) -> list[Case]:
    """The cases of a comparison: `seeds` days, the seat rotating."""
    held = seats(scenario)
    return [Case(TEST_SEEDS + i, held[i % len(held)]) for i in range(seeds)]


def rivals(scenario: Scenario, campaign: int) -> dict[int | str, BidPolicy]:
    """Policies for everybody but one campaign: half PID, a quarter fixed, a quarter mirror descent, in each vertical."""
    pid, fixed, dual = PID(), Fixed(), DualMirrorDescent()
    verticals = int(build(scenario).campaigns.vertical.max()) + 1
    kinds = (pid, fixed, pid, dual)
    names = build(scenario).campaigns.names
    return {k: kinds[k // verticals % 4] for k in range(len(names)) if k != campaign}


def play(scenario: Scenario, case: Case, policy: BidPolicy) -> Run:
    """One day with `policy` in the seat."""
    mapping = {**rivals(scenario, case.campaign), case.campaign: policy}
    world = World(scenario, {"bid": mapping}, seed=case.seed, record=case.campaign)
    begun = time.thread_time()
    world.run()
    seconds = time.thread_time() - begun
    k = case.campaign
    spend = world.ledger.spend()[:, k]
    budget = float(world.campaigns.budget[k]) / 1e6 * scenario.days
    curve = np.concatenate([[0.0], np.cumsum(spend)]) / budget
    ideal = np.concatenate([[0.0], np.cumsum(np.tile(world.forecast, scenario.days))]) / scenario.days
    return Run(
        value=float(world.ledger.value()[:, k].sum()),
        spend=float(spend.sum()),
        budget=budget,
        pacing_error=float(np.abs(curve - ideal).mean()),
        conversions=int(world.ledger.conversions()[:, k].sum()),
        clairvoyant=clairvoyant_bound(world),
        seconds=seconds,
        spend_curve=curve,
    )


def run(scenario: Scenario, policies: dict[str, BidPolicy], seeds: int, advance: Callable[[], None] = lambda: None) -> Results:
    """Plays every policy on every case, and finds static hindsight. Calls `advance` after each of `steps(...)` steps."""
    chosen = cases(scenario, seeds)
    runs: dict[str, list[Run]] = {name: [] for name in policies}
    yardsticks = []
    for case in chosen:
        for name, policy in policies.items():
            runs[name].append(play(scenario, case, policy))
            advance()
        best = static_hindsight(scenario, rivals(scenario, case.campaign), case.campaign, case.seed)
        yardsticks.append(Yardstick(best.value, best.multiplier))
        advance()
    return Results(scenario, chosen, runs, yardsticks)


def steps(policies: Sequence[str] | dict[str, BidPolicy], seeds: int) -> int:
    """How many steps `run` takes."""
    return (len(policies) + 1) * seeds


def forecast(scenario: Scenario) -> Floats:
    """The forecast's share of a day's requests for each tick."""
    return day_shares(scenario.traffic.curve, scenario.ticks_per_day)
