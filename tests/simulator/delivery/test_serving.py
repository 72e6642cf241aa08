"""Servers: against an independent queue written out event by event, closed rules, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.simulator import BidPolicy, BidView, ChunkBids, Multiplier, Scenario, World
from adarena.simulator.core.errors import AdArenaError
from adarena.simulator.core.histogram import OCTAVE, quantile_us
from adarena.simulator.delivery.queue import Served

HOUR = 3600


def market(requests: int = 3_000, arrivals: str = "poisson", **serving: Any) -> Scenario:
    """An hour in which requests do nothing but queue, in six ticks."""
    return Scenario.preset("queue", requests=requests).override(
        {"day_s": HOUR, "ticks_per_day": 6, "traffic.arrivals": arrivals, "serving": serving}
    )


def by_hand(
    times: list[int], work: int, deadline: int, tiers: list[int], sizes: list[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[int]]:
    """The queue, slowly: a list of those who wait, looked through at each instant of interest.

    Returns (start, request) of those served and the requests that left. `sizes` are (time, servers) from the start on. All
    services take `work`.
    """
    begun: list[tuple[int, int]] = []
    left: list[int] = []
    waiting: list[int] = []
    busy: list[int] = []  # ends
    moments = {t for t, _ in sizes} | set(times)
    while moments:
        now = min(moments)
        moments.discard(now)
        size = [n for t, n in sizes if t <= now][-1]
        # What ends now ends before anybody's patience does, and before others come.
        busy = [end for end in busy if end > now]
        order = sorted(waiting, key=lambda i: (tiers[i], i))
        for i in order:
            if len(busy) < size:
                waiting.remove(i)
                begun.append((now, i))
                busy.append(now + work)
                moments.add(now + work)
        for i in list(waiting):
            if now >= times[i] + deadline:
                waiting.remove(i)
                left.append(i)
        for i in [i for i, t in enumerate(times) if t == now]:
            if len(busy) < size:
                begun.append((now, i))
                busy.append(now + work)
                moments.add(now + work)
            else:
                waiting.append(i)
                moments.add(now + deadline)
    return begun, left


@settings(max_examples=40)
@given(
    servers=st.sampled_from([1, 2, 5]),
    load=st.sampled_from([0.5, 0.9, 1.6]),
    patience=st.sampled_from([0.3, 1.5, 4.0, 1e6]),
    outages=st.lists(st.tuples(st.integers(0, HOUR), st.integers(1, HOUR // 3), st.integers(1, 6)), max_size=3),
    seed=st.integers(0, 1000),
    tiers=st.booleans(),
    engine=st.sampled_from(["compiled", "events"]),
)
def test_an_hour_against_a_queue_by_hand(
    servers: int, load: float, patience: float, outages: list[tuple[int, int, int]], seed: int, tiers: bool, engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    requests = 400
    service = load * servers * HOUR / requests
    scenario = market(
        requests, servers=servers, service_s=service, service="fixed", deadline_s=patience * service,
        outages=[{"start_s": a, "duration_s": b, "servers": n} for a, b, n in outages],
    )  # fmt: skip
    if tiers:
        scenario = scenario.override({"users.segments": 3, "users.count": 50, "users.tiers": [2, 0, 1]})
    folder = tmp_path_factory.mktemp("journal")
    world = World(scenario, seed=seed, engine=engine, journal=folder)
    world.run()
    assert world.serving is not None
    log = pq.read_table(folder / "requests.parquet").to_pydict()
    tier = [[2, 0, 1][segment] for segment in log["segment"]] if tiers else [0] * len(log["segment"])
    work, deadline, end = int(service * 1e6), round(patience * service * 1e6), HOUR * 10**6
    changes = sorted({0, *(a * 10**6 for a, _, _ in outages), *((a + b) * 10**6 for a, b, _ in outages)})
    sizes = [(t, max(servers - sum(n for a, b, n in outages if a * 10**6 <= t < (a + b) * 10**6), 0)) for t in changes]
    begun, left = by_hand(log["time_us"], work, deadline, tier, sizes)
    begun = [(t, i) for t, i in begun if t < end]
    done = [(t, i) for t, i in begun if t + work < end]
    late = [i for t, i in done if t + work - log["time_us"][i] > deadline]
    total = world.serving.counts.sum(axis=0)
    assert total[Served.ARRIVED] == len(log["time_us"])
    assert total[Served.BEGUN] == len(begun)
    assert total[Served.WAIT_US] == sum(t - log["time_us"][i] for t, i in begun)
    assert total[Served.LATE] == len(late)
    assert total[Served.AUCTIONED] == len(done) - len(late)
    assert total[Served.GAVE_UP] == sum(log["time_us"][i] + deadline < end for i in left)
    shown = pq.read_table(folder / "impressions.parquet").to_pydict()
    served = {i: t + work for t, i in done if i not in late}
    assert shown["time_us"] == [served[i] for i in shown["request"]]


def test_without_servers_to_spare_every_request_waits_in_turn() -> None:
    """Requests every 10 s at one server that takes 15 s: the n-th waits 5 s longer than the one before."""
    scenario = market(360, "even", servers=1, service_s=15.0, service="fixed")
    world = World(scenario)
    world.run()
    assert world.serving is not None
    total = world.serving.counts.sum(axis=0)
    assert total[Served.BEGUN] == 240
    assert total[Served.WAIT_US] == pytest.approx(sum(5_000_000 * n for n in range(240)), abs=240)  # whole microseconds
    assert world.serving.under_way[-1] == 120 + 1
    assert world.serving.to_frame()["load"].tolist() == [1.0] * 6


def test_an_unserved_request_sells_nothing_and_spends_nothing() -> None:
    scenario = market(servers=1, service_s=2.0, deadline_s=1.0, service="fixed")
    world = World(scenario)
    world.run()
    assert world.serving is not None
    total = world.serving.counts.sum(axis=0)
    assert total[Served.AUCTIONED] == 0
    assert total[Served.LATE] > 1000
    assert total[Served.GAVE_UP] > 0
    assert world.ledger.spend().sum() == 0
    assert world.ledger.requests().sum() == 0


def test_auctions_are_told_and_charged_when_they_are_answered() -> None:
    """What campaigns are told of counts auctions, and the journal dates impressions by the answer."""
    scenario = market(servers=3, service_s=1.0)
    world = World(scenario)
    world.run()
    assert world.serving is not None
    np.testing.assert_array_equal(world.ledger.requests(), world.serving.counts[:, Served.AUCTIONED])


def test_the_first_tier_hardly_waits() -> None:
    """Two tiers at 95% load: the first sees a server that is less than half as busy."""
    base = {"day_s": HOUR * 24, "users.segments": 2, "users.count": 100, "serving.servers": 1}
    scenario = Scenario.preset("queue", requests=100_000).override(base | {"serving.service_s": 0.95 * 0.864})
    waits = {}
    for tiers in ((), (0, 1)):
        world = World(scenario.override({"users.tiers": tiers}), seed=1)
        world.run()
        assert world.serving is not None
        waits[tiers] = world.serving
    one, two = waits[()], waits[(0, 1)]
    assert one.counts[:, Served.WORK_US].sum() == pytest.approx(two.counts[:, Served.WORK_US].sum(), rel=1e-3)
    # The order of service does not change the mean wait as long as it does not look at the work (Kleinrock's law).
    assert one.counts[:, Served.WAIT_US].sum() == pytest.approx(two.counts[:, Served.WAIT_US].sum(), rel=0.1)
    assert two.quantiles(0.5) < one.quantiles(0.5) / 2
    assert two.quantiles(0.99) > one.quantiles(0.99)


def test_servers_are_ordered_for_the_work_that_comes() -> None:
    """Load .7 wanted of a demand of 7 servers: ten of them, after the delay."""
    scaling = {"least": 2, "most": 40, "utilisation": 0.7, "every_s": 300, "delay_s": 600}
    scenario = market(36_000, servers=40, service_s=0.7, autoscaling=scaling)
    world = World(scenario, seed=3)
    world.run(899 * 10**6)
    assert world._exchange.queue is not None
    assert world._exchange.queue.control[0] == 40
    world.run()
    assert world.serving is not None
    assert (world.serving.capacity[2:] >= 10).all()
    assert (world.serving.capacity[2:] <= 11).all()


def test_load_is_of_the_time_that_servers_had(tmp_path: Path) -> None:
    """All four servers down for half of the third tick: of what is left of it, as much is worked as in any other."""
    tick_s = HOUR / 6
    outage = {"start_s": 2.25 * tick_s, "duration_s": tick_s / 2, "servers": 4}
    scenario = market(36_000, servers=4, service_s=0.1, service="fixed", deadline_s=1.0, outages=[outage])
    world = World(scenario.override({"ticks_per_day": 6}), journal=tmp_path)
    world.run()
    assert world.serving is not None
    frame = world.serving.to_frame()
    np.testing.assert_allclose(frame["servers"], [4, 4, 2, 4, 4, 4], rtol=1e-6)
    np.testing.assert_allclose(frame["load"], 0.25, rtol=0.05)
    events = pq.read_table(tmp_path / "events.parquet").to_pydict()
    assert list(zip(events["time_us"], events["what"], events["amount"], strict=True)) == [
        (round(2.25 * tick_s * 1e6), "servers_working", 0),
        (round(2.75 * tick_s * 1e6), "servers_working", 4),
    ]


def test_an_outage_takes_the_servers_that_are_there_and_brings_back_those_alone() -> None:
    """Fifty fail of two: those ordered meanwhile work. One of them is repaired by hand: the other comes back by itself."""
    outage = {"start_s": 60.0, "duration_s": 600.0, "servers": 50}
    world = World(market(servers=2, service_s=0.01, outages=[outage]))
    fleet = world._exchange.fleet
    assert fleet is not None
    seen = []
    for minute, deed in ((2, lambda: world.set_servers(10)), (5, lambda: world.repair_servers(1)), (12, lambda: None)):
        world.run(minute * 60_000_000)
        deed()
        seen.append((fleet.working, fleet.failed))
    assert seen == [(8, 2), (9, 1), (10, 0)]


def test_quantiles_are_known_to_two_per_cent() -> None:
    dice = np.random.default_rng(0)
    latency = dice.lognormal(10, 1.5, 100_000)
    histogram = np.bincount((np.log2(latency) * OCTAVE).astype(int))
    for share in (0.01, 0.5, 0.95, 0.99):
        assert quantile_us(histogram, share) / 1000 == pytest.approx(np.quantile(latency, share) / 1000, rel=0.022)
    assert np.isnan(quantile_us(np.zeros(10), 0.5))


def test_a_market_without_servers_has_none_to_set() -> None:
    with pytest.raises(AdArenaError, match="set_servers needs a market with servers, and scenario 'tiny' has none"):
        World(Scenario.preset("tiny")).set_servers(3)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda w: w.set_servers(-1), "a number of servers is a whole number from 0 to 100,000, not -1"),
        (lambda w: w.set_servers(1.5), "not 1.5"),
        (lambda w: w.repair_servers(1), "1 servers cannot be repaired: 0 have failed"),
    ],
)
def test_mistakes_about_servers_are_one_sentence(what: Any, words: str) -> None:
    with pytest.raises(AdArenaError, match=words):
        what(World(market(servers=1, service_s=1.0)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"servers": 0, "service_s": 1.0}, "serving.servers cannot be 0"),
        ({"servers": 1}, "serving.service_s is missing"),
        ({"servers": 1, "service_s": 1.0, "autoscaling": {"least": 5, "most": 2}}, "least must not exceed most, and 5 does 2"),
        ({"servers": 1, "service_s": 1.0, "deadline": 3}, "no field 'deadline'"),
    ],
)
def test_wrong_servers_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(AdArenaError, match=words) as caught:
        market(**settings)
    assert "\n" not in str(caught.value)


class Offers(BidPolicy):
    """Bids an amount for every request, and from some tick on a multiplier that is worth nothing."""

    def __init__(self, amount: float, until: int) -> None:
        self.amount, self.until = amount, until

    def decide(self, view: BidView) -> ChunkBids | Multiplier:
        if view.tick >= self.until:
            return Multiplier(1e-6)
        return ChunkBids(lambda requests: np.full((1, requests.number.size), self.amount))


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_bids_for_requests_that_wait_stay_with_their_campaign(tmp_path: Path, engine: Any) -> None:
    """Nobody is served before the third of six ticks, in which one of two stops to bid by request: the other's bids stand."""
    outage = {"start_s": 0.0, "duration_s": 2.5 * HOUR / 6, "servers": 1}
    serving = {"servers": 1, "service_s": 0.1, "service": "fixed", "outages": [outage]}
    scenario = Scenario.preset("uniform", bidders=2, requests=3_000)
    scenario = scenario.override({"day_s": HOUR, "ticks_per_day": 6, "serving": serving})
    World(scenario, {"bidding": {0: Offers(0.7, 2), 1: Offers(0.3, 9)}}, engine=engine, journal=tmp_path).run()
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    waited = shown[shown["request"] < 500]  # those of the first tick
    assert len(waited) == 500
    np.testing.assert_allclose(waited["bid"], 0.3, rtol=1e-6)
    assert set(waited["campaign"]) == {1}


def test_a_long_queue_moves_from_block_to_block(tmp_path: Path) -> None:
    """With no server for half the hour thousands wait, bids and all; then they are auctioned in the order they came."""
    scenario = market(
        6_000, servers=50, service_s=0.001, service="fixed", outages=[{"start_s": 0, "duration_s": HOUR / 2, "servers": 50}]
    )
    world = World(scenario, journal=tmp_path)
    world.run()
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pydict()
    assert shown["request"] == list(range(len(shown["request"])))
    again = World(scenario.override({"serving": None}), journal=tmp_path / "without")
    again.run()
    plain = pq.read_table(tmp_path / "without" / "impressions.parquet").to_pydict()
    for column in ("request", "user", "campaign", "ad", "believed_rate", "bid", "price", "clicked", "converted"):
        assert shown[column] == plain[column], column
