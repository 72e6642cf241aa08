"""Many days side by side are the same days as one by one, and there are as many as was asked for."""

from __future__ import annotations

import pytest

from adarena.agents.bidding.pid import PID
from adarena.benchmarks.comparison.workers import HERE, Processes
from adarena.benchmarks.speed import billion
from adarena.simulator import InvariantError, MarketError, Scenario, World

TINY = Scenario.preset("tiny")


def test_days_side_by_side_have_the_bytes_of_days_one_by_one() -> None:
    tasks = billion.days_for(TINY, 40_000)
    alone, together = (billion.play_side_by_side(tasks, Processes(jobs)) for jobs in (1, 2))
    assert [day.seed for day in together.days] == list(range(len(tasks)))
    assert [(day.seed, day.auctions, day.digest) for day in together.days] == [
        (day.seed, day.auctions, day.digest) for day in alone.days
    ]
    assert len({day.digest for day in together.days}) == len(tasks)  # a day is like no other
    assert len(together.peaks) == 2
    assert len(alone.peaks) == 1
    billion.check(together, tasks)


def test_as_many_auctions_as_asked_for_and_hardly_more() -> None:
    tasks = billion.days_for(TINY, 40_000)
    run = billion.play_side_by_side(tasks, HERE)
    assert run.auctions >= 40_000
    assert sum(day.auctions for day in run.days[:-1]) < 40_000 + 2 * billion.SLACK * 200
    with pytest.raises(MarketError, match="at least one auction is played, not 0"):
        billion.days_for(TINY, 0)


def test_a_ledger_that_differs_by_a_bit_is_found() -> None:
    tasks = billion.days_for(TINY, 5_000)
    run = billion.play_side_by_side(tasks, HERE)
    world = World(TINY, {"bidding": PID()}, seed=1)
    world.run()
    assert billion.digest(world.ledger) == run.days[1].digest
    for rows in (world.ledger.counts, world.ledger.sums, world.ledger.left, world.ledger.multiplier, world.ledger.market_price):
        before = billion.digest(world.ledger)
        rows.view("u8")[-1] ^= 1
        assert billion.digest(world.ledger) != before
    run.days[1] = run.days[1]._replace(digest=billion.digest(world.ledger))
    with pytest.raises(InvariantError, match="day 1 has another ledger by itself"):
        billion.check(run, tasks)


def test_what_is_told() -> None:
    tasks, advanced = billion.days_for(TINY, 5_000), []
    again = billion.tasks_to_check(tasks)
    found = {m.name: m for m in billion.measured(tasks, again, HERE, lambda: advanced.append(1))}
    assert len(advanced) == len(tasks) + len(again)
    assert [task.seed for task in again] == [0, len(tasks) - 1]
    by_clock, by_processor = (found[f"auctions by {what}"].value for what in ("the clock", "processor time"))
    assert by_clock == pytest.approx(found["auctions"].value / found["by the clock"].value)
    assert by_clock < by_processor * 1.05
    assert found["peak memory of all processes"].value == found["peak memory of a process"].value > 50
    assert found["growth of that after a process's first day"].met
