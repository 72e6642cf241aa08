"""How the platform delivers ads: the rules of its auction, and the servers that a request waits for; parts of a scenario."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise
from operator import mul
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .part import LogOdds, NonNegative, Part, Positive, Range, Share

Seconds = Annotated[float, Field(ge=1e-6, le=1e9)]
MOST_SERVERS = 100_000


class Auction(Part):
    """How slots are sold."""

    pricing: Literal["first", "second", "gsp", "vcg"] = Field(
        "gsp", description="'second' with several slots: every winner pays the best losing bid"
    )
    slots: Annotated[int, Field(ge=1, le=16)] = Field(3, description="places for ads in a request")
    exposure: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1.0, 0.8, 0.6), description="probability that a slot is seen, first slot first; falling"
    )
    exposure_draws: Literal["cascade", "repeated"] = Field(
        "cascade",
        description="'cascade': slot k+1 only if slot k, marginals as given; 'repeated': AuctionNet's rule, one draw of "
        "exposure[k] a slot on top of the slot before, so that 1/.8/.6 shows the third with .48",
    )
    reserve: Annotated[float, Field(ge=1e-6, lt=1e12)] = Field(1e-6, description="least price of an impression, currency")
    squashing: NonNegative = Field(1.0, description="rank score = bid per click x believed click rate ^ squashing")
    price_told: bool = Field(True, description="campaigns are told the least winning cost after the auction")

    @model_validator(mode="after")
    def _check(self) -> Auction:
        if len(self.exposure) < self.slots:
            raise ValueError(f"exposure must name a probability for each of the {self.slots} slots, not {len(self.exposure)}")
        if self.exposure_draws == "cascade" and any(b > a for a, b in pairwise(self.exposure)):
            raise ValueError("exposure must not rise from slot to slot")
        return self

    @property
    def seen(self) -> tuple[float, ...]:
        """Probability that a slot is seen given that the one before was, for the slots sold."""
        if self.exposure_draws == "repeated":
            return self.exposure[: self.slots]
        before = (1.0, *self.exposure)
        return tuple(e / b for e, b in zip(self.exposure, before, strict=False))[: self.slots]

    @property
    def marginal(self) -> tuple[float, ...]:
        """Probability that a slot is seen, for the slots sold."""
        return tuple(accumulate(self.seen, mul))


class Surface(Part):
    """A place where ads are shown: its share of the requests, its slots and how people behave there."""

    name: str = Field(description="differs from those of the other surfaces")
    share: Positive = Field(description="of the requests, relative to the other surfaces")
    asks: bool = Field(False, description="requests come with a query, which needs the scenario's part search")
    exposure: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=16)] = Field(
        description="probability that a slot is seen, first slot first; falling; as many as the surface has slots"
    )
    deadline_s: Seconds | None = Field(None, description="an answer later than this earns nothing; None: serving.deadline_s")
    click: LogOdds = Field(0.0, description="log-odds of a click over rates.click_rate")
    conversion: Annotated[float, Field(ge=1e-3, le=1e3)] = Field(1.0, description="factor on conversions per click")

    @model_validator(mode="after")
    def _check(self) -> Surface:
        if any(b > a for a, b in pairwise(self.exposure)):
            raise ValueError("exposure must not rise from slot to slot")
        return self


class Outage(Part):
    """Servers that fail at one time and come back at another."""

    start_s: Annotated[float, Field(ge=0, le=1e9)] = Field(description="from the start of the first day")
    duration_s: Seconds = Field(description="until they are back")
    servers: Annotated[int, Field(ge=1, le=MOST_SERVERS)] = Field(description="how many fail, as far as there are so many")


class Failures(Part):
    """Outages that nobody foresees: on a share of days some servers fail for a while, at a time of day that is uniform."""

    probability: Share = Field(description="share of days with such an outage")
    servers: tuple[Annotated[int, Field(ge=1, le=MOST_SERVERS)], Annotated[int, Field(ge=1, le=MOST_SERVERS)]] = Field(
        description="how many fail, from fewest to most, as far as there are so many"
    )
    hours: Range = Field(description="how long, from shortest to longest")

    @model_validator(mode="after")
    def _check(self) -> Failures:
        for name in ("servers", "hours"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be a range from low to high, not {low} to {high}")
        return self


class Autoscaling(Part):
    """Servers ordered and sent away so that a share of them is busy."""

    least: Annotated[int, Field(ge=1, le=MOST_SERVERS)] = Field(1, description="servers that are kept whatever happens")
    most: Annotated[int, Field(ge=1, le=MOST_SERVERS)] = Field(description="servers that there may be")
    utilisation: Annotated[float, Field(ge=0.01, le=1)] = Field(0.6, description="share of the servers' time to be filled")
    every_s: Seconds = Field(60.0, description="between two decisions, each from the work that arrived in between")
    delay_s: Annotated[float, Field(ge=0, le=1e9)] = Field(180.0, description="before an ordered server works")

    @model_validator(mode="after")
    def _check(self) -> Autoscaling:
        if self.least > self.most:
            raise ValueError(f"least must not exceed most, and {self.least} does {self.most}")
        return self


class Serving(Part):
    """A pool of servers: a request is auctioned when one of them has worked on it, and earns nothing if that is too late.

    Where users have tiers, those of a lower number are served first.
    """

    servers: Annotated[int, Field(ge=1, le=MOST_SERVERS)] = Field(description="in the pool as the first day begins")
    service_s: Seconds = Field(description="mean time that a server works on a request, candidates of a funnel apart")
    service: Literal["fixed", "exponential"] = Field("exponential", description="distribution of that time")
    network_s: Annotated[float, Field(ge=0, le=1e9)] = Field(0.0, description="mean of an answer's way, exponential")
    deadline_s: Seconds | None = Field(
        None, description="a request that has waited so long leaves; one answered later than this earns nothing"
    )
    control_s: Seconds | None = Field(None, description="between two decisions of the compute seat; None: a tick")
    outages: tuple[Outage, ...] = Field((), description="failures at times that are given")
    failures: Failures | None = Field(None, description="outages that are drawn, day by day; None: none but those listed")
    autoscaling: Autoscaling | None = Field(None, description="None: the pool stays as large as it is")
    server_cost_per_hour: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None, description="currency for an hour of a server that works or could; nobody is charged, judges take it off revenue"
    )


class Stage(Part):
    """How sharply a stage of the funnel sees: the first dimensions of what the platform believes, and noise of its own."""

    dimensions: Annotated[int, Field(ge=1, le=256)] = Field(description="of those that users have; all of them if that is more")
    noise: NonNegative = Field(0.0, description="noise of its ad vectors, as a share of their length")
    sigma: NonNegative = Field(0.0, description="log-odds standard deviation of what it gets wrong about an ad, whoever asks")
    slope: Positive = Field(
        1.0, description="factor on how far its log-odds lie from the average (miscalibration): below 1 bids weigh too much"
    )


class Quotas(Part):
    """How many candidates leave each stage: recall, rough sort, fine sort."""

    STAGES: ClassVar[tuple[str, ...]] = ("recall", "rough", "fine")

    MOST: ClassVar[dict[str, int]] = {"recall": 100_000, "rough": 20_000, "fine": 2_000}

    recall: Annotated[int, Field(ge=0, le=MOST["recall"])] = Field(
        2_000, description="0: ads cached for the user's segment instead"
    )
    rough: Annotated[int, Field(ge=0, le=MOST["rough"])] = Field(200, description="of those recalled; 0 where recall is 0")
    fine: Annotated[int, Field(ge=0, le=MOST["fine"])] = Field(40, description="0: no ads")
    after_wait_s: Annotated[float, Field(ge=0, le=1e9)] = Field(0.0, description="of requests that have waited so long")

    @model_validator(mode="after")
    def _check(self) -> Quotas:
        if self.recall == 0:
            if self.rough:
                raise ValueError(f"cached ads are not sorted again: rough is 0 where recall is, not {self.rough}")
        elif not self.recall >= self.rough >= self.fine:
            raise ValueError(f"quotas must not rise from stage to stage, as {self.recall}, {self.rough}, {self.fine} do")
        return self


class Index(Part):
    """Recall that looks only at ads in the lists nearest to a request (an inverted file, IVF), not at all of them."""

    lists: Annotated[int, Field(ge=1, le=65_536)] = Field(
        512,
        description="into which k-means puts ads that are alike, anew at each tick; some more than the root of their number",
    )
    probed: Annotated[int, Field(ge=1, le=65_536)] = Field(
        40, description="lists that a request looks through; more of them find more of the best ads and take longer"
    )

    @model_validator(mode="after")
    def _check(self) -> Index:
        if self.probed > self.lists:
            raise ValueError(f"probed must not exceed lists, and {self.probed} does {self.lists}")
        return self


Levels = Annotated[tuple[Quotas, ...], Field(min_length=1, max_length=8)]
Cost = Annotated[float, Field(ge=0, le=1e6)]


class TierQuotas(Part):
    """Quotas of one traffic tier, in place of those for all; even the full ones may be 0: cached ads only, or none."""

    tier: Annotated[int, Field(ge=0)] = Field(description="one of users.tiers")
    levels: Levels = Field(description="quotas in full, then the steps down for requests that have waited")

    @model_validator(mode="after")
    def _check(self) -> TierQuotas:
        _check_steps(self.levels)
        return self


def _check_steps(levels: tuple[Quotas, ...]) -> None:
    if levels[0].after_wait_s != 0:
        raise ValueError(f"the first of the levels is the full one: its after_wait_s is 0, not {levels[0].after_wait_s:g}")
    for one, next_ in pairwise(levels):
        if next_.after_wait_s <= one.after_wait_s or next_.recall > one.recall or next_.rough > one.rough:
            raise ValueError("levels go down: each holds from a longer wait on, with no larger recall and rough sort")


class Funnel(Part):
    """Which ads come to the auction of a request: recall, rough sort and fine sort under quotas, from all there are."""

    recall: Stage = Field(Stage(dimensions=8, noise=0.3), description="how sharply the first stage sees")
    rough: Stage = Field(Stage(dimensions=16, noise=0.15), description="how sharply the second stage sees")
    index: Index | None = Field(None, description="by which recall finds the best ads; None: it scores every ad")
    popular_share: Share = Field(0.15, description="of recall's quota, for ads that suit everybody")
    exploring_share: Share = Field(0.05, description="of recall's quota, for new ads drawn at random; for any if none is new")
    keyword_share: Share = Field(0.0, description="of recall's quota, for ads whose keywords match the query")
    recall_cost_s: Cost = Field(0.0, description="a server's time for each candidate recalled")
    rough_cost_s: Cost = Field(0.0, description="for each that the rough sort scores: all recalled")
    fine_cost_s: Cost = Field(0.0, description="for each that the fine sort scores: all that pass the rough sort")
    new_share: Share = Field(0.0, description="share of ads without a history: believed to be as popular as any")
    levels: Levels = Field((Quotas(),), description="quotas in full, then the steps down for requests that have waited")
    tiers: tuple[TierQuotas, ...] = Field((), description="traffic tiers with quotas of their own; all others: levels")

    @model_validator(mode="after")
    def _check(self) -> Funnel:
        if self.popular_share + self.exploring_share + self.keyword_share > 1:
            raise ValueError("popular_share, exploring_share and keyword_share come to more than recall's quota")
        if self.levels[0].fine == 0 or self.levels[0].recall == 0:
            raise ValueError("the first of the levels is the full one: its quotas are above 0")
        _check_steps(self.levels)
        twice = [tier for tier, count in Counter(own.tier for own in self.tiers).items() if count > 1]
        if twice:
            raise ValueError(f"a tier has one set of quotas, and tier {min(twice)} stands twice")
        return self

    def levels_of(self, tier: int) -> tuple[Quotas, ...]:
        """The quotas of a traffic tier: in full, then the steps down."""
        return next((own.levels for own in self.tiers if own.tier == tier), self.levels)

    def in_full(self) -> Funnel:
        """The same funnel where nobody waits: without the steps down."""
        tiers = tuple(own.model_copy(update={"levels": own.levels[:1]}) for own in self.tiers)
        return self.model_copy(update={"levels": self.levels[:1], "tiers": tiers})

    def alike(self, quotas: Quotas) -> Funnel:
        """The same funnel with these quotas for every request, whatever its tier and wait."""
        return self.model_copy(update={"levels": (quotas,), "tiers": ()})

    def scaled(self, share: float) -> Quotas:
        """A share of the full quotas, one candidate at least and as many as may be at most."""
        full = self.levels[0]
        return Quotas(**{name: min(max(1, round(share * getattr(full, name))), Quotas.MOST[name]) for name in Quotas.STAGES})

    @property
    def candidate_s(self) -> tuple[float, float]:
        """What a server takes for a candidate that is recalled and roughly sorted, and for one that is finely sorted."""
        return self.recall_cost_s + self.rough_cost_s, self.fine_cost_s

    def service_s(self, quotas: Quotas) -> float:
        """What the candidates of a request cost a server on average, seconds."""
        recalled, sorted_finely = self.candidate_s
        return quotas.recall * recalled + quotas.rough * sorted_finely
