"""Whatever number a user hands to the public face either works or is refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adarena.agents.bidding import PID
from adarena.agents.hindsight.multiplier import static_hindsight
from adarena.agents.splits import seeds, split_of
from adarena.benchmarks.audits import quotas
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.envs.bidding import BiddingEnv
from adarena.simulator import AdArenaError, MarketError, Scenario, World
from adarena.simulator.books.journal import Logs
from adarena.simulator.core.numeric import real, whole
from adarena.simulator.replay.history import PriceHistory
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.replay import replay
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.ranking.decisions import RankingPolicy, Weights

HOSTILE: tuple[Any, ...] = (
    2**31, 2**63, 2**64, 10**30, 10**400, -1, -(2**63), 0, 1, 1.5, 1.0, -0.0, 1e300, math.nan, math.inf, -math.inf, True, None,
    "3", b"1", np.int8(1), np.int32(2), np.uint64(2**64 - 1), np.uint8(3), np.int64(-5), np.float16(1), np.float32(1.5),
    np.float64(2), np.longdouble(1), np.float32("nan"), np.bool_(True), Decimal(1), Decimal("1.5"), Decimal("NaN"),
    Decimal("sNaN"), Fraction(1), Fraction(1, 2), 1 + 2j, [1], np.array(1), np.array([1]), object(),
)  # fmt: skip
SMALL = {"traffic.requests_per_day": 60, "ticks_per_day": 4}
TINY = Scenario.preset("tiny").override({**SMALL, "users.count": 200})
CONTESTED = Scenario.preset("tiny").override({"ticks_per_day": 4})
QUEUE = Scenario.preset("queue").override(SMALL)
LOG = Log(np.arange(40) + 1, np.full(40, 0.5), np.ones(40))
FINE = Log((np.arange(40) + 1) / 10, np.full(40, 0.5), np.ones(40))
PAST = PriceHistory(10, 5, 50, 0.1)


def played(scenario: Scenario, folder: Path, act: Callable[[World], None]) -> None:
    """A world to whose journal something is done, played to its end."""
    world = World(scenario, {"bidding": PID()}, journal=folder / "journal")
    act(world)
    world.run()


class Paces(PacingPolicy):
    """One decision, whatever is seen."""

    def __init__(self, decision: Pace) -> None:
        self.decision = decision

    def decide(self, view: Any) -> Pace:
        return self.decision


class Sells(AuctionPolicy):
    """One decision, whatever is seen."""

    def __init__(self, decision: Sale) -> None:
        self.decision = decision

    def decide(self, view: Any) -> Sale:
        return self.decision


class Ranks(RankingPolicy):
    """One decision, whatever is seen."""

    def __init__(self, decision: Weights) -> None:
        self.decision = decision

    def decide(self, view: Any) -> Weights:
        return self.decision


def hindsight(tolerance: Any) -> None:
    """Asks for the search, but stops it at its first world: only the tolerance is of interest."""

    def stop() -> None:
        raise MarketError("the tolerance is allowed")

    static_hindsight(TINY, stop, 0, 0, tolerance)


CALLS: dict[str, Callable[[Any, Path], Any]] = {
    "seed": lambda v, p: World(TINY, {"bidding": PID()}, seed=v, journal=Logs(p, features=True)).run(),
    "seed of events": lambda v, p: World(TINY, {"bidding": PID()}, seed=v, engine="events").run(),
    "record": lambda v, p: World(TINY, record=v).run(),
    "until": lambda v, p: World(TINY).run(v),
    "surge": lambda v, p: played(TINY, p, lambda w: w.surge(v)),
    "top_up": lambda v, p: played(TINY, p, lambda w: w.top_up(0, v)),
    "campaign": lambda v, p: played(TINY, p, lambda w: w.top_up(v, 1.0)),
    "set_budget": lambda v, p: played(TINY, p, lambda w: w.set_budget(0, v)),
    "set_multiplier": lambda v, p: played(TINY, p, lambda w: w.set_multiplier(0, v)),
    "scale_value": lambda v, p: played(TINY, p, lambda w: w.scale_value(0, v)),
    "set_pace": lambda v, p: played(TINY, p, lambda w: w.set_pace(0, v)),
    "participation of set_pace": lambda v, p: played(TINY, p, lambda w: w.set_pace(0, participation=v)),
    "campaign of set_pace": lambda v, p: played(TINY, p, lambda w: w.set_pace(v, 0.5)),
    "set_reserve": lambda v, p: played(TINY, p, lambda w: w.set_reserve(v)),
    "campaign of set_reserve": lambda v, p: played(TINY, p, lambda w: w.set_reserve(0.1, v)),
    "set_squashing": lambda v, p: played(TINY, p, lambda w: w.set_squashing(v)),
    "factor": lambda v, p: World(TINY, {"pacing": Paces(Pace(v))}).run(),
    "participation": lambda v, p: World(TINY, {"pacing": Paces(Pace(participation=v))}).run(),
    "factor of one": lambda v, p: World(TINY, {"pacing": Paces(Pace([v, 1, 1, 1, 1, 1]))}).run(),
    "reserve": lambda v, p: World(TINY, {"auction": Sells(Sale(v))}).run(),
    "reserve of one": lambda v, p: World(TINY, {"auction": Sells(Sale([1, 1, 1, v, 1, 1]))}).run(),
    "squashing": lambda v, p: World(TINY, {"auction": Sells(Sale(squashing=v))}).run(),
    "quality": lambda v, p: World(TINY, {"auction": Sells(Sale(quality=v))}).run(),
    "rank's squashing": lambda v, p: World(TINY, {"ranking": Ranks(Weights(squashing=v))}).run(),
    "user cost": lambda v, p: World(TINY, {"ranking": Ranks(Weights(cost=v))}).run(),
    "optimism": lambda v, p: World(TINY, {"ranking": Ranks(Weights(optimism=v))}).run(),
    "thompson": lambda v, p: World(TINY, {"ranking": Ranks(Weights(thompson=v))}).run(),
    "bonus": lambda v, p: World(TINY, {"ranking": Ranks(Weights(bonus=v))}).run(),
    "launch": lambda v, p: played(TINY, p, lambda w: w.launch(v)),
    "pause": lambda v, p: played(TINY, p, lambda w: w.pause(v)),
    "set_servers": lambda v, p: played(QUEUE, p, lambda w: w.set_servers(v)),
    "fail_servers": lambda v, p: played(QUEUE, p, lambda w: w.fail_servers(v)),
    "repair_servers": lambda v, p: played(QUEUE, p, lambda w: (w.fail_servers(1), w.repair_servers(v))[1]),
    "candidates": lambda v, p: World(TINY, journal=Logs(p, candidates=v)).run(),
    "tolerance": lambda v, p: hindsight(v),
    "days": lambda v, p: Scenario(days=v),
    "market_seed": lambda v, p: World(TINY.override({"market_seed": v, "users.count": 20})).run(),
    "preset": lambda v, p: Scenario.preset("uniform", bidders=v),
    "environment's seed": lambda v, p: BiddingEnv(CONTESTED).reset(seed=v),
    "day": lambda v, p: BiddingEnv(CONTESTED).reset(options={"day": v}),
    "seat": lambda v, p: BiddingEnv(CONTESTED).reset(options={"campaign": v}),
    "budget_scale": lambda v, p: BiddingEnv(CONTESTED).reset(options={"budget_scale": v}),
    "rivals": lambda v, p: BiddingEnv(CONTESTED).reset(options={"rivals": v}),
    "cpa_limit": lambda v, p: BiddingEnv(CONTESTED, cpa_limit=v),
    "range of days": lambda v, p: BiddingEnv(CONTESTED, days=(0, v)),
    "episode": lambda v, p: replay(LOG, PID(), PAST, episode=v),
    "ticks": lambda v, p: replay(LOG, PID(), PAST, ticks=v),
    "budget_fraction": lambda v, p: replay(LOG, PID(), PAST, budget_fraction=v),
    "max_bid": lambda v, p: replay(LOG, PID(), PAST, max_bid=v),
    "max_bid in parts": lambda v, p: replay(FINE, PID(), PAST, max_bid=v),
    "seed of a replay": lambda v, p: replay(LOG, PID(), PAST, seed=v),
    "history": lambda v, p: PriceHistory(v, v, v, 0.1),
    "seeds": lambda v, p: seeds("train", v),
    "split": lambda v, p: split_of(v),
    "days of a comparison": lambda v, p: len(BIDDING.cases(CONTESTED, v)),
    "days left out": lambda v, p: BIDDING.cases(CONTESTED, 1, skip=v),
    "requests of quotas": lambda v, p: quotas.sweep(TINY, (1, 2), v),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("call", CALLS)
def test_every_number_works_or_is_refused_in_one_sentence(call: str, tmp_path: Path) -> None:
    done = 0
    for place, value in enumerate(HOSTILE):
        try:
            CALLS[call](value, tmp_path / str(place))
        except AdArenaError as error:
            text = str(error)
            assert "\n" not in text
            assert "object at" not in text or "<object object at" in text
        else:
            done += 1
    assert done or call in ("tolerance", "rivals", "requests of quotas"), "nothing is allowed at all"
    assert done < len(HOSTILE), "everything is allowed"


def test_a_seed_is_one_whatever_its_type() -> None:
    """And of those beyond 64 bits no two are taken for one."""

    def clicks(seed: Any) -> list[float]:
        world = World(TINY.override({"traffic.requests_per_day": 2_000}), seed=seed)
        world.run()
        assert world.seed == seed
        return [float(x) for x in world.ledger.spend().ravel()]

    same = [clicks(seed) for seed in (3, 3.0, np.int8(3), np.uint64(3), np.float16(3), Decimal(3), Fraction(3))]
    assert all(one == same[0] for one in same)
    large = [clicks(seed) for seed in (0, 2**63, 2**64, 2**64 + 3, 10**30, np.uint64(2**64 - 1))]
    assert len({tuple(one) for one in large}) == len(large)


@pytest.mark.parametrize("value", HOSTILE)
def test_numbers_are_told_from_what_is_none(value: Any) -> None:
    number, amount = whole(value), real(value)
    if number is not None:
        assert type(number) is int
        assert number == value
        assert amount is None or amount == float(value)
    if amount is not None:
        assert type(amount) is float
        assert math.isfinite(amount)
        assert number is not None or amount != math.floor(amount)
    if isinstance(value, bool | str | bytes | list | complex | np.ndarray | np.bool_) or value is None:
        assert number is None
        assert amount is None
