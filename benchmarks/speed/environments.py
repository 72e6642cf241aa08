"""Steps of an environment, alone and many side by side."""

from __future__ import annotations

import time

import gymnasium
import numpy as np

from ...envs.bidding import BiddingEnv
from .stopwatch import REPEATS, Measure, best, processor_seconds


def environment_measures() -> list[Measure]:
    """Steps of `AdArena/Bidding-v0` under a constant action, resets included, one rival mix of three policies.

    One environment in processor time; many on all processors by the clock.
    """
    env, days = BiddingEnv(), 5
    stay = np.zeros(1, np.float32)

    def play() -> None:
        for _ in range(days):
            env.reset()
            while not env.step(stay)[2]:
                pass

    env.reset(seed=0)
    play()
    seconds = best(lambda k: processor_seconds(play), 2 * REPEATS)
    ticks = env.scenario.ticks_per_day
    return [
        Measure("Bidding-v0", days * ticks / seconds, "steps/s", least=1500.0),
        Measure("Bidding-v0, 16 side by side", 16 * ticks / _vector_day(16), "steps/s, wall-clock"),
        Measure("Bidding-v0, 16 in gymnasium's processes", 16 * ticks / _vector_day(16, "async"), "steps/s, wall-clock"),
    ]


def _vector_day(count: int, mode: str | None = None) -> float:
    """Wall-clock seconds in which so many environments of `make_vec` live through a day, reset included; the best."""
    envs = gymnasium.make_vec("AdArena/Bidding-v0", num_envs=count, vectorization_mode=mode)
    stay = np.zeros((count, 1), np.float32)
    envs.reset(seed=0)
    seconds = []
    for _ in range(2 * REPEATS):
        begun, over = time.perf_counter(), False
        while not over:
            over = bool(envs.step(stay)[2].all())
        envs.step(stay)  # the reset
        seconds.append(time.perf_counter() - begun)
    envs.close()
    return min(seconds)
