"""What `adarena train` does: from texts on a command line to an agent in a folder, and what it says meanwhile."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from .. import ENVIRONMENTS
from ..agents.learning.learned import environment_class
from ..agents.learning.settings import make_settings, parsed
from ..agents.learning.stopping import Stopped
from ..agents.learning.training import has_tensorboard, train
from .output.progress import training
from .output.stopping import Terminated


class Terms(NamedTuple):
    """How a run begins, and how it is kept."""

    seed: int
    resume: bool
    fresh: bool
    checkpoint_every: int | None  # steps
    again: str  # the command line that goes on with it


def command(
    console: Console, environment: str, algorithm: str, timesteps: int, out: Path, arguments: tuple[str, ...],
    settings: tuple[str, ...], terms: Terms,
) -> None:  # fmt: skip
    """Trains an agent, tells how far it is, and names the command that compares it."""
    chosen, given = make_settings(algorithm, parsed(settings), environment), parsed(arguments)
    try:
        with training(algorithm, timesteps) as advance:
            agent = train(
                environment, chosen, timesteps, terms.seed, out, environment_settings=given, resume=terms.resume,
                fresh=terms.fresh, checkpoint_every=terms.checkpoint_every, advance=advance,
            )  # fmt: skip
    except Stopped as stop:
        kind = Terminated if stop.signal_number == signal.SIGTERM else KeyboardInterrupt
        raise kind(f"stopped at {stop.steps:,} of {stop.timesteps:,} steps; go on with: {terms.again}") from None
    curves = "progress-*.csv and tensorboard" if has_tensorboard() else "progress-*.csv (TensorBoard is not installed)"
    console.print(f"trained for {agent.card.timesteps:,} steps: {out / 'agent.zip'}; curves: {curves}", soft_wrap=True)
    if environment in ENVIRONMENTS:
        suite = environment_class(environment, str(out)).seat
        market = ("--scenario", str(given["scenario"])) if "scenario" in given else ()
        told = shlex.join(["adarena", "bench", suite, "--policies", "pid", f"agent:{out}", *market])
        console.print(f"compare it: {told}", soft_wrap=True, markup=False, highlight=False)
