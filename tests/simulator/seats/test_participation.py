"""Who sits out: campaigns kept out of a share of auctions, which request and campaign alone draw."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import simpy
from paced import SMALL_FEED, TINY, Bids, Paced, books
from players import arrivals
from tapes import Tape, give_tape

from adarena.simulator import Scenario, World
from adarena.simulator.core.chance import Stream, stream_keys, uniforms
from adarena.simulator.engine.state import Count
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy


def alone(requests: int, **changes: Any) -> Scenario:
    """The market of one campaign that wins every request it takes part in; of two with `bidders`."""
    bidders = changes.pop("bidders", 1)
    scenario = Scenario.preset("uniform", bidders=bidders, requests=requests).override({"ticks_per_day": 10})
    return scenario.override({"rates.low": 0.1, **changes})


def taped(
    scenario: Scenario, policy: PacingPolicy | None, act: Callable[[World], Any] | None = None, **options: Any
) -> tuple[World, Tape]:
    """A world that has run, and its impressions; the process that `act` makes has lived in it."""
    world = World(scenario, {} if policy is None else {"pacing": policy}, **options)
    read = give_tape(world, 200_000)
    if act is not None:
        world.process(act(world))
    world.run()
    return world, read()


def taking(seed: int, requests: int, campaign: int, share: float) -> set[int]:
    """The requests in whose auctions a campaign may take part, drawn by themselves."""
    draws = np.zeros(requests)
    uniforms(stream_keys(seed)[Stream.PARTICIPATION], 0, requests, campaign, draws)
    return set(np.flatnonzero(draws.astype(np.float32) < np.float32(share)).tolist())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.999])
def test_the_share_of_auctions_is_what_was_decided(share: float) -> None:
    """Within four standard deviations of a binomial, over the day and over ticks (chi-square)."""
    from scipy import stats

    world, _ = taped(alone(20_000), Paced(Pace(1.0, share)), seed=5)
    wins = world.ledger.counts[:, Count.WINS, 0]
    assert abs(wins.sum() - 20_000 * share) < 4 * np.sqrt(20_000 * share * (1 - share))
    each = np.array([wins, 2000 - wins])
    assert stats.chisquare(each, 2000 * np.array([[share], [1 - share]]) * np.ones(10), axis=None, ddof=9).pvalue > 1e-4
    assert (world.ledger.taking == np.float32(share)).all()


def test_who_takes_part_more_often_takes_part_in_the_same_requests() -> None:
    """Draws are of request and campaign: the requests at .3 are among those at .6, in whatever market and engine."""
    won = {}
    for share in (0.3, 0.6):
        for engine in ("compiled", "events"):
            _, tape = taped(alone(4000), Paced(Pace(1.0, share)), seed=3, engine=engine)
            won[share, engine] = set(tape.column("request").tolist())
        assert won[share, "compiled"] == won[share, "events"] == taking(3, 4000, 0, share)
    assert won[0.3, "compiled"] < won[0.6, "compiled"]
    _, other = taped(alone(4000), Paced(Pace(1.0, 0.3)), seed=4)
    assert set(other.column("request").tolist()) != won[0.3, "compiled"]


@pytest.mark.parametrize("form", ["multiplier", "rule", "function", "chunk", "funnel"])
def test_whatever_the_form_of_its_bids_a_campaign_sits_out(form: str) -> None:
    """Of two that do, each wins slots of requests in which it is drawn to take part, and of no others."""
    scenario = TINY.override({"demand.budget_share": None})
    policies: dict[str, Any] = {"bidding": dict.fromkeys((1, 4), Bids(form, 2.0))}
    if form == "funnel":
        scenario, policies = Scenario.preset("feed").override({**SMALL_FEED, "demand.frequency_cap": None}), {}
    world = World(scenario, {**policies, "pacing": dict.fromkeys((1, 4), Paced(Pace(1.0, 0.3)))}, seed=8)
    read = give_tape(world, 10_000)
    world.run()
    tape = read()
    for k in (1, 4):
        won = set(tape.column("request")[tape.column("campaign") == k].tolist())
        assert len(won) > 15
        assert won <= taking(8, 10_000, k, 0.3)


def test_campaigns_sit_out_apart_from_each_other() -> None:
    """Of two at one half both take part in a quarter of the requests: the other's price is then paid, else the reserve."""
    scenario = alone(20_000, bidders=2)
    _, tape = taped(scenario, Paced(Pace(1.0, 0.5)), seed=1)
    both = taking(1, 20_000, 0, 0.5) & taking(1, 20_000, 1, 0.5)
    either = taking(1, 20_000, 0, 0.5) | taking(1, 20_000, 1, 0.5)
    request, price = tape.column("request"), tape.column("price")
    assert set(request.tolist()) == either
    assert set(request[price > 100].tolist()) == both  # no value is below .1
    assert abs(len(both) - 5000) < 4 * np.sqrt(20_000 * 0.25 * 0.75)


def test_a_share_of_none_never_wins_and_a_share_of_one_is_no_throttling() -> None:
    never = World(TINY, {"pacing": {2: Paced(Pace(1.0, 0.0))}})
    gone, whole, plain = World(TINY), World(TINY, {"pacing": Paced(Pace(1.0, 1.0))}), World(TINY)
    gone.pause(2)
    for world in (never, gone, whole, plain):
        world.run()
    assert never.ledger.counts[:, Count.WINS, 2].sum() == 0
    assert plain.ledger.counts[:, Count.WINS, 2].sum() > 0
    others = [0, 1, 3, 4, 5]
    assert (never.ledger.counts[..., others] == gone.ledger.counts[..., others]).all()
    assert books(whole) == books(plain)
    assert (whole.ledger.multiplier == plain.ledger.multiplier).all()


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_throttled_in_mid_run_while_requests_wait(engine: Any) -> None:
    """Whoever waits for a server when throttling begins is drawn as if it had begun with the day; so on when it ends."""
    scenario = alone(4000, **{
        "traffic.arrivals": "poisson", "serving": {"servers": 2, "service_s": 50.0, "deadline_s": 3000.0},
    })  # fmt: skip
    shares = {round(hours * 3.6e9) + 1: share for hours, share in ((3.0, 0.4), (11.5, 0.7), (15.0, 1.0))}

    def process(world: World) -> Generator[simpy.Event, Any, None]:
        for time, share in shares.items():
            yield world.env.timeout(time - world.now)
            world.set_pace(0, participation=share)

    _, tape = taped(scenario, None, process, seed=6, engine=engine)
    _, free = taped(scenario, None, seed=6)
    request, time = free.column("request"), free.column("time_us")
    drawn = {share: np.isin(request, list(taking(6, 8000, 0, share))) for share in shares.values()}
    begun, eased, over = shares
    there = np.select([time < begun, time < eased, time < over], [True, drawn[0.4], drawn[0.7]], True)
    assert tape.column("request").tolist() == request[there].tolist()
    arrival = np.array(arrivals(scenario, 6))  # of the first block
    waiting = arrival[request[(time >= begun) & (request < len(arrival))]] < begun
    assert waiting.sum() > 20  # they had come before it
    assert there[: len(arrival)].sum() < len(arrival) - 20
    assert request.max() > 3 * len(arrival)
