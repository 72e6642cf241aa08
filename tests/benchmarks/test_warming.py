"""What is compiled beforehand is all that a market needs, and markets of different kinds share their kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from places import ROOT

from adarena import ENVIRONMENTS
from adarena.benchmarks import warming
from adarena.benchmarks.suites import SUITES
from adarena.simulator import Scenario, World
from adarena.simulator.scenario.tree import PRESETS

# Prints how many kernels were compiled, and of all that were used how many kinds of arguments there are, and how many kernels.
FIRST_STEP = """
import gc, numpy as np, gymnasium, adarena
from numba.core.dispatcher import Dispatcher
from adarena.simulator.core.compiled import compilations
env = gymnasium.make("AdArena/Bidding-v0", scenario="tiny")
env.reset(seed=0)
env.step(np.zeros(1, np.float32))
used = [thing for thing in gc.get_objects() if isinstance(thing, Dispatcher) and thing.overloads and thing.stats.cache_path]
print(len(compilations()), sum(len(thing.overloads) for thing in used), len(used))
"""
SECOND_KIND = """
import numpy as np, sys
from adarena.simulator import Scenario, World
from adarena.agents.bidding import PID
from adarena.simulator.core.compiled import compilations
def play(scenario):
    World(scenario, {"bidding": PID()}).run(2 * scenario.tick_us)
play(Scenario.preset("tiny"))
first = len(compilations())
play(Scenario.preset("bidding-small").override({"traffic.requests_per_day": 1000}))
print(first, *sorted(name.rpartition(".")[2] for name, _ in compilations()[first:]))
"""


def fresh(code: str, cache: Path) -> list[str]:
    """What a fresh interpreter with that cache prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings"), "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", code] if "\n" in code else [sys.executable, "-m", "adarena", *code.split()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that `adarena warm` has filled for one preset."""
    folder = tmp_path_factory.mktemp("cache")
    assert "tiny, compiled" in " ".join(fresh("warm --scenario tiny --jobs 1", folder))
    return folder


def test_after_warming_nothing_is_left_to_compile(cache: Path) -> None:
    """But the environment's own two kernels, which come with the environment and not with the preset.

    A first step takes few, each once: twenty-one, of which none is for arguments of a second kind.
    """
    assert " ".join(fresh("warm --scenario tiny --jobs 1", cache)).startswith("nothing to compile")
    left, _, _ = map(int, fresh(FIRST_STEP, cache))
    assert left <= 2
    left, kinds, kernels = map(int, fresh(FIRST_STEP, cache))
    assert left == 0
    assert 10 < kinds == kernels <= 21


def test_a_further_kind_of_market_compiles_only_what_knows_its_slots(cache: Path) -> None:
    first, *then = fresh(SECOND_KIND, cache)
    assert first == "0"
    assert then == ["select_best"]


def test_states_of_all_presets_are_of_one_type() -> None:
    """Else all kernels are compiled once for each of their types."""
    everything = {"creatives": {}, "fatigue": {}, "sessions": {}, "demand.frequency_cap": 3, "response.organic": {"rate": 0.01}}
    small = {"users.count": 1000, "traffic.requests_per_day": 1000, "demand.campaigns": 40}
    scenarios = [Scenario.preset(name) for name in PRESETS]
    scenarios = [one if one.funnel is None else one.override(small) for one in scenarios]
    scenarios.append(Scenario.preset("tiny").override(everything))
    assert len({numba.typeof(World(scenario)._exchange.state) for scenario in scenarios}) == 1


@pytest.mark.parametrize("name", SUITES)
def test_policies_of_every_suite_are_warmed_on_its_own_market(name: str) -> None:
    warming.decide(name)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_is_warmed(name: str) -> None:
    warming.step_environment(name)
