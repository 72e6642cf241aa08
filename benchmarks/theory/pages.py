"""Pages whose users leave for ads: constant loads in closed form, places seen in a cascade."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...simulator import Scenario, World
from ...simulator.response.pages import PageSum
from ...simulator.scenario.delivery import Auction
from ...simulator.scenario.demand import Advertiser, Campaign, ListedDemand
from ...simulator.scenario.pages import Pages
from ...simulator.scenario.people import Patience, Sessions, Traffic, Users
from ...simulator.scenario.response import Interests
from ...simulator.seats.allocation.decisions import AllocationPolicy, Patterns
from ...simulator.seats.allocation.view import AllocationView
from .check import Check, equal, ratio

PLACES, LENGTH = 5, 10.0
AD, CONTENT = 0.5, 1.0  # currency: an ad that is seen, and a page without ads
USERS = 2_000
LOADS = ((1.0, 0.002), (1.0, 0.08), (2.0, 0.006))  # power of boredom in the hazard, and rate


class Constant(AllocationPolicy):
    """Ads in the same places of every page."""

    def __init__(self, places: Iterable[int]) -> None:
        self.places = list(places)

    def decide(self, view: AllocationView) -> Patterns:
        """See `AllocationPolicy.decide`."""
        carries = np.isin(np.arange(view.facts.carries.shape[1]), self.places)
        return Patterns(int(np.flatnonzero((view.facts.carries == carries).all(axis=1))[0]))


def market(power: float, rate: float, seen: float, content: float, requests: int) -> Scenario:
    """Five campaigns that bid alike and pay what they bid, and users who forget boredom from page to page and always come."""
    advertisers = tuple(
        Advertiser(
            name=f"a{k}",
            campaigns=(Campaign(name=f"c{k}", objective="utility", value_per_conversion=AD / 1e-3, conversion_rate=1.0),),
        )
        for k in range(PLACES)
    )
    return Scenario(
        name="pages of theory",
        ticks_per_day=24,
        traffic=Traffic(requests_per_day=requests, curve=(1.0, 1.0, 1.0, 0.0)),
        users=Users(count=USERS, segments=1, dimensions=1, activity_tail=100.0),
        rates=Interests(click_rate=1e-3, ad_sigma=0.0, affinity=0.0),
        demand=ListedDemand(advertisers=advertisers),
        auction=Auction(pricing="first", slots=PLACES, exposure=tuple(seen ** (place + 1) for place in range(PLACES))),
        sessions=Sessions(
            mean_requests=LENGTH, videos=1, video_s=1.0, leave_rate=rate, boredom_kept=0.0, content_sigma=0.0, ad_annoyance=0.0,
            visit_slope=0.0, patience=Patience(power=power),
        ),
        pages=Pages(organic_value=content),
    )  # fmt: skip


def load(ads: float, power: float, rate: float) -> float:
    """What a session brings under so many ads a page, each seen and not clicked.

    A page brings w + g n, of which g = v - w d: an ad takes the share d of content; there is another one with probability
    (1 - 1 / L) exp(-r n^power).
    """
    gained = AD - CONTENT / PLACES
    return (CONTENT + gained * ads) / (1 - (1 - 1 / LENGTH) * math.exp(-rate * ads**power))


def loads(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 29: what a session brings under each constant load of ads, where boredom is forgotten from page to page.

    `wrong` scales the market's rate of leaving.
    """
    found = []
    for power, rate in LOADS:
        for ads in (0, 1, 3, 5):
            scenario = market(power, rate * wrong, 1.0, CONTENT, round(100_000 * effort))
            world = World(scenario, {"allocation": Constant(range(ads))}, seed=29)
            world.run()
            assert world.pages is not None
            score, sessions = world.pages.score, world.pages.users[:, PageSum.SESSIONS]
            name = f"29 {ads} ads a page, hazard {rate:g} n^{power:g}: a session brings"
            found.append(ratio(name, "(w + g n) / (1 - (1 - 1/L) exp(-r n^p))", load(ads, power, rate), score, sessions))
    return found


def best_loads(effort: float) -> list[Check]:
    """Check 29: under a linear hazard the best constant load is none or most; under a convex one it lies between.

    By closed forms, of which the second holds for a small hazard r n^2, and by trying all loads in the formula that the checks
    above measure.
    """
    found = []
    for power, rate in LOADS:
        tried = [load(n / 1000, power, rate) for n in range(5001)]
        best = int(np.argmax(tried)) / 1000
        gained = AD - CONTENT / PLACES
        if power == 1.0:
            worth = CONTENT * (1 / PLACES + rate * (LENGTH - 1)) < AD
            found.append(equal(f"29 best load, hazard {rate:g} n", "v > w (d + r (L - 1)): most, else none", 5.0 * worth, best))
        else:
            root = (math.sqrt(CONTENT**2 + gained**2 / (rate * (LENGTH - 1))) - CONTENT) / gained
            found.append(
                equal(f"29 best load, hazard {rate:g} n^2", "(sqrt(w^2 + g^2 / (r (L - 1))) - w) / g", root, best, 0.1)
            )
    return found


def cascade(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 30: place p of a page, from 1 on, is seen with .9^p, whatever those above it carry; `wrong` is a power of it."""
    found = []
    for places in ((0,), (4,), range(PLACES)):
        world = World(market(1.0, 0.0, 0.9**wrong, 0.0, round(100_000 * effort)), {"allocation": Constant(places)}, seed=30)
        world.run()
        assert world.pages is not None
        pages, ads = world.pages.users[:, PageSum.PAGES], world.pages.users[:, PageSum.ADS]
        told = ", ".join(str(place + 1) for place in places)
        expected = sum(0.9 ** (place + 1) for place in places)
        found.append(ratio(f"30 ads seen in places {told} of a page", "sum of .9^p", expected, ads, pages))
    return found
