"""What `adarena train` does: from texts on a command line to agents in folders, and what it says meanwhile."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from .. import ENVIRONMENTS
from ..agents.learning.learned import environment_class
from ..agents.learning.settings import Settings, make_settings, parsed
from ..agents.learning.stopping import Stopped
from ..agents.learning.training import CHECKPOINT, has_tensorboard, train
from ..agents.learning.validating import BEST, read
from ..simulator.core.errors import MarketError
from .comparison.workers import Crew
from .learning_curve import Beside, table
from .output.progress import progress, training
from .output.stopping import Terminated
from .suites import suite


class Terms(NamedTuple):
    """How a run begins, and how it is kept."""

    resume: bool
    fresh: bool
    checkpoint_every: int | None  # steps
    validations: int = 0


class Training(NamedTuple):
    """An agent to be trained."""

    environment: str
    settings: Settings
    timesteps: int
    seed: int
    out: Path
    environment_settings: dict[str, Any]
    resume: bool
    fresh: bool
    checkpoint_every: int | None
    validations: int


def planned(
    environment: str, algorithm: str, timesteps: int, seed: int, out: Path, arguments: tuple[str, ...],
    settings: tuple[str, ...], terms: Terms,
) -> Training:  # fmt: skip
    """The training that a command line asks for."""
    chosen, given = make_settings(algorithm, parsed(settings), environment), parsed(arguments)
    times = terms.validations if environment in ENVIRONMENTS else 0
    return Training(environment, chosen, timesteps, seed, out, given, terms.resume, terms.fresh, terms.checkpoint_every, times)


def command(console: Console, plan: Training, again: str) -> None:
    """Trains an agent, tells how far it is, and names the command that compares it. `again` is the one that goes on with it."""
    try:
        beside = Beside()
        with training(plan.settings.name, plan.timesteps) as tell:
            agent = train(**plan._asdict(), advance=lambda n, gained: tell(n, gained, beside.text), ended=beside.ended)
        steps = agent.card.timesteps
    except Stopped as stop:
        raise _kind(stop)(f"stopped at {stop.steps:,} of {stop.timesteps:,} steps; go on with: {again}") from None
    rounded = f" ({plan.timesteps:,} and what was left of a rollout)" if steps > plan.timesteps else ""
    console.print(f"trained for {steps:,} steps{rounded}: {plan.out / 'agent.zip'}; curves: {_curves()}", soft_wrap=True)
    if plan.environment in ENVIRONMENTS:
        console.print(table(plan.out, plan.environment, plan.environment_settings))
    if judged := read(plan.out):
        best = max(judged, key=lambda one: one.mean_return)
        last = judged[-1]
        there = f"has {best.mean_return:,.3f} after {best.steps:,} steps, the last agent {last.mean_return:,.3f}"
        what = "is the last agent" if best.steps == last.steps else there
        told = f"{plan.out / BEST}, the best of {len(judged)} looks on the way at those episodes, {what}"
        console.print(told, soft_wrap=True, highlight=False)
    _compare(console, plan, str(plan.out), f"agent:{plan.out}")


def together(console: Console, plan: Training, seeds: Sequence[int], crew: Crew, again: str) -> None:
    """Trains an agent for each seed, as `command` would, in folders OUT-SEED; names the command that compares their mean.

    With `resume`, a seed that had not begun begins.

    Raises:
        MarketError: if a seed is named twice.
    """
    if len(set(seeds)) < len(seeds):
        raise MarketError(f"each seed is trained once, unlike {' '.join(map(str, seeds))}")
    plans = [_of_seed(plan, seed) for seed in seeds]
    try:
        with progress(f"{plan.settings.name}, trainings", len(plans)) as advance:
            for place, steps in crew.results(trained, plans):
                console.print(f"seed {seeds[place]}: {steps:,} steps, {plans[place].out / 'agent.zip'}", soft_wrap=True)
                advance()
    except KeyboardInterrupt as stop:
        raise _kind(stop)(f"stopped; go on with: {again}") from None
    console.print(f"curves: {_curves()}", soft_wrap=True)
    _compare(console, plan, str(plans[0].out), f"{plan.settings.name}=" + "+".join(f"agent:{one.out}" for one in plans))


def trained(plan: Training) -> int:
    """Trains an agent, in whatever process; returns its steps."""
    return train(**plan._asdict()).card.timesteps


def _of_seed(plan: Training, seed: int) -> Training:
    out = Path(f"{plan.out}-{seed}")
    return plan._replace(seed=seed, out=out, resume=plan.resume and (out / CHECKPOINT).exists())


def _kind(stop: KeyboardInterrupt) -> type[KeyboardInterrupt]:
    """What a stop counts as: SIGTERM or Ctrl-C."""
    ended = stop.signal_number == signal.SIGTERM if isinstance(stop, Stopped) else isinstance(stop, Terminated)
    return Terminated if ended else KeyboardInterrupt


def _curves() -> str:
    """Where learning curves are."""
    return "progress-*.csv and tensorboard" if has_tensorboard() else "progress-*.csv (TensorBoard is not installed)"


def _compare(console: Console, plan: Training, folder: str, policy: str) -> None:
    """Names the command that compares an agent with others, where there is a suite for it."""
    if plan.environment not in ENVIRONMENTS:
        return
    kind, given = environment_class(plan.environment, folder), plan.environment_settings
    name = kind.suite or kind.seat
    market = ("--scenario", str(given["scenario"])) if "scenario" in given else ()
    judged = shlex.join(["adarena", "evaluate", folder])
    console.print(f"judge it beside the best classic: {judged}", soft_wrap=True, highlight=False)
    told = shlex.join(["adarena", "bench", name, "--policies", suite(name).tuned[0], policy, *market])
    console.print(f"compare it: {told}", soft_wrap=True, highlight=False)
