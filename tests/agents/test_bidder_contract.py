"""What every bidder in the catalogue must keep: any campaigns, same seed same bytes, no memory of earlier runs, no truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adarena.agents.bidding.budgets import allowed_spend
from adarena.agents.catalogue import BIDDERS, make_bidder
from adarena.simulator import BidPolicy, BidView, ChunkBids, Multiplier, Requests, Scenario, World
from adarena.simulator import kernel as K
from adarena.simulator.market import build

TINY = Scenario.preset("tiny").override({"days": 2})
LIMITED = TINY.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.7})
UNLIMITED = TINY.override({"demand.budget_share": None})
BY_REQUEST = {"ortb", "online_lp", "rlb", "ss_mdp", "shading", "throttling"}
OWN_DICE = {"random", "throttling"}  # whose dice are one policy's, not one campaign's
every_bidder = pytest.mark.parametrize("name", sorted(BIDDERS))


def played(policies: Any, scenario: Scenario = TINY, seed: int = 0) -> World:
    """A finished run."""
    world = World(scenario, {"bid": policies}, seed=seed)
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
    policy = make_bidder(name)
    world = played(dict.fromkeys(held, policy))
    others = [k for k in range(6) if k not in held]
    assert decides(world, name, list(held))
    assert (world.ledger.multiplier[:, others] == 1).all()


@every_bidder
@pytest.mark.parametrize("scenario", [TINY, LIMITED], ids=["budget", "target"])
def test_same_seed_same_bytes_and_no_memory_of_earlier_runs(name: str, scenario: Scenario) -> None:
    policy = make_bidder(name)
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

    world = World(LIMITED, {"bid": Spy()}, seed=5)
    world.run(world.scenario.tick_us * 4)
    if shock:
        world.scale_value(0, 3.0)
    world.run()
    moved = np.ptp(seen[:24], axis=0) > 0
    assert moved.tolist() == (market.follows_demand | ((np.arange(6) == 0) & shock)).tolist()


@every_bidder
def test_it_knows_what_to_do_without_budgets(name: str) -> None:
    world = played(make_bidder(name), UNLIMITED)
    assert decides(world, name)
    assert world.ledger.spend().sum() > 0


@every_bidder
def test_it_knows_what_to_do_in_a_market_of_one_tick(name: str) -> None:
    world = played(make_bidder(name), Scenario.preset("uniform", bidders=3, requests=200).override({"days": 3}))
    assert decides(world, name)


@every_bidder
def test_a_budget_taken_away_does_not_trouble_it(name: str) -> None:
    world = World(TINY, {"bid": make_bidder(name)}, seed=0)
    world.set_budget(0, 0)
    world.run()
    assert world.ledger.spend()[:, 0].sum() == 0
    assert decides(world, name)


@every_bidder
def test_it_decides_from_beliefs_alone(name: str) -> None:
    """Other true click rates, the same beliefs, billing by impression: the decisions stay the same to the last bit."""
    runs = []
    for shift in (0.0, 1.0):
        world = World(TINY, {"bid": make_bidder(name)}, seed=3)
        state = world._exchange.state
        world._exchange.replace(truth_bias=state.truth_bias + np.float32(shift))
        world.run()
        runs.append(world)
    one, other = runs
    assert one.ledger.value().sum() < 0.7 * other.ledger.value().sum()
    assert one.ledger.multiplier.tobytes() == other.ledger.multiplier.tobytes()
    assert one.ledger.spend().tobytes() == other.ledger.spend().tobytes()


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
    world = World(TINY, {"bid": {0: spy, 3: spy}}, seed=0, record=0)
    world.run()
    state, ledger = world._exchange.state, world.ledger
    shown = [array for thing in spy.seen for array in arrays(thing)]
    assert len(shown) > 100
    truth = [
        state.true_conversion, state.truth_users, state.truth_ads, state.truth_bias, state.truth_block, state.value,
        state.counts[K.COUNTS_TOLD :], state.sums[K.SUMS_TOLD :], state.record_floats, state.record_ints, state.reports,
        ledger.counts[:, K.COUNTS_TOLD :], ledger.sums[:, K.SUMS_TOLD :],
        ledger.today_counts[K.COUNTS_TOLD :], ledger.today_sums[K.SUMS_TOLD :],
    ]  # fmt: skip
    for array in shown:
        assert not any(np.may_share_memory(array, secret) for secret in truth)


def test_a_view_does_not_tell_what_only_a_judge_may_know() -> None:
    """Conversions are told when they are reported, never when they happen."""
    spy = Spy(by_request=False)
    world = World(TINY, {"bid": dict.fromkeys(range(6), spy)}, seed=1)
    world.run()
    views = [v for v in spy.seen if isinstance(v, BidView)]
    told = np.array([v.last.conversions_reported for v in views[1:]])
    assert (told == world.ledger.counts[: len(told), K.REPORTED]).all()
    happened = world.ledger.counts[: len(told), K.CONVERSIONS]
    assert told.sum() < happened.sum()
    assert (np.cumsum(told, axis=0) <= np.cumsum(happened, axis=0)).all()
