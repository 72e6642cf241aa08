"""The auction suite: what it measures is in the books, and its yardsticks are the best of what they try."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.catalogue import describe, make_policy
from adarena.agents.hindsight.auction import pairs
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.suites.auction import AUCTION
from adarena.simulator import Open, Scenario, World

SMALL = Scenario.preset("auction-small").override({"traffic.requests_per_day": 2_000, "ticks_per_day": 12})


def test_what_is_measured_is_in_the_books() -> None:
    (case,) = AUCTION.cases(SMALL, 1, "train")
    policy, mix = make_policy("auction", "constant:reserve=0.6,squashing=0.4"), next(iter(AUCTION.mixes))
    numbers = measuring.play(AUCTION, SMALL, case, policy, mix).numbers
    world = AUCTION.world(SMALL, case, policy, mix, judged=True)
    world.run()
    books = world.ledger.to_frame()
    assert numbers["revenue"] == pytest.approx(books["spend"].sum(), rel=1e-12)
    assert numbers["welfare"] == pytest.approx(books["value"].sum(), rel=1e-12)
    assert numbers["surplus"] == pytest.approx(numbers["welfare"] - numbers["revenue"])
    assert (numbers["wins"], numbers["impressions"]) == (books["wins"].sum(), books["impressions"].sum())
    assert numbers["slots"] == world.played >= numbers["wins"] > 0  # one slot each
    asked = World(SMALL, {"auction": Open()}, seed=0).until_asked()
    assert asked is not None
    history = asked.view.told.history  # of the even day that policies are told of
    price = history.spend.sum() / history.impressions.sum()
    assert numbers["users_cost"] == pytest.approx(price * (books["impressions"] - books["clicks"]).sum(), rel=1e-9)
    told = numbers["revenue"] + 0.3 * numbers["surplus"] - 0.1 * numbers["users_cost"]
    assert numbers["score"] == pytest.approx(told, rel=1e-9)


def test_static_hindsight_is_the_best_of_all_pairs_and_best_by_tick_is_no_less() -> None:
    (case,), mix = AUCTION.cases(SMALL, 1, "train"), next(iter(AUCTION.mixes))
    best = measuring.hindsight(AUCTION, SMALL, case, mix)
    every = [measuring.attempt(AUCTION, SMALL, case, pair, mix).score for pair in pairs()]
    assert best.score == max(every)
    assert best.constant == describe("auction", pairs()[int(np.argmax(every))])
    assert AUCTION.knowing(SMALL, case)["by_tick"] >= best.score


def test_where_budgets_bind_nothing_is_said_of_ticks() -> None:
    bound = SMALL.override({"demand.budget_share": 0.3})
    (case,) = AUCTION.cases(bound, 1, "train")
    assert np.isnan(AUCTION.knowing(bound, case)["by_tick"])
    results = measuring.run(AUCTION, bound, {"usual": "usual"}, 1, split="train")
    shown = [metric.name for metric in AUCTION.shown(results)]
    assert "share_of_best_by_tick" not in shown
    assert "revenue" in shown
