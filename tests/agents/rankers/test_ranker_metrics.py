"""Measures and calibrations, against scikit-learn, closed forms and rates that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score

from adarena.agents.rankers import metrics
from adarena.agents.rankers.calibration import METHODS, calibrated
from adarena.simulator.core.errors import PolicyError

DICE = np.random.default_rng(0)
TRUTH = DICE.beta(2, 18, 40_000)
LABELS = (DICE.random(TRUTH.size) < TRUTH).astype(np.float32)
USERS = DICE.integers(0, 300, TRUTH.size)
COARSE = np.round(TRUTH, 2)  # with ties


@pytest.mark.parametrize("rates", [TRUTH, COARSE])
def test_measures_are_those_of_scikit_learn(rates):
    found = metrics.quality(rates, LABELS, USERS)
    assert found.auc == pytest.approx(roc_auc_score(LABELS, rates), abs=1e-12)
    clipped = np.clip(rates, metrics.LEAST, 1 - metrics.LEAST)
    assert found.log_loss == pytest.approx(log_loss(LABELS, clipped), abs=1e-9)
    assert found.entropy == pytest.approx(found.log_loss / log_loss(LABELS, np.full(LABELS.size, LABELS.mean())), abs=1e-6)
    within, weight = [], []
    for user in np.unique(USERS):
        mine = user == USERS
        if 0 < LABELS[mine].mean() < 1:
            within.append(roc_auc_score(LABELS[mine], rates[mine]))
            weight.append(mine.sum())
    assert found.gauc == pytest.approx(np.average(within, weights=weight), abs=1e-9)


def test_rates_that_are_true_are_calibrated_and_others_are_not():
    true, twice = metrics.quality(TRUTH, LABELS), metrics.quality(2 * TRUTH, LABELS)
    assert true.pcoc == pytest.approx(1.0, abs=0.03)
    assert true.ece < 0.009
    assert twice.pcoc == pytest.approx(2 * true.pcoc)
    assert twice.ece == pytest.approx(0.1, abs=0.01)
    assert twice.auc == true.auc


@pytest.mark.parametrize(
    ("a", "b", "loss", "auc"),
    [(1, 1, 0.5, 5 / 6), (2, 38, 0.18704, 0.69234), (0.5, 9.5, 0.16208, 0.82636), (2, 18, 0.30214, 0.69751)],
)
def test_ceilings_of_beta_rates(a, b, loss, auc):
    """The formulas, against numbers found independently; and the ceiling of a sample of such rates."""
    assert metrics.beta_floor(a, b) == pytest.approx(loss, abs=5e-6)
    assert metrics.beta_auc(a, b) == pytest.approx(auc, abs=5e-5)
    rates = np.random.default_rng(1).beta(a, b, 200_000)
    found = metrics.ceiling(rates)
    assert found.log_loss == pytest.approx(loss, rel=0.01)
    assert found.auc == pytest.approx(auc, abs=0.004)


def test_the_ceiling_is_the_mean_over_all_clicks_that_could_have_been():
    rates = np.array([0.2, 0.2, 0.5, 0.9])
    draws = np.random.default_rng(0).random((200_000, 4)) < rates
    right = pairs = 0.0
    for i in range(4):
        for j in range(4):
            both = (draws[:, i] & ~draws[:, j]).mean()
            pairs += both
            right += both * (rates[i] > rates[j]) + both * 0.5 * (rates[i] == rates[j])
    # i with itself never is a pair of a draw; in the ceiling it is one, as of two impressions alike.
    own = (rates * (1 - rates)).sum()
    assert metrics.ceiling(rates).auc == pytest.approx((right + 0.5 * own) / (pairs + own), abs=2e-3)


def test_labels_all_alike_have_no_auc():
    found = metrics.quality(TRUTH, np.zeros(TRUTH.size), USERS)
    assert np.isnan([found.auc, found.gauc, found.entropy, found.pcoc]).all()
    assert metrics.quality(TRUTH[:5], np.ones(5)).pcoc == pytest.approx(TRUTH[:5].mean())


@pytest.mark.parametrize("method", METHODS)
def test_a_calibration_undoes_what_it_can(method):
    """Log-odds that are twice too wide; Platt and isotonic also undo a shift."""
    shift = 0.0 if method == "temperature" else 1.0
    odds = 2 * logit(np.clip(TRUTH, 1e-6, 1 - 1e-6)) + shift
    half = TRUTH.size // 2
    bent = calibrated(method, odds[:half], LABELS[:half])
    after = metrics.quality(bent.rates(odds[half:]), LABELS[half:])
    before = metrics.quality(expit(odds[half:]), LABELS[half:])
    floor = metrics.log_loss(TRUTH[half:], LABELS[half:])
    assert after.log_loss < floor + 0.002 < before.log_loss
    assert after.pcoc == pytest.approx(1.0, abs=0.06)


def test_segments_have_curves_of_their_own():
    segment = DICE.integers(0, 3, TRUTH.size)
    odds = logit(np.clip(TRUTH, 1e-6, 1 - 1e-6)) + np.array([0.0, 1.5, -1.0])[segment]
    common, own = (calibrated("platt", odds, LABELS, each, "segment") for each in (None, segment))
    for number in range(3):
        mine = segment == number
        wrong, right = (metrics.quality(c.rates(odds, segment)[mine], LABELS[mine]).pcoc for c in (common, own))
        assert right == pytest.approx(1.0, abs=1e-3)
        assert abs(np.log(wrong)) > 0.05
    assert sorted(own.segments) == [0, 1, 2]


def test_a_segment_without_both_labels_is_as_all_are():
    segment = np.r_[np.zeros(100, int), np.ones(LABELS.size - 100, int)]
    labels = np.r_[np.zeros(100), LABELS[100:]]
    own = calibrated("isotonic", logit(COARSE + 0.005), labels, segment, "segment")
    assert sorted(own.segments) == [1]
    assert np.array_equal(own.rates(np.array([-2.0]), np.array([0])), own.everyone.rates(np.array([-2.0])))


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(PolicyError, match="known are isotonic"):
        calibrated("spline", TRUTH, LABELS)
    with pytest.raises(PolicyError, match="with the label and without"):
        calibrated("platt", TRUTH, np.zeros(TRUTH.size))
