"""A suite that has nothing to do with bidding goes all the way: measured, kept, told, drawn, tuned, by the commands as well."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from toy import LEVELS, Hill, Toy, gain, toy  # noqa: F401 (a fixture)

from adarena.agents.catalogue import describe, joined, make_policy
from adarena.benchmarks import commands, suites
from adarena.benchmarks.comparison import measuring, page, plots, report, tuning
from adarena.benchmarks.comparison.store import Store
from adarena.benchmarks.comparison.suite import Case, Yardstick
from adarena.benchmarks.comparison.workers import HERE
from adarena.simulator import MarketError, PolicyError, Scenario

TINY = Scenario.named("tiny")
LABELS = {"low": "steady", "high": "steady:level=0.9", "both": "steady+steady:level=0.9", "turning": "turning"}
DAYS = 9


@pytest.fixture
def results(toy: Toy):  # noqa: F811
    return measuring.run(toy, TINY, LABELS, DAYS)


def test_numbers_are_the_worlds_and_hindsight_is_the_best_of_all_constants(results):
    assert [case.unit for case in results.cases] == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    for place, (seed, unit) in enumerate(results.cases):
        runs = {label: runs[place].numbers for label, runs in results.runs.items()}
        assert runs["low"] == {"score": gain(seed, unit, 0.1), "height": 0.1}
        assert runs["high"] == {"score": gain(seed, unit, 0.9), "height": 0.9}
        assert runs["both"]["score"] == pytest.approx((gain(seed, unit, 0.1) + gain(seed, unit, 0.9)) / 2)
        assert runs["both"]["height"] == pytest.approx(0.5)
        best = max(LEVELS, key=lambda level: gain(seed, unit, level))
        text = describe("toy", make_policy("toy", f"steady:level={best}"))
        assert results.yardsticks[place] == Yardstick(gain(seed, unit, best), text)


def test_rows_are_kept_resumed_and_told_from_those_of_other_suites(toy: Toy, tmp_path: Path):  # noqa: F811
    with Store(tmp_path / "r.sqlite") as kept:
        first = measuring.run(toy, TINY, LABELS, 3, store=kept)
    before = Hill.played
    with Store(tmp_path / "r.sqlite") as kept:
        again = measuring.run(toy, TINY, LABELS, 3, store=kept)
        assert Hill.played == before
        assert (kept.reused, kept.asked, kept.added) == (12, 12, 0)  # three texts and hindsight, on three days
        assert (again.yardsticks, again.runs["both"][0].numbers) == (first.yardsticks, first.runs["both"][0].numbers)
        measuring.run(toy, TINY, LABELS, 4, store=kept)
        assert (kept.asked, kept.added) == (16, 4)
        crowd = measuring.run(toy, TINY, {"low": "steady"}, 3, mix="crowd", store=kept)
        task = measuring.Task(toy, TINY, "alone", first.cases[0], "steady", "", "run")
        assert kept.find(task.key) is not None
        assert kept.find(task.key | {"suite": "bidding"}) is None
    assert crowd.runs["low"][0].numbers["score"] == first.runs["low"][0].numbers["score"] / 2
    assert measuring.steps(toy, LABELS, 3) == 12


def test_tables_page_summary_and_pictures_are_of_its_own_metrics(results):
    found = report.estimates(results, "low")
    best = np.array([max(gain(*case, level) for level in LEVELS) for case in results.cases])
    for name, level in (("low", 0.1), ("high", 0.9)):
        shares = np.array([gain(*case, level) for case in results.cases]) / best
        assert found[name]["share_of_static_hindsight"].mean == pytest.approx(shares.mean(), rel=1e-12)
        assert found[name]["height"].mean == pytest.approx(level)
    content = report.summary(results, found, "low")
    assert {row["suite"] for row in content["rows"]} == {"toy"}
    assert {row["metric"] for row in content["rows"]} == {"share_of_static_hindsight", "height"}
    assert set(content["cases"][0]) == {"seed", "hill", "hindsight_score", "hindsight_level"}
    assert content["cases"][0]["hindsight_level"] in {"steady", *(f"steady:level={level}" for level in LEVELS)}
    console = Console(width=200, file=io.StringIO())
    console.print(report.comparison_table(results, found, "low"))
    table, text = " ".join(console.file.getvalue().split()), page.page(results, found, "low", "adarena bench toy")
    assert "toy on tiny: 9 days, mean [95% interval]" in table
    assert "policy of hindsight height s/day" in table
    assert "day's best constant level" in table
    assert "Intervals are stratified by hill." in table
    for said in (
        "Toy on tiny",
        "9 test days, the seats of 2 hills",
        "How high the level stood.",
        "alone: nobody else",
        "Hills in the seat",
    ):
        assert said in text
    words = table + re.sub(r"base64,[A-Za-z0-9+/=]+|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert not re.findall(r"bid|campaign|multiplier|pacing|clairvoyant|spend", words)
    assert text.count("<figure>") == 1  # it has no curve
    assert [axis.get_title("left") for axis in plots.comparison(results).axes] == [
        "Score as a share of static hindsight", "Height",
    ]  # fmt: skip


def test_the_commands_take_it_with_its_own_defaults(toy: Toy, tmp_path: Path):  # noqa: F811
    console, suite = Console(width=200, file=io.StringIO()), suites.suite("toy")
    assert suite is toy
    out, folder = tmp_path / "t.yaml", tmp_path / "b"
    folder.mkdir()
    terms = commands.Terms(rivals=None, crew=HERE, command="adarena tune toy")
    commands.tune(console, suite, TINY, (), 20, 4, out, terms)
    content = yaml.safe_load(out.read_text())
    assert (content["suite"], content["rivals"]) == ("toy", "alone")
    assert content["metric"] == "mean over cases of score over that of static hindsight (score: what was gained)"
    (tuned,) = content["policies"]
    assert tuned["validation"] > tuned["given_validation"] + 0.05
    for reused in (False, True):
        commands.compare(console, suite, TINY, (f"@{out}", "turning"), DAYS, None, folder, terms)
        assert ("reused 36 of 36 rows" in console.file.getvalue()) == reused
    assert {path.name for path in folder.iterdir()} == {
        "results.sqlite", "summary.json", "policies.png", "policies.svg", "report.html",
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["reference"] == "steady"
    assert set(summary["policies"]) == {"steady (tuned)", "turning", "steady"}
    with pytest.raises(PolicyError, match="tuned in the suite 'toy', not in 'bidding'"):
        tuning.read("bidding", out)


def test_its_mistakes_are_said_in_its_own_words(toy: Toy, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    for text, said in (
        ("stedy", "there is no toy policy 'stedy'; did you mean 'steady'"),
        ("pid", "there is no toy policy 'pid'; known are steady, turning"),
        ("steady:level=2", "a level lies from 0 to 1"),
        ("toy:Hill", "toy:Hill is no toy policy: it is not a subclass of LevelPolicy"),
    ):
        with pytest.raises(PolicyError, match=re.escape(said)):
            make_policy("toy", text)
    assert joined("toy", "steady+pid+turning") == ["steady+pid", "turning"]
    with pytest.raises(MarketError, match="no mix of rivals 'mixed'; known are alone, crowd"):
        measuring.run(toy, TINY, {"steady": "steady"}, 2, mix="mixed")
    with pytest.raises(MarketError, match="no suite 'tox'; did you mean 'toy'"):
        suites.suite("tox")
    with pytest.raises(PolicyError, match="no seat 'tyo'; did you mean 'toy'"):
        make_policy("tyo", "steady")
    monkeypatch.setattr(Toy, "score", lambda *_: 0.0)
    with pytest.raises(MarketError, match="nothing can be gained on hill 0"):
        measuring.run(toy, TINY, {"steady": "steady"}, 2)
    assert Case(1, 0).unit == 0
