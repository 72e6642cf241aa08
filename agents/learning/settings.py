"""Hyper-parameters of the algorithms: what they mean, a dataclass each; their values are in `settings.yaml`, by environment."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from ...simulator.core.errors import PolicyError, suggest
from ...simulator.core.yaml_text import read_settings, read_yaml


@dataclass(frozen=True)
class PPOSettings:
    """Proximal policy optimisation (Schulman et al. 2017), as in Stable-Baselines3."""

    name: ClassVar[str] = "ppo"

    envs: int  # environments stepped in turn
    group: int  # of them live through the same days, and learn from what one gains over the others (see `groups`)
    relative: bool  # what is gained counts as a share of what the group gains in that episode: poor days as much as rich ones
    n_steps: int  # of each environment between two updates
    batch_size: int
    n_epochs: int  # passes over what was collected
    learning_rate: float  # at first; it falls in a straight line to 0 at the last step
    gamma: float
    gae_lambda: float
    ent_coef: float
    log_std_init: float  # exploration at first; then it shrinks in a straight line
    log_std_end: float  # to this
    width: int  # of each of two hidden layers
    shared: bool  # one network for all units, each by its own row, not one for all together
    each: bool  # each unit is a learner of its own, by its own row and reward (see `units`); a step is that of one unit

    def __post_init__(self) -> None:
        _check(self, may_be_zero=("gamma", "gae_lambda", "ent_coef", "log_std_init", "log_std_end"))
        if not self.each:
            self.check_batches(1)
        elif self.shared:
            raise PolicyError("ppo learns for each unit by itself, or for all together by a shared network: not both")
        if self.envs % self.group:
            raise PolicyError(f"ppo needs a group that divides envs = {self.envs}, not {self.group}")

    def check_batches(self, learners: int) -> None:
        """Raises `PolicyError` unless whole batches make up what so many learners in each environment collect."""
        rollout, times = self.envs * self.n_steps * learners, " x units" if self.each else ""
        if rollout % self.batch_size:
            raise PolicyError(f"ppo needs a batch_size that divides envs x n_steps{times} = {rollout}, not {self.batch_size}")


@dataclass(frozen=True)
class SACSettings:
    """Soft actor-critic (Haarnoja et al. 2018) with a fixed temperature, as in Stable-Baselines3."""

    name: ClassVar[str] = "sac"

    envs: int
    buffer_size: int  # transitions
    learning_starts: int  # steps of random actions before the first update
    train_freq: int  # steps of each environment between two rounds of updates
    gradient_steps: int  # in a round
    batch_size: int
    learning_rate: float
    gamma: float
    tau: float  # of the target networks' moving average
    ent_coef: float  # temperature
    width: int  # of each of two hidden layers

    def __post_init__(self) -> None:
        _check(self, may_be_zero=("learning_starts", "ent_coef"))


@dataclass(frozen=True)
class ESSettings:
    """Evolution strategies (Salimans et al. 2017) over policies that are shared between units; see `evolution`."""

    name: ClassVar[str] = "es"

    envs: int  # members of a generation, two and two alike but for their sign; all live through the same days
    episodes: int  # days of a generation
    sigma: float  # of the perturbations, by which members differ from the policy
    learning_rate: float  # at first; it falls in a straight line to 0 at the last step
    width: int  # of each of two hidden layers; 0: none, what is done is linear in what is seen, up to a tanh

    def __post_init__(self) -> None:
        _check(self, may_be_zero=("width",))
        if self.envs % 2:
            raise PolicyError(f"es needs an even number of envs, since members come in pairs, not {self.envs}")


@dataclass(frozen=True)
class PISettings:
    """Policy iteration on the value after a page, for users side by side; see `page_values`."""

    name: ClassVar[str] = "pi"

    envs: int  # users side by side
    n_steps: int  # pages of each between two fits
    batch_size: int
    n_epochs: int  # passes over what was collected
    learning_rate: float  # at first; it falls in a straight line to 0 at the last step
    gae_lambda: float  # of what comes later, the share that is played and not estimated, page by page
    heat_init: float  # of the softmax by which patterns are drawn, in usual pages, at first; then it cools in a straight line
    heat_end: float  # to this
    width: int  # of each of two hidden layers

    def __post_init__(self) -> None:
        _check(self, may_be_zero=("gae_lambda",))


Settings = PPOSettings | SACSettings | ESSettings | PISettings
ALGORITHMS: dict[str, type[Settings]] = {kind.name: kind for kind in (PPOSettings, SACSettings, ESSettings, PISettings)}
DEFAULT = "default"  # the entry of every environment
SHARES = ("gamma", "gae_lambda", "tau")


def make_settings(algorithm: str, changes: Mapping[str, Any], environment: str = DEFAULT) -> Settings:
    """The settings of an algorithm for an environment, by its id, with some fields changed.

    Raises:
        PolicyError: if there is no such algorithm or field, or a value is not allowed.
    """
    if algorithm not in ALGORITHMS:
        raise PolicyError(f"there is no algorithm {algorithm!r}{suggest(algorithm, ALGORITHMS)}")
    kind = ALGORITHMS[algorithm]
    fields = [field.name for field in dataclasses.fields(kind)]
    for name in changes:
        if name not in fields:
            raise PolicyError(f"{algorithm} has no setting {name!r}{suggest(name, fields)}")
    whole = {field.name for field in dataclasses.fields(kind) if field.type == "int"}
    known = _known()
    given = {**known[DEFAULT][algorithm], **known.get(environment, {}).get(algorithm, {}), **changes}
    return kind(**{name: _counted(value) if name in whole else value for name, value in given.items()})


@cache
def _known() -> Mapping[str, Any]:
    """What `settings.yaml` holds: by environment, then by algorithm."""
    known: Mapping[str, Any] = read_yaml(files(__package__).joinpath("settings.yaml").read_bytes())
    return known


def _counted(value: Any) -> Any:
    """1e6 as the whole number that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check(settings: Settings, may_be_zero: Sequence[str]) -> None:
    """Raises `PolicyError` for a field that is not a number of its type, or out of its range."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.type == "bool":
            if not isinstance(value, bool):
                raise PolicyError(f"{settings.name} needs true or false as {field.name}, not {value!r}")
            continue
        whole = field.type == "int"
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and math.isfinite(value)
        low = -math.inf if field.name.startswith("log_std") else 0
        high = 1 if field.name in SHARES else math.inf
        if not number or not low <= value <= high or (value == 0 and field.name not in may_be_zero):
            kind = "a whole number" if whole else "a finite number"
            least = "" if low < 0 else " from 0" if field.name in may_be_zero else " above 0"
            most = " up to 1" if field.name in SHARES else ""
            raise PolicyError(f"{settings.name} needs {kind}{least}{most} as {field.name}, not {value!r}")


def parsed(changes: Sequence[str]) -> dict[str, Any]:
    """Settings from the command line, FIELD=VALUE each, with values as `read_value` reads them.

    Raises:
        PolicyError: for other forms, and for a field that is set twice.
    """
    try:
        return read_settings(changes, "FIELD=VALUE,", str.isidentifier)
    except ValueError as error:
        raise PolicyError(str(error)) from None
