"""Calibration: log-odds that rank well are bent until they mean what they say, for all alike or for each segment.

Isotonic regression (Zadrozny and Elkan 2002), Platt's logistic of log-odds (1999), and a temperature (Guo et al. 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError

Method = Literal["isotonic", "platt", "temperature"]
METHODS: tuple[Method, ...] = ("isotonic", "platt", "temperature")
WEAK = 1e6  # sklearn's C: practically no penalty


@dataclass(frozen=True)
class Curve:
    """What a log-odds is bent to: a line of log-odds, or knots between which the rate is a line."""

    slope: float = 1.0
    bias: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()  # log-odds and rate

    def rates(self, odds: NDArray[Any]) -> Floats:
        """Rates for log-odds, of any shape."""
        if self.knots:
            at, rate = np.array(self.knots).T
            return np.asarray(np.interp(odds, at, rate), np.float64)
        return np.asarray(expit(self.slope * odds + self.bias), np.float64)


@dataclass(frozen=True)
class Calibration:
    """Curves by segment, and one for all others.

    Args:
        everyone: the curve of all, and of a segment whose calibration set had not both labels.
        segments: the curves of the others, by the feature's number.
        by: the feature whose values are segments; empty: there are none.
    """

    everyone: Curve
    segments: Mapping[int, Curve]
    by: str = ""

    def rates(self, odds: NDArray[Any], segment: NDArray[Any] | None = None) -> Floats:
        """Rates for log-odds (n,), of impressions in segments (n,); None: all are anybody's."""
        out = self.everyone.rates(odds)
        if segment is not None:
            for number, curve in self.segments.items():
                inside = segment == number
                out[inside] = curve.rates(odds[inside])
        return out


def calibrated(
    method: Method, odds: NDArray[Any], labels: NDArray[Any], segment: NDArray[Any] | None = None, by: str = ""
) -> Calibration:
    """Fits curves on log-odds and labels, both (n,), and one for each segment (n,) that is given, of the feature `by`.

    Raises:
        PolicyError: if there is no such method, or not both labels.
    """
    if method not in METHODS:
        raise PolicyError(f"there is no calibration {method!r}: known are {', '.join(METHODS)}")
    if not 0 < labels.mean() < 1:
        raise PolicyError("a calibration needs impressions with the label and without it")
    curves: dict[int, Curve] = {}
    for number in np.unique(segment).tolist() if segment is not None else ():
        inside = segment == number
        if 0 < labels[inside].mean() < 1:
            curves[number] = _curve(method, odds[inside], labels[inside])
    return Calibration(_curve(method, odds, labels), curves, by)


def _curve(method: Method, odds: NDArray[Any], labels: NDArray[Any]) -> Curve:
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    odds = np.asarray(odds, np.float64)
    if method == "isotonic":
        least = 0.5 / (odds.size + 1)  # steps without a click, or of clicks alone, are not taken for certain
        fitted = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(odds, labels)
        return Curve(knots=tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True)))
    line = LogisticRegression(C=WEAK, fit_intercept=method == "platt", tol=1e-8, max_iter=1000).fit(odds[:, None], labels)
    return Curve(float(line.coef_[0, 0]), float(np.ravel(line.intercept_)[0]) if method == "platt" else 0.0)
