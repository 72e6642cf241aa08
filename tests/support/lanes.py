"""Lives in lanes, recorded episode by episode and held against lives played alone; and that a snapshot leads on to the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from adarena.envs.lane_env import LaneEnv, Many
from adarena.envs.side_by_side import LanesVectorEnv


class Episode(NamedTuple):
    """What a lane played from one reset to the next."""

    whose: dict[str, int]  # options of a reset that begins it
    steps: list[tuple[Any, Any, float]]  # what was seen, what was done, and the reward
    last: Any  # what was seen at its end


def episodes_of(many: LanesVectorEnv, steps: int, choose: Callable[[], Any]) -> list[Episode]:
    """The episodes that end within so many steps; `choose` has an action for each lane."""
    observed, info = many.reset(seed=3)
    lanes, waits, by_next = range(many.num_envs), np.zeros(many.num_envs, np.bool_), many.mode is AutoresetMode.NEXT_STEP
    found: list[Episode] = []

    def told(lane: int) -> dict[str, int]:
        return {name: int(info[name][lane]) for name in many.single.options}

    whose: list[dict[str, int]] = [told(lane) for lane in lanes]
    played: list[list[tuple[Any, Any, float]]] = [[] for _ in lanes]
    for _ in range(steps):
        chosen = choose()
        before, (observed, rewards, over, truncated, info) = observed, many.step(chosen)
        assert not truncated.any()
        for lane in lanes:
            if waits[lane]:  # the reset of NextStep
                assert rewards[lane] == 0
                whose[lane] = told(lane)
                continue
            played[lane].append((before[lane], chosen[lane], rewards[lane]))
            if over[lane]:
                last = observed[lane] if by_next else info["final_obs"][lane]
                found.append(Episode(whose[lane], played[lane], last))
                played[lane] = []
                if not by_next:
                    whose[lane] = told(lane)
        waits = over if by_next else waits
    return found


def assert_so_alone(alone: LaneEnv, episodes: list[Episode]) -> None:
    """That the single environment plays them, to the last bit."""
    for whose, steps, last in episodes:
        observation, _ = alone.reset(options=whose)
        for number, (seen, action, reward) in enumerate(steps):
            assert np.array_equal(observation, seen)
            observation, own, ended, _, _ = alone.step(action)
            assert own == reward
            assert ended == (number == len(steps) - 1)
        assert np.array_equal(observation, last)


def assert_they_come_back(make: Callable[[], Many], actions: Any) -> None:
    """That lanes brought back to where they were half-way go on as they did, under these actions, (steps, L, ...)."""
    lanes, half = make(), len(actions) // 2
    lanes.begin(dice := np.random.default_rng(2))
    for action in actions[:half]:
        lanes.move(action)
    kept, state = lanes.snapshot(), dice.bit_generator.state
    rest = [lanes.move(action) for action in actions[half:]]
    again, other = make(), np.random.default_rng()
    other.bit_generator.state = state
    again.restore(kept, other)
    for action, wanted in zip(actions[half:], rest, strict=True):
        for mine, its in zip(again.move(action), wanted, strict=True):
            assert np.array_equal(mine, its)
