"""Auctions: the pricing rules on worked examples, and whole markets settled again by a slow independent reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import campaigns, scenarios
from reference import Bidder, auction, charge, owed
from tapes import give_tape

from adarena.simulator import BidPolicy, BidView, ChunkBids, Scenario, World
from adarena.simulator.core import chance
from adarena.simulator.population.campaigns import Billing
from adarena.simulator.scenario.delivery import Auction
from adarena.simulator.scenario.demand import Advertiser, Campaign, ListedDemand
from adarena.simulator.scenario.people import Traffic, Users
from adarena.simulator.scenario.response import Uniform

MICRO = 1_000_000


class Scripted(BidPolicy):
    """Bids the same amounts per impression for every request."""

    def __init__(self, *bids: float) -> None:
        self.bids = np.array(bids)[:, None]

    def decide(self, view: BidView) -> ChunkBids:
        return ChunkBids(lambda requests: np.repeat(self.bids, requests.number.size, axis=1))


def market(bidders: int, **auction: Any) -> Scenario:
    """Bidders whose clicks and conversions are all but certain, under an auction with these settings."""
    rows = tuple(Advertiser(name=f"a{k}", campaigns=(Campaign(name=f"c{k}"),)) for k in range(bidders))
    return Scenario(
        ticks_per_day=1,
        traffic=Traffic(requests_per_day=50, arrivals="even"),
        users=Users(count=1, segments=1, dimensions=1),
        rates=Uniform(low=0.999, high=1.0),
        demand=ListedDemand(advertisers=rows),
        auction=Auction(**auction),
    )


def prices(scenario: Scenario, *bids: float) -> dict[tuple[int, int], set[int]]:
    """Prices in millionths that were paid, by slot and campaign."""
    world = World(scenario, {"bidding": Scripted(*bids)})
    read = give_tape(world, 1000)
    world.run()
    tape = read()
    paid: dict[tuple[int, int], set[int]] = {}
    for slot, campaign, price in zip(tape.column("slot"), tape.column("campaign"), tape.column("price"), strict=True):
        paid.setdefault((int(slot), int(campaign)), set()).add(int(price))
    return paid


# Bids 10, 8, 6, 4 on slots seen with 1, .8, .6. The truthful VCG prices per exposure are those of Edelman, Ostrovsky and
# Schwarz (2007): (.2 x 8 + .2 x 6 + .6 x 4) / 1 = 5.2, (.2 x 6 + .6 x 4) / .8 = 4.5, 4.
@pytest.mark.parametrize(
    ("pricing", "expected"),
    [("first", (10, 8, 6)), ("second", (4, 4, 4)), ("gsp", (8, 6, 4)), ("vcg", (5.2, 4.5, 4))],
)
def test_prices_of_the_worked_example(pricing: str, expected: tuple[float, ...]) -> None:
    paid = prices(market(5, pricing=pricing, slots=3, exposure=(1.0, 0.8, 0.6)), 6.0, 10.0, 4.0, 8.0, 1.0)
    winners = (1, 3, 0)
    assert set(paid) == {(slot, k) for slot, k in enumerate(winners)}
    for slot, (k, price) in enumerate(zip(winners, expected, strict=True)):
        (cost,) = paid[slot, k]
        assert abs(cost - price * MICRO) <= 1


@pytest.mark.parametrize("pricing", ["second", "gsp", "vcg"])
def test_a_lone_bidder_pays_the_reserve(pricing: str) -> None:
    paid = prices(market(2, pricing=pricing, slots=2, exposure=(1.0, 0.5), reserve=0.3), 5.0, 0.2999)
    assert paid == {(0, 0): {300_000}}


def test_vcg_charges_what_outbids_for_each_exposure_with_a_reserve() -> None:
    """Of 1.0 exposure the first .2 is won at 6, the rest at the reserve of 5: .2 x 6 + .8 x 5; the second pays the reserve."""
    paid = prices(market(3, pricing="vcg", slots=2, exposure=(1.0, 0.8), reserve=5.0), 10.0, 6.0, 4.9)
    assert paid == {(0, 0): {5_200_000}, (1, 1): {5_000_000}}


class Boasting(BidPolicy):
    """Bids nothing below the reserve, and at least `least` above it."""

    def __init__(self, least: float) -> None:
        self.least = least

    def decide(self, view: BidView) -> ChunkBids:
        return ChunkBids(lambda requests: np.where(requests.rate < 0.5, 0.0, np.maximum(requests.rate, self.least)))


def test_truth_is_the_best_bid_in_vcg_with_a_reserve() -> None:
    """Who boasts wins the better slot more often; were it cheaper than what outbids for it, that would pay."""
    scenario = Scenario.preset("uniform", bidders=2, requests=50_000).override(
        {"auction.pricing": "vcg", "auction.slots": 2, "auction.exposure": [1.0, 0.8], "auction.reserve": 0.5}
    )
    utility = {}
    for least in (0.0, 0.8, 1.0):
        world = World(scenario, {"bidding": {0: Boasting(least)}}, seed=1)
        world.run()
        utility[least] = (world.ledger.value() - world.ledger.spend())[:, 0].sum() / world.played
    assert utility[0.0] > utility[0.8] + 1e-4
    assert utility[0.8] > utility[1.0] + 1e-4


def test_a_bid_at_the_reserve_takes_part_and_one_below_does_not() -> None:
    auction = {"pricing": "first", "slots": 1, "exposure": (1.0,), "reserve": 0.25}
    assert prices(market(1, **auction), 0.25) == {(0, 0): {250_000}}
    assert prices(market(1, **auction), 0.2499999) == {}


def test_a_bid_at_the_reserve_pays_the_reserve_under_squashing() -> None:
    """A rank is rounded to float32, and dividing the weight out again must not bring a price below the reserve."""
    scenario = market(2, pricing="first", slots=1, exposure=(1.0,), reserve=0.25, squashing=0.3)
    scenario = scenario.override({"rates.low": 0.01, "rates.high": 0.9, "traffic.requests_per_day": 500})
    for paid in prices(scenario, 0.25, 0.25).values():
        assert paid == {250_000}


def test_ties_go_to_the_campaign_that_stands_first() -> None:
    paid = prices(market(4, pricing="gsp", slots=2, exposure=(1.0, 1.0)), 1.0, 2.0, 2.0, 2.0)
    assert paid == {(0, 1): {2 * MICRO}, (1, 2): {2 * MICRO}}


def test_squashing_ranks_by_the_power_of_the_rate() -> None:
    """Bids per click 1 and 1.5 with click rates far apart: at squashing 1 the better ad may win, at 0 the higher bid does."""
    settings = {
        "demand.campaigns": 2,
        "demand.ads_per_campaign": 1,
        "demand.budget_share": None,
        "demand.conversion_sigma": 0.0,
    }
    winners = {}
    for squashing in (1.0, 0.5, 0.0):
        scenario = Scenario.preset("tiny").override({"auction.squashing": squashing, "auction.slots": 1, **settings})
        world = World(scenario.override({"response.hour_amplitude": 0.0}), {"bidding": PerClick(1.0, 1.5)})
        world._exchange.score()
        rate = world._exchange.state.bids.rate.astype(float)
        advantage = squashing * np.log(rate[0] / rate[1]) - np.log(1.5)
        read = give_tape(world, 5000)
        world.run()
        tape = read()
        requests, won = tape.column("request"), tape.column("campaign")
        requests, won = requests[requests < 1024], won[requests < 1024]
        clear = np.abs(advantage[requests]) > 1e-5
        np.testing.assert_array_equal(won[clear], np.where(advantage[requests] > 0, 0, 1)[clear])
        winners[squashing] = np.bincount(won, minlength=2)
    assert winners[0.0][0] == 0
    assert winners[1.0][0] > winners[0.5][0] > 0


class PerClick(BidPolicy):
    """Bids amounts per click, up to a factor that all campaigns of equal conversion rate share."""

    def __init__(self, *bids: float) -> None:
        self.bids = np.array(bids)[:, None]

    def decide(self, view: BidView) -> ChunkBids:
        return ChunkBids(lambda requests: requests.rate * self.bids)


def settle_again(scenario: Scenario, seed: int) -> tuple[int, int]:
    """Runs a market whose requests all lie in one block, settles it again by the reference; returns (sales, binding bids)."""
    world = World(scenario, seed=seed)
    read = give_tape(world, 8000)
    world.run()
    state, tape, table = world._exchange.state, read(), world.campaigns
    assert world.played < 1024
    names = {code: code.name.lower() for code in Billing}
    bidders = [
        Bidder(names[table.billing[k]], table.target[k] * MICRO, table.conversion_rate[k], int(table.budget[k]))
        for k in range(len(table.names))
    ]
    squashing = scenario.auction.squashing
    exposure, conditional = list(scenario.auction.marginal), scenario.auction.seen
    ad = state.bids.ad if state.bids.ad.size else np.repeat(np.arange(len(bidders))[:, None], 1024, axis=1)
    if state.bids.weight.size:
        np.testing.assert_allclose(state.bids.weight, state.bids.rate.astype(float) ** (squashing - 1), rtol=2e-6)
    due: dict[int, list[tuple[int, int]]] = {}
    ticks, row, wins, binding = scenario.days * scenario.ticks_per_day, 0, np.zeros(len(bidders), int), 0
    spend = np.zeros((ticks, len(bidders)), int)

    def luck(stream: chance.Stream, request: int, whose: int) -> float:
        out = np.empty(1)
        chance.uniforms(state.keys[stream], request, 1, whose, out)
        return float(out[0])

    def close(tick: int) -> None:
        for k, amount in due.pop(tick, []):
            paid = min(amount, bidders[k].left)
            bidders[k].spent += paid
            spend[tick, k] += paid

    tick = 0
    for i in range(world.played):
        now = int(state.block.times[i])
        while now >= (tick + 1) * scenario.tick_us:
            close(tick)
            tick += 1
        rates = {k: state.bids.rate[k, i] for k in range(len(bidders))}
        bids = {k: bidders[k].bid(rates[k]) for k in rates if rates[k] > 0}
        weights = {k: state.bids.weight[k, i] if state.bids.weight.size else np.float32(1) for k in rates}
        seen = True
        for slot, sale in enumerate(
            auction(bids, weights, round(scenario.auction.reserve * MICRO), scenario.auction.pricing, exposure)
        ):
            k = sale.campaign
            wins[k] += 1
            free = bidders[k].per_conversion * bidders[k].conversion_rate * rates[k]
            binding += sale.bid < free * (1 - 1e-6)
            seen = seen and luck(chance.Stream.EXPOSURE, i, slot) < conditional[slot]
            if not seen:
                continue
            place = int(ad[k, i])
            assert tape.ints[row, :6].tolist() == [i, now, state.block.users[i], k, place, slot]
            price = int(tape.column("price")[row])
            # Squashed ranks are divided by their weights again, and VCG adds terms: rounding may move a floor by one.
            exact = scenario.auction.pricing != "vcg" and squashing == 1
            assert abs(price - int(sale.price)) <= (0 if exact else 1 + 2e-7 * price)
            assert tape.believed[row] == rates[k]
            true = float(tape.true[row])
            if world._exchange.market.ads is not None:
                ads, users = world._exchange.market.ads, world._exchange.market.users
                odds = float(ads.bias[place]) + users.interests[state.block.users[i]].astype(float) @ ads.vectors[place].astype(
                    float
                )
                assert true == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-9)
            clicked = luck(chance.Stream.CLICK, i, place) < true
            converted = clicked and luck(chance.Stream.CONVERSION, i, place) < bidders[k].conversion_rate
            assert (tape.column("clicked")[row], tape.column("converted")[row]) == (clicked, converted)
            if converted:
                report = now + weibulls(scenario, luck(chance.Stream.DELAY, i, place))
                assert abs(report - tape.column("report_us")[row]) <= 1 + 1e-9 * report
                report = int(tape.column("report_us")[row])
                if bidders[k].billing == "cpa":
                    due.setdefault(report // scenario.tick_us, []).append((k, owed(price, float(rates[k]), bidders[k])))
            cost = charge(price, float(rates[k]), clicked, bidders[k])
            bidders[k].spent += cost
            spend[tick, k] += cost
            assert bidders[k].left >= 0
            row += 1
    while tick < ticks:
        close(tick)
        tick += 1
    for later in sorted(due):  # the last tick has closed: what conversions still to be reported cost is due
        for k, amount in due[later]:
            paid = min(amount, bidders[k].left)
            bidders[k].spent += paid
            spend[-1, k] += paid
    assert row == len(tape.ints)
    counts = world.ledger.counts
    np.testing.assert_array_equal(counts[:, 1].sum(axis=0), wins)
    np.testing.assert_array_equal(counts[:, 5], spend)
    return int(wins.sum()), binding


def weibulls(scenario: Scenario, u: float) -> float:
    """The delay in microseconds at quantile u of the mixture: parts side by side on (0, 1), each inside the window."""
    parts = scenario.response.delay
    weights = np.array([p.weight for p in parts]) / sum(p.weight for p in parts)
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    place = min(int(np.searchsorted(edges, u, "right")) - 1, len(parts) - 1)
    inside = (u - edges[place]) / (edges[place + 1] - edges[place])
    part, window = parts[place], scenario.response.window_days * 86_400
    reach = 1 - np.exp(-((window / part.scale_s) ** part.shape))
    return float(1e6 * part.scale_s * (-np.log(1 - inside * reach)) ** (1 / part.shape))


@settings(max_examples=60)
@given(st.data())
@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
def test_the_kernel_settles_as_the_reference_does(pricing: str, data: st.DataObject) -> None:
    """Wins, prices, luck, charges and reports of random markets without weather, all of them."""
    scenario = data.draw(scenarios(most_requests=200))
    held = data.draw(st.integers(2, 8))
    ads = data.draw(st.sampled_from([1, 2]))
    rows = tuple(Advertiser(name=f"a{k}", campaigns=(data.draw(campaigns(f"c{k}", 1, ads)),)) for k in range(held))
    scenario = scenario.model_copy(
        update={
            "days": 1,
            "demand": ListedDemand(advertisers=rows),
            "weather": type(scenario.weather)(),
            "auction": scenario.auction.model_copy(update={"pricing": pricing}),
            "response": scenario.response.model_copy(update={"hour_amplitude": 0.0}),
            "traffic": Traffic(requests_per_day=200),
        }
    )
    settle_again(scenario, data.draw(st.integers(0, 1000)))


@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
def test_the_reference_meets_budgets_that_bind(pricing: str) -> None:
    """Tight budgets of all three billings at 800 requests, so that caps matter in hundreds of sales."""
    rows = tuple(
        Advertiser(
            name=f"a{k}",
            campaigns=(Campaign(name=f"c{k}", billing=billing, budget_per_day=4.0 + 3 * k, conversion_rate=0.5),),
        )
        for k, billing in enumerate(("cpm", "cpc", "cpa") * 3)
    )
    base = Scenario.preset("uniform", bidders=2, requests=800)
    scenario = base.model_copy(
        update={
            "ticks_per_day": 12,
            "demand": ListedDemand(advertisers=rows),
            "auction": Auction(pricing=pricing, slots=2, exposure=(1.0, 0.7), squashing=0.5, reserve=1e-6),
        }
    )
    sales, binding = settle_again(scenario, 5)
    assert sales > 600
    assert binding > 20


def test_users_who_do_not_differ_click_at_the_average_rate() -> None:
    """A single user leaves nothing to scale by affinity: rates stay near the scenario's, not at 0 and 1."""
    scenario = Scenario.preset("tiny").override({"users.count": 1, "users.segments": 1, "demand.ads_per_campaign": 1})
    world = World(scenario.override({"rates.ad_sigma": 0.0, "rates.belief_noise": 0.0}))
    world._exchange.score()
    np.testing.assert_allclose(world._exchange.state.bids.rate, 0.05, rtol=1e-5)
