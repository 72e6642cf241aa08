"""The allocation seat: engines, forms of decision and doors agree to the last bit; buckets; messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from allocating import COUNT, ENGINES, MARKETS, SERVERS, SMALL, Holder, books, by_rule, by_worth, played
from scipy.stats import chisquare

from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.core.rules import row_rule
from adarena.simulator.engine.asking import Column
from adarena.simulator.engine.desk import bucket_of
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageFunction, PageRule, Patterns


class InPython:
    """`by_worth` for who is asked page by page, whoever's page it is."""

    def __init__(self, world: World | None = None) -> None:
        self.world, self.pages = world, np.zeros(80)

    def __call__(self, view: Any) -> Any:
        assert self.world is not None
        desk = self.world._exchange.desk
        assert desk is not None
        user = self.world._exchange.state.block.users[desk.column]
        self.pages[user] += 1
        if self.pages[user] % 3 == 0:
            return np.full(COUNT, 1.0 / COUNT)
        if view[Column.PAYS] > 0.4 * view[Column.CONTENT]:
            return 8
        return 0 if view[Column.BOREDOM] > 1.0 else 2


def answered(scenario: Scenario, engine: Any, decide: InPython, held: Any = None) -> World:
    """A run whose pages are left open, and decided by a function."""
    world = World(scenario, {"allocation": Open("request") if held is None else held}, seed=3, engine=engine)
    decide.world = world
    while (asked := world.until_asked()) is not None:
        assert asked.seat == "allocation"
        world.answer(decide(asked.view))
    return world


@pytest.mark.parametrize("market", MARKETS)
def test_all_engines_and_doors_play_the_same(market: str) -> None:
    scenario = SMALL.override(MARKETS[market])
    wanted = books(played(scenario, by_rule()))
    assert books(played(scenario, by_rule(), "events")) == wanted
    for engine in ENGINES:
        assert books(answered(scenario, engine, InPython())) == wanted
    assert books(played(scenario)) != wanted


def test_python_functions_are_rules_and_buckets_go_their_own_ways() -> None:
    decide = InPython()
    mixed = {
        b: policy for policy, span in ((by_rule(), range(40)), (Holder(lambda _: Patterns(4)), range(40, 70))) for b in span
    }
    wanted = played(SMALL, mixed)
    held = {**{b: Holder(lambda _: Patterns(4)) for b in range(40, 70)}, **dict.fromkeys(range(40), Open("request"))}
    for engine in ENGINES:
        assert books(answered(SMALL, engine, InPython(), held)) == books(wanted)
    world = World(SMALL, {"allocation": dict.fromkeys(range(40), Holder(lambda _: PageFunction(decide)))}, seed=3)
    decide.world = world
    # A function is called in the middle of the walk, where the place of the request is not told: it goes by the view alone.
    decide.__class__ = ByView
    world.run()
    rule = played(SMALL, dict.fromkeys(range(40), Holder(lambda _: PageRule(by_view))))
    assert books(world) == books(rule)


class ByView(InPython):
    def __call__(self, view: Any) -> Any:
        return 8 if view[Column.PAYS] > 0.4 * view[Column.CONTENT] else 2


@row_rule
def by_view(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """`ByView`, compiled."""
    return 8 if view[Column.PAYS] > 0.4 * view[Column.CONTENT] else 2


def test_a_rule_keeps_its_own_of_each_user() -> None:
    memory, own = np.zeros(1), np.zeros((80, 1))
    world = played(SMALL, Holder(lambda view: PageRule(by_worth, memory, own)))
    assert world.pages is not None
    np.testing.assert_array_equal(own[:, 0], world.pages.users[:, PageSum.PAGES])
    assert memory[0] == own.sum()


def test_patterns_are_drawn_as_often_as_they_are_likely() -> None:
    chance = np.array([0.1, 0.2, 0.0, 0.3, 0, 0, 0, 0, 0.4, 0, 0, 0, 0])
    world = World(SMALL, {"allocation": Holder(lambda _: Patterns(chance))}, seed=3)
    world.run()
    assert world.pages is not None
    sums = world.pages.sums.sum(axis=0)
    places = sums[PageSum.AD_PLACES] / sums[PageSum.PAGES]
    assert places == pytest.approx(
        chance @ [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3], abs=4 * 0.75 / np.sqrt(sums[PageSum.PAGES])
    )
    # Whoever gives the chances, the draws are those of the requests.
    assert books(played(SMALL, Holder(lambda _: PageFunction(lambda view: chance)))) == books(world)


def test_buckets_are_of_the_market_and_not_of_the_day() -> None:
    assert np.array_equal(bucket_of(SMALL, 80), bucket_of(SMALL.override({"days": 1}), 80))
    assert not np.array_equal(bucket_of(SMALL, 80), bucket_of(SMALL.override({"market_seed": 2}), 80))
    sizes = np.bincount(bucket_of(SMALL, 100_000), minlength=100)
    assert chisquare(sizes).pvalue > 1e-3


def test_a_market_that_waits_for_an_answer_cannot_be_changed() -> None:
    for settings in ({}, {"serving": SERVERS}):
        world = World(SMALL.override({"demand.budget_share": 0.5, **settings}), {"allocation": Open("request")}, seed=3)
        for _ in range(5):
            assert world.until_asked() is not None
            for change in (
                lambda world=world: world.set_budget(0, 1.0),
                lambda world=world: world.pause(1),
                lambda world=world: world.set_reserve(0.5),
                lambda world=world: world.set_multiplier(0, 2.0),
            ):
                with pytest.raises(MarketError, match="a page waits to be allocated: answer before anything is changed"):
                    change()
            world.answer(8)


@row_rule
def out_of_range(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """No pattern."""
    return 99


@row_rule
def unlikely(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Probabilities that sum to 2."""
    answer[:] = 2.0 / answer.size
    return -1


def failing(view: Any) -> Any:
    raise ZeroDivisionError("mine")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [{}, {"serving": SERVERS}])
def test_mistakes_cost_a_sentence(engine: Any, settings: dict[str, Any]) -> None:
    scenario = SMALL.override(settings)
    for decision, words in (
        (Patterns(13), "Holder chose pattern 13: there are patterns 0 to 12"),
        (Patterns(np.full(13, 0.5)), "probabilities from 0 up that sum to 1"),
        (Patterns([1, 2]), "must give each of 13 patterns a probability"),
        (PageRule(by_worth, np.zeros(1, np.float32)), "the memory of Holder's rule must be writeable float64"),
        (PageRule(by_worth, np.zeros(1), np.zeros((3, 1))), r"the own of Holder's rule must be .* of shape \(80, any\)"),
        (PageRule(len), "needs a function compiled by @row_rule"),  # type: ignore[arg-type]
        (PageFunction(3), "needs a function of a page"),  # type: ignore[arg-type]
        ("ads", "must decide Patterns, a PageRule or a PageFunction, not str"),
        (PageRule(out_of_range), r"the rule of bucket \d+ must choose a pattern from 0 to 12"),
        (PageRule(unlikely), r"the rule of bucket \d+ must choose a pattern from 0 to 12"),
        (PageFunction(lambda view: "ads"), "could not convert"),
    ):
        with pytest.raises((PolicyError, ValueError), match=words):
            played(scenario, Holder(lambda _, decision=decision: decision), engine)
    with pytest.raises(ZeroDivisionError, match="mine"):
        played(scenario, Holder(lambda _: PageFunction(failing)), engine)
    world = World(scenario, {"allocation": Open("request")}, seed=3, engine=engine)
    with pytest.raises(MarketError, match="the allocation seat is left open"):
        world.run()
    assert world.until_asked() is not None
    with pytest.raises(PolicyError, match="chose pattern 13"):
        world.answer(13)
    world.answer(None)  # the usual page
    assert world.until_asked() is not None


def test_seats_that_are_not_asked_by_request_cannot_be_left_open_so() -> None:
    with pytest.raises(PolicyError, match="the bidding seat is not asked request by request"):
        World(SMALL, {"bidding": {0: Open("request")}})
    with pytest.raises(PolicyError, match='left open for each "call" or for each "request"'):
        Open("week")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="the allocation seat needs pages"):
        World(Scenario.preset("tiny"), {"allocation": Holder(lambda _: Patterns(0))})


def test_a_seat_left_open_by_calls_is_asked_tick_by_tick() -> None:
    world, ticks = World(SMALL, {"allocation": Open()}, seed=3), 0
    while world.until_asked() is not None:
        world.answer(Patterns(ticks % COUNT))
        ticks += 1
    assert ticks == 48

    class InTurn(AllocationPolicy):
        def decide(self, view: Any) -> Any:
            return Patterns((view.day * view.ticks + view.tick) % COUNT)

    assert books(world) == books(played(SMALL, InTurn()))
