"""Creatives that come late, and what content tells of appeal."""

from __future__ import annotations

import numpy as np
import pytest
from creative_markets import large, made, tiny

from adarena.simulator.population.embeddings import MODALITIES, content_scores, embeddings, has_modality


def test_the_last_creatives_of_each_ad_come_late_evenly_and_the_others_are_what_they_were() -> None:
    settings = {"per_ad": [1, 6], "fresh_share": 0.2}
    _, _, _, before = large(settings)
    scenario, _, _, after = large({**settings, "late": {"share": 0.5, "within": 0.6}})
    for name in ("first", "ad", "format", "appeal", "interaction"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert not before.born.any()
    place, count = np.arange(after.ad.size) - after.first[after.ad], np.diff(after.first)[after.ad]
    late = place >= count - np.minimum(np.round(0.5 * count), count - 1)
    np.testing.assert_array_equal(after.born > 0, late)
    np.testing.assert_array_equal(after.fresh, before.fresh | late)
    when = after.born[late] / scenario.horizon_us
    assert when.max() < 0.6
    assert abs(when.mean() - 0.3) < 4 * 0.6 / np.sqrt(12 * late.sum())
    assert abs(np.corrcoef(when, after.appeal[late])[0, 1]) < 4 / np.sqrt(late.sum())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_creative_of_an_ad_at_least_is_there_from_the_start(share: float) -> None:
    portfolio = made(tiny({"per_ad": [1, 3], "late": {"share": share}}))
    there = np.add.reduceat(portfolio.born == 0, portfolio.first[:-1])
    np.testing.assert_array_equal(there, np.diff(portfolio.first) if share == 0 else 1)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_content_tells_of_appeal_what_a_regression_on_embeddings_does(correlation: float) -> None:
    settings = {"per_ad": [2, 4], "embedding_correlation": correlation, "embedding_dimensions": 8}
    scenario, table, _, portfolio = large(settings)
    score, appeal = content_scores(scenario, table, portfolio), portfolio.appeal.astype(float)
    modalities = np.stack([has_modality(portfolio, name) for name in MODALITIES], axis=1)
    q = correlation**2 / (1 - correlation**2)
    for kind in np.unique(modalities, axis=0):
        which = np.flatnonzero((modalities == kind).all(axis=1))
        explained = kind.sum() * q / (1 + kind.sum() * q)
        error = 4 / np.sqrt(which.size)
        assert abs(1 - (appeal[which] - score[which]).var() / appeal[which].var() - explained) < 2 * error
        if correlation:
            seen = [
                embeddings(scenario, table, portfolio, name, which) for name, has in zip(MODALITIES, kind, strict=True) if has
            ]
            x = np.column_stack([np.ones(which.size), *seen])
            fitted = x @ np.linalg.lstsq(x, appeal[which], rcond=None)[0]
            assert np.corrcoef(fitted, score[which])[0, 1] > 0.97
            slope = np.cov(fitted, score[which])[0, 1] / score[which].var()
            assert abs(slope - 1) < 0.1
