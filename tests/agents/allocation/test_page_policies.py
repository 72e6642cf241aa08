"""Policies of pages: each against its formula written out in Python, on the pages of whole worlds."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from adarena.agents.allocation import POLICIES
from adarena.agents.catalogue import make_policy
from adarena.simulator import PolicyError, Scenario, World
from adarena.simulator.engine.asking import Column
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageFunction
from adarena.simulator.seats.allocation.view import facts

SMALL = Scenario.preset("allocation-small").override(
    {"days": 4, "users.count": 40, "traffic.requests_per_day": 500, "demand.campaigns": 6, "ticks_per_day": 12}
)
ALONE = SMALL.override({"days": 60, "users.count": 1, "users.segments": 1, "traffic.requests_per_day": 12})
# No effect of gaps, users who click less the more they are bored, six places of which up to two carry ads side by side.
OTHER = SMALL.override(
    {
        "auction.slots": 6, "auction.exposure": [1.0, 0.9, 0.6, 0.6, 0.5, 0.2], "pages.apart": 0, "pages.most_ads": 2,
        "pages.gap_clicks": [], "pages.end_share": 0.0, "pages.relevance": 0.5, "sessions.patience.worn": 0.4,
    }
)  # fmt: skip
Page = np.ndarray
Choice = Callable[[Page], tuple[int, ...]]  # the places that carry ads


class ByHand:
    """The laws of pages as the scenario has them, without any table of the package."""

    def __init__(self, scenario: Scenario) -> None:
        assert scenario.pages is not None
        assert scenario.sessions is not None
        assert scenario.sessions.patience is not None
        self.rules, self.places, self.worn = scenario.pages, scenario.auction.slots, scenario.sessions.patience.worn
        self.days, self.length = scenario.days, scenario.sessions.mean_requests
        reach = np.array(scenario.auction.exposure)
        self.goes_on = reach / np.concatenate([[1.0], reach[:-1]])
        self.click_rate, self.pay = facts(scenario).click_rate, facts(scenario).pay
        self.whole = sum(reach[p] * self.rules.relevance**p for p in range(self.places))
        self.patterns = [
            kept
            for kept in (tuple(p for p in range(self.places) if bits >> p & 1) for bits in range(1 << self.places))
            if len(kept) <= self.rules.most_ads and all(b - a > self.rules.apart for a, b in pairwise(kept))
        ]

    def clicks(self, place: int, last: int) -> float:
        """How often an ad is clicked for the gap between it and the ad above."""
        gap = place - last - 1
        return self.rules.gap_clicks[gap] if last >= 0 and gap < len(self.rules.gap_clicks) else 1.0

    def willing(self, page: Page) -> float:
        return float((1 + page[Column.BOREDOM]) ** -self.worn)

    def brings(self, page: Page, kept: tuple[int, ...]) -> tuple[float, float, float]:
        """Charges, content seen, and ads that bore, of a pattern on a page."""
        seen, revenue, content, boring, item, last = 1.0, 0.0, 0.0, 0.0, 0, -1
        for place in range(self.places):
            seen *= self.goes_on[place]
            if place in kept:
                rank = kept.index(place)
                revenue += seen * self.clicks(place, last) * self.willing(page) * page[Column.PAYS + rank]
                boring += seen * (1 - self.click_rate)
                seen, last = seen * (1 - self.rules.end_share), place
            else:
                content += seen * self.rules.relevance**item / self.whole
                item += 1
        return revenue, content * page[Column.CONTENT], boring

    def best(self, page: Page, price: float, extra: float) -> tuple[int, ...]:
        """The pattern with the most of charges + (organic value + extra) x content - price x ads that bore."""

        def worth(kept: tuple[int, ...]) -> float:
            revenue, content, boring = self.brings(page, kept)
            return revenue + (self.rules.organic_value + extra) * content - price * boring

        return max(self.patterns, key=worth)


def every(law: ByHand) -> Choice:
    return lambda page: (0, 2) if page[Column.PAGE] % 3 == 2 else ()


def threshold(law: ByHand) -> Choice:
    """In the places that bring most where ads pay what they pay on average and content is usual."""
    prices = facts(SMALL).prices.mean(axis=0)
    usual = np.concatenate([np.zeros(Column.PAYS), prices])
    usual[Column.CONTENT] = 1.0

    def now(kept: tuple[int, ...]) -> float:
        revenue, content, _ = law.brings(usual, kept)
        return revenue + law.rules.organic_value * content

    places = [max((kept for kept in law.patterns if len(kept) == n), key=now) for n in range(4)]

    def choose(page: Page) -> tuple[int, ...]:
        enough = page[Column.PAYS :] > 0.8 * law.pay
        return places[3 if enough.all() else int(np.argmin(enough))]

    return choose


def gap(law: ByHand) -> Choice:
    passed = [0]

    def choose(page: Page) -> tuple[int, ...]:
        kept: list[int] = []
        for place in range(law.places):
            near = bool(kept) and place - kept[-1] <= law.rules.apart
            if passed[0] >= 3 and not near and len(kept) < law.rules.most_ads:
                kept.append(place)
                passed[0] = 0
            else:
                passed[0] += 1
        return tuple(kept)

    return choose


def gap_effect(law: ByHand) -> Choice:
    def choose(page: Page) -> tuple[int, ...]:
        kept: list[int] = []
        for place in range(law.places):
            last = kept[-1] if kept else -1
            if len(kept) == law.rules.most_ads or (kept and place - last <= law.rules.apart):
                continue
            gain = page[Column.PAYS + len(kept)] * law.clicks(place, last) * law.willing(page)
            item = place - len(kept)
            displaced = law.rules.relevance**item / law.whole * page[Column.CONTENT]
            if gain > 0.5 * law.pay + (law.rules.organic_value + 0.2 * law.pay) * displaced:
                kept.append(place)
        return tuple(kept)

    return choose


def myopic(law: ByHand) -> Choice:
    return lambda page: law.best(page, 0.0, 0.0)


def shadow(law: ByHand) -> Choice:
    return lambda page: law.best(page, 0.4 * law.pay, 0.5 * law.pay)


def state(law: ByHand) -> Choice:
    def choose(page: Page) -> tuple[int, ...]:
        c = {column.name.lower(): float(page[column]) for column in Column}
        tilt = 0.1 * (c["boredom"] - 1) + 0.2 * (math.log(1 + c["page"]) - 1.5) + 0.3 * c["hint"]
        tilt += -0.1 * 10 * (c["satisfaction"] - 0.9) - 0.2 * ((c["day"] + c["elapsed"]) / law.days - 0.5)
        tilt += 0.4 * (c["level"] - math.log(law.pay))
        earlier = max(c["pages"] - c["page"], 0)  # a session may have begun before the run
        tilt += -0.9 * math.log((2 * law.length + earlier) / (2 + c["sessions"]) / law.length)
        tilt += 0.4 * ((1 + c["ads"]) / (2 + c["pages"]) - 0.4)
        return law.best(page, 0.3 * law.pay * math.exp(max(-5, min(5, tilt))), 0.29 * law.pay)

    return choose


WEIGHTS = "boredom=0.1,page=0.2,hint=0.3,satisfaction=-0.1,day=-0.2,level=0.4,length=-0.9,ads=0.4"
FORMULAS: dict[str, tuple[str, Callable[[ByHand], Choice], Scenario]] = {
    "every": ("every:pages=3,pattern=6", every, SMALL),
    "threshold": ("threshold:least=0.8", threshold, SMALL),
    "gap": ("gap:items=3", gap, ALONE),
    "gap without distance": ("gap:items=3", gap, ALONE.override({"pages.apart": 0})),
    "gap_effect": ("gap_effect:price=0.5,content=0.2", gap_effect, SMALL),
    "gap_effect elsewhere": ("gap_effect:price=0.5,content=0.2", gap_effect, OTHER),
    "myopic": ("myopic", myopic, SMALL),
    "myopic elsewhere": ("myopic", myopic, OTHER),
    "shadow": ("shadow:price=0.4,content=0.5", shadow, SMALL),
    "shadow elsewhere": ("shadow:price=0.4,content=0.5", shadow, OTHER),
    "state": (f"state:price=0.3,content=0.29,{WEIGHTS}", state, SMALL),
    "state elsewhere": (f"state:price=0.3,content=0.29,{WEIGHTS}", state, OTHER),
}


class Written(AllocationPolicy):
    """Allocates by a formula in Python."""

    def __init__(self, scenario: Scenario, choose: Choice) -> None:
        told = facts(scenario).carries
        self.numbers = {tuple(np.flatnonzero(row).tolist()): n for n, row in enumerate(told)}
        self.choose = choose

    def decide(self, view: Any) -> Any:
        return PageFunction(lambda page: self.numbers[self.choose(page)]) if view.day == view.tick == 0 else None


def lived(scenario: Scenario, policy: AllocationPolicy | None, seed: int = 3) -> np.ndarray:
    """What became of all users, (users, sums)."""
    world = World(scenario, {} if policy is None else {"allocation": policy}, seed=seed)
    world.run()
    assert world.pages is not None
    return world.pages.users


@pytest.mark.parametrize("name", FORMULAS)
def test_a_rule_is_its_formula(name: str) -> None:
    """All that users live through is the same; one other pattern on one page, and it would not be."""
    text, formula, scenario = FORMULAS[name]
    by_rule = lived(scenario, make_policy("allocation", text))
    by_hand = lived(scenario, Written(scenario, formula(ByHand(scenario))))
    assert np.array_equal(by_rule, by_hand)
    pages, places = by_rule[:, PageSum.PAGES].sum(), by_rule[:, PageSum.AD_PLACES].sum()
    assert 0 < places < facts(scenario).ads.max() * pages


def test_usual_is_what_the_scenario_says() -> None:
    assert np.array_equal(lived(SMALL, make_policy("allocation", "usual")), lived(SMALL, None))


def test_patterns_that_hold_all_day() -> None:
    told = facts(SMALL)
    counts = {}
    for text in ("never", "fixed:pattern=7", "most"):
        sums = lived(SMALL, make_policy("allocation", text)).sum(axis=0)
        counts[text] = sums[PageSum.AD_PLACES] / sums[PageSum.PAGES]
    assert counts == {"never": 0.0, "fixed:pattern=7": 2.0, "most": float(told.ads.max())}


@pytest.mark.parametrize("name", ["threshold", "gap_effect", "myopic", "shadow", "state", "planned", "believed"])
def test_money_of_another_currency_changes_no_page(name: str) -> None:
    """What is worth a thousand times as much in all places is the same market, whatever a unit of it is called."""
    values = {"demand.value_per_conversion": [60_000.0, 130_000.0]}
    rich = SMALL.override({**values, "auction.reserve": 0.1, "pages.organic_value": 54.0})
    ours, theirs = (lived(market, make_policy("allocation", name)) for market in (SMALL, rich))
    counts = slice(PageSum.ADS + 1)
    assert np.array_equal(ours[:, counts], theirs[:, counts])
    np.testing.assert_allclose(theirs[:, PageSum.REVENUE], 1000 * ours[:, PageSum.REVENUE], rtol=1e-4)


def test_a_policy_forgets_the_world_before() -> None:
    for name in POLICIES:
        policy = make_policy("allocation", name)
        first = lived(SMALL, policy)
        assert np.array_equal(lived(SMALL, policy), first), name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fixed:pattern=-1", "Fixed needs a whole number from 0 up as pattern"),
        ("every:pages=0", "Every needs a whole number from 1 up as pages"),
        ("threshold:least=-1", "Threshold needs a finite number from 0 up as least"),
        ("gap:items=-1", "Gap needs a whole number from 0 up as items"),
        ("shadow:price=inf", "shadow's price is a finite number"),
        ("state:hint=nan", "state's hint is a finite number"),
        ("gap_effect:cost=1", "gap_effect has no field 'cost'"),
        ("planned:days=1", "planned has no field 'days'; it has no fields at all"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        make_policy("allocation", text)


@pytest.mark.parametrize("text", ["fixed:pattern=13", "every:pattern=13"])
def test_a_pattern_that_pages_do_not_have(text: str) -> None:
    words = "needs a pattern from 0 to 12, the patterns of this market's pages, not 13"
    with pytest.raises(PolicyError, match=words):
        lived(SMALL, make_policy("allocation", text))
