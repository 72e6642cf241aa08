"""What every bidder in the catalogue must keep: any campaigns, same seed same bytes, no memory of earlier runs, no truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adarena.agents.bidding import POLICIES
from adarena.agents.bidding.budgets import allowed_spend
from adarena.agents.catalogue import make_policy
from adarena.simulator import BidPolicy, BidView, ChunkBids, Multiplier, RequestRule, Requests, Scenario, World
from adarena.simulator.engine.state import COUNTS_TOLD, SUMS_TOLD, Count
from adarena.simulator.market.market import build
from adarena.simulator.population.rates import NO_TABLE

TINY = Scenario.preset("tiny").override({"days": 2})
LIMITED = TINY.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.7})
UNLIMITED = TINY.override({"demand.budget_share": None})
BY_REQUEST = {"ortb", "online_lp", "rlb", "ss_mdp", "shading", "throttling"}
OWN_DICE = {"random", "throttling"}  # whose dice are one policy's, not one campaign's
every_bidder = pytest.mark.parametrize("name", sorted(POLICIES))


def played(policies: Any, scenario: Scenario = TINY, seed: int = 0) -> World:
    """A finished run."""
    world = World(scenario, {"bidding": policies}, seed=seed)
    world.run()
    return world


def same(one: World, other: World) -> bool:
    """Whether two runs decided and booked the same, to the last bit."""
    return (
        one.ledger.multiplier.tobytes() == other.ledger.multiplier.tobytes()
        and one.ledger.counts.tobytes() == other.ledger.counts.tobytes()
        and one.ledger.sums.tobytes() == other.ledger.sums.tobytes()
    )


def decides(world: World, name: str, held: list[int] | slice = slice(None)) -> bool:
    """Whether there is a number for each campaign and tick, or none at all, which says that bids come by request."""
    by_request = name in BY_REQUEST
    return bool((np.isnan(world.ledger.multiplier[:, held]) == by_request).all())


@every_bidder
@pytest.mark.parametrize("held", [(4,), (0, 3), (5, 1, 2), tuple(range(6))])
def test_it_holds_any_campaigns(name: str, held: tuple[int, ...]) -> None:
    policy = make_policy("bidding", name)
    world = played(dict.fromkeys(held, policy))
    others = [k for k in range(6) if k not in held]
    assert decides(world, name, list(held))
    assert (world.ledger.multiplier[:, others] == 1).all()


@every_bidder
@pytest.mark.parametrize("scenario", [TINY, LIMITED], ids=["budget", "target"])
def test_same_seed_same_bytes_and_no_memory_of_earlier_runs(name: str, scenario: Scenario) -> None:
    policy = make_policy("bidding", name)
    first = played(policy, scenario)
    played({0: policy, 2: policy}, scenario, seed=5)
    assert same(first, played(policy, scenario))


@pytest.mark.parametrize("shock", [False, True])
def test_target_and_value_move_together(shock: bool) -> None:
    """With demand and by price shocks; so target over value says what believed value may cost, whatever the tick."""
    market = build(LIMITED).campaigns
    assert market.follows_demand.any()
    seen: list[np.ndarray] = []

    class Spy(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            seen.append(view.value)
            allowed = allowed_spend(np.ones(6), view)
            np.testing.assert_allclose(allowed, market.target / market.value, rtol=1e-12)
            return Multiplier(view.prior)

    world = World(LIMITED, {"bidding": Spy()}, seed=5)
    world.run(world.scenario.tick_us * 4)
    if shock:
        world.scale_value(0, 3.0)
    world.run()
    moved = np.ptp(seen[:24], axis=0) > 0
    assert moved.tolist() == (market.follows_demand | ((np.arange(6) == 0) & shock)).tolist()


@every_bidder
def test_it_knows_what_to_do_without_budgets(name: str) -> None:
    world = played(make_policy("bidding", name), UNLIMITED)
    assert decides(world, name)
    assert world.ledger.spend().sum() > 0


@every_bidder
def test_it_knows_what_to_do_in_a_market_of_one_tick(name: str) -> None:
    world = played(make_policy("bidding", name), Scenario.preset("uniform", bidders=3, requests=200).override({"days": 3}))
    assert decides(world, name)


@every_bidder
def test_a_budget_taken_away_does_not_trouble_it(name: str) -> None:
    world = World(TINY, {"bidding": make_policy("bidding", name)}, seed=0)
    world.set_budget(0, 0)
    world.run()
    assert world.ledger.spend()[:, 0].sum() == 0
    assert decides(world, name)


@every_bidder
def test_it_decides_from_beliefs_alone(name: str) -> None:
    """Other true click rates, the same beliefs, billing by impression: the decisions stay the same to the last bit."""
    runs = []
    for shift in (0.0, 1.0):
        world = World(TINY, {"bidding": make_policy("bidding", name)}, seed=3)
        state = world._exchange.state
        moved = state.truth.bias + np.float32(shift)
        moved.flags.writeable = False  # as what worlds share is
        world._exchange.replace("truth", bias=moved, table=NO_TABLE)
        world.run()
        runs.append(world)
    one, other = runs
    assert one.ledger.value().sum() < 0.7 * other.ledger.value().sum()
    assert one.ledger.multiplier.tobytes() == other.ledger.multiplier.tobytes()
    assert one.ledger.spend().tobytes() == other.ledger.spend().tobytes()


def said(decision: Any) -> bytes:
    """All that a decision says, as bytes."""
    if isinstance(decision, Multiplier):
        return np.asarray(decision.values, np.float64).tobytes()
    if isinstance(decision, RequestRule):
        return decision.state.tobytes()
    if isinstance(decision, ChunkBids):
        requests = Requests(np.arange(50), np.zeros(50, np.int64), np.linspace(0.0, 0.1, 300).reshape(6, 50))
        return np.asarray(decision.bids(requests), np.float64).tobytes()
    assert decision is None
    return b"as before"


def views_of(scenario: Scenario, absent: slice) -> list[BidView]:
    """What six campaigns see over two days, told that they could not bid in some ticks."""
    spy = Spy(by_request=False)
    world = World(scenario, {"bidding": dict.fromkeys(range(6), spy)}, seed=1)
    world.run()
    views = [v for v in spy.seen if isinstance(v, BidView)]
    for number in range(*absent.indices(len(views))):
        views[number] = views[number]._replace(could_bid=np.zeros(6, np.bool_), reach=np.full(6, 0.7))
    return views


@every_bidder
@pytest.mark.parametrize("scenario", [TINY, LIMITED], ids=["budget", "target"])
def test_it_learns_nothing_from_ticks_in_which_it_could_not_bid(name: str, scenario: Scenario) -> None:
    """Whatever it is told of them, it decides the same ever after; told of others, it need not."""
    absent = slice(9, 17)
    views = views_of(scenario, absent)
    told = [
        v._replace(
            last=v.last._replace(spend=v.last.spend * 7 + 3, believed_value=v.last.believed_value * 3, wins=v.last.wins + 9)
        )
        for v in views
    ]

    def decisions(changed: range) -> list[bytes]:
        policy = make_policy("bidding", name)
        policy.start(views[0], np.random.default_rng(0))
        return [said(policy.decide(told[n] if n in changed else v)) for n, v in enumerate(views)]

    plain = decisions(range(0))
    assert decisions(range(absent.start, absent.stop)) == plain
    learns_by_tick = name in {"adaptive", "auctionnet_pid", "dual", "min_pacing", "mpc", "multiplicative", "tcpa_dual"}
    assert learns_by_tick == (decisions(range(1, absent.start)) != plain) or name == "shading"


@pytest.mark.parametrize("name", sorted(set(POLICIES) - {"truthful"}))  # which spends all it has as soon as it can
@pytest.mark.parametrize("mode", ["paused", "launched"])
def test_after_an_absence_it_does_not_make_up_for_it_in_a_rush(name: str, mode: str) -> None:
    """Away from 4:00 to 12:00, or there from 12:00 only: in the next two hours it spends about what an even pace would.

    An even pace is over the traffic it could meet. Who follows no pace at all spends what prices make of it, away or not.
    """
    spent, even, without = 0.0, 0.0, 0.0
    for seed in range(6):
        away, there = (World(ABSENCE, {"bidding": {0: make_policy("bidding", name)}}, seed=seed) for _ in range(2))
        away.process(absence(away, mode))
        for world in (away, there):
            world.run()
        back = slice(12, 14)
        budget = away.campaigns.budget[0] / 1e6
        spent += away.ledger.spend()[back, 0].sum() / budget
        without += there.ledger.spend()[back, 0].sum() / budget
        missed = away.forecast[4 if mode == "paused" else 0 : 12].sum()
        even += away.forecast[back].sum() / (1 - missed)
    assert spent <= max(2.0 * even, 1.25 * without)


ABSENCE = Scenario.preset("tiny").override({"traffic.requests_per_day": 8_000, "demand.follows_demand": 0.0})


def absence(world: World, mode: str) -> Iterator[Any]:
    """Pauses the first campaign from 4:00, or from the start, to 12:00."""
    hour = 3_600_000_000
    yield world.env.timeout(4 * hour if mode == "paused" else 0)
    world.pause(0)
    yield world.env.timeout((8 if mode == "paused" else 12) * hour)
    world.launch(0)


def test_a_view_tells_who_could_bid_and_what_is_within_reach() -> None:
    spy = Spy(by_request=False)
    world = World(Scenario.preset("tiny"), {"bidding": dict.fromkeys(range(6), spy)}, seed=1)
    world.process(absence(world, "paused"))

    def half_a_tick() -> Iterator[Any]:
        yield world.env.timeout(18 * 3_600_000_000 + 900_000_000)
        world.pause(2)
        yield world.env.timeout(1_800_000_000)
        world.launch(2)
        world.surge(0.0)

    world.process(half_a_tick())
    world.run()
    views = [v for v in spy.seen if isinstance(v, BidView)]
    could, reach, due = (np.array([getattr(v, name) for v in views]) for name in ("could_bid", "reach", "due"))
    requests = world.ledger.requests()
    expected = np.ones((24, 6), np.bool_)
    expected[0], expected[5:13, 0], expected[19, 2] = False, False, False
    expected[1:][requests[:-1] == 0] = False
    assert (requests == 0).any()
    np.testing.assert_array_equal(could, expected)
    forecast, elapsed = world.forecast, np.array([v.elapsed for v in views])
    np.testing.assert_allclose(reach[:, 1], 1.0, rtol=0)
    np.testing.assert_allclose(due[:, 1], elapsed, rtol=0)
    np.testing.assert_allclose(reach[-1, [0, 2]], [1 - forecast[4:12].sum(), 1 - forecast[18] / 2])
    np.testing.assert_allclose(due[12, 0], forecast[:4].sum() / (1 - forecast[4:12].sum()))


class Spy(BidPolicy):
    """Keeps everything it is shown: views, and requests if it bids by request."""

    def __init__(self, by_request: bool) -> None:
        self.by_request, self.seen = by_request, list[BidView | Requests]()

    def decide(self, view: BidView) -> Multiplier | ChunkBids:
        self.seen.append(view)
        return ChunkBids(self._bids) if self.by_request else Multiplier(view.prior)

    def _bids(self, requests: Requests) -> Any:
        self.seen.append(requests)
        return 0.1 * requests.rate


def arrays(thing: Any) -> Iterator[np.ndarray]:
    """Every array in a view, however deep, and what each is a window of."""
    if isinstance(thing, np.ndarray):
        yield thing
        if thing.base is not None:
            yield from arrays(thing.base)
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from arrays(getattr(thing, field.name))
    elif isinstance(thing, tuple | list):
        for part in thing:
            yield from arrays(part)


@pytest.mark.parametrize("by_request", [False, True])
def test_nothing_a_policy_is_shown_reaches_into_the_truth(by_request: bool) -> None:
    spy = Spy(by_request)
    world = World(TINY, {"bidding": {0: spy, 3: spy}}, seed=0, record=0)
    world.run()
    state, ledger = world._exchange.state, world.ledger
    shown = [array for thing in spy.seen for array in arrays(thing)]
    assert len(shown) > 100
    truth = [
        state.truth.conversion, state.truth.users, state.truth.ads, state.truth.bias, state.truth.block, state.terms.value,
        state.tally.counts[COUNTS_TOLD :], state.tally.sums[SUMS_TOLD :], state.logs.record_floats,
        state.logs.record_ints, state.terms.reports,
        ledger.counts[:, COUNTS_TOLD :], ledger.sums[:, SUMS_TOLD :],
        ledger.today_counts[COUNTS_TOLD :], ledger.today_sums[SUMS_TOLD :],
    ]  # fmt: skip
    for array in shown:
        assert not any(np.may_share_memory(array, secret) for secret in truth)


def test_a_view_does_not_tell_what_only_a_judge_may_know() -> None:
    """Conversions are told when they are reported, never when they happen."""
    spy = Spy(by_request=False)
    world = World(TINY, {"bidding": dict.fromkeys(range(6), spy)}, seed=1)
    world.run()
    views = [v for v in spy.seen if isinstance(v, BidView)]
    told = np.array([v.last.conversions_reported for v in views[1:]])
    assert (told == world.ledger.counts[: len(told), Count.REPORTED]).all()
    happened = world.ledger.counts[: len(told), Count.CONVERSIONS]
    assert told.sum() < happened.sum()
    assert (np.cumsum(told, axis=0) <= np.cumsum(happened, axis=0)).all()
