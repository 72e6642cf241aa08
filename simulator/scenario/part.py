"""Parts of a scenario: frozen, validated, and able to say in one sentence what is wrong with a value."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic._internal._model_construction import ModelMetaclass

from ..core.errors import ScenarioError, suggest

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

    @model_validator(mode="before")
    @classmethod
    def _refuse_booleans_for_numbers(cls, values: Any) -> Any:
        """pydantic would take true for 1."""
        for name, value in values.items() if isinstance(values, dict) else ():
            held = value if isinstance(value, list | tuple) else (value,)
            if name in cls.model_fields and any(isinstance(one, bool) for one in held):
                annotation = cls.model_fields[name].annotation
                if annotation is not bool and bool not in get_args(annotation):
                    raise ValueError(f"{name} cannot be {value!r}: true and false are no numbers")
        return values


def sentence(model: type, error: ValidationError) -> str:
    """The first of pydantic's complaints as one sentence: the field, the value, what is allowed."""
    first = error.errors(include_url=False)[0]
    tags = {"listed", "drawn", "interests", "uniform", "normal"}
    place = ".".join(str(p) for p in first["loc"] if p not in tags)
    kind, given = first["type"], first["input"]
    where = place or model.__name__.lower()
    if kind == "extra_forbidden":
        owner, _, field = place.rpartition(".")
        return f"{owner or model.__name__.lower()} has no field {field!r}{suggest(field, _fields(model, first['loc']))}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where}: {first['ctx']['error']}"
    if kind in ("int_parsing", "float_parsing"):
        return (
            f"{where} cannot be {given!r}: a {'whole ' if kind == 'int_parsing' else ''}number is needed, such as 1000 or 1e6"
        )
    text = first["msg"][0].lower() + first["msg"][1:]
    return f"{where} cannot be {given!r}: {text}"


def _fields(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The field names of the part in which a location ends, as far as they can be found without a value."""
    for key in location[:-1]:
        options = getattr(model, "model_fields", {})
        if key in options:
            model = options[key].annotation
            parts = [part for part in getattr(model, "__args__", ()) if hasattr(part, "model_fields")]
            model = parts[0] if len(parts) == 1 else model  # of an optional part
            continue
        for candidate in getattr(model, "__args__", ()):
            kinds = getattr(candidate, "model_fields", {}).get("kind")
            if kinds is not None and key in getattr(kinds.annotation, "__args__", ()):
                model = candidate
    return list(getattr(model, "model_fields", {}))
