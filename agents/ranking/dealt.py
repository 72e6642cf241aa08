"""By eCPM, but in a share of the requests the ads exchange their click rates by lot: exploration of a known share.

A log of rankings by belief holds only what that belief has chosen. Whatever a model makes of it, of the other ads it knows
nothing; a share of requests in which every ad has had its chance tells of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...simulator.books.hashing import hashed
from ...simulator.core.arrays import Floats32, Integers
from ...simulator.delivery.models import Batch, Correction, RateModel, asked
from ...simulator.seats.ranking.decisions import Believe, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import LogUniform, Range, check_number
from .weighted import Weighted

WHOLE = 2.0**32  # hashes are below
PRIME = 1_000_003  # more than there are ads: a request and an ad have a number of their own


class Dealt:
    """Has for a share of the requests the ads exchange their click rates at random; see `Correction`.

    An ad then ranks by its bid and by what another ad would be clicked, so that rates, and with them prices, stay as they are
    altogether. Which request explores, and what it is dealt, is a function of its number: asked again, it is the same.

    Args:
        model: whose rates are dealt out; None: the platform's.
        share: of the requests.
        key: of the draws.
    """

    def __init__(self, model: RateModel | Correction | None, share: float, key: int) -> None:
        self._model, self._share, self._key = model, share, key
        if (method := getattr(model, "conversion_rates", None)) is not None:
            self.conversion_rates = method

    def explores(self, request: Integers) -> Any:
        """Whether requests (n,) explore, (n,)."""
        return hashed(f"explored {self._key}", request) < self._share * WHOLE

    def corrected(self, requests: Batch, ads: Integers, believed: Floats32) -> Floats32:
        """See `Correction`."""
        rates = believed if self._model is None else asked(self._model, requests, ads, lambda: believed)
        rows = np.flatnonzero(self.explores(requests.number))
        if not rows.size:
            return rates
        found, there = rates.copy(), np.broadcast_to(ads, rates.shape)[rows]
        pairs = requests.number[rows, None] * PRIME + there
        drawn = hashed(f"dealt {self._key}", pairs.reshape(-1)).reshape(pairs.shape)
        place = np.argsort(np.where(there >= 0, drawn, WHOLE), axis=1)  # by lot; -1 stays behind the last
        found[rows] = np.take_along_axis(rates[rows], place, axis=1)
        return found


@dataclass
class DealtRates(Weighted):
    """Ranks by eCPM; in a share of the requests the ads have exchanged their click rates at random."""

    SPACE: ClassVar[Mapping[str, Range]] = {**Weighted.SPACE, "share": LogUniform(0.001, 0.3)}

    share: float = 0.05  # of requests, from 0 to 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "share", least=0, most=1)

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self._key = int(dice.integers(1 << 62))

    def decide(self, view: RankingView) -> Weights | None:
        if (view.told.day, view.told.tick) != (0, 0):
            return None
        return Weights(self.squashing, self.cost, believe=Believe(Dealt(None, self.share, self._key)))
