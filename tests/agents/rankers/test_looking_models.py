"""Models that read what ads look like: on ads of which they have seen nothing, with a modality missing, in blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rank_logs import taste_log, trainer

from adarena.agents.rankers import metrics
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.models.layers import Looks, Shape, batch_of
from adarena.agents.rankers.models.registry import LOOKING
from adarena.agents.rankers.ranker import load_ranker
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.benchmarks.rankers.newcomers import unseen
from adarena.simulator.books.hashing import hashed
from adarena.simulator.core.errors import LogError, PolicyError

UNSEEN = 0.3
LOOKS = ("text", "image", "video")


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Log:
    """300 ads, so that what is learned of looks is not learned by heart."""
    return Log(taste_log(tmp_path_factory.mktemp("looks"), n=60_000, ads=300, looks=0.8))


@pytest.fixture(scope="module")
def trained(log, tmp_path_factory):
    one = trainer(log, tmp_path_factory.mktemp, chain=("clicked",), batch=256, learning_rate=0.01, unseen=UNSEEN)
    small = {"arguments": {"hidden": (32,), "crosses": 1}}
    return lambda name, **changes: one(name, **(small if name == "dcn" else {}), **changes)


def test_who_looks_ranks_ads_it_has_never_seen_and_who_does_not_is_near_chance(log, trained):
    """The id model knows users and verticals, no ad: within a user all unseen ads are alike to it."""
    test = Window(ads=(0.0, UNSEEN))
    aucs = {}
    for name, without in (("fm", ()), ("dcn", ()), ("cold", ()), ("ids", LOOKS)):
        ranker = trained("fm" if name == "ids" else name, without=without)
        found = log.whole(ranker.card.schema, test, ("clicked",))
        aucs[name] = metrics.gauc(ranker.predicted(found)[:, 0], found.labels[:, 0], found.user)
    ceiling = metrics.gauc(found.truth, found.labels[:, 0], found.user)
    assert aucs["ids"] == pytest.approx(0.5, abs=0.03)
    assert min(aucs["fm"], aucs["dcn"], aucs["cold"]) > 0.58
    assert ceiling > max(aucs.values())


def test_with_a_modality_missing_it_is_better_than_nothing_and_worse_than_with_all(log, trained):
    """Missing when it is used, and not in training: what was learned with all of them still works with some."""
    ranker = trained("fm")
    found = log.whole(ranker.card.schema, Window(ads=(0.0, UNSEEN)), ("clicked",))
    held = []
    for gone in (0, 6, 12, 18):
        vectors = found.vectors.copy()
        vectors[:, 18 - gone :] = np.nan
        held.append(metrics.gauc(ranker.predicted(found._replace(vectors=vectors))[:, 0], found.labels[:, 0], found.user))
    assert held[0] > held[1] > held[2] > held[3] + 0.03
    assert held[3] == pytest.approx(0.5, abs=0.03)


def test_recall_by_looks_finds_ads_it_has_never_seen(log, trained):
    """Where the ad that was clicked stands among all unseen ones, from 0 to 1; by number alone it is anywhere."""
    test = Window(ads=(0.0, UNSEEN))
    place = {}
    for name in ("multimodal", "two-tower"):
        ranker = trained(name, learning_rate=0.003)
        found = log.whole(ranker.card.schema, test, ("clicked",))
        seen, network, split = batch_of(found, ranker.shape), ranker.network, ranker.shape.of_request
        ads, first, which = np.unique(found.ids[:, split:], axis=0, return_index=True, return_inverse=True)
        rows = torch.from_numpy(first)
        with torch.no_grad():
            told = network.of_ad(seen.ids[rows][:, split:], seen.part(rows).vectors)
            scores = network.of_request(seen.ids[:, :split]) @ told.T  # (n, ads)
        clicked = found.labels[:, 0] > 0
        mine = scores[np.arange(len(which)), which.reshape(-1)]
        better = (scores < mine[:, None]).float().mean(dim=1).numpy()
        assert len(ads) > 50
        place[name] = better[clicked].mean()
    assert place["multimodal"] > 0.6
    assert place["two-tower"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", LOOKING)
def test_a_ranker_that_is_read_again_says_the_same(name, log, trained, tmp_path):
    ranker = trained(name, train=0.1)
    again = load_ranker(ranker.save(tmp_path / "r.zip"))
    test = log.whole(ranker.card.schema, log.split()[2]).part(slice(0, 500))
    assert np.array_equal(again.odds(test), ranker.odds(test))
    assert again.card == ranker.card


@pytest.mark.parametrize("each", ["same", "own"])
@pytest.mark.parametrize("name", LOOKING)
def test_a_block_of_candidates_is_scored_as_its_rows_would_be(name, each, log, trained):
    """The same ads for all requests, and for each its own."""
    ranker = trained(name, train=0.1)
    schema = ranker.card.schema
    rows = {column: values[:12] for column, values in next(iter(log.chunks(schema.columns))).items()}
    block = ranker.scores(rows, rows | log.looks(rows["ad"]), {})
    if each == "own":
        many = {name: np.stack([values] * 12) for name, values in (rows | log.looks(rows["ad"])).items()}
        np.testing.assert_allclose(ranker.scores(rows, many, {}), block, atol=1e-5)
    found = log.whole(schema, Window(), ("clicked",)).part(slice(0, 12))
    np.testing.assert_allclose(block[np.arange(12), np.arange(12)], ranker.odds(found), atol=1e-5)


def test_a_missing_modality_is_a_learned_vector_and_others_are_linear():
    torch.manual_seed(0)
    looks = Looks(Shape((2,), 1, 0, (), 1, (3, 2)), 4).eval()
    torch.nn.init.normal_(looks.missing)
    x = torch.randn(5, 5)
    x[2, :3] = torch.nan
    found = looks(x)
    assert torch.equal(found[2, 0], looks.missing[0])
    expected = x[:, 3:] @ looks.views[1].weight.T * 2**0.5 + looks.views[1].bias
    assert torch.allclose(found[:, 1], expected, atol=1e-6)
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in looks.parameters())


def test_modalities_are_dropped_in_training_alone():
    looks = Looks(Shape((2,), 1, 0, (), 1, (3, 2)), 4, dropout=0.4)
    torch.nn.init.ones_(looks.missing)
    torch.manual_seed(0)
    x = torch.randn(20_000, 5)
    dropped = (looks.train()(x) == 1.0).all(dim=2).float().mean(dim=0)
    assert dropped.tolist() == pytest.approx([0.4, 0.4], abs=0.015)
    assert not (looks.eval()(x) == 1.0).all(dim=2).any()


def test_ads_left_out_of_training_are_judged_apart(log, trained):
    """By the same hash: of no ad that was trained on is anything in there."""
    ranker = trained("fm")
    _, _, last = log.split()
    found = unseen(log, {"fm": ranker, "ids": trained("lr", unseen=0.0), "towers": trained("multimodal")}, last)
    assert list(found) == ["fm"]
    whole = log.whole(ranker.card.schema, last, ("clicked",))
    ad = np.concatenate([chunk["ad"][chunk["time_us"] >= last.first_us] for chunk in log.chunks(("ad",))])
    new = hashed("dealt", ad) < UNSEEN * 2**32
    assert 0.2 < new.mean() < 0.4
    assert found["fm"].impressions == new.sum()
    assert found["fm"].auc == pytest.approx(metrics.auc(ranker.predicted(whole)[new, 0], whole.labels[new, 0]), abs=1e-4)
    known = log.whole(ranker.card.schema, Window(0, log.time_at(0.8), ads=(UNSEEN, 1.0)), ("clicked",))
    assert len(known.ids) == pytest.approx(ranker.card.trained["impressions"], abs=2)


def test_what_does_not_fit_is_refused(log, trained, tmp_path):
    plain = Log(taste_log(tmp_path, n=3_000))
    with pytest.raises(PolicyError, match="it was trained on feature 'text', which is missing"):
        trained("fm").check(log.schema())
    with pytest.raises(PolicyError, match="model multimodal reads what ads look like, and nothing of that is told"):
        train(plain, Settings("multimodal"), tmp_path / "run")
    with pytest.raises(LogError, match="feature 'text' has 6 numbers, and what is given has 5"):
        trained("fm").card.schema.told({name: np.zeros((3, 5), np.float32) for name in LOOKS})
    with pytest.raises(LogError, match="feature 'video' is made of column 'video', which is not given"):
        trained("fm").card.schema.told({name: np.zeros((3, 6), np.float32) for name in LOOKS[:2]})
    with pytest.raises(PolicyError, match="unseen"):
        Settings("fm", unseen=1.0)
    assert not log.schema().vectors
    assert [f.name for f in log.schema(without=("video", "hour"), content=True).vectors] == ["text", "image"]
