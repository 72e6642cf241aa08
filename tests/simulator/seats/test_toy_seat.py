"""A seat that the package does not know: a toll on prices, decided every so often, with all that a seat has."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.core.arrays import Floats
from adarena.simulator.core.money import MICRO
from adarena.simulator.engine.state import Control
from adarena.simulator.seats import SEATS
from adarena.simulator.seats.seat import Cadence, Holding, Moment, Open, Policy, Seat

TINY = Scenario.preset("tiny").override({"traffic.requests_per_day": 4000})


class TollView(NamedTuple):
    """What the holder of the toll sees."""

    moment: Moment
    toll: float  # currency an impression, now
    sold: int  # impressions of the ticks that have closed


class Toll(NamedTuple):
    """The least price of an impression from now on, currency."""

    price: float


class TollPolicy(Policy[TollView, Toll]):
    """Base of those who set the toll."""

    seat = "toll"


class TollSeat(Seat[TollView, Toll, Holding]):
    """The least price of an impression, as a whole: there is one unit."""

    name, unit, policy, units = "toll", "market", TollPolicy, ("market",)

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        return None if scenario.auction.slots > 1 else "an auction of several slots"

    def __init__(self, exchange: Any, ledger: Any) -> None:
        self._exchange, self._ledger, self.toll = exchange, ledger, 0.0

    def holding(self, policy: Any, held: list[int]) -> Holding:
        return Holding(policy, held)

    def view(self, holding: Holding, moment: Moment) -> TollView:
        return TollView(moment, self.toll, int(self._ledger.impressions().sum()))

    def check(self, holding: Holding, decision: Any) -> Toll:
        if not isinstance(decision, Toll) or not 0 <= decision.price < 1:
            raise PolicyError(f"{holding.name} sets a toll from 0 to 1, not {decision!r}")
        return decision

    def apply(self, holding: Holding, decision: Toll) -> None:
        self.toll = decision.price
        self._exchange.state.control[Control.RESERVE] = int(np.float32(decision.price * MICRO))


class EveryOtherHour(TollPolicy):
    """Dear in even hours, free in odd ones."""

    def start(self, view: TollView, dice: np.random.Generator) -> None:
        self.seen: list[TollView] = []

    def decide(self, view: TollView) -> Toll:
        self.seen.append(view)
        return Toll(0.0 if view.moment.now_us // 3_600_000_000 % 2 else 0.9)


class TollVectors:
    """How the toll looks to a learner."""

    features: ClassVar[tuple[str, ...]] = ("elapsed", "toll")
    bound: ClassVar[float] = 1.0
    actions: ClassVar[int] = 1

    def observe(self, view: TollView) -> np.ndarray:
        return np.array([[view.moment.tick / view.moment.ticks, view.toll]], np.float32)

    def decide(self, view: TollView, actions: Floats) -> Toll:
        return Toll(float(actions[0, 0] + 1) * 0.45)


@pytest.fixture(params=[Cadence.TICK, Cadence.INTERVAL], ids=["tick", "interval"])
def cadence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cadence:
    """The seat is known while a test lasts, asked at ticks or every ten minutes."""
    monkeypatch.setitem(SEATS, "toll", TollSeat)
    monkeypatch.setattr(TollSeat, "cadence", request.param)
    monkeypatch.setattr(TollSeat, "every_us", 600_000_000)
    return request.param


def test_its_decisions_hold_from_when_they_are_made(cadence: Cadence) -> None:
    policy = EveryOtherHour()
    world = World(TINY, {"toll": policy})
    free = World(TINY)
    for one in (world, free):
        one.run()
    every = TINY.tick_us if cadence is Cadence.TICK else 600_000_000
    assert [view.moment.now_us for view in policy.seen] == list(range(0, TINY.horizon_us, every))
    hour = np.arange(TINY.ticks_per_day) * TINY.tick_us // 3_600_000_000
    price = world.ledger.to_frame().groupby("tick").market_price.max()
    assert (price[hour % 2 == 0] >= 0.9).all()
    sold, before = (one.ledger.impressions().sum(axis=1) for one in (world, free))
    assert (sold[hour % 2 == 0] == 0).all() or sold[hour % 2 == 0].sum() < before[hour % 2 == 0].sum() / 2


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_left_open_it_is_answered(cadence: Cadence, engine: Any) -> None:
    """Beside another open seat: both are asked, each at its own times, and the run is that of policies."""
    played = World(TINY, {"toll": EveryOtherHour()}, engine=engine)
    played.run()
    world, times = World(TINY, {"toll": Open(), "bidding": {0: Open()}}, engine=engine), []
    decider = EveryOtherHour()
    decider.seen = []
    while (asked := world.until_asked()) is not None:
        if asked.seat == "toll":
            times.append(world.now)
            world.answer(decider.decide(asked.view))
        else:
            world.answer(None)
    assert [view.moment.now_us for view in decider.seen] == times
    assert world.ledger.counts.tobytes() == played.ledger.counts.tobytes()
    assert world.ledger.sums.tobytes() == played.ledger.sums.tobytes()


def test_what_is_wrong_is_said_in_its_words(cadence: Cadence) -> None:
    with pytest.raises(PolicyError, match=r"^there is no market 'Mars'; did you mean 'market'\?$|^there is no market 'Mars'"):
        World(TINY, {"toll": {"Mars": EveryOtherHour()}})
    with pytest.raises(PolicyError, match=r"^market 0 needs a TollPolicy, not int$"):
        World(TINY, {"toll": {0: 3}})  # type: ignore[dict-item]
    one_slot = TINY.override({"auction.slots": 1, "auction.exposure": [1.0]})
    with pytest.raises(PolicyError, match=r"^the toll seat needs an auction of several slots, and scenario 'tiny' has none$"):
        World(one_slot, {"toll": EveryOtherHour()})

    class Greedy(TollPolicy):
        def decide(self, view: TollView) -> Toll:
            return Toll(2.0)

    with pytest.raises(PolicyError, match=r"^Greedy sets a toll from 0 to 1, not Toll\(price=2\.0\)$"):
        World(TINY, {"toll": Greedy()}).run()


def test_a_policy_sits_only_in_its_own_seat(cadence: Cadence) -> None:
    with pytest.raises(PolicyError, match=r"^campaign 0 needs a BidPolicy, not EveryOtherHour$"):
        World(TINY, {"bidding": EveryOtherHour()})


def test_the_old_name_of_the_bid_seat_is_refused_with_the_new_one() -> None:
    with pytest.raises(PolicyError, match=r"^there is no seat 'bid'.*'bidding'"):
        World(TINY, {"bid": EveryOtherHour()})


def test_an_environment_of_it_is_a_few_lines(cadence: Cadence) -> None:
    from gymnasium.utils.env_checker import check_env

    from adarena.envs.base import DAYS, Case, SeatEnv

    class TollEnv(SeatEnv):
        """Revenue for tolls."""

        metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "features": TollVectors.features}
        seat, vectors, options = "toll", TollVectors, ("day",)

        def case(self, options: Any) -> Case:
            day = options.get("day", int(self.np_random.integers(*self.days)))
            return Case(day, {"toll": Open()}, {"day": day})

        def begin(self, case: Case, world: World, view: TollView) -> tuple[TollVectors, dict[str, Any]]:
            self._revenue = 0.0
            return TollVectors(), {"day": case.day}

        def judge(self, world: World, view: TollView) -> tuple[float, dict[str, Any]]:
            before, self._revenue = self._revenue, float(world.ledger.spend().sum())
            return self._revenue - before, {}

    env = TollEnv(TINY, DAYS, "compiled")
    check_env(env, skip_render_check=True)
    env.reset(seed=0)
    steps, total, over = 0, 0.0, False
    while not over:
        _, gained, over, _, _ = env.step(np.array([-0.9], np.float32))
        steps, total = steps + 1, total + gained
    assert steps == TINY.horizon_us // (TINY.tick_us if cadence is Cadence.TICK else 600_000_000)
    assert total == pytest.approx(env.world.ledger.spend().sum())
    with pytest.raises(MarketError, match=r"^there is no option 'campaign'; known are day$"):
        env.reset(options={"campaign": 1})
