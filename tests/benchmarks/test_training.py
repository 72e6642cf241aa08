"""Agents of several seeds: each is the one that is trained alone, whoever trains it, and a run that was stopped goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from adarena.__main__ import main
from adarena.agents.learning.saved import load_agent
from adarena.benchmarks import training
from adarena.benchmarks.comparison.cluster import Cluster
from adarena.benchmarks.comparison.workers import HERE, Crew, Processes
from adarena.simulator import MarketError, PolicyError

SETTINGS = ("envs=2", "group=2", "n_steps=50", "batch_size=50")
STEPS, SEEDS = 200, (3, 5)


def plan(out: Path, seed: int = 0, resume: bool = False, steps: int = STEPS) -> training.Training:
    terms = training.Terms(resume, fresh=False, checkpoint_every=None)
    return training.planned("AdArena/Bidding-v0", "ppo", steps, seed, out, ("scenario=tiny",), SETTINGS, terms)


def weights(folder: Path) -> bytes:
    """Every number of an agent's networks."""
    state = load_agent(folder).policy.state_dict()
    return b"".join(state[name].numpy().tobytes() for name in sorted(state))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """What each seed's agent is if it is trained by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for seed in SEEDS:
        training.command(Console(quiet=True), plan(folder / str(seed), seed), "")
    found = {seed: weights(folder / str(seed)) for seed in SEEDS}
    assert found[3] != found[5]
    return found


def agents(out: Path, crew: Crew, resume: bool = False) -> dict[int, bytes]:
    training.together(Console(quiet=True), plan(out, resume=resume), SEEDS, crew, "")
    return {seed: weights(Path(f"{out}-{seed}")) for seed in SEEDS}


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_seed_is_as_if_alone(jobs: int, alone: dict[int, bytes], tmp_path: Path) -> None:
    assert agents(tmp_path / "run", Processes(jobs)) == alone


def test_so_it_is_on_workers_of_ray(cluster: Cluster, alone: dict[int, bytes], tmp_path: Path) -> None:
    assert agents(tmp_path / "run", cluster) == alone


def test_a_seed_that_was_stopped_goes_on_and_one_that_had_not_begun_begins(alone: dict[int, bytes], tmp_path: Path) -> None:
    training.trained(plan(tmp_path / "run-3", 3, steps=100))
    whole = agents(tmp_path / "run", HERE, resume=True)
    assert whole[5] == alone[5]
    assert load_agent(tmp_path / "run-3").card.timesteps == STEPS


def test_what_cannot_be_trained_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MarketError, match="each seed is trained once, unlike 1 1"):
        training.together(Console(quiet=True), plan(tmp_path / "run"), (1, 1), HERE, "")
    with pytest.raises(PolicyError, match="as seed, not -1"):
        training.together(Console(quiet=True), plan(tmp_path / "run"), (-1, 1), Processes(2), "")
    monkeypatch.chdir(tmp_path)
    for words, said in (
        (["--jobs", "2"], "one training is not shared"),
        (["--seed", "1", "--seeds", "2", "3"], "not both --seed 1 and --seeds"),
    ):
        monkeypatch.setattr(sys, "argv", ["adarena", "train", *words])
        with pytest.raises(SystemExit):
            main()
        assert said in capsys.readouterr().err
