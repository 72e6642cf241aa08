"""By what the ranks of bids are weighted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats32, Integers

NO_BONUS = np.empty(0, np.float32)
NO_BONUS.flags.writeable = False


class Ranking(NamedTuple):
    """Rank = bid x (believed click rate) ^ (squashing - 1) x quality x bonus (Lahaie & Pennock 2007)."""

    squashing: float
    quality: Floats32  # (K,) above 0
    bonus: Floats32 = NO_BONUS  # (A,) of ads, above 0; (0,): all are 1

    def is_as(self, other: Ranking) -> bool:
        """Whether ranks are the same."""
        same = self.squashing == other.squashing and np.array_equal(self.quality, other.quality)
        return same and np.array_equal(self.bonus, other.bonus)

    def weigh(self, rate: Floats32, who: Integers, ad: Integers, weight: Floats32) -> None:
        """Fills in the weights of ranks of campaigns `who` with their ads `ad` in these rows, at click rates.

        Without campaigns, (0, .), rows are campaigns, and without ads the ads.
        """
        found = rate > 0  # else a candidate's place is empty, or nothing is squashed
        np.power(rate, np.float32(self.squashing - 1), out=weight, where=found)
        np.copyto(weight, np.float32(1), where=~found)
        if (self.quality != 1).any():
            weight *= self.quality[who] if who.size else self.quality[:, None]
        if self.bonus.size:
            weight *= self.bonus[ad] if ad.size else self.bonus[:, None]
