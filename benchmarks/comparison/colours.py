"""Colours that stay with policies: the same one in each comparison of a suite, whoever else is in it and whoever wins."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import seaborn as sns

from ...agents.catalogue import policies
from .suite import Suite

# Seaborn's, without what is taken for the red of yardsticks.
PALETTE = [
    colour
    for name, reds in (("deep", {3}), ("dark", {3, 6}))
    for place, colour in enumerate(sns.color_palette(name))
    if place not in reds
]

Colour = tuple[float, float, float]


def colours(suite: Suite[Any], labels: Mapping[str, str]) -> dict[str, Colour]:
    """A colour for each label, (r, g, b) from 0 to 1.

    Those that a suite compares by default have the first places of a palette, tuned or not; others of the seat have the next,
    and one's own and trained ones are placed by a hash of their label. Who would have a colour that is taken has the next free
    one, the sooner the plainer the text is.

    Args:
        suite: what is compared.
        labels: what each label stands for.
    """
    known = list(dict.fromkeys((*suite.compared, *policies(suite.seat))))
    palette = PALETTE if len(labels) <= len(PALETTE) else sns.color_palette("husl", len(labels))
    found: dict[str, Colour] = {}
    free = list(range(len(palette)))
    for label in sorted(labels, key=lambda label: (len(labels[label]), labels[label], label)):
        name = labels[label].partition(":")[0]
        wanted = known.index(name) if name in known else zlib.crc32(label.encode())
        place = min(free, key=lambda place: (place - wanted) % len(palette))
        free.remove(place)
        found[label] = palette[place]
    return {label: found[label] for label in labels}
