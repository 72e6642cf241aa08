"""Agents that come with the package: `zoo:bidding-ppo` wherever an agent is named. Each is a file here, with its score.

`recipes.yaml` names the command that made each, `NAME-SEED.zip` is what `Agent.save` wrote of what that command trained, and
`NAME-SEED.json` what `adarena evaluate` then said of it. No seed was chosen by its score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...simulator.core.errors import PolicyError, suggest
from ...simulator.core.yaml_text import read_yaml

FOLDER = Path(__file__).parent
PREFIX = "zoo:"


def names() -> list[str]:
    """The agents that there are, each with its training seed: bidding-ppo-0."""
    return sorted(path.stem for path in FOLDER.glob("*.zip"))


def path_of(name: str) -> Path:
    """The file of an agent; a name without a seed means the first there is. Raises `PolicyError` if there is none."""
    known = names()
    first = next((one for one in known if one == name or one.rpartition("-")[0] == name), None)
    if first is not None:
        return FOLDER / f"{first}.zip"
    if name in recipes():
        raise PolicyError(f"the zoo has no {name} yet; it is made by: {recipes()[name]}")
    raise PolicyError(f"there is no agent {name!r} in the zoo{suggest(name, known)}")


def name_of(path: str | Path) -> str | None:
    """The name of an agent of the zoo by its file; None for others."""
    path = Path(path)
    return PREFIX + path.stem if path.parent == FOLDER else None


@cache
def recipes() -> Mapping[str, str]:
    """The command that trains each agent, by its name; seeds are 0, 1 and 2."""
    found: Mapping[str, str] = read_yaml((FOLDER / "recipes.yaml").read_bytes())
    return found


def score_of(name: str) -> Mapping[str, Any] | None:
    """What `adarena evaluate` said of an agent, by its name with its seed; None of one that it has not judged yet."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


class Standing(NamedTuple):
    """How an agent stands beside the best classic of its suite, on test days; intervals are at 95%."""

    days: int
    score: float
    classic: str
    share: float  # of the classic's score
    low: float
    high: float
    verdict: str  # better, worse, or not to be told apart

    @property
    def told(self) -> str:
        """The share and its interval, in words."""
        return f"{self.share:.3f} [{self.low:.3f}, {self.high:.3f}]"


def standing_of(name: str) -> Standing | None:
    """The same of what `score_of` holds; None of an agent that has not been judged yet."""
    if (judged := score_of(name)) is None:
        return None
    classic, beside = next(iter(judged["beside"].items()))
    days = int(judged["command"].partition("--days ")[2].partition(" ")[0])
    share, (low, high) = beside["agent_over_it"]["mean"], beside["agent_over_it"]["interval"]
    return Standing(days, judged["score"]["mean"], classic, share, low, high, judged["verdict"])
