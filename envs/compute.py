"""`AdArena/Compute-v0`: how deep the funnel goes for requests of each tier, on servers that cannot serve all in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..simulator.core.arrays import Floats
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError
from ..simulator.delivery.queue import Served, revenue_of
from ..simulator.delivery.quotas import tiers_of
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.compute.vectors import ComputeVectors
from ..simulator.seats.compute.view import ComputeView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .frames import Frame, Line, Panel, panel_of
from .given import DAYS, scenario_with

USUAL_DEPTH = 0.6  # at which an expected day's revenue is the scale of rewards


class ComputeEnv(SeatEnv):
    """The serving layer of a market: a row a traffic tier, a step an interval of control.

    ## Description
    A day of a market whose requests wait for servers that cannot give all of them full quotas. Traffic surges and servers fail
    unforeseen; what requests of a tier are worth has a course over the day that is known, and weather that is not. What a
    request gets less leaves more for those that come after it.

    ## Action Space
    `Box(-1, 1, (tiers,), float32)`: a, a number for each tier, the first served first. A request of the tier costs
    exp(log(4) a) times the server seconds that there are for each request expected in the interval: the depth of its funnel is
    the one that does. What lies outside by no more than a rounding in float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | t | a of tier t | -1 (a quarter of an even share) | 1 (four times that) | log base 4 of seconds over an even share |

    ## Observation Space
    `Box(-5, 5, (17 x tiers,), float32)`, a row of 17 for each tier, one after another; what lies outside is cut to the bounds.
    The first 8 are of all tiers. "Lately" is an average over intervals, half of it the last; of worth three tenths.

    | Num | Observation | Transform |
    |---|---|---|
    | 0, 1 | time of day | sine, cosine |
    | 2 | forecast requests of the interval | log over the day's mean |
    | 3 | server seconds over expected requests, the queue among them | log |
    | 4 | servers that work over those planned | as is |
    | 5, 6 | requests over forecast: last interval, lately | log |
    | 7 | server seconds begun over those there are now | as is |
    | 8 | place of the tier, from first served to last | -1 to 1 |
    | 9, 10 | its share of requests: forecast, last interval | tiers x - 1 |
    | 11 | what its requests are worth: as usual now, times earned over expected lately | log |
    | 12, 13 | of the last interval: requests lost; begun with less than the full level | share |
    | 14 | mean wait over the deadline | as is |
    | 15 | requests that wait over the forecast of the interval, all tiers | 10 x |
    | 16 | depth in force | 2 x - 1 |

    ## Rewards
    Revenue of the interval (charged, and owed for conversions), less the price of its servers where the scenario has one
    (`serving.server_cost_per_hour`), over the revenue of an expected interval at depth .6. What a day brings is the sum.

    ## Starting State
    Before the first interval of a day of fresh weather, full quotas in force.

    ## Episode End
    `terminated` after the last interval of the day, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day; of the interval: revenue, servers_cost, requests, lost; of the day so far: total_revenue, total_cost, share_lost,
    utilisation (mean over ticks of min(C, M) / M) and over_utilisation (of max(C - M, 0) / M), C the server seconds that
    requests asked for under the quotas they met and M those there were, as MaRCA has them (arXiv 2512.24325), p99_ms.

    ## Reset options
    `day` (seed of the world). What is not given is drawn with `np_random`.

    ## Arguments
    - `scenario`: a `Scenario` with servers and a funnel, the name of a preset or YAML file, or a mapping as it holds it.
    - `days`: range of the days drawn; by default those for training (`agents.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Compute-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (51,)

    ## Version History
    - v0: first version.
    """

    seat = "compute"
    vectors = ComputeVectors
    options = ("day",)

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "compute-small",
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        market = scenario_with("compute", scenario)
        super().__init__(market, days, engine, render_mode, units=tiers_of(market))

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        drawn = int(self.np_random.integers(*self.days))
        day = int(options.get("day", drawn))
        return Case(day, {"compute": Open()}, {"day": day})

    def begin(self, case: Case, world: World, view: ComputeView) -> Info:
        """See `SeatEnv.begin`."""
        earned = view.earnings.revenue_at(np.full(len(view.tiers), USUAL_DEPTH))
        self._scale = max(float((view.forecast * view.usual @ earned).mean()), 1e-9)
        self._day, self._revenue, self._cost = case.day, 0.0, 0.0
        self._requests = self._lost = 0
        self._depths: list[tuple[int, Floats]] = []  # of each interval so far: its end, microseconds, and depths in force (T,)
        return self._info(world, 0.0, 0.0, 0, 0)

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        assert world.serving is not None
        books = world.serving.so_far.sum(axis=0)
        revenue = float(revenue_of(books))
        cost, requests = servers_cost(world), int(books[Served.ARRIVED])
        lost = int(books[Served.LATE] + books[Served.GAVE_UP])
        gained, paid = revenue - self._revenue, cost - self._cost
        came, gone = requests - self._requests, lost - self._lost
        self._revenue, self._cost, self._requests, self._lost = revenue, cost, requests, lost
        self._depths.append((world.now, world.look(self.seat).depth))
        return (gained - paid) / self._scale, self._info(world, gained, paid, came, gone)

    def _info(self, world: World, revenue: float, cost: float, requests: int, lost: int) -> Info:
        assert world.serving is not None
        used, over = world.serving.utilisation()
        return {
            "day": self._day, "revenue": revenue, "servers_cost": cost, "requests": requests, "lost": lost,
            "total_revenue": self._revenue, "total_cost": self._cost, "share_lost": self._lost / max(self._requests, 1),
            "utilisation": used, "over_utilisation": over,
            "p99_ms": float(np.nan_to_num(world.serving.quantiles(0.99))),
        }  # fmt: skip

    def frame(self) -> Frame:
        """The day so far: depth in force and revenue by tier, servers that work and their work that was asked for."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        world, scenario = self.world, self.scenario
        assert world.serving is not None
        ticks, closed, books = scenario.ticks_per_day, world.serving.closed, world.serving.by_tier[: world.serving.closed]
        rest = np.full(ticks - closed, np.nan)
        asked = books[..., Served.ASKED_US].sum(axis=1) / scenario.tick_us
        earned = np.vstack([np.zeros(books.shape[1]), np.cumsum(revenue_of(books), axis=0)])
        tiers = range(books.shape[1])
        depths = (Line(f"tier {t}", np.append(self._depth(closed, t), rest)) for t in tiers)
        revenues = (Line(f"tier {t}", np.append(earned[:, t], rest)) for t in tiers)
        return Frame(
            headline=f"{scenario.name}, day {world.seed}",
            facts=f"tick {closed} of {ticks}: revenue {self._revenue:,.0f}, {self._lost / max(self._requests, 1):.1%} lost",
            tick=closed,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                panel_of(depths, "depth", "Depth in force", "0: cached ads, 1: full quotas", "{:.2f}", high=1.02),
                panel_of(revenues, "revenue", "Revenue", "currency so far", "{:,.0f}"),
                Panel(
                    name="servers",
                    title="Servers",
                    unit="servers",
                    course=np.append(asked, rest),
                    label="asked for",
                    form="{:.1f}",
                    others=(Line("working", np.append(world.serving.capacity[:closed], rest)),),
                ),
            ),
        )

    def _depth(self, closed: int, tier: int) -> Floats:
        """The depth in force at the end of each closed tick, (closed,), of a tier."""
        ends = [end for end, _ in self._depths]
        places = np.searchsorted(ends, np.arange(1, closed + 1) * self.scenario.tick_us)
        return np.array([self._depths[place][1][tier] for place in places])


def servers_cost(world: World) -> float:
    """What the servers of the closed ticks cost, currency; 0 where the scenario has no price for them."""
    serving = world.scenario.serving
    assert serving is not None
    assert world.serving is not None
    if serving.server_cost_per_hour is None:
        return 0.0
    hours = float(world.serving.capacity[: world.serving.closed].sum()) * world.scenario.tick_us / HOUR_US
    return hours * serving.server_cost_per_hour
