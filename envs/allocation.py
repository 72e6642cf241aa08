"""`AdArena/Allocation-v0`: which places of a page carry ads, for a user who tires of them, leaves and stays away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..agents.allocation.places import placed
from ..simulator.core.arrays import Floats, Integers
from ..simulator.core.clock import HOUR_US
from ..simulator.core.errors import MarketError, PolicyError
from ..simulator.engine.asking import Column
from ..simulator.engine.lives import Lives, why_users_touch
from ..simulator.market.market import build
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.allocation.learned import LearnedPages
from ..simulator.seats.allocation.vectors import MEAN, REACH, AllocationVectors
from ..simulator.seats.allocation.view import Facts, facts
from .frames import Frame, Line, Panel
from .given import DAYS, check_one_of, scenario_with
from .lane_env import LaneEnv, Many
from .lanes import Lanes, Turn
from .shell import bounded

ACTIONS = ("price", "pattern", "places")
REWARDS = ("expected", "charged")


class Page(NamedTuple):
    """A page that was allocated."""

    day: int  # of the run
    ads: int  # places for them
    revenue: float  # currency
    organic: float


class PageRules(NamedTuple):
    """How pages become observations, actions patterns, and what a page brings a reward; see `lane_env.Rules`."""

    scenario: Scenario
    action: str
    reward: str
    facts: Facts
    vectors: AllocationVectors
    unit: float  # of rewards, currency
    pattern_of: Integers  # (2^S,) the pattern of places that carry ads, a bit each; see `placed`

    @property
    def lives(self) -> int:
        """Users of a world."""
        return self.scenario.users.count

    def lanes(self, count: int) -> Lanes[Lives]:
        """So many empty ones."""
        return Lanes(partial(Lives, self.scenario), count)

    def observe(self, shown: Floats) -> NDArray[np.float32]:
        """The observations, (n, features)."""
        return self.vectors.observe(shown)

    def choices(self, shown: Floats, actions: Any) -> Integers:
        """The patterns that actions stand for, one a page that is shown, (n,). Raises `PolicyError` for other actions."""
        count, places = len(shown), self.facts.carries.shape[1]
        if self.action == "price":
            return self.vectors.decide(shown, bounded(actions, (count, 2)))
        kind = "pattern numbers" if self.action == "pattern" else "zeros and ones"
        shape = (count,) if self.action == "pattern" else (count, places)
        try:
            given = np.asarray(actions).reshape(shape)
        except (TypeError, ValueError):
            raise PolicyError(f"an action is made of {kind} of shape {shape[1:]}, not {actions!r}") from None
        most = len(self.facts.ads) - 1 if self.action == "pattern" else 1
        if given.dtype.kind not in "iub" or (given < 0).any() or (given > most).any():
            raise PolicyError(f"an action is made of {kind} from 0 to {most}, not {actions!r}")
        if self.action == "pattern":
            return given.astype(np.int64)
        return self.pattern_of[given.astype(np.int64) @ (1 << np.arange(places))]

    def worth(self, turn: Turn) -> Floats:
        """The rewards of pages, (n,)."""
        revenue, content, charged = turn.brought.T
        paid = revenue if self.reward == "expected" else charged
        worth: Floats = (paid + self.facts.pages.organic_value * content) / self.unit
        return worth

    def masks(self, shown: Floats) -> NDArray[np.bool_]:
        """Which patterns, or places, there is a point in choosing, (n, patterns) or (n, S): those for which there are ads."""
        there = (shown[:, Column.PAYS :] > 0).sum(axis=1)
        if self.action == "places":
            return np.repeat((there > 0)[:, None], self.facts.carries.shape[1], axis=1)
        there_are: NDArray[np.bool_] = self.facts.ads <= there[:, None]
        return there_are

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of one page."""
        if self.action == "price":
            return spaces.Box(-1.0, 1.0, (2,), np.float32)
        if self.action == "pattern":
            return spaces.Discrete(len(self.facts.ads))
        return spaces.MultiBinary(self.facts.carries.shape[1])

    @property
    def observation_space(self) -> spaces.Box:
        """Of one page."""
        return spaces.Box(-self.vectors.bound, self.vectors.bound, (len(self.vectors.features),), np.float32)


def rules(scenario: Any, action: str, reward: str) -> PageRules:
    """The rules of a scenario. Raises `MarketError` where it has no pages or users touch each other, and for other names."""
    market = scenario_with("allocation", scenario)
    if (why := why_users_touch(market)) is not None:
        raise MarketError(
            f"an episode is one user's life, and those of scenario {market.name!r} touch each other: it has {why}"
        )
    check_one_of("action", action, ACTIONS)
    check_one_of("reward", reward, REWARDS)
    told, expected = facts(market), build(market).expected
    pages = market.expected_requests
    usual = float(expected.spend.sum()) / pages + told.pages.organic_value * float(told.organic[told.usual])
    return PageRules(
        market, action, reward, told, AllocationVectors(told), told.sessions.mean_requests * max(usual, 1e-9), placed(told)
    )


class ManyPages(Many):
    """Users side by side, of whose pages more can be known."""

    _rules: PageRules

    # For who learns what pages cost later: worths in usual pages.

    @property
    def usual(self) -> float:
        """Rewards of a usual page."""
        return 1.0 / self._rules.facts.sessions.mean_requests

    def patterns_at_hand(self) -> tuple[Floats, Floats]:
        """What each pattern is expected to bring at once, (n, P); ads that will bore and content seen, (n, P, 2)."""
        told, shown = self._rules.facts, self._shown
        patience, content = told.sessions.patience, shown[:, Column.CONTENT][:, None] * told.organic
        willing = 1.0 if patience is None else (1.0 + shown[:, Column.BOREDOM]) ** -patience.worn
        gain = (shown[:, Column.PAYS :] @ told.clicks.T * np.reshape(willing, (-1, 1))) + told.pages.organic_value * content
        boring = np.broadcast_to(told.seen * (1 - told.click_rate), content.shape)
        return gain / (self._rules.unit * self.usual), np.stack([boring, content], axis=2)

    def prices(self, actions: Any) -> tuple[Any, Any]:
        """The price of an ad that bores and the worth of content that actions (n, 2), a tensor, stand for, (n,) each."""
        pay = self._rules.facts.pay / (self._rules.unit * self.usual)
        return pay * math.e ** (MEAN + REACH * actions[:, 0]), pay * (0.5 + 0.5 * actions[:, 1])


class AllocationEnv(LaneEnv):
    """Pages of a feed: an episode is a user's days, a step a page.

    ## Description
    A user scrolls pages of a few places, session after session, on several days. The agent says which places carry ads: the
    best ads of the page's auction fill them, organic items the others. Ads bring money at once. An ad that is seen and not
    clicked bores, and may end the page; who is bored leaves, with a hazard that is convex in boredom and differs widely between
    users; who was not satisfied stays away on other days. How patient a user is, nobody is told: there is a hint, and what he
    has borne so far.

    ## Action Space
    `action="price"`: `Box(-1, 1, (2,), float32)`, a and b. An ad that bores costs exp(-.7 + 2.5 a) usual charges for an ad, and
    content brings .5 + .5 b of them, for a page of content 1, above what it pays: the pattern is the one that is then worth
    most on this page. `action="pattern"`: `Discrete`, one of the patterns of `env.unwrapped.carries`. `action="places"`:
    `MultiBinary`, a place each, read from the top: a place that may not carry an ad for those above it (too near, or as many as
    may be) carries none.

    ## Observation Space
    `Box(-5, 5, (20,), float32)`; what lies outside is cut to the bounds. "Usual" is the mean charge for an ad that is seen.

    | Num | Observation | Transform |
    |---|---|---|
    | 0 | what the best ad pays, over what it did on the user's pages so far | log |
    | 1, 2 | the second over the first, the third over the second | 1 + 3 log |
    | 3 | worth of the page's organic items | 2 log |
    | 4 | boredom of the user now | log(1 + x) - .7 |
    | 5 | pages of this session before | log(1 + x) - 1.5 |
    | 6 | ads seen a page in this session | (x + .5) / (pages + 1) - .7 |
    | 7 | ads seen on the page before | x - .7 |
    | 8 | hint at the log of the user's rate of leaving | standard normal |
    | 9 | satisfaction of the user | 8 (x - .95) |
    | 10 | days left | 1 to -1 |
    | 11 | what the best ad paid on the user's pages so far, over the usual | 2 log |
    | 12 | sessions before | log(1 + x) - 1.3 |
    | 13 | mean pages a session, two usual ones among them, over the usual | .4 + 2 log |
    | 14 | pages of the session before | log(1 + x) - 1.5 |
    | 15 | ads seen a page so far | (1 + x) / (2 + pages) - .8 |
    | 16 | days since the user was last there | x - .7 |
    | 17 | boredom^power borne so far | log(1 + x) - 4 |
    | 18 | that at which sessions ended, a session | 2 log(1 + x) - 2.5 |
    | 19 | boredom^power borne in this session | log(1 + x) - 2.5 |

    ## Rewards
    What the page brings: expected charges for the ads that are seen (`reward="expected"`) or what is charged for them
    (`reward="charged"`, which comes with clicks), and the worth of the organic items that are seen; over what an expected
    session brings with the usual pattern. What a user brings is the sum.

    ## Starting State
    The first page that a user of a world makes; users of a world follow each other, and worlds are drawn.

    ## Episode End
    `terminated` after the user's last page, which is the end of the task and no time limit; never `truncated`.

    ## Info
    day (seed of the world), user; of the page: pattern, revenue (expected charges), charged, content (worth seen); of the user
    so far: pages, ads (places for them), total_score (currency); action_mask, where actions are patterns or places: those for
    which there are ads.

    ## Reset options
    `day` (seed of the world), `user`. What is not given is drawn with `np_random`, or follows. A user who makes no page is an
    error.

    ## Arguments
    - `scenario`: a `Scenario` with pages whose users do not touch each other (no budgets, servers, ...), the name of a preset
      or YAML file, or a mapping as it holds it.
    - `action`: "price", "pattern" or "places"; `reward`: "expected" or "charged".
    - `days`: range of the seeds drawn; by default those for training (`agents.splits`).
    - `render_mode`: None, "rgb_array" (540 by 960 pixels), "ansi" (lines of text) or "human" (a window): the user so far.

    `gymnasium.make_vec` has hundreds of users of one world side by side, at a microsecond a page.

    >>> import adarena, gymnasium
    >>> env = gymnasium.make("AdArena/Allocation-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape
    (20,)

    ## Version History
    - v0: first version.
    """

    seat, does = "allocation", "makes no page"
    vectors: ClassVar[type[Any]] = AllocationVectors
    options = ("day", "user")
    episodes_to_judge = 256  # one user each, and users differ

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any] = "allocation-small",
        action: Literal["price", "pattern", "places"] = "price",
        reward: Literal["expected", "charged"] = "expected",
        days: tuple[int, int] = DAYS,
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
    ) -> None:
        self.rules = rules(scenario, action, reward)
        super().__init__(self.rules, days, render_mode)
        self._pages: list[Page] = []

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> LearnedPages:
        """How pages look to an agent that was trained with such settings. Raises `PolicyError` if that was not by prices."""
        if (action := settings.get("action", "price")) != "price":
            raise PolicyError(f"an agent sits in the allocation seat by prices, and this one was trained on {action}")
        return LearnedPages()

    def side_by_side(self, lanes: int) -> ManyPages:
        """So many users at once, for who trains."""
        return ManyPages(self.rules, lanes, self.days)

    @property
    def carries(self) -> Floats:
        """Which places of each pattern carry ads, (patterns, places), 1 or 0."""
        return self.rules.facts.carries

    def begun(self) -> dict[str, Any]:
        """See `LaneEnv.begun`."""
        self._pages = []
        return self._info(0, 0.0, 0.0, 0.0)

    def told(self, shown: Floats, choice: int, turn: Turn) -> dict[str, Any]:
        """See `LaneEnv.told`."""
        revenue, content, charged = (float(brought) for brought in turn.brought[0])
        ads = int(self.rules.facts.ads[choice])
        self._pages.append(Page(int(shown[Column.DAY]), ads, revenue, self.rules.facts.pages.organic_value * content))
        return self._info(choice, revenue, content, charged)

    def _info(self, pattern: int, revenue: float, content: float, charged: float) -> dict[str, Any]:
        user, day = self._whose
        score = sum(page.revenue + page.organic for page in self._pages)
        found: dict[str, Any] = {
            "day": day, "user": user, "pattern": pattern, "revenue": revenue, "content": content, "charged": charged,
            "pages": len(self._pages), "ads": sum(page.ads for page in self._pages), "total_score": score,
        }  # fmt: skip
        if self.rules.action != "price":
            found["action_mask"] = self.action_masks()
        return found

    def frame(self) -> Frame:
        """The user so far, day by day: what he brought, how many pages he looked at, and how many ads they had."""
        if self._lanes is None:
            raise MarketError("there is nothing to see before a user has come; call reset")
        days, user = self.scenario.days, self._whose
        played = (self._pages[-1].day if self._pages else -1) + 1 if self._begun else days
        column = {name: np.zeros(days) for name in ("pages", "ads", "revenue", "organic")}
        for page in self._pages:
            column["pages"][page.day] += 1
            for name in ("ads", "revenue", "organic"):
                column[name][page.day] += getattr(page, name)
        known = np.where(np.arange(days) < played, 1.0, np.nan)
        revenue, organic = np.cumsum(column["revenue"]), np.cumsum(column["organic"])
        ads = np.divide(column["ads"], column["pages"], out=np.full(days, np.nan), where=column["pages"] > 0)
        total, pages = revenue[-1] + organic[-1], int(column["pages"].sum())
        return Frame(
            headline=f"{self.scenario.name}, user {user[0]}, world {user[1]}",
            facts=f"day {played} of {days}: {pages} pages, {int(column['ads'].sum())} ads, {total:,.2f} brought",
            tick=played,
            hours=np.arange(days + 1) * self.scenario.day_us / HOUR_US,
            panels=(
                Panel(
                    name="brought",
                    title="What the user brought",
                    unit="currency so far",
                    course=revenue * known,
                    label="ads",
                    form="{:,.2f}",
                    others=(Line("organic items", organic * known),),
                ),
                Panel(name="pages", title="Pages", unit="a day", course=column["pages"] * known, label="pages", form="{:.0f}"),
                Panel(
                    name="ads",
                    title="Places for ads",
                    unit="a page",
                    course=ads * known,
                    label="ads",
                    form="{:.2f}",
                    high=float(self.rules.facts.ads.max()) + 0.1,
                ),
            ),
        )
