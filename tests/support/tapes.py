"""What a run did: the impressions that its kernel wrote, and whether two runs are the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from players import Reacting

from adarena.simulator import World
from adarena.simulator.engine.state import JOURNAL_FLOATS, JOURNAL_INTS, Control


class Tape(NamedTuple):
    """What the kernel wrote of each impression, in order: see `engine.state.JOURNAL_INTS` and `JOURNAL_FLOATS`."""

    ints: NDArray[np.int64]
    believed: NDArray[np.float64]
    true: NDArray[np.float64]
    propensity: NDArray[np.float64]
    platform: NDArray[np.float64]

    def column(self, name: str) -> NDArray[np.int64]:
        """One of the whole-numbered columns; money in millionths."""
        return self.ints[:, JOURNAL_INTS.index(name)]


def give_tape(world: World, rows: int) -> Callable[[], Tape]:
    """Has a world write its impressions to memory; call what is returned to read them."""
    world._exchange.replace(
        "logs",
        journal_ints=np.zeros((rows, len(JOURNAL_INTS)), np.int64),
        journal_floats=np.zeros((rows, len(JOURNAL_FLOATS))),
    )

    def read() -> Tape:
        state = world._exchange.state
        used = int(state.control[Control.JOURNALED])
        assert used < rows
        return Tape(state.logs.journal_ints[:used], *state.logs.journal_floats[:used].T)

    return read


def assert_same(one: tuple[World, dict[int, Reacting]], two: tuple[World, dict[int, Reacting]]) -> None:
    """The books, the state and all that policies saw are the same bytes."""
    for name in ("counts", "sums", "left", "multiplier", "market_price"):
        a, b = getattr(one[0].ledger, name), getattr(two[0].ledger, name)
        np.testing.assert_array_equal(a.view(np.int64), b.view(np.int64), err_msg=name)
    assert one[0].played == two[0].played
    assert one[0].now == two[0].now
    for name in ("terms.spent", "terms.allowance", "terms.reports", "terms.owed", "terms.active", "rules.state"):
        a, b = (attrgetter(name)(world._exchange.state) for world, _ in (one, two))
        np.testing.assert_array_equal(a, b, err_msg=name)
    for name in ("gone", "boredom", "satisfaction", "at_midnight", "pages"):
        a, b = getattr(one[0]._exchange.state.visits, name), getattr(two[0]._exchange.state.visits, name)
        np.testing.assert_array_equal(a, b, err_msg=name)
    for name in ("whose", "shown", "last", "today", "used", "shown_counts", "shown_sums"):
        a, b = getattr(one[0]._exchange.state.memory, name), getattr(two[0]._exchange.state.memory, name)
        np.testing.assert_array_equal(a, b, err_msg=name)
    surfaces = one[0]._exchange.state.surfaces, two[0]._exchange.state.surfaces
    np.testing.assert_array_equal(surfaces[0].counts, surfaces[1].counts)
    for part in ("chain", "baseline"):
        for a, b in zip(getattr(one[0]._exchange.state, part), getattr(two[0]._exchange.state, part), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=part)
    for book in ("leads", "increments"):
        assert (getattr(one[0].ledger, book) is None) == (getattr(two[0].ledger, book) is None)
    if one[0].ledger.leads is not None and two[0].ledger.leads is not None:
        np.testing.assert_array_equal(one[0].ledger.leads.counts, two[0].ledger.leads.counts)
    if one[0].ledger.increments is not None and two[0].ledger.increments is not None:
        for name in ("incremental", "value"):
            a, b = getattr(one[0].ledger.increments, name), getattr(two[0].ledger.increments, name)
            np.testing.assert_array_equal(a.view(np.int64), b.view(np.int64), err_msg=name)
    if one[0].visits is not None and two[0].visits is not None:
        for name in ("counts", "sums"):
            np.testing.assert_array_equal(getattr(one[0].visits, name), getattr(two[0].visits, name), err_msg=name)
    if one[0].creatives is not None and two[0].creatives is not None:
        for name in ("counts", "sums", "share"):
            np.testing.assert_array_equal(getattr(one[0].creatives, name), getattr(two[0].creatives, name), err_msg=name)
    for k, policy in one[1].items():
        assert policy.seen == two[1][k].seen
    if one[0].serving is not None and two[0].serving is not None:
        for name in ("counts", "latency", "capacity", "under_way"):
            np.testing.assert_array_equal(getattr(one[0].serving, name), getattr(two[0].serving, name), err_msg=name)
