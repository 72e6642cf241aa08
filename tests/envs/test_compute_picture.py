"""What is seen of a day of the compute environment: depth, revenue and servers are those of the day's decisions and books."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.envs.compute import ComputeEnv
from adarena.envs.figure import Screen
from adarena.envs.frames import text
from adarena.simulator import Scenario
from adarena.simulator.core.money import MICRO
from adarena.simulator.delivery.queue import Served

SMALL = Scenario.preset("compute-small").override({"traffic.requests_per_day": 3_000, "ticks_per_day": 24})
TIERS = 3


def played(scenario: Scenario, steps: int) -> tuple[ComputeEnv, list[tuple[float, np.ndarray]]]:
    """An environment after some steps of random actions, and when each decision came and which depths it was."""
    env, dice, decided = ComputeEnv(scenario), np.random.default_rng(1), []
    env.reset(seed=2)
    for _ in range(steps):
        action = dice.uniform(-0.8, 0.8, TIERS).astype(np.float32)
        depth = env._vectors.decide(env.world.look("compute"), action.astype(np.float64).reshape(-1, 1)).values
        decided.append((env.world.now / 1e6, depth))
        env.step(action)
    return env, decided


@pytest.mark.parametrize("control_s", [None, 47.0, 410.0])
def test_depth_is_what_was_decided_last_before_a_tick_ends(control_s: float | None) -> None:
    scenario = SMALL.override({"serving.control_s": control_s})
    env, decided = played(scenario, 7)
    frame = env.frame()
    depth, closed = frame.panels[0], int(env.world.now // scenario.tick_us)
    assert frame.tick == closed
    assert [line.label for line in depth.lines] == ["tier 0", "tier 1", "tier 2"]
    for t, line in enumerate(depth.lines):
        assert line.course.shape == (24,)
        assert np.isnan(line.course[closed:]).all()
        for tick in range(closed):
            end = (tick + 1) * 150.0
            last = [depths[t] for at, depths in decided if at < end][-1]
            assert line.course[tick] == pytest.approx(last, abs=0.03)  # quotas are whole candidates


def test_revenue_and_servers_are_the_books() -> None:
    env, _ = played(SMALL.override({"serving.failures": {"probability": 1.0, "servers": [2, 2], "hours": [0.2, 0.3]}}), 24)
    serving, info = env.world.serving, env.judge(env.world)[1]
    assert serving is not None
    _, revenue, servers = env.frame().panels
    for t, line in enumerate(revenue.lines):
        books = serving.by_tier[:, t]
        each = (books[:, Served.CHARGED] + books[:, Served.OWED]) / MICRO
        np.testing.assert_allclose(line.course, [each[:n].sum() for n in range(25)], rtol=1e-12)
    assert sum(line.course[-1] for line in revenue.lines) == pytest.approx(info["total_revenue"])
    asked, working = (line.course for line in servers.lines)
    assert asked.sum() * 150e6 == pytest.approx(serving.counts[:, Served.ASKED_US].sum())
    np.testing.assert_array_equal(working, serving.capacity)
    assert working.min() < 4


def test_a_frame_of_it_is_drawn_and_told_from_the_first_tick_on() -> None:
    env = ComputeEnv(SMALL)
    env.reset(seed=2)
    screen, seen = Screen(), set()
    for _ in range(4):
        frame = env.frame()
        seen.add(screen.draw(frame).tobytes())
        assert len(text(frame).splitlines()) == 2 + 2 * TIERS + 2
        env.step(np.zeros(TIERS, np.float32))
    assert len(seen) == 4
    for axes in screen._axes:  # an hour, numbered more finely than in hours
        assert sum(0 <= place <= 1 for place in axes.get_xticks()) >= 5
