"""The bidding suite: who is compared, on which days, and that its yardsticks measure."""

import numpy as np
import pytest

from adarena.agents.bidding import Fixed
from adarena.agents.bidding.rivals import contested, rivals
from adarena.agents.hindsight.static import StaticHindsight, static_hindsight
from adarena.agents.splits import SPLITS
from adarena.benchmarks.comparison import report
from adarena.benchmarks.suites import bidding
from adarena.simulator import MarketError, Scenario
from adarena.simulator.market.market import build


@pytest.fixture(scope="module")
def scenario():
    return Scenario.preset("bidding-small").override({"traffic.requests_per_day": 3000, "demand.campaigns": 12})


@pytest.fixture(scope="module")
def results(scenario):
    return bidding.run(scenario, {"pid": "pid", "same": "pid:kp=8.0", "fixed": "fixed", "truthful": "truthful"}, seeds=3)


def test_the_seat_rotates_over_steady_campaigns_whose_budget_binds(scenario):
    market, held = build(scenario), contested(scenario)
    assert held
    for k in held:
        assert not market.campaigns.follows_demand[k]
        assert market.campaigns.budget[k] / 1e6 < 0.9 * market.expected.unconstrained_spend[k]
    cases = bidding.cases(scenario, 2 * len(held))
    assert [case.campaign for case in cases] == held * 2
    assert [case.seed for case in cases] == list(SPLITS["test"][: 2 * len(held)])


def test_rivals_are_half_pid_a_quarter_fixed_a_quarter_dual_in_each_vertical():
    scenario = Scenario.preset("bidding")
    held = rivals(scenario, campaign=13)
    assert set(held) == set(range(48)) - {13}
    vertical = build(scenario).campaigns.vertical
    for v in set(vertical) - {vertical[13]}:
        kinds = sorted(type(held[k]).__name__ for k in range(48) if vertical[k] == v)
        assert kinds == ["DualMirrorDescent"] * 2 + ["Fixed"] * 2 + ["PID"] * 4


def test_equal_policies_differ_by_exactly_nothing(results):
    for one, other in zip(results.runs["pid"], results.runs["same"], strict=True):
        assert (one.value, one.spend, one.pacing_error, one.clairvoyant) == (
            other.value, other.spend, other.pacing_error, other.clairvoyant,
        )  # fmt: skip
        np.testing.assert_array_equal(one.spend_curve, other.spend_curve)
    difference = report.estimates(results, "pid")["same"]["difference_to_reference"]
    assert difference == (0.0, None)


def test_static_hindsight_is_reached_by_its_own_multiplier_and_by_no_constant_beaten(scenario, results):
    case, best = results.cases[0], results.yardsticks[0]
    replayed = bidding.play(scenario, case, Fixed(multiplier=best.multiplier, times_prior=False))
    assert replayed.score == best.score
    for run in (results.runs["fixed"][0], results.runs["truthful"][0]):
        assert run.value <= best.score * 1.001
    assert static_hindsight(scenario, rivals(scenario, case.campaign), case.campaign, case.seed).score == best.score


def test_no_run_exceeds_the_bound_of_its_own_record_nor_its_budget(results):
    for runs in results.runs.values():
        for run in runs:
            assert run.score == pytest.approx(run.value, rel=1e-12)
            assert run.score <= run.clairvoyant * (1 + 1e-9)
            assert run.spend <= run.budget + 1e-9
            assert run.spend_curve[-1] == pytest.approx(run.spend / run.budget)


def test_several_policies_may_stand_behind_a_label(scenario, results):
    """The mean of what they make of each case, and nothing more is played."""
    joined = bidding.run(scenario, {"both": "pid+fixed", "pid": "pid"}, len(results.cases))
    pid, fixed = results.runs["pid"], results.runs["fixed"]
    for both, one, other in zip(joined.runs["both"], pid, fixed, strict=True):
        assert both.score == pytest.approx((one.score + other.score) / 2)
        np.testing.assert_allclose(both.spend_curve, (one.spend_curve + other.spend_curve) / 2)
    assert bidding.steps(joined.policies, 4) == 12
    assert [run.score for run in joined.runs["pid"]] == [run.score for run in pid]


def test_days_that_were_looked_at_can_be_skipped(scenario):
    """What remains is the rest of the same list: day, campaign and all."""
    assert bidding.cases(scenario, 5, skip=7) == bidding.cases(scenario, 12)[7:]
    for seeds, skip in ((0, 0), (3, -1)):
        with pytest.raises(MarketError, match=f"not {seeds} after {skip}"):
            bidding.cases(scenario, seeds, skip=skip)
    with pytest.raises(MarketError, match="test seeds can be had"):
        bidding.cases(scenario, 5, skip=999_999)


def test_a_trial_scores_as_a_run_does(scenario, results):
    found = bidding.shares(scenario, ["pid", "fixed"], len(results.cases), "test")
    for name, share in found.items():
        runs = zip(results.runs[name], results.yardsticks, strict=True)
        assert share == pytest.approx(np.mean([run.score / best.score for run, best in runs]), rel=1e-12)


def test_pacing_error_is_the_distance_from_the_traffic_curve(scenario, results):
    run = results.runs["pid"][0]
    ideal = np.concatenate([[0.0], np.cumsum(bidding.forecast(scenario))])
    assert run.pacing_error == pytest.approx(np.abs(run.spend_curve - ideal).mean())
    assert run.pacing_error < results.runs["truthful"][0].pacing_error


def test_a_market_without_binding_budgets_is_refused(scenario):
    with pytest.raises(MarketError, match="no steady campaign whose budget binds"):
        contested(scenario.override({"demand.budget_share": None}))


def test_a_target_cpa_makes_score_and_excess(scenario):
    """Where the target is met the score is the value; beyond it falls by the square, as AuctionNet has it."""
    limited = scenario.override({"demand.objective": "target_cpa"})
    case = bidding.cases(limited, 1)[0]
    listed = build(limited).campaigns.listed[case.campaign]
    costs = []
    for multiplier in (0.05, 5.0):
        run = bidding.play(limited, case, Fixed(multiplier=multiplier, times_prior=False))
        cpa = run.spend / (run.value / listed.value_per_conversion)
        costs.append(cpa / listed.target_cpa)
        assert run.score == pytest.approx(run.value * min(1.0, costs[-1] ** -2))
        assert run.score <= run.frontier * (1 + 1e-9)
        assert run.cpa_excess == pytest.approx(max(0.0, 1 - 1 / costs[-1]))
    assert costs[0] < 1 < costs[1]


def test_under_a_target_cpa_hindsight_has_the_best_score(scenario):
    """No constant on a coarse grid does better, and on some days the one with most value is another."""
    limited = scenario.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.5})
    least_value = np.inf
    for case in bidding.cases(limited, 4):
        best = static_hindsight(limited, rivals(limited, case.campaign), case.campaign, case.seed)
        runs = [bidding.play(limited, case, Fixed(best.multiplier * 1.25**x, times_prior=False)) for x in range(-6, 7)]
        assert runs[6].score == best.score
        assert max(run.score for run in runs) <= best.score * 1.01  # the tolerance of the search
        least_value = min(least_value, best.value / max(run.value for run in runs))
    assert least_value < 0.9


def test_a_day_on_which_nothing_can_be_won_is_no_case(scenario, monkeypatch):
    nothing = StaticHindsight(multiplier=1.0, value=0.0, spend=0.0, score=0.0)
    monkeypatch.setattr(bidding, "static_hindsight", lambda *_: nothing)
    with pytest.raises(MarketError, match=r"brings campaign 'c\d+' anything on the day of seed 1000000"):
        bidding.run(scenario, {"pid": "pid"}, 1)
