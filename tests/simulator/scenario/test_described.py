"""Scenarios in words: files with comments are equal scenarios, the reference tells of every field, its page is up to date."""

from __future__ import annotations

import json
import re

import pytest
from places import ROOT

import adarena.simulator.scenario as parts
from adarena.benchmarks.listing import REFERENCE_HEAD
from adarena.simulator import Scenario
from adarena.simulator.scenario import PRESETS, Part
from adarena.simulator.scenario.described import WIDTH, commented, reference
from adarena.simulator.scenario.idle import without_effect

OWN = ROOT / "docs" / "own_market.yaml"


def kinds(kind: type[Part] = Part) -> set[type[Part]]:
    return {kind for below in kind.__subclasses__() for kind in (below, *kinds(below))}


@pytest.mark.parametrize("name", [*PRESETS, str(OWN)], ids=lambda name: name.rpartition("/")[2])
def test_a_file_with_comments_is_the_same_market(name, tmp_path):
    scenario, path = Scenario.named(name), tmp_path / "market.yaml"
    path.write_text(commented(scenario))
    assert Scenario.load(path) == scenario
    lines = path.read_text().splitlines()
    assert all(len(line) <= WIDTH for line in lines if "#" in line)
    assert len(lines) > 100


def test_comments_say_units_range_and_default():
    lines = commented(Scenario.preset("queue")).splitlines()
    assert "  slots: 1  # places for ads in a request; a whole number from 1 to 16; default 3" in lines
    fields = [line for line in lines if re.match(r" *(- )?\w+:", line)]
    before = dict(zip(lines[1:], lines, strict=False))
    assert all("#" in line or before[line].lstrip().startswith("#") for line in fields)


def test_parts_of_a_list_are_explained_once():
    text = commented(Scenario.load(OWN))
    assert text.count("differs from those of all other campaigns") == 1
    assert text.count("- name: ") == 3 + 4 + 5 + 2  # advertisers, campaigns, ads, creatives


def test_every_field_of_every_part_has_a_description():
    public = {kind for kind in kinds() if kind.__module__.startswith(parts.__name__)}
    assert len(public) > 35
    for kind in public:
        assert kind.__doc__, kind
        for name, field in kind.model_fields.items():
            assert field.description, (kind.__name__, name)


def test_the_reference_has_a_section_a_part_and_a_row_a_field():
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", reference(), re.DOTALL | re.MULTILINE))
    schema = Scenario.model_json_schema()
    assert set(sections) == {"Scenario", *schema["$defs"]}
    for name, part in {"Scenario": schema, **schema["$defs"]}.items():
        rows = re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE)
        assert rows == list(part["properties"]), name
    for name in re.findall(r"\]\(#(\w+)\)", reference()):
        assert name in {section.lower() for section in sections}


def test_the_page_in_the_documentation_is_up_to_date():
    """`adarena scenario --form reference --out docs/scenario.md` makes it."""
    assert (ROOT / "docs" / "scenario.md").read_text() == REFERENCE_HEAD + reference()


def test_the_schema_takes_what_is_a_scenario_and_refuses_what_is_none():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(json.dumps(Scenario.model_json_schema()))
    jsonschema.validate(Scenario.load(OWN).model_dump(mode="json"), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"auction": {"slots": 99}}, schema)


def test_what_has_no_effect_is_said():
    own = Scenario.load(OWN)
    assert without_effect(own) == []
    assert all(without_effect(Scenario.preset(name)) == [] for name in PRESETS)
    vain = own.override(
        {
            "days": 1, "serving.outages.0.start_s": 86_400.0, "campaigns.bread.target_cpa": 2.0, "weather.day_sigma": 0.1,
        }
    )  # fmt: skip
    found = "\n".join(without_effect(vain))
    for words in (
        "flight 0 of campaign 'cakes' begins on day 1 (the first is day 0), and the market ends after 1 day",
        "serving.outages.0 begins at 86,400 s, and the market ends after 1 day, at 86,400 s",
        "weather.day_sigma moves the values of campaigns that follow demand, and none does",
        "campaign 'bread' has a target_cpa, and its objective is max_value",
    ):
        assert words in found
    assert len(without_effect(vain)) == 4
    felt = vain.override({"campaigns.bread.follows_demand": True})
    assert len(without_effect(felt)) == 3
