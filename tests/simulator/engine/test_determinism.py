"""Same scenario, seed and policies: same bytes, in one process and in another; other policies: the same luck."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from places import ROOT
from players import Reacting, policies

from adarena.simulator import Scenario, World

SCRIPT = """
import sys, hashlib
sys.path[:0] = {paths!r}
from test_determinism import bytes_of
print(bytes_of(sys.argv[1], sys.argv[2]))
"""


def run(engine: str, journal: Path | str | None = None, seed: int = 5, kinds: str = "mcr-X-") -> World:
    """A day of `tiny` with bidders of all forms."""
    scenario = Scenario.preset("tiny").override({"traffic.requests_per_day": 4000})
    world = World(scenario, {"bidding": policies(kinds)}, seed, engine, journal)  # type: ignore[arg-type]
    world.run()
    return world


def bytes_of(engine: str, journal: str) -> str:
    """A digest of the books and of the contents of the journal."""
    world, digest = run(engine, journal), hashlib.blake2b()
    ledger = world.ledger
    for array in (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price):
        digest.update(array.tobytes())
    for name in ("requests", "impressions", "truth", "events"):
        table = pq.read_table(Path(journal) / f"{name}.parquet")
        for column in table.columns:
            digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()


def test_same_seed_same_bytes_in_one_process_and_in_others(tmp_path: Path) -> None:
    """Hash seeds and thread counts of the environment must not matter, nor which engine plays."""
    here = bytes_of("compiled", str(tmp_path / "here"))
    assert bytes_of("compiled", str(tmp_path / "again")) == here
    assert bytes_of("events", str(tmp_path / "events")) == here
    script = SCRIPT.format(paths=[str(Path(__file__).parent), str(ROOT / ".typings"), str(ROOT / "tests" / "support")])
    for number, threads in enumerate(("1", "2")):
        environment = {
            **os.environ, "PYTHONHASHSEED": str(number + 1), "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }  # fmt: skip
        command = [sys.executable, "-c", script, "compiled", str(tmp_path / f"process-{number}")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == here


def test_other_seeds_give_other_days() -> None:
    days = [run("compiled", seed=seed).ledger for seed in (5, 6)]
    assert (days[0].counts != days[1].counts).any()
    assert (days[0].counts.sum(axis=0) != days[1].counts.sum(axis=0)).any()


def test_a_world_leaves_no_trace_in_the_next() -> None:
    """The market is built once and shared: what one world does to bids and budgets is not seen in another."""
    before = run("compiled").ledger
    other = World(run("compiled").scenario, seed=9)
    for k in range(6):
        other.set_budget(k, 0.5)
        other.scale_value(k, 3.0)
    other.surge(2.0)
    other.run()
    np.testing.assert_array_equal(before.counts, run("compiled").ledger.counts)


@pytest.mark.parametrize("kinds", ["cccccc", "rrrrrr", "m-m-m-"])
def test_policies_under_one_seed_meet_the_same_requests_and_luck(kinds: str, tmp_path: Path) -> None:
    """Common random numbers: the requests are equal, and where both show an ad to a request, so is all that follows."""
    run("compiled", tmp_path / "one", kinds="------")
    run("compiled", tmp_path / "two", kinds=kinds)
    one, two = (pq.read_table(tmp_path / name / "requests.parquet") for name in ("one", "two"))
    assert one.equals(two)
    assert one.num_rows > 2000
    shown = [pq.read_table(tmp_path / name / "impressions.parquet").to_pandas() for name in ("one", "two")]
    both = shown[0].merge(shown[1], on=["request", "ad"], suffixes=("_one", "_two"))
    assert len(both) > 300
    for name in ("time_us", "user", "campaign", "believed_rate", "clicked", "converted", "report_us"):
        assert (both[f"{name}_one"] == both[f"{name}_two"]).all()
    assert both["clicked_one"].sum() > 10
    assert (both["slot_one"] != both["slot_two"]).any()
    assert len(shown[0].merge(shown[1], on=["request", "ad", "slot"])) < len(shown[0])  # the policies do differ


def test_a_policy_seated_again_forgets() -> None:
    """One object in two worlds, one after the other, decides as a fresh one does: `start` is called, with the same dice."""
    policy = Reacting()
    scenario = Scenario.preset("tiny")
    books = []
    for _ in range(2):
        world = World(scenario, {"bidding": policy}, seed=2)
        world.run()
        books.append(world.ledger.multiplier.copy())
    np.testing.assert_array_equal(books[0], books[1])
