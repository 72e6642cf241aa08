"""Where requests are made and what they ask: surfaces with slots of their own, queries, and how both change what is expected.

A request's click log-odds are bias + (user + query) . ad + those of its surface and of its query's intent. Surface and intent
also change how many clicks convert; that factor, relative to the largest there is, is the request's `lift`. A believed rate
in a block is click rate x lift, and conversions per click are those at the largest lift, so that a bid per conversion is worth
what it should on every request.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Floats32, Integers
from ..core.books import Books
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..core.errors import ScenarioError
from ..core.money import MICRO
from ..population.campaigns import Campaigns, conversion_rates
from ..population.rates import Context
from ..scenario.tree import Scenario
from .language import Language
from .queries import drawn_query
from .traffic import NEVER
from .worth import greatest_worth

if TYPE_CHECKING:
    import pandas as pd


class SurfaceCount(IntEnum):
    """Rows of Surfaces.counts."""

    REQUESTS = 0  # made
    AUCTIONED = 1
    LATE = 2  # answered after the deadline
    GAVE_UP = 3  # waited as long as the servers' deadline
    IMPRESSIONS = 4
    CLICKS = 5
    CONVERSIONS = 6  # reported or not
    SPEND = 7  # charged for impressions and clicks, millionths
    OWED = 8  # charged for conversions when they are reported, where campaigns are billed by CPA, millionths


class Surfaces(NamedTuple):
    """What the kernel knows of surfaces and queries: P surfaces of up to S slots, at least one; Q queries."""

    slots: Integers  # (P,)
    seen: Floats  # (P, S) probability that a slot is seen, given the one before was
    marginal: Floats  # (P, S + 1) that it is seen at all, and closing zeros
    share: Floats  # (P,) cumulative
    asks: NDArray[np.bool_]  # (P,)
    deadline: Integers  # (P,) microseconds
    click: Floats  # (P,) log-odds
    lift: Floats  # (P,) where they ask, before that of the query
    query_click: Floats32  # (Q,) log-odds
    query_lift: Floats  # (Q,)
    vectors: Floats32  # (Q, dimensions) the truth
    counts: Integers  # (len(SurfaceCount), P) of the whole run so far


def new_surfaces(scenario: Scenario, language: Language | None) -> Surfaces:
    """The surfaces of a scenario as arrays."""
    slots = scenario.auction.slots
    listed = scenario.surfaces or ()
    exposures = [s.exposure for s in listed] or [scenario.ad_exposure]
    marginal = np.array([(*e, *(0.0,) * (slots + 1 - len(e))) for e in exposures]).reshape(len(exposures), slots + 1)
    before = np.column_stack([np.ones(len(exposures)), marginal[:, :-2]])
    patience = None if scenario.serving is None else scenario.serving.deadline_s
    deadlines = [s.deadline_s or patience for s in listed] or [patience]
    asks = np.array([s.asks for s in listed] or [language is not None], np.bool_)
    by_query = 1.0 if language is None else float(language.queries.conversion.max())
    lift = np.array([s.conversion for s in listed] or [1.0]) * np.where(asks, by_query, 1.0)
    share = np.cumsum([s.share for s in listed] or [1.0])
    none = np.zeros((0, 0), np.float32)
    none.setflags(write=False)  # as those of queries are: kernels are compiled for one of both
    queries = None if language is None else language.queries
    return Surfaces(
        slots=np.array([len(e) for e in exposures], np.int64),
        seen=np.divide(marginal[:, :-1], before, out=np.zeros((len(exposures), slots)), where=before > 0),
        marginal=marginal,
        share=share / share[-1],
        asks=asks,
        deadline=np.array([NEVER if d is None else round(d * 1e6) for d in deadlines], np.int64),
        click=np.array([s.click for s in listed] or [0.0]),
        lift=lift / greatest_lift(scenario, language),
        query_click=none.reshape(0) if queries is None else queries.click,
        query_lift=np.zeros(0) if queries is None else queries.conversion / by_query,
        vectors=none if queries is None else queries.vectors,
        counts=np.zeros((len(SurfaceCount), len(exposures)), np.int64),
    )


def greatest_lift(scenario: Scenario, language: Language | None) -> float:
    """By how much surface and intent at most multiply the conversions per click."""
    by_query = 1.0 if language is None else float(language.queries.conversion.max())
    places = [(s.conversion, s.asks) for s in scenario.surfaces or ()] or [(1.0, language is not None)]
    return max(conversion * (by_query if asks else 1.0) for conversion, asks in places)


def lifted(scenario: Scenario, language: Language | None, table: Campaigns) -> tuple[Floats, Floats]:
    """Conversions per click where surface, intent and tier make most of them, (ticks, campaigns) each: true, and as believed.

    Raises `ScenarioError` where that is truly more than one, or more forms than a lead campaign's clicks open.
    """
    true, believed = conversion_rates(scenario, table)
    lift = greatest_lift(scenario, language) * greatest_worth(scenario)
    most = np.array([1.0 if c.lead is None else c.lead.form_open_rate for c in table.listed])
    k = int(np.argmax(lift * true.max(axis=0) / most))
    if lift != 1 and (worst := lift * true[:, k].max()) > most[k]:
        raise ScenarioError(
            f"conversions per click of campaign {table.names[k]!r} come to {worst:.3g} where surface, intent and tier "
            f"favour them most, above {most[k]:g}: lower its conversion_rate, or the factors"
        )
    return true * lift, np.minimum(believed * lift, 1.0)


class Contexts:
    """Says on which surface requests are made and what they ask, and what the platform makes of it."""

    def __init__(self, surfaces: Surfaces, language: Language | None, dimensions: int, keys: NDArray[np.uint64]) -> None:
        self._surfaces, self._keys, self._dimensions = surfaces, keys, dimensions
        self._alias = np.zeros(0), np.zeros(0, np.int64)
        self._believed = np.zeros((0, dimensions), np.float32)
        if language is not None:
            self._alias = language.queries.alias_share, language.queries.alias_query
            self._believed = language.queries.believed_vectors

    def draw(self, first: int, surface: Integers, query: Integers) -> None:
        """Surfaces and queries (-1: none) of requests first, first + 1, ..., as many as there is room for."""
        draw_asks(self._keys, first, self._surfaces.share, self._surfaces.asks, *self._alias, surface, query)

    def of(self, surface: Integers, query: Integers) -> Context:
        """What the platform makes of them, shapes (n,)."""
        s, odds, lift = self._surfaces, self._surfaces.click[surface], self._surfaces.lift[surface]
        vectors = np.zeros((query.size, self._dimensions), np.float32)
        asks = query >= 0
        vectors[asks] = self._believed[query[asks]]
        odds[asks] += s.query_click[query[asks]]
        lift[asks] *= s.query_lift[query[asks]]
        return Context(query, vectors, odds.astype(np.float32), lift.astype(np.float32))


@kernel(nogil=True)
def draw_asks(
    keys: Any, first: Any, share: Any, asks: Any, alias_share: Any, alias_query: Any, surface: Any, query: Any
) -> None:
    """See `Contexts.draw`."""
    for j in range(surface.size):
        draw, place = uniform(keys[Stream.SURFACE], first + j, 0), 0
        while draw >= share[place]:
            place += 1
        surface[j] = place
        query[j] = drawn_query(keys, first + j, alias_share, alias_query) if asks[place] else -1


@kernel()
def draw_slots_seen(keys: Any, first: Any, seen: Any, surface: Any, slots_seen: Any) -> None:
    """How many slots the users of requests first, first + 1, ... see, (n,), as many as there is room for.

    `seen` (P, S) is how likely a slot is seen, given the one before was; `surface` (n,), or (0,) where there is but one. It is
    drawn slot by slot for all requests, and without a branch, which would be mispredicted for every other request.
    """
    key = keys[Stream.EXPOSURE]
    slots_seen[:] = 0
    for slot in range(seen.shape[1]):
        if surface.size > 0:
            for j in range(slots_seen.size):
                sees = uniform(key, first + j, slot) < seen[surface[j], slot]
                slots_seen[j] += np.int64((slots_seen[j] == slot) & sees)
        else:
            likely = seen[0, slot]
            for j in range(slots_seen.size):
                slots_seen[j] += np.int64((slots_seen[j] == slot) & (uniform(key, first + j, slot) < likely))


@inlined
def slots_seen_by(keys: Any, request: Any, seen: Any) -> Any:
    """The same for one request, where slots are seen as `seen` (S,) says."""
    slot = 0
    while slot < seen.size and uniform(keys[Stream.EXPOSURE], request, slot) < seen[slot]:
        slot += 1
    return slot


@spelt_out
def has_surfaces(state: Any) -> Any:
    """Whether a market has surfaces or queries, so that requests differ by them."""
    return state.block.surface.size > 0


@spelt_out
def count_request(what: Any, j: Any, state: Any) -> None:
    """Counts the request in column j in one row of its surface's counts, where a market has surfaces or queries."""
    if has_surfaces(state):
        state.surfaces.counts[what, state.block.surface[j]] += 1


@inlined
def count_impression(place: Any, clicked: Any, converted: Any, charge: Any, owed: Any, surfaces: Any) -> None:
    """Counts an impression on a surface; money in millionths."""
    surfaces.counts[SurfaceCount.IMPRESSIONS, place] += 1
    surfaces.counts[SurfaceCount.CLICKS, place] += clicked
    surfaces.counts[SurfaceCount.CONVERSIONS, place] += converted
    surfaces.counts[SurfaceCount.SPEND, place] += charge
    surfaces.counts[SurfaceCount.OWED, place] += owed


@spelt_out
def lift_of(j: Any, state: Any) -> Any:
    """How readily clicks of the request in column j convert, relative to where they do most."""
    places, query = state.surfaces, state.block.query[j]
    lift = places.lift[state.block.surface[j]]
    return lift * places.query_lift[query] if query >= 0 else lift


@spelt_out
def odds_of(a: Any, j: Any, state: Any) -> Any:
    """What surface and query of the request in column j truly add to the click log-odds of ad a."""
    places, query = state.surfaces, state.block.query[j]
    odds = places.click[state.block.surface[j]]
    if query >= 0:
        odds += places.query_click[query]
        for d in range(places.vectors.shape[1]):
            odds += np.float64(places.vectors[query, d]) * np.float64(state.truth.ads[a, d])
    return odds


class SurfaceBooks(Books):
    """What came of a run's requests so far on each surface: `counts` of `Surfaces`; read it with `to_frame`."""

    def __init__(self, scenario: Scenario, surfaces: Surfaces) -> None:
        self.names = [s.name for s in scenario.surfaces or ()] or ["all"]
        self.counts = surfaces.counts

    def to_frame(self) -> pd.DataFrame:
        """A row per surface; the index is its name, "all" where the scenario lists none.

        Columns: requests (made), served (auctioned), late (answered after the deadline), left (waited as long as the
        servers' deadline); impressions, clicks, conversions (reported or not); in currency: spend (charged for impressions and
        clicks), owed (by campaigns that pay for conversions, for all of those that will be reported, within budgets or not).
        """
        import pandas as pd

        rows = {
            "requests": SurfaceCount.REQUESTS, "served": SurfaceCount.AUCTIONED, "late": SurfaceCount.LATE,
            "left": SurfaceCount.GAVE_UP, "impressions": SurfaceCount.IMPRESSIONS, "clicks": SurfaceCount.CLICKS,
            "conversions": SurfaceCount.CONVERSIONS,
        }  # fmt: skip
        frame = pd.DataFrame(
            {name: self.counts[row].copy() for name, row in rows.items()}, pd.Index(self.names, name="surface")
        )
        frame["spend"], frame["owed"] = self.counts[SurfaceCount.SPEND] / MICRO, self.counts[SurfaceCount.OWED] / MICRO
        return frame
