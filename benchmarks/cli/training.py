"""The commands that train agents and evaluate them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...simulator.core.errors import MarketError
from . import terminal


def train(
    environment: Annotated[str, tyro.conf.Positional] = "AdArena/Bidding-v0",
    algo: Literal["ppo", "sac", "es", "pi"] = "ppo",
    timesteps: terminal.Amount = 200_000,
    seed: int = 0,
    seeds: tuple[int, ...] = (),
    out: Path = Path("out/train"),
    jobs: int = 1,
    ray: terminal.Ray = None,
    resume: bool = False,
    fresh: bool = False,
    checkpoint_every: terminal.AmountOrNone = None,
    validations: int = 5,
    env: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE ...")] = (),
    settings: terminal.Settings = (),
) -> None:
    """Trains an agent; `adarena bench bidding --policies pid agent:OUT` then compares it.

    Writes agent.zip (the last agent), best.zip (the best by validation days), checkpoints, learning curves as CSV, and for
    TensorBoard where that is installed. Ctrl-C and SIGTERM leave a checkpoint; a second one ends at once.

    Args:
        environment: a Gymnasium environment.
        algo: the algorithm.
        timesteps: how many steps, rounded up to whole rollouts.
        seed: of networks, exploration and the days that are met; the same seed gives the same agent.
        seeds: several of them instead: an agent for each, in OUT-SEED.
        out: folder for the files.
        jobs: processes that share several seeds.
        ray: share them on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        resume: go on from the last checkpoint in that folder.
        fresh: begin anew in a folder that holds a run, which is deleted.
        checkpoint_every: steps between two checkpoints; by default about a minute.
        validations: how often the agent is judged on the way, on validation days; the best of them is kept in best.zip.
        env: arguments of the environment, e.g. scenario=tiny reward=tcpa.
        settings: fields of the algorithm to change, e.g. learning_rate=0.001.
    """
    from .. import training
    from ..comparison.workers import hired

    terms = training.Terms(resume, fresh, checkpoint_every, validations)
    plan = training.planned(environment, algo, timesteps, seed, out, env, settings, terms)
    if not seeds:
        if jobs != 1 or ray is not None:
            raise MarketError("one training is not shared: name several seeds, as in --seeds 0 1 2")
        training.command(terminal.console, plan, terminal.resuming())
        return
    if seed:
        raise MarketError(f"one names a seed, or several: not both --seed {seed} and --seeds")
    with hired(jobs, ray) as crew:
        training.together(terminal.console, plan, seeds, crew, terminal.resuming())


def evaluate(
    agent: Annotated[str, tyro.conf.Positional],
    days: terminal.Amount = 20,
    scenario: str | None = None,
    split: Literal["validation", "test"] = "test",
    skip: int = 0,
    out: Path | None = None,
    settings: terminal.Settings = (),
) -> None:
    """Judges an agent on days that it has not learned from, beside the best classic of its suite and the suite's reference.

    Args:
        agent: its file or the folder of its training, agent:PATH, or zoo:NAME (`adarena list agents`).
        days: how many.
        scenario: a preset or a YAML file; by default what it was trained on.
        split: days to choose by, or days to test on.
        skip: how many of them to leave out first.
        out: a JSON file to write.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .. import evaluating

    if settings and scenario is None:
        raise MarketError("fields of a scenario are changed where one is named: --scenario NAME --set FIELD=VALUE")
    market = None if scenario is None else terminal.scenario(scenario, settings)
    name = agent.removeprefix("agent:")
    evaluating.command(terminal.console, name, market, days, split, skip, out, terminal.command_line())
