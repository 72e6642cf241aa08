"""YAML as a person means it: the core schema of YAML 1.2, and every key once.

PyYAML follows YAML 1.1, where 0100 is 64, 20:30 is 1230, no is false, 2024-01-01 a date and 1e6 a text. Here numbers are
decimal whatever zeros they begin with, true and false alone are booleans, and all else is text. What is written is quoted where
either version would take a text for something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError

_TAG = "tag:yaml.org,2002:"
# Plain scalars that are no text, each with the characters that it may begin with.
_PLAIN = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),  # no part of 1.2, but written on purpose, and never taken for something else
)


class _Reader(yaml.SafeLoader):
    """Reads the core schema and no other tags."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (as in its base)
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "str", "seq", "map")
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):  # others are refused as unhashable below
                key, line = self.construct_object(key_node), key_node.start_mark.line + 1
                if key in lines:
                    told = f"{key_node.value!r} stands twice, first in line {lines[key]} and again"
                    raise ConstructorError(None, None, told, key_node.start_mark)
                lines[key] = line
        return super().construct_mapping(node, deep)


class _Writer(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would not read as the text it is."""


def _text(reader: _Reader, node: yaml.ScalarNode) -> str:
    return str(reader.construct_scalar(node))


def _whole(reader: _Reader, node: yaml.ScalarNode) -> int:
    text = _text(reader, node)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _float(reader: _Reader, node: yaml.ScalarNode) -> float:
    text = _text(reader, node)
    return float(text.replace(".", "", 1) if text[-1:].isalpha() else text)


_Reader.add_constructor(f"{_TAG}int", _whole)


_Reader.add_constructor(f"{_TAG}float", _float)


_Reader.add_constructor(f"{_TAG}merge", _text)  # where it is no key


for _kind, _pattern, _first in _PLAIN:
    for _side in (_Reader, _Writer):
        _side.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def read_yaml(content: str | bytes) -> Any:
    """What a document holds. Bytes are UTF-8 or, with a byte order mark, UTF-16.

    Raises:
        ValueError: if it is not YAML, holds other tags than those of the core schema, or a key stands twice; one sentence.
    """
    try:
        return yaml.load(content, _Reader)  # a SafeLoader with fewer tags
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = ", ".join(part for part in (error.context, error.problem) if part and (part is error.problem or "single" in part))
        raise ValueError(f"{why} in line {mark.line + 1}" if mark is not None else f"{why}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def read_value(text: str) -> Any:
    """What a value on a command line stands for: a list or mapping in brackets, quoted text, a number, true, false or null.

    Anything else is the text that it is, whatever colons and hashes are in it.

    Raises:
        ValueError: if it begins with a bracket or a quote and goes on as nothing of the kind.
    """
    text = text.strip()
    if text[:1] in ("[", "{", '"', "'"):
        return read_yaml(text)
    reader = _Reader("")
    tag = reader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return reader.construct_object(yaml.ScalarNode(tag, text))


def read_settings(texts: Iterable[str], form: str, names: Callable[[str], bool] = bool) -> dict[str, Any]:
    """Names and values from texts name=value, each name once; `form` says how they read, `names` what may stand for a name.

    Raises:
        ValueError: for other forms, for a name that is set twice, and as `read_value`; one sentence.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not names(name):
            raise ValueError(f"a setting reads {form} not {text!r}")
        if name in found:
            raise ValueError(f"{name} is set twice, to {found[name]!r} and to {value!r}")
        try:
            found[name] = read_value(value)
        except ValueError as error:
            raise ValueError(f"the value of {name!r} cannot be read: {value!r}: {error}") from None
    return found


def write_yaml(tree: Any, **layout: Any) -> str:
    """A document that `read_yaml` turns into an equal tree; `layout` as `yaml.dump` takes it."""
    text: str = yaml.dump(tree, Dumper=_Writer, sort_keys=False, width=120, **layout)
    return text
