"""What policies that plan have in common: depths under a price of server seconds."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.compute.view import Earnings

# Of a server second, as multiples of the mean worth of a request at full depth.
PRICES: Floats = np.exp(np.linspace(-7.0, 3.0, 121))


def depths_at(price: float, worth: Floats, earnings: Earnings) -> Floats:
    """Of each tier the depth (held,) whose worth (held, D) less its server seconds at a price is largest.

    It is DCAF's rule (Jiang et al. 2020): the best action of each request under a multiplier of the budget of computation.
    """
    best: Floats = earnings.depths[np.argmax(worth - price * earnings.work_s, axis=1)]
    return best


def depths_within(requests: Floats, seconds: float, worth: Floats, earnings: Earnings) -> Floats:
    """Depths (held,) at the least price at which so many `requests` (held,) cost no more than so many server seconds.

    Where even the highest price is too low, what that asks for.
    """
    if requests @ earnings.work_s[:, -1] <= seconds:
        return np.ones(requests.size)
    prices = PRICES * max(float(worth[:, -1].mean()), 1e-12)
    best = np.argmax(worth - prices[:, None, None] * earnings.work_s, axis=2)  # (prices, held)
    asked = (requests * np.take_along_axis(earnings.work_s, best.T, axis=1).T).sum(axis=1)
    depths: Floats = earnings.depths[best[min(int(np.searchsorted(-asked, -seconds)), len(best) - 1)]]
    return depths
