"""Trees: what an identity is replaced by knows nothing of the row."""

from __future__ import annotations

import numpy as np

from adarena.agents.rankers.boosted import PRIOR, _by_value


def test_the_rate_of_a_value_is_of_the_rows_before():
    dice = np.random.default_rng(0)
    value, label = dice.integers(0, 6, 500), (dice.random(500) < 0.3).astype(float)
    before, after = _by_value(value, label, 8)
    mean = label.mean()
    for row in range(500):
        mine = value[:row] == value[row]
        assert np.isclose(before[row], (label[:row][mine].sum() + PRIOR * mean) / (mine.sum() + PRIOR))
    for each in range(8):
        mine = value == each
        assert np.isclose(after[each], (label[mine].sum() + PRIOR * mean) / (mine.sum() + PRIOR))
