"""Environments in several processes bring, to the last bit, what each by itself would bring."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from test_vector import MODES, TINY, play_alike, same

from adarena.envs.bidding import BiddingEnv
from adarena.envs.parts import VectorInParts, joined
from adarena.envs.vector import BiddingVectorEnv
from adarena.simulator import MarketError, PolicyError


def pair(num: int, mode: str, processes: int, **settings: Any) -> tuple[Any, SyncVectorEnv]:
    in_parts = BiddingVectorEnv(num, autoreset_mode=mode, processes=processes, **settings)
    return in_parts, SyncVectorEnv([lambda: BiddingEnv(**settings)] * num, autoreset_mode=mode)


@pytest.fixture
def two() -> Any:
    """Three environments, of which another process has two, and the same one by one."""
    vectors = pair(3, "Disabled", 2, scenario=TINY)
    same(*(vector.reset(seed=4) for vector in vectors))
    yield vectors
    for vector in vectors:
        vector.close()


@pytest.mark.parametrize("mode", MODES)
def test_it_is_the_environments_one_by_one(mode: str) -> None:
    vectors = pair(5, mode, 3, scenario=TINY, rivals=("mixed", "dual"))
    assert isinstance(vectors[0], VectorInParts)
    play_alike(vectors, mode, 55)
    same(*(vector.get_attr("np_random_seed") for vector in vectors))
    for vector in vectors:
        vector.close()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_days_may_end_in_one_process_and_go_on_in_another(mode: str) -> None:
    """So that some tell of what others do not."""
    vectors = pair(3, mode, 2, scenario=TINY)
    stay = np.zeros((3, 1), np.float32)
    same(*(vector.reset(seed=1) for vector in vectors))
    for step in range(60):
        same(*(vector.step(stay) for vector in vectors))
        if step == 9:
            mask = np.array([True, False, False])
            same(*(vector.reset(seed=5, options={"reset_mask": mask.copy(), "rivals": "pid"}) for vector in vectors))
    for vector in vectors:
        vector.close()


def test_make_vec_makes_it() -> None:
    vector = gym.make_vec("AdArena/Bidding-v0", num_envs=2, processes=2, scenario="tiny", autoreset_mode="SameStep")
    assert isinstance(vector.unwrapped, VectorInParts)
    assert vector.spec is not None
    seen, _ = vector.reset(seed=0)
    assert seen in vector.observation_space
    vector.close()


def test_an_action_that_is_not_allowed_changes_nothing(two: Any) -> None:
    for wrong in (np.array([[0.0], [2.0], [0.0]]), np.zeros((2, 1)), np.zeros((3, 2))):
        with pytest.raises(PolicyError, match=r"an action|actions are one"):
            two[0].step(wrong)
    same(*(vector.step(np.full((3, 1), 0.5, np.float32)) for vector in two))


def test_what_is_asked_of_each_is_told_in_their_order(two: Any) -> None:
    for vector in two:
        vector.set_attr("days", [(n, n + 1) for n in range(3)])
    same(*(vector.get_attr("days") for vector in two))
    assert two[0].get_attr("days") == ((0, 1), (1, 2), (2, 3))
    same(*(vector.reset(seed=8) for vector in two))  # each draws the one day that it has
    same(*(vector.call("new_vectors")[2].features for vector in two))


def test_an_error_of_a_part_is_raised_and_the_others_are_heard(two: Any) -> None:
    with pytest.raises(MarketError, match="there is no option 'dya'"):
        two[0].reset(options={"dya": 3})
    same(*(vector.reset(seed=2) for vector in two))
    with pytest.raises(MarketError, match="cannot be told to another process"):
        two[0].get_attr("company")  # which has threads
    same(*(vector.step(np.zeros((3, 1), np.float32)) for vector in two))


def test_a_process_that_is_gone_is_named() -> None:
    vector = BiddingVectorEnv(2, processes=2, scenario=TINY)
    vector.reset(seed=0)
    (child,) = (one for one in multiprocessing.active_children())
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(MarketError, match="a process that plays environments has ended: was it killed"):
        vector.step(np.zeros((2, 1), np.float32))
    vector.close()


def test_processes_end_with_the_vector() -> None:
    vector = BiddingVectorEnv(3, processes=3, scenario=TINY)
    assert len(multiprocessing.active_children()) == 2
    vector.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("processes", [0, 4, 1.5, "two", True])
def test_each_process_has_an_environment(processes: Any) -> None:
    with pytest.raises(MarketError, match="processes are a whole number from 1 to that of environments"):
        BiddingVectorEnv(3, processes=processes, scenario=TINY)


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(MarketError, match="must be picklable"):
        VectorInParts(lambda count: BiddingVectorEnv(count, scenario=TINY), 2, 2)
    assert not multiprocessing.active_children()


def test_a_program_need_not_ask_whether_it_is_the_main_one() -> None:
    """It is not run again in the other process, and is as it was afterwards."""
    program = """
import gymnasium, adarena, sys
before = __spec__
vector = gymnasium.make_vec("AdArena/Bidding-v0", num_envs=2, processes=2, scenario="tiny")
vector.reset(seed=0)
vector.close()
assert __spec__ is before
print("once")
"""
    told = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["once"]


def test_seeds_and_masks_are_one_for_each(two: Any) -> None:
    with pytest.raises(MarketError, match="seeds are one for each of 3"):
        two[0].reset(seed=[1, 2])
    with pytest.raises(MarketError, match="a reset_mask says of each of 3"):
        two[0].reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(MarketError, match="values are one for each of 3"):
        two[0].set_attr("days", [1, 2])


def test_infos_that_some_lack_are_nothing_there() -> None:
    told = joined([{"a": np.array([1.5]), "_a": np.array([True])}, {"b": {"c": np.array([None, "x"], object)}}], counts=[1, 2])
    np.testing.assert_array_equal(told["a"], [1.5, 0, 0])
    np.testing.assert_array_equal(told["_a"], [True, False, False])
    assert told["b"]["c"].tolist() == [None, None, "x"]
