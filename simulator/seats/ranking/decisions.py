"""What whoever ranks ads may decide: weights of the rank score, what an ad must be worth, and whose click rates count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Floats, Floats32
from ...core.errors import PolicyError
from ...core.numeric import real
from ...delivery.models import STAGES, Correction, RateModel, is_model
from ...engine.exchange import LARGEST_RESERVE, LARGEST_SQUASHING
from ...response.beliefs import Prior
from ..seat import Policy
from .view import RankingView

LEAST_BONUS, LARGEST_BONUS = 1e-9, 1e9
LARGEST_OPTIMISM = 100.0


class Believe(NamedTuple):
    """Has a model say the rates of a stage of the funnel; None: the platform again.

    The stages are "recall", "rough" and "fine", whose rates are those of the auction; without a funnel there is that alone.
    See `RateModel` and `Correction` for what is asked of a model.
    """

    model: RateModel | Correction | None
    stage: str = "fine"


class Weights(NamedTuple):
    """How ads are ranked until the next decision; None: as before.

    An ad ranks by bid for a click x (believed click rate) ^ `squashing` x bonus, and is shown if its eCPM, bid x believed rate,
    is at least `cost`, which is also the least it pays. The bonus of an ad without a history is 1 + `optimism` / sqrt(shape) of
    its posterior, or with `thompson` a draw of that over its mean, anew at each tick; `bonus` is a factor besides. `prior` is
    what the market supposes of ads without a history before their clicks, in place of its own, that all are alike.
    """

    squashing: float | None = None  # from 0 up
    cost: float | None = None  # of an impression to the user, currency, from 0 up
    optimism: float | None = None  # from 0 up
    thompson: bool | None = None
    bonus: Any = None  # (A,) by ad, or one number for all, from 1e-9 to 1e9
    believe: Believe | Sequence[Believe] | None = None
    prior: Prior | None = None  # (A,) each, from 1e-9 to 1e9; what it says of ads with a history does not matter


class RankingPolicy(Policy[RankingView, Weights | Believe]):
    """Base of those who rank ads, asked at each tick before campaigns bid; the one unit is the market."""

    seat = "ranking"


class Checked(NamedTuple):
    """A decision in canonical form; None: as before."""

    squashing: float | None
    cost: float | None
    optimism: float | None
    thompson: bool | None
    bonus: Floats32 | None  # (A,)
    believe: tuple[Believe, ...]
    prior: Prior | None


def checked(who: str, decision: Any, ads: int, funnel: bool) -> Checked:
    """The decision in canonical form. Raises `PolicyError` if it is not allowed."""
    if isinstance(decision, Believe):
        decision = Weights(believe=decision)
    if not isinstance(decision, Weights):
        raise PolicyError(f"{who} must decide Weights or what to Believe, not {type(decision).__name__}")
    if decision.thompson is not None and not isinstance(decision.thompson, bool | np.bool_):
        raise PolicyError(f"{who} decides thompson by True or False, not {decision.thompson!r}")
    return Checked(
        _number(who, "squashing", decision.squashing, LARGEST_SQUASHING),
        _number(who, "a cost", decision.cost, LARGEST_RESERVE),
        _number(who, "optimism", decision.optimism, LARGEST_OPTIMISM),
        None if decision.thompson is None else bool(decision.thompson),
        None if (bonus := _factors(who, "bonus", decision.bonus, ads)) is None else bonus.astype(np.float32),
        _believed(who, decision.believe, funnel),
        _prior(who, decision.prior, ads),
    )


def _number(who: str, what: str, given: Any, most: float) -> float | None:
    if given is None:
        return None
    number = real(given)
    if number is None or not 0 <= number <= most:
        raise PolicyError(f"{who} decides {what} from 0 to {most:g}, not {given!r}")
    return number


def _prior(who: str, given: Any, ads: int) -> Prior | None:
    if given is None:
        return None
    if not isinstance(given, Prior):
        raise PolicyError(f"{who} must decide a Prior of new ads, not {given!r}")
    shape, mean = (_factors(who, name, each, ads) for name, each in given._asdict().items())
    if shape is None or mean is None:
        raise PolicyError(f"{who} decides a Prior with a shape and a mean")
    return Prior(shape, mean)


def _factors(who: str, what: str, given: Any, ads: int) -> Floats | None:
    if given is None:
        return None
    try:
        values: Floats = np.array(given, np.float64)
        values = values if values.shape == (ads,) else np.broadcast_to(float(values), (ads,))
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must decide a {what} for each of {ads} ads, or for all, not {given!r}") from None
    if not LEAST_BONUS <= values.min() <= values.max() <= LARGEST_BONUS:  # not so for NaN
        bad = values[~((values >= LEAST_BONUS) & (values <= LARGEST_BONUS))][0]
        raise PolicyError(f"{who} decided the {what} {bad}: numbers from {LEAST_BONUS:g} to {LARGEST_BONUS:g} are allowed")
    return values


def _believed(who: str, given: Any, funnel: bool) -> tuple[Believe, ...]:
    if given is None:
        return ()
    every = (given,) if isinstance(given, Believe) else given
    if not isinstance(every, Sequence) or not all(isinstance(one, Believe) for one in every):
        raise PolicyError(f"{who} must decide what to Believe, not {given!r}")
    for one in every:
        if one.stage not in STAGES:
            raise PolicyError(f"{who} names the stage {one.stage!r}; known are {', '.join(STAGES)}")
        if one.stage != "fine" and not funnel:
            raise PolicyError(f"{who} believes a model in the stage {one.stage!r} of a market without a funnel")
        if one.model is not None and not is_model(one.model):
            raise PolicyError(
                f"{who} believes {type(one.model).__name__}, which has no method rates(requests, ads) nor "
                "corrected(requests, ads, believed)"
            )
    return tuple(every)
