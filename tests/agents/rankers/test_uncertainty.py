"""How sure models are: against closed forms, scikit-learn, and how often they are right; and labels that are paid for."""

from __future__ import annotations

import numpy as np
import pytest
from rank_logs import taste_log
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from adarena.agents.rankers.labelling import STRATEGIES, Ads, ads_of, improvement, labelled
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.agents.rankers.uncertainty import Belief, Dropout, Ensemble, LastLayer, laplace, linear_belief
from adarena.simulator.core.errors import LogError, PolicyError


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Log:
    return Log(taste_log(tmp_path_factory.mktemp("u"), n=20_000, ads=200, looks=0.4))


@pytest.fixture(scope="module")
def rankers(log, tmp_path_factory):
    def one(model: str, seed: int = 0, **arguments):
        settings = Settings(model, arguments, chain=("clicked",), batch=256, learning_rate=0.01, seed=seed, train=0.3)
        return train(log, settings, tmp_path_factory.mktemp(model) / "run")

    return one


# The last layer


def test_a_rate_alone_has_the_posterior_that_everybody_knows():
    """Of k clicks in n the log-odds log(k / (n - k)) of variance 1 / (n p (1 - p)), where nothing was known before."""
    weights, covariance = laplace(np.ones((1, 1)), np.array([30.0]), np.array([400.0]), 1e9)
    assert weights[0] == pytest.approx(np.log(30 / 370), abs=1e-6)
    assert covariance[0, 0] == pytest.approx(1 / (400 * 0.075 * 0.925), rel=1e-6)


def test_the_mode_is_that_of_scikit_learn_and_the_covariance_the_inverse_hessian():
    dice = np.random.default_rng(0)
    x = dice.standard_normal((500, 4))
    y = (dice.random(500) < expit(x @ [1.0, -0.5, 0.0, 2.0])).astype(float)
    weights, covariance = laplace(x, y, np.ones(500), 0.7)
    theirs = LogisticRegression(C=0.7, fit_intercept=False, tol=1e-10).fit(x, y).coef_[0]
    np.testing.assert_allclose(weights, theirs, atol=1e-5)

    def worth(w):
        return np.logaddexp(0, x @ w).sum() - y @ x @ w + w @ w / 1.4

    step = 1e-4 * np.eye(4)
    numeric = [
        [worth(weights + a + b) - worth(weights + a - b) - worth(weights - a + b) + worth(weights - a - b) for b in step]
        for a in step
    ]
    np.testing.assert_allclose(np.linalg.inv(covariance), np.array(numeric) / 4e-8, rtol=1e-3, atol=1e-2)


def test_known_log_odds_and_counts_are_taken_in():
    """A row shown n times is n rows; an offset is a column whose weight is 1."""
    dice = np.random.default_rng(1)
    x, offset = dice.standard_normal((30, 2)), dice.standard_normal(30)
    shown, clicks = np.full(30, 5.0), dice.integers(0, 6, 30).astype(float)
    one = laplace(x, clicks, shown, 2.0, offset)
    rows = np.repeat(np.arange(30), 5)
    y = np.concatenate([np.arange(5) < c for c in clicks]).astype(float)
    two = laplace(x[rows], y, np.ones(150), 2.0, offset[rows])
    np.testing.assert_allclose(one[0], two[0], atol=1e-8)
    np.testing.assert_allclose(one[1], two[1], atol=1e-8)

    def lost(w):
        odds = offset + x @ w
        return shown @ np.logaddexp(0, odds) - clicks @ odds + w @ w / 4

    np.testing.assert_allclose(one[0], minimize(lost, np.zeros(2)).x, atol=1e-4)


def test_a_mode_far_away_is_found():
    """From 0 whole steps of Newton would run away from these clicks, known to come at odds of e^30 to 1."""
    x = np.linspace(-1, 1, 40)[:, None]
    offset = np.where(x[:, 0] > 0, 30.0, -30.0)
    weights, _ = laplace(x, (x[:, 0] < 0).astype(float), np.ones(40), 1e4, offset)
    assert weights[0] < -30


def test_weights_lie_where_they_are_said_to():
    """Drawn from the prior, in 300 regressions: standardised errors have deviation 1."""
    dice = np.random.default_rng(2)
    errors = []
    for _ in range(300):
        x, w = dice.standard_normal((200, 3)), dice.standard_normal(3)
        weights, covariance = laplace(x, (dice.random(200) < expit(x @ w)).astype(float), np.ones(200), 1.0)
        new = dice.standard_normal((1, 3))
        belief = linear_belief(new, weights, covariance)
        errors.append((belief.mean - new @ w)[0] / belief.deviation[0])
    assert np.std(errors) == pytest.approx(1.0, abs=0.1)


# The three ways


@pytest.mark.parametrize("model", ["dcn", "cold", "deepfm"])
def test_the_last_layer_of_a_network(model, log, rankers):
    """Its mean is near what the network says, and the more it was shown the surer it is; there is none but the last."""
    ranker = rankers(model, **({"hidden": (16,)} if model != "cold" else {}))
    found = log.whole(ranker.card.schema, Window(), ("clicked",))
    layers = [LastLayer(ranker, found.part(slice(n))) for n in (300, 10_000)]
    few, many = (layer.belief(found) for layer in layers)
    _, elsewhere = layers[1]._below(found)
    assert (np.abs(elsewhere).max() < 1e-4) == (model != "deepfm")
    odds = ranker.odds(found)[:, 0]
    assert np.abs(many.mean - odds).mean() < max(odds.std(), 0.3)
    assert (many.deviation > 0).all()
    assert many.deviation.mean() < 0.6 * few.deviation.mean()


def test_an_ensemble_and_dropout_say_mean_and_deviation(log, rankers):
    members = [rankers("dcn", seed, hidden=(16,), dropout=0.2) for seed in range(3)]
    found = log.whole(members[0].card.schema, Window(), ("clicked",)).part(slice(500))
    odds = np.stack([member.odds(found)[:, 0] for member in members])
    belief = Ensemble(members).belief(found)
    np.testing.assert_allclose(belief.mean, odds.mean(axis=0))
    np.testing.assert_allclose(belief.deviation, odds.std(axis=0, ddof=1))
    dropped = Dropout(members[0], passes=40)
    once, again = dropped.belief(found), dropped.belief(found)
    assert np.array_equal(once.deviation, again.deviation)
    assert (once.deviation > 0).mean() > 0.99
    assert np.array_equal(members[0].odds(found)[:, 0], odds[0])  # it is off again
    assert np.abs(once.mean - odds[0]).mean() < once.deviation.mean()


def test_what_cannot_say_how_sure_it_is_is_refused(log, rankers):
    ranker = rankers("fm")
    found = log.whole(ranker.card.schema, Window(), ("clicked",)).part(slice(100))
    with pytest.raises(PolicyError, match="a ranker fm has no last layer"):
        LastLayer(ranker, found)
    with pytest.raises(PolicyError, match="dropout is asked twice at least, of a model trained with some, unlike fm"):
        Dropout(ranker)
    with pytest.raises(PolicyError, match="two rankers at least, not 1"):
        Ensemble([ranker])
    with pytest.raises(PolicyError, match="cannot read features"):
        Ensemble([ranker, rankers("lr")])


# Labels


def market(seed: int, count: int = 300, dimensions: int = 12) -> tuple[Ads, Ads]:
    """Ads that look like how often they are clicked, some more strongly than others; and as many kept apart."""
    dice = np.random.default_rng([7, seed])
    looks = dice.standard_normal((2 * count, dimensions)) * dice.choice([0.2, 2.0], (2 * count, 1), p=[0.8, 0.2])
    x = np.column_stack([looks, np.ones(2 * count)])
    odds = x @ np.r_[dice.standard_normal(dimensions) * 0.5, -2.0]
    shown = np.full(2 * count, 20.0)
    every = Ads(x, dice.binomial(20, expit(odds)).astype(float), shown)
    return every.part(np.arange(count)), every.part(np.arange(count, 2 * count))


def test_labels_where_least_is_known_teach_more_than_labels_at_random():
    found = {name: [] for name in STRATEGIES}
    for seed in range(12):
        for name in STRATEGIES:
            found[name].append(labelled(*market(seed), name, seed, 10, 10, 3))
    curves = {name: np.mean([each.auc for each in held], axis=0) for name, held in found.items()}
    assert len({round(curve[0], 12) for curve in curves.values()}) == 1  # all begin with the same labels
    assert (curves["uncertainty"][1:] > curves["random"][1:] + 0.01).all()
    rates = {name: np.mean([each.click_rate[-1] for each in held]) for name, held in found.items()}
    assert rates["improvement"] > 1.5 * rates["random"]
    assert found["random"][0].labels.tolist() == [10, 20, 30, 40]


def test_expected_improvement_is_that_of_a_normal():
    dice = np.random.default_rng(0)
    belief = Belief(np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.5, 2.0]))
    draws = belief.mean + belief.deviation * dice.standard_normal((400_000, 3))
    np.testing.assert_allclose(improvement(belief, 0.7, dice), np.maximum(draws - 0.7, 0).mean(axis=0), atol=5e-3)


def test_a_label_is_an_ads_first_impressions(log):
    found = ads_of(log, 50)
    ad, clicked = (np.concatenate([c[name] for c in log.chunks(("ad", "clicked"))]) for name in ("ad", "clicked"))
    often = np.flatnonzero(np.bincount(ad) >= 50)
    assert found.clicks.tolist() == [clicked[ad == each][:50].sum() for each in often]
    assert found.looks.shape == (often.size, 19)


def test_what_cannot_be_labelled_is_refused(log, tmp_path):
    with pytest.raises(LogError, match="does not tell what ads look like"):
        ads_of(Log(taste_log(tmp_path, n=2_000)), 10)
    with pytest.raises(LogError, match="does not tell two ads of 100000 impressions each"):
        ads_of(log, 100_000)
    with pytest.raises(LogError, match="10 and 3 times 100 ads are more than the 300 that may be labelled"):
        labelled(*market(0), "random", 0, 10, 100, 3)
