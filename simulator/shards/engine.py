"""The engine of a market whose users are split over shards: the head hands out orders and adds up reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats
from ..core.clock import Clock
from ..core.errors import MarketError, reason
from ..core.numeric import whole
from ..engine.blocks import NEXT
from ..engine.engines import between_events
from ..engine.exchange import Exchange
from ..engine.state import Control, Count
from ..population.campaigns import Billing
from ..scenario.tree import Scenario
from .budgets import allowances
from .places import Here, Places
from .shard import Orders, take
from .split import check

MEMORY = 0.9  # of what shards spent, from one stretch to the next
IMPRESSIONS = 4  # at their mean price: more than nearly any costs
MOST = 1 << 20  # shards: what their requests are numbered by


@dataclass(frozen=True)
class Sharded:
    """An engine for `World(engine=...)`: users split over shards by hash, everything else as in any world.

    The clock, policies, a user's processes, the ledger and all other books are the head's. For each stretch between two events,
    at least each tick, a shard is told bids, prices and what it may spend, plays its users' requests, and reports.
    One shard is the plain market, to the bit. Several are a market of the same distribution: the weather is the same, and
    requests come from the same users as often, but at other instants and with other luck.

    Staleness: what a shard may spend is its part of what was left of a budget when the stretch began, by what it has spent
    of late. Money that another shard has left over comes back a stretch, at most a tick, later. So no budget is ever
    overspent, and a campaign near the end of its budget bids no more than its part in each shard.

    Attributes:
        shards: how many.
        places: where shards are: `Here`, in threads, or `actors.Actors`, on Ray.
    """

    shards: int
    places: Callable[[Scenario, int, int], Places] = Here

    def __call__(self, env: Clock, exchange: Exchange) -> ShardedTraffic:
        """The engine of one world.

        Raises:
            MarketError: if a market or what is kept of it cannot be split, or not over so many.
        """
        if (number := whole(self.shards)) is None or not 1 <= number <= MOST:
            raise MarketError(f"a market is split over a whole number of shards from 1 to {MOST:,}, not {self.shards!r}")
        scenario = exchange.scenario
        why = reason(
            ("servers, whose queue all requests share", scenario.serving is not None),
            ("a funnel, whose index all requests share", scenario.funnel is not None),
            ("sessions", scenario.sessions is not None),
            (
                "beliefs that learn, or somebody who ranks, from all requests",
                exchange.state.beliefs.clicks.size > 0,
            ),
            ("somebody who casts creatives", exchange.creative_desk is not None),
            ("a journal, or a record for hindsight", bool(exchange.blocks.on_block)),
        )
        if why is not None:
            raise MarketError(f"a market cannot be split over shards with {why}")
        check(exchange.market.users.segment.size, self.shards)
        return ShardedTraffic(env, exchange, self)


class ShardedTraffic:
    """Traffic that is played elsewhere, in one call a shard and stretch."""

    def __init__(self, env: Clock, exchange: Exchange, how: Sharded) -> None:
        self._env, self._exchange = env, exchange
        self._places = how.places(exchange.scenario, exchange.seed, how.shards)
        self._spent = np.zeros((how.shards, exchange.multiplier.size))  # of late
        self._paid, self._shown = (np.zeros(exchange.multiplier.size, np.int64) for _ in range(2))  # and impressions, so far
        self._turn = 0
        self._surges: list[float] = []  # since the last stretch
        exchange.on_surge.append(lambda now, factor: self._surges.append(factor))
        env.own(between_events(env, self._stretch, exchange.ask))

    def placed_anew(self) -> None:
        """Shards are told of a surge before they go on."""

    def resized(self, servers: int) -> None:
        """There are no servers."""

    def _unit(self) -> Floats:
        """About the most that each campaign pays at once, (K,), millionths: a click, or some impressions at its mean price."""
        bids, by_impression = self._exchange.state.bids, self._exchange.state.terms.billing == Billing.CPM
        return np.where(by_impression & (self._shown > 0), IMPRESSIONS * self._paid / np.maximum(self._shown, 1), bids.watch)

    def _stretch(self, until: int) -> None:
        """Has all shards play up to a time, and adds up what they report."""
        now, tick_us = int(self._env.now), self._exchange.scenario.tick_us
        exchange, state, terms = self._exchange, self._exchange.state, self._exchange.state.terms
        if state.rules.campaign.size or state.bids.offer.size:
            raise MarketError("a campaign of a market split over shards decides a multiplier: no shard sees all requests")
        parts = allowances(terms.allowance - terms.spent, self._spent, self._unit(), terms.billing == Billing.CPA, self._turn)
        bids = state.bids
        told = Orders(
            now, until, now % tick_us == 0, until % tick_us == 0, tuple(self._surges), terms.active, exchange.multiplier,
            bids.pace, bids.taking, bids.floor, exchange.blocks.rating.ranking, exchange.target, terms.value,
            terms.believed_conversion, state.truth.conversion, state.rotation.share, parts[0],
        )  # fmt: skip
        self._surges.clear()
        reports = self._places.play([told._replace(allowance=part) for part in parts])
        take(state, reports)
        spent = np.stack([report.spent for report in reports])
        self._spent, self._turn = MEMORY * self._spent + spent, self._turn + 1
        self._paid += spent.sum(axis=0)
        if told.closes:
            self._shown += state.tally.counts[Count.IMPRESSIONS]
        # The head has drawn no block: what it is told to count of its own adds nothing.
        state.control[NEXT] = sum(report.requests for report in reports) + state.control[Control.UNMADE]
