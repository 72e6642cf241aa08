"""What is wrong with a scenario in one sentence: the field, the value, what is allowed, in words of YAML and not of Python."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import ValidationError

from ..core.errors import suggest

KINDS = {"listed", "drawn", "interests", "uniform", "normal"}  # of parts, which pydantic takes for a step of the path
NEEDED = {
    "int_parsing": "a whole number is needed, such as 1000 or 1e6",
    "int_type": "a whole number is needed, such as 1000 or 1e6",
    "int_from_float": "a whole number is needed, such as 1000 or 1e6",
    "float_parsing": "a number is needed, such as 1000 or 1e6",
    "float_type": "a number is needed, such as 1000 or 1e6",
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "string_type": "a text is needed, in quotes if it looks like a number",
    "tuple_type": "a list is needed, such as [1, 2]",
}


def sentence(model: type, error: ValidationError, tree: Any = None) -> str:
    """The complaint that tells most, as one sentence: of a name that there is not, before what is missing in its place.

    Campaigns are named as settings name them, where the `tree` that the model was to be made of tells what they are called.
    """
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place = _place([part for part in first["loc"] if part not in KINDS], tree)
    kind, given, context = first["type"], first["input"], first.get("ctx", {})
    where = place or model.__name__.lower()
    if kind == "extra_forbidden":
        owner, _, field = place.rpartition(".")
        return f"{owner or model.__name__.lower()} has no field {field!r}{suggest(field, _fields(model, first['loc'][:-1]))}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind == "union_tag_invalid":
        return f"{where}.kind cannot be {context['tag']!r}{suggest(context['tag'], _options(model, first['loc']))}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        fields = _fields(model, first["loc"])
        return f"{where} cannot be {given!r}: it is made of fields, such as {fields[0]!r}"
    if kind in ("too_short", "too_long"):
        most, number = (
            ("at least", context.get("min_length")) if kind == "too_short" else ("at most", context.get("max_length"))
        )
        return f"{where} cannot be {given!r}: {most} {number} of them are needed, not {context['actual_length']}"
    return f"{where} cannot be {given!r}: {NEEDED.get(kind) or first['msg'].replace('Input should be', 'it must be')}"


def _place(path: list[Any], tree: Any) -> str:
    """A place as a path, from `campaigns.NAME` on where it lies in a listed campaign."""
    if path[:2] == ["demand", "advertisers"] and path[3:4] == ["campaigns"] and len(path) > 5:
        try:
            name = tree["demand"]["advertisers"][path[2]]["campaigns"][path[4]]["name"]
        except (KeyError, TypeError, IndexError):
            name = None
        if isinstance(name, str):
            path = ["campaigns", name, *path[5:]]
    return ".".join(map(str, path))


def _options(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The kinds that the part at a place may be of."""
    return [tag for part in _held(model, location) for tag in _kinds(part)]


def _fields(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The field names of the part at a place."""
    return [name for part in _held(model, location) for name in part.model_fields]


def _held(model: Any, location: tuple[Any, ...]) -> list[Any]:
    """The parts that may stand at a place."""
    parts = [model]
    for key in location:
        if isinstance(key, int):  # an item of a list of them
            continue
        of_kind = [part for part in parts if key in _kinds(part)]
        parts = of_kind or [
            one for part in parts if key in part.model_fields for one in _parts(part.model_fields[key].annotation)
        ]
    return parts


def _kinds(part: Any) -> tuple[str, ...]:
    kind = part.model_fields.get("kind")
    return () if kind is None else get_args(kind.annotation)


def _parts(annotation: Any) -> list[Any]:
    """All parts in an annotation."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [part for one in get_args(annotation) for part in _parts(one)]
