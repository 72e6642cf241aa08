"""The creative seat: both engines and all forms of a decision alike, what is shown against the journal, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from creative_markets import tiny
from tapes import Tape, assert_same, give_tape

from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.core.rules import row_rule
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, Patterns
from adarena.simulator.seats.creative.decisions import (
    CreativeFunction,
    CreativePolicy,
    CreativeRule,
    Decision,
    Shares,
)  # fmt: skip
from adarena.simulator.seats.creative.view import WIDTH, Column, CreativeView, Row, rows_of
from adarena.simulator.shards import Sharded

LATE = {"per_ad": [2, 5], "late": {"share": 0.5, "within": 0.8}}
EVERYTHING = tiny(
    LATE, fatigue={}, **{"traffic.requests_per_day": 1500, "demand.billing": "cpc", "response.window_days": 1.0}
)  # fmt: skip
SERVERS = EVERYTHING.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 120.0}})
PAGES = EVERYTHING.override(
    {"sessions": {"mean_requests": 5.0}, "auction.slots": 4, "auction.exposure": [0.9, 0.8, 0.7, 0.6],
     "pages": {"most_ads": 3, "end_share": 0.3, "gap_clicks": [0.5]}}
)  # fmt: skip
MARKETS = {"plain": EVERYTHING, "servers": SERVERS, "pages": PAGES}


def liking(shown: Any) -> int:
    """The creative that has come, is of use in the segment and has been shown least; by hand."""
    rows = rows_of(shown)
    worth = rows[:, Row.CLICKS_HERE] - 0.1 * rows[:, Row.SHOWN] - 0.3 * rows[:, Row.EXPOSURES] + rows[:, Row.CONTENT]
    worth += 0.05 * rows[:, Row.REPORTED] + 0.01 * rows[:, Row.DICE] + 0.02 * (rows[:, Row.FORMAT] == shown[Column.SEGMENT])
    return int(np.where(rows[:, Row.THERE] > 0, worth, -np.inf).argmax())


@row_rule
def liked(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """The same, compiled; counts how often it is asked about an ad."""
    own[0] += 1.0
    best, chosen = -np.inf, 0
    for c in range(answer.size):
        row = view[Column.ROWS + c * WIDTH : Column.ROWS + (c + 1) * WIDTH]
        worth = row[Row.CLICKS_HERE] - 0.1 * row[Row.SHOWN] - 0.3 * row[Row.EXPOSURES] + row[Row.CONTENT]
        worth += 0.05 * row[Row.REPORTED] + 0.01 * row[Row.DICE] + 0.02 * (row[Row.FORMAT] == view[Column.SEGMENT])
        if row[Row.THERE] > 0 and worth > best:
            best, chosen = worth, c
    return chosen


@row_rule
def mixed(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Those that have come by their number, one being likelier than the one before."""
    total = 0.0
    for c in range(answer.size):
        answer[c] = c + 1.0 if view[Column.ROWS + c * WIDTH + Row.THERE] > 0 else 0.0
        total += answer[c]
    for c in range(answer.size):
        answer[c] /= total
    return -1


class Decides(CreativePolicy):
    """Decides one thing, once."""

    def __init__(self, decision: Callable[[CreativeView], Decision]) -> None:
        self.decision = decision

    def decide(self, view: CreativeView) -> Decision | None:
        return None if view.day or view.tick else self.decision(view)


def by_rule(rule: Any = liked) -> Decides:
    return Decides(lambda view: CreativeRule(rule, None, np.zeros((view.facts.ads, 1))))


def by_function(function: Callable[[Any], Any] = liking) -> Decides:
    return Decides(lambda view: CreativeFunction(function))


def run(scenario: Scenario, policies: Any, engine: Any = "compiled", answer: Any = None) -> tuple[World, Tape]:
    world = World(scenario, policies, seed=5, engine=engine)
    read = give_tape(world, 100_000)
    if answer is None:
        world.run()
    while answer is not None and (asked := world.until_asked()) is not None:
        world.answer(answer(asked))
    return world, read()


def assert_alike(one: tuple[World, Tape], two: tuple[World, Tape]) -> None:
    assert_same((one[0], {}), (two[0], {}))
    for a, b in zip(one[1], two[1], strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("impressions", "clicks", "expected", "reported", "reports"):
        first, second = (getattr(world._exchange.state.casting, name) for world, _ in (one, two))
        np.testing.assert_array_equal(first, second, err_msg=name)


@pytest.mark.parametrize("market", MARKETS)
def test_rule_function_and_whoever_is_asked_make_the_same_market_in_both_engines(market: str) -> None:
    scenario = MARKETS[market]
    one = run(scenario, {"creative": by_rule()})
    assert one[1].ints.shape[0] > 500
    assert len(set(one[1].column("creative").tolist())) > 10
    assert_alike(one, run(scenario, {"creative": by_rule()}, "events"))
    assert_alike(one, run(scenario, {"creative": by_function()}))
    assert_alike(one, run(scenario, {"creative": by_function()}, "events"))
    for engine in ("compiled", "events"):
        assert_alike(one, run(scenario, {"creative": Open("request")}, engine, lambda asked: liking(asked.view)))


def test_an_open_page_and_an_open_creative_of_one_request_are_asked_one_after_the_other() -> None:
    class Third(AllocationPolicy):
        def decide(self, view: Any) -> Any:
            return None if view.day or view.tick else Patterns(3)

    def answer(asked: Any) -> Any:
        seats.append(asked.seat)
        return 3 if asked.seat == "allocation" else liking(asked.view)

    one = run(PAGES, {"creative": by_rule(), "allocation": Third()})
    for engine in ("compiled", "events"):
        seats: list[str] = []
        assert_alike(one, run(PAGES, {"creative": Open("request"), "allocation": Open("request")}, engine, answer))
        assert seats.count("creative") == len(one[1].ints)
        assert 0 < seats.count("allocation") < len(seats)


def test_some_ads_may_be_held_and_others_show_shares() -> None:
    one, tape = run(EVERYTHING, {"creative": {0: by_rule(), 3: by_rule(mixed)}})
    _, before = run(EVERYTHING, {})

    def shown(tape: Tape) -> dict[tuple[int, int], int]:
        columns = (tape.column(name).tolist() for name in ("request", "ad", "creative"))
        return {(request, ad): creative for request, ad, creative in zip(*columns, strict=True)}

    here, there = shown(tape), shown(before)
    both = here.keys() & there.keys()  # budgets last otherwise
    differ = {ad for request, ad in both if here[request, ad] != there[request, ad]}
    assert differ == {0, 3}
    assert len({ad for _, ad in both}) > 6
    assert set(np.unique(tape.propensity[tape.column("ad") == 0])) == {1.0}
    assert one.creatives is not None


def held(world: World) -> Any:
    found = world._exchange.market.creatives
    assert found is not None
    return found


@pytest.mark.parametrize("market", MARKETS)
def test_no_creative_is_shown_before_it_comes_however_it_is_chosen(market: str) -> None:
    even = Decides(lambda view: Shares((view.format >= 0) / (view.format >= 0).sum(axis=1, keepdims=True)))
    for policies in ({}, {"creative": even}, {"creative": by_rule(mixed)}, {"creative": by_rule()}):
        world, tape = run(MARKETS[market], policies)
        creative, born = tape.column("creative"), held(world).born
        assert (tape.column("time_us") >= born[creative]).all()
        assert (born > 0).sum() > 3
        assert np.isin(np.flatnonzero(born > 0), creative).any()


def test_shares_by_value_are_those_that_the_world_sets_and_propensities_what_is_left_of_them() -> None:
    """Whoever has not come leaves its share to the others; where nobody has any, all are shown evenly."""

    def decision(view: CreativeView) -> Shares:
        weight = (view.format >= 0) * (1.0 + np.arange(view.facts.creatives))
        weight[0, ~(view.format[0] >= 0)] = 0
        weight[1] = np.eye(view.facts.creatives)[(view.format[1] >= 0).sum() - 1]  # all to the last, which comes late
        return Shares(weight / weight.sum(axis=1, keepdims=True))

    world, tape = run(EVERYTHING, {"creative": Decides(decision)})
    portfolio = held(world)
    other = World(EVERYTHING, seed=5)
    read = give_tape(other, 100_000)
    shares = world._exchange.state.rotation.share.copy()
    other._exchange.state.rotation.share[:] = shares
    other.run()
    np.testing.assert_array_equal(tape.ints, read().ints)
    np.testing.assert_array_equal(tape.propensity, read().propensity)
    assert world.creatives is not None
    for ad, creative, now, likely in zip(
        tape.column("ad"), tape.column("creative"), tape.column("time_us"), tape.propensity, strict=True
    ):
        those = np.arange(portfolio.first[ad], portfolio.first[ad + 1])
        there = those[portfolio.born[those] <= now]
        given = world.creatives.share[there]
        wanted = given / given.sum() if given.sum() > 0 else np.full(there.size, 1 / there.size)
        assert abs(likely - wanted[there == creative][0]) < 1e-9


def test_what_is_shown_is_what_the_journal_says() -> None:
    """Counts, expectations and exposures of each impression, made anew from the impressions before it."""
    views: list[Any] = []

    def watching(shown: Any) -> int:
        views.append(shown.copy())
        return liking(shown)

    scenario = EVERYTHING.override({"fatigue.half_life_s": 20_000.0, "response.window_days": 0.2})
    world, tape = run(scenario, {"creative": by_function(watching)})
    portfolio, people = held(world), world._exchange.market.users
    exponent, rate = scenario.fatigue.exponent, np.log(2) / 20_000e6
    columns = ("time_us", "user", "ad", "creative", "clicked", "report_us")
    time, user, ad, creative, clicked, report = (tape.column(name) for name in columns)
    assert len(views) == len(time)
    segment, ticks = people.segment[user], scenario.tick_us
    expected, seen = np.zeros(len(time)), {}
    for n, shown in enumerate(views):
        rows, first = rows_of(shown), portfolio.first[ad[n]]
        count = portfolio.first[ad[n] + 1] - first
        assert (rows[count:] == 0).all()
        assert shown[Column.AD] == ad[n]
        assert shown[Column.USER] == user[n]
        assert shown[Column.SEGMENT] == segment[n]
        assert shown[Column.BELIEVED] == tape.believed[n]
        assert shown[Column.ELAPSED] == time[n] / scenario.day_us
        there = portfolio.born[first : first + count] <= time[n]
        np.testing.assert_array_equal(rows[:count, Row.THERE], there)
        assert shown[Column.THERE] == there.sum()
        np.testing.assert_array_equal(rows[:count, Row.FORMAT], portfolio.format[first : first + count])
        for place in range(count):
            before = creative[:n] == first + place
            here = before & (segment[:n] == segment[n])
            exact = [before.sum(), clicked[:n][before].sum(), here.sum(), clicked[:n][here].sum()]
            np.testing.assert_array_equal(rows[place, [Row.SHOWN, Row.CLICKS, Row.SHOWN_HERE, Row.CLICKS_HERE]], exact)
            hoped = [expected[:n][before].sum(), expected[:n][here].sum()]
            np.testing.assert_allclose(rows[place, [Row.EXPECTED, Row.EXPECTED_HERE]], hoped, rtol=1e-9, atol=1e-12)
            told = before & (report[:n] >= 0) & (report[:n] // ticks < time[n] // ticks)
            assert rows[place, Row.REPORTED] == told.sum()
            again = [time[m] for m in seen.get((user[n], first + place), [])]
            fading = sum(np.exp(-rate * (time[n] - at)) for at in again)
            np.testing.assert_allclose(rows[place, Row.EXPOSURES], fading, rtol=1e-9, atol=1e-12)
        exposures = rows[creative[n] - first, Row.EXPOSURES]
        expected[n] = tape.believed[n] * (1 + exposures) ** -exponent
        seen.setdefault((user[n], creative[n]), []).append(n)
    assert (report >= 0).any()


def test_the_view_of_a_tick_is_what_rules_are_shown() -> None:
    class Watching(CreativePolicy):
        def decide(self, view: CreativeView) -> Decision | None:
            seen.append(view)
            return None if view.tick else CreativeRule(liked, None, np.zeros((view.facts.ads, 1)))

    seen: list[CreativeView] = []
    world, tape = run(EVERYTHING, {"creative": Watching()})
    portfolio, last = held(world), seen[-1]
    before = tape.column("time_us") < last.tick * EVERYTHING.tick_us
    creative, segment = tape.column("creative")[before], world._exchange.market.users.segment[tape.column("user")[before]]
    counts = np.zeros((len(portfolio.ad), EVERYTHING.users.segments), int)
    np.add.at(counts, (creative, segment), 1)
    real = last.format >= 0
    np.testing.assert_array_equal(last.shown[real], counts)
    np.testing.assert_array_equal(last.format[real], portfolio.format)
    now = last.tick * EVERYTHING.tick_us
    np.testing.assert_array_equal(last.there[real], portfolio.born <= now)
    told = (tape.column("report_us") >= 0) & (tape.column("report_us") < now)
    wanted = np.bincount(tape.column("creative")[told], minlength=len(portfolio.ad))
    np.testing.assert_array_equal(last.reported[real], wanted)
    assert not last.shown[~real].any()


def test_probabilities_are_drawn_as_often_as_they_say() -> None:
    scenario = tiny({"per_ad": [3, 3]}, **{"traffic.requests_per_day": 20_000})
    _, tape = run(scenario, {"creative": by_rule(mixed)})
    place = tape.column("creative") % 3
    np.testing.assert_allclose(tape.propensity, (place + 1) / 6)
    often, count = np.bincount(place) / len(place), len(place)
    likely = np.array([1, 2, 3]) / 6
    assert (np.abs(often - likely) < 4 * np.sqrt(likely * (1 - likely) / count)).all()


def unborn(shown: Any) -> int:
    return int(rows_of(shown)[:, Row.THERE].argmin())


@row_rule
def too_early(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """A creative that is not there yet."""
    for c in range(answer.size):
        if view[Column.ROWS + c * WIDTH + Row.THERE] == 0:
            return c
    return 0


@row_rule
def a_chance_too_early(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """An even chance for all there are, come or not."""
    answer[:] = 1.0 / answer.size
    return -1


@pytest.mark.parametrize("engine", ["compiled", "events"])
@pytest.mark.parametrize("market", ["plain", "servers"])
def test_a_rule_that_chooses_what_is_not_there_is_refused(market: str, engine: Any) -> None:
    for policy in (by_rule(too_early), by_rule(a_chance_too_early), by_function(unborn), by_function(lambda shown: 17)):
        with pytest.raises(PolicyError, match=r"the rule of ad '.+' must choose one of its \d creatives that has come by then"):
            run(MARKETS[market], {"creative": policy}, engine)


def test_what_a_function_raises_is_raised() -> None:
    def broken(shown: Any) -> int:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        run(EVERYTHING, {"creative": by_function(broken)})


def first_asked(**held: Any) -> World:
    world = World(EVERYTHING, {"creative": Open("request")}, seed=5)
    assert world.until_asked() is not None
    return world


def test_answers_that_are_not_allowed_are_refused_in_one_sentence_and_may_be_given_anew() -> None:
    world = first_asked()
    asked = world._round
    assert asked is not None
    view = asked.asked[0].view  # type: ignore[union-attr]
    early = unborn(view)
    with pytest.raises(
        PolicyError, match=rf"Open cast creative {early} of ad '.+', (which has not come yet|of which there are \d)"
    ):
        world.answer(early)
    with pytest.raises(PolicyError, match="Open chose creative 9: there are creatives 0 to 4"):
        world.answer(9)
    with pytest.raises(PolicyError, match="Open must give creatives probabilities from 0 up that sum to 1"):
        world.answer(np.full(5, 0.3))
    with pytest.raises(PolicyError, match="Open must give each of 5 creatives a probability, not 'x'"):
        world.answer("x")
    world.answer(None)
    assert world.until_asked() is not None


def test_decisions_that_are_not_allowed_are_refused_in_one_sentence() -> None:
    for decision, said in (
        (3, "Decides must decide Shares, a CreativeRule or a CreativeFunction, not int"),
        (Shares([0.5, 0.6]), "Decides must give each of 5 creatives a probability"),
        (Shares([0, 0, 0, 0, 1.0]), r"Decides gave creative 4 a share, of an ad that has \d"),
        (Shares([1.0, 1.0, 0, 0, 0]), "Decides must give creatives probabilities from 0 up that sum to 1"),
        (CreativeFunction(3), "the CreativeFunction of Decides needs a function of an impression, not 3"),  # type: ignore[arg-type]
        (CreativeRule(liking), "the CreativeRule of Decides needs a function compiled by @row_rule"),  # type: ignore[arg-type]
        (CreativeRule(liked, np.zeros((2, 2))), "the memory of Decides's rule must be writeable float64"),
        (
            CreativeRule(liked, None, np.zeros((2, 2))),
            r"the own of Decides's rule must be .* of shape \(\d+, any\)",
        ),
    ):
        with pytest.raises(PolicyError, match=said):
            run(EVERYTHING, {"creative": Decides(lambda view, decision=decision: decision)})  # type: ignore[misc]


def test_a_market_must_have_creatives_and_be_in_one_piece() -> None:
    with pytest.raises(PolicyError, match="the creative seat needs creatives, and scenario 'tiny' has none"):
        World(Scenario.preset("tiny"), {"creative": by_rule()})
    with pytest.raises(MarketError, match="cannot be split over shards with somebody who casts creatives"):
        World(tiny({}), {"creative": by_rule()}, engine=Sharded(2))
    with pytest.raises(MarketError, match="where somebody casts creatives, what a request is worth"):
        World(tiny({}), {"creative": by_rule()}, record=0)
    with pytest.raises(MarketError, match=r"the creative seat is left open: go on with until_asked\(\)"):
        World(tiny({}), {"creative": Open("request")}).run()
    with pytest.raises(PolicyError, match="is not asked request by request"):
        World(tiny({}), {"bidding": Open("request")})


def test_rows_of_a_rule_are_by_ad() -> None:
    kept: list[Any] = []

    def decision(view: CreativeView) -> Decision:
        kept.append(np.zeros((view.facts.ads, 1)))
        return CreativeRule(liked, None, kept[0])

    _, tape = run(EVERYTHING, {"creative": Decides(decision)})
    np.testing.assert_array_equal(kept[0][:, 0], np.bincount(tape.column("ad"), minlength=len(kept[0])))
