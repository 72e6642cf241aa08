"""What every policy of the pacing seat must keep: any campaigns, same seed same bytes, no memory of earlier runs, no truth."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from funnel_markets import market

from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.pacing_law import KnowsTheLaw
from adarena.agents.pacing import POLICIES
from adarena.agents.pacing.factors import LEAST
from adarena.simulator import Scenario, World
from adarena.simulator.population.rates import NO_TABLE
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

TINY = Scenario.preset("tiny").override({"days": 2})
UNLIMITED = TINY.override({"demand.budget_share": None})
FUNNEL = market(0, 0, 0).override({"demand.campaigns": 12, "traffic.requests_per_day": 20_000})
THROTTLING = {"uniform", "linkedin"}  # which leave bids alone
JOINT = {"joint_mpc", "plan", "first_price"}  # which plan for all they hold together
ONCE = {"plan", "first_price"}  # which decide in the morning
HASTY = {"none", "constant", "uniform", "linkedin"}  # which may spend all that they have by noon
DEAF = {"none", "constant", "prior", "uniform"} | ONCE  # which learn nothing from what comes of it
every_pacer = pytest.mark.parametrize("name", sorted(POLICIES))


def played(policies: Any, scenario: Scenario = TINY, seed: int = 0, bidding: Any = None) -> World:
    """A finished run."""
    world = World(scenario, {"pacing": policies, **({} if bidding is None else {"bidding": bidding})}, seed=seed)
    world.run()
    return world


def same(one: World, other: World) -> bool:
    """Whether two runs decided and booked the same, to the last bit."""
    return all(
        getattr(one.ledger, name).tobytes() == getattr(other.ledger, name).tobytes()
        for name in ("pace", "taking", "counts", "sums")
    )


def within(world: World, name: str, held: Any = slice(None)) -> bool:
    """Whether a policy has kept to what it moves, and to the bounds of that."""
    factor, share = world.ledger.pace[:, held], world.ledger.taking[:, held]
    if name in THROTTLING:
        return bool((factor == 1).all() and (share > 0).all() and (share <= 1).all())
    return bool((share == 1).all() and (factor >= LEAST).all() and (factor <= 1).all())


@every_pacer
@pytest.mark.parametrize("held", [(4,), (0, 3), tuple(range(6))])
def test_it_holds_any_campaigns(name: str, held: tuple[int, ...]) -> None:
    world = played(dict.fromkeys(held, make_policy("pacing", name)))
    others = [k for k in range(6) if k not in held]
    assert within(world, name, list(held))
    assert (world.ledger.pace[:, others] == 1).all()
    assert (world.ledger.taking[:, others] == 1).all()
    assert (name == "none") == (not world.ledger.is_paced)


@every_pacer
def test_the_order_in_which_campaigns_are_held_does_not_matter(name: str) -> None:
    one, other = (played(dict.fromkeys(held, make_policy("pacing", name))) for held in [(1, 2, 5), (5, 1, 2)])
    assert same(one, other)


@every_pacer
def test_each_campaign_is_paced_for_itself_but_for_joint_plans(name: str) -> None:
    together, apart = played(make_policy("pacing", name)), played({k: make_policy("pacing", name) for k in range(6)})
    assert same(together, apart) == (name not in JOINT)


@every_pacer
def test_same_seed_same_bytes_and_no_memory_of_earlier_runs(name: str) -> None:
    policy = make_policy("pacing", name)
    first = played(policy)
    played({0: policy, 2: policy}, seed=5)
    assert same(first, played(policy))


@every_pacer
def test_it_leaves_campaigns_without_budgets_alone(name: str) -> None:
    assert not played(make_policy("pacing", name), UNLIMITED).ledger.is_paced
    world = World(TINY, {"pacing": make_policy("pacing", name)}, seed=0)
    world.set_budget(2, None)
    world.run()
    assert (world.ledger.pace[:, 2] * world.ledger.taking[:, 2] == 1).all()
    assert within(world, name)


@every_pacer
def test_a_budget_taken_away_does_not_trouble_it(name: str) -> None:
    world = World(TINY, {"pacing": make_policy("pacing", name)}, seed=0)
    world.set_budget(0, 0)
    world.run()
    assert world.ledger.spend()[:, 0].sum() == 0
    assert world.ledger.spend()[:, 1:].sum() > 0
    assert within(world, name)


@every_pacer
def test_it_knows_what_to_do_in_a_market_of_one_tick(name: str) -> None:
    scenario = Scenario.preset("uniform", bidders=3, requests=200).override({"days": 3})
    tree = scenario.model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0]["budget_per_day"] = 5.0
    world = played(make_policy("pacing", name), Scenario.from_tree(tree))
    assert within(world, name)
    assert (world.ledger.pace[:, 1:] == 1).all()


@every_pacer
@pytest.mark.parametrize("bidder", ["pid", "throttling", "ortb"])
def test_it_paces_campaigns_that_bid_by_themselves(name: str, bidder: str) -> None:
    """As a multiple of their targets, or by request, of which nothing is told."""
    world = played(make_policy("pacing", name), bidding=make_policy("bidding", bidder))
    assert within(world, name)
    assert np.isnan(world.ledger.multiplier).all() == (bidder != "pid")
    assert world.ledger.spend().sum() > 0


@pytest.mark.parametrize("name", sorted(JOINT))
@pytest.mark.parametrize("held", [(1, 4, 7), None])
def test_it_plans_behind_a_funnel(name: str, held: tuple[int, ...] | None) -> None:
    policy = make_policy("pacing", f"{name}:rounds=4")
    world = played(policy if held is None else dict.fromkeys(held, policy), FUNNEL)
    assert within(world, name)
    assert world.ledger.is_paced


@every_pacer
def test_it_decides_from_beliefs_alone(name: str) -> None:
    """Other true click rates, the same beliefs, billing by impression: the decisions stay the same to the last bit."""
    runs = []
    for shift in (0.0, 1.0):
        world = World(TINY, {"pacing": make_policy("pacing", name)}, seed=3)
        moved = world._exchange.state.truth.bias + np.float32(shift)
        moved.flags.writeable = False  # as what worlds share is
        world._exchange.replace("truth", bias=moved, table=NO_TABLE)
        world.run()
        runs.append(world)
    one, other = runs
    assert one.ledger.value().sum() < 0.7 * other.ledger.value().sum()
    assert one.ledger.pace.tobytes() == other.ledger.pace.tobytes()
    assert one.ledger.taking.tobytes() == other.ledger.taking.tobytes()
    assert one.ledger.spend().tobytes() == other.ledger.spend().tobytes()


def arrays(thing: Any) -> Iterator[np.ndarray]:
    """Every array in a view."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, tuple):
        for part in thing:
            yield from arrays(part)


class Witness(PacingPolicy):
    """Asks another, and keeps what both see; finds out whether the other writes to it."""

    def __init__(self, other: PacingPolicy) -> None:
        self.other, self.seen, self.wrote = other, list[PacingView](), False

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self.other.start(view, dice)

    def decide(self, view: PacingView) -> Pace | None:
        before = [array.tobytes() for array in arrays(view)]
        self.seen.append(view)
        decision = self.other.decide(view)
        self.wrote |= before != [array.tobytes() for array in arrays(view)]
        return decision


@pytest.mark.parametrize("name", [*sorted(POLICIES), "the law"])
def test_it_never_writes_to_what_it_sees(name: str) -> None:
    witness = Witness(KnowsTheLaw(TINY) if name == "the law" else make_policy("pacing", name))
    played(dict.fromkeys((3, 0, 5), witness))
    assert len(witness.seen) == 48
    assert not witness.wrote


def decided(policy: PacingPolicy, views: list[PacingView]) -> list[bytes]:
    """All that a policy decides on seeing these, one after another."""
    policy.start(views[0], np.random.default_rng(0))
    found = []
    for view in views:
        decision = policy.decide(view)
        numbers = decision if decision is None else [np.broadcast_to(x, 6).tobytes() for x in map(np.asarray, decision)]
        found.append(repr(numbers).encode())
    return found


@every_pacer
def test_it_learns_nothing_from_ticks_in_which_it_could_not_bid(name: str) -> None:
    """Whatever it is told of them, it decides the same ever after; told of others, it does not, if it learns at all."""
    witness = Witness(make_policy("pacing", "prior"))
    played(witness, seed=1)
    views = copy.deepcopy(witness.seen, {id(v.rehearsal): v.rehearsal for v in witness.seen})
    for number in range(9, 17):
        told = views[number].told._replace(could_bid=np.zeros(6, np.bool_), reach=np.full(6, 0.7))
        views[number] = views[number]._replace(told=told)
    wrong = [v._replace(told=v.told._replace(last=v.told.last._replace(spend=v.told.last.spend * 7 + 3))) for v in views]
    plain = decided(make_policy("pacing", name), views)
    away = [wrong[n] if n in range(9, 17) else view for n, view in enumerate(views)]
    there = [wrong[n] if n in range(1, 9) else view for n, view in enumerate(views)]
    assert decided(make_policy("pacing", name), away) == plain
    # Those that follow cumulative spend are not told of it here.
    assert (decided(make_policy("pacing", name), there) == plain) == (name in DEAF | {"pid", "linkedin"})


ABSENCE = Scenario.preset("tiny").override({"traffic.requests_per_day": 8_000, "demand.follows_demand": 0.0})


def absence(world: World, mode: str) -> Iterator[Any]:
    """Pauses the first campaign from 4:00, or from the start, to 12:00."""
    hour = 3_600_000_000
    yield world.env.timeout(4 * hour if mode == "paused" else 0)
    world.pause(0)
    yield world.env.timeout((8 if mode == "paused" else 12) * hour)
    world.launch(0)


@pytest.mark.parametrize("name", sorted(set(POLICIES) - HASTY))
@pytest.mark.parametrize("mode", ["paused", "launched"])
def test_after_an_absence_it_does_not_make_up_for_it_in_a_rush(name: str, mode: str) -> None:
    """Away from 4:00 to 12:00, or there from 12:00 only: in the next two hours it spends about what an even pace would.

    An even pace is over the traffic it could meet. Who keeps to a plan spends what prices make of it, away or not.
    """
    spent, even, without = 0.0, 0.0, 0.0
    for seed in range(4):
        away, there = (World(ABSENCE, {"pacing": {0: make_policy("pacing", name)}}, seed=seed) for _ in range(2))
        away.process(absence(away, mode))
        for world in (away, there):
            world.run()
        back = slice(12, 14)
        budget = away.campaigns.budget[0] / 1e6
        spent += away.ledger.spend()[back, 0].sum() / budget
        without += there.ledger.spend()[back, 0].sum() / budget
        missed = away.forecast[4 if mode == "paused" else 0 : 12].sum()
        even += away.forecast[back].sum() / (1 - missed)
    assert 0 < spent <= max(2.0 * even, 1.25 * without)


@every_pacer
def test_a_flight_that_begins_later_is_paced_from_then_on(name: str) -> None:
    """Paused for the whole of the first day, a campaign is planned for on the second as if it were the first."""
    world = World(TINY, {"pacing": make_policy("pacing", name)}, seed=0)

    def first_day(world: World) -> Iterator[Any]:
        world.pause(1)
        yield world.env.timeout(TINY.tick_us * 24 - 1)
        world.launch(1)

    world.process(first_day(world))
    world.run()
    spend = world.ledger.spend()[:, 1]
    assert spend[:24].sum() == 0
    assert spend[24:].sum() > 0
    assert within(world, name)
