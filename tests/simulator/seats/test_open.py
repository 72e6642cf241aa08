"""A seat left open: the world that stops for it is, to the last bit, that of a policy which decides the same."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from markets import scenarios
from players import policies

from adarena.simulator import BidPolicy, BidView, MarketError, Multiplier, PolicyError, Scenario, World
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.auction.view import AuctionView
from adarena.simulator.seats.seat import Open

TINY = Scenario.preset("tiny").override({"traffic.requests_per_day": 2000})


class Reacting(BidPolicy):
    """A decision that depends on all that was told so far; what it saw is kept."""

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self.seen: list[BidView] = []

    def decide(self, view: BidView) -> Multiplier | None:
        self.seen.append(view)
        return react(view)


def react(view: BidView) -> Multiplier | None:
    """None now and then: the last decision stands."""
    if view.tick % 5 == 4:
        return None
    return Multiplier(view.prior * np.where(view.spent_share > view.due, 0.7, 1.4) * (1 + 0.01 * (view.last.wins % 7)))


def books(world: World) -> tuple[bytes, ...]:
    ledger = world.ledger
    return tuple(a.tobytes() for a in (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price))


def same(one: Any, other: Any) -> bool:
    """Whether two views hold the same, NaN being NaN."""
    if isinstance(one, tuple):
        return type(one) is type(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(np.array_equal(one, other, equal_nan=True)) if isinstance(one, np.ndarray) else one == other


def answered(world: World) -> list[BidView]:
    """Runs a world to its end, answering for its open seat as `Reacting` decides."""
    seen = []
    while (asked := world.until_asked()) is not None:
        seen.append(asked.view)
        world.answer(react(asked.view))
    return seen


@given(data=st.data(), engine=st.sampled_from(["compiled", "events"]), seed=st.integers(0, 3))
def test_an_open_seat_is_the_seat_of_a_policy_that_decides_the_same(data: st.DataObject, engine: Any, seed: int) -> None:
    """In random markets, with funnels, servers, sessions and leads among them, whoever the others are."""
    scenario = data.draw(scenarios())
    count = len(World(scenario).campaigns.names)
    k = data.draw(st.integers(0, count - 1))
    others = policies(data.draw(st.text("mM-", min_size=count, max_size=count)))
    played = World(scenario, {"bidding": {**others, k: (policy := Reacting())}}, seed, engine)
    played.run()
    stepped = World(scenario, {"bidding": {**others, k: Open()}}, seed, engine)
    seen = answered(stepped)
    assert books(stepped) == books(played)
    assert len(seen) == len(policy.seen) == scenario.days * scenario.ticks_per_day
    assert all(same(a, b) for a, b in zip(seen, policy.seen, strict=True))


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_what_an_environment_plays_behind_a_funnel_is_what_a_policy_plays(engine: Any) -> None:
    """Recall knows of a bid in the tick for which it was decided, whichever door it came through."""
    small = {
        "traffic.requests_per_day": 4000, "users.count": 2000, "demand.campaigns": 60, "demand.ads_per_campaign": 4,
        "demand.frequency_cap": None, "serving": None, "rates.click_rate": 0.01,
        "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}],
    }  # fmt: skip
    scenario = Scenario.preset("feed").override(small)

    class Steady(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            return Multiplier(2.0)

    from adarena.agents.bidding.rivals import contested, rivals

    k = contested(scenario)[0]
    played = World(scenario, {"bidding": {**rivals(scenario, k), k: Steady()}}, 3, engine)
    played.run()
    stepped = World(scenario, {"bidding": {**rivals(scenario, k), k: Open()}}, 3, engine)
    while stepped.until_asked() is not None:
        stepped.answer(Multiplier(2.0))
    assert books(stepped) == books(played)
    assert stepped.ledger.impressions()[:, k].sum() > 0


def test_an_open_seat_is_asked_after_all_others_and_before_any_process() -> None:
    told: list[str] = []

    class Loud(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            told.append("policy")
            return Multiplier(1.0)

    def process(world: World) -> Generator[simpy.Event, Any, None]:
        while True:
            told.append("process")
            yield world.env.timeout(world.scenario.tick_us)

    world = World(TINY, {"bidding": {0: Open(), 1: Loud()}})
    world.process(process(world))
    for _ in range(3):
        assert world.until_asked() is not None
        told.append("asked")
        world.answer(None)
    assert world.until_asked() is not None
    assert told == ["policy", "asked", "process"] * 3 + ["policy"]


def test_asked_again_without_an_answer_it_says_the_same() -> None:
    world = World(TINY, {"bidding": {"c1": Open(), 0: Open()}})
    first = world.until_asked()
    assert first is not None
    assert world.until_asked() is first
    assert (first.seat, first.units) == ("bidding", ("c1",))
    assert world.now == 0
    world.answer(None)
    with pytest.raises(MarketError, match="run the world with until_asked"):
        world.answer(None)  # nobody has been told of the second yet
    second = world.until_asked()
    assert second is not None
    assert second.units == ("c0",)
    assert (second.view.tick, world.now) == (0, 0)


def test_one_open_policy_may_leave_all_campaigns_open() -> None:
    world = World(TINY, {"bidding": Open()}, seed=4)
    asked = world.until_asked()
    assert asked is not None
    assert asked.units == world.campaigns.names
    many = np.linspace(0.5, 2.0, len(asked.units))
    while asked is not None:
        world.answer(Multiplier(many * asked.view.prior))
        asked = world.until_asked()

    class Many(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            return Multiplier(many * view.prior)

    other = World(TINY, {"bidding": Many()}, seed=4)
    other.run()
    assert books(world) == books(other)


def test_a_decision_that_is_not_allowed_may_be_given_anew() -> None:
    world = World(TINY, {"bidding": {0: Open()}})
    with pytest.raises(MarketError, match=r"^no open seat waits for an answer: run the world with until_asked\(\) first$"):
        world.answer(Multiplier(1.0))
    world.until_asked()
    with pytest.raises(PolicyError, match=r"^Open decided the multiplier -1\.0: numbers from 0 to 1e\+09 are allowed$"):
        world.answer(Multiplier(-1.0))
    world.answer(Multiplier(1.5))
    world.until_asked()
    assert world.ledger.multiplier[0, 0] == 1.5


def test_a_world_with_an_open_seat_does_not_run_by_itself() -> None:
    world = World(TINY, {"bidding": {0: Open()}})
    with pytest.raises(MarketError, match=r"^the bidding seat is left open: go on with until_asked\(\) and answer\(\)$"):
        world.run()
    answered(world)
    assert world.until_asked() is None
    assert world.now == TINY.horizon_us


def test_the_close_of_the_last_day_can_be_looked_at() -> None:
    world = World(TINY, {"bidding": {2: Open()}}, seed=1)
    with pytest.raises(MarketError, match=r"^an open seat is looked at when it is asked, or at the end of the last day$"):
        world.look("bidding")
    first = world.until_asked()
    assert first is not None
    assert world.look("bidding") is first.view
    world.answer(None)
    answered(world)
    view = world.look("bidding")
    assert (view.tick, view.elapsed) == (view.ticks, pytest.approx(1.0))
    assert view.today.wins[0] == world.ledger.counts[:, 1, 2].sum()
    assert view.last.wins[0] == world.ledger.counts[-1, 1, 2]
    np.testing.assert_allclose(view.budget_left, view.budget - view.today.spend)
    with pytest.raises(
        MarketError, match=r"^one may look at a seat that one Open policy leaves open: 'compute' is left open by 0$"
    ):
        world.look("compute")


def test_control_c_between_two_answers_loses_nothing() -> None:
    plain = World(TINY, {"bidding": {0: Open()}}, seed=2)
    answered(plain)
    world = World(TINY, {"bidding": {0: Open()}}, seed=2)

    def press(world: World) -> Generator[simpy.Event, Any, None]:
        yield world.env.timeout(TINY.tick_us * 3 // 2)
        signal.raise_signal(signal.SIGINT)

    world.process(press(world))
    pressed = 0
    while True:
        try:
            answered(world)
            break
        except KeyboardInterrupt:
            pressed += 1
    assert pressed == 1
    assert books(world) == books(plain)


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_seat_may_be_left_open_by_the_day(engine: Any) -> None:
    """It is asked at the first tick of each day, and what is decided holds for the rest of it."""

    class ByDay(AuctionPolicy):
        def decide(self, view: AuctionView) -> Sale | None:
            return Sale(0.1 * (1 + view.told.day)) if view.told.tick == 0 else None

    scenario = Scenario.preset("tiny").override({"days": 3})
    world, policy = (World(scenario, {"auction": who}, seed=2, engine=engine) for who in (Open("day"), ByDay()))
    policy.run()
    moments = []
    while (asked := world.until_asked()) is not None:
        moments.append((asked.view.told.day, asked.view.told.tick))
        world.answer(Sale(0.1 * (1 + asked.view.told.day)))
    assert moments == [(0, 0), (1, 0), (2, 0)]
    np.testing.assert_array_equal(world.ledger.counts, policy.ledger.counts)
    assert world.look("auction").told.tick == scenario.ticks_per_day


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_tick_may_be_played_in_three_parts(engine: Any) -> None:
    """What comes before its requests, these, in one piece or several, and what comes after: as in one."""
    world, other = (World(TINY, {"bidding": Open()}, seed=3, engine=engine) for _ in range(2))
    while (asked := world.until_asked()) is not None:
        other.until_asked()
        for each in (world, other):
            each.answer(react(asked.view))
        before, closed, pieces = other.played, other.ledger.closed, 0
        while other.until_traffic():
            assert other.ledger.closed == closed
            other.play_traffic()
            pieces += 1
        assert other.played > before
        assert other.ledger.closed == closed + 1
        assert pieces == 1 or engine == "events"
        assert (other.open_round is None) == (other.now == TINY.horizon_us)
    assert books(world) == books(other)
