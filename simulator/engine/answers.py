"""What whoever is asked about a request may answer, whatever it is about: a choice, or a probability for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined

NOBODY_ASKED, LEFT_OPEN = 0, -1  # in place of a rule's address
BY_CHANCE, NOT_ALLOWED = -1, -2  # what a rule returns that has filled in probabilities, and what is no answer
ROUNDING = 1e-6  # by which the sum of probabilities may miss 1, as those of a float32 softmax do


@inlined
def draw_by(chance: Any, draw: Any) -> Any:
    """The choice that a uniform draw finds by these probabilities, (n,); NOT_ALLOWED if they are none."""
    total = 0.0
    for choice in range(chance.size):
        if not chance[choice] >= 0.0:
            return NOT_ALLOWED
        total += chance[choice]
    if not abs(total - 1.0) <= ROUNDING:
        return NOT_ALLOWED
    u, chosen = draw * total, np.int64(0)
    for choice in range(chance.size):
        if chance[choice] > 0.0:
            chosen = np.int64(choice)
            if u < chance[choice]:
                break
            u -= chance[choice]
    return chosen
