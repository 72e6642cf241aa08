"""Parts of a scenario: frozen, validated, and what values most of their fields may have."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic._internal._model_construction import ModelMetaclass

from ..core.errors import ScenarioError
from ..core.numeric import amount
from .complaints import sentence

# Bounds that no market needs to pass keep every product of settings finite.
Positive = Annotated[float, Field(ge=1e-9, le=1e9)]
NonNegative = Annotated[float, Field(ge=0, le=20)]
LogOdds = Annotated[float, Field(ge=-50, le=50)]
# Below the largest amount that a ledger in millionths can hold.
Money = Annotated[float, Field(gt=0, lt=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Range = tuple[Positive, Positive]


class _Sentences(ModelMetaclass):
    """Building any part of a scenario from wrong values raises `ScenarioError`, one sentence."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise ScenarioError(sentence(cls, error)) from None


class Part(BaseModel, metaclass=_Sentences):
    """A frozen piece of a scenario: unknown fields, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises `ScenarioError`: what is to differ is made anew."""
        raise ScenarioError(f"{name} cannot be set to {value!r}: a scenario stays as it is, and override makes another")

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, values: Any) -> Any:
        """Of a number 10k or 2M may be given; true and false are none, which pydantic would take for 1 and 0."""
        if not isinstance(values, dict):
            return values
        found, fields = dict(values), cls.model_fields
        for name, value in values.items():
            kinds = {type(one) for one in value} if isinstance(value, list | tuple) else {type(value)}
            if name not in fields or not kinds & {str, bool}:
                continue
            annotation = fields[name].annotation
            if str in kinds and _is_of_numbers(annotation):
                found[name] = _number(value) if isinstance(value, str) else [_number(one) for one in value]
            if bool in kinds and annotation is not bool and bool not in get_args(annotation):
                raise ValueError(f"{name} cannot be {value!r}: true and false are no numbers")
        return found


def _number(given: Any) -> Any:
    """The number that a text stands for, if it does for one; else what is given."""
    number = amount(given) if isinstance(given, str) else None
    return given if number is None else number


def _is_of_numbers(annotation: Any) -> bool:
    """Whether a field holds numbers and no texts."""
    kinds = _kinds(annotation)
    return bool(kinds & {int, float}) and str not in kinds


def _kinds(annotation: Any) -> set[type]:
    """The plain types among what a field may hold."""
    own = {annotation} if isinstance(annotation, type) else set()
    return own.union(*map(_kinds, get_args(annotation)))
