"""The markets of theory, through the public face: values U[0, 1], scripted bidders, the books read tick by tick.

Requests come evenly and values are drawn anew for each, so that ticks are independent samples of equal size: the standard
errors of most checks come from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...simulator import BidPolicy, BidView, ChunkBids, Multiplier, Requests, Scenario, World
from ...simulator.core.arrays import Floats

TICKS = 200
MICRO = 1e-6  # the least unit of money


class Scaled(BidPolicy):
    """Bids `factors` (a number, or one per campaign held) times the value, all day."""

    def __init__(self, factors: Any) -> None:
        self.factors = factors

    def decide(self, view: BidView) -> Multiplier:
        """See `BidPolicy.decide`."""
        return Multiplier(self.factors)


class Scripted(BidPolicy):
    """Bids what a function of the requests says: currency per impression, shape (held, n)."""

    def __init__(self, bids: Callable[[Requests], Any]) -> None:
        self.bids = bids

    def decide(self, view: BidView) -> ChunkBids:
        """See `BidPolicy.decide`."""
        return ChunkBids(self.bids)


def whole_ticks(requests: float, ticks: int = TICKS) -> int:
    """A number of requests of at least two a tick that fills all ticks equally."""
    return max(2, round(requests / ticks)) * ticks


def uniform(bidders: int, requests: int, **settings: Any) -> Scenario:
    """The preset `uniform` in `TICKS` ticks; settings as in `Scenario.override`, with two underscores for a dot."""
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return Scenario.preset("uniform", bidders=bidders, requests=requests).override({"ticks_per_day": TICKS, **dotted})


def with_budgets(scenario: Scenario, budgets: list[float | None]) -> Scenario:
    """The same market with a budget per day, in currency, for each campaign in turn."""
    tree = scenario.model_dump(mode="json")
    for advertiser, budget in zip(tree["demand"]["advertisers"], budgets, strict=True):
        advertiser["campaigns"][0]["budget_per_day"] = budget
    return Scenario.from_tree(tree)


def played(scenario: Scenario, policies: Any = None, seed: int = 0, journal: Path | None = None) -> World:
    """A world run to its end, with policies in the bid seat; without any, all bid their value."""
    world = World(scenario, {"bidding": policies} if policies is not None else None, seed=seed, journal=journal)
    world.run()
    return world


def spend(world: World, campaign: int | None = None) -> Floats:
    """Currency a request, shape (ticks,), of a campaign or of all."""
    money = world.ledger.spend()
    return (money.sum(axis=1) if campaign is None else money[:, campaign]) / world.ledger.requests()


def value(world: World, campaign: int | None = None) -> Floats:
    """True value won a request, shape (ticks,), of a campaign or of all."""
    worth = world.ledger.value()
    return (worth.sum(axis=1) if campaign is None else worth[:, campaign]) / world.ledger.requests()


def utility(world: World, campaign: int) -> Floats:
    """Value less spend a request, shape (ticks,)."""
    return value(world, campaign) - spend(world, campaign)


@contextmanager
def journal_folder() -> Iterator[Path]:
    """A folder for a journal that is thrown away afterwards."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def column(folder: Path, table: str, name: str) -> NDArray[Any]:
    """A column of a journal's table."""
    array: NDArray[Any] = pq.read_table(folder / f"{table}.parquet", columns=[name])[name].to_numpy()
    return array


def coin(request: NDArray[np.int64], salt: int) -> Floats:
    """A number in [0, 1) for each request, a hash of its number: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        x = (request.astype(np.uint64) + np.uint64(salt << 40)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**53
