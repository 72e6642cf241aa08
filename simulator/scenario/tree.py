"""What a market is: a frozen, validated tree of settings, with units in the names, loadable from YAML and hashable.

Money is in currency units (the ledger counts millionths), time in seconds unless a name says otherwise. Same scenario,
seed and policies: same bytes.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from ..core.disk import write
from ..core.errors import ScenarioError, suggest
from ..core.notebook import titled
from ..core.numeric import whole
from ..core.yaml_text import read_yaml, write_yaml
from .agreement import agree
from .complaints import sentence
from .demand import MOST_CAMPAIGNS, DrawnDemand
from .paths import put, settings_of
from .whole import PARTS, Whole

PRESETS: dict[str, Callable[..., Scenario]] = {}  # the named markets; `presets` fills it


class Scenario(Whole):
    """A whole market. `market_seed` draws who is there; the seed of a `World` draws the days they live through."""

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        agree(self)
        return self

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name exactly these settings; those that are None do not count."""
        text = json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def preset(cls, name: str, **sizes: int) -> Scenario:
        """A named market: see `presets`. `sizes` go to the preset, e.g. `preset("uniform", bidders=5)`."""
        if not isinstance(name, str) or name not in PRESETS:
            raise ScenarioError(f"there is no preset {name!r}{suggest(str(name), PRESETS)}")
        taken = inspect.signature(PRESETS[name]).parameters
        for size, value in sizes.items():
            if size not in taken:
                raise ScenarioError(f"preset {name!r} does not take {size!r}{suggest(size, taken)}")
            if (number := whole(value)) is None or number < 1:
                raise ScenarioError(f"preset {name!r} needs a whole number from 1 up as {size}, not {value!r}")
            if size != "requests" and number > MOST_CAMPAIGNS:
                raise ScenarioError(f"preset {name!r} takes at most {MOST_CAMPAIGNS:,} as {size}, not {value!r}")
            sizes[size] = number
        return PRESETS[name](**sizes)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Reads a YAML file. Raises `ScenarioError` if it is missing, not YAML, or not a scenario."""
        path = Path(path)
        try:
            tree = read_yaml(path.read_bytes())
        except OSError as error:
            raise ScenarioError(f"cannot read the scenario {str(path)!r}: {error.strerror}") from None
        except ValueError as error:
            raise ScenarioError(f"{str(path)!r} is not YAML: {error}") from None
        if not isinstance(tree, dict):
            raise ScenarioError(f"{str(path)!r} holds no scenario: fields such as 'traffic' are expected at its top")
        return cls.from_tree(tree)

    @classmethod
    def named(cls, text: str) -> Scenario:
        """A preset by its name, perhaps with sizes, as in "uniform:bidders=5"; or a YAML file by its path."""
        if Path(text).suffix in {".yaml", ".yml"} or "/" in text:
            return cls.load(text)
        name, _, sizes = text.partition(":")
        given: dict[str, Any] = settings_of(filter(None, sizes.split(",")))
        return cls.preset(name, **given)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Scenario:
        """A scenario from nested dictionaries, as YAML gives them."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise ScenarioError(sentence(cls, error, tree)) from None

    def save(self, path: str | Path) -> None:
        """Writes a YAML file that `load` turns into an equal scenario. Raises `ScenarioError` if it cannot be written."""
        write(path, str(self), ScenarioError)

    def override(self, settings: Mapping[str, Any] | Iterable[str]) -> Scenario:
        """This scenario with some fields changed: {"auction.slots": 1}, or texts "auction.slots=1"; paths as in `put`."""
        if not isinstance(settings, Mapping):
            settings = settings_of(settings)
        tree = self.model_dump(mode="json")
        for path, value in settings.items():
            put(tree, path, value)
        return self.from_tree(tree)

    def __repr__(self) -> str:
        demand = self.demand
        campaigns = demand.campaigns if isinstance(demand, DrawnDemand) else sum(len(a.campaigns) for a in demand.advertisers)
        parts = [name for name in PARTS if getattr(self, name) is not None]
        days = f"{self.days:,} day{'s' * (self.days > 1)} of {self.traffic.requests_per_day:,} requests"
        beside = f", with {', '.join(parts)}" if parts else ""
        return f"<Scenario {self.name!r}: {days}, {campaigns:,} campaigns{beside}; digest {self.digest}>"

    def _repr_html_(self) -> str:
        return titled(repr(self).strip("<>"), f"<pre>{escape(str(self))}</pre>")

    def __str__(self) -> str:
        return write_yaml(self.model_dump(mode="json"), default_flow_style=None)
