"""Programmes of pages: their values against worlds that are played, known answers, and beliefs by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from adarena.agents.allocation import programme as programmes
from adarena.agents.allocation.programme import AVERAGE, BELIEVED, BOREDOM, HINTED, RATES, SATISFACTION, TOLD, WIDTH, rule
from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.allocation import Told
from adarena.simulator import Scenario, World
from adarena.simulator.engine.asking import Column
from adarena.simulator.market.market import build
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageFunction
from adarena.simulator.seats.allocation.view import facts

FULL = Scenario.preset("allocation-small")
SMALL = FULL.override({"days": 4, "users.count": 60, "traffic.requests_per_day": 720, "ticks_per_day": 12})
# What a platform believes of ads is true, and no user is another; then what a programme takes for its mean is what happens.
ALIKE = FULL.override(
    {
        "rates.affinity": 0.0, "rates.belief_noise": 0.0, "rates.click_rate": 0.001, "pages.organic_value": 0.0108,
        "auction.exposure": [1.0] * 5, "pages.end_share": 0.0, "sessions.patience.sigma": 0.0, "ticks_per_day": 12,
    }
)  # fmt: skip
Page = np.ndarray


class Noting(AllocationPolicy):
    """Allocates pages at random, and keeps what it is shown of them."""

    def __init__(self, patterns: int) -> None:
        self.pages: list[Page] = []
        self.dice, self.patterns = np.random.default_rng(0), patterns

    def decide(self, view: Any) -> Any:
        def choose(page: Page) -> int:
            self.pages.append(page.copy())
            return int(self.dice.integers(self.patterns))

        return PageFunction(choose) if view.day == view.tick == 0 else None


def noted(scenario: Scenario, most: int) -> list[Page]:
    """Pages of a world whose ads are any."""
    policy = Noting(len(facts(scenario).ads))
    World(scenario, {"allocation": policy}, seed=2).run()
    return policy.pages[:: max(1, len(policy.pages) // most)]


def books(scenario: Scenario, policy: AllocationPolicy, seed: int = 0) -> np.ndarray:
    world = World(scenario, {"allocation": policy}, seed=seed)
    world.run()
    assert world.pages is not None
    return world.pages.users


def score(scenario: Scenario, policy: AllocationPolicy) -> np.ndarray:
    world = World(scenario, {"allocation": policy}, seed=0)
    world.run()
    assert world.pages is not None
    return world.pages.score


@pytest.fixture
def solving(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """To set how finely programmes are solved, in this test alone."""
    programmes._solved.clear()
    yield monkeypatch
    programmes._solved.clear()


@pytest.mark.parametrize(("power", "leave_rate"), [(1.0, 0.05), (2.0, 0.04)])
def test_the_value_of_a_programme_is_what_its_policy_brings(
    power: float, leave_rate: float, solving: pytest.MonkeyPatch
) -> None:
    solving.setattr(programmes, "SAMPLES", 400)
    changes = {"sessions.patience.power": power, "sessions.leave_rate": leave_rate}
    scenario = ALIKE.override({"users.count": 1500, "traffic.requests_per_day": 18_000, **changes})
    solved = programmes.programme(facts(scenario))
    assert solved.gone.shape == (1, 1, 15, SATISFACTION.size)
    value = float(np.interp(1.0, SATISFACTION, solved.gone[0, 0, 0]))
    found = score(scenario, make_policy("allocation", "planned"))
    error = found.std() / math.sqrt(found.size)
    assert abs(found.mean() - value) < 3 * error
    myopic = score(scenario, make_policy("allocation", "myopic"))
    assert myopic.mean() < value - 3 * error  # nobody who does not look ahead brings as much


def test_where_nothing_lasts_the_best_page_is_the_best_now(solving: pytest.MonkeyPatch) -> None:
    """Nobody leaves, satisfaction brings nobody back, and the gap to the ad above does not matter."""
    solving.setattr(programmes, "SAMPLES", 4)
    solving.setattr(programmes, "CLOSE", 1e-12)  # so that what does not matter is worth the same to the last digits
    scenario = SMALL.override({"sessions.leave_rate": 0.0, "sessions.visit_slope": 0.0, "pages.gap_clicks": []})
    myopic = books(scenario, make_policy("allocation", "myopic"))
    for name in ("planned", "hinted", "believed"):
        assert np.array_equal(books(scenario, make_policy("allocation", name)), myopic), name
    assert np.array_equal(books(scenario, Told(scenario)), myopic)
    ahead = books(scenario.override({"sessions.leave_rate": 0.02}), make_policy("allocation", "planned"))
    assert not np.array_equal(ahead, myopic)


def ahead(page: Page, content: float, boring: float, rate: float, level: int, g: int, session: int) -> float:
    """What is to come after a page, by the laws written out and the tables of the programme."""
    sessions = FULL.sessions
    assert sessions is not None
    solved = programmes.programme(facts(SMALL))
    satisfied = page[Column.SATISFACTION]
    satisfied += sessions.satisfaction_rate * (content - sessions.ad_annoyance * boring - satisfied)
    bored = page[Column.BOREDOM] + boring
    stays = math.exp(-rate * bored**2) * (1 - 1 / sessions.mean_requests)
    s = min(max(satisfied, SATISFACTION[0]), SATISFACTION[-1])
    b = min(sessions.boredom_kept * bored, BOREDOM[-1])
    here = RegularGridInterpolator((SATISFACTION, BOREDOM), solved.here[level, g, session])([[s, b]])[0]
    gone = np.interp(s, SATISFACTION, solved.gone[level, g, session + 1])
    return float(stays * here + (1 - stays) * gone)


@pytest.mark.parametrize("how", [AVERAGE, HINTED, TOLD])
def test_a_programme_s_page_is_the_best_by_its_tables(how: int) -> None:
    told, memory = facts(SMALL), programmes.memory(facts(SMALL), how)
    solved = programmes.programme(told)
    its = 0.013
    for page in noted(SMALL, 60):
        own = np.zeros(WIDTH)
        own[0] = its if how == TOLD else 0.0
        chosen = rule()(page, np.zeros(13), memory, own)
        if how == TOLD:
            upper = int(np.searchsorted(solved.rate, its))
            v = (its - solved.rate[upper - 1]) / (solved.rate[upper] - solved.rate[upper - 1])
            weights = {upper - 1: 1 - v, upper: v}
        else:
            centre, width = (0.3 * page[Column.HINT], 1 - 0.3**2) if how == HINTED else (0.0, 1.0)
            likely = np.exp(-((solved.normal - centre) ** 2) / 2 / width)
            weights = dict(enumerate(likely / likely.sum()))
        level = min(max(page[Column.LEVEL], solved.level[0]), solved.level[-1])
        lower = min(int(np.searchsorted(solved.level, level, side="right")) - 1, solved.level.size - 2)
        u = (level - solved.level[lower]) / (solved.level[lower + 1] - solved.level[lower])
        session = min(max(math.floor(page[Column.DAY] + page[Column.ELAPSED] - 0.5), 0), 3)
        worth = np.zeros(13)
        for a in range(13):
            content = page[Column.CONTENT] * told.organic[a]
            boring = told.seen[a] * (1 - told.click_rate)
            worth[a] = told.clicks[a] @ page[Column.PAYS :] + told.pages.organic_value * content
            for g, weight in weights.items():
                rate = its if how == TOLD else float(solved.rate[g])
                for m, part in ((lower, 1 - u), (lower + 1, u)):
                    worth[a] += weight * part * ahead(page, content, boring, rate, m, g, session)
        assert worth[chosen] >= worth.max() - 5e-4 * told.pay


def story(sessions: list[list[float]], hint: float) -> Iterator[tuple[Page, list[float], list[float]]]:
    """Pages of a user with so much boredom after each page of his sessions; what he has borne, and at what he left, so far."""
    page = np.zeros(Column.PAYS + 3)
    page[Column.HINT], page[Column.SATISFACTION], page[Column.CONTENT] = hint, 1.0, 1.0
    page[Column.PAYS :] = 0.1
    page[Column.LEVEL] = math.log(0.1)
    stayed: list[float] = []
    left: list[float] = []
    for number, session in enumerate(sessions):
        for place in range(len(session)):
            if place:
                stayed.append(session[place - 1])
            page[Column.SESSIONS], page[Column.PAGE], page[Column.PAGES] = number, place, len(stayed) + len(left)
            page[Column.BOREDOM] = 0.7 * session[place - 1] if place else 0.0
            page[Column.BORNE], page[Column.ENDED] = sum(b**2 for b in stayed), sum(b**2 for b in left)
            yield page.copy(), list(stayed), list(left)
        left.append(session[-1])


@pytest.mark.parametrize("hint", [0.0, 1.5])
def test_beliefs_on_patience_are_exact(hint: float) -> None:
    """Each page that a user went on from, and each that was a session's last, times what the hint says, for each rate."""
    sessions = [[1.0, 1.7, 2.2, 3.1], [0.0], [2.0, 2.0, 5.0], [0.5, 4.0]]
    told = facts(SMALL)
    solved, memory, own = programmes.programme(told), programmes.memory(told, BELIEVED), np.zeros(WIDTH)
    seen = 0
    for page, stayed, left in story(sessions, hint):
        rule()(page, np.zeros(13), memory, own)
        posterior = np.zeros(RATES)
        for g in range(RATES):
            z, rate = solved.normal[g], solved.rate[g]
            assert rate == pytest.approx(0.02 * math.exp(2.0 * z - 2.0))
            likely = math.exp(-((z - 0.3 * hint) ** 2) / (2 * (1 - 0.09)))
            for b in stayed:
                likely *= 11 / 12 * math.exp(-rate * b * b)
            for b in left:
                likely *= 1 - 11 / 12 * math.exp(-rate * b * b)
            posterior[g] = likely
        np.testing.assert_allclose(own[RATES + 2 :], posterior / posterior.sum(), rtol=1e-9, atol=1e-12)
        seen += 1
    assert seen == sum(map(len, sessions))


def test_beliefs_outlast_years_of_sessions() -> None:
    told = facts(SMALL)
    memory, own = programmes.memory(told, BELIEVED), np.zeros(WIDTH)
    for page, _, _ in story([[3.0]] * 2_000, 0.0):
        rule()(page, np.zeros(13), memory, own)
    belief = own[RATES + 2 :]
    assert belief.sum() == pytest.approx(1.0)
    assert belief[-1] > 0.99  # who leaves at the first page two thousand times has no patience


def test_who_has_less_patience_gets_fewer_ads() -> None:
    """The same pages, of users alike but for what is known, or has been seen, of their patience."""
    told, pages = facts(SMALL), noted(SMALL, 300)
    memory = programmes.memory(told, TOLD)

    def given(rate: float) -> float:
        own = np.zeros(WIDTH)
        own[0] = rate
        return float(np.mean([told.ads[rule()(page, np.zeros(13), memory, own)] for page in pages]))

    loads = [given(rate) for rate in (1e-4, 1e-3, 1e-2, 0.1)]
    assert all(more > less + 0.1 for more, less in pairwise(loads)), loads

    memory = programmes.memory(told, BELIEVED)

    def after_story(sessions: list[list[float]]) -> float:
        total = 0
        for page in pages:
            own = np.zeros(WIDTH)
            *_, (last, _, _) = story(sessions, 0.0)
            rule()(last, np.zeros(13), memory, own)
            page = page.copy()
            page[[Column.BORNE, Column.ENDED, Column.PAGES]] = last[[Column.BORNE, Column.ENDED, Column.PAGES]]
            page[Column.HINT] = 0.0
            total += told.ads[rule()(page, np.zeros(13), memory, own)]
        return total / len(pages)

    assert after_story([[2.0] * 30] * 5) > after_story([[2.0]] * 5) + 0.3


def test_in_a_world_ads_follow_patience_where_it_is_known_or_learned() -> None:
    """Rank correlation of ads a page with the user's rate of leaving, over all days."""
    temper = build(FULL).temper
    assert temper is not None

    def correlation(policy: AllocationPolicy) -> float:
        sums = books(FULL, policy)
        load = sums[:, PageSum.AD_PLACES] / np.maximum(sums[:, PageSum.PAGES], 1)
        ranks = [np.argsort(np.argsort(x)) for x in (load, temper.rate)]
        return float(np.corrcoef(*ranks)[0, 1])

    known = correlation(Told(FULL))
    learned, hinted = (correlation(make_policy("allocation", name)) for name in ("believed", "hinted"))
    assert known < -0.7
    assert known < learned - 0.05
    assert learned < hinted - 0.1


def test_what_is_known_is_worth_what_it_should_be() -> None:
    """Paired over users: what is learned of patience above a hint, all of it above that; any price far above a pattern."""
    names = "fixed:pattern=10", "gap_effect", "shadow", "hinted", "state", "believed"
    found = {name: score(FULL, make_policy("allocation", name)) for name in names}
    found["told"] = score(FULL, Told(FULL))
    pairs = (
        (names[0], "gap_effect"),
        ("gap_effect", "shadow"),
        ("hinted", "believed"),
        ("shadow", "state"),
        ("believed", "told"),
    )
    for less, more in pairs:
        gain = found[more] - found[less]
        assert gain.mean() > 3 * gain.std() / math.sqrt(gain.size), (less, more)
    assert found["shadow"].mean() > 1.08 * found["fixed:pattern=10"].mean()
