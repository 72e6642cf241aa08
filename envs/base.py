"""A market with one bid seat open: the part that every environment of a single campaign shares.

The world stops at the start of each tick, after everybody else has decided, with the open seat's view in hand; what the
agent then does holds until the next tick. Nothing but `world.run` moves time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..agents.bidding.rivals import contested, rivals
from ..agents.splits import SPLITS
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO
from ..simulator.core.numeric import real, whole
from ..simulator.engine.state import Count, Sum
from ..simulator.response.leads import LEADS_TOLD
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.bidding.decisions import BidPolicy, BidView, Decision, Told, ToldLeads
from ..simulator.world import World

LAST_DAY = SPLITS["test"].stop
DAYS = (SPLITS["train"].start, SPLITS["train"].stop)  # seeds of the days that episodes are drawn from


class Onlooker(BidPolicy):
    """Holds the open seat: keeps what it sees and decides nothing, since the agent does."""

    view: BidView

    def decide(self, view: BidView) -> Decision | None:
        self.view = view
        return None


class OpenSeat:
    """One day of a market seen from one campaign, tick by tick."""

    def __init__(self, scenario: Scenario, campaign: int, day: int, mix: str, budget_scale: float, engine: Any) -> None:
        self.scenario, self.campaign = scenario, campaign
        self._onlooker = Onlooker()
        seats = {**rivals(scenario, campaign, mix), campaign: self._onlooker}
        self.world = World(scenario, {"bid": seats}, seed=day, engine=engine)
        if budget_scale != 1.0:
            budget = self.world.campaigns.listed[campaign].budget_per_day
            if budget is None:
                raise MarketError(f"campaign {campaign} has no budget to scale")
            self.world.set_budget(campaign, budget * budget_scale)
        self.world.run(0)

    @property
    def view(self) -> BidView:
        """What the campaign sees at the start of the tick that comes next, or at the close of the day."""
        return self._closing() if self.over else self._onlooker.view

    def _closing(self) -> BidView:
        """What nobody is asked about any more: the view after the last tick, with `tick == ticks`."""
        ledger, k, view = self.world.ledger, self.campaign, self._onlooker.view
        today = _told(ledger.today_counts[:, k], ledger.today_sums[:, k])
        last = _told(ledger.counts[ledger.closed - 1, :, k], ledger.sums[ledger.closed - 1, :, k])
        return view._replace(
            tick=view.ticks,
            could_bid=last.requests > 0,
            elapsed=float(view.forecast.sum()),
            multiplier=ledger.multiplier[ledger.closed - 1, [k]],
            budget_left=ledger.left[ledger.closed - 1, [k]] / MICRO,
            last=last,
            today=today,
            spent_share=today.spend / view.budget if view.budget[0] > 0 else np.ones(1),
            market_price=ledger.market_price[ledger.closed - 1, [k]]
            if self.scenario.auction.price_told
            else np.full(1, np.nan),
            last_leads=self._leads(1),
            today_leads=self._leads(view.ticks),
        )

    def _leads(self, ticks: int) -> ToldLeads | None:
        """What the campaign was told of its leads in the latest ticks."""
        books, closed = self.world.ledger.leads, self.world.ledger.closed
        if books is None:
            return None
        return ToldLeads(*books.counts[closed - ticks : closed, :LEADS_TOLD, [self.campaign]].sum(axis=0))

    @property
    def over(self) -> bool:
        """Whether the last tick has been played."""
        return self.world.now >= self.scenario.horizon_us

    def play(self, multiplier: float) -> None:
        """Plays one tick under a multiplier."""
        self.world.set_multiplier(self.campaign, multiplier)
        self.world.run(self.world.now + self.scenario.tick_us)


def _told(counts: NDArray[np.int64], sums: NDArray[np.float64]) -> Told:
    """What one campaign is told, from its column of the books."""
    return Told(
        requests=counts[[Count.REQUESTS]],
        wins=counts[[Count.WINS]],
        impressions=counts[[Count.IMPRESSIONS]],
        clicks=counts[[Count.CLICKS]],
        conversions_reported=counts[[Count.REPORTED]],
        spend=counts[[Count.SPEND]] / MICRO,
        believed_value=sums[[Sum.BELIEVED]],
        offered=sums[[Sum.OFFERED]],
    )


def drawn_case(
    scenario: Scenario,
    dice: np.random.Generator,
    options: dict[str, Any] | None,
    days: tuple[int, int],
    mixes: tuple[str, ...],
) -> tuple[int, int, str, float]:
    """Campaign, day, rival mix and budget scale (1 unless given) of an episode: from `options` where given, else drawn.

    Raises:
        MarketError: if an option is not known or not allowed.
    """
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise MarketError(f"options are a mapping from names to values, not {options!r}")
    unknown = [name for name in options if name not in ("campaign", "day", "rivals", "budget_scale")]
    if unknown:
        raise MarketError(f"there is no option {unknown[0]!r}; known are campaign, day, rivals and budget_scale")
    held = contested(scenario)
    drawn_campaign, drawn_day = held[int(dice.integers(len(held)))], int(dice.integers(*days))
    drawn_mix = mixes[int(dice.integers(len(mixes)))] if len(mixes) > 1 else mixes[0]
    campaign, day = options.get("campaign", drawn_campaign), options.get("day", drawn_day)
    if isinstance(campaign, bool) or not isinstance(campaign, int | np.integer) or campaign not in held:
        raise MarketError(f"the campaign must be one whose budget binds, {', '.join(map(str, held))}, not {campaign!r}")
    if (seed := whole(day)) is None or not 0 <= seed < LAST_DAY:
        raise MarketError(f"the day is a whole number from 0 to {LAST_DAY - 1:,}, the seed of a world, not {day!r}")
    scale = options.get("budget_scale", 1.0)
    if (factor := real(scale)) is None or not 0.01 <= factor <= 100:
        raise MarketError(f"the budget_scale is a number from 0.01 to 100, not {scale!r}")
    return int(campaign), seed, options.get("rivals", drawn_mix), factor
