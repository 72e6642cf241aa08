"""The bidding suite: who is compared, on which days, and that its yardsticks measure."""

import io

import numpy as np
import pytest
from rich.console import Console

from adarena.agents.bidding import Fixed
from adarena.agents.bidding.rivals import contested, rivals
from adarena.agents.hindsight.multiplier import static_hindsight
from adarena.agents.splits import SPLITS
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.page import page
from adarena.benchmarks.comparison.suite import Yardstick
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, Scenario
from adarena.simulator.market.market import build
from adarena.simulator.scenario.forecast import forecast


@pytest.fixture(scope="module")
def scenario():
    return Scenario.preset("bidding-small").override({"traffic.requests_per_day": 3000, "demand.campaigns": 12})


@pytest.fixture(scope="module")
def results(scenario):
    return measuring.run(
        BIDDING, scenario, {"pid": "pid", "same": "pid:kp=8.0", "fixed": "fixed", "truthful": "truthful"}, seeds=3
    )


def test_the_seat_rotates_over_steady_campaigns_whose_budget_binds(scenario):
    market, held = build(scenario), contested(scenario)
    assert held
    for k in held:
        assert not market.campaigns.follows_demand[k]
        assert market.campaigns.budget[k] / 1e6 < 0.9 * market.expected.unconstrained_spend[k]
    cases = BIDDING.cases(scenario, 2 * len(held))
    assert [case.unit for case in cases] == held * 2
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
        assert (one.numbers["value"], one.numbers["spend"], one.numbers["pacing_error"], one.numbers["clairvoyant"]) == (
            other.numbers["value"], other.numbers["spend"], other.numbers["pacing_error"], other.numbers["clairvoyant"],
        )  # fmt: skip
        np.testing.assert_array_equal(one.curve, other.curve)
    difference = report.estimates(results, "pid")["same"]["difference_to_reference"]
    assert difference == (0.0, None)


def test_static_hindsight_is_reached_by_its_own_multiplier_and_by_no_constant_beaten(scenario, results):
    case, best = results.cases[0], results.yardsticks[0]
    replayed = measuring.play(BIDDING, scenario, case, Fixed(multiplier=best.constant, times_prior=False), "mixed")
    assert replayed.numbers["score"] == best.score
    for run in (results.runs["fixed"][0], results.runs["truthful"][0]):
        assert run.numbers["value"] <= best.score * 1.001
    assert static_hindsight(scenario, rivals(scenario, case.unit), case.unit, case.seed).score == best.score


def test_no_run_exceeds_the_bound_of_its_own_record_nor_its_budget(results):
    for runs in results.runs.values():
        for run in runs:
            assert run.numbers["score"] == pytest.approx(run.numbers["value"], rel=1e-12)
            assert run.numbers["score"] <= run.numbers["clairvoyant"] * (1 + 1e-9)
            assert run.numbers["spend"] <= run.numbers["budget"] + 1e-9
            assert run.curve[-1] == pytest.approx(run.numbers["spend"] / run.numbers["budget"])


def test_where_there_is_no_record_the_comparison_goes_without_bounds_and_says_so(scenario, results):
    """Caps that bind nobody change nothing but what can be noted: all else is as it is without them."""
    capped = scenario.override({"demand.frequency_cap": 10_000})
    found = measuring.run(BIDDING, capped, {"pid": "pid", "fixed": "fixed"}, seeds=3)
    for name, runs in found.runs.items():
        for one, other in zip(runs, results.runs[name], strict=True):
            rest = {key: number for key, number in other.numbers.items() if key not in ("clairvoyant", "frontier")}
            assert one.numbers == rest
    assert found.yardsticks == results.yardsticks
    said = "There is no bound here: where users tire or leave (frequency_cap)"
    estimates, table = report.estimates(found, "fixed"), io.StringIO()
    Console(width=200, file=table).print(report.comparison_table(found, estimates, "fixed"))
    assert said in " ".join(table.getvalue().split())
    assert "clairvoyant" not in table.getvalue()
    assert said in page(found, estimates, "fixed", "adarena bench bidding")
    content = report.summary(found, estimates, "fixed")
    assert said in content["missing"]
    assert not {row["metric"] for row in content["rows"]} & {"share_of_clairvoyant_bound", "score_share_of_frontier_bound"}
    whole = report.summary(results, report.estimates(results, "fixed"), "fixed")
    assert whole["missing"] is None
    assert {row["metric"] for row in content["rows"]} < {row["metric"] for row in whole["rows"]}


def test_several_policies_may_stand_behind_a_label(scenario, results):
    """The mean of what they make of each case, and nothing more is played."""
    joined = measuring.run(BIDDING, scenario, {"both": "pid+fixed", "pid": "pid"}, len(results.cases))
    pid, fixed = results.runs["pid"], results.runs["fixed"]
    for both, one, other in zip(joined.runs["both"], pid, fixed, strict=True):
        assert both.numbers["score"] == pytest.approx((one.numbers["score"] + other.numbers["score"]) / 2)
        np.testing.assert_allclose(both.curve, (one.curve + other.curve) / 2)
    assert measuring.steps(BIDDING, joined.policies, 4) == 12
    assert [run.numbers["score"] for run in joined.runs["pid"]] == [run.numbers["score"] for run in pid]


def test_days_that_were_looked_at_can_be_skipped(scenario):
    """What remains is the rest of the same list: day, campaign and all."""
    assert BIDDING.cases(scenario, 5, skip=7) == BIDDING.cases(scenario, 12)[7:]
    for seeds, skip in ((0, 0), (3, -1)):
        with pytest.raises(MarketError, match=f"not {seeds} after {skip}"):
            BIDDING.cases(scenario, seeds, skip=skip)
    with pytest.raises(MarketError, match="test seeds can be had"):
        BIDDING.cases(scenario, 5, skip=999_999)


def test_a_trial_scores_as_a_run_does(scenario, results):
    found = measuring.shares(BIDDING, scenario, ["pid", "fixed"], len(results.cases), "test")
    for name, share in found.items():
        runs = zip(results.runs[name], results.yardsticks, strict=True)
        assert share == pytest.approx(np.mean([run.numbers["score"] / best.score for run, best in runs]), rel=1e-12)


def test_pacing_error_is_the_distance_from_the_traffic_curve(scenario, results):
    run = results.runs["pid"][0]
    ideal = np.concatenate([[0.0], np.cumsum(forecast(scenario))])
    assert run.numbers["pacing_error"] == pytest.approx(np.abs(run.curve - ideal).mean())
    assert run.numbers["pacing_error"] < results.runs["truthful"][0].numbers["pacing_error"]


def test_a_market_without_binding_budgets_is_refused(scenario):
    with pytest.raises(MarketError, match="no steady campaign whose budget binds"):
        contested(scenario.override({"demand.budget_share": None}))


def test_a_target_cpa_makes_score_and_excess(scenario):
    """Where the target is met the score is the value; beyond it falls by the square, as AuctionNet has it."""
    limited = scenario.override({"demand.objective": "target_cpa"})
    case = BIDDING.cases(limited, 1)[0]
    listed = build(limited).campaigns.listed[case.unit]
    costs = []
    for multiplier in (0.05, 5.0):
        run = measuring.play(BIDDING, limited, case, Fixed(multiplier=multiplier, times_prior=False), "mixed")
        cpa = run.numbers["spend"] / (run.numbers["value"] / listed.value_per_conversion)
        costs.append(cpa / listed.target_cpa)
        assert run.numbers["score"] == pytest.approx(run.numbers["value"] * min(1.0, costs[-1] ** -2))
        assert run.numbers["score"] <= run.numbers["frontier"] * (1 + 1e-9)
        assert run.numbers["cpa_excess"] == pytest.approx(max(0.0, 1 - 1 / costs[-1]))
    assert costs[0] < 1 < costs[1]


def test_under_a_target_cpa_hindsight_has_the_best_score(scenario):
    """No constant on a coarse grid does better, and on some days the one with most value is another."""
    limited = scenario.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.5})
    least_value = np.inf
    for case in BIDDING.cases(limited, 4):
        best = static_hindsight(limited, rivals(limited, case.unit), case.unit, case.seed)
        runs = [
            measuring.play(BIDDING, limited, case, Fixed(best.multiplier * 1.25**x, times_prior=False), "mixed")
            for x in range(-6, 7)
        ]
        assert runs[6].numbers["score"] == best.score
        assert max(run.numbers["score"] for run in runs) <= best.score * 1.01  # the tolerance of the search
        least_value = min(least_value, best.value / max(run.numbers["value"] for run in runs))
    assert least_value < 0.9


def test_a_day_on_which_nothing_can_be_won_is_no_case(scenario, monkeypatch):
    monkeypatch.setattr(measuring, "hindsight", lambda *_: Yardstick(score=0.0, constant=1.0))
    with pytest.raises(MarketError, match=r"brings campaign 'c\d+' anything on the day of seed 1000000"):
        measuring.run(BIDDING, scenario, {"pid": "pid"}, 1)
