"""How deep a funnel may go for requests of a tier: what a scenario has room for, and what is said of more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..core.arrays import Integers
from ..core.errors import AdArenaError, MarketError
from ..core.numeric import whole
from ..scenario.delivery import Quotas
from ..scenario.tree import Scenario


def tiers_of(scenario: Scenario) -> int:
    """How many traffic tiers there are, those without a user among them."""
    return max(scenario.users.tiers or (0,)) + 1


@lru_cache(maxsize=64)
def most_quotas(scenario: Scenario) -> Integers:
    """The scenario's own quotas, the largest there is room for, (tiers, levels, 3); 0 for levels that a tier lacks."""
    assert scenario.funnel is not None
    levels = [scenario.funnel.levels_of(tier) for tier in range(tiers_of(scenario))]
    most = np.zeros((len(levels), max(map(len, levels)), 3), np.int64)
    for tier, its in enumerate(levels):
        most[tier, : len(its)] = [(q.recall, q.rough, q.fine) for q in its]
    most.flags.writeable = False
    return most


@lru_cache(maxsize=64)
def most_cached(scenario: Scenario) -> int:
    """How many cached ads there are for a request for which nothing is recalled."""
    most = most_quotas(scenario)
    return int(most[:, :, 2].max(where=most[:, :, 0] == 0, initial=0))


def checked_levels(
    scenario: Scenario, tier: int, levels: Sequence[Quotas], error: type[AdArenaError] = MarketError
) -> Sequence[Quotas]:
    """The same levels. Raises `error` if a tier cannot have them."""
    if scenario.funnel is None:
        raise MarketError(f"quotas need a funnel, and scenario {scenario.name!r} has none")
    place = whole(tier)
    if place is None or not 0 <= place < tiers_of(scenario):
        raise MarketError(f"there is no traffic tier {tier!r}: they are numbered from 0 to {tiers_of(scenario) - 1}")
    own = scenario.funnel.levels_of(place)
    if not isinstance(levels, Sequence) or not all(isinstance(q, Quotas) for q in levels) or len(levels) != len(own):
        raise error(f"tier {place} has {len(own)} levels of Quotas, in full first, not {levels!r}")
    for number, (given, most) in enumerate(zip(levels, own, strict=True)):
        falls = given.recall >= given.rough >= given.fine if given.recall else given.rough == 0
        if not falls or given.fine < 0:
            stages = f"{given.recall}, {given.rough}, {given.fine}"
            raise error(
                f"quotas do not rise from stage to stage, nor are below 0, as {stages} at level {number} of tier {place}"
            )
        for stage in Quotas.STAGES:
            if (asked := getattr(given, stage)) > (room := getattr(most, stage)):
                raise error(f"level {number} of tier {place} has room for {stage} of {room} candidates, not {asked}")
        if given.recall == 0 and given.fine > (cached := most_cached(scenario)):
            raise error(f"a request for which nothing is recalled is shown at most {cached} cached ads, not {given.fine}")
    if levels[0].after_wait_s != 0:
        raise error(f"the first of the levels is the full one: its after_wait_s is 0, not {levels[0].after_wait_s:g}")
    for one, next_ in pairwise(levels):
        if next_.after_wait_s < one.after_wait_s or next_.recall > one.recall or next_.rough > one.rough:
            raise error("levels go down: each holds from a longer wait on, with no larger recall and rough sort")
    return levels
