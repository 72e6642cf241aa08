"""`AdArena/Auction-v0`: by what rules impressions are sold; a step is a tick, an action a reserve for each vertical."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..agents.auction.goal import ANNOYANCE, SURPLUS, Goal, mean_price
from ..agents.auction.trials import Trying
from ..agents.catalogue import make_policy
from ..simulator.core.arrays import Floats
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO
from ..simulator.engine.state import Count, Sum
from ..simulator.market.market import build
from ..simulator.market.rehearsal import rehearsal
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.auction.vectors import AuctionVectors
from ..simulator.seats.auction.verticals import Verticals
from ..simulator.seats.auction.view import AuctionView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .frames import Frame, Line, Panel, outermost
from .given import DAYS, check_base, reach_of
from .shell import scenario_of

BASE, REACH = "local_search", 2.0
LOW, HIGH = 1e-3, 1e2  # reserves over mean bids that are drawn


class AuctionEnv(SeatEnv):
    """Whoever runs the auction: a row a vertical, a step a tick.

    ## Description
    A day of an ad market in ticks (48 in `auction-small`). Campaigns bid what impressions are worth to them, which moves from
    tick to tick. Whoever runs the auction sees bids and sets the least price of an impression in each vertical, and how far
    click rates count in ranks, for the coming tick. Without budgets nothing of a tick carries over to the next.

    ## Action Space
    `Box(-1, 1, (2 x verticals,), float32)`: a, b for each vertical that has campaigns, one after another. Reserves of its
    campaigns are base x reach ^ a, squashing is that of the base plus half the mean of b over verticals, at least 0; base is
    what a classic decides that searches on a sample of an even day (`base`). What lies outside by no more than a rounding in
    float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | 2 v | a of vertical v | -1 (base over reach) | 1 (base times reach) | log of reserve / base, base reach |
    | 2 v + 1 | b of vertical v | -1 | 1 | squashing less base, the mean over verticals counts half |

    ## Observation Space
    `Box(-5, 5, (16 x verticals,), float32)`, a row of 16 for each vertical, one after another; what lies outside is cut to the
    bounds. The mean bid of a vertical is that for an impression, over its campaigns and the requests of an even day.

    | Num | Observation | Transform |
    |---|---|---|
    | 0 | time left of the day | 2 x - 1 |
    | 1 | forecast share of the coming tick | log over an even share |
    | 2 | requests over forecast in the last tick | log; 0 at first |
    | 3 | mean bid over the mean price of an even day | log |
    | 4 | that less 11 | as is |
    | 5 | change of 3 over the last three ticks | 3 x |
    | 6 | place by mean bid | from -1, the lowest, to 1 |
    | 7 | reserve in force over the mean bid, mean over campaigns | log |
    | 8 | slots won per slot that there was in the last tick | 2 x - 1; 0 at first |
    | 9 | mean price over the mean bid in the last tick | log; 0 at first, or if nothing was shown |
    | 10 | clicks per impression in the last tick | 20 x; 0 at first |
    | 11 | market: mean of 3 | as is |
    | 12 | market: slots sold per slot that there was in the last tick | 2 x - 1; 0 at first |
    | 13 | squashing in force | 2 x - 1 |
    | 14 | base of the coming tick over the mean bid, mean over campaigns | log |
    | 15 | base of the coming tick: squashing | 2 x - 1 |

    ## Rewards
    The score of the tick over that of an even tick under the scenario's own rules, as it is expected. Score is revenue +
    `surplus` x (value - revenue) - `annoyance` x mean price of an even day x impressions seen and not clicked; value is true
    expected value to advertisers. `info["unit_rewards"]` (verticals,) holds the part of each vertical, of which the reward is
    the mean.

    ## Starting State
    Before the first tick of a day of fresh weather, under the scenario's own rules.

    ## Episode End
    `terminated` after the last tick of the day, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day, unit_rewards; of the tick: score, revenue, welfare (value), surplus (value - revenue), users_cost (without its
    weight); of the day so far: total_score, total_revenue, total_welfare.

    ## Reset options
    `day` (seed of the world). What is not given is drawn with `np_random`.

    ## Arguments
    - `scenario`: a `Scenario`, the name of a preset or YAML file, or a mapping as it holds it.
    - `base`: a policy of the auction seat, as the catalogue reads it: "local_search", "empirical_vertical:size=256". One that
      tries rules before it sets them judges them by the environment's weights.
    - `reach`: by what factor an action of 1 raises a reserve, above 1.
    - `surplus`: weight of what advertisers keep, from 0 up.
    - `annoyance`: what an ad that is not clicked costs its user, in mean prices of an even day, from 0 up.
    - `days`: range of the days drawn; by default those for training (`agents.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Auction-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (96,)

    ## Version History
    - v0: first version.
    """

    seat = "auction"
    vectors = AuctionVectors
    options = ("day",)

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "auction-small",
        base: str = BASE,
        reach: float = REACH,
        surplus: float = SURPLUS,
        annoyance: float = ANNOYANCE,
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        factor = reach_of(reach)
        check_base("auction", base)
        self._goal = Goal(surplus, annoyance)
        market = scenario_of(scenario)
        table = build(market).campaigns
        self._verticals = Verticals(table.vertical)
        super().__init__(market, days, engine, render_mode, units=self._verticals.count)
        self.looks = {"base": base, "reach": factor, "surplus": surplus, "annoyance": annoyance}
        self._price = mean_price(build(market).expected)
        even = rehearsal(market).outcome(table.prior * table.target)
        parts = self._goal.score(even.spend, even.conversions * table.value, even.impressions - even.clicks, self._price)
        self._scale = float(parts.sum()) * market.expected_requests / market.ticks_per_day
        if not self._scale > 0:
            raise MarketError(
                f"rewards are measured by the score of an even day, and under these weights that of {market.name!r} is "
                f"{self._scale:g}"
            )

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> AuctionVectors:
        """See `SeatEnv.vectors_for`."""
        base = make_policy("auction", settings.get("base", BASE))
        if isinstance(base, Trying):
            weights = settings.get("surplus", SURPLUS), settings.get("annoyance", ANNOYANCE)
            base = dataclasses.replace(base, surplus=weights[0], annoyance=weights[1])
        return AuctionVectors(base, float(settings.get("reach", REACH)))

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        drawn = int(self.np_random.integers(*self.days))
        day = int(options.get("day", drawn))
        return Case(day, {"auction": Open()}, {"day": day})

    def begin(self, case: Case, world: World, view: AuctionView) -> Info:
        """See `SeatEnv.begin`."""
        self._day, self._score, self._revenue, self._welfare = case.day, 0.0, 0.0, 0.0
        self._seen = [view]  # at each tick so far
        nothing = np.zeros(len(view.vertical))
        return self._info(nothing, nothing, nothing)

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        ledger, row = world.ledger, world.ledger.closed - 1
        counts, value = ledger.counts[row], ledger.sums[row, Sum.VALUE]
        self._seen.append(self._view)
        info = self._info(counts[Count.SPEND] / MICRO, value, counts[Count.IMPRESSIONS] - counts[Count.CLICKS])
        return float(info["unit_rewards"].mean()), info

    def _info(self, revenue: Floats, value: Floats, unclicked: Floats) -> Info:
        """Of a tick, by campaign."""
        parts, earned, worth = (
            self._goal.score(revenue, value, unclicked, self._price),
            float(revenue.sum()),
            float(value.sum()),
        )
        score = float(parts.sum())
        self._score += score
        self._revenue += earned
        self._welfare += worth
        return {
            "day": self._day, "unit_rewards": self._verticals.total(parts) * (self._verticals.count / self._scale),
            "score": score, "revenue": earned, "welfare": worth, "surplus": worth - earned,
            "users_cost": self._price * float(unclicked.sum()),
            "total_score": self._score, "total_revenue": self._revenue, "total_welfare": self._welfare,
        }  # fmt: skip

    def frame(self) -> Frame:
        """The day so far: reserves over mean bids, revenue and score, and how much was sold."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        world, scenario, ledger, closed = self.world, self.scenario, self.world.ledger, self.world.ledger.closed
        ticks, rest = scenario.ticks_per_day, np.full(scenario.ticks_per_day - closed, np.nan)
        reserves = np.array([self._over_bids(tick) for tick in range(closed)]).reshape(closed, self._verticals.count)
        mean = np.exp(np.log(reserves).mean(axis=1))
        spend, counts = ledger.spend(), ledger.counts[:closed]
        parts = self._goal.score(spend, ledger.value(), counts[:, Count.IMPRESSIONS] - counts[:, Count.CLICKS], self._price)
        revenue, score = (np.append(0.0, np.cumsum(x.sum(axis=1))) for x in (spend, parts))
        there = ledger.requests() * self._seen[0].rehearsal.exposure.size
        sold = counts[:, Count.WINS].sum(axis=1) / np.maximum(there, 1)
        return Frame(
            headline=f"{scenario.name}, day {world.seed}, {self._verticals.count} verticals",
            facts=f"tick {closed} of {ticks}: revenue {self._revenue:,.0f}, value {self._welfare:,.0f}, "
            f"score {self._score:,.0f}",
            tick=closed,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                Panel(
                    name="reserve",
                    title="Reserve over mean bid",
                    unit="for an impression, by vertical",
                    course=np.append(mean, rest),
                    label="mean",
                    form="{:.3f}",
                    low=LOW,
                    high=HIGH,
                    logarithmic=True,
                    others=outermost("lowest", "highest", reserves, rest),
                ),
                Panel(
                    name="revenue",
                    title="Revenue",
                    unit="currency so far",
                    course=np.append(revenue, rest),
                    label="revenue",
                    form="{:,.0f}",
                    others=(Line("score", np.append(score, rest)),),
                ),
                Panel(
                    name="sold",
                    title="Sold",
                    unit="share of slots",
                    course=np.append(sold, rest),
                    label="all",
                    form="{:.1%}",
                    high=1.04,
                ),
            ),
        )

    def _over_bids(self, tick: int) -> Floats:
        """The reserves of a tick over the mean bids in it, (verticals,), from `LOW` to `HIGH`."""
        reserve = self._verticals.mean(np.log(self._seen[tick + 1].rules.reserve))
        found: Floats = np.exp(reserve) / self._verticals.level(self._seen[tick])
        return np.clip(found, LOW, HIGH)
