"""What a market is: a frozen, validated tree of settings, with units in the names, loadable from YAML and hashable.

Money is in currency units (the ledger counts millionths), time in seconds unless a name says otherwise. Same scenario,
seed and policies: same bytes.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from ..core.disk import write
from ..core.errors import ScenarioError, suggest
from ..core.notebook import titled
from ..core.numeric import whole
from ..core.yaml_text import read_yaml, write_yaml
from .complaints import sentence
from .content import Content
from .creatives import DrawnCreatives
from .delivery import Auction, Funnel, Serving, Surface
from .demand import MOST_CAMPAIGNS, Demand, DrawnDemand, Weather
from .pages import Pages
from .part import Count, Part
from .paths import put, settings_of
from .people import Fatigue, Sessions, Traffic, Users
from .response import Interests, Rates, Response
from .search import Search

LONGEST_US = 2**62  # times are 64-bit microseconds
# Parts that a market may be without.
PARTS = (
    "serving", "funnel", "sessions", "fatigue", "creatives", "content", "pages", "search", "surfaces",
)  # fmt: skip
PRESETS: dict[str, Callable[..., Scenario]] = {}  # the named markets; `presets` fills it


class Scenario(Part):
    """A whole market. `market_seed` draws who is there; the seed of a `World` draws the days they live through."""

    name: str = Field("custom", description="as it stands in titles")
    days: Count = Field(1, description="how long a world runs")
    day_s: Annotated[int, Field(ge=1)] = Field(86_400, description="length of a day")
    ticks_per_day: Annotated[int, Field(ge=1, le=86_400)] = Field(48, description="decisions of most seats in a day")
    market_seed: Annotated[int, Field(ge=0)] = Field(1, description="draws users, ads and campaigns")
    traffic: Traffic = Field(Traffic(), description="when requests come")
    users: Users = Field(Users(), description="who makes them")
    rates: Rates = Field(Interests(), description="how likely clicks are, and what is believed of that")
    demand: Demand = Field(DrawnDemand(), description="who advertises")
    weather: Weather = Field(Weather(), description="what makes one day differ from another")
    auction: Auction = Field(Auction(), description="how slots are sold")
    response: Response = Field(Response(), description="what follows a click")
    serving: Serving | None = Field(None, description="None: a request is auctioned the moment it arrives")
    funnel: Funnel | None = Field(None, description="None: every campaign meets every request")
    sessions: Sessions | None = Field(None, description="None: requests come one by one, and nobody stays away")
    fatigue: Fatigue | None = Field(None, description="None: an ad is clicked as often the tenth time as the first")
    creatives: DrawnCreatives | None = Field(None, description="None: an ad is its one creative")
    content: Content | None = Field(None, description="None: nothing is told of what ads look like")
    pages: Pages | None = Field(None, description="None: a request shows ads alone, in all slots")

    search: Search | None = Field(None, description="None: nobody asks for anything")
    surfaces: Annotated[tuple[Surface, ...], Field(min_length=1, max_length=16)] | None = Field(
        None, description="None: one, as the auction says, where requests ask if there is search"
    )

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        self._check_surfaces()
        if self.day_s * 1_000_000 % self.ticks_per_day:
            raise ValueError(f"ticks_per_day must divide the day's {self.day_s} s into whole microseconds")
        if self.horizon_us >= LONGEST_US:
            raise ValueError(
                f"days of day_s seconds must come to less than 2^62 microseconds, not {self.days:,} of {self.day_s:,}"
            )
        if self.users.segments > self.users.count:
            raise ValueError("users.segments must not exceed users.count")
        if self.funnel is not None and self.rates.kind != "interests":
            raise ValueError(f"a funnel needs rates of kind interests, not {self.rates.kind}")
        known = set(self.users.tiers) or {0}
        self._check_learning()
        unknown = {own.tier for own in self.funnel.tiers} - known if self.funnel is not None else set()
        if unknown:
            there = ", ".join(map(str, sorted(known)))
            raise ValueError(f"funnel.tiers has quotas for tier {min(unknown)}, but users.tiers has only {there}")
        if (worth := self.weather.tiers) is not None:
            if self.rates.kind != "interests":
                raise ValueError(f"weather.tiers needs rates of kind interests, not {self.rates.kind}")
            if len(worth.level) != (tiers := max(known) + 1):
                raise ValueError(f"weather.tiers.level must be of {tiers} tiers, as users.tiers are, not {len(worth.level)}")
        if self.weather.request_sigma is not None and self.rates.kind != "interests":
            raise ValueError(f"weather.request_sigma needs rates of kind interests, not {self.rates.kind}")
        self._check_rotation()
        self._check_pages()
        if self.creatives is not None and self.rates.kind != "interests":
            raise ValueError(f"creatives need rates of kind interests, not {self.rates.kind}")
        if self.content is not None:
            if self.rates.kind != "interests":
                raise ValueError(f"content needs rates of kind interests, not {self.rates.kind}")
            if self.content.dimensions <= (tastes := self.users.dimensions):
                raise ValueError(f"content.dimensions must be above users.dimensions, {tastes}, not {self.content.dimensions}")
        if self.creatives is None and self.demand.kind == "listed":
            written = (c.name for a in self.demand.advertisers for c in a.campaigns if any(ad.creatives for ad in c.ads))
            if (name := next(written, None)) is not None:
                raise ValueError(f"campaign {name!r} lists creatives, which need a part creatives of the scenario")
        if self.response.organic is not None and self.response.organic.slope and self.rates.kind != "interests":
            raise ValueError(f"response.organic.slope needs rates of kind interests, not {self.rates.kind}")
        if self.rates.kind == "uniform" and self.rates.belief_noise and self.auction.squashing != 1:
            raise ValueError("auction.squashing other than 1 needs believed rates above zero, so no rates.belief_noise here")
        return self

    @property
    def new_share(self) -> float:
        """Share of ads without a history."""
        own = self.rates.new_share if isinstance(self.rates, Interests) else None
        return own if own is not None else 0.0 if self.funnel is None else self.funnel.new_share

    @property
    def learns(self) -> bool:
        """Whether what is believed of new ads follows their clicks."""
        return isinstance(self.rates, Interests) and self.rates.learning is not None

    def _check_learning(self) -> None:
        rates = self.rates
        if not isinstance(rates, Interests):
            return
        if rates.new_share is not None and self.funnel is not None and self.funnel.new_share:
            raise ValueError("rates.new_share and funnel.new_share say the same: give one of them")
        if rates.learning is None or self.serving is None:
            return
        deadline = self.serving.deadline_s
        if deadline is None or deadline * 1e6 > self.tick_us:
            raise ValueError(
                "rates.learning needs a serving.deadline_s of a tick at most: of who waits for longer it is not known what was "
                "believed on arrival"
            )

    def _check_rotation(self) -> None:
        if self.funnel is None:
            return
        each = [self.demand] if self.demand.kind == "drawn" else [c for a in self.demand.advertisers for c in a.campaigns]
        if any(one.even_rotation for one in each):
            raise ValueError("even_rotation needs a market without a funnel, which finds ads and not campaigns")

    def _check_pages(self) -> None:
        if self.pages is None:
            return
        if self.sessions is None:
            raise ValueError("pages need the part sessions: who looks at them, and what that does to him")
        if self.surfaces is not None:
            raise ValueError("pages have their places from auction.slots, so that there are no surfaces beside them")
        if (problem := self.pages.problem(self.auction.slots)) is not None:
            raise ValueError(problem)

    def _check_surfaces(self) -> None:
        surfaces = self.surfaces or ()
        if (self.search is not None or self.surfaces is not None) and self.rates.kind != "interests":
            raise ValueError(f"search and surfaces need rates of kind interests, not {self.rates.kind}")
        twice = [name for name, count in Counter(s.name for s in surfaces).items() if count > 1]
        if twice:
            raise ValueError(f"names of surfaces must differ, and {min(twice)!r} stands twice")
        if surfaces and (self.search is not None) != any(s.asks for s in surfaces):
            raise ValueError("surfaces where requests ask need the part search, and search such a surface")
        if self.funnel is not None and self.funnel.keyword_share > 0 and self.search is None:
            raise ValueError("funnel.keyword_share needs the part search: without queries no keyword matches")
        if surfaces and self.auction.exposure_draws != "cascade":
            raise ValueError("auction.exposure_draws is 'cascade' where surfaces say how their slots are seen")
        for surface in surfaces:
            if len(surface.exposure) > self.auction.slots:
                held, most = len(surface.exposure), self.auction.slots
                raise ValueError(f"surface {surface.name!r} has {held} slots, more than the {most} of auction.slots")
            patience = None if self.serving is None else self.serving.deadline_s
            if surface.deadline_s is not None and (patience is None or surface.deadline_s > patience):
                raise ValueError(f"surface {surface.name!r} needs a deadline_s within serving.deadline_s")

    @property
    def asks(self) -> bool:
        """Whether requests differ in more than who makes them: in their surface, or in what they ask."""
        return self.search is not None or self.surfaces is not None

    @property
    def ad_exposure(self) -> tuple[float, ...]:
        """Probability that an ad is seen, best first, where there are no surfaces: that of its slot, or of its place."""
        if self.pages is None:
            return self.auction.marginal
        return self.page_exposure[self.pages.usual(self.auction.slots)]

    @property
    def page_exposure(self) -> tuple[tuple[float, ...], ...]:
        """The same for each pattern of pages."""
        assert self.pages is not None
        return tuple(
            tuple(reach for place, reach in enumerate(self.place_exposure(carries)) if place in carries)
            for carries in self.pages.patterns(self.auction.slots)
        )

    def place_exposure(self, carries: tuple[int, ...]) -> list[float]:
        """Probability that a place of a page is seen, if these carry ads that nobody clicks."""
        assert self.pages is not None
        out, reach = [], 1.0
        for place, seen in enumerate(self.auction.seen):
            reach *= seen
            out.append(reach)
            reach *= 1 - self.pages.end_share * (place in carries)
        return out

    @property
    def ad_places(self) -> int:
        """Ads that a request shows at most."""
        return self.auction.slots if self.pages is None else min(self.pages.most_ads, self.auction.slots)

    @property
    def ads_per_request(self) -> float:
        """Ads that a user sees in a request if all slots are sold, on average over the surfaces."""
        if self.surfaces is None:
            return sum(self.ad_exposure)
        return sum(s.share * sum(s.exposure) for s in self.surfaces) / sum(s.share for s in self.surfaces)

    @property
    def day_us(self) -> int:
        """Length of a day in microseconds."""
        return self.day_s * 1_000_000

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds."""
        return self.day_us // self.ticks_per_day

    @property
    def horizon_us(self) -> int:
        """End of the last day in microseconds."""
        return self.days * self.day_us

    @property
    def expected_requests(self) -> float:
        """Requests of an expected day: fewer than are planned where ads cut sessions short."""
        made = 1.0 if self.sessions is None else self.sessions.expected_share(self.ads_per_request)
        return self.traffic.requests_per_day * made

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name exactly these settings; those that are None do not count."""
        text = json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def preset(cls, name: str, **sizes: int) -> Scenario:
        """A named market: see `presets`. `sizes` go to the preset, e.g. `preset("uniform", bidders=5)`."""
        if not isinstance(name, str) or name not in PRESETS:
            raise ScenarioError(f"there is no preset {name!r}{suggest(str(name), PRESETS)}")
        taken = inspect.signature(PRESETS[name]).parameters
        for size, value in sizes.items():
            if size not in taken:
                raise ScenarioError(f"preset {name!r} does not take {size!r}{suggest(size, taken)}")
            if (number := whole(value)) is None or number < 1:
                raise ScenarioError(f"preset {name!r} needs a whole number from 1 up as {size}, not {value!r}")
            if size != "requests" and number > MOST_CAMPAIGNS:
                raise ScenarioError(f"preset {name!r} takes at most {MOST_CAMPAIGNS:,} as {size}, not {value!r}")
            sizes[size] = number
        return PRESETS[name](**sizes)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Reads a YAML file. Raises `ScenarioError` if it is missing, not YAML, or not a scenario."""
        path = Path(path)
        try:
            tree = read_yaml(path.read_bytes())
        except OSError as error:
            raise ScenarioError(f"cannot read the scenario {str(path)!r}: {error.strerror}") from None
        except ValueError as error:
            raise ScenarioError(f"{str(path)!r} is not YAML: {error}") from None
        if not isinstance(tree, dict):
            raise ScenarioError(f"{str(path)!r} holds no scenario: fields such as 'traffic' are expected at its top")
        return cls.from_tree(tree)

    @classmethod
    def named(cls, text: str) -> Scenario:
        """A preset by its name, or a YAML file by its path."""
        if Path(text).suffix in {".yaml", ".yml"} or "/" in text:
            return cls.load(text)
        return cls.preset(text)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Scenario:
        """A scenario from nested dictionaries, as YAML gives them."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise ScenarioError(sentence(cls, error)) from None

    def save(self, path: str | Path) -> None:
        """Writes a YAML file that `load` turns into an equal scenario. Raises `ScenarioError` if it cannot be written."""
        write(path, str(self), ScenarioError)

    def override(self, settings: Mapping[str, Any] | Iterable[str]) -> Scenario:
        """This scenario with some fields changed: {"auction.slots": 1}, or texts "auction.slots=1"; paths as in `put`."""
        if not isinstance(settings, Mapping):
            settings = settings_of(settings)
        tree = self.model_dump(mode="json")
        for path, value in settings.items():
            put(tree, path, value)
        return self.from_tree(tree)

    def __repr__(self) -> str:
        demand = self.demand
        campaigns = demand.campaigns if isinstance(demand, DrawnDemand) else sum(len(a.campaigns) for a in demand.advertisers)
        parts = [name for name in PARTS if getattr(self, name) is not None]
        days = f"{self.days:,} day{'s' * (self.days > 1)} of {self.traffic.requests_per_day:,} requests"
        beside = f", with {', '.join(parts)}" if parts else ""
        return f"<Scenario {self.name!r}: {days}, {campaigns:,} campaigns{beside}; digest {self.digest}>"

    def _repr_html_(self) -> str:
        return titled(repr(self).strip("<>"), f"<pre>{escape(str(self))}</pre>")

    def __str__(self) -> str:
        return write_yaml(self.model_dump(mode="json"), default_flow_style=None)
