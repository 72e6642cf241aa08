"""The pacing seat: what its decisions do to bids of every form, in both engines, over shards; who sits out, and that nobody
overspends."""

from __future__ import annotations

from collections.abc import Callable, Generator
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios
from players import Pacer, Seller, actions, arrays_of, arrivals, may_squash, policies
from tapes import Tape, assert_same, give_tape

from adarena.simulator import (
    BidPolicy,
    BidView,
    ChunkBids,
    Multiplier,
    Open,
    PolicyError,
    RequestFunction,
    RequestRule,
    Scenario,
    World,
    rule,
)
from adarena.simulator.core.chance import Stream, stream_keys, uniforms
from adarena.simulator.engine.state import Count
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView
from adarena.simulator.shards import Sharded

TINY = Scenario.preset("tiny")
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 300.0}})
SMALL_FEED = {
    "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
    "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}, {"recall": 0, "rough": 0, "fine": 4, "after_wait_s": 0.2}],
    "serving.servers": 2, "serving.service_s": 20.0, "serving.deadline_s": 60.0, "rates.click_rate": 0.02,
}  # fmt: skip


class Paced(PacingPolicy):
    """One decision, whatever is seen; what was seen is kept."""

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self.seen: list[PacingView] = []

    def decide(self, view: PacingView) -> Any:
        self.seen.append(view)
        return self.decision


def books(world: World) -> str:
    """A digest of all that is kept of the campaigns but the bids themselves."""
    ledger = world.ledger
    return blake2b(b"".join(a.tobytes() for a in (ledger.counts, ledger.sums, ledger.left, ledger.market_price))).hexdigest()


# What campaigns bid, paced by themselves: each form with all bids multiplied by a factor.


@rule
def spends_evenly(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Every third request is left to others; state: requests asked for, target, factor."""
    state[0] += 1.0
    if state[0] % 3 == 0:
        return 0.0
    return state[2] * min(state[1] * rate, 4.0 * budget_left / max(requests_left, 1))


class Bids(BidPolicy):
    """Bids in one form, from the first tick on, times a factor."""

    def __init__(self, form: str, factor: float) -> None:
        self.form, self.factor = form, factor

    def decide(self, view: BidView) -> Any:
        if view.tick:
            return None
        target, factor = view.target.copy(), self.factor
        if self.form == "multiplier":
            return Multiplier(1.25 * factor)
        if self.form == "rule":
            state = np.column_stack([np.zeros_like(target), target / view.rule_unit, np.full_like(target, factor)])
            return RequestRule(spends_evenly, state)
        if self.form == "chunk":
            return ChunkBids(lambda r: factor * r.rate * target[:, None] * (1 + r.number % 3))

        def bid(campaign: int, rate: float, budget_left: float, requests_left: int) -> float:
            return float(factor * min(target[campaign] * rate, 4.0 * budget_left / max(requests_left, 1)))

        return RequestFunction(bid)


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


# Who sits out.


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


# Both seats held, and deeds at odd times.


def lived(scenario: Scenario, kinds: str, deeds: list[Any], seed: int, engine: Any) -> tuple[World, Any]:
    """A world in which all seats are held by those who react to what they see; and all that they saw."""
    pacer, seller = Pacer(), Seller(may_squash(scenario))
    count = len(World(scenario).campaigns.names)
    paced = {k: pacer for k in range(count) if k % 3 != 2}
    bidders = policies(kinds)
    world = World(scenario, {"bidding": bidders, "pacing": paced, "auction": seller}, seed, engine)
    for deed in deeds:
        world.process(deed.process(world))
    world.run()
    return world, (bidders, pacer.seen, seller.seen)


@pytest.mark.parametrize("kind", ["plain", "served", "funnel", "people"])
@settings(max_examples=25)
@given(data=st.data())
def test_engines_agree_where_all_seats_are_held(kind: str, data: st.DataObject) -> None:
    """To the last bit, in random markets, with deeds of users at any time: prices, pace and rules among them."""
    served = kind == "served" or (kind != "plain" and data.draw(st.booleans()))
    scenario = data.draw(scenarios(most_requests=800, served=served, funnel=kind == "funnel", people=kind == "people"))
    seed = data.draw(st.integers(0, 1 << 40))
    count = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    kinds = data.draw(st.text("-mM" if kind == "funnel" else "-mcrxMCRX", min_size=count, max_size=count))
    deeds = data.draw(actions(scenario, arrivals(scenario, seed)))
    one, two = (lived(scenario, kinds, deeds, seed, engine) for engine in ("compiled", "events"))
    assert_same((one[0], one[1][0]), (two[0], two[1][0]))
    assert one[1][1:] == two[1][1:]
    for name in ("pace", "taking"):
        assert getattr(one[0].ledger, name).tobytes() == getattr(two[0].ledger, name).tobytes()


SHARDED: dict[str, tuple[str, dict[str, Any]]] = {
    "bidding": ("bidding-small", {"traffic.requests_per_day": 4000}),
    "vcg": ("uniform", {"traffic.requests_per_day": 3000, "auction.pricing": "vcg", "auction.slots": 2,
                        "auction.exposure": [1.0, 0.6], "ticks_per_day": 24}),
    "everything": ("tiny", {"days": 2, "creatives": {}, "fatigue": {}, "demand.frequency_cap": 3, "auction.squashing": 0.7,
                            "demand.billing": "cpa"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARDED)
def test_one_shard_is_the_plain_market_where_all_seats_are_held(name: str) -> None:
    """To the bit, with campaigns paced, throttled, reserved and squashed by seats and by processes, in ticks and within."""
    preset, changes = SHARDED[name]
    scenario = Scenario.preset(preset).override(changes)

    def process(world: World) -> Generator[simpy.Event, Any, None]:
        yield world.at(days=0.31, seconds=13e-6)
        world.set_pace(0, 0.4)
        world.set_reserve(0.02, 1)
        yield world.at(days=0.4, seconds=7.7)
        world.set_pace(1, 0.9, 0.5)
        world.set_squashing(0.3)
        yield world.env.timeout(12_345)
        world.set_reserve(1e-3)
        world.set_squashing(1.0)

    found = []
    for engine in ("compiled", Sharded(1)):
        pacer, seller = Pacer(), Seller()
        world = World(scenario, {"pacing": {0: pacer, 1: pacer}, "auction": seller}, 7, engine)
        world.process(process(world))
        world.run()
        found.append((books(world), world.ledger.pace.tobytes(), world.ledger.taking.tobytes(), pacer.seen, seller.seen))
        assert world.ledger.is_paced
        assert world.ledger.counts[:, Count.WINS].sum() > 500
    assert found[0] == found[1]


@pytest.mark.parametrize("engine", ["compiled", "events", Sharded(4)])
@pytest.mark.parametrize("billing", ["cpm", "cpc", "cpa"])
def test_no_budget_is_overspent(engine: Any, billing: str) -> None:
    scenario = Scenario.preset("bidding-small").override(
        {"traffic.requests_per_day": 3000, "users.count": 300, "demand.campaigns": 6, "demand.billing": billing}
    )
    world = World(scenario, {"pacing": Pacer(), "auction": Seller()}, 1, engine)
    budgets = [20.0, 2.0, 0.3, 0.01, 2e-6, 5.0]
    for k, budget in enumerate(budgets):
        world.set_budget(k, budget)
    world.run()
    spent = world.ledger.spend().sum(axis=0)
    assert (np.rint(spent * 1e6) <= np.array(budgets) * 1e6).all()
    assert world.ledger.left.min() >= 0
    assert spent.sum() > 1


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
