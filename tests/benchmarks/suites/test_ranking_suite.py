"""The ranking suite: what it measures is in the books, and what is left at the end is what satisfaction is worth."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.catalogue import make_policy
from adarena.agents.ranking.goal import left, request_worth
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.suites.ranking import RANKING, pairs
from adarena.simulator import Scenario, World
from adarena.simulator.market.market import build

SMALL = Scenario.preset("ranking-small").override({"days": 2, "traffic.requests_per_day": 2_000})
MIX = next(iter(RANKING.mixes))


def test_what_is_measured_is_in_the_books() -> None:
    (case,) = RANKING.cases(SMALL, 1, "train")
    policy = make_policy("ranking", "constant:cost=0.3")
    numbers = measuring.play(RANKING, SMALL, case, policy, MIX).numbers
    world = RANKING.world(SMALL, case, policy, MIX, judged=True)
    world.run()
    assert world.visits is not None
    books, visits = world.ledger.to_frame(), world.visits.to_frame()
    assert numbers["revenue"] == pytest.approx(books["spend"].sum(), rel=1e-12)
    assert numbers["value"] == pytest.approx(books["value"].sum(), rel=1e-12)
    assert numbers["boring"] == visits["boring_ads"].sum() == (books["impressions"] - books["clicks"]).sum()
    assert (numbers["planned"], numbers["made"]) == (visits["requests_planned"].sum(), visits["requests"].sum())
    assert numbers["score"] == pytest.approx(numbers["value"] + numbers["content_left"], rel=1e-12)


def test_what_is_left_is_worth_the_requests_for_which_satisfaction_lasts() -> None:
    """Of users who have seen no ads: their usual visits; the less, the less content they are."""
    world = World(SMALL, seed=1)
    assert world.visits is not None
    market = build(SMALL)
    even = float((market.expected.conversions * market.campaigns.value).sum()) / SMALL.expected_requests
    assert request_worth(SMALL) == pytest.approx(even)
    assert left(world) == pytest.approx(even * 500 * 20 * 0.95)  # 1 / satisfaction_rate and visit_share
    world.visits.satisfaction[:] = 0.9
    odds = np.log(0.95 / 0.05) - 16 * 0.1
    assert left(world) == pytest.approx(even * 500 * 20 / (1 + np.exp(-odds)))
    assert left(World(Scenario.preset("tiny"))) == 0


def test_the_ranker_that_knows_does_better_than_any_constant_pair() -> None:
    for case in RANKING.cases(SMALL, 2, "train"):
        best = measuring.hindsight(RANKING, SMALL, case, MIX)
        assert best.score >= max(measuring.attempt(RANKING, SMALL, case, pair, MIX).score for pair in pairs()[::7])
        assert RANKING.knowing(SMALL, case)["truth"] > best.score
