"""A scenario in words: as YAML with a comment for each field, and as a reference of all that may be given.

Both are made from the JSON schema of `Scenario`, that is from the descriptions, bounds and defaults that validate it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.yaml_text import write_yaml
from .tree import Scenario

Schema = Mapping[str, Any]
WIDTH = 100  # of a line of YAML
NUMBERS = {"integer": "a whole number", "number": "a number"}


def commented(scenario: Scenario) -> str:
    """A YAML file that `Scenario.load` turns into an equal scenario, with what each field means, may be, and is by default."""
    schema = Scenario.model_json_schema()
    head = (
        f"Market {scenario.name}. Names say the units of times; money is in units of a currency. Fields left out are as by "
        "default; what parts that are null here would take: adarena scenario --form reference."
    )
    lines = [*_above("", head), *_part(scenario.model_dump(mode="json"), schema, schema["$defs"], "", set())]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """All fields of all parts as Markdown: a section a part, the whole market first."""
    schema = Scenario.model_json_schema()
    parts = schema["$defs"]
    out = [_section("Scenario", schema, parts)]
    out += [_section(name, parts[name], parts) for name in _order(schema, parts)]
    return "\n".join(out)


# YAML


def _part(values: Mapping[str, Any], schema: Schema, parts: Schema, indent: str, told: set[str]) -> Iterator[str]:
    """The lines of a part; parts that were `told` have no comments any more."""
    silent = (title := schema["title"]) in told
    told.add(title)
    required = schema.get("required", ())
    for name, value in values.items():
        field = schema["properties"][name]
        comment = "" if silent else _comment(field, parts, value, name in required)
        below = _schema_of(field, value, parts)
        if below is not None and isinstance(value, Mapping):
            yield from _beside(f"{indent}{name}:", comment)
            yield from _part(value, below, parts, f"{indent}  ", told)
        elif below is not None and isinstance(value, list) and value:
            yield from _beside(f"{indent}{name}:", comment)
            for item in value:
                first, *rest = _part(item, _schema_of(below, item, parts) or below, parts, f"{indent}    ", told)
                lines = [first, *rest]
                start = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
                lines[start] = f"{indent}  - {lines[start].lstrip()}"
                yield from lines
        else:
            first, *rest = write_yaml(
                {name: value}, default_flow_style=None if value and isinstance(value, list) else False
            ).splitlines()
            yield from _beside(indent + first, comment)
            yield from (indent + line for line in rest)


def _comment(field: Schema, parts: Schema, value: Any, required: bool) -> str:
    """What a field means, may be and is by default."""
    words = [_meaning(field)]
    held = isinstance(value, Mapping) or _is_list_of_parts(field, parts)
    if not held and "const" not in field:
        words.append(_allowed(field, parts))
    default = field.get("default")
    if not (held or required or default == value or default is None):
        words.append(f"default {_plain(default)}")
    return "; ".join(words)


def _meaning(field: Schema) -> str:
    """What a field means, in words of YAML."""
    return str(field["description"]).replace("None:", "null:")


def _beside(line: str, comment: str) -> Iterator[str]:
    """A line with its comment at its end, or above it if both are too long for one."""
    if not comment:
        yield line
    elif len(whole := f"{line}  # {comment}") <= WIDTH:
        yield whole
    else:
        yield from _above(line[: len(line) - len(line.lstrip())], comment)
        yield line


def _above(indent: str, comment: str) -> list[str]:
    return textwrap.wrap(comment, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_long_words=False)


# What the schema says


def _schema_of(field: Schema, value: Any, parts: Schema) -> Schema | None:
    """The schema of the part, or of the parts of a list, that a field holds; None if it holds neither."""
    if "$ref" in field:
        return _named(field["$ref"], parts)
    if "discriminator" in field:
        return _named(field["discriminator"]["mapping"][value["kind"]], parts)
    if "items" in field:
        return _schema_of(field["items"], value, parts)
    options = (_schema_of(option, value, parts) for option in field.get("anyOf", ()))
    return next((option for option in options if option is not None), None)


def _is_list_of_parts(field: Schema, parts: Schema) -> bool:
    options = (field, *field.get("anyOf", ()))
    return any("items" in option and _schema_of(option, None, parts) is not None for option in options)


def _named(link: str, parts: Schema) -> Schema:
    found: Schema = parts[link.rpartition("/")[2]]
    return found


def _allowed(field: Schema, parts: Schema, link: bool = False) -> str:
    """What may be given, in words; `link`: names of parts lead to their sections."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if link else name
    if "discriminator" in field or "anyOf" in field:
        options = [_allowed(option, parts, link) for option in field.get("oneOf", field.get("anyOf", ()))]
        return " or ".join(options)
    if "const" in field:
        return str(field["const"])
    if "enum" in field:
        *most, last = field["enum"]
        return f"{', '.join(most)} or {last}"
    kind = field["type"]
    if kind in NUMBERS:
        return NUMBERS[kind] + _bounds(field)
    if kind == "array":
        return _listing(field, parts, link)
    return {"boolean": "true or false", "string": "text", "null": "null"}[kind]


def _listing(field: Schema, parts: Schema, link: bool) -> str:
    if "prefixItems" in field:
        return f"[low, high], each {_allowed(field['prefixItems'][0], parts)}"
    least, most = field.get("minItems", 0), field.get("maxItems")
    size = f" of {least} to {most}" if most is not None and least else f" of up to {most}" if most is not None else ""
    size = size or (" of at least one" if least else "")
    return f"a list{size}, each {_allowed(field['items'], parts, link)}"


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    words = []
    if low is not None:
        words.append(f"{'from' if 'minimum' in field else 'above'} {_number(low)}")
    if high is not None:
        words.append(f"{'to' if 'maximum' in field else 'below'} {_number(high)}")
    return "".join(f" {word}" for word in words)


def _number(x: float) -> str:
    return f"{x:,}" if isinstance(x, int) or 1 <= abs(x) < 1e6 else f"{x:g}"


def _plain(value: Any) -> str:
    """A value as YAML writes it, in one line."""
    text = write_yaml([value], default_flow_style=True).strip()
    return " ".join(text[1:-1].split())


# Markdown


def _order(schema: Schema, parts: Schema) -> list[str]:
    """The parts as one meets them, each before those that it holds."""
    found: dict[str, None] = {}

    def look(part: Schema) -> None:
        for name in re.findall(r"'#/\$defs/(\w+)'", str(part["properties"])):
            if name not in found:
                found[name] = None
                look(parts[name])

    look(schema)
    return list(found)


def _section(name: str, schema: Schema, parts: Schema) -> str:
    """A part: what it is, and a row a field."""
    rows = ["| field | may be | by default | what it is |", "|---|---|---|---|"]
    for field, its in schema["properties"].items():
        default = "needed" if field in schema.get("required", ()) else _default(its)
        rows.append(f"| `{field}` | {_allowed(its, parts, link=True)} | {default} | {_meaning(its).replace('|', '/')} |")
    return f"## {name}\n\n{schema['description']}\n\n" + "\n".join(rows) + "\n"


def _default(field: Schema) -> str:
    value = field["default"]
    if isinstance(value, dict):
        return "see there"
    return f"`{_plain(value)}`"
