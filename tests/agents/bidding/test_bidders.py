"""Each bidder against its definition, by hand-made views, and against theory where a market has a known answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from views import decided, told, uniform_market, view

from adarena.agents.bidding import MCPC, PID, DualMirrorDescent, Fixed, Linear, Truthful, UniformRandom
from adarena.simulator import BidPolicy, Multiplier, PolicyError, Scenario, World
from adarena.simulator.seats.bidding.view import History


def test_truthful_bids_the_target() -> None:
    assert decided(Truthful(), view()).tolist() == [1, 1]


def test_fixed_scales_the_prior_or_stands_alone() -> None:
    assert decided(Fixed(), view()).tolist() == [0.5, 0.25]
    assert decided(Fixed(2.0), view()).tolist() == [1.0, 0.5]
    assert decided(Fixed(0.3, times_prior=False), view()).tolist() == [0.3, 0.3]


def test_mcpc_bids_the_historic_cost_of_a_conversion() -> None:
    # 80 for 4 conversions: 20 a conversion, 0.4 of the target of 50; no conversions: the prior.
    assert decided(MCPC(), view()) == pytest.approx([0.4, 0.25])


def test_linear_bids_its_base_for_a_mean_rate() -> None:
    now = view()
    multiplier = decided(Linear(base_bid=3.0), now)
    assert multiplier * now.target * 0.03 == pytest.approx(3.0 * 0.03 / now.history.rate)


def test_linear_without_base_bids_the_historic_price_for_a_mean_rate() -> None:
    now = view()
    assert decided(Linear(), now) * now.target * now.history.rate == pytest.approx([80 / 400, 10 / 100])


def test_linear_without_a_history_bids_the_prior() -> None:
    nothing = History(*(np.zeros(2) for _ in range(4)))
    assert decided(Linear(), view(history=nothing)).tolist() == [0.5, 0.25]
    assert decided(Linear(base_bid=1.0), view(history=nothing)).tolist() == [0.5, 0.25]
    assert decided(MCPC(), view(history=nothing)).tolist() == [0.5, 0.25]


def test_random_draws_anew_between_its_bounds_from_its_own_dice() -> None:
    def day(seed: int) -> np.ndarray:
        policy = UniformRandom(0.5, 1.5)
        policy.start(view(), np.random.default_rng(seed))
        return np.array([policy.decide(view()).values for _ in range(500)])

    one = day(1)
    assert (one == day(1)).all()
    assert (one != day(2)).all()
    share = one / view().prior
    assert share.min() >= 0.5
    assert share.max() <= 1.5
    # A uniform mean of 1000 draws on a range of 1 has standard error 0.009.
    assert share.mean() == pytest.approx(1.0, abs=0.04)
    assert len(np.unique(one)) == 1000


def test_pid_follows_the_traffic_curve_and_not_the_clock() -> None:
    # A quarter of the day is over, with it 70% of the traffic, and 70% of the budget is spent: all is well.
    on_curve = view(tick=1, today=told([70.0, 140.0]))
    assert decided(PID(kp=8, ki=0, kd=1), view(), on_curve) == pytest.approx([0.5, 0.25])
    too_fast, too_slow = view(tick=1, today=told([80.0, 150.0])), view(tick=1, today=told([60.0, 100.0]))
    assert (decided(PID(), view(), too_fast) < [0.5, 0.25]).all()
    assert (decided(PID(), view(), too_slow) > [0.5, 0.25]).all()


def test_pid_is_its_formula() -> None:
    policy = PID(kp=2.0, ki=0.5, kd=0.25)
    spent = [(0.0, 0.0), (60.0, 160.0), (75.0, 170.0)]
    views = [view(tick=t, today=told(s)) for t, s in enumerate(spent)]
    elapsed = [0.0, 0.7, 0.8]
    error = np.array([[f - s[0] / 100, f - s[1] / 200] for f, s in zip(elapsed, spent, strict=True)])
    push = 2.0 * error[2] + 0.5 * error.sum(axis=0) + 0.25 * (error[2] - error[1])
    assert decided(policy, *views) == pytest.approx(np.array([0.5, 0.25]) * np.exp(push))


def test_pid_stays_in_reach_and_does_not_wind_up() -> None:
    policy = PID(kp=0, ki=10, reach=4)
    nothing_spent = [view(tick=t) for t in range(4)]
    assert decided(policy, *nothing_spent) == pytest.approx([2.0, 1.0])
    # Without wind-up one overspend of half the budget takes 10 x 0.5 off the bound at once.
    turned = policy.decide(view(tick=2, today=told([130.0, 260.0])))
    assert isinstance(turned, Multiplier)
    assert turned.values == pytest.approx(np.array([0.5, 0.25]) * np.exp(max(math.log(4) - 5, -math.log(4))))


def test_pid_begins_each_day_at_the_prior() -> None:
    yesterday = [view(tick=t, today=told([90.0, 200.0])) for t in range(4)]
    assert decided(PID(ki=1, kd=1), *yesterday, view(day=1)).tolist() == [0.5, 0.25]


@pytest.mark.parametrize("policy", [PID(ki=1, kd=1), DualMirrorDescent()])
def test_unlimited_budgets_keep_the_prior_and_empty_ones_do_not_trouble(policy: BidPolicy) -> None:
    limits = {"budget": np.array([np.inf, 0.0]), "budget_left": np.array([np.inf, 0.0])}
    views = [view(tick=t, last=told([30.0, 0.0]), today=told([30.0 * t, 0.0]), **limits) for t in range(4)]
    multiplier = decided(policy, *views)
    assert multiplier[0] == 0.5
    assert np.isfinite(multiplier).all()


def test_dual_moves_by_what_the_tick_should_have_spent() -> None:
    # 70% of the traffic came in the first tick, so 70 and 140 should have gone; 35 and 210 did.
    after = view(tick=1, last=told([35.0, 210.0]), budget_left=np.array([65.0, 10.0]))
    multiplier = decided(DualMirrorDescent(step=0.2), view(), after)
    assert multiplier == pytest.approx([0.5 * math.exp(0.2 * 0.5), 0.25 * math.exp(-0.2 * 0.5)])


def test_dual_bounds_surprise_and_reach() -> None:
    after = view(tick=1, last=told([700.0, 0.0]))
    assert decided(DualMirrorDescent(step=0.2, surprise=2), view(), after)[0] == pytest.approx(0.5 * math.exp(-0.4))
    silent = [view(tick=t % 4) for t in range(40)]
    assert decided(DualMirrorDescent(step=0.2, reach=3), *silent) == pytest.approx([1.5, 0.75])


def test_dual_learns_nothing_from_a_tick_without_money() -> None:
    broke = [view(tick=t, budget_left=np.array([0.5, 1.0])) for t in range(4)]
    assert decided(DualMirrorDescent(), *broke) == pytest.approx([0.5, 0.25])


@pytest.mark.parametrize(("per_request", "multiplier"), [(1 / 24, 0.5), (1 / 54, 1 / 3)])
def test_dual_finds_the_multiplier_that_spends_the_budget(per_request: float, multiplier: float) -> None:
    """Second price, own value and rival's bid U[0, 1], budget rho a request: the multiplier is sqrt(6 rho)."""
    scenario = uniform_market(64_000, 320, budget_per_day=per_request * 64_000)
    world = World(scenario, {"bidding": {0: DualMirrorDescent(step=0.05)}}, seed=3)
    world.run()
    second_half = world.ledger.multiplier[160:, 0]
    # A tick's spend has a relative error of 16% (200 requests), so a step of .05 leaves the multiplier one of 1.8%,
    # correlated over 20 ticks: 0.7% in the mean of 160.
    assert second_half.mean() == pytest.approx(multiplier, rel=0.02)


def test_pid_spends_along_an_uneven_curve() -> None:
    """From a prior 50% too high: spend stays on the curve of traffic, far from the clock, and a constant's does not."""
    tree = uniform_market(48_000, 48, budget_per_day=48_000 / 54).model_dump(mode="json")
    tree["traffic"]["curve"] = [8.0, 1.0, 1.0, 2.0]
    tree["demand"]["advertisers"][0]["campaigns"][0]["prior_multiplier"] = 0.5
    world_of = {}
    for name, policy in (("pid", PID(kp=8, ki=0.5)), ("fixed", Fixed())):
        world = World(Scenario.from_tree(tree), {"bidding": {0: policy}}, seed=1)
        world.run()
        world_of[name] = np.cumsum(world.ledger.spend()[:, 0]) * 54 / 48_000
    curve = np.cumsum(np.repeat([8.0, 1.0, 1.0, 2.0], 12)) / 144
    clock = np.arange(1, 49) / 48
    assert np.abs(world_of["pid"] - curve).mean() < 0.05
    assert np.abs(world_of["pid"] - clock).mean() > 0.1
    assert np.abs(world_of["fixed"] - curve).mean() > 0.2


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Fixed, {"multiplier": -1.0}),
        (Fixed, {"multiplier": math.nan}),
        (Fixed, {"times_prior": 1}),
        (UniformRandom, {"low": -0.1}),
        (UniformRandom, {"low": 2.0, "high": 1.0}),
        (UniformRandom, {"high": math.inf}),
        (Linear, {"base_bid": 0.0}),
        (Linear, {"base_bid": math.nan}),
        (PID, {"kp": -1.0}),
        (PID, {"ki": math.nan}),
        (PID, {"kd": "1"}),
        (PID, {"reach": 1.0}),
        (DualMirrorDescent, {"step": 0.0}),
        (DualMirrorDescent, {"step": math.nan}),
        (DualMirrorDescent, {"surprise": True}),
        (DualMirrorDescent, {"reach": 0.5}),
    ],
)
def test_bad_hyper_parameters_are_refused(kind: type, settings: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(settings))) as caught:
        kind(**settings)
    assert "\n" not in str(caught.value)
