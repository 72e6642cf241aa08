"""By what the ranks of bids are weighted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats32, Integers


class Ranking(NamedTuple):
    """Rank = bid x (believed click rate) ^ (squashing - 1) x quality (Lahaie & Pennock 2007)."""

    squashing: float
    quality: Floats32  # (K,) above 0

    def is_as(self, other: Ranking) -> bool:
        """Whether ranks are the same."""
        return self.squashing == other.squashing and np.array_equal(self.quality, other.quality)

    def weigh(self, rate: Floats32, who: Integers, weight: Floats32) -> None:
        """Fills in the weights of ranks of campaigns `who` in these rows, or with (0, .) rows are campaigns, at click rates."""
        found = rate > 0  # else a candidate's place is empty, or nothing is squashed
        np.power(rate, np.float32(self.squashing - 1), out=weight, where=found)
        np.copyto(weight, np.float32(1), where=~found)
        if (self.quality != 1).any():
            weight *= self.quality[who] if who.size else self.quality[:, None]
