"""`AdArena/Bidding-v0`: one campaign bids through a day; a step is a tick, an action its multiplier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..agents.bidding.rivals import MIXES
from ..agents.learning.features import BOUND, FEATURES, REACH, Observer, multipliers
from ..agents.objectives import TARGETS, score
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO
from ..simulator.core.numeric import real, whole
from ..simulator.engine import state as K
from ..simulator.market.market import build
from ..simulator.scenario.demand import Objective
from ..simulator.scenario.tree import Scenario
from .base import DAYS, LAST_DAY, OpenSeat, drawn_case
from .bid_frame import bid_frame
from .frames import Frame
from .shell import Shell, bounded, scenario_of

REWARDS: dict[str, Objective] = {"value": "max_value", "tcpa": "target_cpa", "utility": "utility"}


class BiddingEnv(Shell[NDArray[np.float32], NDArray[np.float32]]):
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
    `campaign` (place in the market), `day` (seed of the world), `budget_scale` (0.01 to 100), `rivals` (mixed, pid, fixed or
    dual). What is not given is drawn with `np_random`; the budget stays as it is.

    ## Arguments
    - `scenario`: a `Scenario`, the name of a preset or YAML file, or a mapping as such a file holds it
      (`Scenario.model_dump(mode="json")`). The spec holds the mapping, so `spec.to_json()` can be written and read back.
    - `reward`: "objective", "value", "tcpa" or "utility".
    - `cpa_limit`: C as a multiple of the campaign's target; used by `tcpa` and feature 21. The target is the value of a
      conversion, or, where the scenario gives it one (`bidding-tcpa`), the target CPA.
    - `days`: range of the days drawn; by default those for training (`simulator.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `rivals`: a mix of `agents.rivals`, or several of which each episode draws one.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Bidding-v0", scenario="tiny")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (22,)

    ## Version History
    - v0: first version.
    """

    metadata: dict[str, Any] = {**Shell.metadata, "features": FEATURES}  # noqa: RUF012  (a field of the base)

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "bidding-small",
        reward: Literal["objective", "value", "tcpa", "utility"] = "objective",
        cpa_limit: float = 1.0,
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        rivals: str | Sequence[str] = "mixed",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        super().__init__(render_mode)
        if not isinstance(reward, str) or reward not in ("objective", *REWARDS):
            raise MarketError(f"the reward is objective, {', '.join(REWARDS)}, not {reward!r}")
        if (limit := real(cpa_limit)) is None or not limit > 0:
            raise MarketError(f"the cpa_limit is a multiple of the target above 0, not {cpa_limit!r}")
        first, end = [whole(day) for day in days] if isinstance(days, tuple | list) and len(days) == 2 else (None, None)
        if first is None or end is None or not 0 <= first < end <= LAST_DAY:
            raise MarketError(f"days are drawn from a range: two whole numbers from 0 to {LAST_DAY:,}, rising, not {days!r}")
        if engine not in ("compiled", "events"):
            raise MarketError(f"there is no engine {engine!r}; known are compiled and events")
        mixes = (rivals,) if isinstance(rivals, str) else tuple(rivals) if isinstance(rivals, Sequence) else ()
        if not mixes or not all(isinstance(mix, str) and mix in MIXES for mix in mixes):
            raise MarketError(f"the rivals are one or more of {', '.join(MIXES)}, not {rivals!r}")
        self.scenario = scenario_of(scenario)
        if self.scenario.days != 1:
            raise MarketError(f"an episode is one day, and scenario {self.scenario.name!r} has {self.scenario.days}")
        self.reward_kind, self.cpa_limit, self.engine = reward, limit, engine
        self.days, self.mixes = (first, end), mixes
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Box(-BOUND, BOUND, (len(FEATURES),), np.float32)
        self._seat: OpenSeat | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins a day; see *Reset options*. Raises `MarketError` for options that are not allowed."""
        given = None if seed is None else whole(seed)
        if seed is not None and (given is None or given < 0):
            raise MarketError(f"a seed is a whole number from 0 up, not {seed!r}")
        super().reset(seed=given)
        campaign, day, mix, scale = drawn_case(self.scenario, self.np_random, options, self.days, self.mixes)
        self._seat = None  # until the day has begun
        self._day, self._campaign = day, campaign
        seat = OpenSeat(self.scenario, campaign, day, mix, scale, self.engine)
        market = build(self.scenario)
        expected = market.expected
        view = seat.view
        self._prior, self._worth = float(view.prior[0]), float(view.value[0])
        self._budget = float(view.budget[0])
        self._limit = self.cpa_limit * float(view.target[0])
        own = market.campaigns.listed[campaign].objective
        self._judged_by = own if self.reward_kind == "objective" else REWARDS[self.reward_kind]
        self._scale = max(float(expected.conversions[campaign]), 1.0) * self._worth
        self._observer = Observer(self.cpa_limit)
        self._multiplier = self._prior
        self._score = self._value = self._spend = 0.0
        seat.world.set_multiplier(campaign, self._prior)
        observation = self._observer.observe(view)[0]
        self._seat = seat
        self.show()
        return observation, self._info(0.0, 0.0, 0, 0)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Plays a tick. Raises `PolicyError` for an action outside the action space."""
        seat = self._seat
        if seat is None or seat.over:
            raise MarketError("no day is under way: it is over, has not begun, or was interrupted; call reset")
        a = bounded(action, (1,))
        self._seat = None  # until the step is whole: one that is interrupted cannot be taken up again
        self._multiplier = float(multipliers(np.array([self._prior]), a)[0])
        seat.play(self._multiplier)
        ledger, k = seat.world.ledger, seat.campaign
        counts, sums = ledger.counts[ledger.closed - 1, :, k], ledger.sums[ledger.closed - 1, :, k]
        value, spend = float(sums[K.VALUE]), float(counts[K.SPEND] / MICRO)
        self._value += value
        self._spend = float(ledger.today_counts[K.SPEND, k] / MICRO)  # the whole, not a sum of rounded parts
        reward = self._reward(value, spend)
        info = self._info(value, spend, int(counts[K.ATTRIBUTED]), int(counts[K.REPORTED]))
        observation = self._observer.observe(seat.view)[0]
        self._seat = seat
        self.show()
        return observation, reward, seat.over, False, info

    def frame(self) -> Frame:
        """The day so far: spend, multiplier and price, and what they have come to."""
        if (seat := self._seat) is None:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        facts = (
            f"spent {self._spend:,.2f} of {self._budget:,.2f}, true value {self._value:,.2f}"
            f" ({self._value / self._scale:.0%} of an expected day's)"
        )
        return bid_frame(seat.world, seat.campaign, self._budget, self._prior, math.exp(REACH), facts)

    def _reward(self, value: float, spend: float) -> float:
        """By how much the tick, of such value and spend, has moved the score of the day so far."""
        if self._judged_by not in TARGETS:  # a sum over ticks
            return float(score(self._judged_by, np.array(value), np.array(spend))) / self._scale
        before, worth_of_spend = self._score, self._limit / self._worth
        self._score = float(score(self._judged_by, np.array(self._value), np.array(self._spend), worth_of_spend))
        return (self._score - before) / self._scale

    def _info(self, value: float, spend: float, conversions: int, reported: int) -> dict[str, Any]:
        cpa = self._spend / (self._value / self._worth) if self._value > 0 else 0.0
        return {
            "day": self._day, "campaign": self._campaign, "multiplier": self._multiplier,
            "value": value, "spend": spend, "conversions": conversions, "conversions_reported": reported,
            "total_value": self._value, "total_spend": self._spend, "budget": self._budget,
            "cpa": cpa, "cpa_limit": self._limit, "violation": max(cpa / self._limit - 1.0, 0.0),
        }  # fmt: skip
