"""Policies that pace each campaign for itself: against their formulas by hand-made views, and against theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import views as bidding
from views import DICE, told, uniform_market

from adarena.agents.catalogue import make_policy
from adarena.agents.pacing import (
    PID,
    POLICIES,
    Constant,
    DualMirrorDescent,
    Prior,
    RecedingHorizon,
    ReplanningDual,
    TrafficThrottling,
    UniformThrottling,
)
from adarena.agents.pacing.factors import LEAST, lowered, requests_ahead, unpaced
from adarena.simulator import PolicyError, World
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

ENDLESS: dict[str, Any] = {"budget": np.array([np.inf, 200.0]), "budget_left": np.array([np.inf, 200.0])}
PRIOR = np.array([0.5, 0.25])


def view(factor: Any = 1.0, **changes: Any) -> PacingView:
    """The view of two campaigns that bid their targets, at the start of a day of four ticks: .7 of the traffic, then .1 each.

    A rehearsal is not looked at by policies that pace each campaign for itself.
    """
    seen = bidding.view(**changes)
    nobody: Any = None
    everyone = np.arange(2), np.zeros(2), seen.target
    return PacingView(seen, seen.multiplier * seen.target, np.full(2, factor), np.ones(2), *everyone, nobody)


def decided(policy: PacingPolicy, *seen: PacingView) -> Pace:
    """The last decision, of shape (2,) each, on seeing some views, the first of which starts the run."""
    policy.start(seen[0], DICE)
    for one in seen:
        decision = policy.decide(one)
    assert isinstance(decision, Pace)
    return Pace(*(np.broadcast_to(np.asarray(x, float), 2) for x in decision))


def factors(policy: PacingPolicy, *seen: PacingView) -> np.ndarray:
    """The factors of that decision, which lets campaigns take part in all auctions."""
    pace = decided(policy, *seen)
    assert (pace.participation == 1).all()
    return np.asarray(pace.factor)


def test_what_decides_the_same_all_day() -> None:
    assert factors(make_policy("pacing", "none"), view(**ENDLESS)).tolist() == [1, 1]
    assert factors(Constant(0.3), view(**ENDLESS)).tolist() == [1, 0.3]
    assert factors(Prior(), view()).tolist() == [0.5, 0.25]
    assert factors(Prior(scale=3), view()).tolist() == [1, 0.75]
    pace = decided(UniformThrottling(0.4), view(**ENDLESS))
    assert (pace.factor == 1).all()
    assert pace.participation.tolist() == [1, 0.4]


def test_bids_are_lowered_to_a_multiple_of_the_target_whatever_the_campaign_bids() -> None:
    """Twice the target is lowered further, less than the multiple not at all; by request, the target is what is known."""
    twice = view(multiplier=np.array([2.0, 0.1]))
    assert lowered(twice, PRIOR).factor.tolist() == [0.25, 1]
    assert unpaced(view(multiplier=np.array([np.nan, 0.5]))).tolist() == [1, 0.5]
    assert lowered(view(multiplier=np.array([np.nan, 0.0])), PRIOR).factor.tolist() == [0.5, 1]
    assert lowered(view(), np.array([1e-9, 0.0])).factor.tolist() == [LEAST, LEAST]
    assert lowered(view(**ENDLESS), PRIOR).factor.tolist() == [1, 0.25]


def test_traffic_to_come_is_the_forecast_scaled_by_what_has_come() -> None:
    """1,400 came where 700 were forecast, 300 are to come: at a tenth of a day's confidence, (1400 + 100) / (700 + 100)."""
    seen = view(tick=1, today=told(requests=1400)).told
    assert requests_ahead(seen, 0.1) == pytest.approx(300 * 1500 / 800)
    assert requests_ahead(seen, 1e9) == pytest.approx(300)
    assert requests_ahead(view().told, 0.1) == pytest.approx(1000)


def test_linkedin_s_rule_by_hand() -> None:
    """After 70% of the traffic 60% and 75% are spent; then 80%, of which both have spent 75%, the second while away."""
    policy = TrafficThrottling(step=0.1, start_share=0.5)
    behind, ahead = 1.1, 0.9
    first = view(tick=1, today=told([60.0, 150.0]))
    assert decided(policy, view(), first).participation == pytest.approx([0.5 * behind, 0.5 * ahead])
    second = view(tick=2, today=told([75.0, 150.0]), could_bid=np.array([True, False]))
    expected = [0.5 * behind**2, 0.5 * ahead]
    pace = decided(policy, view(), first, second)
    assert pace.participation == pytest.approx(expected)
    assert (pace.factor == 1).all()
    assert decided(policy, view(), first, second, view(day=1)).participation == pytest.approx(expected)
    late = [view(tick=1, today=told([0.0, 200.0]))] * 60
    assert decided(TrafficThrottling(step=0.1, least=0.05), view(), *late).participation == pytest.approx([1, 0.05])
    assert decided(policy, view(**ENDLESS)).participation == pytest.approx([1, 0.5])
    # There for the second half of the forecast only, 40% of the day's budget was due by now, of which 50% is more.
    half = view(tick=1, today=told([50.0, 100.0]), reach=np.array([0.5, 1.0]))
    assert decided(policy, view(), half).participation == pytest.approx([0.5 * ahead, 0.5 * behind])


def test_pid_by_hand() -> None:
    """Errors .7 - .6 and .7 - .75, then .8 - .7 and .8 - 1."""
    policy = PID(kp=2.0, ki=0.5, kd=1.0, reach=1000.0)
    one = view(tick=1, today=told([60.0, 150.0]))
    two = view(tick=2, today=told([70.0, 200.0]))
    e1, e2 = np.array([0.1, -0.05]), np.array([0.1, -0.2])
    assert factors(policy, view()) == pytest.approx(PRIOR)
    assert factors(policy, view(), one) == pytest.approx(PRIOR * np.exp(2 * e1 + 0.5 * e1 + e1))
    assert factors(policy, view(), one, two) == pytest.approx(PRIOR * np.exp(2 * e2 + 0.5 * (e1 + e2) + (e2 - e1)))
    assert factors(policy, view(), one, two, view(day=1)) == pytest.approx(PRIOR)
    away = one._replace(told=one.told._replace(could_bid=np.array([False, True])))
    push = 2 * e1 + 0.5 * np.array([0, -0.05]) + e1
    assert factors(policy, view(), away) == pytest.approx(PRIOR * np.exp(push))


def test_pid_does_not_wind_up() -> None:
    """Behind for 50 ticks, the sum stops where it alone undoes the pacing; ahead for as long, where it reaches the bound.

    One tick on the other side then shows in full.
    """
    policy = PID(kp=0.0, ki=1.0, kd=0.0, reach=8.0)
    late = [view(tick=1, today=told([0.0, 200.0]))] * 50
    assert factors(policy, view(), *late) == pytest.approx([1, 0.25 / 8])
    level = view(tick=1, today=told([70.0, 140.0]))
    assert factors(policy, view(), *late, level) == pytest.approx([1, 0.25 / 8])
    turned = view(tick=1, today=told([100.0, 40.0]))
    assert factors(policy, view(), *late, turned) == pytest.approx([math.exp(-0.3), 0.25 / 8 * math.exp(0.5)])
    assert factors(PID(), *[view(**ENDLESS), view(tick=1, today=told([9.0, 140.0]), **ENDLESS)])[0] == 1


def test_the_dual_by_hand() -> None:
    """70 and 140 are wanted of the first tick; half and one and a half times that are spent. Then a tenth of the budgets."""
    policy = DualMirrorDescent(step=0.2, surprise=3.0)
    one = view(tick=1, last=told([35.0, 210.0]), budget_left=np.array([65.0, 10.0]))
    first = PRIOR * np.exp(0.2 * np.array([0.5, -0.5]))
    assert factors(policy, view()) == pytest.approx(PRIOR)
    assert factors(policy, view(), one) == pytest.approx(first)
    two = view(tick=2, last=told([10.0, 40.0]), budget_left=np.array([55.0, 1.0]))  # 10 left of the second's budget were wanted
    assert factors(policy, view(), one, two) == pytest.approx(first * np.exp(0.2 * np.array([0.0, -3.0])))
    three = view(tick=3, last=told([0.0, 1.0]), budget_left=np.array([55.0, 1.0]))  # nothing is wanted of who has nothing
    assert factors(policy, view(), one, two, three) == pytest.approx(first * np.exp(0.2 * np.array([1.0, -3.0])))


def test_the_dual_stays_where_a_factor_can_follow() -> None:
    """A tick at three times what is wanted is felt at once after many at nothing."""
    policy = DualMirrorDescent(step=0.2, surprise=5.0)
    silent = [view(tick=t % 4) for t in range(40)]
    assert factors(policy, *silent) == pytest.approx([1, 1])
    loud = view(tick=0, last=told([30.0, 60.0]))  # of 10 and 20
    assert factors(policy, *silent, loud) == pytest.approx(np.exp([-0.4, -0.4]))


def test_the_dual_that_replans_wants_what_is_left() -> None:
    """65 and 10 are left before three ticks of a tenth each: a third of it is wanted of the next."""
    one = view(tick=1, last=told([35.0, 210.0]), budget_left=np.array([65.0, 10.0]))
    assert ReplanningDual().wanted(one.told) == pytest.approx([65 / 3, 10 / 3])
    assert DualMirrorDescent().wanted(one.told) == pytest.approx([10, 10])
    assert ReplanningDual().wanted(view().told) == pytest.approx(DualMirrorDescent().wanted(view().told))
    assert ReplanningDual().wanted(view(tick=3, **ENDLESS).told) == pytest.approx([0, 200])
    after = view(tick=2, last=told([65 / 6, 10 / 3]), budget_left=np.array([50.0, 6.0]))
    first = PRIOR * np.exp(0.2 * np.array([0.5, -0.5]))
    policy = ReplanningDual(step=0.2)
    assert factors(policy, view(), one, after) == pytest.approx(first * np.exp(0.2 * np.array([0.5, 0.0])))


def test_the_horizon_by_hand() -> None:
    """Belief: .1 and .2 a request at the prior. In 500 requests there it was .2 and .2, of weight 500 x 4 / 1000."""
    policy = RecedingHorizon(elasticity=2.0, forget=0.5, trust=2.0, confidence=1e9)
    assert factors(policy, view()) == pytest.approx(PRIOR)
    left = np.array([30.0, 60.0])
    one = view(PRIOR, tick=1, last=told([100.0, 100.0], requests=500), budget_left=left)
    level = (0.5 * 2 * np.log([0.1, 0.2]) + 2 * np.log([0.2, 0.2])) / 3
    expected = PRIOR * np.exp((np.log(left / 300) - level) / 2)
    assert factors(policy, view(), one) == pytest.approx(expected)
    # The same spend at half the factor is four times as much at the prior: what was in force counts, whoever decided it.
    other = factors(policy, view(), one._replace(factor=PRIOR / 2))
    assert other == pytest.approx(PRIOR * np.exp((np.log(left / 300) - (level + 2 / 3 * np.log(4))) / 2))
    # And so does what the campaign itself bids: half the target at factor 1 is the prior of the first.
    own = view(1.0, tick=1, last=told([100.0, 100.0], requests=500), budget_left=left, multiplier=PRIOR)
    assert factors(policy, view(), own) == pytest.approx(np.minimum(expected / PRIOR, 1))


def test_the_horizon_learns_only_with_money_and_keeps_its_model_overnight() -> None:
    policy = RecedingHorizon(elasticity=2.0, forget=1.0, trust=2.0, confidence=1e9)
    left = np.array([30.0, 0.5])
    broke = view(PRIOR, tick=1, last=told([0.0, 0.0], requests=500), budget_left=left)
    spent = view(PRIOR, tick=2, last=told([100.0, 0.0], requests=250), budget_left=left)
    policy.start(view(), DICE)
    policy.decide(view(budget_left=left))
    policy.decide(broke)
    before = policy._level.copy()
    policy.decide(spent)
    assert policy._level[0] > before[0]
    assert policy._level[1] == before[1] == np.log(0.2)
    kept = policy._level.copy()
    policy.decide(view(day=1))
    assert (policy._level == kept).all()
    assert (policy._weight == 2).all()


def test_the_horizon_spends_what_is_left_where_its_model_is_true() -> None:
    """Spend of a request .3 m^1.5, far from what the prior suggests: the day's budget goes, to two per cent."""
    policy, spent, ticks = RecedingHorizon(elasticity=1.5), np.zeros(2), 40
    changes: dict[str, Any] = {"ticks": ticks, "forecast": np.full(ticks, 1 / ticks)}
    budget, last, factor = np.array([100.0, 200.0]), np.zeros(2), np.ones(2)
    policy.start(view(**changes), DICE)
    for tick in range(ticks):
        seen = view(
            factor, tick=tick, budget_left=budget - spent, last=told(last, requests=25 * (tick > 0)),
            today=told(spent, requests=25 * tick), **changes,
        )  # fmt: skip
        factor = np.asarray(policy.decide(seen).factor)
        last = np.minimum(25 * 0.3 * factor**1.5, budget - spent)
        spent = spent + last
    assert spent == pytest.approx(budget, rel=0.02)


@pytest.mark.parametrize("policy", [DualMirrorDescent(step=0.05), ReplanningDual(step=0.05), RecedingHorizon(forget=0.98)])
@pytest.mark.parametrize("per_request", [1 / 24, 1 / 54])
def test_it_finds_the_factor_that_spends_the_budget(policy: PacingPolicy, per_request: float) -> None:
    """Second price, own value and rival's bid U[0, 1], budget rho a request: the factor is sqrt(6 rho), 1/2 and 1/3.

    The morning costs too much, as no prior tells of the budget. Who plans with what is left has less for the rest.
    """
    scenario = uniform_market(64_000, 320, budget_per_day=per_request * 64_000)
    world = World(scenario, {"pacing": policy}, seed=3)
    world.run()
    left = per_request
    if type(policy) is not DualMirrorDescent:
        left = (per_request * 64_000 - world.ledger.spend()[:160, 0].sum()) / 32_000
    assert world.ledger.pace[160:280, 0].mean() == pytest.approx(math.sqrt(6 * left), rel=0.03)
    assert (world.ledger.pace[:, 1] == 1).all()


def test_throttling_wastes_what_theory_says() -> None:
    """Own value and rival's bid U[0, 1], budget 1/12 a request: throttling is worth 1/6 a request, scaling bids .2357."""
    scenario = uniform_market(48_000, 480, budget_per_day=4_000.0)
    worth = {}
    for policy in (TrafficThrottling(step=0.05), UniformThrottling(0.5), DualMirrorDescent(step=0.05)):
        world = World(scenario, {"pacing": policy}, seed=2)
        world.run()
        worth[type(policy)] = world.ledger.value()[:, 0].sum() / 48_000
        assert world.ledger.spend()[:, 0].sum() > 0.98 * 4_000
    assert worth[TrafficThrottling] == pytest.approx(1 / 6, rel=0.03)
    assert worth[UniformThrottling] == pytest.approx(1 / 6, rel=0.03)
    assert worth[DualMirrorDescent] == pytest.approx(0.2357, rel=0.03)


BAD = {
    "constant": {"factor": 0.0}, "prior": {"scale": 0.0}, "uniform": {"participation": 1.1}, "linkedin": {"least": 0.0},
    "pid": {"kp": -1.0}, "dual": {"step": 0.0}, "dual_replan": {"surprise": math.nan}, "mpc": {"forget": 0.0},
    "joint_mpc": {"size": 63}, "plan": {"rounds": 0}, "first_price": {"rounds": 1.5},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(POLICIES) - {"none"}))
def test_a_setting_that_cannot_be_is_refused(name: str) -> None:
    (field,) = BAD[name]
    with pytest.raises(PolicyError, match=f"needs .* as {field}, not"):
        POLICIES[name](**BAD[name])
