"""A market split over shards: one is the plain market to the bit, several never overspend and have its distribution."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from adarena.agents.bidding import PID
from adarena.simulator import BidPolicy, ChunkBids, MarketError, Multiplier, Scenario, World, rule
from adarena.simulator.core.money import UNLIMITED
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import build
from adarena.simulator.requests.traffic import Intensity
from adarena.simulator.seats.bidding.decisions import RequestRule
from adarena.simulator.shards import Sharded
from adarena.simulator.shards.budgets import allowances
from adarena.simulator.shards.split import ROOM, activity, part, shard_of

MARKETS: dict[str, tuple[str, dict[str, Any]]] = {
    "bidding": ("bidding-small", {"traffic.requests_per_day": 5000}),
    "targets": ("bidding-tcpa", {"traffic.requests_per_day": 3000, "days": 2}),
    "one user": ("uniform", {"traffic.requests_per_day": 3000, "auction.pricing": "vcg", "auction.slots": 2,
                             "auction.exposure": [1.0, 0.6]}),
    "leads": ("leads", {"days": 2, "traffic.requests_per_day": 2000, "sessions": None}),
    "everything": ("tiny", {
        "days": 2, "creatives": {}, "fatigue": {}, "demand.frequency_cap": 3, "response.organic": {"rate": 0.01, "slope": 0.5},
        "response.attribution_days": 7.0, "auction.squashing": 0.7, "demand.billing": "cpa",
    }),
}  # fmt: skip
TIGHT = {"traffic.requests_per_day": 3000, "demand.budget_scale": 0.2}


def shocks(world: World) -> Generator[simpy.Event, Any, None]:
    """What users do in mid-tick, much of it at one instant."""
    yield world.at(days=0.3, seconds=13e-6)
    world.surge(2.0)
    world.scale_value(1, 1.3)
    world.top_up(0, 5.0)
    yield world.at(days=0.35, seconds=7.7)
    world.surge(0.5)
    world.surge(1.5)
    world.pause(1)
    world.set_multiplier(0, 0.5)
    yield world.env.timeout(12_345)
    world.launch(1)
    world.set_budget(1, 3.0)
    yield world.env.timeout(1)


def lived(scenario: Scenario, engine: Any, seed: int = 7) -> World:
    world = World(scenario, {"bidding": PID()}, seed, engine)
    world.process(shocks(world))
    world.run(scenario.horizon_us // 3)
    world.set_multiplier(1, 1.1)  # between two runs
    world.run()
    return world


def books(world: World) -> Iterator[tuple[str, np.ndarray]]:
    """All that is kept of a run, by name."""
    for name in ("counts", "sums", "left", "multiplier", "market_price"):
        yield name, getattr(world.ledger, name)
    for name, kept in world.books.items():
        frame = kept.to_frame()
        for column in frame.columns:
            yield f"{name}.{column}", np.asarray(frame[column])


@pytest.mark.parametrize("name", MARKETS)
def test_one_shard_is_the_plain_market_to_the_bit(name: str) -> None:
    preset, changes = MARKETS[name]
    scenario = Scenario.preset(preset).override(changes)
    plain, sharded = lived(scenario, "compiled"), lived(scenario, Sharded(1))
    assert plain.played == sharded.played > 1000
    assert plain.ledger.counts[:, Count.CLICKS].sum() > 10
    for (label, one), (_, other) in zip(books(plain), books(sharded), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes() if one.dtype != object else one.tolist() == other.tolist(), label


class Fickle(BidPolicy):
    """Bids anything from nothing to far too much."""

    def __init__(self) -> None:
        self._dice = np.random.default_rng(0)

    def decide(self, view: Any) -> Multiplier:
        return Multiplier(self._dice.choice([0.0, 0.5, 3.0, 50.0], len(view.campaigns)))


@pytest.mark.parametrize("shards", [2, 4, 8, 16])
@settings(max_examples=12)
@given(data=st.data())
def test_no_budget_is_overspent(shards: int, data: st.DataObject) -> None:
    """The books' own check is on after every tick; here money is also counted again from what shards were allowed."""
    billing = data.draw(st.sampled_from(["cpm", "cpc", "cpa"]))
    scenario = Scenario.preset("bidding-small").override(
        {"traffic.requests_per_day": 3000, "users.count": 300, "demand.campaigns": 6, "demand.billing": billing}
    )
    world = World(scenario, {"bidding": Fickle()}, data.draw(st.integers(0, 1000)), Sharded(shards))
    budgets = data.draw(st.lists(st.sampled_from([None, 20.0, 2.0, 0.3, 0.01, 2e-6]), min_size=6, max_size=6))
    more = data.draw(st.integers(0, 5))
    for k, budget in enumerate(budgets):
        world.set_budget(k, budget)

    def topped_up() -> Generator[simpy.Event, Any, None]:
        yield world.at(hours=data.draw(st.floats(1.0, 20.0)))
        world.top_up(more, 0.5)

    world.process(topped_up())
    world.run()
    spent = np.rint(world.ledger.spend().sum(axis=0) * 1e6).astype(int)
    for k, budget in enumerate(budgets):
        assert budget is None or spent[k] <= round(budget * 1e6) + 500_000 * (k == more)
    assert world.ledger.left.min() >= 0


@settings(max_examples=200)
@given(
    shards=st.integers(1, 16), turn=st.integers(0, 100),
    left=arrays.arrays(np.int64, 4, elements=st.one_of(st.integers(0, 40), st.integers(0, int(UNLIMITED) * 2))), data=st.data(),
)  # fmt: skip
def test_parts_never_exceed_what_is_left(shards: int, turn: int, left: Any, data: st.DataObject) -> None:
    spent = data.draw(arrays.arrays(np.int64, (shards, 4), elements=st.integers(0, 10**9))).astype(float)
    unit = data.draw(arrays.arrays(np.float64, 4, elements=st.sampled_from([1.0, 3.5, 1e6, np.inf])))
    later = np.array([False, False, False, True])
    parts = allowances(left, spent, unit, later, turn)
    assert parts.shape == (shards, 4)
    assert parts.min() >= 0
    assert (parts.sum(axis=0)[~later].astype(object) <= left[~later]).all()
    assert (parts[:, later] == left[later]).all()
    if shards == 1:
        assert (parts[0] == left).all()
    few = ~later & (left < np.minimum(unit, 2**50))  # less than one payment: one shard has it, up to a millionth
    assert (parts.max(axis=0)[few] >= left[few] - 1).all()


def test_shards_share_out_all_users_and_all_traffic() -> None:
    scenario = Scenario.preset("bidding-small").override({"users.count": 2000})
    people = build(scenario).users
    whole, parts = Intensity.of(scenario, 3), [part(people, 4, number) for number in range(4)]
    weight, held = activity(people), shard_of(2000, 4)
    assert np.bincount(held, minlength=4).min() > 400
    rates = sum(Intensity.of(scenario, 3, share=share).rate for _, share in parts)
    np.testing.assert_allclose(rates, whole.rate, rtol=1e-12)
    for number, (some, share) in enumerate(parts):
        assert share.first == number * ROOM
        own = activity(some)
        assert (own[held != number] < 1e-9).all()
        for segment in range(people.segment_start.size - 1):
            mine = (people.segment == segment) & (held == number)
            np.testing.assert_allclose(own[mine] / own[mine].sum(), weight[mine] / weight[mine].sum(), rtol=1e-6)


def test_users_ask_as_often_as_in_the_whole_market() -> None:
    """Requests by user over all shards against the whole market's: two samples of one distribution (chi-square)."""
    from scipy import stats

    scenario = Scenario.preset("tiny").override({"users.count": 60, "traffic.requests_per_day": 40_000})
    asked = {}
    for shards in (1, 4):
        world = World(scenario, {}, 1, Sharded(shards))
        counts = np.zeros(60, np.int64)
        for shard in world._engine._places._shards:  # type: ignore[attr-defined]

            def note(exchange: Any = shard._exchange, counts: Any = counts) -> None:
                if exchange.blocks.drawn:
                    counts[:] += np.bincount(exchange.state.block.users, minlength=60)

            shard._exchange.blocks.on_block.append(note)
        world.run()
        asked[shards] = counts
    table = np.stack([asked[1], asked[4]])
    assert table.sum(axis=1).min() > 20_000
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_several_shards_bring_what_the_whole_market_does() -> None:
    """Means over days, within four standard errors of their difference, where budgets do not bind."""
    scenario = Scenario.preset("bidding-small").override({"traffic.requests_per_day": 5000, "demand.campaigns": 12})
    found = []
    for engine in ("compiled", Sharded(4)):
        days = [World(scenario, {}, seed, engine) for seed in range(20)]
        for world in days:
            for name in world.campaigns.names:
                world.set_budget(name, None)
            world.run()
        found.append([[w.played, w.ledger.value().sum() / w.played, w.ledger.spend().sum() / w.played] for w in days])
    one, other = np.array(found)
    error = (one - other).std(axis=0, ddof=1) / np.sqrt(len(one))
    assert (np.abs((one - other).mean(axis=0)) < 4 * error).all()
    assert not np.array_equal(one, other)


@rule
def nothing(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Bids nothing."""
    return 0.0


@pytest.mark.parametrize(
    ("preset", "changes", "given", "said"),
    [
        ("queue", {}, {}, "servers, whose queue all requests share"),
        ("leads", {}, {}, "with sessions"),
        ("tiny", {}, {"record": 0}, "a journal, or a record for hindsight"),
        (
            "tiny",
            {"users.count": 8, "users.segments": 2},
            {"engine": Sharded(64)},
            "8 users are too few for 64 shards: one would have none",
        ),
        ("tiny", {}, {"engine": Sharded(0)}, "over a whole number of shards from 1 to .*, not 0"),
    ],
)
def test_what_cannot_be_split_is_refused(preset: str, changes: Any, given: Any, said: str) -> None:
    scenario = Scenario.preset(preset).override(changes)
    with pytest.raises(MarketError, match=said):
        World(scenario, **{"engine": Sharded(2), **given})


def test_a_journal_is_refused(tmp_path: Any) -> None:
    with pytest.raises(MarketError, match="a journal"):
        World(Scenario.preset("tiny"), engine=Sharded(2), journal=tmp_path / "journal")


@pytest.mark.parametrize(
    "decision", [ChunkBids(lambda requests: requests.rate), RequestRule(nothing, np.zeros((6, 0)))], ids=["block", "rule"]
)
def test_bids_by_request_are_refused(decision: Any) -> None:
    class ByRequest(BidPolicy):
        def decide(self, view: Any) -> Any:
            return decision

    world = World(Scenario.preset("tiny"), {"bidding": ByRequest()}, engine=Sharded(2))
    with pytest.raises(MarketError, match="decides a multiplier: no shard sees all requests"):
        world.run()
