"""Paths to the fields of a scenario: parts by name, items of lists by number or name, `campaigns` for all that are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import ScenarioError, suggest
from ..core.yaml_text import read_settings

Place = tuple[Any, Any]  # a dictionary or list, and the key or number of one of its items


class _Begun(dict[str, Any]):
    """A part of which only some fields are given; whether there are such fields is seen when it is built."""


def settings_of(texts: Iterable[str]) -> dict[str, Any]:
    """Paths and values from texts such as auction.slots=1. Raises `ScenarioError`, one sentence, if one is none."""
    try:
        return read_settings(texts, "field=value, for example auction.slots=1, and")
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Sets a field of a tree of dictionaries and lists, such as auction.slots, surfaces.0.share or campaigns.bread.billing.

    A part that is None begins with its defaults. Raises `ScenarioError`, one sentence, if there is no such field.
    """
    holder, key = _place(tree, path)
    holder[key] = value


def held(tree: dict[str, Any], path: str) -> Any:
    """What a field holds that such a path leads to. Raises `ScenarioError`, one sentence, if there is no such field."""
    holder, key = _place(tree, path)
    return holder[key]


def _place(tree: dict[str, Any], path: str) -> Place:
    """Where a path ends."""
    first, dot, rest = path.partition(".")
    if first == "campaigns" and dot:
        (holder, key), rest = _item(_campaigns(tree), rest, first)
        done = f"{first}.{path[len(first) + 1 : len(path) - len(rest)].rstrip('.')}"
    else:
        (holder, key), rest = _field(tree, path, "a scenario")
        done = first
    while rest:
        if holder[key] is None:
            holder[key] = _Begun()
        before = rest
        if isinstance(node := holder[key], list):
            (holder, key), rest = _item([(node, n) for n in range(len(node))], rest, done)
        else:
            (holder, key), rest = _field(node, rest, done)
        done = f"{done}.{before[: len(before) - len(rest)].rstrip('.')}"
    return holder, key


def _field(node: Any, path: str, owner: str) -> tuple[Place, str]:
    """The field of a part with which a path begins, and the rest of the path."""
    name, _, rest = path.partition(".")
    if isinstance(node, _Begun):
        node.setdefault(name, None)
    if not isinstance(node, dict) or name not in node:
        raise ScenarioError(f"{owner} has no field {name!r}{suggest(name, node if isinstance(node, dict) else ())}")
    return (node, name), rest


def _item(places: list[Place], path: str, owner: str) -> tuple[Place, str]:
    """The item of a list with which a path begins, by its number from 0 or its name, which may have dots in it."""
    named = {holder[key]["name"]: (holder, key) for holder, key in places if "name" in _keys(holder[key])}
    fitting = [name for name in named if path == name or path.startswith(f"{name}.")]
    if fitting:
        name = max(fitting, key=len)
        return named[name], path[len(name) + 1 :]
    number, _, rest = path.partition(".")
    if number.isdecimal():
        if int(number) >= len(places):
            raise ScenarioError(f"{owner} has no item {number}: there are {len(places):,}, numbered from 0")
        return places[int(number)], rest
    numbers = f"by a number from 0 to {len(places) - 1}" if places else "and there is none yet"
    raise ScenarioError(f"{owner} has no item {number!r}{suggest(number, named) or f'; items are named {numbers}'}")


def _campaigns(tree: dict[str, Any]) -> list[Place]:
    """All listed campaigns, whoever advertises."""
    if (demand := tree["demand"])["kind"] != "listed":
        raise ScenarioError(
            "campaigns that are drawn are not written out: demand.campaigns is how many there are; the budget of one is "
            "changed by `adarena whatif` or `World.set_budget`"
        )
    lists = [advertiser["campaigns"] for advertiser in demand["advertisers"]]
    return [(campaigns, n) for campaigns in lists for n in range(len(campaigns))]


def _keys(item: Any) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else {}
