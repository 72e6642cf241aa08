"""What the serving layer may decide, in two forms: a depth for each tier, or its quotas level by level."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..seat import Policy
from .view import ComputeView


class Depth(NamedTuple):
    """How deep the funnel goes for requests of each tier, from 0 (cached ads) to 1 (the full quotas), until the next decision.

    `values` has shape (held,) or is one number. `steps` are what those get who have waited: (depth, seconds of wait from which
    on), falling and rising; as many as the scenario has levels below the full one, or fewer; None: its last level, where a
    ladder ends. `servers` is how many to order where autoscaling is on; None: no other than before.
    """

    values: Any
    steps: tuple[tuple[float, float], ...] | None = None
    servers: int | None = None


class Levels(NamedTuple):
    """The quotas themselves: `quotas` (held, L, 3), recall, rough and fine of each level, the full one first.

    `after_s` (held, L) are the waits from which on they hold, 0 for the first; None: the scenario's.
    """

    quotas: Any
    after_s: Any = None
    servers: int | None = None


Decision = Depth | Levels


class ComputePolicy(Policy[ComputeView, Decision]):
    """Base of those who allocate compute, asked every `serving.control_s`; the units they hold are traffic tiers."""

    seat = "compute"
