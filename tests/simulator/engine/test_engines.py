"""The two engines play one market: the books they keep are equal to the last bit, whoever bids and whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios
from players import Action, Reacting, actions, arrivals, policies
from tapes import assert_same

from adarena.simulator import Scenario, World


def play(
    scenario: Scenario, kinds: str, deeds: list[Action], seed: int, engine: Any, stops: list[int] | None = None
) -> tuple[World, dict[int, Reacting]]:
    """A world that has run to its end, in one go or with stops on the way, and its policies."""
    seated = policies(kinds)
    world = World(scenario, {"bidding": seated}, seed, engine)
    for deed in deeds:
        world.process(deed.process(world))
    for stop in sorted(stops or []):
        world.run(stop)
    world.run()
    return world, seated


def drawn(data: st.DataObject, scenario: Scenario, letters: str) -> tuple[Scenario, str, list[Action], int]:
    """A seed, a kind of bidder for each campaign, and deeds, to go with a scenario: what `play` takes."""
    seed = data.draw(st.integers(0, 1 << 40))
    held = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    kinds = data.draw(st.text(letters, min_size=held, max_size=held))
    return scenario, kinds, data.draw(actions(scenario, arrivals(scenario, seed))), seed


@settings(max_examples=110)
@given(st.data())
def test_engines_agree_to_the_last_bit(data: st.DataObject) -> None:
    case = drawn(data, data.draw(scenarios()), "-mcrxMCRX")
    assert_same(play(*case, "compiled"), play(*case, "events"))


@settings(max_examples=110)
@given(st.data())
def test_engines_agree_where_requests_wait_for_servers(data: st.DataObject) -> None:
    case = drawn(data, data.draw(scenarios(served=True)), "-mcrxMCRX")
    assert_same(play(*case, "compiled"), play(*case, "events"))


@settings(max_examples=110)
@given(st.data())
def test_engines_agree_where_users_come_in_sessions_and_tire(data: st.DataObject) -> None:
    funnel = data.draw(st.booleans())
    scenario = data.draw(scenarios(served=data.draw(st.booleans()), funnel=funnel, people=True))
    case = drawn(data, scenario, "-mM" if funnel else "-mcrxMCRX")
    compiled = play(*case, "compiled")
    assert_same(compiled, play(*case, "events"))
    stops = data.draw(st.lists(st.integers(0, scenario.horizon_us), max_size=2))
    assert_same(compiled, play(*case, "compiled", stops))


@settings(max_examples=110)
@given(st.data())
def test_engines_agree_behind_a_funnel(data: st.DataObject) -> None:
    case = drawn(data, data.draw(scenarios(served=data.draw(st.booleans()), funnel=True)), "-mM")
    compiled = play(*case, "compiled")
    assert_same(compiled, play(*case, "events"))
    stops = data.draw(st.lists(st.integers(0, case[0].horizon_us), max_size=2))
    assert_same(compiled, play(*case, "compiled", stops))


@settings(max_examples=70)
@given(st.data())
def test_a_run_in_parts_is_the_run(data: st.DataObject) -> None:
    scenario = data.draw(scenarios(most_requests=600, served=data.draw(st.booleans())))
    seed = data.draw(st.integers(0, 1000))
    held = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    kinds = data.draw(st.text("-mcrX", min_size=held, max_size=held))
    instants = arrivals(scenario, seed)
    deeds = data.draw(actions(scenario, instants))
    anywhere = st.integers(0, scenario.horizon_us) | st.sampled_from([0, scenario.tick_us, *instants])
    stops = data.draw(st.lists(anywhere, max_size=5))
    whole = play(scenario, kinds, deeds, seed, "compiled")
    assert_same(whole, play(scenario, kinds, deeds, seed, "compiled", stops))
    assert_same(whole, play(scenario, kinds, deeds, seed, "events", stops))


@settings(max_examples=30)
@given(st.data())
def test_acting_between_two_runs_is_acting_in_a_process(data: st.DataObject) -> None:
    """A user who stops the market, acts and goes on gets the market in which a process acts at that instant."""
    scenario = data.draw(scenarios(most_requests=600))
    seed = data.draw(st.integers(0, 1000))
    kinds = "mcr-"[: len(scenario.demand.advertisers)]  # type: ignore[union-attr]
    deeds = sorted(data.draw(actions(scenario, arrivals(scenario, seed))), key=lambda deed: deed.time)
    times = [deed.time for deed in deeds]
    deeds = [d for d in deeds if times.count(d.time) == 1]
    for engine in ("compiled", "events"):
        seated = policies(kinds)
        world = World(scenario, {"bidding": seated}, seed, engine)
        for deed in deeds:
            world.run(deed.time)
            deed.act(world)
        world.run()
        assert_same(play(scenario, kinds, deeds, seed, "compiled"), (world, seated))


def test_a_deed_at_an_arrival_comes_before_the_request() -> None:
    """At one instant control events act first: a pause at the first arrival keeps the campaign out of that auction."""
    scenario = Scenario.preset("uniform", bidders=2, requests=4)
    first, second = arrivals(scenario, 0)[:2]
    for engine in ("compiled", "events"):
        world = World(scenario, seed=0, engine=engine)
        world.process(Action(first, "pause", 0, 0.0).process(world))
        world.process(Action(first, "pause", 1, 0.0).process(world))
        world.process(Action(second, "launch", 0, 0.0).process(world))
        world.run(second)
        assert world.played == 1  # requests at the end of a run are not played, deeds are
        assert world._exchange.state.terms.active.tolist() == [True, False]
        world.run()
        wins = world.ledger.counts[0, 1]
        assert wins.tolist() == [3, 0]


def test_books_are_not_trivial() -> None:
    """The random markets exercise what they claim: over some of them all forms win, budgets bind, reports come late."""
    won = dict.fromkeys("-mcrx", 0)
    exhausted = reported = written_off = 0
    scenario = Scenario.preset("tiny").override({"traffic.requests_per_day": 1500, "demand.budget_share": 0.1})
    for seed in range(3):
        for billing in ("cpm", "cpa"):
            market = scenario.override({"demand.billing": billing, "rates.click_rate": 0.3})
            world, _ = play(market, "-mcrx-", [], seed, "compiled")
            counts = world.ledger.counts.sum(axis=0)
            for letter, wins in zip("-mcrx-", counts[1], strict=True):
                won[letter] += int(wins)
            exhausted += int((world.ledger.left[-1] < 0.01 * world.campaigns.budget).sum())
            reported += int(counts[4].sum())
            written_off += int(counts[6].sum())
    assert min(won.values()) > 50
    assert exhausted > 0
    assert reported > 50
    assert written_off > 0


def test_what_is_done_before_the_first_run_lasts() -> None:
    """Top-ups and pauses made on a world that has not started are not undone when its first day opens."""
    scenario = Scenario.preset("tiny")
    for engine in ("compiled", "events"):
        world = World(scenario, seed=1, engine=engine)
        world.pause(0)
        world.top_up(1, 3.0)
        world.scale_value(2, 2.0)
        world.run(scenario.tick_us)
        assert world.ledger.counts[0, 1, 0] == 0
        topped = world._exchange.state.terms.allowance[1] - world.campaigns.budget[1]
        assert topped == 3_000_000
        assert world._exchange.state.terms.value[2] == pytest.approx(
            2 * world.campaigns.value[2] * world._exchange.weather[1, 2]  # the second tick has begun
        )
        world.run()
        assert world.ledger.counts[:, 1, 0].sum() == 0


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_deed_at_midnight_belongs_to_the_day_that_begins(engine: Any) -> None:
    """However long ago it was scheduled: money given and a pause made at midnight are not undone by the new day's budgets."""
    scenario = Scenario.preset("uniform", bidders=3, requests=3000).override({"days": 3, "ticks_per_day": 4})
    world = World(scenario, seed=0, engine=engine)
    for campaign in range(3):
        world.set_budget(campaign, 10.0)

    def daily() -> Any:
        while True:
            yield world.env.timeout(scenario.day_us)
            world.top_up(0, 20.0)
            world.pause(1)

    world.process(daily())
    world.run()
    spend = world.ledger.spend().reshape(3, 4, 3).sum(axis=1)
    budget = spend[:, 0] + world.ledger.left[3::4, 0] / 1e6
    assert budget == pytest.approx([10.0, 30.0, 30.0])
    assert spend[0, 1] > 5
    assert (spend[1:, 1] == 0).all()


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_pause_lasts_until_the_launch(engine: Any) -> None:
    """Over midnights, with flights or without; a launch out of flight lasts until flights say otherwise."""
    scenario = Scenario.preset("tiny").override({"days": 4, "ticks_per_day": 2, "demand.budget_share": None})
    world = World(scenario, seed=0, engine=engine)
    day = scenario.day_us

    def process() -> Any:
        yield world.env.timeout(day // 2)
        world.pause(0)
        yield world.env.timeout(2 * day)
        world.launch(0)

    world.process(process())
    world.run()
    shown = world.ledger.impressions()[:, 0] > 0
    assert shown.tolist() == [True, False, False, False, False, True, True, True]


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_run_that_failed_does_not_end_the_next(engine: Any) -> None:
    """After a process of the user's has raised, the market goes on to where the next run is told to end."""
    scenario = Scenario.preset("tiny")
    world = World(scenario, seed=0, engine=engine)

    def fails() -> Any:
        yield world.env.timeout(1000)
        raise RuntimeError("mine")

    world.process(fails())
    with pytest.raises(RuntimeError, match="mine"):
        world.run(10**9)
    world.run(2 * 10**9)
    assert world.now == 2 * 10**9
    world.run()
    assert world.ledger.closed == scenario.ticks_per_day
