"""What hyper-parameters of policies may be, refused in one sentence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from ..simulator.core.errors import PolicyError


def check_number(
    policy: object, field: str, least: float = -math.inf, above: float = -math.inf, most: float = math.inf
) -> None:
    """Refuses a field that is not a finite number, below `least`, not above `above`, beyond `most`. Raises `PolicyError`."""
    value = getattr(policy, field)
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if number and least <= value <= most and value > above:
        return
    allowed = "a finite number"
    if least > -math.inf:
        allowed += f" from {least:g} up"
    if above > -math.inf:
        allowed += f" above {above:g}"
    if most < math.inf:
        allowed += f" up to {most:g}"
    raise PolicyError(f"{type(policy).__name__} needs {allowed} as {field}, not {value!r}")


def check_switch(policy: object, field: str) -> None:
    """Refuses a field that is neither True nor False. Raises `PolicyError`."""
    value = getattr(policy, field)
    if not isinstance(value, bool):
        raise PolicyError(f"{type(policy).__name__} needs True or False as {field}, not {value!r}")


def check_whole(policy: object, field: str, least: int) -> None:
    """Refuses a field that is not a whole number, or is below `least`. Raises `PolicyError`."""
    value = getattr(policy, field)
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise PolicyError(f"{type(policy).__name__} needs a whole number from {least} up as {field}, not {value!r}")


class Uniform(NamedTuple):
    """Every value from `low` to `high` is as likely as any other."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The value below which a `share` in [0, 1] of all draws lies."""
        return self.low + share * (self.high - self.low)


class LogUniform(NamedTuple):
    """The logarithm is uniform: as likely between 1 and 2 as between 2 and 4. Both ends above 0."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The value below which a `share` in [0, 1] of all draws lies."""
        return self.low * math.exp(share * math.log(self.high / self.low))


class Choice(NamedTuple):
    """One of several values, each as likely as any other."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value a `share` in [0, 1] falls on."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Range = Uniform | LogUniform | Choice


def space_of(policy: object) -> Mapping[str, Range]:
    """The search space its class declares as `SPACE`; empty if none. Raises `PolicyError` if it names what is no field."""
    kind = type(policy)
    space: Mapping[str, Range] = getattr(kind, "SPACE", {})
    if not space:
        return {}
    fields = {f.name for f in dataclasses.fields(kind) if f.init} if dataclasses.is_dataclass(kind) else set[str]()
    for field, span in space.items():
        if field not in fields:
            raise PolicyError(f"{kind.__name__}.SPACE names {field!r}, which is no field of the dataclass")
        if not isinstance(span, (Uniform, LogUniform, Choice)):
            raise PolicyError(f"{kind.__name__}.SPACE gives {field!r} {span!r}, which is no Uniform, LogUniform or Choice")
    return space
