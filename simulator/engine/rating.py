"""What is believed of requests that have been drawn: rates of all campaigns, or of a funnel's candidates, and weights of ranks.

The platform says them, or a model in its place; who sits out which requests is drawn beside them.
"""

from __future__ import annotations

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Floats, Floats32, Integers, Keys
from ..core.chance import Stream
from ..delivery.funnel import BATCH, Seen, Trace, Winnow
from ..delivery.models import Correction, RateModel, asked
from ..delivery.queue import Queue
from ..delivery.quotas import service_s
from ..delivery.ranking import Ranking
from ..delivery.selection import draw_participation
from ..market.market import Market
from ..population.rates import Context, Rates, best_ads, rotate_ads
from ..scenario.tree import Scenario
from .coming import Coming
from .state import State


class Rating:
    """Fills columns of a state, `addressed`, with what is believed of their requests; `line` is the queue, if there is one.

    Behind a funnel candidates are found a batch at a time, as late as they are needed: what changes quotas or the index changes
    all that have not come, and a batch is cheaper to find anew than a block.
    """

    def __init__(
        self, scenario: Scenario, market: Market, rates: Rates, winnow: Winnow | None, addressed: Addressed[State],
        line: Addressed[Queue] | None, coming: Coming,
    ) -> None:  # fmt: skip
        self._scenario, self._market, self._addressed, self._line = scenario, market, addressed, line
        self._rates, self._winnow, self._coming = rates, winnow, coming
        self.bound = rates.bound  # no believed rate is larger
        campaigns, ads = len(market.campaigns.names), len(market.campaigns.appeal)
        self.ranking = Ranking(scenario.auction.squashing, np.ones(campaigns, np.float32))
        self.model: RateModel | Correction | None = None  # of the rates of the auction, in place of what the platform believes
        self.outdated = False  # whether rates of requests that have not come are to be found anew
        self._even = market.campaigns.even_rotation if market.campaigns.even_rotation.any() else None
        self._odds = np.ones(ads)  # factors on those of a click as first believed
        # Believed rates of all ads: the very bids, where each campaign has one ad and nobody waits in other columns.
        ready = winnow is None and line is None and ads == campaigns
        self._block = addressed.value.bids.rate if ready else np.zeros((0 if winnow else ads, CHUNK), np.float32)
        self._plain = winnow is None and line is None and self._even is None and not scenario.learns
        self._own = self._block  # what the platform itself believes of them, where a model says otherwise

    @property
    def is_plain(self) -> bool:
        """Whether rates are as first believed, of each campaign's best ad, ranks are bids, and all take part."""
        bids = self._addressed.value.bids
        return self.model is None and self._plain and not (bids.weight.size or bids.draw.size or bids.platform.size)

    @property
    def room(self) -> Floats32:
        """For the believed rates of all ads, (ads, CHUNK)."""
        return self._block

    @property
    def funnelled(self) -> bool:
        """Whether there is a funnel."""
        return self._winnow is not None

    def fill(self, first: int, start: int, context: Context | None) -> int:
        """Believed rates of the block's requests from place `start` on: of all campaigns, or of a batch's candidates.

        `first` is the number of the block's first request, `context` what all of its requests bring. Returns the place up to
        which they are.
        """
        end = CHUNK if self._winnow is None else min((start // BATCH + 1) * BATCH, CHUNK)
        bids, rest = self._addressed.value.bids, slice(start, end)
        if self._winnow is None:
            self._fill_all(first, start, context)
        else:
            self._fill_candidates(self._winnow, first, start, end, context)
        if bids.weight.size:
            self._weigh(rest)
        if bids.draw.size:
            self._draw_participation(np.arange(first + start, first + end), start)
        return end

    def _fill_candidates(self, winnow: Winnow, first: int, start: int, end: int, context: Context | None) -> None:
        """Candidates of a batch, and their believed rates."""
        state, bids, rest = self._addressed.value, self._addressed.value.bids, slice(start, end)
        users, seen = state.block.users[:CHUNK], Seen(state.memory, state.block.times[:CHUNK])
        winnow.fill(first, start, users, context, bids.rate, bids.ad, bids.who, seen, end, self._coming.batch(first))
        if bids.platform.size:
            own = winnow.believed(users[rest], None if context is None else context.part(rest), bids.ad[:, rest].T)
            bids.platform[:, rest] = own.T if context is None else own.T * context.lift[rest]

    def _fill_all(self, first: int, start: int, context: Context | None) -> None:
        """Believed rates of all campaigns' best ads for requests from place `start` on; the others keep theirs."""
        bids, users = self._addressed.value.bids, self._addressed.value.block.users[:CHUNK]
        before = (bids.rate[:, :start].copy(), bids.ad[:, :start].copy()) if start else None
        believed, rest = self._block if self.model is None else self._own, slice(start, CHUNK)
        self._rates.fill(first, users, context, believed)
        if self.model is not None:
            lift = np.float32(1) if context is None else context.lift[rest]
            told, ads = self._coming.batch(first).part(rest), np.arange(len(believed))
            self._block[:, rest] = asked(self.model, told, ads, lambda: (believed[:, rest] / lift).T).T * lift
        if bids.ad.size:
            first_ad = self._market.campaigns.first_ad
            best_ads(self._block, first_ad, bids.rate, bids.ad)
            if self._even is not None:
                key = self._addressed.value.keys[Stream.TURN]
                rotate_ads(self._block, first_ad, self._even, key, first, bids.rate, bids.ad)
        elif bids.rate is not self._block:
            bids.rate[:, :CHUNK] = self._block
        if bids.platform.size:
            shown = np.take_along_axis(believed, bids.ad[:, :CHUNK], axis=0) if bids.ad.size else believed
            bids.platform[:, rest] = shown[:, rest]
        if before is not None:
            bids.rate[:, :start], bids.ad[:, :start] = before

    def keep_truth(self) -> None:
        """Takes over the true rates of the block's requests, where they are kept while requests wait."""
        if (kept := self._addressed.value.truth.block).size:
            kept[:, :CHUNK] = self._rates.truth.block

    def believe(self, stage: str, model: RateModel | Correction | None) -> None:
        """Has a model say the rates of a stage, or, if it is None, the platform again; `Blocks.reindex` follows."""
        if self._winnow is not None:
            self._winnow.believe(stage, model)
        if stage == "fine":
            self.model = model
            if not self._addressed.value.bids.platform.size:  # so far all is as the platform believes
                self._addressed.replace("bids", platform=self._addressed.value.bids.rate.copy())
                self._own = np.zeros_like(self._block)
        self.outdated = True

    def correct(self, odds: Floats) -> None:
        """Takes over factors on the odds of a click as first believed, (A,), for who has not come; `Blocks.reindex` follows."""
        if np.array_equal(odds, self._odds):  # as where a model stands in place of what is believed
            return
        self._odds = odds.copy()
        if self._winnow is not None:
            self._winnow.correct(odds)
        else:
            self._rates.correct(odds)
        self.outdated = True

    @property
    def must_reindex(self) -> bool:
        """Whether what changes at an instant may change the rates of requests to come."""
        return self.funnelled or self.outdated

    def refresh(self) -> bool:
        """Takes the bids of the moment into the funnel's index; whether rates of requests to come must be found anew."""
        outdated, self.outdated = self.outdated, False
        if self._winnow is None:
            return outdated
        bids = self._addressed.value.bids
        self._winnow.refresh(np.where(bids.cap >= bids.floor, bids.live, np.float32(0)))
        return True

    def _draw_participation(self, requests: Integers, start: int) -> None:
        """Draws who sits out requests, by number, in columns from `start` on."""
        state = self._addressed.value
        key = state.keys[Stream.PARTICIPATION]
        draw_participation(key, requests, start, start + len(requests), state.bids.who, state.bids.draw)

    def throttle(self, requests: Integers) -> None:
        """Draws which of the requests in the columns, by number, a throttled campaign sits out, and of all that will come.

        Nobody has been throttled before.
        """
        self._addressed.replace("bids", draw=np.zeros(self._addressed.value.bids.rate.shape, np.float32))
        if requests.size:
            self._draw_participation(requests, 0)

    def rank(self, ranking: Ranking) -> None:
        """Weights of ranks from now on, those of requests that have come and wait among them."""
        if ranking.is_as(self.ranking):
            return
        bids = self._addressed.value.bids
        if not bids.weight.size:
            self._addressed.replace("bids", weight=np.ones(bids.rate.shape, np.float32))
        self.ranking = ranking
        if self._line is not None or not self.outdated:  # else all that counts is rated anew, and weighed then
            self._weigh(slice(None))

    def _weigh(self, columns: slice) -> None:
        """Fills in the weights of ranks in columns."""
        bids = self._addressed.value.bids
        self.ranking.weigh(bids.rate[:, columns], bids.who[:, columns], bids.ad[:, columns], bids.weight[:, columns])

    def trace(self, number: int, place: int) -> Trace:
        """The way of a request, in a place of the block, through the full quotas of its tier, as the index is; for logs."""
        assert self._winnow is not None
        one = self._coming.batch(number - place).part(slice(place, place + 1))
        seen = Seen(self._addressed.value.memory, one.time_us)
        return self._winnow.trace(number, int(one.user[0]), self._coming.asked_at(place), seen, one)

    @property
    def quotas(self) -> Integers:
        """Those in force behind a funnel, (T, levels, 3); `queue.after` has the waits from which on they hold."""
        assert self._winnow is not None
        return self._winnow.quotas

    def set_quotas(self, tier: int, quotas: Integers, after_us: Integers) -> None:
        """Other quotas (levels, 3) of a tier and the waits (levels,) from which on they hold; `Blocks.reindex` follows.

        Who has come keeps the candidates found and what they cost; which of the levels he gets goes by the new waits.
        """
        assert self._winnow is not None
        assert self._scenario.funnel is not None
        self._winnow.set_quotas(tier, quotas)
        if self._line is not None and self._scenario.serving is not None:
            queue, levels = self._line.value, len(quotas)
            queue.after[tier, :levels] = after_us
            queue.service[tier, :levels] = service_s(self._scenario.serving, self._scenario.funnel, quotas) * 1e6


def new_winnow(scenario: Scenario, market: Market, keys: Keys) -> Winnow | None:
    """The funnel of a market; None if it has none."""
    settings = scenario.funnel
    if settings is None or market.stages is None or market.ads is None:
        return None
    matches = None if market.language is None else market.language.matches
    if scenario.serving is None:  # nobody waits, so that nothing but the full quotas is used
        settings = settings.in_full()
    return Winnow(settings, market.stages, market.ads, market.users, market.campaigns.ad_campaign, keys, matches)
