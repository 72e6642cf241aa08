"""All parts of a market with what follows from them: the fields of a scenario, which `tree` loads, names and changes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from .content import Content
from .creatives import DrawnCreatives
from .delivery import Auction, Funnel, Serving, Surface
from .demand import Demand, DrawnDemand, ListedDemand, Weather
from .pages import Pages
from .part import Count, Part
from .people import Fatigue, Sessions, Traffic, Users
from .response import Interests, Normal, Rates, Response, Uniform
from .search import Search

# Parts that a market may be without.
PARTS = (
    "serving", "funnel", "sessions", "fatigue", "creatives", "content", "pages", "search", "surfaces",
)  # fmt: skip


class Whole(Part):
    """The parts of a market."""

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

    @model_validator(mode="before")
    @classmethod
    def _of_the_kind_that_fits(cls, values: Any) -> Any:
        """A part that does not say of which kind it is is of the one that has most of its fields: by default, the default."""
        if not isinstance(values, dict):
            return values
        kinds = {"rates": (Interests, Uniform, Normal), "demand": (DrawnDemand, ListedDemand)}
        found = dict(values)
        for name, parts in kinds.items():
            if isinstance(given := values.get(name), dict) and "kind" not in given:
                fitting = [len(given.keys() & part.model_fields.keys()) for part in parts]
                part = parts[fitting.index(max(fitting))]
                found[name] = {"kind": part.model_fields["kind"].default, **given}
        return found

    @property
    def new_share(self) -> float:
        """Share of ads without a history."""
        own = self.rates.new_share if isinstance(self.rates, Interests) else None
        return own if own is not None else 0.0 if self.funnel is None else self.funnel.new_share

    @property
    def learns(self) -> bool:
        """Whether what is believed of new ads follows their clicks."""
        return isinstance(self.rates, Interests) and self.rates.learning is not None

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
