"""`AdArena/Market-v0`: all campaigns of a market, or some of them, bid through a day; a step is a tick, a row a campaign."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..agents.crowds import Crowd
from ..agents.objectives import TARGETS, target_score
from ..simulator.core.arrays import Floats, Integers
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError
from ..simulator.core.money import MICRO
from ..simulator.core.numeric import real, whole
from ..simulator.engine.state import Count, Sum
from ..simulator.market.market import build
from ..simulator.population.campaigns import Campaigns
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.bidding.decisions import Multiplier
from ..simulator.seats.bidding.vectors import REACH, BidVectors
from ..simulator.seats.bidding.view import BidView
from ..simulator.seats.seat import Open
from ..simulator.world import World
from .base import Case, Info, SeatEnv
from .bid_frame import spend_panel
from .frames import Frame, Panel, outermost
from .given import DAYS
from .shell import scenario_of

if TYPE_CHECKING:
    from .parallel import CampaignsInParallel

Which = int | float | Sequence[int | str] | None  # campaigns


class CappedBidVectors(BidVectors):
    """As `BidVectors`, but that no multiplier is above `cap`."""

    def __init__(self, cap: float) -> None:
        super().__init__()
        self._cap = cap

    def decide(self, view: BidView, actions: Floats) -> Multiplier:
        """See `Vectors.decide`."""
        return Multiplier(np.minimum(super().decide(view, actions).values, self._cap))


class MarketEnv(SeatEnv):
    """The bid seats of a market, all or some: what becomes of it when everybody learns?

    ## Description
    A day of an ad market in ticks (24 in `pacing-small`, which has 24 campaigns). Each campaign wants as much value as its own
    budget buys, and what one bids moves the prices of all. Campaigns that are not open are held by `rivals`. Traffic, prices
    and conversion rates have weather that no forecast tells.

    ## Action Space
    `Box(-1, 1, (rows,), float32)`: a, a number for each open campaign, in the order of the market. It bids
    m x target x believed rate for the coming tick, with m = min(m_prior x exp(log(4) a), cap), m_prior its multiplier of an
    earlier day. What lies outside by no more than a rounding in float32 is the bound; what lies further is an error.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | r | a of row r | -1 (a quarter of the prior) | 1 (four times the prior) | log base 4 of m / m_prior |

    ## Observation Space
    `Box(-5, 5, (22 x rows,), float32)`, a row of 22 for each open campaign, one after another: what `AdArena/Bidding-v0` shows
    of a campaign. A row holds nothing of other campaigns but the price that all are told.

    ## Rewards
    Of a campaign in a tick, by its own objective, as in `AdArena/Bidding-v0`: max_value, the true expected value of the slots
    won and seen; utility, that less the spend; target_cpa and target_roas, F_t - F_(t-1) with F = V min(1, (C V / S)^2) of the
    day so far. All over the value that the campaign's own expected day brings (of one conversion at least), so that rewards of
    large and small campaigns are of one size. The reward of a step is the mean over rows; `info["unit_rewards"]` holds those of
    all rows, (rows,), for learners that credit each with its own.

    ## Starting State
    Before the first tick of a day of fresh weather; m_prior in force.

    ## Episode End
    `terminated` after the last tick of the day, for all rows; never `truncated`. A campaign without money stays, and wins
    nothing.

    ## Info
    day, rivals (who holds the rest); arrays with a number for each row: campaigns (places in the market), unit_rewards,
    multiplier; of the tick: value, spend, conversions (realised, of those that are attributed); of the day so far: total_value,
    total_spend, budget (inf: unlimited).

    ## Reset options
    `day` (seed of the world), `agents` (places or names, as many as there are rows), `rivals` (a crowd). What is not given is
    drawn with `np_random`.

    ## Arguments
    - `scenario`: a `Scenario`, the name of a preset or YAML file, or a mapping as it holds it.
    - `agents`: which campaigns are open. None: all; names or places: these; a whole number: so many, drawn for each episode; a
      share below 1: that share of all, drawn likewise.
    - `rivals`: the crowd that holds the rest, or several, of which each episode draws one: a mix ("mixed", see
      `agents.bidding.rivals`), a policy by name ("mpc", "agent:out/x"), or policies joined by +, dealt in turn within each
      vertical ("pid+agent:out/x").
    - `cap`: no multiplier is above it; None: it may be whatever an action stands for. At 1 no bid exceeds the target.
    - `days`: range of the days drawn; by default those for training (`agents.splits`).
    - `engine`: "compiled" or "events"; the same to the last bit.
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the day so far.

    ## How it is trained on
    One policy for all campaigns, each credited with its own reward (`each`), learns in three ways:

    - self-play: `adarena train AdArena/Market-v0`
    - a league, in which half the campaigns, drawn for each day, meet one of several crowds, past selves among them:
      `adarena train AdArena/Market-v0 --env agents=0.5 'rivals=[pid,dual,mpc,agent:out/selfplay]'`
    - the best response to a market that stays as it is:
      `adarena train AdArena/Market-v0 --env agents=1 rivals=agent:out/selfplay --set n_steps=96`

    `gymnasium.make_vec("AdArena/Market-v0", n)` lets n markets move on together; `parallel_env` is the same for PettingZoo.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Market-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (528,)

    ## Version History
    - v0: first version.
    """

    seat, suite = "bidding", "market"
    vectors = BidVectors
    options: ClassVar[tuple[str, ...]] = ("day", "agents", "rivals")

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "pacing-small",
        agents: Which = None,
        rivals: str | Sequence[str] = "mixed",
        cap: float | None = None,
        days: tuple[int, int] = DAYS,
        engine: Literal["compiled", "events"] = "compiled",
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        if cap is not None and ((highest := real(cap)) is None or not highest > 0):
            raise MarketError(f"the cap is a multiplier above 0, or None, not {cap!r}")
        given = (rivals,) if isinstance(rivals, str) else tuple(rivals) if isinstance(rivals, Sequence) else ()
        if not given:
            raise MarketError(f"the rivals are the name of a crowd, or several, not {rivals!r}")
        market = scenario_of(scenario)
        self._listed = build(market).campaigns.names
        self._places, self._rows = opened(build(market).campaigns, agents)
        super().__init__(market, days, engine, render_mode, units=self._rows)
        self.crowds = tuple(Crowd(name) for name in given)
        self.looks = {} if cap is None else {"cap": float(cap)}

    @property
    def possible(self) -> tuple[str, ...]:
        """Names of the campaigns that may be open: all that are, or all of the market where they are drawn."""
        return self._listed if self._places is None else tuple(self._listed[k] for k in self._places)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the campaigns that are open today, a row each."""
        return tuple(self._listed[k] for k in self._held)

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> BidVectors:
        """See `SeatEnv.vectors_for`."""
        cap = settings.get("cap")
        return BidVectors() if cap is None else CappedBidVectors(float(cap))

    def case(self, options: Mapping[str, Any]) -> Case:
        """See `SeatEnv.case`."""
        dice, given = self.np_random, options.get("agents")
        # Drawn in any case, so that what is given changes nothing else.
        day = int(dice.integers(*self.days))
        crowd = self.crowds[int(dice.integers(len(self.crowds))) if len(self.crowds) > 1 else 0]
        drawn = dice.choice(len(self._listed), self._rows, replace=False).tolist() if self._places is None else self._places
        held = sorted(drawn) if given is None else places_of(build(self.scenario).campaigns, given)
        if len(held) != self._rows:
            raise MarketError(f"this environment has {self._rows} rows, so as many agents are open, not {len(held)}")
        if "rivals" in options:
            crowd = Crowd(options["rivals"])
        rest = set(range(len(self._listed))).difference(held)
        seats = {**crowd.seats(self.scenario, sorted(rest)), **dict.fromkeys(held, Open())}
        chosen = int(options.get("day", day))
        return Case(chosen, {"bidding": seats}, {"day": chosen, "agents": held, "rivals": crowd.name})

    def begin(self, case: Case, world: World, view: BidView) -> Info:
        """See `SeatEnv.begin`."""
        table, expected = build(self.scenario).campaigns, build(self.scenario).expected
        self._day, self._crowd = case.day, case.options["rivals"]
        self._held: Integers = np.array(case.options["agents"])
        self._prior, self._budget = view.prior, view.budget
        objectives = [table.listed[k].objective for k in self._held]
        self._aims = np.array([objective in TARGETS for objective in objectives])
        self._saves = np.array([objective == "utility" for objective in objectives])
        worth = table.value[self._held]  # of a conversion on an expected day, whatever it is worth today
        self._allowed = table.target[self._held] / worth  # most spend for a unit of value
        self._scale = np.maximum(expected.conversions[self._held], 1.0) * worth
        self._score, self._value, self._spend, rewards, value, spend = np.zeros((6, self._rows))
        return self._info(view.prior.copy(), rewards, value, spend, np.zeros(self._rows, np.int64))

    def judge(self, world: World) -> tuple[float, Info]:
        """See `SeatEnv.judge`."""
        ledger, held = world.ledger, self._held
        last = ledger.closed - 1
        value, spend = ledger.sums[last, Sum.VALUE, held], ledger.counts[last, Count.SPEND, held] / MICRO
        self._value = self._value + value
        self._spend = ledger.today_counts[Count.SPEND, held] / MICRO  # the whole, not a sum of rounded parts
        rewards = self._gained(value, spend) / self._scale
        conversions = ledger.counts[last, Count.ATTRIBUTED, held]
        return float(rewards.mean()), self._info(ledger.multiplier[last, held], rewards, value, spend, conversions)

    def _gained(self, value: Floats, spend: Floats) -> Floats:
        """By how much the tick, of such value and spend, has moved each row's score of the day so far."""
        gained = np.where(self._saves, value - spend, value)
        if not self._aims.any():
            return gained
        before, self._score = self._score, target_score(self._allowed * self._value, self._spend, 1.0) / self._allowed
        return np.where(self._aims, self._score - before, gained)

    def _info(self, multiplier: Floats, rewards: Floats, value: Floats, spend: Floats, conversions: Any) -> Info:
        return {
            "day": self._day, "rivals": self._crowd, "campaigns": self._held.copy(), "unit_rewards": rewards,
            "multiplier": multiplier, "value": value, "spend": spend, "conversions": conversions,
            "total_value": self._value, "total_spend": self._spend, "budget": self._budget.copy(),
        }  # fmt: skip

    def frame(self) -> Frame:
        """The day so far of the open campaigns: spend over budgets, multipliers over priors, and value."""
        if not self.is_under_way:
            raise MarketError("there is nothing to see before a day has begun; call reset")
        world, scenario, held, closed = self.world, self.scenario, self._held, self.world.ledger.closed
        ledger, ticks = world.ledger, scenario.ticks_per_day
        rest = np.full(ticks - closed, np.nan)
        limited = np.isfinite(self._budget)
        money = np.maximum(np.where(limited, self._budget, build(scenario).expected.spend[held]), 1e-6)
        spent = np.vstack([np.zeros(self._rows), np.cumsum(ledger.spend()[:, held], axis=0)])
        over = ledger.multiplier[:closed, held] / self._prior
        value = np.append(0.0, np.cumsum(ledger.value()[:, held].sum(axis=1)))
        return Frame(
            headline=f"{scenario.name}, day {world.seed}, {self._rows} of {len(self._listed)} campaigns, rivals {self._crowd}",
            facts=f"tick {closed} of {ticks}: spent {self._spend.sum():,.0f}, true value {self._value.sum():,.0f}",
            tick=closed,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                spend_panel(
                    world,
                    np.append(spent.sum(axis=1) / money.sum(), rest),
                    "all",
                    outermost("least", "most", spent / money, rest),
                ),
                Panel(
                    name="multiplier",
                    title="Multiplier over an earlier day's",
                    unit="",
                    course=np.append(np.exp(np.log(over).mean(axis=1)), rest),
                    label="mean",
                    form="{:.3f}",
                    low=math.exp(-REACH) / 1.05,
                    high=math.exp(REACH) * 1.05,
                    logarithmic=True,
                    others=outermost("lowest", "highest", over, rest),
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


def places_of(table: Campaigns, agents: Any) -> list[int]:
    """The places of campaigns given by names or places, rising. Raises `MarketError` if one is none, or stands twice."""
    if not isinstance(agents, Sequence | np.ndarray) or isinstance(agents, str) or not len(agents):
        raise MarketError(f"agents are named in a list of campaigns, not as {agents!r}")
    found = list[int]()
    for agent in agents:
        if (place := table.place(agent)) is None:
            raise MarketError(f"there is no campaign {agent!r} to be an agent")
        if place in found:
            raise MarketError(f"campaign {agent!r} stands twice among the agents")
        found.append(place)
    return sorted(found)


def opened(table: Campaigns, agents: Which) -> tuple[list[int] | None, int]:
    """The places of the open campaigns, None where they are drawn, and how many they are; see `MarketEnv`."""
    listed = len(table.names)
    if agents is None:
        return list(range(listed)), listed
    if (number := real(agents)) is None:
        places = places_of(table, agents)
        return places, len(places)
    count = max(round(number * listed), 1) if 0 < number < 1 else whole(agents)
    if count is None or not 1 <= count <= listed:
        raise MarketError(
            f"agents are None, a list of campaigns, how many of them, from 1 to {listed}, or a share below 1, not {agents!r}"
        )
    return None, count


def parallel_env(**settings: Any) -> CampaignsInParallel:
    """The market as a `ParallelEnv` of PettingZoo, whose agents are the open campaigns, by name; `settings` as of `MarketEnv`.

    Where they are drawn for each episode, other agents take part in each. Of what SuperSuit makes of it (a vector of one agent
    in each place) the quicker form, in which many markets move on together, is `gymnasium.make_vec("AdArena/Market-v0", n)`
    with a row for each agent.

    Raises:
        MarketError: if PettingZoo is not installed, or as `MarketEnv` does.
    """
    try:
        from .parallel import CampaignsInParallel
    except ModuleNotFoundError:
        raise MarketError("this needs PettingZoo: pip install pettingzoo") from None
    return CampaignsInParallel(MarketEnv(**settings))
