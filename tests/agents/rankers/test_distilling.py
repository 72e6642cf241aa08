"""Distillation: what a student is taught, and that it learns more of it than of labels alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from rank_logs import taste_log
from scipy.special import expit

from adarena.agents.rankers import metrics
from adarena.agents.rankers.distilling import taught
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.ranker import Ranker, load_ranker
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.simulator.core.errors import PolicyError

CLICKS = ("clicked",)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Log:
    return Log(taste_log(tmp_path_factory.mktemp("taught"), n=40_000))


@pytest.fixture(scope="module")
def teacher(log, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    train(log, Settings("fm", chain=CLICKS, batch=256, learning_rate=0.01), folder)
    return folder


def student(log: Log, folder: Path, seed: int, **changes) -> Ranker:
    settings = Settings("cold", chain=CLICKS, batch=256, learning_rate=0.01, seed=seed, **changes)
    return train(log, settings, folder / f"{seed}{len(changes)}")


def test_a_student_of_the_fine_sort_beats_itself_without_a_teacher(log, teacher, tmp_path):
    """Three seeds, on the log that both have: the log loss of the test part, paired; the mean, for seeds differ much."""
    gained = []
    for seed in range(3):
        losses = []
        for changes in ({}, {"teacher": str(teacher), "taught": 0.9}):
            ranker = student(log, tmp_path, seed, **changes)
            found = log.whole(ranker.card.schema, log.split()[2], CLICKS)
            losses.append(metrics.log_loss(ranker.predicted(found)[:, 0], found.labels[:, 0]))
        gained.append(losses[0] - losses[1])
    assert np.mean(gained) > 0.008


def test_labels_are_mixed_with_what_the_teacher_says(log, teacher):
    ranker, schema = load_ranker(teacher), log.schema(without=("user", "hour"))
    plain = log.whole(schema, Window(), CLICKS)
    found = list(taught(log, schema, Window(), ranker, 0.3))
    labels = np.concatenate([each.labels[:, 0] for each in found])
    rates = ranker.predicted(log.whole(ranker.card.schema, Window(), CLICKS))[:, 0]
    np.testing.assert_allclose(labels, 0.7 * plain.labels[:, 0] + 0.3 * rates, atol=1e-6)


def test_where_negatives_are_thinned_the_teacher_says_rates_among_those_kept(log, teacher):
    ranker = load_ranker(teacher)
    window = Window(kept=0.2)
    labels = np.concatenate([e.labels[:, 0] for e in taught(log, ranker.card.schema, window, ranker, 1.0)])
    clicks = np.concatenate([e.labels[:, 0] for e in log.examples(ranker.card.schema, window, CLICKS)])
    assert labels.mean() == pytest.approx(clicks.mean(), rel=0.05)
    thin = Ranker(dataclasses.replace(ranker.card, kept=0.2), ranker.network)  # as if it had been trained on as few
    odds = np.concatenate([thin.odds(e)[:, 0] for e in log.examples(ranker.card.schema, window, CLICKS)])
    same = np.concatenate([e.labels[:, 0] for e in taught(log, ranker.card.schema, window, thin, 1.0)])
    np.testing.assert_allclose(same, expit(odds), atol=1e-6)


def test_taught_by_0_is_not_taught(log, teacher, tmp_path):
    one = student(log, tmp_path, 0, train=0.1)
    two = student(log, tmp_path, 0, train=0.1, teacher=str(teacher), taught=0.0)
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True))


def test_who_is_no_teacher_is_refused(log, teacher, tmp_path):
    with pytest.raises(PolicyError, match="a teacher is of clicks alone: with chain=clicked, not clicked,converted"):
        Settings("cold", teacher=str(teacher))
    with pytest.raises(PolicyError, match="there is no ranker in"):
        student(log, tmp_path, 0, teacher=str(tmp_path / "none"))
    other = Log(taste_log(tmp_path / "log", n=3_000, segment=np.zeros(3_000, int)))
    with pytest.raises(PolicyError, match="it was trained on feature 'segment', which is missing"):
        student(other, tmp_path / "b", 0, teacher=str(teacher))
    train(log, Settings("two-tower", chain=CLICKS, train=0.1), tmp_path / "towers")
    with pytest.raises(PolicyError, match="a ranker two-tower ranks ads for recall and says no rates: it is no teacher"):
        student(log, tmp_path / "c", 0, teacher=str(tmp_path / "towers"))
