"""`AdArena/Pacing-v0`: the platform paces every campaign at once; a step is a tick, an action a factor for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..agents.catalogue import make_policy
from ..simulator.core.arrays import Floats
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO, UNLIMITED
from ..simulator.engine.state import Count, Sum
from ..simulator.market.market import build
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.pacing.vectors import LEAST, PacingVectors
from ..simulator.seats.pacing.view import PacingView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .bid_frame import spend_panel
from .frames import Frame, Panel, outermost
from .given import DAYS, check_base, reach_of
from .shell import scenario_of


class PacingEnv(SeatEnv):
    """The platform's pacing of all campaigns: a row a campaign, a step a tick.

    ## Description
    A day of an ad market in ticks (24 in `pacing-small`). Every campaign bids its target; the platform multiplies bids so that
    budgets last for the best of the day. Every budget moves the prices that all others pay.

    ## Action Space
    `Box(-1, 1, (campaigns,), float32)`: a, a number for each campaign. Its bids are multiplied by base x reach ^ a, at least
    .02 and at most 1, for the coming tick; base is what a classic decides (`base`), by default the factor of an even day. What
    lies outside by no more than a rounding in float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | k | a of campaign k | -1 (base over reach) | 1 (base times reach, at most 1) | log of factor / base, base reach |

    ## Observation Space
    `Box(-5, 5, (25 x campaigns,), float32)`, a row of 25 for each campaign, one after another; what lies outside is cut to the
    bounds. Means over the market are by budget.

    | Num | Observation | Transform |
    |---|---|---|
    | 0, 2 | time left of the day; forecast share elapsed | 2 x - 1 |
    | 1 | forecast share of the coming tick | log over an even share |
    | 3 | budget left over budget | 2 x - 1 |
    | 4 | pacing error: share due by the forecast less budget share spent | 5 x |
    | 5 | factor in force | log |
    | 6 | spend rate required from here over that of the last three ticks | log; 0 at first, or without a budget |
    | 7 | last tick's spend over the budget's share of its forecast | x - 1; 0 at first, or without a budget |
    | 8, 9 | requests over forecast: day so far, last tick | 2 log; log |
    | 10 | target over that of an even day | log |
    | 11 | change of that over the last three ticks | 3 x |
    | 12 | slots won per request in the last tick | 2 x - 1 |
    | 13 | mean price over mean bid in the last tick | log; 0 if nothing was shown |
    | 14 | the factor of an even day | log |
    | 15 | what an even day would cost unpaced, over the budget | log; -5 without a budget |
    | 16 | market: mean factor in force | log |
    | 17 | market: share of campaigns whose budget is spent | 4 x |
    | 18, 19 | market: means of 10 and of 4 | as they are |
    | 20 | least winning cost of a slot over the price of an even day | log; 0 where it is not told |
    | 21 | whether the budget is spent, but for a hundredth | -1 or 1 |
    | 22 | change of the factor with the last tick | of its log |
    | 23 | 10 less 18 | as is |
    | 24 | base of the coming tick | log |

    ## Rewards
    Of a campaign in a tick: half the true expected value of the slots won and seen over the value of its expected day, and half
    its spend over its budget (over its expected spend without one). The reward is the mean over campaigns;
    `info["unit_rewards"]` holds all of them, (campaigns,), for learners that credit each with its own
    (`adarena train AdArena/Pacing-v0 --set each=true`).

    ## Starting State
    Before the first tick of a day of fresh weather, nobody paced.

    ## Episode End
    `terminated` after the last tick of the day, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day, unit_rewards; of the tick: value, spend; of the day so far: total_value, total_spend, spent_share (of all budgets).

    ## Reset options
    `day` (seed of the world). What is not given is drawn with `np_random`.

    ## Arguments
    - `scenario`: a `Scenario`, the name of a preset or YAML file, or a mapping as it holds it.
    - `base`: a policy of the pacing seat, as the catalogue reads it: "prior", "joint_mpc:size=512,rounds=4".
    - `reach`: by what factor an action of 1 raises it, above 1.
    - `days`: range of the days drawn; by default those for training (`agents.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Pacing-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (600,)

    ## Version History
    - v0: first version.
    """

    seat = "pacing"
    vectors = PacingVectors
    options = ("day",)

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "pacing-small",
        base: str = "prior",
        reach: float = 8.0,
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        factor = reach_of(reach)
        check_base("pacing", base)
        market = scenario_of(scenario)
        table = build(market).campaigns
        super().__init__(market, days, engine, render_mode, units=len(table.names))
        self.looks = {"base": base, "reach": factor}
        expected = build(market).expected
        self._worth = np.maximum(expected.conversions * table.value, table.value)  # of one conversion at least
        limited = table.budget < UNLIMITED // 2
        self._money = np.maximum(np.where(limited, table.budget / MICRO, expected.spend), 1e-6)
        self._budgets = float(self._money.sum())

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> PacingVectors:
        """See `SeatEnv.vectors_for`."""
        return PacingVectors(make_policy("pacing", settings.get("base", "prior")), float(settings.get("reach", 8.0)))

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        drawn = int(self.np_random.integers(*self.days))
        day = int(options.get("day", drawn))
        return Case(day, {"pacing": Open()}, {"day": day})

    def begin(self, case: Case, world: World, view: PacingView) -> Info:
        """See `SeatEnv.begin`."""
        self._day, self._value, self._spend = case.day, 0.0, 0.0
        nothing = np.zeros(len(self._worth))
        return self._info(nothing, nothing, nothing)

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        ledger = world.ledger
        value, spend = ledger.sums[ledger.closed - 1, Sum.VALUE], ledger.counts[ledger.closed - 1, Count.SPEND] / MICRO
        self._value += float(value.sum())
        self._spend = float(ledger.today_counts[Count.SPEND].sum()) / MICRO  # the whole, not a sum of rounded parts
        rewards = 0.5 * value / self._worth + 0.5 * spend / self._money
        return float(rewards.mean()), self._info(rewards, value, spend)

    def _info(self, rewards: Floats, value: Floats, spend: Floats) -> Info:
        return {
            "day": self._day, "unit_rewards": rewards, "value": float(value.sum()), "spend": float(spend.sum()),
            "total_value": self._value, "total_spend": self._spend, "spent_share": self._spend / self._budgets,
        }  # fmt: skip

    def frame(self) -> Frame:
        """The day so far: spend over budgets, factors in force and value."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        world, scenario, ledger, closed = self.world, self.scenario, self.world.ledger, self.world.ledger.closed
        ticks = scenario.ticks_per_day
        rest = np.full(ticks - closed, np.nan)
        shares = np.vstack([np.zeros_like(self._money), np.cumsum(ledger.spend(), axis=0)]) / self._money
        factor, weight = ledger.pace[:closed], self._money / self._budgets
        value = np.append(0.0, np.cumsum(ledger.value().sum(axis=1)))
        return Frame(
            headline=f"{scenario.name}, day {world.seed}, {len(self._money)} campaigns",
            facts=f"tick {closed} of {ticks}: spent {self._spend:,.0f} of {self._budgets:,.0f}, true value {self._value:,.0f}",
            tick=closed,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                spend_panel(world, np.append(shares @ weight, rest), "all", outermost("least", "most", shares, rest)),
                Panel(
                    name="factor",
                    title="Factor on bids",
                    unit="",
                    course=np.append(factor @ weight, rest),
                    label="mean",
                    form="{:.3f}",
                    low=LEAST,
                    high=1.05,
                    logarithmic=True,
                    others=outermost("lowest", "highest", factor, rest),
                ),
                Panel(
                    name="value",
                    title="True value",
                    unit="currency so far",
                    course=np.append(value, rest),
                    label="all",
                    form="{:,.0f}",
                ),
            ),
        )
