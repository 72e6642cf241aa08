"""How users bear ads: whose patience is short, and what the platform knows of that beforehand."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats
from ..core.chance import Stream, generator
from ..scenario.people import Patience


class Temper(NamedTuple):
    """How U users differ."""

    rate: Floats  # (U,) their own leave_rate over the mean one
    hint: Floats  # (U,) what is known of its log beforehand, standard normal; (0,): nothing


def new_temper(settings: Patience | None, users: int, market_seed: int) -> Temper | None:
    """The users' tempers, a function of `market_seed`; None where all are alike."""
    if settings is None:
        return None
    dice = generator(market_seed, Stream.PATIENCE)
    own, other = dice.standard_normal((2, users))
    hint = settings.hint * own + math.sqrt(1 - settings.hint**2) * other
    return Temper(np.exp(settings.sigma * own - settings.sigma**2 / 2), hint)
