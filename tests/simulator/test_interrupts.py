"""A run that was stopped goes on as if it had not been, or says that it cannot: never another result in silence."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios
from players import policies
from tapes import assert_same

from adarena.simulator import BidPolicy, BidView, MarketError, Multiplier, PolicyError, Scenario, World

TINY = Scenario.preset("tiny")
ENGINES = ("compiled", "events")


def press() -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def presses(world: World, at: int) -> Iterator[Any]:
    """A process during which Ctrl-C is pressed."""
    yield world.env.timeout(at)
    press()


def run_on(world: World) -> int:
    """Runs to the end, however often it is stopped; says how often it was."""
    stops = 0
    while True:
        try:
            world.run()
            return stops
        except KeyboardInterrupt:
            stops += 1


@settings(max_examples=25)
@given(st.data())
def test_ctrl_c_anywhere_changes_nothing(data: st.DataObject) -> None:
    """Pressed while processes, policies and traffic are at work, in markets of all kinds."""
    scenario = data.draw(scenarios(served=data.draw(st.booleans()), people=data.draw(st.booleans())))
    engine, held = data.draw(st.sampled_from(ENGINES)), len(scenario.demand.advertisers)  # type: ignore[union-attr]
    kinds = data.draw(st.text("mcr-X", min_size=held, max_size=held))
    times = data.draw(st.lists(st.integers(0, scenario.horizon_us - 1), min_size=1, max_size=4, unique=True))
    plain, stopped = policies(kinds), policies(kinds)
    whole, parts = (World(scenario, {"bidding": seats}, 3, engine) for seats in (plain, stopped))
    for world, deed in ((whole, lambda: None), (parts, press)):
        for time in times:
            world.process(_does(world, time, deed))
    whole.run()
    assert run_on(parts) == len(times)
    assert_same((whole, plain), (parts, stopped))


def _does(world: World, at: int, deed: Callable[[], None]) -> Iterator[Any]:
    yield world.env.timeout(at)
    deed()


class Presses(BidPolicy):
    """Presses Ctrl-C in the middle of a decision, and has changed by half when it does."""

    def __init__(self, tick: int) -> None:
        self.tick, self.sum = tick, 0.0

    def decide(self, view: BidView) -> Multiplier:
        self.sum += float(view.today.spend.sum())
        if view.tick == self.tick:
            press()
        self.sum += 1.0
        return Multiplier(1.0 / (1.0 + self.sum))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_decision_is_made_to_its_end(engine: Any) -> None:
    whole, parts = (World(TINY, {"bidding": Presses(tick)}, 0, engine) for tick in (-1, 7))
    whole.run()
    assert run_on(parts) == 1
    assert whole.ledger.counts.tobytes() == parts.ledger.counts.tobytes()
    assert whole.ledger.multiplier.tobytes() == parts.ledger.multiplier.tobytes()


def test_a_handler_that_only_takes_note_does_not_stop_a_run() -> None:
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        world = World(TINY, seed=0)
        world.process(presses(world, 10**9))
        world.run()
        assert signal.getsignal(signal.SIGINT) != before
    finally:
        signal.signal(signal.SIGINT, before)
    assert noted == [signal.SIGINT]
    assert world.ledger.closed == 24


def test_who_presses_twice_need_not_wait() -> None:
    class Hangs(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            press()
            press()
            raise AssertionError("pressed twice, it goes on")

    world = World(TINY, {"bidding": Hangs()}, seed=0)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(MarketError, match="stopped in the middle of an event, at 0 microseconds, by KeyboardInterrupt"):
        world.run()


@contextmanager
def alarm(seconds: float, error: type[BaseException]) -> Iterator[None]:
    """Raises an error wherever the program is by then."""

    def ring(number: int, frame: Any) -> None:
        raise error("an alarm")

    # What is raised inside a callback of the garbage collector, such as Hypothesis has, is lost.
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.callbacks[:] = callbacks


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_an_error_at_any_moment_ends_in_the_same_books_or_in_a_refusal(engine: Any, error: type[BaseException]) -> None:
    scenario = TINY.override({"days": 2})
    whole = World(scenario, {"bidding": Presses(-1)}, 0, engine)
    whole.run()
    dice, refused, same = np.random.default_rng(5), 0, 0
    for _ in range(24):
        world = World(scenario, {"bidding": Presses(-1)}, 0, engine)
        try:
            with alarm(float(dice.uniform(1e-4, 2e-2)), error):
                world.run()
        except error:
            pass
        if world._in_event:
            with pytest.raises(MarketError, match="it cannot go on: make a new World"):
                world.run()
            refused += 1
            continue
        world.run()
        assert world.ledger.counts.tobytes() == whole.ledger.counts.tobytes()
        assert world.ledger.sums.tobytes() == whole.ledger.sums.tobytes()
        same += 1
    assert refused > 0
    assert refused + same == 24


class Fails(BidPolicy):
    """Raises at the n-th decision."""

    def __init__(self, number: int, error: Exception) -> None:
        self.number, self.error = number, error

    def decide(self, view: BidView) -> Multiplier:
        self.number -= 1
        if self.number == 0:
            raise self.error
        return Multiplier(view.prior)


class Particular(Exception):
    """An error whose constructor wants more than what it says."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}: {hint}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("error", [ValueError("mine"), PolicyError("mine"), Particular(3, hint="mine")], ids=repr)
def test_after_an_error_of_a_policy_a_world_refuses(engine: Any, error: Exception) -> None:
    world = World(TINY, {"bidding": Fails(5, error)}, 0, engine)
    with pytest.raises(type(error), match="mine") as caught:
        world.run()
    assert caught.value is error
    assert world.ledger.closed == 4
    for until in (None, world.now):
        with pytest.raises(MarketError, match=f"by {type(error).__name__}: .*mine.*cannot go on: make a new World"):
            world.run(until)
    assert world.ledger.closed == 4
    assert world.ledger.to_frame()["spend"].sum() > 0  # what was booked by then can be looked at


def test_a_world_cannot_run_itself() -> None:
    world = World(TINY, seed=0)

    def process() -> Iterator[Any]:
        yield world.env.timeout(1)
        with pytest.raises(MarketError, match="cannot be run by one of its own processes"):
            world.run()

    world.process(process())
    world.run()
    assert world.ledger.closed == 24


def test_a_policy_that_has_moved_to_another_world_is_missed_in_the_first() -> None:
    policy = Presses(-1)
    first, second = World(TINY, {"bidding": policy}, seed=0), World(TINY, {"bidding": policy}, seed=1)
    first.run(10**10)
    second.run(10**10)
    with pytest.raises(PolicyError, match="Presses has begun to decide for another world"):
        first.run()
    second.run()
    third = World(TINY, {"bidding": policy}, seed=1)  # one after the other is no trouble
    third.run()
