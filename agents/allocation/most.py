"""As many ads as may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.allocation.decisions import Patterns
from ...simulator.seats.allocation.view import Facts
from .standing import Standing


@dataclass
class Most(Standing):
    """Of the patterns with most ads, the one that stands highest on the page."""

    def decided(self, facts: Facts) -> Patterns:
        return Patterns(int(np.argmax(facts.ads)))
