"""The auction seat: reserves, squashing and quality against scenarios that have them and an auction by hand; in mid-run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import simpy
from by_hand import sold
from players import arrays_of
from seat_markets import ENGINES, MARKETS, TINY, InTurn, books
from tapes import Tape, give_tape

from adarena.simulator import BidPolicy, BidView, ChunkBids, MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.engine.state import Count
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.auction.view import AuctionView

HAPPENED = [Count.WINS, Count.IMPRESSIONS, Count.CLICKS, Count.SPEND, Count.CONVERSIONS]  # in a tick, because of it alone


class Sells(InTurn, AuctionPolicy):
    """Decides the same whenever it is asked, or from tick to tick what a list says; what was seen is kept."""


def played(scenario: Scenario, *decisions: Any, engine: Any = "compiled", **policies: Any) -> World:
    world = World(scenario, {**policies, **({"auction": Sells(*decisions)} if decisions else {})}, seed=3, engine=engine)
    world.run()
    return world


def taped(scenario: Scenario, act: Callable[[World], Any] | None = None, engine: Any = "compiled", **policies: Any) -> Tape:
    """The impressions of a world, in which the process that `act` makes has lived."""
    world = World(scenario, policies, seed=3, engine=engine)
    read = give_tape(world, 50_000)
    if act is not None:
        world.process(act(world))
    world.run()
    return read()


# As scenarios have it.


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("decision", "settings"),
    [
        (Sale(0.2), {"auction.reserve": 0.2}),
        (Sale(squashing=0.4), {"auction.squashing": 0.4}),
        (Sale(0.1, 0.0), {"auction.reserve": 0.1, "auction.squashing": 0.0}),
        (Sale(0.1, 1.7, 1.0), {"auction.reserve": 0.1, "auction.squashing": 1.7}),
    ],
    ids=["reserve", "squashing", "both", "steeper"],
)
def test_what_is_decided_from_the_first_tick_on_is_what_a_scenario_says(
    market: str, decision: Sale, settings: dict[str, Any], engine: Any
) -> None:
    scenario = MARKETS[market]
    decided, said = played(scenario, decision, engine=engine), played(scenario.override(settings))
    assert books(decided) == books(said) != books(played(scenario))
    assert decided.ledger.counts[:, Count.WINS].sum() > 50


@pytest.mark.parametrize("market", MARKETS)
def test_what_changes_from_tick_to_tick_is_played_tick_by_tick(market: str) -> None:
    """Each tick goes as in a world that has had its rules all day; what waits for servers is sold by those of its auction."""
    scenario = MARKETS[market].override({"auction.pricing": "vcg"})
    decisions = Sale(1e-4, 1.0), Sale(0.2, 0.3), Sale(1e-4, 0.0), Sale(0.15, 1.0)
    mixed = played(scenario, *decisions).ledger
    for number, decision in enumerate(decisions):
        constant = played(scenario, decision).ledger
        ticks = slice(number, None, len(decisions))
        np.testing.assert_array_equal(mixed.counts[ticks][:, HAPPENED], constant.counts[ticks][:, HAPPENED])
        assert (mixed.counts[:, HAPPENED] != constant.counts[:, HAPPENED]).any()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.set_squashing(0.2),
        lambda world: world.set_reserve(0.2),
        lambda world: [world.set_reserve(0.4, campaign) for campaign in (0, 3, world.campaigns.names[4])],
    ],
    ids=["squashing", "reserve", "reserves"],
)
def test_what_a_process_changes_holds_for_every_auction_after_it(
    market: str, change: Callable[[World], Any], engine: Any
) -> None:
    """To the microsecond, for those who wait for servers, too."""
    scenario, now = MARKETS[market], 40_000_000_007

    def process(world: World, time: int = now) -> Generator[simpy.Event, Any, None]:
        yield world.env.timeout(time)
        change(world)

    def at_once(world: World) -> Generator[simpy.Event, Any, None]:
        return process(world, 0)

    before, after, mixed = taped(scenario), taped(scenario, at_once), taped(scenario, process, engine)
    for times, whole in ((lambda t: t < now, before), (lambda t: t >= now, after)):
        np.testing.assert_array_equal(mixed.ints[times(mixed.column("time_us"))], whole.ints[times(whole.column("time_us"))])
    assert not np.array_equal(mixed.ints, before.ints)
    assert not np.array_equal(mixed.ints, after.ints)
    assert (mixed.column("time_us") > now).sum() > 50 < (mixed.column("time_us") < now).sum()


# As an auction by hand has it.


class Scripted(BidPolicy):
    """Bids that are drawn by request, not told by anything else; what was bid at what click rate is kept by request."""

    def __init__(self, seed: int) -> None:
        self.seed, self.bid, self.rate = seed, dict[int, np.ndarray](), dict[int, np.ndarray]()

    def decide(self, view: BidView) -> ChunkBids:
        return ChunkBids(self._bids)

    def _bids(self, requests: Any) -> np.ndarray:
        count = len(requests.rate)
        found = np.array([np.random.default_rng([self.seed, n]).lognormal(0, 0.5, count) for n in requests.number]).T
        for column, number in enumerate(requests.number.tolist()):
            self.bid[number], self.rate[number] = found[:, column], requests.rate[:, column]
        return found


RESERVES, QUALITY = np.array([0.5, 1.2, 1e-6, 0.9, 0.3]), np.array([1.0, 0.6, 1.5, 2.0, 0.3])


@pytest.mark.parametrize("exposure", [(1.0,), (1.0, 0.8, 0.6)], ids=["one slot", "three slots"])
@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
@pytest.mark.parametrize(
    ("reserve", "squashing", "quality"),
    [(RESERVES, 1.0, 1.0), (RESERVES, 0.5, QUALITY), (0.8, 0.0, QUALITY), (1e-6, 1.6, 1.0), (RESERVES, 1.0, QUALITY)],
    ids=["reserves", "all", "by bid alone", "steep", "quality"],
)
def test_slots_are_sold_as_by_hand(
    pricing: str, exposure: tuple[float, ...], reserve: Any, squashing: float, quality: Any
) -> None:
    """Winner and price of every slot seen, whatever the rules; also where they are decided only at the third tick."""
    settings = {"auction.pricing": pricing, "auction.slots": len(exposure), "auction.exposure": exposure, "rates.low": 0.05}
    scenario = Scenario.preset("uniform", bidders=5, requests=800).override({**settings, "ticks_per_day": 8})
    bidder = Scripted(1)
    plain, decided = Sale(1e-6, 1.0, 1.0), Sale(reserve, squashing, quality)
    tape = taped(scenario, bidding=bidder, auction=Sells(plain, plain, *[decided] * 6))
    seen = 0
    for request, slot, campaign, price in zip(*(tape.column(c) for c in ("request", "slot", "campaign", "price")), strict=True):
        rules = (reserve, quality, squashing) if request >= 200 else (1e-6, 1.0, 1.0)
        floors, weights = (np.broadcast_to(x, 5) for x in rules[:2])
        weights = weights * bidder.rate[request] ** (rules[2] - 1)
        k, its_price = sold(bidder.bid[request], weights, floors, pricing, exposure)[slot]
        assert (request, campaign) == (request, k)
        assert abs(price / 1e6 - its_price) <= 1e-6 + 5e-7 * its_price  # prices are rounded down, ranks are float32
        assert price >= floors[k] * 1e6 - 0.5
        seen += 1
    assert seen > 500


def test_a_winner_pays_the_rivals_bid_times_quality_over_its_own() -> None:
    """One slot, second price: bids 4 and 3 at quality .5 and 1: the second wins and pays 4 x .5 / 1."""

    class Bids(BidPolicy):
        def decide(self, view: BidView) -> ChunkBids:
            return ChunkBids(lambda r: np.repeat([[4.0], [3.0]], r.number.size, axis=1))

    scenario = Scenario.preset("uniform", bidders=2, requests=300).override({"ticks_per_day": 3})
    decisions = Sale(quality=[0.5, 1.0]), Sale(quality=[1.0, 1.0]), Sale([2.5, 2.9], quality=[0.8, 1.0])
    tape = taped(scenario, bidding=Bids(), auction=Sells(*decisions))
    third = np.arange(300) // 100
    assert tape.column("campaign").tolist() == np.array([1, 0, 0])[third].tolist()
    np.testing.assert_allclose(tape.column("price"), np.array([2e6, 3e6, 3e6 / 0.8])[third], atol=1)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("pricing", ["second", "gsp", "vcg"])
def test_nobody_pays_less_than_its_own_reserve(market: str, pricing: str) -> None:
    scenario = MARKETS[market].override({"auction.pricing": pricing})
    count = len(World(scenario).campaigns.names)
    reserve = np.random.default_rng(0).choice([1e-6, 0.05, 0.2, 0.5], count)
    tape = taped(scenario, auction=Sells(Sale(reserve, 0.8, np.linspace(0.5, 2, count))))
    its = reserve[tape.column("campaign")] * 1e6
    assert (tape.column("price") >= np.floor(its)).all()
    assert (tape.column("bid") >= tape.column("price")).all()
    at = (tape.column("price") == np.ceil(its)) & (its > 1000)
    assert at.sum() > 5  # some pay just that
    assert (tape.column("price") > its + 1).sum() > 5


@pytest.mark.parametrize("market", MARKETS)
def test_one_quality_for_all_changes_no_sale(market: str) -> None:
    plain, fourfold = taped(MARKETS[market]), taped(MARKETS[market], auction=Sells(Sale(quality=4.0)))
    np.testing.assert_array_equal(plain.ints, fourfold.ints)


NOISY = Scenario.preset("uniform", bidders=2, requests=600).override({"ticks_per_day": 3, "rates.belief_noise": 0.3})


def test_quality_counts_where_a_believed_rate_is_not_above_zero() -> None:
    """Noise may put it there; who bids by request bids all the same: 1.1 at quality 1/2 never wins against 1."""

    class Bids(BidPolicy):
        def decide(self, view: BidView) -> ChunkBids:
            return ChunkBids(lambda r: np.repeat([[1.0], [1.1]], r.number.size, axis=1))

    tape = taped(NOISY, bidding=Bids(), auction=Sells(Sale(quality=[1.0, 0.5])))
    assert (tape.believed < 0).sum() > 20
    assert (tape.column("campaign") == 0).all()


def test_squashing_needs_believed_rates_above_zero() -> None:
    """As scenarios do: no power of a negative rate is a weight."""
    with pytest.raises(MarketError, match="above zero"):
        World(NOISY).set_squashing(0.5)
    with pytest.raises(PolicyError, match="above zero"):
        World(NOISY, {"auction": Sells(Sale(squashing=0.5))}).run()
    World(NOISY, {"auction": Sells(Sale(squashing=1.0))}).run()


def test_none_leaves_things_as_they_are() -> None:
    """Each part of the rules by itself, and all when nothing is decided."""
    world = played(TINY, Sale(0.01), Sale(squashing=0.5), Sale(quality=[1, 2, 1, 1, 3, 1]), Sale(), None)
    policy = world._rosters[0].holdings[0].policy
    reserve, squashing, quality = 1e-4, 1.0, [1.0] * 6
    for tick, view in enumerate(policy.seen):
        assert view.rules.reserve.tolist() == pytest.approx([reserve] * 6, abs=1e-9)
        assert (view.rules.squashing, view.rules.quality.tolist()) == (squashing, quality)
        assert view.usual.reserve.tolist() == pytest.approx([1e-4] * 6, abs=1e-9)
        assert (view.usual.squashing, view.usual.quality.tolist()) == (1.0, [1.0] * 6)
        reserve = 0.01 if tick % 5 == 0 else reserve
        squashing = 0.5 if tick % 5 == 1 else squashing
        quality = [1, 2, 1, 1, 3, 1] if tick % 5 == 2 else quality


def test_what_is_seen_is_what_campaigns_bid_and_were_told() -> None:
    policy = Sells(None)
    world = World(TINY, {"auction": policy}, seed=1)
    world.pause(2)
    world.set_pace(4, 0.5)
    world.run()
    for tick, view in enumerate(policy.seen):
        assert view.told.campaigns == world.campaigns.names
        assert view.vertical.tolist() == list(world.campaigns.vertical)
        np.testing.assert_allclose(view.bid, view.told.target * [1, 1, 0, 1, 0.5, 1])
        if tick:
            np.testing.assert_array_equal(view.told.last.impressions, world.ledger.counts[tick - 1, Count.IMPRESSIONS])
    assert len(policy.seen) == 24


def test_what_a_process_does_is_in_the_journal(tmp_path: Path) -> None:
    world = World(TINY, journal=tmp_path)
    world.set_reserve(0.2)
    world.set_reserve(0.3, "c2")
    world.set_squashing(0.5)
    world.set_pace(4, 0.5, 0.25)
    world.run()
    events = pq.read_table(tmp_path / "events.parquet").to_pandas()
    assert events[["what", "campaign", "amount"]].to_numpy().tolist() == [
        ["set_reserve", -1, 0.2], ["set_reserve", 2, 0.3], ["set_squashing", -1, 0.5], ["set_pace", 4, 0.125],
    ]  # fmt: skip


def test_what_is_seen_is_the_policys_own() -> None:
    """Whoever writes over all that it is shown, where that can be done, changes neither the market nor what it sees next."""

    class Vandal(Sells):
        def decide(self, view: AuctionView) -> Any:
            self.seen.append(view.usual.reserve.sum())
            for array in arrays_of(view):
                if array.flags.writeable:
                    array[...] = 1
            return Sale(0.1) if view.told.tick == 3 else None

    scenario = TINY.override({"name": "written over"})  # which shares nothing with those of other tests
    world, plain = World(scenario, {"auction": (vandal := Vandal())}, seed=3), World(scenario, seed=3)

    def process() -> Generator[simpy.Event, Any, None]:
        yield plain.env.timeout(3 * TINY.tick_us)
        plain.set_reserve(0.1)

    plain.process(process())
    for one in (world, plain):
        one.run()
    assert books(world) == books(plain)
    assert len(set(vandal.seen)) == 1


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (0.5, r"^Sells must decide a Sale, not float$"),
        (Sale([0.5, 0.5]), r"^Sells must decide a reserve for each of 6 campaigns, or for all, not \[0\.5, 0\.5\]$"),
        (Sale("high"), r"^Sells must decide a reserve for each of 6 campaigns, or for all, not 'high'$"),
        (Sale(quality=[[1.0] * 6]), r"^Sells must decide a quality for each of 6 campaigns, or for all, not \[\["),
        (Sale(float("nan")), r"^Sells decided the reserve nan: numbers from 1e-06 to 1e\+09 are allowed$"),
        (Sale(0.0), r"^Sells decided the reserve 0\.0: numbers from 1e-06 to 1e\+09 are allowed$"),
        (Sale([1, 1, 1, -1, 1, 1]), r"^Sells decided the reserve -1\.0: numbers from 1e-06 to 1e\+09 are allowed$"),
        (Sale(1.1e9), r"^Sells decided the reserve 1100000000\.0: numbers from 1e-06 to 1e\+09 are allowed$"),
        (Sale(quality=0.0), r"^Sells decided the quality 0\.0: numbers from 1e-06 to "),
        (Sale(quality=[1, 1, 1, 1, 1, float("inf")]), r"^Sells decided the quality inf: numbers from 1e-06 to "),
        (Sale(squashing=-0.1), r"^Sells decides squashing from 0 to 100, not -0\.1$"),
        (Sale(squashing=101), r"^Sells decides squashing from 0 to 100, not 101$"),
        (Sale(squashing=float("nan")), r"^Sells decides squashing from 0 to 100, not nan$"),
        (Sale(squashing="flat"), r"^Sells decides squashing from 0 to 100, not 'flat'$"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_allowed_is_said_in_a_sentence(decision: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        World(TINY, {"auction": Sells(decision)}).run()


def test_a_refused_decision_changes_nothing() -> None:
    """Left open, the seat may be answered again; nor does a process change anything that is refused."""
    world = World(TINY, {"auction": Open()}, seed=3)
    while world.until_asked() is not None:
        for wrong in (Sale(0.5, squashing=-1.0), Sale(-1.0), Sale(0.5, 0.5, 0.0)):
            with pytest.raises(PolicyError):
                world.answer(wrong)
        for act in (lambda: world.set_reserve(2e9), lambda: world.set_reserve(0.5, "c9"), lambda: world.set_squashing(-1)):
            with pytest.raises(MarketError):
                act()
        world.answer(None)
    assert books(world) == books(played(TINY))
