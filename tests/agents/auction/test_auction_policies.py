"""Policies of the auction: what they decide against searches by brute force, known laws of bids, and the day's books."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.auction import POLICIES
from adarena.agents.auction.empirical import RESERVES, SQUASHINGS
from adarena.agents.auction.goal import Goal, mean_price
from adarena.agents.auction.trials import Trials, requests_near
from adarena.agents.catalogue import make_policy
from adarena.benchmarks.suites.auction import scores
from adarena.simulator import Open, PolicyError, Scenario, World
from adarena.simulator.market.rehearsal import SaleRules
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.auction.verticals import Verticals
from adarena.simulator.seats.auction.view import AuctionView

SMALL = Scenario.preset("auction-small").override({"traffic.requests_per_day": 2_000, "ticks_per_day": 8})
every_policy = pytest.mark.parametrize("name", POLICIES)


def view_of(scenario: Scenario = SMALL, seed: int = 3) -> AuctionView:
    asked = World(scenario, {"auction": Open()}, seed=seed).until_asked()
    assert asked is not None
    view: AuctionView = asked.view
    return view


def started(name: str, view: AuctionView) -> AuctionPolicy:
    policy = make_policy("auction", name)
    policy.start(view, np.random.default_rng(0))
    return policy  # type: ignore[no-any-return]


@every_policy
def test_a_policy_repeats_itself_and_writes_to_nothing_it_sees(name: str) -> None:
    def played(policy: AuctionPolicy) -> bytes:
        world = World(SMALL, {"auction": policy}, seed=5)
        world.run()
        return world.ledger.counts.tobytes()

    policy = make_policy("auction", name)
    first = played(policy)
    assert played(policy) == first == played(make_policy("auction", name))  # forgets the run before
    view = view_of()
    arrays = [*view.told.last, *view.rules[::2], view.bid, view.vertical, view.told.target, view.told.history.rate]
    before = [np.array(array) for array in arrays]
    started(name, view).decide(view)
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_the_empirical_maximum_is_that_of_its_grid() -> None:
    """Each pair's auctions held again, and scored by the formula written out."""
    view = view_of()
    sale = started("empirical", view).decide(view)
    sample, price = requests_near(view.rehearsal, 0, 512), mean_price(view.told.history)

    def score(reserve: float, squashing: float) -> float:
        rules = SaleRules(np.full(6, max(reserve * price, 1e-6)), squashing, np.ones(6))
        found = sample.outcome(view.bid, rules)
        revenue, value = found.spend.sum(), (found.conversions * view.told.value).sum()
        return float(revenue + 0.3 * (value - revenue) - 0.1 * price * (found.impressions - found.clicks).sum())

    tried = {(r, s): score(r, s) for r in RESERVES for s in SQUASHINGS}
    best = max(tried, key=lambda pair: tried[pair])
    assert isinstance(sale, Sale)
    assert sale.squashing == pytest.approx(best[1])
    np.testing.assert_allclose(sale.reserve, max(best[0] * price, 1e-6), rtol=1e-6)
    # With a reserve for each vertical there is no less to be had on the same sample.
    trials = Trials(view, sample, Verticals(view.vertical), Goal(), price)
    by_vertical = started("empirical_vertical", view).decide(view)
    assert isinstance(by_vertical, Sale)
    assert by_vertical.squashing is not None
    point = np.append(np.log(by_vertical.reserve)[np.unique(view.vertical, return_index=True)[1]], by_vertical.squashing)
    assert trials.score(point) >= tried[best] * (1 - 1e-6)


def test_adaptive_rules_beat_the_best_constant_of_training_days() -> None:
    days = range(800_000, 800_012)

    def mean(name: str) -> float:
        total = 0.0
        for seed in days:
            world = World(SMALL, {"auction": make_policy("auction", name)}, seed=seed)
            world.run()
            total += float(scores(world).sum())
        return total

    constant = mean("constant")
    assert mean("empirical_vertical") > 1.05 * constant
    assert mean("local_search") > 1.0 * constant
    assert mean("usual") < constant


def test_weights_of_the_goal_are_what_is_searched_for() -> None:
    """Welfare alone is highest where ranks are bids times click rates, squashing 1; revenue alone is not, and is more."""
    view = view_of()
    greedy, kind = (started(f"empirical_vertical:surplus={surplus},annoyance=0", view).decide(view) for surplus in (0.0, 1.0))
    assert isinstance(greedy, Sale)
    assert isinstance(kind, Sale)
    assert greedy.squashing is not None
    assert kind.squashing is not None
    sample = requests_near(view.rehearsal, 0, 512)

    def sold(sale: Sale) -> tuple[float, float]:
        rules = SaleRules(np.asarray(sale.reserve), float(sale.squashing or 0.0), np.ones(6))
        found = sample.outcome(view.bid, rules)
        return float(found.spend.sum()), float(found.conversions @ view.told.value)

    assert kind.squashing == pytest.approx(1.0, abs=0.1)
    assert greedy.squashing < 0.7
    (earned, left), (less, more) = sold(greedy), sold(kind)
    assert earned > 1.05 * less
    assert more > 1.01 * left


def test_mistakes() -> None:
    for text, words in (
        ("constant:reserve=-1", "Constant needs a finite number from 0 up as reserve"),
        ("empirical:size=0", "Empirical needs a whole number from 1 up as size"),
        ("empirical:surplus=-1", "Empirical needs a finite number from 0 up as surplus"),
        ("local_search:step=0", "LocalSearch needs a finite number above 0 as step"),
    ):
        with pytest.raises(PolicyError, match=words):
            make_policy("auction", text)
