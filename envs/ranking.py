"""`AdArena/Ranking-v0`: how ads are ranked over days, for users who stay away from what annoys them; a step is a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..agents.catalogue import make_policy
from ..agents.ranking.goal import left, request_worth
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError
from ..simulator.engine.state import Count
from ..simulator.response.visits import Visit
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.ranking.vectors import RankingVectors
from ..simulator.seats.ranking.view import RankingView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .frames import Frame, Panel
from .given import DAYS, check_base
from .shell import scenario_of

BASE = "constant"
STEPS = ("day", "tick")


class RankingEnv(SeatEnv):
    """Whoever ranks ads: one row, a step a day.

    ## Description
    Some days of an ad market (8 in `ranking-small`), some of whose ads nobody knows yet. Each ad that is seen and not clicked
    bores its user, who leaves sooner, is less satisfied, and comes more rarely on the days after. Whoever ranks says how far
    click rates count in ranks and what an impression must be worth to be shown. More ads are worth more today.

    ## Action Space
    `Box(-1, 1, (2,), float32)`: a, b. Squashing is that of the base plus .3 a, the cost of an impression that of the base times
    1 + b; base is a policy of the seat (`base`), tuned as a rule, and what else it decides holds too. What lies outside by no
    more than a rounding in float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 | a | -1 (base less .3) | 1 (base plus .3) | squashing |
    | 1 | b | -1 (no cost) | 1 (twice that of the base) | share of the base's cost |

    ## Observation Space
    `Box(-5, 5, (10,), float32)`; what lies outside is cut to the bounds. Numbers 2, 4, 5 and 6 are of the step that has ended,
    and 0 before the first.

    | Num | Observation | Transform |
    |---|---|---|
    | 0 | days played | over 8 |
    | 1 | share of the run that is over | 1 - 2 x |
    | 2 | requests made of those planned | as is |
    | 3 | mean satisfaction of users | 5 (x - .8); 0 where requests come by themselves |
    | 4 | ads seen a request | over 2.4 |
    | 5 | believed value of an impression over that of an even day | log; 0 if none was shown |
    | 6 | clicks an impression | 10 x |
    | 7 | new ads with two clicks or more, as a share of all new ads | 2 x - 1; 1 if no ad is new |
    | 8 | a, as last decided | 0 at first |
    | 9 | b, as last decided | 0 at first |

    ## Rewards
    True expected value to advertisers of the impressions of the step, and by how much the satisfaction that is left is worth
    more at its end than at its beginning, over what an even day's requests (or a tick's) are worth as the platform expects it.
    So the sum over an episode is its value and what it leaves behind, but for a constant, and to harvest before the end does
    not pay; see `agents.ranking.goal`.

    ## Starting State
    Before the first day, with users as satisfied as without ads, and new ads of a popularity drawn anew.

    ## Episode End
    `terminated` after the last tick of the last day, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day (the seed of the world); of the step: value, left (worth of the satisfaction now), revenue, requests, impressions,
    satisfaction; so far: total_value, total_revenue, score (total_value and left). Money in currency.

    ## Reset options
    day: the seed of the world, else drawn from `days`.

    ## Arguments
    - `scenario`: a `Scenario`, the name of one, or a mapping of its fields; of users who come in sessions, or not.
    - `base`: the policy that actions are relative to, as the catalogue names it.
    - `every`: "day" or "tick", how long a decision holds.
    - `days`: seeds that episodes are drawn from.
    - `engine`: "compiled" or "events".
    - `render_mode`: None, "human", "rgb_array" or "ansi".

    >>> import gymnasium, adarena
    >>> env = gymnasium.make("AdArena/Ranking-v0")
    >>> env.reset(seed=1)[0].shape
    (10,)

    ## Version History
    - v0: first version.
    """

    seat = "ranking"
    vectors = RankingVectors
    options = ("day",)
    whole_runs = True

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "ranking-small",
        base: str = BASE,
        every: Literal["day", "tick"] = "day",
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        check_base("ranking", base)
        if every not in STEPS:
            raise MarketError(f"a decision holds for a day or a tick, not for {every!r}")
        super().__init__(scenario_of(scenario), days, engine, render_mode)
        self.looks = {"base": base, "every": every}
        steps = 1 if every == "day" else self.scenario.ticks_per_day
        self._unit = request_worth(self.scenario) * self.scenario.expected_requests / steps
        if not self._unit > 0:
            raise MarketError(f"rewards are measured by what an even day is worth, and nothing is in {self.scenario.name!r}")

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> RankingVectors:
        """See `SeatEnv.vectors_for`."""
        return RankingVectors(make_policy("ranking", settings.get("base", BASE)), settings.get("every", "day") == "day")

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        drawn = int(self.np_random.integers(*self.days))
        day = int(options.get("day", drawn))
        return Case(day, {"ranking": Open("day" if self.looks["every"] == "day" else "call")}, {"day": day})

    def begin(self, case: Case, world: World, view: RankingView) -> Info:
        """See `SeatEnv.begin`."""
        self._day, self._left, self._judged, self._value, self._revenue = case.day, left(world), 0, 0.0, 0.0
        return self._info(world)

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        before = self._left
        info = self._info(world)
        return (info["value"] + info["left"] - before) / self._unit, info

    def _info(self, world: World) -> Info:
        """Of the ticks that have closed since it was last called."""
        ledger, rows = world.ledger, slice(self._judged, world.ledger.closed)
        self._judged, self._left = ledger.closed, left(world)
        value, revenue = float(ledger.value()[rows].sum()), float(ledger.spend()[rows].sum())
        self._value += value
        self._revenue += revenue
        users = self._view.users
        return {
            "day": self._day, "value": value, "left": self._left, "revenue": revenue,
            "requests": int(ledger.requests()[rows].sum()), "impressions": int(ledger.counts[rows, Count.IMPRESSIONS].sum()),
            "satisfaction": 1.0 if users is None else users.satisfaction,
            "total_value": self._value, "total_revenue": self._revenue, "score": self._value + self._left,
        }  # fmt: skip

    def frame(self) -> Frame:
        """The run so far: value and revenue, how many of the planned requests were made, and ads a request."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        world, scenario, ledger, closed = self.world, self.scenario, self.world.ledger, self.world.ledger.closed
        ticks = scenario.days * scenario.ticks_per_day
        rest, requests = np.full(ticks - closed, np.nan), np.maximum(ledger.requests(), 1)
        planned = requests if world.visits is None else np.maximum(world.visits.counts[:closed, Visit.PLANNED], 1)
        value = np.append(0.0, np.cumsum(ledger.value().sum(axis=1)))
        ads = ledger.counts[:closed, Count.IMPRESSIONS].sum(axis=1) / requests
        return Frame(
            headline=f"{scenario.name}, run {world.seed}, {scenario.days} days",
            facts=f"day {closed // scenario.ticks_per_day} of {scenario.days}: value {self._value:,.0f}, "
            f"left {self._left:,.0f}, revenue {self._revenue:,.0f}",
            tick=closed,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                Panel(
                    name="value",
                    title="Value to advertisers",
                    unit="currency so far",
                    course=np.append(value, rest),
                    label="value",
                    form="{:,.0f}",
                ),
                Panel(
                    name="made",
                    title="Requests made",
                    unit="share of those planned",
                    course=np.append(ledger.requests() / planned, rest),
                    label="made",
                    form="{:.1%}",
                    high=1.04,
                ),
                Panel(
                    name="ads",
                    title="Ads seen",
                    unit="a request",
                    course=np.append(ads, rest),
                    label="ads",
                    form="{:.2f}",
                ),
            ),
        )
