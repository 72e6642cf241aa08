"""`AdArena/Creative-v0`: which of its creatives an ad shows, impression by impression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats, Integers
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError, PolicyError
from ..simulator.engine.ad_lives import AdLives, why_ads_touch
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.creative.facts import facts
from ..simulator.seats.creative.learned import LearnedCreatives
from ..simulator.seats.creative.vectors import CreativeVectors, scales, there
from ..simulator.seats.creative.view import Column, Facts
from .frames import Frame, Line, Panel, panel_of
from .given import DAYS, check_one_of, scenario_with
from .lane_env import LaneEnv
from .lanes import Lanes, Turn
from .shell import bounded

ACTIONS = ("scores", "creative")
REWARDS = ("clicks", "conversions")
CLICKED, REPORTED, EXPECTED = range(3)  # columns of what a step brings


def market_of(scenario: Scenario, seed: int) -> Scenario:
    """The market of a seed, with ads, users and tastes of its own."""
    return scenario.override({"market_seed": seed})


class Shown(NamedTuple):
    """An impression whose creative has been cast."""

    time: float  # share of the run
    creative: int
    clicked: float
    expected: float  # true click rate


class AdRules(NamedTuple):
    """How impressions become observations, actions creatives, and what comes of one a reward; see `lane_env.Rules`."""

    scenario: Scenario
    action: str
    reward: str
    facts: Facts  # of the scenario's own market
    vectors: CreativeVectors
    unit: float  # of rewards

    @property
    def lives(self) -> int:
        """Ads of a market."""
        return self.facts.ads

    def lanes(self, count: int) -> Lanes[AdLives]:
        """So many empty ones."""
        return Lanes(self._lives, count)

    def _lives(self, seed: int, lanes: int, first: int, end: int | None) -> AdLives:
        market = market_of(self.scenario, seed)
        return AdLives(market, seed, lanes, first, end, scales(facts(market)))

    def observe(self, shown: Floats) -> NDArray[np.float32]:
        """The observations, (n, C x features)."""
        return self.vectors.observe(shown[:, : self.vectors.width], shown[:, self.vectors.width :])

    def choices(self, shown: Floats, actions: Any) -> Integers:
        """The places of the creatives that actions stand for, (n,). Raises `PolicyError` for other actions."""
        count, places, view = len(shown), self.facts.creatives, shown[:, : self.vectors.width]
        if self.action == "scores":
            return self.vectors.decide(view, bounded(actions, (count, places)))
        try:
            given = np.asarray(actions).reshape(count)
        except (TypeError, ValueError):
            raise PolicyError(f"an action is the place of a creative, not {actions!r}") from None
        if given.dtype.kind not in "iu" or (given < 0).any() or (given >= places).any():
            raise PolicyError(f"an action is the place of a creative, from 0 to {places - 1}, not {actions!r}")
        early = ~there(view)[np.arange(count), given]
        if early.any():
            raise PolicyError(
                f"the creative in place {given[early][0]} has not come, or the ad has none there: see action_masks"
            )
        return given.astype(np.int64)

    def worth(self, turn: Turn) -> Floats:
        """The rewards of impressions, (n,)."""
        worth: Floats = turn.brought[:, CLICKED if self.reward == "clicks" else REPORTED] / self.unit
        return worth

    def masks(self, shown: Floats) -> NDArray[np.bool_]:
        """Which creatives have come, (n, C)."""
        return there(shown[:, : self.vectors.width])

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of one impression."""
        if self.action == "scores":
            return spaces.Box(-1.0, 1.0, (self.facts.creatives,), np.float32)
        return spaces.Discrete(self.facts.creatives)

    @property
    def observation_space(self) -> spaces.Box:
        """Of one impression."""
        bound, numbers = self.vectors.bound, self.facts.creatives * len(self.vectors.features)
        return spaces.Box(-bound, bound, (numbers,), np.float32)


def ad_rules(scenario: Any, action: str, reward: str) -> AdRules:
    """The rules of a scenario. Raises `MarketError` where it has no creatives or ads touch each other, and for other names."""
    market = scenario_with("creative", scenario)
    if (why := why_ads_touch(market)) is not None:
        raise MarketError(f"an episode is one ad's life, and those of scenario {market.name!r} touch each other: it has {why}")
    check_one_of("action", action, ACTIONS)
    check_one_of("reward", reward, REWARDS)
    told = facts(market)
    usual = told.click_rate * (told.conversion_rate if reward == "conversions" else 1.0)
    return AdRules(market, action, reward, told, CreativeVectors(told), usual)


class CreativeEnv(LaneEnv):
    """The creatives of an ad: an episode is an ad's run, a step an impression.

    ## Description
    An ad is shown to users of several segments, some of them often. It has a few creatives in several formats, of which some
    come late, without a history. Before each impression the agent says which one is shown. Segments have tastes of their own
    for a creative, and tastes of formats that are the same for all ads of a market: of those a log of an earlier day tells.
    Content tells something of how a creative appeals to all. Users tire of a creative. Clicks are rare, and conversions, which
    are fewer still, are reported late.

    ## Action Space
    `action="scores"`: `Box(-1, 1, (creatives,), float32)`: the creative with the best score is shown, of those that have come.
    `action="creative"`: `Discrete(creatives)`, the place of one that has come: `env.unwrapped.action_masks()` and the info's
    action_mask say which.

    ## Observation Space
    `Box(-5, 5, (15 x creatives,), float32)`, a row of 15 for each creative, one after another; what lies outside is cut to the
    bounds. "Ratio" is clicks over those that belief and fatigue let expect, were all creatives alike. In the row of a creative
    that has not come 1 to 9 are 0.

    | Num | Observation | Transform |
    |---|---|---|
    | 0 | it has come | 1, else -1 |
    | 1 | appeal, as its content tells | 4 x log-odds |
    | 2 | what the user's segment made of its format on an earlier day, beside other formats | 3 log of the ratio |
    | 3 | ratio, drawn to what content tells | 3 log |
    | 4 | ratio in the user's segment, drawn to that | 3 log |
    | 5 | ratio | 3 log (4 + clicks) / (4 + expected) |
    | 6 | clicks expected so far | .7 log(1 + x) - 1 |
    | 7 | in the user's segment | .7 log(1 + x) - .7 |
    | 8 | exposures of the user to it, as he remembers them | log(1 + x) - .5 |
    | 9 | conversions reported | log(1 + x) |
    | 10 | time left | 1 to -1 |
    | 11 | click rate of the ad for the user, as believed, over the usual | log |
    | 12 | clicks of the ad expected so far | .7 log(1 + x) - 1.5 |
    | 13 | ratio of the ad | log (5 + clicks) / (5 + expected) |
    | 14 | share of the creatives that have come | -1 to 1 |

    ## Rewards
    1 for a click (`reward="clicks"`), or for each conversion that was reported since the last impression
    (`reward="conversions"`), over what an average impression brings. Nobody is paid expected clicks. What is reported after an
    ad's last impression counts for nothing.

    ## Starting State
    The first impression of an ad; ads of a market follow each other, and markets are drawn: other users, ads and tastes.

    ## Episode End
    `terminated` after the ad's last impression, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day (seed of the market and its days), ad; of the impression: creative (its place), clicked, reported (conversions); of the
    ad so far: impressions, clicks, expected_clicks (true: to judge by, not to learn from); action_mask.

    ## Reset options
    `day` (seed of market and days), `ad`. What is not given is drawn with `np_random`, or follows. An ad that nobody is shown
    is an error.

    ## Arguments
    - `scenario`: a `Scenario` with creatives whose ads do not touch each other (no budgets, servers, sessions, ...), the name
      of a preset or YAML file, or a mapping as it holds it. Its `market_seed` is replaced by the day.
    - `action`: "scores" or "creative"; `reward`: "clicks" or "conversions".
    - `days`: range of the seeds drawn; by default those for training (`agents.splits`).
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the ad so far.

    `gymnasium.make_vec` has hundreds of ads side by side, at a few microseconds an impression.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Creative-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (90,)

    ## Version History
    - v0: first version.
    """

    seat, does = "creative", "is not shown"
    vectors: ClassVar[type[Any]] = CreativeVectors
    options = ("day", "ad")

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "creative-small",
        action: Literal["scores", "creative"] = "scores",
        reward: Literal["clicks", "conversions"] = "clicks",
        days: tuple[int, int] = DAYS,
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        self.rules = ad_rules(scenario, action, reward)
        super().__init__(self.rules, days, render_mode)
        self._impressions: list[Shown] = []

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> LearnedCreatives:
        """How impressions look to an agent that was trained with such settings. Raises `PolicyError` if not by scores."""
        if (action := settings.get("action", "scores")) != "scores":
            raise PolicyError(f"an agent sits in the creative seat by scores, and this one was trained on {action}")
        return LearnedCreatives()

    def begun(self) -> dict[str, Any]:
        """See `LaneEnv.begun`."""
        self._impressions, self._clicks, self._expected = [], 0, 0.0
        return self._info(-1, 0.0, 0.0)

    def told(self, shown: Floats, choice: int, turn: Turn) -> dict[str, Any]:
        """See `LaneEnv.told`."""
        clicked, reported, expected = (float(brought) for brought in turn.brought[0])
        time = (shown[Column.DAY] + shown[Column.ELAPSED]) / self.scenario.days
        self._impressions.append(Shown(float(time), choice, clicked, expected))
        self._clicks += clicked > 0
        self._expected += expected
        return self._info(choice, clicked, reported)

    def _info(self, creative: int, clicked: float, reported: float) -> dict[str, Any]:
        ad, day = self._whose
        return {
            "day": day, "ad": ad, "creative": creative, "clicked": clicked > 0, "reported": int(reported),
            "impressions": len(self._impressions), "clicks": self._clicks, "expected_clicks": self._expected,
            "action_mask": self.action_masks(),
        }  # fmt: skip

    def frame(self) -> Frame:
        """The ad so far: clicks, and impressions of each creative."""
        if self._lanes is None:
            raise MarketError("there is nothing to see before an ad has come; call reset")
        ticks, scenario, (ad, day) = self.scenario.days * self.scenario.ticks_per_day, self.scenario, self._whose
        time = np.array([one.time for one in self._impressions])
        tick = np.minimum((time * ticks).astype(np.int64), ticks - 1)
        played = int(tick[-1]) + 1 if tick.size and self._begun else ticks if tick.size else 0
        known = np.where(np.arange(ticks + 1) <= played, 1.0, np.nan)

        def course(amounts: Any, which: Any = True) -> Floats:
            by_tick = np.bincount(tick, np.where(which, amounts, 0.0), minlength=ticks) if tick.size else np.zeros(ticks)
            return np.append(0.0, np.cumsum(by_tick)) * known

        clicks = course([one.clicked for one in self._impressions])
        expected = course([one.expected for one in self._impressions])
        cast = np.array([one.creative for one in self._impressions], np.int64)
        shown = course(np.ones(cast.size))
        places = range(self.rules.facts.creatives)
        by_creative = (Line(str(place), course(np.ones(cast.size), cast == place)) for place in places)
        return Frame(
            headline=f"{scenario.name}, ad {ad}, market {day}",
            facts=f"{cast.size} impressions, {int(np.nanmax(clicks))} clicks",
            tick=played,
            hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
            panels=(
                Panel(
                    name="clicks",
                    title="Clicks",
                    unit="so far",
                    course=clicks,
                    label="made",
                    form="{:.0f}",
                    others=(Line("truly expected", expected),),
                ),
                panel_of(by_creative, "impressions", "Shown", "by creative so far", "{:.0f}"),
                Panel(
                    name="rate",
                    title="Click rate",
                    unit="truly expected, mean so far",
                    course=np.divide(expected, shown, out=np.full(ticks + 1, np.nan), where=shown > 0),
                    label="click rate",
                    form="{:.2%}",
                ),
            ),
        )
