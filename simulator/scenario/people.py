"""What ads do to the people who see them: fatigue, frequency caps, sessions cut short, visits not made; parts of a scenario."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from .delivery import Seconds
from .part import Count, NonNegative, Part, Range, Share

POINTS = 41  # at which survival is averaged over users


class Traffic(Part):
    """Arrivals of ad requests: a non-homogeneous Poisson process under a day's weather."""

    requests_per_day: Annotated[int, Field(ge=1, le=10**10)] = Field(
        50_000, description="expected; with sessions those that are planned, of which ads cut some off"
    )
    curve: tuple[Annotated[float, Field(ge=0, le=1e9)], ...] = Field(
        (1.0,), description="relative traffic in equal pieces of a day, any number"
    )
    arrivals: Literal["poisson", "even"] = Field("poisson", description="'even': exactly requests_per_day, evenly")
    day_sigma: NonNegative = Field(0.0, description="log standard deviation of a day's level")
    tick_sigma: NonNegative = Field(0.0, description="innovation of the AR(1) in log traffic over ticks")
    tick_correlation: Share = Field(0.7, description="of that AR(1), from tick to tick")
    surge_probability: Share = Field(0.0, description="share of days with a surge")
    surge_factor: Range = Field((2.0, 4.0), description="by which traffic is multiplied in a surge, evenly from low to high")
    surge_hours: Range = Field((1.0, 3.5), description="how long a surge lasts, evenly from low to high")

    @model_validator(mode="after")
    def _check(self) -> Traffic:
        if not self.curve or sum(self.curve) <= 0:
            raise ValueError("curve must have at least one positive piece")
        for name in ("surge_factor", "surge_hours"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be a range from low to high, not {low} to {high}")
        return self


class Users(Part):
    """Persistent users: latent interests around the centre of a segment, heavy-tailed activity."""

    count: Count = Field(20_000, description="users there are, the same on all days")
    segments: Annotated[int, Field(ge=1, le=256)] = Field(6, description="groups of users who like much the same")
    dimensions: Annotated[int, Field(ge=1, le=256)] = Field(16, description="of the vectors of interests")
    spread: NonNegative = Field(0.7, description="standard deviation of interests around a segment's centre of length 1")
    activity_tail: Annotated[float, Field(ge=0.2, le=100)] = Field(
        3.0, description="Pareto shape of a user's share of the requests; at 1.2 one of 20,000 makes a twentieth of them"
    )
    largest_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="most of the requests that one user makes, but for what hours do to segments; who would make more comes "
        "down to it. None: as the tail has it",
    )
    hour_amplitude: NonNegative = Field(0.0, description="log amplitude of a segment's share of traffic over the day")
    tiers: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (), description="traffic tier of each segment: 0 is served first, and a funnel's quotas may differ; none: all in tier 0"
    )

    @model_validator(mode="after")
    def _check(self) -> Users:
        if len(self.tiers) not in (0, self.segments):
            raise ValueError(f"tiers must name a tier for each of the {self.segments} segments, not {len(self.tiers)}")
        if self.largest_share is not None and self.largest_share * self.count < 1:
            raise ValueError(f"largest_share must be 1 / users.count at least, {1 / self.count:g}, not {self.largest_share:g}")
        return self


class Fatigue(Part):
    """A user who has seen an ad n times lately clicks (1 + n)^-exponent times as often; n fades from memory.

    What is believed of clicks leaves it out: campaigns that pay by click or conversion pay less as users tire.
    """

    exponent: NonNegative = Field(
        0.21, description="Criteo's users click .847, .787 and .729 times as often at exposures 2, 3 and 5"
    )
    half_life_s: Seconds = Field(7 * 86_400.0, description="after which an exposure counts for half")


class Patience(Part):
    """How users differ in bearing ads, and what boredom does beside; neutral at its defaults."""

    power: Annotated[float, Field(ge=1, le=4)] = Field(1.0, description="of boredom, in the hazard of leaving; above 1: convex")
    sigma: Annotated[float, Field(ge=0, le=4)] = Field(
        0.0, description="log standard deviation of a user's own leave_rate, of which leave_rate is the mean"
    )
    hint: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0, description="correlation of what the platform knows of a user beforehand with the log of that rate"
    )
    worn: NonNegative = Field(0.0, description="a user of boredom b clicks (1 + b)^-worn times as often")

    def factors(self) -> list[tuple[float, float]]:
        """What a user's own leave_rate may be over the mean one, and how likely: Gauss and Hermite's points of a log-normal."""
        if self.sigma == 0:
            return [(1.0, 1.0)]
        points, weights = np.polynomial.hermite_e.hermegauss(POINTS)
        total = float(weights.sum())
        return [(math.exp(self.sigma * z - self.sigma**2 / 2), w / total) for z, w in zip(points, weights, strict=True)]


class Sessions(Part):
    """Requests come in sessions: as many as a user would make without ads, of which ads that bore cut some off.

    Between two requests of a session a user watches videos. Each ad seen and not clicked adds 1 to the user's boredom, of
    which `boredom_kept` is left at the next request; before it the user leaves with probability
    1 - exp(-leave_rate x boredom). A request is worth what its videos are, 1 on average, less `ad_annoyance` for each such
    ad. Satisfaction is the running mean of that, and as it was at midnight decides whether a visit takes place at all.
    """

    mean_requests: Annotated[float, Field(ge=1, le=10_000)] = Field(
        12.0, description="mean requests of a session that nothing cuts short, geometric"
    )
    videos: Annotated[int, Field(ge=1, le=64)] = Field(4, description="videos watched from one request to the next")
    video_s: Seconds = Field(20.0, description="mean time a video is watched, exponential")
    leave_rate: NonNegative = Field(0.01, description="hazard of leaving before a request, for each unit of boredom")
    boredom_kept: Share = Field(0.7, description="share of boredom left from one request to the next")
    content_sigma: NonNegative = Field(0.5, description="log standard deviation of what a request's videos are worth")
    ad_annoyance: NonNegative = Field(0.1, description="what an ad seen and not clicked takes off that worth")
    satisfaction_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.02, description="weight of a request in the running mean of its user's satisfaction"
    )
    visit_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="share of sessions that a user of satisfaction 1 (no ads) comes to"
    )
    visit_slope: NonNegative = Field(4.0, description="log-odds of a visit lost with a unit of satisfaction")
    patience: Patience | None = Field(None, description="None: all users leave at the same rate, linear in boredom")

    def survival(self, ads: float, requests: int) -> list[float]:
        """Probability that request 1, 2, ... of a session is made, if each shows so many ads that nobody clicks.

        Boredom before request n + 1 is ads x (1 + kept + ... + kept^(n - 1)), and staying is the product of
        (1 - 1 / mean_requests) exp(-leave_rate x boredom^power) over the requests before, a mean over users who differ.
        """
        if self.patience is None:
            return self._survival(self.leave_rate, 1.0, ads, requests)
        courses = [
            [share * alive for alive in self._survival(self.leave_rate * factor, self.patience.power, ads, requests)]
            for factor, share in self.patience.factors()
        ]
        return [math.fsum(alive) for alive in zip(*courses, strict=True)]

    def _survival(self, leave_rate: float, power: float, ads: float, requests: int) -> list[float]:
        out, boredom, alive = [], 0.0, 1.0
        for _ in range(requests):
            out.append(alive)
            boredom = boredom * self.boredom_kept + ads
            alive *= (1 - 1 / self.mean_requests) * math.exp(-leave_rate * boredom**power)
        return out

    def expected_share(self, ads: float) -> float:
        """Share of the requests planned that are made: of a new user, under so many ads a request that nobody clicks."""
        return self.visit_share * math.fsum(self.survival(ads, 64 * math.ceil(self.mean_requests))) / self.mean_requests


def day_shares(curve: tuple[float, ...], ticks: int) -> NDArray[np.float64]:
    """The curve's share of a day for each tick, summing to 1, from its piecewise constant intensity."""
    edges = np.concatenate([[0.0], np.cumsum(curve)]) / np.sum(curve)
    at = np.linspace(0, len(curve), ticks + 1)
    return np.diff(np.interp(at, np.arange(len(curve) + 1), edges))
