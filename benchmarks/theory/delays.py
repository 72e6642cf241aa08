"""Conversions that are reported late: what a campaign that counts too early takes its conversion rate for."""

from __future__ import annotations

import numpy as np

from ...simulator import Scenario, World
from .check import Check, ratio

DELAYS = ((2.0, 7), (30.0, 7), (7.0, 7), (7.0, 30), (2.0, 30))  # mean days from click to conversion, days counted
WORLDS = 30


def naive_rate(delay: float, days: float) -> float:
    """Share of conversions reported, if clicks came evenly over `days` and delays are exponential of mean `delay`.

    1 - (1 - exp(-W / d)) / (W / d), the mean over ages uniform on [0, W] (Chapelle 2014, section 3).
    """
    return float(1 + np.expm1(-days / delay) / (days / delay))


def delayed_feedback(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 12: the share of conversions that a campaign has been told of at the end. `wrong` scales the market's delays."""
    found = []
    for delay, days in DELAYS:
        scenario = Scenario.preset("uniform", bidders=1, requests=round(2_500 * effort)).override(
            {
                "days": days, "ticks_per_day": 24, "response.window_days": 3650.0,
                "response.delay": [{"scale_s": wrong * delay * 86_400}],
            }
        )  # fmt: skip
        told, made = np.zeros(WORLDS), np.zeros(WORLDS)
        for seed in range(WORLDS):
            world = World(scenario, seed=seed)
            world.run()
            frame = world.ledger.to_frame()
            told[seed], made[seed] = frame["conversions_reported"].sum(), frame["conversions"].sum()
        name = f"12 delay {delay:g} days, counted after {days}: share reported"
        found.append(ratio(name, "1 - (1 - e^(-W/d)) / (W/d)", naive_rate(delay, days), told, made))
    return found
