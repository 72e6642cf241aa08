"""The pacing seat: a factor is that factor on bids of every form; what is seen, and what is refused."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import simpy
from paced import SMALL_FEED, TINY, WITH_SERVERS, Bids, Paced, books
from players import arrays_of

from adarena.simulator import BidPolicy, BidView, Multiplier, Open, PolicyError, Scenario, World
from adarena.simulator.engine.state import Count
from adarena.simulator.seats.pacing.decisions import Pace
from adarena.simulator.seats.pacing.view import PacingView


@pytest.mark.parametrize(
    ("form", "factor"),
    [("multiplier", 0.37), ("rule", 0.37), ("function", 0.37), ("chunk", 0.25)],  # a block's bids are rounded before it
)
@pytest.mark.parametrize("scenario", [TINY, WITH_SERVERS], ids=["at once", "with servers"])
def test_a_factor_is_that_factor_on_every_bid(scenario: Scenario, form: str, factor: float) -> None:
    """To the bit, against campaigns that multiply whatever they bid themselves; the others go on as before."""
    held = {1: factor, 4: factor}
    paced = World(
        scenario, {"bidding": dict.fromkeys(held, Bids(form, 1.0)), "pacing": dict.fromkeys(held, Paced(Pace(factor)))}
    )
    lower = World(scenario, {"bidding": dict.fromkeys(held, Bids(form, factor))})
    plain = World(scenario, {"bidding": dict.fromkeys(held, Bids(form, 1.0))})
    for world in (paced, lower, plain):
        world.run()
    assert books(paced) == books(lower) != books(plain)
    assert paced.ledger.counts[:, Count.WINS, [1, 4]].sum(axis=0).min() > 10
    assert (paced.ledger.pace[:, [1, 4]] == factor).all()
    assert (paced.ledger.pace[:, [0, 2, 3, 5]] == 1).all()


@pytest.mark.parametrize("preset", ["feed", "overload"])
@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_factor_is_that_factor_behind_a_funnel(preset: str, engine: Any) -> None:
    """Recall and rough sort know of paced bids, too."""
    scenario = Scenario.preset(preset).override(SMALL_FEED)

    class Halved(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            return Multiplier(np.where(np.arange(len(view.campaigns)) % 2, 1.0, 0.5))

    factor = np.where(np.arange(40) % 2, 1.0, 0.5)
    paced = World(scenario, {"pacing": Paced(Pace(factor))}, seed=1, engine=engine)
    lower, plain = World(scenario, {"bidding": Halved()}, seed=1), World(scenario, seed=1)
    for world in (paced, lower, plain):
        world.run()
    assert books(paced) == books(lower) != books(plain)


def test_a_factor_set_by_a_process_is_a_multiplier_set_by_it() -> None:
    """At odd times, over and over, while requests wait for servers."""
    worlds = []
    for paced in (True, False):
        world = World(WITH_SERVERS, seed=2)

        def process(world: World = world, paced: bool = paced) -> Generator[simpy.Event, Any, None]:
            for number, factor in enumerate([0.5, 1.0, 0.25, 0.125, 1.0, 0.5]):
                yield world.at(hours=3.3 * number, seconds=7e-6)
                world.set_pace(3, factor) if paced else world.set_multiplier(3, factor)

        world.process(process())
        world.run()
        worlds.append(world)
    assert books(worlds[0]) == books(worlds[1])


# What is seen, and what is refused.


def test_what_is_seen_is_what_is_in_force() -> None:
    class Steps(Paced):
        def decide(self, view: PacingView) -> Pace:
            self.seen.append(view)
            targets.append(world._exchange.target.copy())
            return Pace([1 / (1 + view.told.tick), 0.5], [0.0, 1.0])

    class Half(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            return Multiplier(0.5)

    policy, targets = Steps(None), list[np.ndarray]()
    world = World(TINY, {"pacing": {"c3": policy, 1: policy}, "bidding": {1: Half()}})
    world.pause(5)
    world.run()
    order = [world.campaigns.names.index(name) for name in policy.seen[0].told.campaigns]
    assert sorted(order) == [1, 3]
    for tick, view in enumerate(policy.seen):
        assert view.places.tolist() == order
        assert view.factor.tolist() == ([1.0, 1.0] if tick == 0 else [1 / tick, 0.5])
        assert view.participation.tolist() == ([1.0, 1.0] if tick == 0 else [0.0, 1.0])
        assert (view.others[order] == 0).all()
        assert view.others[5] == 0
        np.testing.assert_array_equal(view.others[[0, 2, 4]], targets[tick][[0, 2, 4]])
        half = [0.5 if k == 1 and tick else 1.0 for k in order]
        np.testing.assert_allclose(view.bid, half * view.told.target)
    frame = world.ledger.to_frame()
    paced = frame[frame.campaign == world.campaigns.names[order[0]]]
    assert paced.factor.tolist() == [1 / (1 + tick) for tick in range(24)]
    assert (paced.participation == 0).all()
    assert "factor" not in World(TINY).ledger.to_frame().columns


def test_what_is_seen_is_the_policys_own() -> None:
    """Whoever writes over all that it is shown, where that can be done, changes nothing of the market."""

    class Vandal(Paced):
        def decide(self, view: PacingView) -> Pace:
            for array in arrays_of(view):
                if array.flags.writeable:
                    array[...] = 1
            return Pace(0.5)

    scenario = TINY.override({"name": "written over"})  # which shares nothing with those of other tests
    world, plain = World(scenario, {"pacing": {2: (vandal := Vandal(None)), 3: vandal}}), World(scenario)
    for campaign in (2, 3):
        plain.set_pace(campaign, 0.5)
    for one in (world, plain):
        one.run()
    assert books(world) == books(plain)


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (0.5, r"^Paced must decide a Pace, not float$"),
        (Pace([0.5, 0.5]), r"^Paced must decide a factor for each of its 6 campaigns, not \[0\.5, 0\.5\]$"),
        (Pace("low"), r"^Paced must decide a factor for each of its 6 campaigns, not 'low'$"),
        (Pace(1.0, [[1.0]] * 6), r"^Paced must decide a participation for each of its 6 campaigns, not "),
        (Pace(float("nan")), r"^Paced decided the factor nan: numbers from 1e-06 to 1 are allowed$"),
        (Pace(0.0), r"^Paced decided the factor 0\.0: numbers from 1e-06 to 1 are allowed$"),
        (Pace([1, 1, 1, 1.01, 1, 1]), r"^Paced decided the factor 1\.01: numbers from 1e-06 to 1 are allowed$"),
        (Pace(1.0, -0.1), r"^Paced decided the participation -0\.1: numbers from 0 to 1 are allowed$"),
        (Pace(1.0, float("inf")), r"^Paced decided the participation inf: numbers from 0 to 1 are allowed$"),
        (Pace(1.0, [1, 1, float("nan"), 1, 1, 1]), r"^Paced decided the participation nan: "),
    ],
)
def test_what_is_not_allowed_is_said_in_a_sentence(decision: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        World(TINY, {"pacing": Paced(decision)}).run()


def test_a_refused_decision_changes_nothing() -> None:
    """Left open, the seat may be answered again."""
    world, plain = World(TINY, {"pacing": Open()}), World(TINY)
    plain.run()
    while world.until_asked() is not None:
        with pytest.raises(PolicyError, match="decided the factor"):
            world.answer(Pace(2.0))
        world.answer(None)
    assert books(world) == books(plain)
