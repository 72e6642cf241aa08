"""What hyper-parameters of bidders may be, refused in one sentence."""

from __future__ import annotations

import math
from numbers import Integral, Real

from ...simulator.errors import PolicyError


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
