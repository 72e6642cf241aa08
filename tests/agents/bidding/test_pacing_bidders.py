"""Bidders that steer a multiplier, or sit out: against their formulas by hand-made views, and against theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from views import DICE, decided, told, uniform_market, view

from adarena.agents.bidding import (
    AdaptivePacing,
    AuctionNetPID,
    DualMirrorDescent,
    MinPacing,
    MultiplicativePacing,
    RecedingHorizon,
    TargetCPADual,
    Throttling,
)
from adarena.simulator import BidPolicy, ChunkBids, PolicyError, Requests, World

WITH_TARGET = {"objectives": ("target_cpa", "target_cpa")}
UNLIMITED = {"budget": np.full(2, np.inf), "budget_left": np.full(2, np.inf)}


def test_auctionnet_s_rule_steps_by_its_thresholds() -> None:
    """Three ticks are left. 20 a tick in 100 left: pace .6; 35: 1.05; 40: 1.2."""
    policy = AuctionNetPID()
    left = np.array([100.0, 100.0])
    slow = view(tick=1, last=told([20.0, 35.0]), budget_left=left)
    assert decided(policy, view(), slow) == pytest.approx([0.5 * 1.2, 0.25])
    fast = view(tick=1, last=told([40.0, 23.0]), budget_left=left)
    assert decided(policy, view(), slow, fast) == pytest.approx([0.5 * 1.2 * 0.7, 0.25 * 1.2])
    assert decided(policy, view(), slow, view(day=1)).tolist() == [0.5, 0.25]
    assert decided(policy, view(**UNLIMITED), view(tick=1, last=told([9.0, 9.0]), **UNLIMITED)).tolist() == [0.5, 0.25]
    silent = [view(tick=t) for t in (0, *range(1, 4))] + [view(tick=1)] * 30
    assert decided(AuctionNetPID(reach=3), *silent) == pytest.approx([1.5, 0.75])


def test_adaptive_pacing_steps_by_the_auctions_that_came() -> None:
    """rho = 100 / 1000. 500 auctions came where 700 were forecast: 50 were affordable, 30 spent; so 20 / (100 / 4) under."""
    after = view(tick=1, last=told([30.0, 150.0], requests=500))
    mu = 1 / np.array([0.5, 0.25]) - 1 - 0.3 * np.array([0.8, -1.0])
    assert decided(AdaptivePacing(step=0.3), view(), after) == pytest.approx(1 / (1 + mu))
    scale = np.exp(0.2 * np.array([0.8, -1.0]))
    assert decided(MultiplicativePacing(step=0.2), view(), after) == pytest.approx(np.array([0.5, 0.25]) * scale)


@pytest.mark.parametrize("policy", [AdaptivePacing(), MultiplicativePacing()])
def test_adaptive_pacing_learns_only_from_ticks_with_money(policy: BidPolicy) -> None:
    broke = [view(tick=t, budget_left=np.array([0.5, 1.0]), last=told(requests=250)) for t in range(4)]
    assert decided(policy, *broke) == pytest.approx([0.5, 0.25])
    endless = [view(tick=t, last=told([9.0, 9.0], requests=250), **UNLIMITED) for t in range(4)]
    assert decided(policy, *endless).tolist() == [0.5, 0.25]


def test_adaptive_pacing_never_bids_more_than_the_target() -> None:
    silent = [view(tick=t % 4, last=told(requests=250)) for t in range(40)]
    assert decided(AdaptivePacing(), *silent).tolist() == [1.0, 1.0]
    assert decided(MultiplicativePacing(reach=3), *silent) == pytest.approx([1.5, 0.75])


@pytest.mark.parametrize("policy", [AdaptivePacing(step=0.1), MultiplicativePacing(step=0.05), RecedingHorizon(forget=0.98)])
@pytest.mark.parametrize(("per_request", "multiplier"), [(1 / 24, 0.5), (1 / 54, 1 / 3)])
def test_it_finds_the_multiplier_that_spends_the_budget(policy: BidPolicy, per_request: float, multiplier: float) -> None:
    """Second price, own value and rival's bid U[0, 1], budget rho a request: the multiplier is sqrt(6 rho)."""
    scenario = uniform_market(64_000, 320, budget_per_day=per_request * 64_000)
    world = World(scenario, {"bidding": {0: policy}}, seed=3)
    world.run()
    assert world.ledger.multiplier[160:280, 0].mean() == pytest.approx(multiplier, rel=0.03)


def test_the_joint_dual_is_its_formula() -> None:
    """rho = 70 in the first tick; spend 35 and 210, and conversions allow 56 and 140 under the targets."""
    after = view(tick=1, last=told([35.0, 210.0], believed=[56.0, 70.0]), budget_left=np.array([65.0, 10.0]), **WITH_TARGET)
    price = np.array([2.0, 4.0]) * np.exp(-0.2 * np.array([0.5, -0.5]))
    mu = np.array([0.0, 0.4 * 1.0])  # first: below its target, mu stays at 0; second: 140 over a rho of 140
    multiplier = decided(TargetCPADual(step=0.2, cpa_step=0.4), view(**WITH_TARGET), after)
    assert multiplier == pytest.approx((1 + mu) / (price + mu))


def test_a_conversion_worth_more_than_its_target_is_bid_for_by_both() -> None:
    """b = (v + mu C p) / (lambda + mu) with v = 2 C p for the first campaign."""
    worth = {"value": np.array([100.0, 20.0]), **WITH_TARGET}
    after = view(tick=1, last=told([70.0, 140.0], believed=[70.0, 140.0]), **worth)  # 35 allowed where 70 were spent
    multiplier = decided(TargetCPADual(cpa_step=0.4), view(**worth), after)
    assert multiplier == pytest.approx([(2 + 0.4 * 0.5) / (4 + 0.4 * 0.5), 0.25])


@pytest.mark.parametrize("kind", [TargetCPADual, MinPacing])
def test_without_a_target_only_the_budget_counts(kind: type[BidPolicy]) -> None:
    after = view(tick=1, last=told([35.0, 200.0], believed=[1.0, 1.0]), budget_left=np.array([65.0, 10.0]))
    assert decided(kind(), view(), after) == pytest.approx(decided(DualMirrorDescent(), view(), after))
    assert decided(kind(), view(**UNLIMITED), view(tick=1, **UNLIMITED)).tolist() == [0.5, 0.25]


def test_min_pacing_bids_the_lower_of_two_paces() -> None:
    high = {"prior": np.array([3.0, 1.0]), **WITH_TARGET}
    assert decided(MinPacing(mu_start=1.0), view(**high)) == pytest.approx([2.0, 1.0])
    after = view(tick=1, last=told([70.0, 140.0], believed=[35.0, 280.0]), **high)  # both as the budget wants
    mu = np.exp(0.3 * 0.5)
    assert decided(MinPacing(cpa_step=0.3), view(**high), after) == pytest.approx([1 + 1 / mu, 1.0])


@pytest.mark.parametrize(
    "policy",
    [TargetCPADual(cpa_step=0.05), MinPacing(cpa_step=0.05), RecedingHorizon(forget=0.98)],
)
@pytest.mark.parametrize("ratio", [1.25, 1.75])
def test_it_finds_the_multiplier_that_keeps_a_return(policy: BidPolicy, ratio: float) -> None:
    """Value over spend at least tau, own value and rival's bid U[0, 1]: bid v / x, x = tau - sqrt(tau^2 - 3 (tau - 1))."""
    scenario = uniform_market(64_000, 320, objective="target_roas", target_roas=ratio)
    world = World(scenario, {"bidding": {0: policy}}, seed=4)
    world.run()
    x = ratio - math.sqrt(ratio**2 - 3 * (ratio - 1))
    value, spend = world.ledger.value()[160:, 0].sum(), world.ledger.spend()[160:, 0].sum()
    assert value / spend == pytest.approx(ratio, rel=0.03)
    assert value / 32_000 == pytest.approx(0.5 - x * x / 6, rel=0.03)


def test_the_horizon_spends_what_is_left_where_its_model_is_true() -> None:
    """Spend of a request 0.3 m^1.7, far from what the prior suggests: the day's budget goes, to a per cent."""
    policy, spent, decisions = RecedingHorizon(), np.zeros(2), []
    ticks = 40
    changes: dict[str, Any] = {"ticks": ticks, "forecast": np.full(ticks, 1 / ticks)}
    budget, last = np.array([100.0, 200.0]), np.zeros(2)
    policy.start(view(**changes), DICE)
    for tick in range(ticks):
        seen = view(
            tick=tick, budget_left=budget - spent, last=told(last, last, requests=25 * (tick > 0)),
            today=told(spent, spent, requests=25 * tick), **changes,
        )  # fmt: skip
        multiplier = np.array(policy.decide(seen).values)
        decisions.append(multiplier)
        last = np.minimum(25 * 0.3 * multiplier**1.7, budget - spent)
        spent = spent + last
    assert spent == pytest.approx(budget, rel=0.01)
    # A steady plan in the middle of the day: what was spent too fast or too slowly at first is made up for by all of the rest.
    assert np.ptp(decisions[10:30], axis=0) == pytest.approx(0, abs=0.05 * decisions[20].max())


def test_the_horizon_counts_on_the_traffic_it_sees() -> None:
    """Twice the forecast traffic, at the spend per request that history tells: the plan is a lower multiplier."""
    policy = RecedingHorizon(elasticity=1.0, confidence=1e6)
    seen = view(tick=1, today=told(requests=1400), last=told(requests=1400), budget_left=np.array([30.0, 60.0]))
    scale = (1400 + 100) / (700 + 100)  # of the 300 requests forecast for the rest
    assert decided(policy, view(), seen) == pytest.approx(np.array([0.5, 0.25]) / scale, rel=1e-3)


def test_throttling_takes_part_by_its_share_and_bids_in_full() -> None:
    policy = Throttling(start_share=0.3)
    policy.start(view(), np.random.default_rng(5))

    def bids(seen: Any) -> Any:
        decision = policy.decide(seen)
        assert isinstance(decision, ChunkBids)
        return decision.bids(Requests(np.arange(40, 40_040), np.zeros(40_000, np.int64), np.full((2, 40_000), 0.01)))

    first = bids(view())
    assert set(np.unique(first[0])) == {0.0, 0.5}
    assert set(np.unique(first[1])) == {0.0, 0.2}
    # 40,000 coins of .3: standard error .0023.
    assert (first > 0).mean(axis=1) == pytest.approx([0.3, 0.3], abs=0.01)
    assert ((first[0] > 0) != (first[1] > 0)).any()
    # After 70% of the traffic the first campaign has spent too little, the second too much: .33 and .27, of the same coins.
    second = bids(view(tick=1, today=told([60.0, 150.0])))
    assert (second > 0).mean(axis=1) == pytest.approx([0.33, 0.27], abs=0.01)
    assert ((second[0] > 0) >= (first[0] > 0)).all()
    assert (bids(view(tick=2, **UNLIMITED)) > 0).all()


def test_throttling_wastes_what_theory_says() -> None:
    """Own value and rival's bid U[0, 1], budget 1/12 a request: throttling is worth 1/6 a request, scaling bids .2357."""
    scenario = uniform_market(48_000, 480, budget_per_day=4_000.0)
    worth = {}
    for policy in (Throttling(step=0.05), MultiplicativePacing(step=0.05)):
        world = World(scenario, {"bidding": {0: policy}}, seed=2)
        world.run()
        worth[type(policy)] = world.ledger.value()[:, 0].sum() / 48_000
        assert world.ledger.spend()[:, 0].sum() > 0.98 * 4_000
    assert worth[Throttling] == pytest.approx(1 / 6, rel=0.03)
    assert worth[MultiplicativePacing] == pytest.approx(0.2357, rel=0.03)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (AuctionNetPID, {"low": -1.0}),
        (AuctionNetPID, {"low": 2.0, "high": 1.0}),
        (AuctionNetPID, {"down": 0.0}),
        (AdaptivePacing, {"step": 0.0}),
        (AdaptivePacing, {"most": math.inf}),
        (MultiplicativePacing, {"reach": 1.0}),
        (TargetCPADual, {"cpa_step": 0.0}),
        (TargetCPADual, {"surprise": math.nan}),
        (MinPacing, {"mu_start": 0.0}),
        (RecedingHorizon, {"elasticity": 0.0}),
        (RecedingHorizon, {"forget": 0.0}),
        (Throttling, {"step": 1.5}),
        (Throttling, {"start_share": 0.0}),
        (Throttling, {"least": True}),
    ],
)
def test_bad_hyper_parameters_are_refused(kind: type, settings: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(settings))) as caught:
        kind(**settings)
    assert "\n" not in str(caught.value)
