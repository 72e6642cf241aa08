"""Beliefs that learn: how often ads are clicked over how often that was expected, and what is made of it as a tick opens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.compiled import inlined, spelt_out
from ..scenario.response import Learning


class Beliefs(NamedTuple):
    """What has come of ads so far; A ads. Without any arrays: nobody counts."""

    shown: Integers  # (A,) impressions
    clicks: Integers  # (A,)
    expected: Floats  # (A,) clicks that the first belief and users' fatigue let expect
    correction: Floats  # (2, A) factors on the odds first believed: before beliefs last changed, and since
    changed_us: Integers  # (1,) when that was


def new_beliefs(ads: int = 0) -> Beliefs:
    """Nothing has been shown, and all is as believed at first."""
    whole = np.zeros(ads, np.int64)
    return Beliefs(whole, whole.copy(), np.zeros(ads), np.ones((2, ads)), np.zeros(1 if ads else 0, np.int64))


class Prior(NamedTuple):
    """How many times as often new ads may be clicked as first believed, before any click: gamma distributions, (A,) each."""

    shape: Floats
    mean: Floats


def first_prior(settings: Learning, ads: int) -> Prior:
    """What a market thinks of new ads until somebody knows better: all alike, of mean 1."""
    return Prior(np.full(ads, float(settings.shape)), np.ones(ads))


class Posterior(NamedTuple):
    """How many times as often ads are clicked as first believed: gamma distributions, (A,) each."""

    shape: Floats
    rate: Floats

    @property
    def mean(self) -> Floats:
        """Of each ad, (A,)."""
        return self.shape / self.rate


def posterior(beliefs: Beliefs, prior: Prior) -> Posterior:
    """What is to be thought of each ad, had it no history but that of the run: conjugate to a Poisson number of clicks."""
    return Posterior(prior.shape + beliefs.clicks, prior.shape / prior.mean + beliefs.expected)


def correct(beliefs: Beliefs, prior: Prior, new: NDArray[np.bool_], now: int) -> Floats:
    """Has new ads be believed as the posterior's mean says; returns the factors on their odds, (A,), 1 for all other ads."""
    factor = np.where(new, posterior(beliefs, prior).mean, 1.0)
    if now > beliefs.changed_us[0]:  # else nobody has come since
        beliefs.correction[0] = beliefs.correction[1]
    beliefs.correction[1] = factor
    beliefs.changed_us[0] = now
    return factor


@spelt_out
def counts_beliefs(state: Any) -> Any:
    """Whether anybody counts what comes of ads."""
    return state.beliefs.clicks.size > 0


@inlined
def first_believed(rate: Any, correction: Any) -> Any:
    """The click rate whose odds were multiplied by a correction to give that rate."""
    return rate / (rate + (1.0 - rate) * correction)


@inlined
def count_belief(a: Any, arrived: Any, believed: Any, readiness: Any, clicked: Any, beliefs: Any) -> None:
    """Counts an impression of ad a in a request that arrived then, believed to be clicked at that rate on first sight.

    `readiness` is how many times as likely a click is for what the user has seen before.
    """
    age = 1 if arrived >= beliefs.changed_us[0] else 0
    beliefs.shown[a] += 1
    beliefs.clicks[a] += clicked
    beliefs.expected[a] += first_believed(believed, beliefs.correction[age, a]) * readiness
