"""What a process of the user's own may change in a world under way: money, bids, campaigns, quotas, servers, traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import simpy
from numpy.typing import ArrayLike

from .accounts import Accounts
from .books.journal import Journal
from .core.clock import INDEX
from .core.errors import MarketError
from .delivery.fleet import Fleet
from .delivery.quotas import read_levels
from .engine.engines import Engine
from .engine.exchange import Exchange
from .scenario.delivery import Quotas


class Event(NamedTuple):
    """Something done to the market, by a call or by its settings."""

    time_us: int
    what: str  # the name of the call; "servers_working": so many servers work from now on
    campaign: int | None  # None: all
    amount: float | None


class Controls(Accounts):
    """The part of a `World` that changes the market, now, and notes it among its `events` and in the journal."""

    events: list[Event]  # in their order
    journal: Journal | None
    _engine: Engine
    _to_index = False  # whether the funnel is to look anew at the end of this instant

    @property
    def _changing(self) -> Exchange:
        """The exchange, to be changed. Raises `MarketError` in the middle of a request."""
        if self._exchange.waits:
            raise MarketError("a page waits to be allocated: answer before anything is changed")
        return self._exchange

    def top_up(self, campaign: int | str, amount: float) -> None:
        """Adds currency to what a campaign may still spend today."""
        self._changing.top_up(campaign, amount)
        self._note("top_up", campaign, amount)

    def set_budget(self, campaign: int | str, amount: float | None) -> None:
        """A new daily budget in currency, from today on; None: unlimited."""
        self._changing.set_budget(campaign, amount)
        self._note("set_budget", campaign, amount)

    def set_multiplier(self, campaign: int | str, multiplier: float) -> None:
        """What a campaign bids, as a multiple of its target, until its policy decides again."""
        self._changing.set_multiplier(campaign, multiplier)
        self._note("set_multiplier", campaign, multiplier)

    def scale_value(self, campaign: int | str, factor: float) -> None:
        """Multiplies what a conversion is worth to a campaign, and with it its target: a price shock."""
        self._changing.scale_value(campaign, factor, self.now // self.scenario.tick_us % self.scenario.ticks_per_day)
        self._note("scale_value", campaign, factor)

    def set_pace(self, campaign: int | str, factor: float = 1.0, participation: float = 1.0) -> None:
        """Paces a campaign: the factor, up to 1, on its bids, and the share of auctions in which it may take part."""
        self._changing.set_pace(campaign, factor, participation)
        self._note("set_pace", campaign, float(factor) * float(participation))

    def set_reserve(self, reserve: float, campaign: int | str | None = None) -> None:
        """The least price of an impression, currency, for a campaign or, with None, for all."""
        self._changing.set_reserve(reserve, campaign)
        self._note("set_reserve", campaign, reserve)

    def set_squashing(self, squashing: float) -> None:
        """Rank score = bid per click x believed click rate ^ squashing, from now on."""
        self._changing.set_squashing(squashing)
        self._note("set_squashing", None, squashing)

    def launch(self, campaign: int | str) -> None:
        """Starts a campaign, until its flights say otherwise on another day; ends a pause."""
        self._changing.launch(campaign, self.now)
        self._note("launch", campaign, None)

    def pause(self, campaign: int | str) -> None:
        """Stops a campaign until it is launched again, however many days that takes."""
        self._changing.pause(campaign, self.now)
        self._note("pause", campaign, None)

    def set_creative_shares(self, campaign: int | str, shares: ArrayLike, ad: int | str = 0) -> None:
        """How an ad shows its creatives from now on: with these probabilities, one for each, in their order, summing to 1.

        `ad` is its name or its place among the campaign's ads. The log notes its number in the market.
        """
        number = self._changing.set_creative_shares(campaign, shares, ad)
        self._note("set_creative_shares", campaign, number)

    def set_quotas(self, tier: int, levels: Sequence[Quotas]) -> None:
        """How many candidates of a traffic tier leave each stage of the funnel from now on, in full and in steps down.

        Who has come keeps the candidates found for him; how many of them he gets goes by the new waits.

        Raises:
            MarketError: if there is no funnel or tier, or there are not as many levels as the scenario has, none with more
                candidates than there.
        """
        place, quotas, after_us = read_levels(self.scenario, tier, levels)
        self._changing.blocks.rating.set_quotas(place, quotas, after_us)
        self._reindex()
        self._note("set_quotas", None, place)

    def set_servers(self, servers: int) -> None:
        """How many servers there are from now on, failed ones among them; those too many end the work they have begun."""
        self._servers("set_servers").own(servers)
        self._note("set_servers", None, servers)

    def fail_servers(self, servers: int) -> None:
        """An outage: so many servers end the work they have begun and take up no other."""
        self._servers("fail_servers").fail(servers)
        self._note("fail_servers", None, servers)

    def repair_servers(self, servers: int) -> None:
        """Brings back servers that have failed."""
        self._servers("repair_servers").repair(servers)
        self._note("repair_servers", None, servers)

    def _servers(self, what: str) -> Fleet:
        if (fleet := self._changing.fleet) is None:
            raise MarketError(f"{what} needs a market with servers, and scenario {self.scenario.name!r} has none")
        return fleet

    def surge(self, factor: float) -> None:
        """Multiplies all traffic from now on; call it again with the inverse to end the surge. 0 ends traffic for good.

        In a market with sessions it multiplies those that begin: whoever is in one goes on.
        """
        self._changing.surge(self.now, factor)
        self._engine.placed_anew()
        self._note("surge", None, factor)

    def _reindex(self) -> None:
        """Has the funnel look anew at bids and quotas, when all that this instant brings has been decided."""
        if self._to_index or not self._exchange.blocks.rating.must_reindex:
            return
        self._to_index = True

        def index(event: simpy.Event) -> None:
            self._to_index = False
            self._exchange.reindex()

        cast(Any, self.env.at(self.now, INDEX).callbacks).append(index)

    def _note(self, what: str, campaign: int | str | None, amount: float | None) -> None:
        place = None if campaign is None else self._exchange.find(campaign)
        event = Event(self.now, what, place, None if amount is None else float(amount))
        self.events.append(event)
        if self.journal is not None:
            self.journal.note(event.time_us, what, -1 if place is None else place, event.amount)
