"""What markets are worth to the last bit, from change to change: digests of small ones of every kind, as they were.

Sums of floats depend on the processor and on BLAS, so digests are kept by machine; on another one the test skips. Whoever
changes a market on purpose writes them anew: `python tests/simulator/test_same_bytes.py`, with `.typings` on the path.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import simpy

from adarena.agents.bidding import PID
from adarena.benchmarks.comparison.store import surroundings
from adarena.envs.allocation import AllocationEnv
from adarena.envs.auction import AuctionEnv
from adarena.envs.base import SeatEnv
from adarena.envs.bidding import BiddingEnv
from adarena.envs.compute import ComputeEnv
from adarena.envs.creative import CreativeEnv
from adarena.envs.lane_env import LaneEnv
from adarena.envs.market import MarketEnv
from adarena.envs.pacing import PacingEnv
from adarena.simulator import BidPolicy, ChunkBids, Logs, RequestRule, Scenario, World, rule

KEPT = Path(__file__).with_name("digests.json")
MACHINE = ", ".join(surroundings())
FEED = {
    "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
    "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}, {"recall": 0, "rough": 0, "fine": 4, "after_wait_s": 0.2}],
    "serving.servers": 2, "serving.service_s": 20.0, "serving.deadline_s": 60.0, "rates.click_rate": 0.02,
}  # fmt: skip
SINCE = ("charges", "campaigns", "ads", "creatives")  # files of a journal that there were not when digests were kept
FEW = {"days": 3, "users.count": 80, "traffic.requests_per_day": 900}
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "bidding": ("bidding-small", {"traffic.requests_per_day": 3000}),
    "targets": ("bidding-tcpa", {"traffic.requests_per_day": 3000}),
    "vcg": ("uniform", {"traffic.requests_per_day": 3000, "auction.pricing": "vcg", "auction.slots": 2,
                        "auction.exposure": [1.0, 0.6]}),
    "queue": ("queue", {"traffic.requests_per_day": 3000}),
    "feed": ("feed", FEED),
    "search": (
        "search",
        {
            "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
            "search.queries": 1000, "serving.servers": 2, "serving.service_s": 20.0, "serving.deadline_s": 60.0,
            "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}], "rates.click_rate": 0.02,
        },
    ),
    "leads": ("leads", {"days": 2, "traffic.requests_per_day": 2000}),
    "pages": (
        "allocation-small",
        {"days": 2, "users.count": 80, "traffic.requests_per_day": 900, "demand.campaigns": 8, "demand.budget_share": 0.3},
    ),
    "everything": (
        "tiny",
        {
            "days": 2, "creatives": {}, "fatigue": {}, "sessions": {"mean_requests": 4.0}, "demand.frequency_cap": 3,
            "response.organic": {"rate": 0.01, "slope": 0.5}, "response.attribution_days": 7.0, "auction.squashing": 0.7,
            "demand.billing": "cpa",
        },
    ),
}  # fmt: skip


@rule
def halving(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Every other bid is half of what it could be."""
    state[0] += 1.0
    return state[1] * rate * (1.0 if state[0] % 2 < 1 else 0.5)


class ByRule(BidPolicy):
    def decide(self, view: Any) -> Any:
        if view.tick:
            return None
        return RequestRule(halving, np.column_stack([np.zeros_like(view.target), view.target * 0.6e6]))


class ByBlock(BidPolicy):
    def decide(self, view: Any) -> Any:
        return ChunkBids(lambda requests: requests.rate * 50.0 * (1 + requests.number % 3))


def add(digest: Any, value: Any) -> None:
    """Adds an array with its type and shape, or anything else as Python writes it."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    else:
        digest.update(repr(value.tolist() if isinstance(value, np.ndarray) else value).encode())


def shocks(world: World) -> Generator[simpy.Event, Any, None]:
    """What users do in mid-run."""
    yield world.at(days=0.4, seconds=13e-6)
    world.surge(2.0)
    world.scale_value(len(world.campaigns.names) - 1, 1.3)
    world.top_up(0, 5.0)
    if world.serving is not None:
        world.fail_servers(1)


def played(scenario: Scenario, engine: Any, folder: str) -> str:
    """The digest of all books and logs of a run."""
    world = World(scenario, {"bidding": PID()}, 7, engine, Logs(folder, features=True))
    world.process(shocks(world))
    world.run()
    digest, ledger = hashlib.blake2b(digest_size=8), world.ledger
    for array in (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price):
        add(digest, array)
    for name, books in sorted(world.books.items()):
        frame = books.to_frame()
        for column in sorted(frame.columns):
            add(digest, f"{name}.{column}")
            add(digest, np.asarray(frame[column]))
    for path in sorted(path for path in Path(folder).glob("*.parquet") if path.stem not in SINCE):
        table = pq.read_table(path)
        for column in sorted(table.column_names):
            add(digest, (path.name, column, table[column].to_pylist()))
    return digest.hexdigest()


def market(name: str) -> str:
    """A market's digest, the same by both engines."""
    preset, changes = CHANGES[name]
    found = set()
    for engine in ("compiled", "events"):
        with tempfile.TemporaryDirectory() as folder:
            found.add(played(Scenario.preset(preset).override(changes), engine, folder))
    assert len(found) == 1, "the engines differ"
    return found.pop()


def by_request() -> str:
    """The books of bids by rule and by block."""
    world = World(Scenario.preset("tiny"), {"bidding": {0: ByRule(), 1: PID(), 2: ByBlock()}}, 7)
    world.run()
    digest = hashlib.blake2b(digest_size=8)
    add(digest, world.ledger.counts)
    add(digest, world.ledger.sums)
    return digest.hexdigest()


def lived(env: SeatEnv | LaneEnv, options: Mapping[str, Any] | None = None) -> str:
    """Observations, rewards and infos of three days of random actions; options hold from the second on."""
    digest, dice = hashlib.blake2b(digest_size=8), np.random.default_rng(0)
    for seed in range(3):
        observation, _ = env.reset(seed=seed, options=dict(options) if options and seed else None)
        add(digest, observation)
        over = False
        while not over:
            action = dice.uniform(-1, 1, env.action_space.shape).astype(np.float32)
            observation, reward, over, _, info = env.step(action)
            told = [(name, item.tolist() if isinstance(item, np.ndarray) else item) for name, item in sorted(info.items())]
            for value in (observation, float(reward), told):
                add(digest, value)
    return digest.hexdigest()


KINDS = {
    **{name: lambda name=name: market(name) for name in CHANGES}, "by request": by_request,
    "environment": lambda: lived(BiddingEnv("tiny", reward="tcpa"), {"budget_scale": 0.5}),
    "compute": lambda: lived(ComputeEnv(Scenario.preset("compute-small").override({"traffic.requests_per_day": 4000}))),
    "pacing": lambda: lived(PacingEnv("tiny", base="joint_mpc:size=64,rounds=2")),
    "auction": lambda: lived(AuctionEnv(Scenario.preset("auction-small").override({"traffic.requests_per_day": 4000}))),
    "market": lambda: lived(MarketEnv("tiny")),
    "allocation": lambda: lived(AllocationEnv(Scenario.preset("allocation-small").override(FEW))),
    "creative": lambda: lived(CreativeEnv(Scenario.preset("creative-small").override({"traffic.requests_per_day": 4000}))),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_it_was(kind: str) -> None:
    kept = json.loads(KEPT.read_text()).get(MACHINE, {})
    if kind not in kept:
        pytest.skip("no digest is kept of this kind, on this processor with these versions of NumPy and Numba")
    assert KINDS[kind]() == kept[kind]


if __name__ == "__main__":
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known[MACHINE] = {kind: make() for kind, make in KINDS.items()}
    KEPT.write_text(json.dumps(known, indent=2) + "\n")
    sys.stdout.write(f"written: {KEPT}\n")
