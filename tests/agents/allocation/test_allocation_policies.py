"""Allocation policies: rules against plain Python, programmes against simulation, Bayes by hand, and patience that shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adarena.agents.allocation import POLICIES, gap, gap_effect, shadow, state, threshold
from adarena.agents.allocation import every as every_pages
from adarena.agents.allocation import programme as programmes
from adarena.agents.allocation.fixed import Fixed
from adarena.agents.allocation.places import placed
from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.allocation import Told
from adarena.simulator import Open, PolicyError, Scenario, World
from adarena.simulator.core.arrays import Floats
from adarena.simulator.engine.asking import Column
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import PageRule
from adarena.simulator.seats.allocation.view import Facts, facts

SMALL = Scenario.preset("allocation-small").override(
    {"days": 3, "users.count": 300, "traffic.requests_per_day": 3_600, "demand.campaigns": 8, "ticks_per_day": 24}
)
FACTS = facts(SMALL)


def decided(policy: Any, told: Facts = FACTS) -> PageRule:
    decision = policy.decided(told)
    assert isinstance(decision, PageRule)
    return decision


def asked(decision: PageRule, page: Floats, own: Floats | None = None) -> int:
    """What a rule says of a page."""
    memory = np.zeros(0) if decision.memory is None else decision.memory
    row = np.zeros(0) if decision.own is None else decision.own[0].copy()
    return decision.rule(page, np.zeros(len(FACTS.ads)), memory, row if own is None else own)


@pytest.fixture(scope="module")
def pages() -> Floats:
    """Pages of a world, each allocated at random."""
    world, found, dice = World(SMALL, {"allocation": Open("request")}, seed=7), [], np.random.default_rng(0)
    while (seen := world.until_asked()) is not None and len(found) < 1500:
        found.append(seen.view)
        world.answer(int(dice.integers(len(FACTS.ads))))
    return np.array(found)


def worth(page: Floats, pattern: int, price: float, content: float) -> float:
    """What a pattern is worth at a price of boredom and of content, by the definition."""
    pays = FACTS.clicks[pattern] @ page[Column.PAYS :]
    organic = (FACTS.pages.organic_value + content) * page[Column.CONTENT] * FACTS.organic[pattern]
    return float(pays + organic - price * FACTS.seen[pattern] * (1 - FACTS.click_rate))


def best(page: Floats, price: float, content: float) -> set[int]:
    """The patterns that are worth most; ties by rounding are all of them."""
    found = np.array([worth(page, pattern, price, content) for pattern in range(len(FACTS.ads))])
    return set(np.flatnonzero(found >= found.max() - 1e-12).tolist())


def test_prices_are_weighed_as_they_say(pages: Floats) -> None:
    chosen = set()
    for price, content in ((0.0, 0.0), (0.35, 0.6), (1.2, -0.3)):
        rule = decided(shadow.Shadow(price, content))
        for page in pages[:500]:
            pattern = asked(rule, page)
            chosen.add(pattern)
            assert pattern in best(page, price * FACTS.pay, content * FACTS.pay)
    assert len(chosen) > 4
    myopic = decided(make_policy("allocation", "myopic"))
    assert all(asked(myopic, page) in best(page, 0.0, 0.0) for page in pages[:500])


def test_the_state_tilts_the_price(pages: Floats) -> None:
    policy = state.State()
    rule, length = decided(policy), FACTS.sessions.mean_requests
    for page in pages[:700]:
        before = max(page[Column.PAGES] - page[Column.PAGE], 0)
        tilt = {
            "boredom": page[Column.BOREDOM] - 1,
            "page": np.log(1 + page[Column.PAGE]) - 1.5,
            "hint": page[Column.HINT],
            "satisfaction": 10 * (page[Column.SATISFACTION] - 0.9),
            "day": (page[Column.DAY] + page[Column.ELAPSED]) / FACTS.days - 0.5,
            "level": page[Column.LEVEL] - np.log(FACTS.pay),
            "length": np.log((2 * length + before) / ((2 + page[Column.SESSIONS]) * length)),
            "ads": (1 + page[Column.ADS]) / (2 + page[Column.PAGES]) - 0.4,
        }
        total = sum(getattr(policy, name) * number for name, number in tilt.items())
        price = policy.price * np.exp(total) * FACTS.pay
        assert asked(rule, page) in best(page, price, policy.content * FACTS.pay)


def test_a_greedy_merge_from_the_top(pages: Floats) -> None:
    policy, table = gap_effect.GapEffect(0.5, 0.2), placed(FACTS)
    rule, chosen = decided(policy), set()
    for page in pages[:700]:
        content = (FACTS.pages.organic_value + 0.2 * FACTS.pay) * page[Column.CONTENT]
        places: list[int] = []
        for place in range(5):
            gain = 0.0
            if len(places) < 3 and (not places or place - places[-1] > 1):
                near = 0.7 if places and place - places[-1] == 2 else 1.0
                gain = page[Column.PAYS + len(places)] * near
            if gain > 0.5 * FACTS.pay + content * FACTS.relevance[place - len(places)]:
                places.append(place)
        pattern = asked(rule, page)
        chosen.add(pattern)
        assert pattern == table[sum(1 << place for place in places)]
    assert len(chosen) > 3


def test_thresholds_and_turns(pages: Floats) -> None:
    rule, places = decided(threshold.Threshold(1.2)), threshold.best_by_number(FACTS)
    assert [int(FACTS.ads[pattern]) for pattern in places] == [0, 1, 2, 3]
    for page in pages[:300]:
        count = 0
        while count < 3 and page[Column.PAYS + count] > 1.2 * FACTS.pay:
            count += 1
        assert asked(rule, page) == places[count]
    turns = decided(every_pages.Every(3, 8))
    for page in pages[:300]:
        assert asked(turns, page) == (8 if int(page[Column.PAGE]) % 3 == 2 else 0)


def test_gaps_are_counted_over_pages() -> None:
    rule, own, since, table = decided(gap.Gap(4)), np.zeros(1), 0, placed(FACTS)
    for _ in range(50):
        wanted = []
        for place in range(5):
            if since >= 4 and (not wanted or place - wanted[-1] > 1):
                wanted.append(place)
                since = 0
            else:
                since += 1
        assert asked(rule, np.zeros(Column.PAYS + 3), own) == table[sum(1 << place for place in wanted)]


def test_beliefs_are_those_of_bayes(pages: Floats) -> None:
    """A user who bears and leaves: the posterior over rates by the product of likelihoods, page by page."""
    solved, own = programmes.programme(FACTS), np.zeros(programmes.WIDTH)
    rule, patience = decided(make_policy("allocation", "believed")), FACTS.sessions.patience
    assert patience is not None
    page = pages[0].copy()
    page[Column.HINT], page[Column.PAGES], page[Column.BORNE], page[Column.ENDED] = 0.8, 0, 0, 0
    prior = np.exp(-0.5 * (solved.normal - patience.hint * 0.8) ** 2 / (1 - patience.hint**2))
    likely, dice = prior.copy(), np.random.default_rng(1)
    for number in range(40):
        asked(rule, page, own)
        np.testing.assert_allclose(own[programmes.RATES + 2 :], likely / likely.sum(), rtol=1e-9, atol=1e-12)
        strain = float(dice.uniform(0, 6))
        page[Column.PAGES] += 1
        if number % 5 == 4:
            page[Column.ENDED] += strain
            likely *= 1 - (1 - 1 / FACTS.sessions.mean_requests) * np.exp(-solved.rate * strain)
        else:
            page[Column.BORNE] += strain
            likely *= np.exp(-solved.rate * strain)


def value_at_start(told: Facts, rate: int, level: int) -> float:
    """What the programme expects of a user before his first chance of a session."""
    solved = programmes.programme(told)
    return float(np.interp(1.0, programmes.SATISFACTION, solved.gone[level, rate, 0]))


def test_a_programme_is_worth_what_it_says() -> None:
    """Users who are alike, whose pages and prices are, too, so that all that the programme averages over is luck."""
    scenario = SMALL.override(
        {
            "sessions.patience.sigma": 0.0, "sessions.content_sigma": 0.01, "weather.request_sigma": 0.01,
            "rates.affinity": 0.01, "rates.belief_noise": 0.0, "users.count": 1500, "traffic.requests_per_day": 18_000,
            "days": 4, "pages.end_share": 0.0, "pages.gap_clicks": [],
        }
    )  # fmt: skip
    told = facts(scenario)
    world = World(scenario, {"allocation": make_policy("allocation", "planned")}, seed=3)
    world.run()
    assert world.pages is not None
    score, expected = world.pages.score, value_at_start(told, 0, programmes.programme(told).level.size // 2)
    # Chances of a session are a Poisson process in the market and one a day in the programme, of the same mean.
    error = score.std() / np.sqrt(score.size)
    assert score.mean() == pytest.approx(expected, abs=3 * error + 0.02 * expected)


def test_without_consequences_what_pays_now_is_best() -> None:
    """Nobody leaves or is dissatisfied, and gaps do not matter: the programme chooses as the myopic rule does."""
    scenario = SMALL.override(
        {"sessions.leave_rate": 0.0, "sessions.visit_slope": 0.0, "pages.gap_clicks": [], "sessions.patience.sigma": 0.0}
    )
    books = []
    for name in ("myopic", "planned"):
        world = World(scenario, {"allocation": make_policy("allocation", name)}, seed=2)
        world.run()
        assert world.pages is not None
        books.append(world.pages.users.copy())
    # Values are found by sweeps until they move by less than a two-hundredth of a usual charge, which decides a few pages.
    places = [users[:, PageSum.AD_PLACES] for users in books]
    assert np.abs(places[0] - places[1]).sum() < 0.002 * places[0].sum()
    assert np.array_equal(books[0][:, PageSum.PAGES], books[1][:, PageSum.PAGES])


def test_less_patient_users_get_fewer_ads() -> None:
    """Of two users alike but for patience; told at once, believed once they have shown it."""
    scenario = SMALL.override({"days": 10, "sessions.patience.hint": 0.0})
    for policy in (Told(scenario), make_policy("allocation", "believed")):
        world = World(scenario, {"allocation": policy}, seed=1)
        world.run()
        assert world.pages is not None
        temper = world._exchange.market.temper
        assert temper is not None
        users = world.pages.users[world.pages.users[:, PageSum.PAGES] > 30]
        rate = temper.rate[world.pages.users[:, PageSum.PAGES] > 30]
        load = users[:, PageSum.AD_PLACES] / users[:, PageSum.PAGES]
        patient, impatient = load[rate < np.quantile(rate, 0.25)], load[rate > np.quantile(rate, 0.75)]
        error = np.hypot(patient.std(), impatient.std()) / np.sqrt(patient.size)
        assert patient.mean() - impatient.mean() > 5 * error


def test_policies_stand_in_their_order() -> None:
    """On the suite's own market, by what users bring in four worlds, paired."""
    scenario, scores = Scenario.preset("allocation-small"), {}
    for name in ("never", "most", "fixed:pattern=10", "gap_effect", "shadow", "state", "believed", "told"):
        policy = Told(scenario) if name == "told" else make_policy("allocation", name)
        total = np.zeros(scenario.users.count)
        for seed in range(5, 9):
            world = World(scenario, {"allocation": policy}, seed=seed)
            world.run()
            assert world.pages is not None
            total += world.pages.score
        scores[name] = total
    for (worse, low), (better, high) in zip(list(scores.items())[:-1], list(scores.items())[1:], strict=True):
        gained = high - low
        assert gained.mean() > 2 * gained.std() / np.sqrt(gained.size), (worse, better)
    assert scores["shadow"].mean() > 1.08 * scores["fixed:pattern=10"].mean()


def test_mistakes_cost_a_sentence() -> None:
    for name, words in (
        ("fixed:pattern=-1", "Fixed needs a whole number from 0 up as pattern, not -1"),
        ("every:pages=0", "Every needs a whole number from 1 up as pages, not 0"),
        ("threshold:least=-1", "Threshold needs a finite number from 0 up as least"),
        ("gap:items=-2", "Gap needs a whole number from 0 up as items"),
    ):
        with pytest.raises(PolicyError, match=words):
            make_policy("allocation", name)
    with pytest.raises(PolicyError, match="Fixed needs a pattern from 0 to 12, the patterns of this market's pages, not 13"):
        World(SMALL, {"allocation": Fixed(13)}).run()
    assert set(POLICIES) >= {"never", "usual", "most", "every", "fixed", "threshold", "gap", "gap_effect", "myopic", "shadow"}
