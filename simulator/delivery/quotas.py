"""How deep a funnel goes for requests of each traffic tier, as arrays; what that costs a server; what there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.errors import AdArenaError, MarketError
from ..core.numeric import whole
from ..requests.traffic import NEVER
from ..scenario.delivery import Funnel, Quotas, Serving
from ..scenario.tree import Scenario


class Ladders(NamedTuple):
    """The quotas of a funnel, the largest there is room for: T tiers, L levels, of which a tier may have fewer."""

    quotas: Integers  # (T, L, 3) recall, rough, fine; 0 for levels that a tier lacks
    after_us: Integers  # (T, L) the wait from which on they hold; NEVER for those
    levels: Integers  # (T,)

    @classmethod
    def of(cls, funnel: Funnel, tiers: int) -> Ladders:
        """Those of a scenario's funnel."""
        its = [funnel.levels_of(tier) for tier in range(tiers)]
        shape = tiers, max(map(len, its))
        quotas, after_us = np.zeros((*shape, 3), np.int64), np.full(shape, NEVER)
        for tier, levels in enumerate(its):
            quotas[tier, : len(levels)], after_us[tier, : len(levels)] = as_arrays(levels)
        return cls(quotas, after_us, np.array([len(levels) for levels in its]))

    @property
    def cached(self) -> int:
        """How many cached ads there are for a request for which nothing is recalled."""
        return int(self.quotas[:, :, 2].max(where=self.quotas[:, :, 0] == 0, initial=0))


def as_arrays(levels: Sequence[Quotas]) -> tuple[Integers, Integers]:
    """Quotas (levels, 3) and the waits, microseconds (levels,), from which on they hold."""
    quotas = np.array([[q.recall, q.rough, q.fine] for q in levels], np.int64)
    return quotas, np.array([round(q.after_wait_s * 1e6) for q in levels], np.int64)


def tiers_of(scenario: Scenario) -> int:
    """How many traffic tiers there are, those without a user among them."""
    return max(scenario.users.tiers or (0,)) + 1


def service_s(serving: Serving, funnel: Funnel, quotas: Integers) -> Floats:
    """Mean server seconds of requests under quotas (..., 3), (...)."""
    recalled, sorted_finely = funnel.candidate_s
    work: Floats = serving.service_s + (quotas[..., 0] * recalled + quotas[..., 1] * sorted_finely)
    return work


def read_levels(scenario: Scenario, tier: Any, levels: Any) -> tuple[int, Integers, Integers]:
    """A tier's place, and its quotas and waits as arrays. Raises `MarketError` if it cannot have them."""
    if scenario.funnel is None:
        raise MarketError(f"quotas need a funnel, and scenario {scenario.name!r} has none")
    if (place := whole(tier)) is None or not 0 <= place < tiers_of(scenario):
        raise MarketError(f"there is no traffic tier {tier!r}: they are numbered from 0 to {tiers_of(scenario) - 1}")
    room = Ladders.of(scenario.funnel, tiers_of(scenario))
    count = int(room.levels[place])
    if not isinstance(levels, Sequence) or not all(isinstance(q, Quotas) for q in levels) or len(levels) != count:
        raise MarketError(f"tier {place} has {count} levels of Quotas, in full first, not {levels!r}")
    quotas, after_us = as_arrays(levels)
    check_levels(place, quotas, after_us, room)
    return place, quotas, after_us


def check_levels(
    tier: int, quotas: Integers, after_us: Integers, room: Ladders, error: type[AdArenaError] = MarketError
) -> None:
    """Raises `error` if a tier cannot have such quotas (levels, 3) from such waits (levels,) on."""
    cached, rows, waits = room.cached, quotas.tolist(), after_us.tolist()
    for level, (row, most) in enumerate(zip(rows, room.quotas[tier].tolist(), strict=False)):
        recall, rough, fine = row
        if fine < 0 or not (recall >= rough >= fine if recall else rough == 0):
            stages = ", ".join(map(str, row))
            raise error(f"quotas do not rise from stage to stage, nor are below 0, as {stages} at level {level} of tier {tier}")
        for stage, asked, there in zip(Quotas.STAGES, row, most, strict=True):
            if asked > there:
                raise error(f"level {level} of tier {tier} has room for {stage} of {there} candidates, not {asked}")
        if recall == 0 and fine > cached:
            raise error(f"a request for which nothing is recalled is shown at most {cached} cached ads, not {fine}")
    if waits[0] != 0:
        raise error(f"the first of the levels is the full one: its after_wait_s is 0, not {waits[0] / 1e6:g}")
    for (before, wait), (one, after) in zip(pairwise(rows), pairwise(waits), strict=True):
        if after < one or wait[0] > before[0] or wait[1] > before[1]:
            raise error("levels go down: each holds from a longer wait on, with no larger recall and rough sort")
