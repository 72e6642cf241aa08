"""What bids would have brought on an even day, as whoever runs the auction can find out: by running it again over its log."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import LANES, Floats, Floats32, Integers
from ..core.compiled import entry
from ..core.errors import MarketError
from ..core.money import MICRO
from ..core.threads import one_blas_thread
from ..delivery.auction import PRICING
from ..delivery.ranking import Ranking
from ..delivery.selection import Bids
from ..requests.surfaces import new_surfaces
from ..scenario.tree import Scenario
from .expected_day import expected_day
from .market import build
from .sample import Sample, new_sample, sampled_bids


class Outcome(NamedTuple):
    """What bids bring by request, before any budget is spent; arrays (K,), money in currency."""

    impressions: Floats
    spend: Floats
    conversions: Floats  # as believed
    clicks: Floats  # as believed


class SaleRules(NamedTuple):
    """How impressions are sold; arrays (K,)."""

    reserve: Floats  # least price of an impression, currency
    squashing: float  # exponent of the believed click rate in the rank of a bid for a click
    quality: Floats  # factor on ranks, above 0


class Rehearsal:
    """Requests of an even day without weather, whose auctions may be run again: a sample of n, in order of time.

    Everything in it is the platform's own estimate: rates as believed, and of no day that is played. Behind a funnel the
    candidates are those that it finds at the campaigns' priors, whatever they bid here.

    Attributes:
        rate: believed conversions by impression, (rows, n); rows are campaigns, or behind a funnel candidates.
        click: believed clicks by impression, (rows, n).
        who: (rows, n) campaigns of candidates; (0, 0) without a funnel.
        tick: (n,) of the day.
        exposure: (S,) probability that a slot is seen, of the first surface where there are several.
    """

    def __init__(self, scenario: Scenario, sample: Sample) -> None:
        self._scenario, self._sample = scenario, sample
        self.rate, self.click, self.who, self.tick = (_shown(x) for x in (sample.rate, sample.click, sample.who, sample.tick))
        self.exposure = _shown(np.array(scenario.ad_exposure))
        self.campaigns = len(build(scenario).campaigns.names)
        self._surfaces = new_surfaces(scenario, build(scenario).language)
        self._pricing = PRICING[scenario.auction.pricing]
        self._bids: Addressed[Bids] = sampled_bids(sample, np.zeros(self.campaigns, np.float32), scenario)
        self._totals = np.zeros((4, self.campaigns))
        self._usual = self._bids.value.floor.copy(), sample.weight
        self._day = entry(expected_day, self._bids, sample.click, sample.surface, self._surfaces, self._pricing, self._totals)
        self._parts: dict[tuple[int, ...], Rehearsal] = {}
        self._held = Lock()  # worlds of a scenario share it, and may be played by several threads

    def __deepcopy__(self, memo: dict[int, Any]) -> Rehearsal:
        """Itself: all share it, and nobody can write to it."""
        return self

    def outcome(self, bid: Floats, rules: SaleRules | None = None) -> Outcome:
        """What the campaigns' bids for a conversion, (K,) currency, bring by request; under other rules of sale, if given."""
        floor, weight = self._usual
        if rules is not None:
            floor = np.maximum(rules.reserve * MICRO, 1).astype(np.float32)
            weight = self._weights(rules)
        bids = self._bids
        with self._held:
            np.copyto(bids.value.floor, floor)
            np.multiply(bid, MICRO, out=bids.value.live, casting="same_kind")
            bids.replace(weight=weight)
            self._totals[:] = 0
            self._day(bids, self._sample.click, self._sample.surface, self._surfaces, self._pricing, self._totals)
            impressions, spend, conversions, clicks = self._totals / self.tick.size
        return Outcome(impressions, spend / MICRO, conversions, clicks)

    def _weights(self, rules: SaleRules) -> Floats32:
        """Of ranks under such rules, (rows, n); (0, 0) where all are 1."""
        ranking = Ranking(rules.squashing, np.asarray(rules.quality, np.float32))
        if ranking.is_as(Ranking(1.0, np.ones(self.campaigns, np.float32))):
            return self._bids.value.weight[:0, :0].copy()
        weight = np.zeros_like(self._sample.click)
        ranking.weigh(self._sample.click, self.who, np.zeros((0, 0), np.int64), weight)
        return weight

    def from_tick(self, tick: int, most: int) -> Rehearsal:
        """About `most` requests of a tick and those after it, evenly spread over them; the last ones if there are too few.

        As many as a multiple of `LANES`. The same object again for the same arguments.
        """
        key = tick, most
        if key not in self._parts:
            rest = np.flatnonzero(self.tick >= tick)
            if rest.size < LANES:
                rest = np.arange(self.tick.size - LANES, self.tick.size)
            count = min(most, rest.size) // LANES * LANES
            self._parts[key] = self.of(rest[np.linspace(0, rest.size - 1, max(count, LANES)).astype(np.int64)])
        return self._parts[key]

    def of_tick(self, tick: int, most: int) -> Rehearsal:
        """About `most` requests of a tick, or of those near it if it has too few; see `from_tick`."""
        key = tick, most, tick
        if key not in self._parts:
            its = np.argsort(np.abs(self.tick - tick), kind="stable")
            count = min(most, int((self.tick == tick).sum())) // LANES * LANES
            self._parts[key] = self.of(np.sort(its[: max(count, LANES)]))
        return self._parts[key]

    def of(self, columns: Integers, factor: Floats | None = None) -> Rehearsal:
        """Those requests, a multiple of `LANES`, in which conversions are `factor` (rows, columns) times as likely.

        Raises:
            MarketError: if there are others, or they are not as many.
        """
        if columns.size == 0 or columns.size % LANES:
            raise MarketError(f"auctions are run again {LANES} at a time: not {columns.size} requests")
        part = self._sample.at(columns)
        return Rehearsal(
            self._scenario, part if factor is None else part._replace(rate=(part.rate * factor).astype(np.float32))
        )


@lru_cache(maxsize=8)
def rehearsal(scenario: Scenario) -> Rehearsal:
    """That of a scenario's market, from the requests on which it was calibrated; worlds of one scenario share it."""
    market = build(scenario)
    with one_blas_thread():
        sample = new_sample(scenario, market.campaigns, market.users, market.ads, market.language, market.stages)
    return Rehearsal(scenario, sample)


def _shown(array: Any) -> Any:
    """The same, which cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
