"""Training with Stable-Baselines3, on one thread, with checkpoints: the same seed gives the same agent.

A run that was stopped and resumed gives the same agent, too, bit for bit, on the same machine with the same versions:
checkpoints are written between two rollouts and hold everything that the next one depends on.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from ... import __version__
from ...simulator.core.errors import PolicyError
from ..splits import check_training_days
from .checkpoint import Retraced, read_checkpoint, restore, save_checkpoint
from .extras import needed
from .saved import Actor, Card, load_agent, save_agent
from .settings import PPOSettings, Settings
from .shapes import features_of, made, size_of
from .stopping import deliver, postponed
from .validating import BEST, JUDGED, Validation

CHECKPOINT, AGENT = "checkpoint.pt", "agent.zip"
MINUTE_S = 60.0  # between two checkpoints, where no number of steps is given


def train(
    environment: str,
    settings: Settings,
    timesteps: int,
    seed: int,
    out: Path,
    *,
    environment_settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    fresh: bool = False,
    checkpoint_every: int | None = None,
    validations: int = 0,
    advance: Callable[[int, float | None], None] = lambda steps, mean_return: None,
    ended: Callable[[Mapping[str, Any]], None] = lambda info: None,
) -> Actor:
    """Trains an agent; writes `agent.zip`, `checkpoint.pt`, `progress-*.csv` and, with TensorBoard installed, `tensorboard/`.

    With validations also `best.zip`, the one of them that did best, and `validation.csv`.

    Args:
        environment: id of a Gymnasium environment with flat observations and actions from -1 to 1.
        settings: those of the algorithm, which they name.
        timesteps: steps to train for, rounded up to whole rollouts; when resuming, those before count.
        seed: of networks, exploration and the environments' draws.
        out: folder for the files.
        environment_settings: arguments of the environment, as JSON can hold them.
        resume: go on from the checkpoint in `out`, which must be of the same run; only `timesteps` may differ (and where the
            learning rate and exploration fall with them, the agent is then not that of one longer run).
        fresh: begin anew where `out` holds a run, which is deleted.
        checkpoint_every: steps between two checkpoints, at least; None: about a minute.
        validations: how often the agent is judged on the way, on validation days and without exploration; see `validating`.
        advance: called with the steps trained so far and the mean return of the latest 100 episodes (None before the first),
            often.
        ended: called with the last info of each episode, such as what was spent in it.

    Raises:
        PolicyError: if something is not allowed, or the folder holds another run, or none to resume.
        Stopped: a KeyboardInterrupt, on SIGINT and wherever SIGTERM does not end the process itself. Either leaves a checkpoint
            at the end of the rollout, from which a run that is resumed ends with the same agent; a second ends at once.
    """
    needed("training")
    _check(timesteps, seed, checkpoint_every, validations)
    arguments = dict(environment_settings or {})
    check_training_days(arguments)
    run = {
        "algorithm": settings.name, "settings": dataclasses.asdict(settings), "environment": environment,
        "environment_settings": arguments, "seed": seed, "version": __version__,
    }  # fmt: skip
    run = _as_json(run)
    held = _held(out, run, resume, fresh)
    with _one_thread():
        model = _model(settings, environment, arguments, seed)
        card = _card(run, model)
        if held is not None:
            restore(held, model)
        judge = Validation(out, card, validations, timesteps, model.num_timesteps) if validations else None
        if model.num_timesteps < timesteps:
            if fresh:
                _clear(out)
            with postponed() as signals:
                callbacks = _callbacks(settings, out, run, card, checkpoint_every, judge, advance, ended, signals)
                _learn(model, timesteps, out, callbacks, fresh=held is None)
                if judge is not None and not signals:
                    judge.judge(model)
                _keep(out, run, card, model)
            if signals:
                deliver(signals[0], model.num_timesteps, timesteps)
        model.get_env().close()
    return load_agent(out)


def _check(timesteps: int, seed: int, checkpoint_every: int | None, validations: int) -> None:
    every = 1 if checkpoint_every is None else checkpoint_every
    for name, value, least in (
        ("timesteps", timesteps, 1), ("seed", seed, 0), ("checkpoint_every", every, 1), ("validations", validations, 0),
    ):  # fmt: skip
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
            raise PolicyError(f"training needs a whole number from {least} up as {name}, not {value!r}")


def _as_json(run: dict[str, Any]) -> dict[str, Any]:
    try:
        again: dict[str, Any] = json.loads(json.dumps(run, allow_nan=False))
    except (TypeError, ValueError):
        raise PolicyError(
            "settings of an environment to train on are numbers, text and lists of them, so that an agent can carry them"
        ) from None
    return again


def _held(out: Path, run: dict[str, Any], resume: bool, fresh: bool) -> dict[str, Any] | None:
    """The checkpoint to go on from, if any."""
    if resume and fresh:
        raise PolicyError("a training goes on or begins anew: resume and fresh exclude each other")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyError(f"cannot write to {str(out)!r}: {error.strerror}") from None
    if not resume:
        if not fresh and any(path.stat().st_size for path in _files(out)):
            raise PolicyError(
                f"{str(out)!r} holds a training run: resume it, or name another folder, or begin anew"
                " (--resume, --out, --fresh)"
            )
        return None
    held = read_checkpoint(out / CHECKPOINT)
    before = json.loads(held["run"])
    for name, value in run.items():
        if before[name] != value:
            raise PolicyError(f"{str(out)!r} holds a run with {name} {before[name]!r}, which cannot go on with {value!r}")
    return held


def _files(out: Path) -> list[Path]:
    """What a run has left in its folder."""
    names = (CHECKPOINT, AGENT, BEST, JUDGED, "progress-*.csv", "tensorboard/events.out.tfevents.*")
    return sorted(path for name in names for path in out.glob(name))


def _clear(out: Path) -> None:
    for path in _files(out):
        path.unlink()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, whose sums differ in the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _model(settings: Settings, environment: str, arguments: Mapping[str, Any], seed: int) -> Any:
    from stable_baselines3.common.monitor import Monitor

    from .algorithms import new_model

    def one() -> gym.Env[Any, Any]:
        return Retraced(Monitor(made(environment, arguments)))

    first = made(environment, arguments)
    units = size_of(first) // len(features_of(first))
    first.close()
    return new_model(settings, one, units, seed)


def _card(run: Mapping[str, Any], model: Any) -> Card:
    env, seen = model.get_env().envs[0], model.observation_space
    names = features_of(env)
    return Card(
        **run,
        features=names,
        units=seen.shape[0] // len(names),
        observation_bounds=(float(seen.low.min()), float(seen.high.max())),
        actions=model.action_space.shape[0],
        timesteps=0,
    )


def _learn(model: Any, timesteps: int, out: Path, callbacks: list[Any], fresh: bool) -> None:
    """Trains up to a number of steps, or until it is halted between two rollouts, with the logs open."""
    _log(model, out)
    try:
        model.learn(timesteps - model.num_timesteps, callback=callbacks, reset_num_timesteps=fresh)
    except _Halted:
        pass
    finally:
        model.logger.close()


class _InOrder(list[str]):
    """Names of columns: those that join do so by their names, and not in the order of a set, which differs by process."""

    def extend(self, names: Iterable[str]) -> None:
        super().extend(sorted(names))


def _log(model: Any, out: Path) -> None:
    """Curves: a CSV for each start, since one that is resumed must not wipe what was written; TensorBoard if installed."""
    from stable_baselines3.common.logger import CSVOutputFormat, KVWriter, Logger, TensorBoardOutputFormat

    table = CSVOutputFormat(str(out / f"progress-{model.num_timesteps}.csv"))
    table.keys = _InOrder()
    writers: list[KVWriter] = [table]
    if has_tensorboard():
        writers.append(TensorBoardOutputFormat(str(out / "tensorboard")))
    model.set_logger(Logger(str(out), writers))


def has_tensorboard() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def _keep(out: Path, run: dict[str, Any], card: Card, model: Any) -> None:
    save_agent(out / AGENT, dataclasses.replace(card, timesteps=model.num_timesteps), model.policy)
    save_checkpoint(out / CHECKPOINT, run, model)


class _Halted(Exception):
    """Leaves Stable-Baselines3's loop between two rollouts, where no callback of its can."""


def _callbacks(
    settings: Settings, out: Path, run: dict[str, Any], card: Card, every: int | None, judge: Validation | None,
    advance: Callable[[int, float | None], None], ended: Callable[[Mapping[str, Any]], None], signals: Sequence[int],
) -> list[Any]:  # fmt: skip
    """One writes checkpoints between rollouts and tells how far training is; under PPO another sets the exploration."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Keeper(BaseCallback):
        kept, kept_at = -1, 0.0

        def _on_training_start(self) -> None:
            if self.num_timesteps:
                self.kept, self.kept_at = self.num_timesteps, time.monotonic()

        def _on_rollout_start(self) -> None:
            if signals:
                raise _Halted  # the checkpoint is written outside
            steps, now = self.model.num_timesteps, time.monotonic()
            if judge is not None and judge.is_due(steps):
                judge.judge(self.model)
            if self.kept < 0:  # so that a run can be resumed from its first step on; there is no agent yet
                save_checkpoint(out / CHECKPOINT, run, self.model)
            elif steps - self.kept >= every if every else now - self.kept_at >= MINUTE_S:
                _keep(out, run, card, self.model)
            else:
                return
            self.kept, self.kept_at = steps, time.monotonic()

        def _on_step(self) -> bool:
            for info in self.locals["infos"]:
                if "episode" in info:
                    ended(info)
            episodes = self.model.ep_info_buffer
            advance(self.model.num_timesteps, float(np.mean([one["r"] for one in episodes])) if episodes else None)
            return True

    if not isinstance(settings, PPOSettings):
        return [Keeper()]
    first, last = settings.log_std_init, settings.log_std_end

    class Quieter(BaseCallback):
        def _on_rollout_start(self) -> None:
            done = min(self.model.num_timesteps / self.model._total_timesteps, 1.0)
            noise: Any = self.model.policy.log_std
            noise.requires_grad_(False).fill_(first + (last - first) * done)

        def _on_step(self) -> bool:
            return True

    return [Keeper(), Quieter()]
