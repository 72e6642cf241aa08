"""Steps of environments, alone and many side by side."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np

from ... import ENVIRONMENTS
from ...simulator.core.threads import processors
from .stopwatch import REPEATS, Measure, best, processor_seconds

LEAST = {"AdArena/Allocation-v0": 8000.0, "AdArena/Bidding-v0": 1500.0, "AdArena/Compute-v0": 600.0}  # steps a second wanted
STEPS = 200  # at least, of a run


def environment_measures() -> list[Measure]:
    """Steps of each environment under the action 0, resets included, on the market that it has by default.

    One environment in processor time; many of `AdArena/Bidding-v0` on all processors by the clock, the fastest day.
    """
    side_by_side = "AdArena/Bidding-v0"
    name, unit = side_by_side.rpartition("/")[2], "steps/s, wall-clock"
    return [
        *(Measure(each.rpartition("/")[2], _alone(each), "steps/s", least=LEAST.get(each)) for each in ENVIRONMENTS),
        Measure(f"{name}, 16 side by side, in threads", _together(side_by_side, 16), unit),
        Measure(f"{name}, 16 side by side, in processes", _together(side_by_side, 16, processes=min(processors(), 16)), unit),
        Measure(f"{name}, 16 in gymnasium's processes", _together(side_by_side, 16, "async"), unit),
    ]


def _alone(name: str) -> float:
    """Steps a second of processor time, the best of several runs of whole days, fresh ones each."""
    env: gymnasium.Env[Any, Any] = gymnasium.make(name, disable_env_checker=True).unwrapped
    stay = np.zeros(env.action_space.shape or (), np.float32)

    def play() -> int:
        steps = 0
        while steps < STEPS:
            env.reset()
            over = False
            while not over:
                over = bool(env.step(stay)[2])
                steps += 1
        return steps

    env.reset(seed=0)
    steps = play()
    return steps / best(lambda k: processor_seconds(play), 2 * REPEATS)


def _together(name: str, count: int, mode: str | None = None, **settings: Any) -> float:
    """Steps a second by the clock of so many environments of `make_vec`, resets included; the best day."""
    envs = gymnasium.make_vec(name, num_envs=count, vectorization_mode=mode, **settings)
    stay = np.zeros(envs.action_space.shape or (), np.float32)
    envs.reset(seed=0)
    rates = []
    for _ in range(2 * REPEATS):
        begun, over, steps = time.perf_counter(), False, 0
        while not over:
            over = bool(envs.step(stay)[2].all())
            steps += count
        envs.step(stay)  # the reset
        rates.append(steps / (time.perf_counter() - begun))
    envs.close()
    return max(rates)
