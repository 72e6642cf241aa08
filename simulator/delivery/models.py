"""Models of click and conversion rates that take the place of what the platform believes, in a stage of its funnel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.arrays import Floats, Floats32, Integers
from ..core.errors import PolicyError

STAGES = ("recall", "rough", "fine")


class Batch(NamedTuple):
    """Requests that are scored together, as they are known before anything is shown; n of them."""

    number: Integers  # (n,) in the order of the world
    time_us: Integers  # (n,) of arrival
    user: Integers  # (n,)
    surface: Integers  # (n,) 0 where there is but one
    query: Integers  # (n,) -1: asks nothing

    def part(self, places: slice) -> Batch:
        """Those in some places."""
        return Batch(*(column[places] for column in self))


class RateModel(Protocol):
    """A model of click rates, and, if it has `conversion_rates`, of conversions.

    Methods:
        rates: asked for whole blocks of requests. `ads` are numbers of ads in the market, either (m,), the same for all
            requests, or (n, m), a row for each request, with -1 behind the last. Returns (n, m), above 0 and below 1; what
            stands for -1 does not matter. It may be asked about one request again, when beliefs or bids have changed.
        conversion_rates: asked as each tick opens. Returns (K,) conversions per click of each campaign, above 0, at the largest
            lift that a request may have. Optional.
    """

    def rates(self, requests: Batch, ads: Integers) -> Any: ...


class Correction(Protocol):
    """A model that starts from what the platform believes. Whoever corrects cannot say `rates` besides.

    Methods:
        corrected: as `rates`, asked with `believed`, (n, m): what the platform's own fine sort would say of these ads, in
            whatever stage the model stands.
        conversion_rates: as a `RateModel` has it.
    """

    def corrected(self, requests: Batch, ads: Integers, believed: Floats32) -> Any: ...


def is_model(model: object) -> bool:
    """Whether it says click rates, or corrects them."""
    return any(callable(getattr(model, method, None)) for method in ("rates", "corrected"))


def is_replaced(model: RateModel | Correction | None) -> bool:
    """Whether a model's rates take the place of the platform's, and do not start from them."""
    return model is not None and not hasattr(model, "corrected")


def asked(model: RateModel | Correction, requests: Batch, ads: Integers, believed: Callable[[], Floats32]) -> Floats32:
    """What a model says of requests and ads, (n, m); `believed` tells it what the platform does, (n, m).

    Raises:
        PolicyError: if these are no rates.
    """
    who, shape = type(model).__name__, (len(requests.user), ads.shape[-1])
    corrected = getattr(model, "corrected", None)
    found = model.rates(requests, ads) if corrected is None else corrected(requests, ads, believed())  # type: ignore[union-attr]
    try:
        rates = np.asarray(found, np.float32)
    except (TypeError, ValueError):
        raise PolicyError(f"{who} must say click rates in numbers, not {type(found).__name__}") from None
    if rates.shape != shape:
        raise PolicyError(f"{who} must say (requests, ads) = {shape} click rates, not {rates.shape}")
    there = rates if ads.ndim == 1 else np.where(ads >= 0, rates, np.float32(0.5))
    if there.size and not 0 < there.min() <= there.max() < 1:  # not so for NaN
        bad = there[~((there > 0) & (there < 1))][0]
        raise PolicyError(f"{who} said a click rate of {bad}: above 0 and below 1 are allowed")
    return there


def asked_conversions(model: RateModel | Correction, day: int, tick: int, campaigns: int) -> Floats | None:
    """What a model says of conversions per click at a tick, (K,); None if it says nothing of them.

    Raises:
        PolicyError: if these are no rates.
    """
    if (method := getattr(model, "conversion_rates", None)) is None:
        return None
    who = type(model).__name__
    try:
        rates = np.array(method(day, tick), np.float64)
    except (TypeError, ValueError):
        raise PolicyError(f"{who} must say conversion rates in numbers") from None
    if rates.shape != (campaigns,):
        raise PolicyError(f"{who} must say a conversion rate for each of {campaigns} campaigns, not {rates.shape}")
    if not 0 < rates.min() <= rates.max() <= 1:
        bad = rates[~((rates > 0) & (rates <= 1))][0]
        raise PolicyError(f"{who} said a conversion rate of {bad}: above 0 and up to 1 are allowed")
    return rates


def log_odds(rates: Floats32) -> Floats32:
    """Of rates above 0 and below 1, in float32."""
    found: Floats32 = np.log(rates) - np.log1p(-rates)
    return found
