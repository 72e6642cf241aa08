"""`adarena evaluate`: scores are those of the suite's own runs on the same days, and the verdict is that of the interval."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adarena.__main__ import main
from adarena.agents.catalogue import make_policy
from adarena.benchmarks.comparison.measuring import attempt
from adarena.benchmarks.comparison.statistics import Estimate, Interval
from adarena.benchmarks.evaluating import Evaluation, best_classic, evaluate
from adarena.benchmarks.suites import SUITES, suite
from adarena.simulator import MarketError, Scenario

TINY = Scenario.named("tiny")
ZOO = "zoo:bidding-ppo-0"


def quiet(of: Any, market: Scenario, runs: int) -> Any:
    return nullcontext(lambda: None)


def test_scores_are_those_of_the_suite_on_days_of_the_split() -> None:
    found = evaluate(ZOO, TINY, 3, "validation", 2, quiet)
    bidding = suite("bidding")
    label, text = best_classic(bidding)
    assert list(found.policies) == ["agent", label, "fixed"]
    cases = bidding.cases(TINY, 3, "validation", 2)
    assert {case.seed for case in cases} == {800_002, 800_003, 800_004}
    own, classic = (
        np.array([attempt(bidding, TINY, case, make_policy("bidding", spec), "mixed").score for case in cases])
        for spec in (ZOO, text)
    )
    assert found.scores["agent"].mean == pytest.approx(own.mean())
    assert found.minus[label].mean == pytest.approx((own - classic).mean())
    assert found.over[label].mean == pytest.approx(own.sum() / classic.sum())
    assert found.scores["agent"].interval is None  # of three days nothing can be told


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.1, 0.3), "better than mpc"), ((-0.3, -0.1), "worse than mpc"), ((-0.1, 0.1), "not to be told apart from mpc")],
)
def test_the_verdict_is_that_of_the_interval(interval: tuple[float, float], verdict: str) -> None:
    one = Estimate(0.0, None)
    minus = {"mpc": Estimate(sum(interval) / 2, Interval(*interval))}
    assert Evaluation({"agent": "", "mpc": ""}, {}, minus, {}, one).verdict == verdict
    assert Evaluation({"agent": "", "mpc": ""}, {}, {"mpc": one}, {}, one).verdict == "not to be told apart from mpc"


def test_the_best_classic_of_each_suite_can_be_made() -> None:
    for name in SUITES:
        make_policy(suite(name).seat, best_classic(suite(name))[1])
    assert best_classic(suite("bidding"))[0] == "mpc (tuned)"


def test_the_command_writes_what_it_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    words = ["adarena", "evaluate", ZOO, "--days", "2", "--scenario", "tiny", "--out", str(file)]
    monkeypatch.setattr(sys, "argv", words)
    main()
    printed, found = capsys.readouterr().out, json.loads(file.read_text())
    assert f"{found['score']['mean']:,.3f}" in printed or f"{found['score']['mean']:,.1f}" in printed
    assert found["verdict"] in printed
    assert found["command"] == " ".join(words)
    monkeypatch.setattr(sys, "argv", [*words[:3], "--days", "1"])
    with pytest.raises(SystemExit):
        main()
    assert "at least 2 days, not 1" in capsys.readouterr().err


def test_a_market_without_the_seat_is_refused() -> None:
    with pytest.raises(MarketError):
        evaluate("zoo:creative-ppo-0", TINY, 2, "test", 0, quiet)
