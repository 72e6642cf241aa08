"""YAML as a person means it: by the core schema of YAML 1.2, every key once, and what is written is what is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.agents.learning.settings import make_settings, parsed
from adarena.benchmarks.comparison import tuning
from adarena.simulator import AdArenaError, Scenario, ScenarioError
from adarena.simulator.core.yaml_text import read_value, read_yaml, write_yaml
from adarena.simulator.scenario.presets import PRESETS

# What YAML 1.1 reads as something else, or PyYAML as text; each with what is meant.
MEANT = {
    "0100": 100, "010": 10, "-007": -7, "089": 89, "0x1F": 31, "0o17": 15, "1e6": 1e6, "1e-4": 1e-4, "+2.5E+3": 2500.0,
    ".5": 0.5, "5.": 5.0, "-.5": -0.5, "1e3": 1000.0, "12e03": 12e3, "true": True, "False": False, "~": None, "null": None,
    ".inf": math.inf, "-.INF": -math.inf, "+.inf": math.inf,
}  # fmt: skip
TEXTS = (
    "20:30", "1:30:00", "-1:30", "190:20:30.15", "yes", "no", "on", "off", "Yes", "NO", "On", "OFF", "y", "n", "2024-01-01",
    "2024-01-01 10:00:00", "2020-13-45", "=", "<<", "1_000", "0b1", "0b101", "10k", "-", "+", ".", "e5", "1e", "1e+", "0x",
    "0o8", "nan", "inf", "Infinity", "NaN", "tRUE", "١٢",
)  # fmt: skip
HOSTILE = (
    *TEXTS, *MEANT, "", " ", " x ", "a: b", "a #b", "#", "- a", "[de] brand", "{x}", "'", '"', "\\", "*x", "&x", "!x",
    "!!int 3", "%", "@x", "`", "|", ">", "?", "? x", ":", "a\nb", "\n", "a\n\n b\n", "\t", "é", "日本語", "🙂", "\x85",
    "\u2028", "\ufeff", "\x07", "x" * 300, "many words " * 30, "1" * 400, "None", ".nan", "-.nan", "---", "...", "--- x",
)  # fmt: skip


def renamed(name: str) -> Scenario:
    """A listed market whose scenario, advertiser, campaign and ad all have one name."""
    ad = {"name": name}
    campaign = {"name": name, "budget_per_day": 1e-4, "ads": [ad]}
    demand = {"kind": "listed", "advertisers": [{"name": name, "campaigns": [campaign]}]}
    return Scenario.from_tree({"name": name, "demand": demand})


@pytest.mark.parametrize("text", MEANT)
def test_numbers_and_constants_are_read_as_a_person_means_them(text: str) -> None:
    meant = MEANT[text]
    for found in (read_value(text), read_yaml(f"key: {text}\n")["key"], read_yaml(f"[{text}]")[0]):
        assert found == meant
        assert type(found) is type(meant)
    assert math.isnan(read_value(".nan"))


@pytest.mark.parametrize("text", TEXTS)
def test_all_else_is_text_as_value_and_as_key(text: str) -> None:
    assert read_value(text) == text
    if text not in ("-", "="):  # alone, the first begins a list
        assert read_yaml(f"key: {text}\n") == {"key": text}
    if text not in ("-", "<<"):
        assert read_yaml(f"{text}: 1\n") == {text: 1}


@pytest.mark.parametrize("text", ["a: b", "a #b", "# a", "*x", "&x y", "!!int 3", "- 1", "| x", "x, y", "@x", "%"])
def test_a_setting_that_is_no_list_is_its_whole_text(text: str) -> None:
    assert read_value(text) == text
    assert Scenario.preset("tiny").override([f"name={text}"]).name == text
    assert parsed([f"scenario={text}"]) == {"scenario": text}


def test_merge_keys_merge_and_lose_against_what_is_written() -> None:
    content = "base: &base {count: 5, segments: 2}\nusers:\n  <<: *base\n  segments: 0100\n"
    assert read_yaml(content)["users"] == {"count": 5, "segments": 100}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_survive_a_file(name: str, tmp_path: Path) -> None:
    scenario = renamed(name)
    scenario.save(tmp_path / "market.yaml")
    assert Scenario.load(tmp_path / "market.yaml") == scenario
    if name in TEXTS or name in MEANT:  # and readers of YAML 1.1 read the same
        assert yaml.safe_load(str(scenario)) == read_yaml(str(scenario)) == scenario.model_dump(mode="json")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_mean_the_same_to_readers_of_yaml_1_1(name: str) -> None:
    scenario = Scenario.preset(name)
    assert Scenario.from_tree(yaml.safe_load(str(scenario))) == Scenario.from_tree(read_yaml(str(scenario))) == scenario


words = st.text(alphabet="0123456789+-.eExXobBnNyYfFtTrRuUaAiI_:~=<>#'\" \n", max_size=8) | st.sampled_from(HOSTILE)
scalars = words | st.text(max_size=12) | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))


def same(one: Any, two: Any) -> bool:
    """Equal, and of equal types throughout: 1 is neither 1.0 nor true."""
    return one == two and repr(one) == repr(two)


@settings(max_examples=300)
@given(trees)
def test_any_tree_survives_writing(tree: Any) -> None:
    assert same(read_yaml(write_yaml(tree)), tree)
    assert same(read_yaml(write_yaml(tree, default_flow_style=None)), tree)


@settings(max_examples=200)
@given(words | st.text(max_size=12))
def test_what_yaml_1_1_quotes_still_is_text(text: str) -> None:
    written = yaml.safe_dump([text])
    if "'" in written or '"' in written:
        assert read_yaml(written) == [text]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("days: 1\ndays: 2\n", "'days' stands twice, first in line 1 and again in line 2"),
        ("name: a\ntraffic:\n  requests_per_day: 1\n  requests_per_day: 2\n", "first in line 3 and again in line 4"),
        ("traffic: {curve: [1], curve: [2]}", "'curve' stands twice"),
        ('days: 1\n"days": 2\n', "'days' stands twice"),
        ("days: 1\n---\ndays: 2\n", "expected a single document in the stream"),
        ("name: !!timestamp 2024-01-01", "tag"),
        ("name: !!binary aGk=", "tag"),
        ("name: !!int x", "'x'"),
        ("[" * 3000, "recursion"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "market.yaml"
    path.write_text(content)
    with pytest.raises(ScenarioError, match=r"market\.yaml") as caught:
        Scenario.load(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(AdArenaError, match=r"market\.yaml"):
        tuning.read("bidding", path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_files_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    content = "name: Müller ☕\r\ndays: 02\r\n\r\n\r\n"
    bom = "\ufeff" if encoding.endswith("-bom") else ""
    (tmp_path / "market.yaml").write_bytes((bom + content).encode(encoding.removesuffix("-bom")))
    scenario = Scenario.load(tmp_path / "market.yaml")
    assert (scenario.name, scenario.days) == ("Müller ☕", 2)


def test_settings_are_numbers_as_a_person_means_them() -> None:
    tiny = Scenario.preset("tiny")
    for text, requests in (("010", 10), ("1e6", 10**6), ("1_000", 1000), ("2.0", 2), ("'3'", 3), ("1.5e3", 1500)):
        assert tiny.override([f"traffic.requests_per_day={text}"]).traffic.requests_per_day == requests
    assert tiny.override(["auction.reserve=1e-4"]).auction.reserve == 1e-4
    assert tiny.override(["traffic.curve=[1e0, .5]"]).traffic.curve == (1.0, 0.5)
    assert parsed(["a=010", "b=1e-4", "c=.5", "d=[1, 20]", "e=no", "f=true"]) == {
        "a": 10, "b": 1e-4, "c": 0.5, "d": [1, 20], "e": "no", "f": True,
    }  # fmt: skip
    assert make_settings("ppo", parsed(["n_steps=1.28e2", "learning_rate=1e-3"])).n_steps == 128


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("traffic.requests_per_day=10q", "traffic.requests_per_day cannot be '10q': a whole number is needed"),
        ("traffic.requests_per_day=20:30", "cannot be '20:30'"),
        ("traffic.requests_per_day=1e400", "inf"),
        ("traffic.requests_per_day=true", "requests_per_day cannot be True"),
        ("traffic.curve=[1, true]", "curve cannot be"),
        ("auction.reserve=false", "reserve cannot be False"),
        ("auction.reserve=.nan", "auction.reserve cannot be nan"),
        ("traffic.curve=[1, 2", "the value of 'traffic.curve' cannot be read"),
        ("name=[de] brand", "the value of 'name' cannot be read"),
    ],
)
def test_settings_that_are_refused(setting: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.preset("tiny").override([setting])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_set_twice_is_refused() -> None:
    with pytest.raises(ScenarioError, match="days is set twice, to 1 and to '2'"):
        Scenario.preset("tiny").override(["days=1", "days=2"])
    with pytest.raises(AdArenaError, match="envs is set twice"):
        parsed(["envs=1", "envs=2"])


def test_tuned_policies_are_named_once_and_by_text(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("policies:\n- {name: no, chosen: pid}\n- {name: 2024-01-01, chosen: dual}\n")
    assert tuning.read("bidding", path) == {"no": "pid", "2024-01-01": "dual"}
    for content, told in (
        ("policies: [{name: a, chosen: pid}, {name: a, chosen: dual}]", "names 'a' twice"),
        ("policies: [{name: 010, chosen: pid}]", "has a name and a chosen text"),
        ("policies: [pid]", "has a name and a chosen text"),
    ):
        path.write_text(content)
        with pytest.raises(AdArenaError, match=told):
            tuning.read("bidding", path)
