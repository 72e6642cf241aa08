"""`AdArena/Bidding-v0`: one campaign bids through a day; a step is a tick, an action its multiplier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..agents.bidding.rivals import MIXES, contested, drawn_rivals, rivals
from ..agents.objectives import TARGETS, score
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO
from ..simulator.core.numeric import real
from ..simulator.engine.state import Count, Sum
from ..simulator.market.market import build
from ..simulator.scenario.demand import Objective
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.bidding.vectors import REACH, BidVectors
from ..simulator.seats.bidding.view import BidView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .bid_frame import bid_frame
from .frames import Frame
from .given import DAYS

# Plain numbers, for what is read at each step.
SPEND, ATTRIBUTED, REPORTED, VALUE = int(Count.SPEND), int(Count.ATTRIBUTED), int(Count.REPORTED), int(Sum.VALUE)

DRAWN = "drawn"  # rivals of kinds and tunings drawn for each episode
SCALES = 0.01, 100.0  # of a budget, least and most

REWARDS: dict[str, Objective] = {"value": "max_value", "tcpa": "target_cpa", "utility": "utility"}


class BiddingEnv(SeatEnv):
    """One campaign's bid seat, drawn per episode from those whose budgets bind, against a mixture of classics.

    ## Description
    A day of an ad market in ticks (48 in `bidding-small`). The campaign wants as much value as its budget buys; rivals are,
    unless other mixes are named, half PID controllers, a quarter repeat an earlier day, a quarter follow dual mirror
    descent. Traffic, prices and conversion rates have weather that no forecast tells.

    ## Action Space
    `Box(-1, 1, (1,), float32)`: a. The campaign bids m x target x believed rate for the coming tick, with
    m = m_prior x exp(log(4) a); m_prior is its multiplier of an earlier day, which every classic is given too. What lies
    outside by no more than a rounding in float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 | a | -1 (a quarter of the prior) | 1 (four times the prior) | log base 4 of m / m_prior |

    ## Observation Space
    `Box(-5, 5, (22,), float32)`; what lies outside is cut to the bounds. The first 16 follow AuctionNet (Su et al. 2024),
    with two differences: what AuctionNet tells of the current tick before it is played (its rate and its traffic) comes
    from the last tick and from the forecast, and conversions count when they are reported. Means over requests; "last3" is
    the last three ticks. Ratios are logs against what an expected day brings, halves and doubles being equally far.

    | Num | Observation | Transform |
    |---|---|---|
    | 0 | time left of the day | 2 x - 1 |
    | 1 | budget left over budget | 2 x - 1 |
    | 2, 3 | mean bid: day so far, last3 | log over the prior's bid at the expected rate |
    | 4, 8 | mean least winning cost: day, last3 | log over the same; 0 where it is not told |
    | 5, 9, 12 | mean believed rate of all requests: day, last3, last tick | 2 log over the expected |
    | 6, 10 | conversions reported: day, last3 | log(1 + x) |
    | 7, 11 | slots won per request: day, last3 | 2 x - 1 |
    | 13 | forecast share of the coming tick | log over an even share |
    | 14, 15 | requests: mean of last3, day so far | log over forecast mean; 2 x / forecast - 1 |
    | 16 | pacing error: forecast share elapsed less budget share spent | 5 x |
    | 17 | log of the multiplier in force over the prior | as is |
    | 18 | last tick's spend over the budget's share of its forecast | x - 1; 0 if it could not bid |
    | 19 | requests so far over forecast | 2 log |
    | 20 | spend rate required from here over that of last3 | log |
    | 21 | cost per conversion over the limit, conversions as believed of the impressions won | log; 0 before both |

    ## Rewards
    `value`: true expected value of the slots won and seen in the tick (not the luck of clicks), over the value
    that the campaign's expected day brings; a day sums to about 1. `tcpa`: F_t - F_(t-1) with
    F = V min(1, (C V / S)^2), V that value, S the spend, C the limit over the value of a conversion, F = 0 at V = 0, on the
    same scale, so that the undiscounted sum is AuctionNet's score: train with gamma 1. `utility`: that value less the spend,
    on the same scale. `objective` (default): what the campaign wants: `value` (max_value), `tcpa` (target_cpa and target_roas)
    or `utility`. A day's rewards sum to the score by which `adarena bench` judges it, over the expected value.
    The truth is in the reward, as it is in any simulator's; it is not in the observation.

    ## Starting State
    Before the first tick of a day of fresh weather; m_prior in force.

    ## Episode End
    `terminated` after the last tick of the day, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day, campaign, multiplier; of the tick: value, spend, conversions (realised, of those that are attributed),
    conversions_reported; of the day so far: total_value, total_spend, budget, cpa, cpa_limit, violation (share by which cpa
    exceeds the limit, 0 under it).

    ## Reset options
    `campaign` (place in the market), `day` (seed of the world), `budget_scale` (0.01 to 100), `rivals` (mixed, pid, fixed,
    dual, mpc, adaptive, many or drawn). What is not given is drawn with `np_random`.

    ## Arguments
    - `scenario`: a `Scenario`, the name of a preset or YAML file, or a mapping as such a file holds it
      (`Scenario.model_dump(mode="json")`). The spec holds the mapping, so `spec.to_json()` can be written and read back.
    - `reward`: "objective", "value", "tcpa" or "utility".
    - `cpa_limit`: C as a multiple of the campaign's target; used by `tcpa` and feature 21. The target is the value of a
      conversion, or, where the scenario gives it one (`bidding-tcpa`), the target CPA.
    - `days`: range of the days drawn; by default those for training (`agents.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `rivals`: a mix of `agents.bidding.rivals`, or several of which each episode draws one; or "drawn": one to three kinds of
      classics, each tuned at random.
    - `budgets`: range of the factor on the campaign's budget, drawn for each episode, evenly in its logarithm; by default the
      budget stays as it is. Rewards are those of the expected day at the plain budget.
    - `unspent`: taken off the last reward of a day times the share of the budget that is left: money left is a plan that
      failed, which a learner may need to be told. What `adarena bench` judges by knows nothing of it.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Bidding-v0", scenario="tiny")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (22,)

    ## Version History
    - v0: first version.
    """

    seat = "bidding"
    vectors = BidVectors
    options = ("campaign", "day", "rivals", "budget_scale")

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "bidding-small",
        reward: Literal["objective", "value", "tcpa", "utility"] = "objective",
        cpa_limit: float = 1.0,
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        rivals: str | Sequence[str] = "mixed",
        budgets: tuple[float, float] = (1.0, 1.0),
        unspent: float = 0.0,
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        if not isinstance(reward, str) or reward not in ("objective", *REWARDS):
            raise MarketError(f"the reward is objective, {', '.join(REWARDS)}, not {reward!r}")
        if (limit := real(cpa_limit)) is None or not limit > 0:
            raise MarketError(f"the cpa_limit is a multiple of the target above 0, not {cpa_limit!r}")
        mixes = (rivals,) if isinstance(rivals, str) else tuple(rivals) if isinstance(rivals, Sequence) else ()
        if not mixes or not all(isinstance(mix, str) and mix in (*MIXES, DRAWN) for mix in mixes):
            raise MarketError(f"the rivals are one or more of {', '.join(MIXES)} and {DRAWN}, not {rivals!r}")
        low, high = [real(x) for x in budgets] if isinstance(budgets, tuple | list) and len(budgets) == 2 else (None, None)
        if low is None or high is None or not SCALES[0] <= low <= high <= SCALES[1]:
            raise MarketError(f"budgets are drawn from a range: two factors from 0.01 to 100, rising, not {budgets!r}")
        if (penalty := real(unspent)) is None or not 0 <= penalty < math.inf:
            raise MarketError(f"unspent is taken off for a whole budget that is left: a number from 0 up, not {unspent!r}")
        super().__init__(scenario, days, engine, render_mode)
        self.reward_kind, self.cpa_limit, self.mixes, self.budgets = reward, limit, mixes, (low, high)
        self.unspent = penalty
        self.looks = {"cpa_limit": limit}

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> BidVectors:
        """See `SeatEnv.vectors_for`."""
        return BidVectors(float(settings.get("cpa_limit", 1.0)))

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        held, dice = contested(self.scenario), self.np_random
        # Drawn in any case, so that what is given changes nothing else.
        drawn = {
            "campaign": held[int(dice.integers(len(held)))],
            "day": int(dice.integers(*self.days)),
            "rivals": self.mixes[int(dice.integers(len(self.mixes)))] if len(self.mixes) > 1 else self.mixes[0],
            "budget_scale": self._drawn_scale(),
        }
        chosen = {**drawn, **options}
        campaign, scale = chosen["campaign"], real(chosen["budget_scale"])
        if isinstance(campaign, bool) or not isinstance(campaign, int | np.integer) or campaign not in held:
            known = ", ".join(map(str, held))
            raise MarketError(f"the campaign must be one whose budget binds, {known}, not {campaign!r}")
        if scale is None or not SCALES[0] <= scale <= SCALES[1]:
            raise MarketError(f"the budget_scale is a number from 0.01 to 100, not {chosen['budget_scale']!r}")
        if chosen["rivals"] == DRAWN:
            others = drawn_rivals(self.scenario, int(campaign), dice)
        else:
            others = rivals(self.scenario, int(campaign), chosen["rivals"])
        seats = {**others, int(campaign): Open()}
        return Case(int(chosen["day"]), {"bidding": seats}, {**chosen, "campaign": int(campaign), "budget_scale": scale})

    def _drawn_scale(self) -> float:
        low, high = self.budgets
        return low if low == high else math.exp(self.np_random.uniform(math.log(low), math.log(high)))

    def prepare(self, case: Case, world: World) -> None:
        """See `SeatEnv.prepare`."""
        campaign, scale = case.options["campaign"], case.options["budget_scale"]
        if scale != 1.0:
            world.set_budget(campaign, world.campaigns.listed[campaign].budget_per_day * scale)

    def begin(self, case: Case, world: World, view: BidView) -> Info:
        """See `SeatEnv.begin`."""
        self._day, self._campaign = case.day, case.options["campaign"]
        market = build(self.scenario)
        self._prior, self._worth = float(view.prior[0]), float(view.value[0])
        self._budget = float(view.budget[0])
        self._limit = self.cpa_limit * float(view.target[0])
        own = market.campaigns.listed[self._campaign].objective
        self._judged_by = own if self.reward_kind == "objective" else REWARDS[self.reward_kind]
        self._scale = max(float(market.expected.conversions[self._campaign]), 1.0) * self._worth
        self._score = self._value = self._spend = 0.0
        return self._info(self._prior, 0.0, 0.0, 0, 0)

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        ledger, k = world.ledger, self._campaign
        last = ledger.closed - 1
        counts = ledger.counts[last, :, k].tolist()
        value, spend = ledger.sums.item(last, VALUE, k), counts[SPEND] / MICRO
        self._value += value
        self._spend = ledger.today_counts.item(SPEND, k) / MICRO  # the whole, not a sum of rounded parts
        info = self._info(ledger.multiplier.item(last, k), value, spend, counts[ATTRIBUTED], counts[REPORTED])
        reward = self._reward(value, spend)
        if self.unspent > 0 and last == self.scenario.ticks_per_day - 1:
            reward -= self.unspent * (1 - self._spend / self._budget)
        return reward, info

    def frame(self) -> Frame:
        """The day so far: spend, multiplier and price, and what they have come to."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        facts = (
            f"spent {self._spend:,.2f} of {self._budget:,.2f}, true value {self._value:,.2f}"
            f" ({self._value / self._scale:.0%} of an expected day's)"
        )
        return bid_frame(self.world, self._campaign, self._budget, self._prior, math.exp(REACH), facts)

    def _reward(self, value: float, spend: float) -> float:
        """By how much the tick, of such value and spend, has moved the score of the day so far."""
        if self._judged_by not in TARGETS:  # a sum over ticks
            return float(score(self._judged_by, np.array(value), np.array(spend))) / self._scale
        before, worth_of_spend = self._score, self._limit / self._worth
        self._score = float(score(self._judged_by, np.array(self._value), np.array(self._spend), worth_of_spend))
        return (self._score - before) / self._scale

    def _info(self, multiplier: float, value: float, spend: float, conversions: int, reported: int) -> Info:
        cpa = self._spend / (self._value / self._worth) if self._value > 0 else 0.0
        return {
            "day": self._day, "campaign": self._campaign, "multiplier": multiplier,
            "value": value, "spend": spend, "conversions": conversions, "conversions_reported": reported,
            "total_value": self._value, "total_spend": self._spend, "budget": self._budget,
            "cpa": cpa, "cpa_limit": self._limit, "violation": max(cpa / self._limit - 1.0, 0.0),
        }  # fmt: skip
