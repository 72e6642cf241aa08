"""Training on a log: what is learned, what is kept, how it goes on, and what a trained ranker says of candidates."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from rank_logs import taste_log, trainer, write_log
from scipy.special import expit

from adarena.agents.rankers import metrics
from adarena.agents.rankers.calibration import calibrated
from adarena.agents.rankers.history import Past
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.models.layers import one_thread
from adarena.agents.rankers.models.registry import MODELS, SEQUENTIAL
from adarena.agents.rankers.ranker import CARD, NAME, WEIGHTS, load_ranker
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import CHECKPOINT, CURVE, train
from adarena.simulator.core.errors import LogError, PolicyError

CLICKS = ("clicked",)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Log:
    return Log(taste_log(tmp_path_factory.mktemp("tastes")))


@pytest.fixture(scope="module")
def trained(log, tmp_path_factory):
    return trainer(log, tmp_path_factory.mktemp, chain=CLICKS, length=4, batch=256, learning_rate=0.01)


def judged(log: Log, ranker) -> metrics.Quality:
    found = log.whole(ranker.card.schema, log.split()[2])
    return metrics.quality(ranker.predicted(found)[:, 0], found.labels[:, 0], found.user)


def test_products_of_embeddings_find_tastes_that_weights_cannot(log, trained):
    """Beside the truth: LR knows ads and users, FM and deeper ones what goes with what."""
    found = {name: judged(log, trained(name)) for name in ("lr", "fm", "dcn")}
    test = log.whole(trained("lr").card.schema, log.split()[2])
    truth = metrics.quality(test.truth, test.labels[:, 0], test.user)
    assert found["lr"].auc < 0.68
    assert min(found["fm"].auc, found["dcn"].auc) > found["lr"].auc + 0.06
    for quality in found.values():
        assert quality.auc < truth.auc
        assert quality.log_loss > truth.log_loss
        assert quality.pcoc == pytest.approx(1.0, abs=0.2)


def test_one_epoch_sees_each_impression_once(log, trained):
    assert trained("fm").card.trained["impressions"] == pytest.approx(0.8 * log.rows, abs=2)


def test_a_ranker_trained_on_fewer_negatives_says_the_same_rates(log, trained):
    thin = judged(log, trained("fm", kept=0.3))
    assert thin.pcoc == pytest.approx(1.0, abs=0.12)
    assert thin.auc == pytest.approx(judged(log, trained("fm")).auc, abs=0.03)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "multimodal"])
def test_a_ranker_that_is_read_again_says_the_same(name, log, trained, tmp_path):
    ranker = trained(name, train=0.1)
    again = load_ranker(ranker.save(tmp_path / "r.zip"))
    test = log.whole(ranker.card.schema, log.split()[2]).part(slice(0, 500))
    assert np.array_equal(again.odds(test), ranker.odds(test))
    assert again.card == ranker.card


@pytest.mark.parametrize("name", [name for name in MODELS if name != "multimodal"])
def test_a_block_of_candidates_is_scored_as_its_rows_would_be(name, log, trained):
    ranker = trained(name, train=0.1)
    test = log.whole(ranker.card.schema, log.split()[2]).part(slice(0, 40))
    chunk = {k: v[-test.ids.shape[0] * 100 :] for k, v in next(iter(log.chunks(ranker.card.schema.columns))).items()}
    ads = {k: v[:30] for k, v in chunk.items()}
    users = {k: v[30:50] for k, v in chunk.items()}
    dice = np.random.default_rng(0)
    numbers = ranker.card.schema.remembered_places
    past = Past(
        np.stack([dice.integers(0, 3, (20, 4)) for _ in numbers], axis=2).astype(np.int32),
        dice.integers(-1, 2, (20, 4)).astype(np.int32),
    ) if name in SEQUENTIAL else None  # fmt: skip
    block = ranker.scores(users, ads, {}, past)
    assert block.shape == (20, 30, 1)
    split = ranker.card.schema.of_request
    ids_of = {side: np.stack([f.encoded(c) for f in ranker.card.schema.features if f.side == side], axis=1)
              for side, c in (("request", users), ("ad", ads))}  # fmt: skip
    for n in (0, 7):
        rows = np.concatenate([np.repeat(ids_of["request"][n : n + 1], 30, axis=0), ids_of["ad"]], axis=1)
        assert rows.shape[1] == split + ids_of["ad"].shape[1]
        seen = (
            Past(*(np.repeat(each[n : n + 1], 30, axis=0) for each in past))
            if past
            else Past(*(each[:30] for each in test.past))
        )
        each = test.part(slice(0, 30))._replace(ids=rows, past=seen)
        assert np.allclose(ranker.odds(each), block[n], atol=2e-5)
    if name == "two-tower":
        with pytest.raises(PolicyError, match="says no rates"):
            ranker.rates(users, ads, {}, past)
    else:
        clicks, conversions = ranker.rates(users, ads, {}, past)
        assert np.allclose(clicks, expit(block[..., 0]))
        assert conversions is None
    # Candidates of one's own for each request.
    own = {k: np.stack([v[:5], v[5:10]]) for k, v in ads.items()}
    two = ranker.scores({k: v[:2] for k, v in users.items()}, own, {}, past and Past(*(each[:2] for each in past)))
    assert np.allclose(two[1], block[1, 5:10], atol=2e-5)


def test_candidates_without_a_column_or_a_past_are_refused(log, trained):
    ranker = trained("fm")
    chunk = next(iter(log.chunks(ranker.card.schema.columns)))
    with pytest.raises(LogError, match="feature 'vertical' is made of column 'vertical'"):
        ranker.rates(chunk, {k: v for k, v in chunk.items() if k != "vertical"}, {})
    with pytest.raises(PolicyError, match="given no past"):
        trained("din", train=0.1).rates(chunk, chunk, {})


class Stopped(Exception):
    """By the test."""


@pytest.mark.parametrize("name", ["fm", "transformer"])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(name, log, tmp_path):
    settings = Settings(name, chain=CLICKS, length=3, batch=256, epochs=2, checks=4, train=0.2)
    whole = train(log, settings, tmp_path / "whole")

    def stop(rows: int, loss: float | None) -> None:
        if rows > 15_000:
            raise Stopped

    with pytest.raises(Stopped):
        train(log, settings, tmp_path / "parts", advance=stop)
    assert not (tmp_path / "parts" / NAME).exists()
    with pytest.raises(PolicyError, match="holds a run"):
        train(log, settings, tmp_path / "parts")
    with pytest.raises(PolicyError, match="other settings"):
        train(log, dataclasses.replace(settings, batch=512), tmp_path / "parts", resume=True)
    again = train(log, settings, tmp_path / "parts", resume=True)
    for mine, other in zip(again.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(mine, other)
    assert (tmp_path / "parts" / CURVE).read_text() == (tmp_path / "whole" / CURVE).read_text()


def test_the_same_seed_is_the_same_ranker_and_another_is_not(log, tmp_path):
    weights = []
    for n, seed in enumerate((0, 0, 1)):
        torch.manual_seed(n)  # whatever was drawn before
        ranker = train(log, Settings("fm", chain=CLICKS, seed=seed, train=0.1), tmp_path / str(n))
        weights.append(ranker.network.state_dict()["vectors.table.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_training_ends_where_it_gets_worse_and_the_best_is_kept(log, tmp_path):
    settings = Settings("deepfm", chain=CLICKS, batch=128, learning_rate=0.03, epochs=40, checks=1, patience=2, train=0.05)
    train(log, settings, tmp_path)
    curve = pd.read_csv(tmp_path / CURVE)
    losses = curve.validation_loss.to_numpy()
    assert len(curve) < 20
    assert losses.argmin() == len(losses) - 3
    ranker = load_ranker(tmp_path)
    after = log.whole(ranker.card.schema, log.split(0.05, 0.1)[1])
    assert metrics.log_loss(ranker.predicted(after)[:, 0], after.labels[:, 0]) == pytest.approx(losses.min(), abs=1e-4)


def test_nothing_reported_after_training_is_learned(tmp_path):
    """Conversions that are all reported after the window ends are no conversions yet."""
    n = 4_000
    request = np.arange(n)
    columns = {"request": request, "time_us": request * 1_000_000, "slot": request * 0, "user": request % 9,
               "ad": request % 7, "clicked": request % 2, "converted": request % 4 == 1}  # fmt: skip
    rates = []
    for delay in (1, 10**9):
        report = np.where(columns["converted"], (request + delay) * 1_000_000, -1)
        log = Log(write_log(tmp_path / str(delay), columns | {"report_us": report}))
        ranker = train(log, Settings("lr", batch=64, learning_rate=0.05), tmp_path / f"run{delay}")
        rates.append(ranker.predicted(log.whole(ranker.card.schema, Window()))[:, 1].mean())
    assert rates[0] == pytest.approx(0.5, abs=0.1)
    assert rates[1] < 0.05


def late_log(folder) -> Log:
    """Nine days of clicks that convert at 40% and are told of after two days on average."""
    n, dice = 30_000, np.random.default_rng(0)
    time = np.arange(n) * (9 * 86_400_000_000 // n)
    clicked = dice.random(n) < 0.5
    delay = (dice.exponential(2.0, n) * 86_400e6).astype(np.int64)
    converted = clicked & (dice.random(n) < 0.4)
    columns = {"request": np.arange(n), "time_us": time, "slot": np.zeros(n, int), "user": dice.integers(0, 9, n),
               "ad": dice.integers(0, 7, n), "clicked": clicked, "converted": converted,
               "report_us": np.where(converted, time + delay, -1)}  # fmt: skip
    return Log(write_log(folder, columns))


def test_conversions_told_of_late_are_learned_where_delays_are_modelled(tmp_path):
    log = late_log(tmp_path / "log")
    rates = {}
    for feedback in ("naive", "dfm"):
        settings = Settings("deepfm", {"hidden": [8]}, batch=256, learning_rate=0.01, feedback=feedback)
        ranker = train(log, settings, tmp_path / feedback)
        again = load_ranker(tmp_path / feedback)
        test = log.whole(ranker.card.schema, log.split()[2])
        assert np.array_equal(again.predicted(test), ranker.predicted(test))
        rates[feedback] = ranker.predicted(test)[:, 1].mean()
    assert rates["dfm"] == pytest.approx(0.4, rel=0.1)
    assert rates["naive"] < 0.33


def test_feedback_that_a_model_cannot_have_is_refused():
    for wrong in ({"model": "esmm"}, {"chain": CLICKS}, {"feedback": "dfn"}):
        with pytest.raises(PolicyError):
            Settings(**{"model": "fm", "feedback": "dfm"} | wrong)


def test_a_log_of_other_features_is_refused_by_name(log, trained, tmp_path):
    ranker = trained("lr")
    ranker.check(log.schema())
    taste_log(tmp_path, surface=np.arange(60_000) % 3)
    with pytest.raises(PolicyError, match="not trained on feature 'surface'"):
        ranker.check(Log(tmp_path).schema())
    with pytest.raises(PolicyError, match="remembers 4 impressions"):
        trained("din", train=0.1).check(log.schema(5))


def test_calibrations_by_segment_are_kept_and_used(log, trained, tmp_path):
    """After Platt, predicted clicks of each segment are its clicks."""
    ranker = trained("fm")
    test = log.whole(ranker.card.schema, log.split()[2])
    place = [f.name for f in ranker.card.schema.features].index("segment")
    segment = test.ids[:, place]
    odds = ranker.uncalibrated(test)
    bent = ranker.calibrated(calibrated("platt", odds, test.labels[:, 0], segment, "segment"))
    again = load_ranker(bent.save(tmp_path / "r.zip"))
    assert again.card.calibration == bent.card.calibration
    for number in np.unique(segment):
        mine = segment == number
        assert again.predicted(test)[mine, 0].sum() == pytest.approx(test.labels[mine, 0].sum(), rel=1e-3)


def test_files_that_are_no_rankers_are_refused(trained, tmp_path):
    with pytest.raises(PolicyError, match="no ranker"):
        load_ranker(tmp_path)
    (tmp_path / NAME).write_text("x")
    with pytest.raises(PolicyError, match="damaged"):
        load_ranker(tmp_path)
    path = trained("lr").save(tmp_path / NAME)
    with zipfile.ZipFile(path) as archive:
        card, weights = json.loads(archive.read(CARD)), archive.read(WEIGHTS)

    def written(changes, bytes_=weights):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(CARD, json.dumps(card | changes))
            archive.writestr(WEIGHTS, bytes_)

    written({"hash": "0" * 16})
    with pytest.raises(PolicyError, match="was trained on features 0000"):
        load_ranker(path)
    written({"format": 9})
    with pytest.raises(PolicyError, match="format 9"):
        load_ranker(path)
    written({"model": "fm"})
    with pytest.raises(PolicyError, match="do not fit"):
        load_ranker(path)
    written({}, b"x")
    with pytest.raises(PolicyError, match="do not fit"):
        load_ranker(path)


@pytest.mark.parametrize("change", [{"batch": 0}, {"learning_rate": 0.0}, {"model": "lrr"}, {"epochs": 0}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(PolicyError):
        Settings(**{"model": "lr"} | change)


def test_threads_are_as_they_were(log, tmp_path):
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    assert not (tmp_path / CHECKPOINT).exists()
