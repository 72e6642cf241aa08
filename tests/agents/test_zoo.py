"""Agents of the package: each is what its recipe says, has a score that was measured, and sits wherever an agent is named."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from adarena import ENVIRONMENTS, Agent
from adarena.agents import zoo
from adarena.agents.catalogue import describe, joined, make_policy
from adarena.agents.learning.learned import environment_class
from adarena.agents.learning.settings import make_settings, parsed
from adarena.simulator import PolicyError

MOST = 700_000  # bytes of all agents together


def test_there_is_a_recipe_for_each_environment() -> None:
    assert {shlex.split(line)[2] for line in zoo.recipes().values()} == set(ENVIRONMENTS)
    assert "bidding-ppo-0" in zoo.names()
    assert sum(path.stat().st_size for path in zoo.FOLDER.glob("*.zip")) < MOST


@pytest.mark.parametrize("name", zoo.names())
def test_an_agent_is_what_its_recipe_makes_and_has_a_score(name: str) -> None:
    recipe, _, seed = name.rpartition("-")
    _, train, environment, option, steps, *rest = shlex.split(zoo.recipes()[recipe])
    assert (train, option) == ("train", "--timesteps")
    card = Agent.load(f"zoo:{name}").card
    assert (card.environment, card.seed, card.algorithm) == (environment, int(seed), "ppo")
    assert dict(card.environment_settings) == parsed(rest[1:])
    assert make_settings("ppo", card.settings) == make_settings("ppo", {}, environment)
    assert int(steps) <= card.timesteps < int(steps) * 1.02  # rounded up to whole rollouts
    score = zoo.score_of(name)
    assert score is not None
    assert score["command"].startswith(f"adarena evaluate zoo:{name} --days ")
    classic = next(iter(score["beside"].values()))
    low, high = classic["agent_minus_it"]["interval"]
    assert score["verdict"].split()[0] == ("better" if low > 0 else "worse" if high < 0 else "not")
    seat = environment_class(environment, name).seat
    policy = make_policy(seat, f"zoo:{name}")
    assert describe(seat, policy) == f"zoo:{name}"


def test_a_name_without_a_seed_means_the_first() -> None:
    assert zoo.path_of("bidding-ppo") == zoo.path_of("bidding-ppo-0")
    assert describe("bidding", make_policy("bidding", "zoo:bidding-ppo")) == "zoo:bidding-ppo-0"
    assert joined("bidding", "zoo:bidding-ppo-0+zoo:bidding-ppo+pid") == ["zoo:bidding-ppo-0", "zoo:bidding-ppo", "pid"]
    assert zoo.name_of(Path("elsewhere/bidding-ppo-0.zip")) is None


def test_who_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PolicyError, match="there is no agent 'biding-ppo' in the zoo; did you mean"):
        make_policy("bidding", "zoo:biding-ppo")
    with pytest.raises(PolicyError, match="zoo:bidding-ppo is no pacing policy: it was trained for the seat 'bidding'"):
        make_policy("pacing", "zoo:bidding-ppo")
    monkeypatch.setattr(zoo, "names", list)
    with pytest.raises(PolicyError, match="the zoo has no pacing-ppo yet; it is made by: adarena train AdArena/Pacing-v0"):
        make_policy("pacing", "zoo:pacing-ppo")
