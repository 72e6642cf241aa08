"""Recall of two towers and of semantic ids: what is asked, and that both learn from clicks what chance does not know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adarena.agents.rankers.models.generative import Generative
from adarena.benchmarks.scaling import retrieval
from adarena.benchmarks.scaling.sequences import Sequences
from adarena.simulator.core.errors import MarketError


def tastes(n: int = 600, ads: int = 24, length: int = 40) -> tuple[Sequences, np.ndarray]:
    """Users of four kinds, each of which clicks mostly on a quarter of the ads."""
    dice = np.random.default_rng(0)
    scores = np.where(np.arange(n)[:, None] % 4 == np.arange(ads) % 4, 0.7, 0.05)
    ad = dice.integers(0, ads, (n, length))
    truth = np.take_along_axis(scores, ad, axis=1)
    return Sequences(np.arange(n), ad, (dice.random((n, length)) < truth).astype(np.int64), truth), scores


def test_clicks_and_their_past_by_hand():
    held, _ = tastes(20)
    found = retrieval.clicks_of(held, 10, 20)
    row = 0
    for u in range(20):
        for t in range(10, 20):
            if held.clicked[u, t]:
                before = [int(held.ad[u, s]) for s in range(t) if held.clicked[u, s]][-retrieval.READ :]
                assert (found.user[row], found.ad[row]) == (u, held.ad[u, t])
                assert found.past[row].tolist() == [-1] * (retrieval.READ - len(before)) + before
                row += 1
    assert row == found.user.size


def test_both_learn_tastes_and_the_truth_is_above():
    held, scores = tastes()
    found = retrieval.compare(held, scores, 0, ks=(1, 6))
    # Of a user's clicks 82% are on the six ads that he likes, which stand first for one who knows; for others 25%.
    assert found.recall["the truth"][6] == pytest.approx(0.82, abs=0.03)
    assert found.recall["most clicked ads"][6] < 0.35
    for who in ("two towers", "semantic ids"):
        assert 0.6 < found.recall[who][6] <= found.recall["the truth"][6] + 0.02, who
    assert all(after < before for before, after in zip(found.left, found.left[1:], strict=False))
    assert max(found.perplexity) <= retrieval.CODES


def test_ads_that_share_an_id_are_named_one_after_the_other():
    ids = torch.tensor([[0, 1, 2], [3, 1, 2], [0, 1, 2]])
    model = Generative(ids, retrieval.CODES, retrieval.READ, width=16).eval()
    past = torch.full((2, retrieval.READ), -1)
    named = retrieval.spelled(model, past, ids, 5)
    assert sorted(named[0].tolist()) == [-1, -1, 0, 1, 2]
    assert abs(named[0].tolist().index(0) - named[0].tolist().index(2)) == 1


def test_short_sequences_are_refused():
    held, scores = tastes(20, length=16)
    with pytest.raises(MarketError, match="of more than 16"):
        retrieval.compare(held, scores, 0)
