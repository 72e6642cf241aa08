"""What ads do to people, against closed forms: frequency caps, fatigue, the length of sessions, visits not made.

One bidder without a budget wins a slot that everybody sees, so that the number of ads a request is known.
"""

from __future__ import annotations

import math

import numpy as np

from ...simulator import Scenario, World
from ...simulator.response.visits import Visit
from ...simulator.scenario.people import Sessions
from .check import Check, ratio, sampled

RARELY = 1e-5  # a click rate at which hardly anybody clicks, and bids above the least price
LENGTHS = ((12.0, 0.0, 0.05), (12.0, 0.7, 0.05), (40.0, 1.0, 0.01))  # mean requests, boredom kept, rate of leaving
SESSION_DAYS = 20
FATIGUE = (0.21, 1.0)  # exponents
EXPOSURES = 24


def alone(days: int, requests: int, ticks: int, click_rate: float, **settings: object) -> Scenario:
    """A market of one bidder, one slot and one kind of user; settings with two underscores for a dot."""
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return Scenario.preset("uniform", bidders=1, requests=requests).override(
        {
            "days": days, "ticks_per_day": ticks, "traffic.arrivals": "poisson",
            "rates": {"kind": "interests", "click_rate": click_rate, "ad_sigma": 0.0, "affinity": 0.0}, **dotted,
        }
    )  # fmt: skip


def capped(effort: float, wrong: int = 2) -> list[Check]:
    """Check 20: a user who comes Poisson(3) times a day and may see an ad twice sees it E[min(N, 2)] times.

    A day of the market is a sample; `wrong` is the cap set in it, for tests that want to see the check fail.
    """
    scenario = alone(round(8_000 * effort), 3, 1, 0.5)
    tree = scenario.model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0]["frequency_cap"] = wrong
    world = World(Scenario.from_tree(tree), seed=20)
    world.run()
    seen = world.ledger.impressions()[:, 0].astype(np.float64)
    none, one = math.exp(-3), 3 * math.exp(-3)
    source = "N ~ Poisson(3), cap 2"
    return [
        sampled("20 frequency cap: impressions a user", source, 2 - 2 * none - one, seen),
        sampled("20 frequency cap: reach", source, 1 - none, (seen > 0).astype(np.float64)),
    ]


def fatigue(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 22: exposures evenly spaced: the k-th meets a memory of d + d^2 + ... + d^(k - 1), d = 2^(-gap / half life).

    The true value of an impression is known in the books, so that the click rate (1 + n)^-exponent is exact, in every tick.
    `wrong` scales the half life of the market.
    """
    found = []
    for exponent in FATIGUE:
        scenario = alone(1, EXPOSURES, EXPOSURES, 0.5, traffic__arrivals="even").override(
            {"fatigue": {"exponent": exponent, "half_life_s": wrong * 4 * 3600.0}}
        )
        world = World(scenario)
        world.run()
        fade = 2.0 ** (-86_400 / EXPOSURES / (4 * 3600.0))
        remembered = np.array([math.fsum(fade**j for j in range(1, k)) for k in range(1, EXPOSURES + 1)])
        expected = 0.5 * (1 + remembered) ** -exponent
        off = int(np.argmax(np.abs(world.ledger.value()[:, 0] - expected)))
        name = f"22 fatigue, exponent {exponent}: click rate at exposure {off + 1}, the furthest off"
        source = "(1 + n)^-exponent, n = sum of 2^(-age / half life)"
        measured = float(world.ledger.value()[off, 0])
        found.append(Check(name, source, float(expected[off]), measured, 0.0, exact=True, tolerance=1e-6))
    return found


def session_length(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 23: requests a session under one ad each: sum over n of the probability to make the n-th (`Sessions.survival`).

    Where boredom does not last it is geometric: 1 / (1 - (1 - 1 / mean) exp(-rate)). A day is a sample; nobody starts a session
    in its last quarter, so that none is cut by midnight. `wrong` scales the market's rate of leaving.
    """
    found = []
    for mean, kept, rate in LENGTHS:
        settings = Sessions(mean_requests=mean, boredom_kept=kept, leave_rate=rate, ad_annoyance=0.0, content_sigma=0.0)
        scenario = alone(
            max(5, round(SESSION_DAYS * effort)), 20_000, 24, RARELY, traffic__curve=(1.0, 1.0, 1.0, 0.0),
            sessions={**settings.model_dump(), "leave_rate": rate * wrong}, users__count=500,
        )  # fmt: skip
        world = World(scenario, seed=0)
        world.run()
        assert world.visits is not None
        counts = world.visits.counts.reshape(scenario.days, -1, world.visits.counts.shape[1]).sum(axis=1).astype(np.float64)
        expected = math.fsum(settings.survival(1.0, 100 * math.ceil(mean)))
        if kept == 0:
            assert math.isclose(expected, 1 / (1 - (1 - 1 / mean) * math.exp(-rate)))
        name = f"23 session of {mean:g}, boredom kept {kept:g}, leaving {rate:g}: requests made"
        found.append(
            ratio(name, "sum of the probabilities of staying", expected, counts[:, Visit.MADE], counts[:, Visit.VISITS])
        )
    return found


def visits(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 24: users who were shown an ad at every request for days are satisfied 1 - annoyance, and visit the less.

    Content is worth 1 each time; a few users, so that each comes to hundreds of sessions. `wrong` scales the annoyance.
    """
    found = []
    for annoyance in (0.1, 0.5):
        settings = Sessions(
            mean_requests=5.0, leave_rate=0.0, content_sigma=0.0, satisfaction_rate=0.2, ad_annoyance=annoyance * wrong
        )
        days = 4 + max(6, round(30 * effort))
        scenario = alone(days, 20_000, 1, RARELY, sessions=settings.model_dump(), users__count=10, users__activity_tail=50.0)
        world = World(scenario, seed=1)
        world.run()
        assert world.visits is not None
        counts = world.visits.counts[4:].astype(np.float64)  # by then the first impression is forgotten
        odds = math.log(settings.visit_share / (1 - settings.visit_share)) - settings.visit_slope * annoyance
        expected = 1 / (1 + math.exp(-odds))
        name = f"24 visits under ads of annoyance {annoyance:g}: share made"
        found.append(
            ratio(name, "logistic in satisfaction, 1 - annoyance", expected, counts[:, Visit.VISITS], counts[:, Visit.SESSIONS])
        )
    return found
