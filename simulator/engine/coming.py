"""Who asks when, and for what: the requests of a world, drawn a block at a time into the columns of its state."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Floats, Integers, Keys
from ..core.compiled import entry
from ..delivery.models import Batch
from ..delivery.queue import Queue
from ..market.market import Market
from ..population.rates import Context
from ..requests.sessions import Planner, ticks_before
from ..requests.surfaces import Contexts, draw_slots_seen
from ..requests.traffic import Intensity, Share, arrive, place_anew
from ..requests.worth import Lifts, differs
from ..response.visits import Visits, new_visits, with_evening_before, with_room_for_sessions
from ..scenario.tree import Scenario
from .state import State


class Drawn(NamedTuple):
    """Requests of a whole run, (n,) each, in order."""

    times: Integers  # microseconds
    users: Integers
    session: Integers
    page: Integers
    lift: Floats  # (n,), or (0,) where all are worth the same
    oldest: int  # session of which one may be
    sessions: int  # all that have started


class Traffic(NamedTuple):
    """Where requests come from: how many at what time, and the sessions that they come in, if they do."""

    intensity: Intensity
    planner: Planner | None

    @classmethod
    def of(cls, scenario: Scenario, market: Market, keys: Keys, seed: int, share: Share) -> Traffic:
        """That of a run, or of a share of its users."""
        sessions = scenario.sessions
        before = 0 if sessions is None else ticks_before(sessions, scenario.tick_us)
        intensity = Intensity.of(scenario, seed, before, share)
        if sessions is None:
            return cls(intensity, None)
        even, ads_seen = scenario.traffic.arrivals == "even", scenario.ads_per_request
        return cls(
            intensity,
            Planner(sessions, even, keys, market.users, scenario.tick_us, intensity, ads_seen, market.temper),
        )

    def visits(self, scenario: Scenario, market: Market) -> Visits:
        """What becomes of users, as a run begins: some are in the sessions of the evening before."""
        visits = new_visits(scenario.sessions, len(market.users.segment), market.temper)
        return visits if self.planner is None else with_evening_before(visits, self.planner)


class Coming:
    """Draws requests into the columns of a state, `addressed`, before they are rated; `line` is the queue, if there is one."""

    def __init__(
        self, scenario: Scenario, market: Market, keys: Keys, seed: int, traffic: Traffic, addressed: Addressed[State],
        line: Addressed[Queue] | None,
    ) -> None:  # fmt: skip
        self._market, self._addressed, self._line = market, addressed, line
        self.planner = traffic.planner
        self._contexts: Contexts | None = None  # what requests bring beside their users
        if scenario.asks:
            self._contexts = Contexts(addressed.value.surfaces, market.language, market.users.interests.shape[1], keys)
        state, block = addressed.value, addressed.value.block
        self._keys, self._seen = state.keys, state.source.seen if self._contexts is None else state.surfaces.seen
        self._draw_slots_seen = entry(draw_slots_seen, self._keys, 0, self._seen, block.surface, block.slots_seen)
        self._lifts = Lifts(scenario, market.users, keys, seed) if differs(scenario) else None
        self._tick_us = scenario.tick_us
        self._draw: Callable[..., None] | None = None  # `arrive`, compiled

    @property
    def _intensity(self) -> Intensity:
        source = self._addressed.value.source
        return Intensity(source.time, source.before, source.intensity)

    @property
    def is_plain(self) -> bool:
        """Whether all that there is to draw of a request is when it comes, who makes it and how many slots are seen."""
        return self.planner is None and self._contexts is None and self._lifts is None

    @property
    def lifted(self) -> bool:
        """Whether requests are worth more or less by when they come."""
        return self._lifts is not None

    def draw_all(self, horizon_us: int) -> Drawn:
        """All requests that users in sessions would make before a time, in order, of a world that has not begun."""
        assert self.planner is not None
        planner, oldest = self.planner, self.planner.oldest()
        parts: list[tuple[NDArray[Any], ...]] = []
        for first in itertools.count(0, CHUNK):
            now = int(parts[-1][0][-1]) if parts else 0
            columns = tuple(np.zeros(CHUNK, np.int64) for _ in range(4))
            planner.next_block(self._intensity, now, *columns)
            lift = np.zeros(CHUNK if self._lifts is not None else 0)
            if self._lifts is not None:
                self._lifts.fill(first, columns[0], columns[1], lift)
            parts.append((*columns, lift))
            if columns[0][-1] >= horizon_us:
                break
        times, users, session, page, lift = (np.concatenate(column) for column in zip(*parts, strict=True))
        end = int(np.searchsorted(times, horizon_us))
        return Drawn(times[:end], users[:end], session[:end], page[:end], lift[:end], oldest, planner.started)

    def next_block(self, first: int, now: int) -> None:
        """Draws when the requests of the next block come, and whose they are; the last one of this block came `now`."""
        if self.planner is None:
            self.arrive(first, now)
            return
        oldest = self._oldest_session(self.planner)
        self.planner.next_block(self._intensity, now, *self._plan())
        self._make_room(oldest, self.planner)

    def arrive(self, first: int, now: int) -> None:
        """Draws the requests of a block that come by themselves."""
        source, block = self._addressed.value.source, self._addressed.value.block
        arguments = (
            self._keys, first, source.even != 0, source.partial, now, self._tick_us, source.time, source.before,
            source.intensity, source.segment_share, source.segment_start, source.alias_share, source.alias_user, source.draws,
            source.epochs, block.times, block.users,
        )  # fmt: skip
        if self._draw is None:
            self._draw = entry(arrive, *arguments)
        self._draw(*arguments)

    def ask(self, first: int) -> None:
        """Draws where the requests of the block are made, what they ask, and how many slots are seen."""
        block = self._addressed.value.block
        if self._contexts is not None:
            self._contexts.draw(first, block.surface[:CHUNK], block.query[:CHUNK])
        self._draw_slots_seen(self._keys, first, self._seen, block.surface[:CHUNK], block.slots_seen[:CHUNK])

    def context(self, first: int, start: int) -> Context | None:
        """What the requests of the block that starts with request `first` bring beside their users; None: nothing.

        What they are worth is found from place `start` on.
        """
        block, context = self._addressed.value.block, None
        if self._contexts is not None:
            context = self._contexts.of(block.surface[:CHUNK], block.query[:CHUNK])
        if self._lifts is not None:
            rest = slice(start, CHUNK)
            self._lifts.fill(first + start, block.times[rest], block.users[rest], block.lift[rest])
            context = context or Context.plain(CHUNK, self._market.users.interests.shape[1])
            context = context.lifted(block.lift[:CHUNK])
        return context

    def asked_at(self, place: int) -> Context | None:
        """What the request in a place of the block asks; for logs."""
        if self._contexts is None:
            return None
        block, one = self._addressed.value.block, slice(place, place + 1)
        return self._contexts.of(block.surface[one], block.query[one])

    def batch(self, first: int) -> Batch:
        """The requests of the block, as models of rates see them."""
        block, number = self._addressed.value.block, np.arange(first, first + CHUNK)
        surface, query = (block.surface, block.query) if self._contexts is not None else (np.zeros_like(number), number * 0 - 1)
        return Batch(number, block.times[:CHUNK], block.users[:CHUNK], surface[:CHUNK], query[:CHUNK])

    def scale(self, now: int, factor: float) -> None:
        """Multiplies all traffic from now on; those drawn already are placed `again`."""
        time, before, rate = self._intensity.scaled(now, factor)
        self._addressed.replace("source", time=time, before=before, intensity=rate)

    def again(self, start: int, now: int) -> None:
        """Places requests of the block anew, from place `start` on; where there are sessions, others come in their stead."""
        block = self._addressed.value.block
        if self.planner is None:
            place_anew(now, self._addressed.value.source.epochs[start:], block.times[start:CHUNK], *self._intensity)
            return
        oldest = min(self._oldest_session(self.planner), int(block.session[:CHUNK].min()))
        self.planner.again(self._intensity, start, now, *self._plan())  # sessions start at other times, so others are next
        self._make_room(oldest, self.planner)

    def _plan(self) -> tuple[NDArray[np.int64], ...]:
        """The columns of the block that say who comes when."""
        block, new = self._addressed.value.block, slice(CHUNK)
        return block.times[new], block.users[new], block.session[new], block.page[new]

    def _make_room(self, oldest: int, planner: Planner) -> None:
        """For what is kept of sessions."""
        self._addressed.replace(visits=with_room_for_sessions(self._addressed.value.visits, oldest, planner.started))

    def _oldest_session(self, planner: Planner) -> int:
        """The first session of which a request is still to be played or under way."""
        oldest = planner.oldest()
        if self._line is not None and (way := self._line.value.under_way).any():
            oldest = min(oldest, int(self._addressed.value.block.session[way].min()))
        return oldest
