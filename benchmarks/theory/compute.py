"""Compute where it earns most: DCAF's toy, what is known of the compute seat, and its bound on markets drawn at random.

In the toy a request worth u earns u (1 - exp(-q)) with q units of compute.
Four of 402 ads are worth anything, all the same, and recall draws its candidates at random; one draw in 100.5 finds such an
ad, so that 100 draws are a unit of compute. A user segment clicks on these ads at its rate u. A traffic tier holds the segments
with u in [0, 1/32), [1/32, 2/32), and so on, and the funnel gives each tier as many draws as the theory says.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from ...agents.compute import POLICIES
from ...agents.compute.dcaf import DCAF
from ...agents.compute.plan import PRICES, depths_at, depths_within
from ...agents.compute.static import Static
from ...agents.hindsight.compute import one_price, worth_by_tick
from ...agents.hindsight.knapsack import choice_bound
from ...simulator import Open, Scenario, World
from ...simulator.core.arrays import Floats, Integers
from ...simulator.delivery.queue import Served, revenue_of
from ...simulator.engine.state import Count
from ...simulator.market.earnings import REQUESTS
from ...simulator.market.market import build
from ...simulator.scenario.delivery import Auction, Funnel, Quotas
from ...simulator.scenario.demand import Ad, Advertiser, Campaign, ListedDemand
from ...simulator.scenario.people import Traffic, Users
from ...simulator.scenario.response import Interests
from ...simulator.seats.compute.decisions import ComputePolicy, Decision
from ...simulator.seats.compute.known import known
from ...simulator.seats.compute.view import ComputeView, Earnings
from .check import Check, equal, ratio, sampled
from .market import Scaled, column, journal_folder, played, whole_ticks

WORTHY, ADS, SEGMENTS, TIERS = 4, 402, 256, 32
TICKS = 50
UNIT = -math.log(1 - WORTHY / ADS)  # compute of one draw, so that q units find an ad with probability 1 - exp(-q)
COMPUTE = {0.5: 100_000, 1.0: 100_000, 2.0: 150_000, 3.0: 200_000}  # mean units a request: requests played


GRID_STEP = float(np.log(PRICES[1] / PRICES[0]))  # of the prices that policies try
MARKETS, EACH, SIGMAS = 200, 3, 3.0  # drawn at random, the policies that play each; what luck may make of a day
DAY_S, A_DAY, INTERVALS = 400, 400, 20  # seconds, requests and ticks of each of their days


class Tiers(NamedTuple):
    """Requests by what they are worth."""

    of_segment: Integers  # (SEGMENTS,)
    worth: Floats  # (TIERS,) mean u
    weight: Floats  # (TIERS,) of a request, so that tiers weigh the same, as they do if u ~ U[0, 1]


def toy(requests: int) -> Scenario:
    """The market before anybody is preferred: one draw a request. Each segment is one user, all of about the same activity."""
    names = {"worthy": WORTHY, "others": ADS - WORTHY}
    advertisers = tuple(
        Advertiser(name=name, campaigns=(Campaign(name=name, ads=tuple(Ad(name=f"ad{n}") for n in range(count))),))
        for name, count in names.items()
    )
    return Scenario(
        name="compute",
        ticks_per_day=TICKS,
        traffic=Traffic(requests_per_day=requests, arrivals="even"),
        users=Users(count=SEGMENTS, segments=SEGMENTS, dimensions=32, spread=0.0, activity_tail=100.0),
        rates=Interests(click_rate=0.5, ad_sigma=0.0, affinity=1.75),  # the log odds of U[0, 1] have deviation 1.81
        demand=ListedDemand(advertisers=advertisers),
        auction=Auction(pricing="first", slots=1, exposure=(1.0,)),
        funnel=Funnel(popular_share=0.0, exploring_share=1.0, levels=(Quotas(recall=1, rough=1, fine=1),)),
    )


def tiers(scenario: Scenario) -> Tiers:
    """The tiers of the market's segments, by true click rates."""
    market = build(scenario)
    assert market.ads is not None
    odds = market.users.interests.astype(np.float64) @ market.ads.vectors[0] + market.ads.bias[0]
    worth = 1 / (1 + np.exp(-odds))
    tier = (worth * TIERS).astype(np.int64)
    traffic = np.diff(market.users.segment_share[0], prepend=0.0)
    share = np.bincount(tier, traffic, TIERS)
    return Tiers(tier, np.bincount(tier, traffic * worth, TIERS) / share, 1 / TIERS / share)


def optimum(worth: Floats, compute: float) -> Floats:
    """Units for requests worth u that earn most at a mean of `compute`: max(ln(u / lambda), 0), by a search for lambda."""

    def units(log_price: float) -> Floats:
        return np.maximum(np.log(worth) - log_price, 0.0)

    best = optimize.brentq(lambda log_price: units(log_price).mean() - compute, math.log(worth.max()) - 50, 0.0)
    return units(best)


def draws(units: Floats) -> Integers:
    """Whole draws for units of compute."""
    return np.rint(units / UNIT).astype(np.int64)


def earned(worth: Floats, quota: Integers) -> float:
    """What a request earns on average, with tiers of equal weight."""
    return float((worth * -np.expm1(-UNIT * quota)).mean())


def shadow_price(compute: float) -> float:
    """lambda of the optimum for u ~ U[0, 1]: -ln(lambda) - 1 + lambda = compute."""
    return math.exp(optimize.brentq(lambda x: -x - 1 + math.exp(x) - compute, -50.0, 0.0))


def equal_compute(compute: float) -> float:
    """The compute at which the optimum for u ~ U[0, 1] earns what `compute` does spent alike on all."""
    price = 1 - math.sqrt(-math.expm1(-compute))  # (1 - lambda)^2 / 2 = (1 - exp(-compute)) / 2
    return -math.log(price) - 1 + price


def measured(scenario: Scenario, told: Tiers, quota: Integers) -> Floats:
    """Revenue a request in each tick, shape (TICKS,), where tiers have these quotas (TIERS,), and tiers weigh the same."""
    levels = [[{"recall": q, "rough": min(q, 1), "fine": min(q, 1)}] for q in quota.tolist()]
    own = [{"tier": tier, "levels": its} for tier, its in enumerate(levels)]
    market = scenario.override({"users.tiers": told.of_segment.tolist(), "funnel.tiers": own})
    with journal_folder() as folder:
        played(market, Scaled(np.array([1.0, 0.0])), seed=14, journal=folder)
        request, user, price = (column(folder, "impressions", name) for name in ("request", "user", "price"))
    a_tick = scenario.traffic.requests_per_day // TICKS
    weight = told.weight[told.of_segment[user]]  # each user is a segment
    return np.bincount(request // a_tick, price * weight, TICKS) / a_tick


def allocation(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 14: quotas by tier against one quota for all, at the same compute and at the same revenue (Jiang et al. 2020).

    Expected is what these tiers and whole draws earn, exactly; sources name the limit of more and more tiers. `wrong` gives
    requests the quotas that would be best if they were worth u ** wrong, for tests that want to see the check fail.
    """
    found = []
    for compute, requests in COMPUTE.items():
        scenario = toy(whole_ticks(requests * effort, TICKS))
        told = tiers(scenario)
        alike, less = np.full(TIERS, round(compute / UNIT)), equal_compute(compute)
        best, frugal = (draws(optimum(told.worth, units)) for units in (compute, less))
        given, given_less = (draws(optimum(told.worth**wrong, units)) for units in (compute, less))
        same, most, least = (measured(scenario, told, quota) for quota in (alike, given, given_less))
        base, top = earned(told.worth, alike), earned(told.worth, best)
        limit, fixed = (1 - shadow_price(compute)) ** 2 / 2, -math.expm1(-compute) / 2
        name, source = f"14 compute, C={compute:g}", "Jiang et al. 2020"
        found += [
            sampled(f"{name}: revenue, one quota", f"(1-e^-C)/2, limit {fixed:.5f}", base, same),
            sampled(f"{name}: revenue, best quotas", f"(1-l)^2/2, limit {limit:.5f}; {source}", top, most),
            ratio(f"{name}: gain", f"limit {limit / fixed - 1:.2%}; {source}", top / base - 1, most - same, same),
            ratio(
                f"{name}: revenue with {1 - less / compute:.1%} less", f"limit 1; {source}",
                earned(told.worth, frugal) / base, least, same,
            ),
        ]  # fmt: skip
    return found


def by_logs(weights: Any) -> Earnings:
    """Requests of tiers that earn a (log s + 2) with s server seconds, from e^-2 to e^3, at fine depths."""
    depths = np.linspace(0.0, 1.0, 4001)
    seconds = np.exp(-2 + 5 * depths)
    return Earnings(depths, np.outer(weights, np.log(seconds) + 2), np.tile(seconds, (len(weights), 1)))


def by_roots(weights: Any) -> Earnings:
    """Requests of tiers that earn w sqrt(s) with s server seconds, from 0 to 4, at fine depths."""
    depths = np.linspace(0.0, 1.0, 4001)
    return Earnings(depths, np.outer(weights, np.sqrt(4 * depths)), np.tile(4 * depths, (len(weights), 1)))


def allocated(earnings: Earnings, requests: Floats, seconds: float) -> tuple[Floats, Floats]:
    """What a bisection for the price gives requests of each tier, server seconds, and what `depths_within` does on its grid."""

    def over(log_price: float) -> float:
        best = depths_at(math.exp(log_price), earnings.revenue, earnings)
        return float(requests @ earnings.work_at(best)) - seconds

    price = math.exp(optimize.bisect(over, -20.0, 20.0))
    exact = depths_at(price, earnings.revenue, earnings)
    return earnings.work_at(exact), earnings.work_at(depths_within(requests, seconds, earnings.revenue, earnings))


def settled_price(policy: DCAF, view: ComputeView) -> float:
    """What DCAF ends with, of a server second of requests `by_logs`, if each interval brings the same, worth what is usual."""
    policy.start(view, np.random.default_rng(0))
    for number in range(view.intervals):
        depth = policy.decide(view._replace(number=number)).values
        view = view._replace(depth=depth, revenue=view.arrived * view.earnings.revenue_at(depth), served=view.arrived)
    weight = view.earnings.revenue[0, -1] / 5.0  # log s + 2 at s = e^3
    return float(weight / view.earnings.work_at(depth)[0])


def seat(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 14: the compute seat where theory has closed forms. `wrong` scales what they say, for tests that see them fail."""
    requests, source, found = np.array([10.0, 10.0]), "equal marginal worth of a second", list[Check]()
    for name, its, seconds, best, power in (
        ("a log s", by_logs((2.0, 1.0)), 30.0, np.array([2.0, 1.0]), 1),  # s = a C / sum a n
        ("w sqrt s", by_roots((3.0, 1.0)), 20.0, np.array([1.8, 0.2]), 2),  # s = C w^2 / sum n w^2
    ):
        for how, got in zip(("bisected", "of a grid"), allocated(its, requests, seconds), strict=True):
            near = 0.006 if how == "bisected" else math.expm1(power * GRID_STEP) + 0.006
            found += [
                equal(f"14 seat, worth {name}, price {how}: tier {t}", source, wrong * best[t], got[t], near * best[t])
                for t in range(2)
            ]
    return [*found, settled(wrong), knapsack(wrong), *shallow(effort, wrong)]


def settled(wrong: float) -> Check:
    """The PID of DCAF comes to rest where the requests ask for its target: p = sum a n / (target C)."""
    asked = World(Scenario.preset("compute-small"), {"compute": Open()}).until_asked()
    assert asked is not None
    view: ComputeView = asked.view
    steady = view._replace(
        tiers=view.tiers[:2], earnings=by_logs((2.0, 1.0)), forecast=np.full((view.intervals, 2), 10.0),
        usual=np.ones((view.intervals, 2)), arrived=np.array([10, 10]), interval_s=30.0 / view.servers,
    )  # fmt: skip
    price = settled_price(DCAF(target=0.8), steady)
    return equal("14 seat, DCAF's PID: price", "sum a n / (target C)", wrong * 30.0 / (0.8 * 30.0), price, 5e-3)


def knapsack(wrong: float) -> Check:
    """One price against the linear multiple-choice knapsack, each request an item: within one of them."""
    its, dice = known(Scenario.preset("compute-small")).earnings, np.random.default_rng(14)
    rows, seconds = dice.integers(len(its.revenue), size=40), 40.0
    worth = its.revenue[rows] * np.exp(dice.normal(0, 0.7, (40, 1)))
    items = Earnings(its.depths, worth, its.work_s[rows])
    best = choice_bound(items.revenue, items.work_s, seconds)
    earned = float(items.revenue_at(items.depth_of(allocated(items, np.ones(40), seconds)[0])).sum())
    return equal("14 seat, one price: earned", "knapsack, within an item", wrong * best, earned, float(worth.max()))


def shallow(effort: float, wrong: float) -> list[Check]:
    """Cached ads for all: load = requests x service_s / servers; and what tiers are charged is what the ledger has, exactly."""
    market = Scenario.preset("compute-small").override(
        {"serving.failures": None, "traffic.requests_per_day": max(2_000, round(24_000 * effort))}
    )
    world = World(market, {"compute": Static(0.0, 0.0)}, seed=14)
    world.run()
    assert world.serving is not None
    assert market.serving is not None
    counts = world.serving.counts
    work, alone = counts[:, Served.WORK_US] / 1e6, counts[:, Served.BEGUN] * market.serving.service_s
    charged = float(world.serving.by_tier[..., Served.CHARGED].sum())
    spent = float(world.ledger.counts[:, Count.SPEND].sum())
    return [
        ratio("14 seat, cached ads: load", "requests x service_s / servers", wrong, work, alone),
        equal("14 seat, charged by tier, millionths", "the ledger's spend", wrong * spent, charged),
    ]


def random_market(number: int) -> Scenario:
    """A small market of the compute seat: servers, traffic, tiers and their worth, failures and the funnel's costs at random.

    Nothing moves what requests bring but what the bound knows: bids have no weather, and users ask at all hours alike.
    """
    dice = np.random.default_rng([14, number])
    tiers, servers = int(dice.integers(1, 4)), int(dice.integers(1, 7))
    recall = int(dice.integers(6, 13))
    rough = int(dice.integers(3, recall + 1))
    levels: list[dict[str, float]] = [{"recall": recall, "rough": rough, "fine": int(dice.integers(2, rough + 1))}]
    full_s = math.exp(dice.uniform(math.log(0.3), math.log(4))) * servers * DAY_S / A_DAY  # of a request in full
    alone, recalled, sorted_roughly, sorted_finely = full_s * dice.dirichlet([1, 2, 2, 2])
    deadline = full_s * dice.uniform(3, 20)
    if dice.random() < 0.7:
        levels.append({"recall": 0, "rough": 0, "fine": 2, "after_wait_s": deadline * dice.uniform(0.2, 0.6)})
    worth = {
        "level": dice.normal(0, 0.7, tiers).tolist(), "amplitude": dice.uniform(0, 1), "peak": dice.random(tiers).tolist(),
        "tick_sigma": dice.uniform(0, 0.2),
    }  # fmt: skip
    return Scenario.preset("compute-small").override(
        {
            "name": f"random {number}", "market_seed": number, "day_s": DAY_S, "ticks_per_day": INTERVALS,
            "traffic.requests_per_day": A_DAY, "traffic.surge_probability": dice.random(), "traffic.surge_hours": [0.005, 0.02],
            "users.count": 60, "users.segments": 6, "users.dimensions": 4, "users.spread": dice.uniform(0.5, 2),
            "users.hour_amplitude": 0.0, "users.tiers": [*dice.integers(tiers, size=5).tolist(), tiers - 1],
            "demand.campaigns": int(dice.integers(6, 13)), "demand.ads_per_campaign": int(dice.integers(1, 3)),
            "demand.verticals": 2, "weather": {"tiers": worth},
            "funnel.recall": {"dimensions": 2, "noise": 1.0}, "funnel.rough": {"dimensions": 3, "noise": 0.5},
            "funnel.recall_cost_s": recalled / recall, "funnel.rough_cost_s": sorted_roughly / recall,
            "funnel.fine_cost_s": sorted_finely / rough, "funnel.levels": levels,
            "serving.servers": servers, "serving.service_s": alone, "serving.network_s": 0.03 * deadline,
            "serving.service": ("exponential", "fixed")[int(dice.integers(2))], "serving.deadline_s": deadline,
            "serving.failures": {
                "probability": dice.random(), "servers": [1, max(1, servers - 1)], "hours": [0.005, 0.04],
            },
        }
    )  # fmt: skip


class Watching(ComputePolicy):
    """Another policy, and what it saw."""

    def __init__(self, policy: ComputePolicy) -> None:
        self._policy = policy

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self.seen: list[ComputeView] = []
        self._policy.start(view, dice)

    def decide(self, view: ComputeView) -> Decision | None:
        self.seen.append(view)
        return self._policy.decide(view)


def beyond(market: Scenario, policy: ComputePolicy, wrong: float = 1.0) -> float:
    """By how many sigmas a policy earns more on a day than one price for all server seconds bounds; `wrong` scales the bound.

    Three kinds of luck make a sigma. Auctions: the squared distance of an interval's revenue of a tier from what its requests
    bring on average at their depths (those that stepped down: at the least), summed; it is too large where the average is
    wrong. Averages: they are of n of `REQUESTS` sampled ones, so that their error is that of n requests of the day. Servers,
    where service is exponential: what requests take differs from its mean by as much as that, at the price.
    """
    watching = Watching(policy)
    world = World(market, {"compute": watching}, seed=0)
    world.run()
    assert world.serving is not None
    assert market.serving is not None
    one, its, factors = one_price(world), known(market).earnings, worth_by_tick(market, 0)
    auctions, work = np.zeros(len(its.revenue)), 0.0
    for view, factor in zip(watching.seen[1:], factors, strict=False):  # each tells of the interval before it
        average = its.revenue_at(view.depth) * (1 - view.stepped_down) + its.revenue[:, 0] * view.stepped_down
        auctions += (view.revenue - view.served * average * factor) ** 2
        work += float(view.begun @ its.work_at(view.depth) ** 2)
    arrived = world.serving.by_tier[..., Served.ARRIVED].sum(axis=0)
    luck = (auctions * (1 + arrived / sampled_requests(market))).sum()
    if market.serving.service == "exponential":
        luck += one.price**2 * work
    luck *= INTERVALS / (INTERVALS - 1)  # nobody is told of the last interval
    earned = float(revenue_of(world.serving.counts).sum())
    return (earned - wrong * one.bound) / math.sqrt(luck)


def sampled_requests(market: Scenario) -> Floats:
    """From how many requests of each tier its earnings are known, (T,); at least one."""
    people = build(market).users
    share = np.diff(people.segment_share, axis=1, prepend=0.0).mean(axis=0)
    return np.maximum(REQUESTS * np.bincount(people.tier, share), 1.0)


def bounded(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 14: no policy earns more than one price for all server seconds bounds, within 3 sigma, on markets at random.

    Each market is played by `EACH` policies, the next ones in turn, so that all of the seat come to a third of the markets.
    """
    markets, names = max(1, round(MARKETS * effort)), list(POLICIES)
    pairs = [(n, names[(EACH * n + place) % len(names)]) for n in range(markets) for place in range(EACH)]
    within = [beyond(random_market(n), POLICIES[name](), wrong) <= SIGMAS for n, name in pairs]
    played = len({name for _, name in pairs})
    name = f"14 one price, {markets} markets, {played} policies, {EACH} each: days within {SIGMAS:g} sigma"
    return [equal(name, "Lagrangian dual", len(within), float(np.count_nonzero(within)))]
