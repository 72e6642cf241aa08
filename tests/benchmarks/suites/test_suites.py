"""What every suite must keep: metrics of numbers that it measures, cases drawn from a split, defaults that exist."""

import pickle
from collections import Counter

import numpy as np
import pytest
from places import ROOT

from adarena.agents.catalogue import SEATS, make_policy, policies
from adarena.agents.hindsight.static import Scale
from adarena.agents.splits import SPLITS
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.suite import HINDSIGHT
from adarena.benchmarks.suites import SUITES, suite
from adarena.simulator import MarketError, Scenario

SMALL = {"traffic.requests_per_day": 2_000, "demand.campaigns": 12}
every_suite = pytest.mark.parametrize("name", SUITES)


def market(name: str) -> Scenario:
    return Scenario.named(suite(name).scenario).override(SMALL)


@every_suite
def test_it_is_of_a_seat_and_its_defaults_exist(name: str) -> None:
    one = suite(name)
    assert one.name == name
    assert one.seat in SEATS
    for text in (*one.compared, one.reference, *one.tuned):
        assert text in policies(one.seat)
        make_policy(one.seat, text)
    assert one.mixes
    assert pickle.loads(pickle.dumps(one)).seat == one.seat  # workers are sent it


@every_suite
def test_its_metrics_are_made_of_what_it_measures(name: str) -> None:
    one = suite(name)
    assert (one.metrics[0].how, one.metrics[0].of, one.metrics[0].over) == ("mean", "score", HINDSIGHT)
    assert max(Counter(metric.name for metric in one.metrics).values()) == 1
    for metric in one.metrics:
        assert metric.of in one.numbers
        assert metric.over is None or metric.over in {HINDSIGHT, *one.numbers}
        assert (metric.how == "ratio") <= (metric.over is not None)
        assert bool(metric.term) == bool(metric.says)
        for shown in (metric.table, metric.page):
            assert shown is None or format(0.5, shown.form)
    assert {HINDSIGHT} & set(one.numbers) == set()


@every_suite
def test_its_days_are_of_the_split_and_its_units_take_turns(name: str) -> None:
    one, scenario = suite(name), market(name)
    units = list(one.units(scenario))
    cases = one.cases(scenario, 2 * len(units) + 5)
    assert [case.unit for case in cases] == (units * 7)[: len(cases)]
    assert [case.seed for case in cases] == list(SPLITS["test"][: len(cases)])
    assert one.cases(scenario, 2, "train")[1].seed == SPLITS["train"][1]
    assert one.cases(scenario, 2, skip=3) == cases[3:5]
    with pytest.raises(MarketError, match="not 0 after 0"):
        one.cases(scenario, 0)


@every_suite
def test_a_case_is_measured_whole_and_the_same_whoever_looks(name: str) -> None:
    one, scenario = suite(name), market(name)
    (case,), mix = one.cases(scenario, 1), next(iter(one.mixes))
    run = measuring.play(one, scenario, case, make_policy(one.seat, one.reference), mix)
    known = one.knowing(scenario, case)
    assert set(known) == set(one.known)
    assert {*run.numbers, *known} == set(one.numbers)
    assert not run.numbers.keys() & known.keys()
    assert all(np.isfinite(number) for number in (*run.numbers.values(), *known.values()))
    assert measuring.attempt(one, scenario, case, make_policy(one.seat, one.reference), mix).score == run.numbers["score"]
    assert (
        run.curve.shape == one.ideal(scenario).shape == ((scenario.days * scenario.ticks_per_day + 1,) if one.curve else (0,))
    )
    constants = one.constants(scenario, case)
    policy = constants.policy(constants.centre) if isinstance(constants, Scale) else constants[0]
    assert measuring.attempt(one, scenario, case, policy, mix).score <= measuring.hindsight(one, scenario, case, mix).score
    assert str(case.seed) in one.worthless(scenario, case)


@every_suite
def test_what_is_shown_is_of_its_metrics_the_score_first(name: str) -> None:
    one, scenario = suite(name), market(name)
    results = measuring.run(one, scenario, {one.reference: one.reference}, 2)
    shown = one.shown(results)
    assert [metric.name for metric in shown[:1]] == [one.metrics[0].name]
    assert {metric.name for metric in shown} <= {metric.name for metric in one.metrics}
    assert shown[0].panel is not None
    assert shown[0].panel.share
    found = report.estimates(results, one.reference)
    assert list(found[one.reference]) == [metric.name for metric in one.metrics]


@every_suite
def test_nothing_outside_its_file_names_its_metrics(name: str) -> None:
    folder = ROOT / "benchmarks"
    files = [*folder.glob("comparison/*.py"), *folder.glob("cli/*.py"), folder / "commands.py", ROOT / "__main__.py"]
    metrics = suite(name).metrics
    words = {word for metric in metrics for word in (metric.name, metric.of, metric.over)} - {None, HINDSIGHT, "score"}
    for path in files:
        text = path.read_text()
        named = {word for word in words if f'"{word}"' in text or f".{word}\n" in text}
        common = {metric.name for metric in metrics[:3]} if path.name == "suite.py" else set()
        assert named <= common, (path, named)
