"""Random search: finds a planted optimum, never sees a test day, and gives the same file every time."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from adarena.agents.bidding import PID
from adarena.agents.catalogue import make_policy
from adarena.agents.parameters import Choice, LogUniform, Uniform, space_of
from adarena.agents.splits import split_of
from adarena.benchmarks import commands as comparing
from adarena.benchmarks.comparison import measuring, tuning
from adarena.benchmarks.comparison.store import Store
from adarena.benchmarks.comparison.workers import HERE
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, PolicyError, Scenario

# Its value falls with the distance of gain from 3; shade does nothing.
PLANTED = """
import math
from dataclasses import dataclass
from typing import ClassVar
from adarena.agents.bidding import PID
from adarena.agents.parameters import LogUniform, Uniform
from adarena.simulator import Multiplier

@dataclass
class Planted(PID):
    SPACE: ClassVar = {"gain": LogUniform(0.3, 30.0), "shade": Uniform(0.0, 1.0)}
    gain: float = 25.0
    shade: float = 0.5

    def decide(self, view):
        return Multiplier(super().decide(view).values * math.exp(-3.0 * abs(math.log(self.gain / 3.0))))
"""


@pytest.fixture(scope="module")
def scenario():
    return Scenario.preset("bidding-small").override({"traffic.requests_per_day": 3000, "demand.campaigns": 12})


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Its text, from which the search draws its configurations, must not change from run to run."""
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.chdir(tmp_path)
    return "planted.py:Planted"


def gain(spec: str) -> float:
    return make_policy("bidding", spec).gain


def test_the_search_finds_a_planted_optimum_on_days_that_are_no_test_days(scenario, planted, monkeypatch):
    seen = set()
    whole = measuring.attempt
    monkeypatch.setattr(measuring, "attempt", lambda *all_: seen.add(all_[2].seed) or whole(*all_))
    found = tuning.tune(BIDDING, scenario, [planted], 20, 4, Store())[planted]
    tried = [gain(spec) for spec in tuning.configurations("bidding", planted, 20)]
    assert len(tried) == found.configurations == 21
    nearest = sorted(abs(np.log(np.array(tried) / 3.0)))
    assert abs(np.log(gain(found.chosen) / 3.0)) <= nearest[2] < 0.5
    assert found.validation > found.given_validation + 0.2
    assert found.training > found.given_training + 0.2
    assert {split_of(seed) for seed in seen} == {"train", "validation"}
    assert len(seen) == 8


def test_a_search_is_deterministic_and_resumes_from_its_store(scenario, tmp_path, monkeypatch):
    with Store(tmp_path / "t.sqlite") as kept:
        first = tuning.tune(BIDDING, scenario, ["dual", "truthful"], 3, 2, kept)
    assert tuning.tune(BIDDING, scenario, ["dual", "truthful"], 3, 2, Store()) == first
    monkeypatch.setattr(measuring, "attempt", None)
    monkeypatch.setattr(measuring, "hindsight", None)
    steps = []
    with Store(tmp_path / "t.sqlite") as kept:
        again = tuning.tune(BIDDING, scenario, ["dual", "truthful"], 3, 2, kept, advance=lambda: steps.append(1))
    assert again == first
    assert first["truthful"].chosen == "truthful"
    written = tuning.to_yaml(BIDDING, first, scenario, "mixed", 2, 3, "adarena tune")
    (tmp_path / "t.yaml").write_text(written)
    labels = tuning.read("bidding", tmp_path / "t.yaml")
    assert list(labels.values()) == [one.chosen for one in first.values()]


def test_configurations_stay_in_the_space_and_do_not_depend_on_company():
    tried = [make_policy("bidding", spec) for spec in tuning.configurations("bidding", "pid", 200)]
    assert tried[0] == PID()
    for field, span in PID.SPACE.items():
        values = np.array([getattr(policy, field) for policy in tried[1:]])
        assert span.low <= values.min() < values.max() <= span.high
        middle = np.sqrt(span.low * span.high) if isinstance(span, LogUniform) else (span.low + span.high) / 2
        assert 0.4 < (values < middle).mean() < 0.6  # half below the middle, give or take three standard errors
    assert tuning.configurations("bidding", "pid", 3) == tuning.configurations("bidding", "pid", 200)[:4]
    assert tuning.configurations("bidding", "truthful", 60) == ["truthful"]
    with pytest.raises(MarketError, match="at least one configuration and at most 100,000, not 0"):
        tuning.tune(BIDDING, Scenario.preset("tiny"), ["pid"], 0, 2, Store())


def test_spans():
    assert [Uniform(1.0, 5.0).at(u) for u in (0.0, 0.5, 1.0)] == [1.0, 3.0, 5.0]
    assert [LogUniform(1.0, 100.0).at(u) for u in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 10.0, 100.0])
    assert [Choice((1, 2, 4)).at(u) for u in (0.0, 0.5, 0.99, 1.0)] == [1, 2, 4, 4]


@pytest.mark.parametrize(("space", "said"), [({"kq": Uniform(0, 1)}, "'kq'"), ({"kp": (0, 1)}, r"'kp' \(0, 1\)")])
def test_a_space_that_is_none_is_refused(space, said):
    kind = type("Wrong", (PID,), {"SPACE": space})
    with pytest.raises(PolicyError, match=said):
        space_of(kind())


@pytest.mark.parametrize("content", ["", "policies: 3", "policies: [{name: x}]", "a: [", "policies: []"])
def test_a_file_without_tuned_policies_is_refused(tmp_path, content):
    path = Path(tmp_path / "t.yaml")
    path.write_text(content)
    with pytest.raises(PolicyError, match=r"t\.yaml"):
        tuning.read("bidding", path)


def test_what_was_tuned_in_another_suite_is_refused(tmp_path):
    path = Path(tmp_path / "t.yaml")
    path.write_text("suite: pacing\npolicies: [{name: fixed, chosen: fixed}]")
    with pytest.raises(PolicyError, match="tuned in the suite 'pacing', not in 'bidding'"):
        tuning.read("bidding", path)


def test_labels_stand_for_one_policy_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "policies: [{name: pid (tuned), chosen: 'pid:kp=%d'}, {name: fixed, chosen: fixed}]"
    for gain in (1, 2):
        Path(f"{gain}.yaml").write_text(line % gain)
    tuned = {"pid (tuned)": "pid:kp=1", "fixed": "fixed"}
    assert (
        comparing.labelled("bidding", ("@1.yaml",), "fixed")
        == comparing.labelled("bidding", ("@1.yaml", "fixed"), "pid (tuned)")
        == tuned
    )
    labelled = partial(comparing.labelled, "bidding")
    assert labelled(("@1.yaml",), "fixed") == labelled(("@1.yaml", "fixed"), "pid (tuned)") == tuned
    assert labelled(("ppo=agent:out/ppo", "dual:step=0.1", "d=dual:step=0.1"), "fixed") == {
        "ppo": "agent:out/ppo", "dual:step=0.1": "dual:step=0.1", "d": "dual:step=0.1", "fixed": "fixed",
    }  # fmt: skip
    assert labelled(("@1.yaml", "pid"), "dual") == {**tuned, "pid": "pid", "dual": "dual"}
    with pytest.raises(
        PolicyError, match=r"'pid \(tuned\)' stands for both pid:kp=1 and pid:kp=2: give one of them another label"
    ):
        labelled(("@1.yaml", "@2.yaml"), "fixed")


def test_separators_in_paths_are_no_labels_and_join_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("my=file.py", "a+b.py"):
        Path(file).write_text("from adarena.agents.bidding import PID as Mine\n")
    texts = ("my=file.py:Mine", "x=a+b.py:Mine+pid", "agent:out/lr=3e-4/ppo", "l=agent:out/lr=3e-4/ppo+v2")
    labels = comparing.labelled("bidding", texts, "fixed")
    assert labels == {
        "my=file.py:Mine": "my=file.py:Mine",
        "x": "a+b.py:Mine+pid",
        "agent:out/lr=3e-4/ppo": "agent:out/lr=3e-4/ppo",
        "l": "agent:out/lr=3e-4/ppo+v2",
        "fixed": "fixed",
    }
    assert measuring.steps(BIDDING, labels, 1) == 1 + len({"my=file.py:Mine", "a+b.py:Mine", "pid", "a1", "a2", "fixed"})


def test_policies_without_a_space_are_named_and_of_those_alone_nothing_is_searched(tmp_path: Path) -> None:
    console, scenario = Console(width=200, file=io.StringIO()), Scenario.named("tiny")
    terms = comparing.Terms(rivals=None, crew=HERE, command="adarena tune bidding")
    with pytest.raises(PolicyError, match=r"^truthful and random: there is nothing to search"):
        comparing.tune(console, BIDDING, scenario, ("truthful", "random"), 2, 2, tmp_path / "t.yaml", terms)
    assert not any(tmp_path.iterdir())
    comparing.tune(console, BIDDING, scenario, ("truthful", "pid"), 2, 2, tmp_path / "t.yaml", terms)
    assert "Nothing to search: truthful." in " ".join(console.file.getvalue().split())
