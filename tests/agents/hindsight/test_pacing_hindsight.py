"""Hindsight of pacing: one equilibrium from wherever the search begins, its conditions, and a bound that nothing exceeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.pacing import (
    SPENT,
    Follows,
    PacingEquilibrium,
    equilibrium_of,
    pacing_equilibrium,
)
from adarena.agents.hindsight.pacing_bound import pacing_bound
from adarena.agents.hindsight.pacing_day import Watched, best_by_slot, requests_of
from adarena.agents.hindsight.pacing_law import KnowsTheLaw
from adarena.agents.pacing import POLICIES
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.market.market import build
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

PRESET = Scenario.preset("pacing-small")
SMALL = PRESET.override({"traffic.requests_per_day": 3_000, "demand.campaigns": 12, "ticks_per_day": 6, "users.count": 1_000})
BUDGETS = build(SMALL).campaigns.budget / MICRO


def played(scenario: Scenario, policy: PacingPolicy, seed: int) -> World:
    world = World(scenario, {"pacing": policy}, seed=seed)
    world.run()
    return world


def score(found: PacingEquilibrium, of: PacingEquilibrium) -> float:
    return float(found.value.sum() / of.value.sum() + found.spend.sum() / of.spend.sum()) / 2


@pytest.mark.parametrize("seed", [0, 1])
def test_from_wherever_it_begins_the_search_ends_in_the_same_equilibrium(seed: int) -> None:
    """On the market of the suite: factors within 3%, the score within a thousandth."""
    one = equilibrium_of(PRESET, seed)
    dice = np.random.default_rng(seed)
    for start in (np.ones(24), np.full(24, 0.1), dice.uniform(0.05, 1.0, 24)):
        other = pacing_equilibrium(PRESET, seed, start)
        assert np.abs(np.log(other.factor / one.factor)).max() < 0.03
        assert abs(score(other, one) - 1) < 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_budgets_are_spent_or_the_factor_is_one(seed: int) -> None:
    found, budget = equilibrium_of(PRESET, seed), build(PRESET).campaigns.budget / MICRO
    spent, paced = found.spend[0] / budget, found.factor[0] < 1
    assert paced.sum() > 3
    assert (np.abs(spent[paced] - SPENT) < 0.015).all()
    assert (spent[~paced] < 1).all()
    assert (found.slack <= 1 - SPENT + 0.01).all()
    # Played, and read from the books by other ways than the search's.
    frame = played(PRESET, Follows(found.factor), seed).ledger.to_frame()
    by_campaign = frame.groupby("campaign", observed=True)[["spend", "value"]].sum()
    assert by_campaign["spend"].to_numpy() == pytest.approx(found.spend[0])
    assert by_campaign["value"].to_numpy() == pytest.approx(found.value[0])
    assert frame.groupby("campaign", observed=True)["factor"].min().to_numpy() == pytest.approx(found.factor[0])


def test_its_spend_is_that_of_a_root_found_campaign_by_campaign() -> None:
    """An independent search: each campaign in turn by bisection against the others, over and over."""
    scenario, seed = SMALL.override({"demand.campaigns": 6, "demand.verticals": 2}), 4
    table = build(scenario).campaigns
    budget, factor = table.budget / MICRO, np.minimum(table.prior, 1.0)

    def spend(k: int, own: float) -> float:
        tried = factor.copy()
        tried[k] = own
        world = World(scenario, {"pacing": Follows(tried[None])}, seed=seed)
        for other in range(6):
            world.set_budget(other, None)
        world.run()
        return float(world.ledger.spend()[:, k].sum())

    for _ in range(6):
        for k in range(6):
            low, high = 0.0, 1.0
            if spend(k, 1.0) <= SPENT * budget[k]:
                low = 1.0
            while high - low > 1e-3:
                middle = (low + high) / 2
                low, high = (middle, high) if spend(k, middle) <= SPENT * budget[k] else (low, middle)
            factor[k] = (low + high) / 2
    assert (factor < 0.95).sum() >= 2
    assert np.abs(np.log(pacing_equilibrium(scenario, seed).factor[0] / factor)).max() < 0.02


def test_the_day_is_its_own_whatever_comes_after_it() -> None:
    """Each day of a run has its equilibrium; the first one that of the day alone."""
    one, two = pacing_equilibrium(SMALL, 3), pacing_equilibrium(SMALL.override({"days": 2}), 3)
    assert two.factor.shape == (2, 12)
    assert np.abs(np.log(two.factor[0] / one.factor[0])).max() < 0.03
    assert two.spend[0] == pytest.approx(one.spend[0], rel=0.02)
    assert (two.slack < 0.03).all()
    assert np.abs(np.log(two.factor[1] / two.factor[0])).max() > 0.1  # another day, other factors


def test_other_budgets_than_the_scenarios() -> None:
    usual = pacing_equilibrium(SMALL, 3, budgets=BUDGETS)
    assert usual.factor.tobytes() == pacing_equilibrium(SMALL, 3).factor.tobytes()
    k = int(np.argmin(usual.factor[0]))
    less, none, endless = (np.where(np.arange(12) == k, x, BUDGETS) for x in (BUDGETS[k] / 2, 0.0, np.inf))
    assert pacing_equilibrium(SMALL, 3, budgets=less).factor[0, k] < 0.9 * usual.factor[0, k]
    away, free = pacing_equilibrium(SMALL, 3, budgets=none), pacing_equilibrium(SMALL, 3, budgets=endless)
    assert away.spend[0, k] == 0
    assert free.factor[0, k] == 1
    assert free.spend[0, k] > BUDGETS[k]
    assert free.slack[0, k] == away.slack[0, k] == 0


def test_nobody_is_lowered_who_has_no_budget() -> None:
    found = pacing_equilibrium(SMALL.override({"demand.budget_share": None}), 0)
    assert (found.factor == 1).all()
    assert (found.slack == 0).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": np.ones(3)}, "12 start from 0.001 up"),
        ({"start": np.zeros(12)}, "12 start from 0.001 up"),
        ({"budgets": -BUDGETS}, "12 budgets from 0 up"),
        ({"budgets": np.full(12, np.nan)}, "12 budgets from 0 up"),
    ],
)
def test_what_the_search_cannot_take(given: dict[str, Any], said: str) -> None:
    with pytest.raises(MarketError, match=f"^a search for a pacing equilibrium takes {said}, not "):
        pacing_equilibrium(SMALL, 0, **given)


def test_what_is_kept_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        equilibrium_of(SMALL, 0).factor[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        requests_of(SMALL, 0).worth[0] = 1.0


def test_factors_laid_down_are_followed_by_whoever_is_held() -> None:
    factor = np.random.default_rng(0).uniform(0.1, 1.0, (2, 12))
    policy = Follows(factor)
    world = World(SMALL.override({"days": 2}), {"pacing": dict.fromkeys((7, 2, 11), policy)}, seed=0)
    world.run()
    expected = np.ones((2, 12))
    expected[:, [2, 7, 11]] = factor[:, [2, 7, 11]]
    assert (world.ledger.pace == np.repeat(expected, 6, axis=0)).all()


# What a judge knows of a day.


@pytest.mark.parametrize("policy", ["none", "uniform", "mpc"])
def test_what_was_shown_is_worth_what_the_books_say(policy: str) -> None:
    world = Watched(SMALL.override({"days": 2}), {"pacing": make_policy("pacing", policy)}, 5)
    world.run()
    plain = played(SMALL.override({"days": 2}), make_policy("pacing", policy), 5)
    assert plain.ledger.counts.tobytes() == world.ledger.counts.tobytes()
    request, campaign = world.shown().T
    assert (np.bincount(campaign, minlength=12) == world.ledger.impressions().sum(axis=0)).all()
    assert np.diag(world.worth_to()) == pytest.approx(world.ledger.value().sum(axis=0), rel=1e-6)
    days = requests_of(world.scenario, 5).day
    first = np.bincount(campaign[days[request] == 0], minlength=12)
    assert (first == world.ledger.impressions()[:6].sum(axis=0)).all()


def test_bids_are_those_of_the_market() -> None:
    """One slot, everybody unpaced without a budget, in first price: each request brings the highest bid."""
    scenario = SMALL.override(
        {"auction": {"pricing": "first", "slots": 1, "exposure": [1.0]}, "demand.budget_share": None, "days": 2}
    )
    known, world = requests_of(scenario, 6), played(scenario, make_policy("pacing", "none"), 6)
    paid = np.bincount(known.day, known.bid.max(axis=0))
    assert world.ledger.spend().reshape(2, 6, 12).sum(axis=(1, 2)) == pytest.approx(paid, rel=1e-4)
    assert (known.seen == 1).all()


def test_slots_go_to_the_highest_ranks_of_those_who_are_seen() -> None:
    dice = np.random.default_rng(0)
    rank, seen = dice.random((50, 6)).astype(np.float32), dice.integers(0, 4, 50)
    found: list[list[int]] = [[] for _ in range(50)]
    for rows, campaign, its in best_by_slot(rank.copy(), seen):
        assert (its == rank[rows, campaign]).all()
        for row, k in zip(rows.tolist(), campaign.tolist(), strict=True):
            found[row].append(k)
    for row in range(50):
        assert found[row] == np.argsort(-rank[row])[: seen[row]].tolist()


def test_behind_a_funnel_nobody_knows_what_all_requests_are_worth() -> None:
    with pytest.raises(MarketError, match="behind a funnel"):
        requests_of(Scenario.preset("compute-small"), 0)


# The bound.


class Wobbling(PacingPolicy):
    """Anything: other factors and participation at each tick."""

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: PacingView) -> Pace:
        count = view.places.size
        return Pace(self._dice.uniform(0.05, 1, count), np.minimum(self._dice.uniform(0.3, 1.5, count), 1))


def random_market(number: int) -> Scenario:
    """A small market with any auction, budgets, beliefs and days."""
    dice = np.random.default_rng([number, 9])
    slots = int(dice.integers(1, 4))
    auction = {
        "pricing": ["first", "second", "gsp", "vcg"][number % 4], "slots": slots, "squashing": float(dice.choice([1.0, 0.6])),
        "exposure": [1.0, 0.8, 0.5][:slots], "reserve": float(dice.choice([1e-5, 0.02])),
    }  # fmt: skip
    return PRESET.override(
        {
            "traffic.requests_per_day": 700, "demand.campaigns": int(dice.integers(4, 9)), "ticks_per_day": 6,
            "users.count": 200, "market_seed": number, "days": int(dice.integers(1, 3)), "auction": auction,
            "rates.belief_noise": float(dice.choice([0.0, 0.4])), "response.belief_sigma": float(dice.choice([0.0, 0.3])),
        }
    )  # fmt: skip


@pytest.mark.parametrize("number", range(8))
def test_no_policy_exceeds_the_bound(number: int) -> None:
    """Of value, of revenue, or of both; not even by luck, since the bound knows what is seen."""
    scenario = random_market(number)
    found = pacing_equilibrium(scenario, number)
    names = [name for place, name in enumerate(POLICIES) if place % 4 == number % 4]
    policies = [Wobbling(), Follows(found.factor), KnowsTheLaw(scenario, size=256, rounds=3), make_policy("pacing", "none")]
    policies += [make_policy("pacing", name) for name in names]
    made = []
    for policy in policies:
        ledger = played(scenario, policy, number).ledger
        made.append((ledger.value().sum(), ledger.spend().sum()))
    value, revenue = np.array(made).T
    half = 0.5 / found.value.sum(), 0.5 / found.spend.sum()
    for per_value, per_revenue in (half, (1.0, 0.0), (0.0, 1.0), (0.2, 1.0)):
        bound = pacing_bound(scenario, number, per_value, per_revenue)
        best = (per_value * value + per_revenue * revenue).max()
        assert best <= bound * (1 + 1e-9)
        assert bound < 2.5 * best


def test_the_bound_is_that_of_the_linear_programme() -> None:
    """Strong duality: the least of the dual is the most of the primal, solved by somebody else."""
    scenario = random_market(2).override({"traffic.requests_per_day": 60, "days": 1})
    known, budget = requests_of(scenario, 0), build(scenario).campaigns.budget / MICRO
    count, n = known.worth.shape
    for per_value, per_revenue in ((1.0, 0.7), (0.0, 1.0)):
        # x (n, K), then revenue r (K,): most of per_value x v + per_revenue r.
        gain = np.concatenate([per_value * known.worth.T.ravel(), np.full(count, per_revenue)])
        slots = np.hstack([np.kron(np.eye(n), np.ones(count)), np.zeros((n, count))])
        paid = np.hstack([-(known.bid.T[:, :, None] * np.eye(count)).reshape(-1, count).T, np.eye(count)])
        solved = optimize.linprog(
            -gain, np.vstack([slots, paid]), np.concatenate([known.seen, np.zeros(count)]),
            bounds=[(0, 1)] * (n * count) + [(0, b) for b in budget],
        )  # fmt: skip
        assert pacing_bound(scenario, 0, per_value, per_revenue) == pytest.approx(-solved.fun, rel=1e-4)
        assert pacing_bound(scenario, 0, per_value, per_revenue) >= -solved.fun * (1 - 1e-6)


def test_without_budgets_the_bound_is_what_truth_brings_in_first_price() -> None:
    """Where all ranks are bids, and the reserve is next to nothing."""
    scenario = random_market(0).override({"demand.budget_share": None, "auction.squashing": 1.0, "auction.reserve": 1e-5})
    revenue = played(scenario, make_policy("pacing", "none"), 0).ledger.spend().sum()
    assert pacing_bound(scenario, 0, 0.0, 1.0) == pytest.approx(revenue, rel=1e-4)


def test_the_bound_needs_to_know_what_slots_cost() -> None:
    with pytest.raises(MarketError, match=r"^a bound on pacing needs campaigns that pay by impression, and 'c00' does not"):
        pacing_bound(SMALL.override({"demand.billing": "cpc"}), 0, 1.0, 1.0)
