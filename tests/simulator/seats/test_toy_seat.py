"""A seat that the package does not know: a toll on prices, decided every so often, with all that a seat has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

from adarena.agents.bidding.pid import PID
from adarena.agents.catalogue import make_policy
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.agents.parameters import Uniform
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison import suite as suites
from adarena.benchmarks.comparison.suite import Metric, Shown, Suite, against_hindsight
from adarena.envs.base import Case, SeatEnv
from adarena.envs.frames import Frame, Panel
from adarena.envs.given import DAYS
from adarena.envs.vector import SeatVectorEnv
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.core.arrays import Floats
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
        self._exchange.set_reserve(max(decision.price, 1e-6), None)


class EveryOtherHour(TollPolicy):
    """Dear in even hours, free in odd ones."""

    def start(self, view: TollView, dice: np.random.Generator) -> None:
        self.seen: list[TollView] = []

    def decide(self, view: TollView) -> Toll:
        self.seen.append(view)
        return Toll(0.0 if view.moment.now_us // 3_600_000_000 % 2 else 0.9)


@dataclass
class Constant(TollPolicy):
    """The same toll all day."""

    SPACE: ClassVar = {"price": Uniform(0.0, 0.5)}
    price: float = 0.0

    def decide(self, view: TollView) -> Toll:
        return Toll(self.price)


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


class TollEnv(SeatEnv):
    """A day of tolls; a step is worth the revenue that it brought."""

    seat, vectors, options = "toll", TollVectors, ("day",)

    def __init__(self, render_mode: Any = None) -> None:
        super().__init__(TINY, DAYS, "compiled", render_mode)

    def case(self, options: Any) -> Case:
        day = options.get("day", int(self.np_random.integers(*self.days)))
        return Case(day, {"toll": Open()}, {"day": day})

    def begin(self, case: Case, world: World, view: TollView) -> dict[str, Any]:
        self._revenue = 0.0
        return {"day": case.day}

    def judge(self, world: World) -> tuple[float, dict[str, Any]]:
        before, self._revenue = self._revenue, float(world.ledger.spend().sum())
        return self._revenue - before, {}

    def frame(self) -> Frame:
        world, ticks = self.world, self.scenario.ticks_per_day
        course = np.append(world.ledger.spend().sum(axis=1).cumsum(), np.full(ticks - world.ledger.closed, np.nan))
        panel = Panel("revenue", "Revenue", "currency", np.append(0.0, course), "so far", "{:.2f}")
        return Frame("tolls", f"tick {world.ledger.closed}", world.ledger.closed, np.arange(ticks + 1.0), (panel,))


class TollSuite(Suite[World]):
    """Revenue, and what is sold under the toll; there is one unit, and nobody else in the seat."""

    seat, unit, eligible, constant = "toll", "market", "markets", "toll"
    mixes: ClassVar = {"alone": "nobody else"}
    numbers: ClassVar = {"score": "revenue", "sold": "impressions"}
    metrics = (*against_hindsight("toll", "revenue"), Metric("sold", "mean", "sold", table=Shown("sold", ",.0f")))
    scenario, compared, reference, tuned = "tiny", ("constant", "hourly"), "constant", ("constant",)

    def units(self, scenario: Scenario) -> list[int]:
        return [0]

    def world(self, scenario: Scenario, case: suites.Case, policy: Any, mix: str, judged: bool) -> World:
        return World(scenario, {"toll": policy}, seed=case.seed)

    def score(self, world: World, case: suites.Case) -> float:
        return float(world.ledger.spend().sum())

    def measure(self, world: World, case: suites.Case) -> dict[str, float]:
        return {"sold": float(world.ledger.impressions().sum())}

    def constants(self, scenario: Scenario, case: suites.Case) -> list[Constant]:
        return [Constant(price) for price in (0.0, 0.02, 0.1)]

    def worthless(self, scenario: Scenario, case: suites.Case) -> str:
        return "nobody pays any toll"


@pytest.fixture
def registered(cadence: Cadence, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite[World]]:
    """What a package of one's own would write: a module of policies, a suite, an environment."""
    policies, suite = ModuleType("adarena.agents.toll"), TollSuite()
    vars(policies).update({**globals(), "POLICIES": {"constant": Constant, "hourly": EveryOtherHour}})
    for kind in (Constant, EveryOtherHour):
        monkeypatch.setattr(kind, "__module__", "adarena.agents.toll")
    monkeypatch.setitem(sys.modules, "adarena.agents.toll", policies)
    gymnasium.register("Toll-v0", TollEnv)
    yield suite
    gymnasium.registry.pop("Toll-v0")


def test_an_environment_of_it_is_a_few_lines(registered: Suite[World], cadence: Cadence) -> None:
    env = gymnasium.make("Toll-v0", render_mode="ansi").unwrapped
    check_env(env, skip_render_check=True)
    env.reset(seed=0)
    steps, total, over = 0, 0.0, False
    while not over:
        _, gained, over, _, _ = env.step(np.array([-0.9], np.float32))
        steps, total = steps + 1, total + float(gained)
    assert steps == TINY.horizon_us // (TINY.tick_us if cadence is Cadence.TICK else 600_000_000)
    assert total == pytest.approx(env.world.ledger.spend().sum())  # type: ignore[attr-defined]
    assert "revenue" in str(env.render())
    with pytest.raises(MarketError, match=r"^there is no option 'campaign'; known are day$"):
        env.reset(options={"campaign": 1})


class StaffedEnv(TollEnv):
    """The same in a market where somebody sits in another seat, too."""

    def case(self, options: Any) -> Case:
        drawn = super().case(options)
        return drawn._replace(policies={**drawn.policies, "bidding": PID()})


class StaffedVectorEnv(SeatVectorEnv):
    single = StaffedEnv


def test_many_of_it_move_on_together(registered: Suite[World]) -> None:
    vectors = StaffedVectorEnv(3, threads=2), SyncVectorEnv([StaffedEnv] * 3)
    one, other = (vector.reset(seed=0)[0] for vector in vectors)
    assert one.tobytes() == other.tobytes()
    for step in range(30):
        actions = np.full((3, 1), -0.9 + step / 50, np.float32)
        one, other = (vector.step(actions)[:4] for vector in vectors)  # type: ignore[assignment]
        assert [a.tobytes() for a in one] == [b.tobytes() for b in other]


def test_a_suite_of_it_is_compared_like_any_other(registered: Suite[World]) -> None:
    labels = {"free": "constant", "dear": "constant:price=0.1", "hourly": "hourly"}
    results = measuring.run(registered, TINY, labels, 2)
    for place, case in enumerate(results.cases):
        revenue = {}
        for label, policy in (("free", Constant()), ("dear", Constant(0.1)), ("hourly", EveryOtherHour())):
            world = World(TINY, {"toll": policy}, seed=case.seed)
            world.run()
            revenue[label] = float(world.ledger.spend().sum())
            assert results.runs[label][place].numbers["score"] == revenue[label]
        assert results.yardsticks[place].score >= max(revenue["free"], revenue["dear"])
    found = report.estimates(results, "free")
    assert found["free"]["difference_to_reference"].mean == 0
    assert found["hourly"]["sold"].mean < found["free"]["sold"].mean


def test_an_agent_that_was_trained_in_it_sits_in_it(registered: Suite[World], tmp_path: Path) -> None:
    changes = {"envs": 2, "group": 1, "n_steps": 24, "batch_size": 48, "n_epochs": 1}
    train("Toll-v0", make_settings("ppo", changes), 48, 0, tmp_path)
    policy = make_policy("toll", f"agent:{tmp_path}")
    world = World(TINY, {"toll": policy})
    world.run()
    actor, env = load_agent(tmp_path), gymnasium.make("Toll-v0")
    observation, _ = env.reset(options={"day": 0})
    over = False
    while not over:
        observation, _, over, _, _ = env.step(actor.act(observation))
    assert env.unwrapped.world.ledger.counts.tobytes() == world.ledger.counts.tobytes()  # type: ignore[attr-defined]
    with pytest.raises(PolicyError, match="toll"):
        make_policy("bidding", f"agent:{tmp_path}")
