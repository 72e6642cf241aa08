"""What pages take from the code: `python docs/expanding.py` writes it into them, and a test sees that it is not stale.

| between this line of a page and its `<!-- end: ... -->` | stands |
|---|---|
| `<!-- policies: SEAT -->` | a section for each policy: its docstring (formula, source), its fields, what `tune` searches |
| `<!-- environment: ID -->` | the docstring of the environment |
| `<!-- seats -->` | a table of all seats |
| `<!-- environments -->` | a table of all environments |
| `<!-- preset: NAME -->` | what a preset says of itself |
| `<!-- zoo -->` | a table of the agents that come with the package, from their cards |

What stands between other marks, such as tables that `adarena results` writes, stays.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import adarena
from adarena.agents import zoo
from adarena.agents.catalogue import policies
from adarena.agents.learning.saved import card_of
from adarena.agents.parameters import LogUniform, Uniform
from adarena.benchmarks.listing import LISTS, sentence
from adarena.benchmarks.results.episodes import short
from adarena.benchmarks.results.pages import table
from adarena.benchmarks.suites import SUITES, suite
from adarena.simulator.scenario.tree import PRESETS
from adarena.simulator.seats import SEATS

ROOT = Path(adarena.__file__).resolve().parent


def expanded(page: str) -> str:
    """A page with what it takes from the code as the code has it now."""
    return MARKED.sub(lambda found: _filled(found[1], found[2]), page)


def _filled(what: str, name: str | None) -> str:
    made = MAKERS[what](*filter(None, [name])).strip("\n")
    return f"<!-- {what}{f': {name}' if name else ''} -->\n\n{made}\n\n<!-- end: {what} -->\n"


def _policies(seat: str) -> str:
    return "\n".join(_policy(name, kind) for name, kind in policies(seat).items())


def _policy(name: str, kind: type[Any]) -> str:
    file = Path(inspect.getsourcefile(kind) or "").resolve().relative_to(ROOT)
    lines = [f"### `{name}`\n", prose(inspect.getdoc(kind) or ""), f"\n`{file}`: `{kind.__name__}`\n"]
    if told := fields(kind):
        space = getattr(kind, "SPACE", {})
        rows = [(f"`{field}`", f"`{default}`", comment, range_(space.get(field))) for field, default, comment in told]
        head = ("field", "by default", "what it is", "`adarena tune` searches")
        kept = [n for n in range(len(head)) if any(row[n] for row in rows)]
        lines.append(table([head[n] for n in kept], [[cell(row[n]) for n in kept] for row in rows]))
    return "\n".join(lines) + "\n"


def fields(kind: type[Any]) -> list[tuple[str, str, str]]:
    """The fields of a policy's dataclass: name, default, and the comment that stands beside or above it."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and "ClassVar" not in ast.unparse(node.annotation)
        ):
            beside = lines[(node.end_lineno or 1) - 1][node.end_col_offset or 0 :].partition("#")[2].strip()
            above, place = [], node.lineno - 2
            while lines[place].lstrip().startswith("#"):
                above.insert(0, lines[place].strip().lstrip("# "))
                place -= 1
            default = "" if node.value is None else ast.unparse(node.value)
            found.append((node.target.id, default, " ".join(filter(None, [*above, beside]))))
    return found


def range_(found: Any) -> str:
    """A range that is searched, in words; nothing for what is not."""
    if found is None:
        return ""
    if isinstance(found, Uniform | LogUniform):
        return f"{found.low:g} to {found.high:g}" + (", evenly in its logarithm" if isinstance(found, LogUniform) else "")
    return f"`{found!r}`"


def prose(docstring: str) -> str:
    """A docstring as Markdown: it is, but for formulas, in which nothing is emphasised, and doctests, which are code."""
    parts = re.split(r"(`[^`]+`)", _doctests(docstring))
    return "".join(part if n % 2 else re.sub(r"(?<!^)(?<!\n)[*]", r"\\*", part) for n, part in enumerate(parts))


def _doctests(text: str) -> str:
    """Doctests between fences."""
    return re.sub(r"((?:^>>> .*\n(?:(?!>>> |$).*\n)*)+)", r"```pycon\n\1```\n", text + "\n", flags=re.MULTILINE)


def cell(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def _environment(name: str) -> str:
    module, _, kind = adarena.ENVIRONMENTS[name].partition(":")
    return prose(inspect.getdoc(getattr(importlib.import_module(module), kind)) or "")


def _environments() -> str:
    said = LISTS["environments"]()
    return table(("environment", "what it is"), [(f"[`{name}`]({short(name)}.md)", what) for name, what in said.items()])


def _seats() -> str:
    rows = []
    for name, seat in SEATS.items():
        suites = ", ".join(f"`adarena bench {each}`" for each in SUITES if suite(each).seat == name)
        rows.append((f"[{name}]({name}.md)", sentence(seat), seat.unit, str(len(policies(name))), suites))
    return table(("seat", "what is decided", "by", "policies", "compared by"), rows)


def _preset(name: str) -> str:
    return prose(inspect.getdoc(PRESETS[name]) or "")


def _zoo() -> str:
    rows = []
    for name in zoo.names():
        card, one = card_of(zoo.PREFIX + name), zoo.standing_of(name)
        assert one is not None
        score = f"{one.score:,.0f}" if one.score > 100 else f"{one.score:.3f}"
        verdict = one.verdict.split()[0].replace("not", "tied")
        rows.append((f"`{name}`", f"{card.timesteps:,}", str(one.days), score, one.classic, one.told, verdict))
    return table(("agent", "steps", "test days", "score", "best classic", "agent over it [95%]", "verdict"), rows)


MAKERS = {
    "zoo": _zoo,
    "policies": _policies,
    "environment": _environment,
    "environments": _environments,
    "seats": _seats,
    "preset": _preset,
}
MARKED = re.compile(rf"^<!-- ({'|'.join(MAKERS)})(?:: (\S+))? -->\n(?:(?:.*\n)*?<!-- end: \1 -->\n)?", re.MULTILINE)

if __name__ == "__main__":
    for path in Path(__file__).parent.rglob("*.md"):
        path.write_text(expanded(path.read_text()))
