"""Hindsight of compute: the stand-in against the market, the search against all plans, and what yardsticks are worth."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from adarena.agents.compute.ladder import Ladder
from adarena.agents.compute.static import Static
from adarena.agents.compute.tilted_mpc import TiltedMPC
from adarena.agents.hindsight import compute_plans
from adarena.agents.hindsight.compute import one_price_bound, worth_by_tick
from adarena.agents.hindsight.compute_day import day_of, options, outlook
from adarena.agents.hindsight.compute_plans import (
    FINALISTS,
    LADDERS,
    Follows,
    best_ladder,
    earned_by,
    hindsight_plan,
    oracle_of_arrivals,
    searched,
)
from adarena.agents.hindsight.compute_queue import Day, Options, improve, new_line, play
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.suites.compute import COMPUTE
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.arrays import Integers
from adarena.simulator.core.money import MICRO
from adarena.simulator.delivery.queue import Served
from adarena.simulator.seats.compute.decisions import ComputePolicy
from adarena.simulator.seats.compute.depths import GRID

SMALL = Scenario.preset("compute-small").override({"traffic.requests_per_day": 4_000, "ticks_per_day": 24})
MONEY = [Served.CHARGED, Served.OWED]
OUTAGES = [{"start_s": 100, "duration_s": 900, "servers": 2}, {"start_s": 400.5, "duration_s": 1200, "servers": 9}]
SURFACES = [
    {"name": "one", "share": 2.0, "exposure": [1.0]},
    {"name": "other", "share": 1.0, "exposure": [1.0], "deadline_s": 4.0},
]


def played(scenario: Scenario, policy: ComputePolicy, seed: int) -> World:
    world = World(scenario, {"compute": policy}, seed=seed)
    world.run()
    return world


def stood_in(day: Day, choices: Options, plan: Integers) -> Any:
    line = new_line(day)
    play(0, day.intervals, plan, day, choices, line)
    return line


def queue_books(world: World) -> Any:
    """What the market's queue has counted, but for money."""
    assert world.serving is not None
    books = world.serving.so_far
    books[:, MONEY] = 0
    return books


def depth_options(scenario: Scenario) -> Options:
    return options(scenario, [Static(depth, depth) for depth in GRID.tolist()])


@pytest.mark.parametrize(
    ("changes", "seed"),
    [
        ({}, 0),
        ({"serving.control_s": 47.0}, 1),
        ({"serving.service": "fixed", "serving.outages": OUTAGES}, 2),
        ({"serving.deadline_s": None, "serving.failures": None, "serving.servers": 2}, 3),
        ({"days": 2, "serving.control_s": 700.0}, 4),
        ({"surfaces": SURFACES}, 5),
        ({"funnel.tiers": [{"tier": 1, "levels": [{"recall": 300, "rough": 100, "fine": 20}]}]}, 6),
    ],
    ids=["as it is", "intervals", "outages", "patience", "days", "surfaces", "no ladder"],
)
def test_the_stand_in_keeps_the_very_books_of_the_market(changes: dict[str, Any], seed: int) -> None:
    scenario = SMALL.override(changes)
    day, dice = day_of(scenario, seed), np.random.default_rng(seed)
    plan = dice.integers(GRID.size, size=(day.intervals, 3))
    books = stood_in(day, depth_options(scenario), plan).books
    assert (books == queue_books(played(scenario, Follows(GRID[plan]), seed))).all()
    assert books[:, Served.GAVE_UP].sum() > 0 or scenario.serving.deadline_s is None  # type: ignore[union-attr]
    assert books[:, Served.WAITED].sum() > 100


def test_so_it_does_under_ladders() -> None:
    """Which step down by other waits than the scenario's, in two steps."""
    day, choices = day_of(SMALL, 0), options(SMALL, LADDERS)
    for number in (0, 200, len(LADDERS) - 1):
        books = stood_in(day, choices, np.full((day.intervals, 3), number)).books
        assert (books == queue_books(played(SMALL, LADDERS[number], 0))).all()
        assert books[:, Served.STEPPED_DOWN].sum() > 0


def test_users_in_sessions_come_as_they_did_when_the_day_was_watched() -> None:
    scenario = Scenario.preset("feed").override(
        {"traffic.requests_per_day": 3_000, "ticks_per_day": 24, "demand.campaigns": 20, "demand.ads_per_campaign": 5,
         "users.count": 2_000, "funnel.levels": [{"recall": 40, "rough": 20, "fine": 5}], "serving.failures": None}
    )  # fmt: skip
    day = day_of(scenario, 0)
    plan = np.zeros((day.intervals, day.first.size - 1), np.int64)
    books = stood_in(day, options(scenario, [Static()]), plan).books
    assert (books == queue_books(played(scenario, Static(), 0))).all()


def test_what_it_earns_is_what_the_market_does_on_average() -> None:
    """Without weather of bids, and at each depth; over days, with the days' own spread as the error."""
    calm = SMALL.override({"weather": {"tiers": SMALL.weather.tiers}, "users.hour_amplitude": 0.0})
    choices, more = depth_options(calm), []
    for seed in range(24):
        day, option = day_of(calm, seed), 8 + seed
        plan = np.full((day.intervals, 3), option)
        world = played(calm, Follows(GRID[plan]), seed)
        assert world.serving is not None
        earned = world.serving.counts[:, Served.CHARGED].sum() / MICRO
        more.append(earned / earned_by(plan, day, choices) - 1)
    assert abs(np.mean(more)) < 3.5 * np.std(more, ddof=1) / np.sqrt(len(more)) + 0.01  # depths between those sampled
    assert np.std(more, ddof=1) < 0.1


def toy(dice: np.random.Generator, tiers: int, intervals: int) -> tuple[Day, Options]:
    """A few requests for one server, or two from the middle on, with three options each."""
    n, every = 6 * intervals, 10_000_000
    tier = dice.integers(tiers, size=n)
    order, times = np.argsort(tier, kind="stable"), np.sort(dice.integers(every * intervals, size=n))
    day = Day(
        times, tier, np.ones(n), np.zeros(n, np.int64), np.full(n, 8_000_000), np.exp(dice.normal(size=n)), times // every,
        order, np.searchsorted(tier[order], np.arange(tiers + 1)), np.array([0, every * intervals // 2]), np.array([1, 2]),
        every, every * intervals, 8_000_000,
    )  # fmt: skip
    work = np.sort(dice.uniform(0.2, 5, (tiers, 3)), axis=1)
    return day, Options(work[..., None] * 1e6, np.sqrt(work)[..., None], np.zeros((tiers, 3, 1), np.int64))


def test_no_change_of_one_depth_makes_a_plan_found_better_and_most_are_the_best() -> None:
    """Against all plans of little days; one that looks to the end of the day stops where no single change helps."""
    shares = []
    for seed in range(12):
        day, choices = toy(np.random.default_rng(seed), 2, 3)
        every = {p: earned_by(np.array(p).reshape(3, 2), day, choices) for p in product(range(3), repeat=6)}
        plan, before = np.ones((3, 2), np.int64), -1.0
        while (now := earned_by(plan, day, choices)) > before:
            before = now
            improve(3, plan, day, choices, new_line(day), new_line(day))
        best = max(every.values())
        for place, option in product(range(6), range(3)):
            other = plan.ravel().copy()
            other[place] = option
            assert every[tuple(other.tolist())] <= before + 1e-9
        shares.append(before / best)
    assert min(shares) > 0.8
    assert np.isclose(shares, 1.0).mean() > 0.5


def test_going_over_a_plan_again_never_ends_below_where_it_began() -> None:
    day, choices = day_of(SMALL, 3), depth_options(SMALL)
    for start in (0, 20, 40):
        plan = np.full((day.intervals, 3), start)
        assert earned_by(searched(plan.copy(), day, choices), day, choices) > 1.02 * earned_by(plan, day, choices)


def test_the_plan_is_above_all_who_know_less() -> None:
    """In the market, on average over days: who plans, who is told arrivals, the best ladder and the best constant."""
    found = []
    for seed in range(6):

        def revenue(policy: ComputePolicy, seed: int = seed) -> float:
            serving = played(SMALL, policy, seed).serving
            assert serving is not None
            return float(serving.counts[:, Served.CHARGED].sum() / MICRO)

        others = TiltedMPC(), oracle_of_arrivals(SMALL, seed), best_ladder(SMALL, seed, revenue).policy
        constants = [Static(depth, depth) for depth in (0.4, 0.5, 0.6, 0.7, 0.8)]
        best = max(map(revenue, constants))
        found.append([revenue(hindsight_plan(SMALL, seed)), best, *map(revenue, others)])
    ratios = np.array(found)[:, :1] / np.array(found)[:, 1:] - 1
    assert (ratios.mean(axis=0) > 2 * ratios.std(axis=0, ddof=1) / np.sqrt(len(ratios))).all()


def test_an_outlook_adds_up_to_the_day_that_was() -> None:
    scenario = SMALL.override({"serving.control_s": 470.0, "serving.outages": OUTAGES})
    told, world = outlook(day_of(scenario, 1)), played(scenario, Static(), 1)
    assert world.serving is not None
    assert told.arrivals.shape == (8, 3)
    assert (told.arrivals.sum(axis=0) == world.serving.so_far[:, Served.ARRIVED]).all()
    assert told.server_s.sum() == pytest.approx(world.serving.capacity.sum() * 150)
    assert told.server_s[-1] == pytest.approx(4 * 310)


def test_a_day_has_the_worth_of_its_hours() -> None:
    day, factors = day_of(SMALL, 2), worth_by_tick(SMALL, 2)
    assert (day.worth == factors[day.times // SMALL.tick_us, day.tier]).all()
    assert (np.diff(day.times) >= 0).all()
    with pytest.raises(ValueError, match="read-only"):
        day.worth[0] = 2.0


def test_the_best_ladder_is_the_best_of_those_played() -> None:
    tried: dict[str, float] = {}

    def score(policy: ComputePolicy) -> float:
        assert isinstance(policy, Ladder)
        tried[repr(policy)] = float(len(tried) * 7 % 5)
        return tried[repr(policy)]

    best = best_ladder(SMALL, 0, score)
    assert len(tried) == FINALISTS
    assert best.score == max(tried.values()) == tried[repr(best.policy)]


def test_ladders_are_played_in_the_order_of_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is the best there, so that with one finalist the search ends with it."""
    monkeypatch.setattr(compute_plans, "FINALISTS", 1)
    day, choices = day_of(SMALL, 0), options(SMALL, LADDERS)
    earned = [earned_by(np.full((day.intervals, 3), n), day, choices) for n in range(len(LADDERS))]
    assert best_ladder(SMALL, 0, lambda policy: 1.0).policy == LADDERS[int(np.argmax(earned))]


def test_the_suite_measures_what_yardsticks_earn() -> None:
    case = COMPUTE.cases(SMALL, 1, "train")[0]
    numbers = COMPUTE.knowing(SMALL, case)
    plan = played(SMALL, hindsight_plan(SMALL, case.seed), case.seed)
    assert numbers["plan"] == COMPUTE.score(plan, case)
    results = measuring.run(COMPUTE, SMALL, {"static": "static"}, 1, split="train")
    assert {name: results.numbers("static", name)[0] for name in numbers} == dict(numbers)
    assert set(numbers) <= {metric.over for metric in COMPUTE.metrics}
    assert numbers["plan"] < 1.3 * one_price_bound(plan)  # luck aside


def test_a_market_without_servers_has_no_such_day() -> None:
    with pytest.raises(MarketError, match=r"^hindsight of compute needs servers, and scenario 'tiny' has none$"):
        day_of(Scenario.preset("tiny"), 0)
