"""The ranking seat of a world: what whoever ranks ads is told, and what becomes of the weights."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats32
from ...core.chance import Stream, generator
from ...core.errors import MarketError, PolicyError
from ...core.money import MICRO
from ...delivery.ranking import NO_BONUS
from ...engine.exchange import Exchange
from ...engine.new_state import at_least
from ...engine.state import Count, Sum
from ...population.users import request_shares
from ...response.beliefs import Posterior, posterior
from ...scenario.response import Interests
from ...scenario.tree import Scenario
from ..bidding.teller import Teller, known
from ..seat import Holding, Moment, Policy, Seat
from .decisions import LARGEST_BONUS, LEAST_BONUS, Checked, RankingPolicy, checked
from .view import Facts, RankingView, Seen, Totals, Users


class RankingSeat(Seat[RankingView, Checked, Holding]):
    """The weights of the rank score, for all ads together."""

    name = "ranking"
    unit = "market"
    policy: ClassVar[type[Policy[Any, Any]]] = RankingPolicy
    units = ("market",)
    excludes: ClassVar[tuple[str, ...]] = ("auction",)

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """Ads that are clicked at rates of their own."""
        return None if scenario.rates.kind == "interests" else "rates of kind interests"

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._teller = exchange, Teller(exchange, ledger)
        market, rates = exchange.market, exchange.scenario.rates
        assert market.ads is not None
        assert isinstance(rates, Interests)
        exchange.count_beliefs()
        self._known = known(exchange.scenario, tuple(range(exchange.multiplier.size)))
        self._new, self._campaign = market.ads.new, market.campaigns.ad_campaign
        self._facts = Facts(market.users.segment, market.campaigns.vertical, market.content)
        average = market.users.interests.mean(axis=0, dtype=np.float64)
        self._typical = 1 / (1 + np.exp(-(market.ads.believed_bias + market.ads.believed_vectors.astype(np.float64) @ average)))
        self._typical.flags.writeable = False
        self._share = None if exchange.scenario.sessions is None else request_shares(market.users)
        self._floor = exchange.state.bids.floor.copy()
        self._cost, self._optimism, self._thompson = 0.0, 0.0, False
        self._decided: Checked | None = None  # in this round
        self._bonus = NO_BONUS
        self._rounds, self._now = 0, 0
        self._ledger, self._looked, self._so_far = ledger, 0, Totals(0, 0, 0, 0.0, 0.0)

    def holding(self, policy: Policy[RankingView, Any], held: list[int]) -> Holding:
        """See `Seat.holding`."""
        return Holding(policy, held)

    def view(self, holding: Holding, moment: Moment) -> RankingView:
        """See `RankingView`."""
        self._now = moment.now_us
        (told,) = self._teller.views([self._known], moment)
        exchange, state = self._exchange, self._exchange.state
        beliefs, terms = state.beliefs, state.terms
        bid = exchange.multiplier * exchange.target * state.bids.pace * terms.believed_conversion
        return RankingView(
            told=told,
            days=exchange.scenario.days,
            totals=self._totals(),
            click_bid=np.where(terms.active, bid, 0.0),
            campaign=self._campaign,
            new=self._new,
            typical=self._typical,
            seen=Seen(beliefs.shown.copy(), beliefs.clicks.copy(), beliefs.expected.copy()),
            posterior=self._posterior(),
            correction=beliefs.correction[1].copy(),
            squashing=exchange.blocks.rating.ranking.squashing,
            cost=self._cost,
            optimism=self._optimism,
            thompson=self._thompson,
            users=self._users(),
            facts=self._facts,
        )

    def _totals(self) -> Totals:
        """Takes in the ticks that have closed since it was asked last."""
        ledger, rows = self._ledger, slice(self._looked, self._ledger.closed)
        counts, believed = ledger.counts[rows].sum(axis=(0, 2)), float(ledger.sums[rows, Sum.BELIEVED].sum())
        self._looked = ledger.closed
        money, made = float(counts[Count.SPEND]) / MICRO, int(ledger.requests()[rows].sum())
        before = self._so_far
        self._so_far = Totals(
            before.requests + made, before.impressions + int(counts[Count.IMPRESSIONS]),
            before.clicks + int(counts[Count.CLICKS]), before.spend + money, before.believed_value + believed,
        )  # fmt: skip
        return self._so_far

    def _posterior(self) -> Posterior:
        return posterior(self._exchange.state.beliefs, self._exchange.prior)

    def _users(self) -> Users | None:
        if self._share is None:
            return None
        visits = self._exchange.state.visits
        planned, made = visits.pages.sum(axis=1).tolist()
        return Users(planned, made, float(self._share @ visits.satisfaction))

    def check(self, holding: Holding, decision: Any) -> Checked:
        """See `Seat.check`."""
        return checked(holding.name, decision, self._new.size, self._exchange.scenario.funnel is not None)

    def apply(self, holding: Holding, decision: Checked) -> None:
        """See `Seat.apply`."""
        try:
            for believe in decision.believe:
                self._exchange.believe(believe.stage, believe.model, self._now)
            if decision.prior is not None:
                self._exchange.suppose(decision.prior, self._now)
        except MarketError as error:
            raise PolicyError(f"{holding.name}: {error}") from None
        self._decided = decision
        self._optimism = self._optimism if decision.optimism is None else decision.optimism
        self._thompson = self._thompson if decision.thompson is None else decision.thompson
        self._bonus = self._bonus if decision.bonus is None else decision.bonus
        if decision.cost is not None:
            self._cost = decision.cost

    def close(self, changed: bool) -> None:
        """Puts the weights in force; bonuses at each tick anew, since what is ventured moves with the clicks."""
        squashing, floor = None, None
        if (decided := self._decided) is not None:
            squashing = decided.squashing
            floor = None if decided.cost is None else np.maximum(self._floor, np.float32(at_least(decided.cost)))
        self._exchange.rank(squashing, self._whole_bonus(), floor)
        self._decided = None
        self._rounds += 1

    def _whole_bonus(self) -> Floats32:
        """Factors on the ranks of ads, (A,); (0,): all are 1."""
        if not self._optimism and not self._thompson:
            return self._bonus
        found = self._posterior()
        factor = 1 + self._optimism / np.sqrt(found.shape)
        if self._thompson:
            factor *= generator(self._exchange.seed, Stream.RANKING, self._rounds).gamma(found.shape) / found.shape
        factor = np.where(self._new, np.minimum(np.maximum(factor, LEAST_BONUS), LARGEST_BONUS), 1.0)
        whole: Floats32 = (factor * (self._bonus if self._bonus.size else 1.0)).astype(np.float32)
        return whole
