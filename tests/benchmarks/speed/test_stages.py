"""Stages add up to the whole, and each is what its name says."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
from busy import undoubted

from adarena.benchmarks.speed import funnel_stages, stages
from adarena.benchmarks.speed.account import Account, copied
from adarena.simulator import Scenario, World
from adarena.simulator.engine.state import Control, Count

SMALL = Scenario.preset("bidding-small")


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


class Worker:
    """Works for a while, and has something else done in the middle."""

    def inner(self) -> None:
        busy(0.02)

    def outer(self) -> None:
        busy(0.01)
        self.inner()


def test_a_stage_within_another_is_counted_once() -> None:
    account, worker = Account(), Worker()
    account.watch(worker, "inner", "inner")
    account.watch(worker, "outer", "outer")
    begun = time.thread_time()
    with account.stage("rest"):
        worker.outer()
        with account.stage(None):
            busy(0.03)
    took = time.thread_time() - begun
    assert account.seconds["inner"] == pytest.approx(0.02, abs=0.002)
    assert account.seconds["outer"] == pytest.approx(0.01, abs=0.002)
    assert sum(account.seconds.values()) == pytest.approx(took - 0.03, abs=0.002)


def test_a_stage_ends_with_an_error() -> None:
    account = Account()
    with pytest.raises(ZeroDivisionError), account.stage("rest"):
        1 / 0  # noqa: B018
    busy(0.01)
    assert account.seconds["rest"] < 0.005


def test_what_the_stopwatch_takes_counts_to_no_stage() -> None:
    account, worker = Account(), Worker()
    worker.inner = int  # type: ignore[method-assign, assignment]
    account.watch(worker, "inner", "inner")
    begun = time.thread_time()
    for _ in range(20_000):
        worker.inner()
    assert account.seconds["inner"] < 0.2 * (time.thread_time() - begun)


def doubts(found: stages.Stages, left: dict[str, float], least: float) -> list[str]:
    """What does not fit, as shares of the whole: the sum, `left` of calls, a stage that costs less than none.

    Stages together are above the whole by what the clock takes, up to 5 us a reading on a busy machine, 40 readings a tick.
    """
    cost = {stage.name: stage.cost / found.whole for stage in found.stages}
    rest = {name: cost.pop(f"{name}: {stages.LEFT}") for name in left}
    out = [f"{name} is {value:.3f} of the whole" for name, value in cost.items() if value < least]
    out += [f"{value:.3f} of {name} not told apart" for name, value in rest.items() if abs(value) > left[name]]
    if not 0.75 < found.total / found.whole < 1.5:
        out.append(f"together {found.total:.1f}, whole {found.whole:.1f}")
    return out


def test_stages_add_up_to_the_whole() -> None:
    measure = partial(stages.stages, SMALL, repeats=3)
    found = undoubted(measure, partial(doubts, left={stages.SCORING: 0.125, stages.WALK: 0.125}, least=-0.05))
    assert {stage.name for stage in found.stages if stage.roofline} == {
        "scoring: gather, transposition", "scoring: product, bias, sigmoid", "walk: selection",
    }  # fmt: skip
    assert stages.to_json(found)["total"] == found.total


def test_stopwatches_change_nothing() -> None:
    ledgers = []
    for watching in (True, False):
        world = World(SMALL, seed=3)
        if watching:
            stages.watch_ticks(Account(), world)
        world.run()
        ledgers.append(world.ledger)
    assert np.array_equal(ledgers[0].counts, ledgers[1].counts)
    assert np.array_equal(ledgers[0].sums, ledgers[1].sums)


def test_each_rung_does_what_the_one_before_leaves_out() -> None:
    world = World(SMALL, seed=1)
    world.run(1)  # a block is drawn, and nobody has come yet
    before = copied(world._exchange.state)
    counts = {}
    for name, change in stages.LADDER:
        state = change(copied(world._exchange.state))
        state.tally.counts[:] = 0
        stages.walked(state)
        assert state.control[Control.NEXT] == state.control[Control.SCORED], name
        counts[name] = state.tally.counts.sum(axis=1)
    bids, reserve, seen, clicks, whole = (counts[name] for name, _ in stages.LADDER)
    assert not bids.any()
    assert not reserve.any()
    assert seen[Count.WINS] > 0 == seen[Count.IMPRESSIONS]
    assert clicks[Count.IMPRESSIONS] > clicks[Count.CLICKS] > 0
    assert clicks[Count.SPEND] > 0
    assert whole[Count.CLICKS] == clicks[Count.CLICKS]
    assert whole[Count.IMPRESSIONS] == clicks[Count.IMPRESSIONS]
    for part, its in zip(before, world._exchange.state, strict=True):  # the world itself has not moved
        if isinstance(part, np.ndarray):
            assert np.array_equal(part, its)
    assert np.array_equal(before.tally.counts, world._exchange.state.tally.counts)


def test_a_funnel_adds_up_too() -> None:
    feed = Scenario.preset("feed").override(
        {"users.count": 5_000, "demand.campaigns": 100, "traffic.requests_per_day": 200_000, "serving.servers": 1}
    )
    measure = partial(funnel_stages.stages, feed, ticks=3)
    found = undoubted(measure, partial(doubts, left={"funnel": 0.25, "queue": 0.1}, least=-0.1))
    assert found.unit == "us"
    cost = {stage.name: stage.cost for stage in found.stages}
    assert cost["recall: scores"] > 0
    assert cost["rough sort, all levels of quotas"] > 0
    assert cost["fine sort, all levels of quotas"] > 0


def test_what_is_done_again_of_a_funnel_is_what_was_done() -> None:
    """The first stages alone leave in the scratch what the whole has left there."""
    world = World(Scenario.preset("feed").override({"users.count": 5_000, "demand.campaigns": 100}))
    world.run(world.scenario.tick_us)
    its = world._exchange.blocks.rating._winnow
    users = np.arange(its.batch)
    state = world._exchange.state
    rate, ad, who = (np.zeros_like(array) for array in (state.bids.rate, state.bids.ad, state.bids.who))
    block = its.quotas, rate, ad, who, np.zeros_like(its._passed)
    its._pass(0, 0, 0, users, None, None, *block)
    traced = its.trace(its.batch - 1, int(users[-1]))
    its._pass(0, 0, 0, users, None, None, *block)
    pieces = funnel_stages.Sums.new()
    funnel_stages.batch_again(pieces, its, 0, 0, users, None, None, *block)
    assert set(pieces.seconds) == {"gather", "product", "recall", "rough", "fine"}
    assert pieces.requests["product"] == 3 * its.batch
    its._desk.value.scratch.ad[:] = -1
    funnel_stages.recalled_alone(0, users, its._plain, its.quotas, its._desk)
    assert set(traced.recalled.tolist()) == set(its._desk.value.scratch.ad[: traced.recalled.size].tolist())
