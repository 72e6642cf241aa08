"""The steps of the results, those that take seconds first.

Command lines of comparisons are read from the pages that show what came of them, so that what a page says made its tables is
what is run. The first table of a comparison is made of its `summary.json` (see `comparisons`), others are worded by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ... import ENVIRONMENTS
from ...simulator.scenario.tree import PRESETS
from ..theory import COLUMNS, Check, to_rows
from . import gallery
from .comparisons import COMPARISONS
from .episodes import short
from .pages import table
from .step import Maker, Step

MODULE = "python -m adarena.benchmarks.results"
TABLES = "its tables, from summary.json"
OTHERS = "its tables but the first comparison's, from summary.json"


def _theory(folder: Path) -> str:
    found = json.loads((folder / "theory.txt").read_text())
    rows = to_rows([Check(**{name: check[name] for name in Check._fields}) for check in found])
    return table(COLUMNS, [(*row, source.replace("*", "\\*").replace("_", "\\_")) for *row, source in rows])


def _presets(folder: Path) -> str:
    return gallery.written(json.loads((folder / "presets" / "rows.json").read_text()))


def _pictured(name: str, cost: str, command: str, picture: str, made: str, makes: str) -> Step:
    """A step that makes one picture of docs/ by one command."""
    return Step(name, makes, cost, (f"{command} --out out/{name}",), pictures={f"{name}/{made}": picture})


def _compared(name: str, cost: str, page: str, *commands: str, pictures: tuple[str, ...] = ()) -> Step:
    """A step whose command lines stand on a page, beside what came of them; pictures are named as in docs/."""
    made = dict(picture.split(" ") for picture in pictures)
    makes, by_hand = f"trained agents and comparisons of {page}", OTHERS if name in COMPARISONS else TABLES
    return Step(name, makes, cost, commands, page=page, pictures=made, parts=_table(name), by_hand=by_hand)


def _table(name: str) -> Mapping[str, tuple[str, Maker]]:
    """The table of a comparison that a step makes, if it does."""
    if name not in COMPARISONS:
        return {}
    page, comparison = COMPARISONS[name]
    return {f"{name}-comparison": (page, comparison.written)}


STEPS = (
    Step(
        "scenario",
        "the reference of all fields of a scenario",
        "1 s",
        ("adarena scenario --form reference --out out/scenario.md",),
        pictures={"scenario.md": "scenario.md"},
        small=("adarena scenario --form reference --out out/scenario.md",),
        small_makes=("scenario.md",),
    ),
    _pictured("day", "3 s", "adarena simulate bidding", "day.png", "day.png", "a day of `bidding`"),
    _pictured("leads", "5 s", "adarena simulate leads", "leads.png", "leads.png", "from click to sale"),
    _pictured(
        "tiers", "5 s", "adarena simulate compute-small --policy compute=tilted_mpc --seed 7", "tiers.png", "tiers.png",
        "a day of `compute-small` by tier",
    ),
    _pictured(
        "pages", "20 s", "adarena simulate allocation-small --policy allocation=believed", "pages.png", "pages.png",
        "what users bring under Bayes on patience",
    ),
    _pictured("quotas", "30 s", "adarena quotas", "quotas.png", "quotas.png", "what larger quotas of recall buy"),
    Step(
        "episodes",
        "an animated episode of each environment",
        "60 s",
        (f"{MODULE}.episodes out/episodes",),
        pictures={f"episodes/{short(name)}.gif": f"environments/{short(name)}.gif" for name in ENVIRONMENTS},
        small=(f"{MODULE}.episodes out/episodes AdArena/Market-v0",),
        small_makes=("episodes/market.gif",),
    ),
    Step(
        "theory",
        "the table of theory",
        "60 s",
        ("adarena theory --json",),
        parts={"theory": ("checks.md", _theory)},
    ),
    Step(
        "funnel",
        "what each stage of `feed` lets through",
        "80 s",
        ("adarena simulate feed --no-figure --out out/funnel",),
        by_hand="the table of stages in markets.md, from what is printed",
    ),
    _pictured("delivery", "90 s", "adarena simulate overload", "delivery.png", "delivery.png", "the evening of `overload`"),
    _pictured("realism", "90 s", "adarena realism", "realism.png", "realism.png", "presets beside published figures"),
    Step(
        "demo",
        "the picture of `make demo`, and its table",
        "3 min",
        ("adarena demo --out out/demo",),
        pictures={"demo/policies.png": "policies.png"},
        parts=_table("demo"),
        small=("adarena bench bidding --scenario tiny --seeds 2 --policies pid --out out/demo",),
        small_makes=("demo/policies.png", "demo/summary.json", "demo/report.html"),
    ),
    Step(
        "presets",
        "the gallery of presets",
        "8 min, of which 2 compile",
        ("adarena warm --jobs 1", f"{MODULE}.gallery out/presets"),
        pictures={f"presets/{name}.png": f"presets/{name}.png" for name in PRESETS},
        parts={"presets": ("presets.md", _presets)},
        small=(f"{MODULE}.gallery out/presets tiny",),
        small_makes=("presets/tiny.png", "presets/rows.json"),
    ),
    Step(
        "speed",
        "the table and the curves of speed",
        "an hour, of a machine that does nothing else",
        ("adarena speed --json", "adarena speed --curves --out out/speed"),
        pictures={"speed/speed.png": "speed.png"},
        by_hand="the tables of speed.md, from what is printed",
    ),
    _pictured(
        "scale", "not measured anew", "adarena scale --days 40 --ray local", "scale.png", "scale.png",
        "a market split over shards",
    ),
    _compared(
        "compute", "hours", "seats/compute.md", "adarena train AdArena/Compute-v0", "adarena bench compute", "adarena servers",
        pictures=("servers/servers.png servers.png",),
    ),
    _compared(
        "bidding", "hours", "seats/bidding.md", "adarena train AdArena/Bidding-v0", "adarena bench bidding --seeds 50",
        "adarena mixes bidding", "adarena bench bidding --scenario bidding-tcpa",
    ),
    _compared(
        "pacing", "hours", "seats/pacing.md", "adarena train AdArena/Pacing-v0", "adarena bench pacing",
        "adarena simulate --scenario pacing-small", pictures=("pacing-day/pacing.png pacing.png",),
    ),
    _compared("auction", "hours", "seats/auction.md", "adarena train AdArena/Auction-v0", "adarena bench auction"),
    _compared("ranking", "hours", "seats/ranking.md", "adarena train AdArena/Ranking-v0", "adarena bench ranking"),
    _compared(
        "allocation", "hours", "seats/allocation.md", "adarena train AdArena/Allocation-v0", "adarena bench allocation",
        "adarena abtest",
    ),
    _compared(
        "creative", "hours", "seats/creative.md", "adarena train AdArena/Creative-v0", "adarena bench creative",
        pictures=("creative-bench/regret.png creatives.png",),
    ),
    _compared("market", "hours", "market.md", "adarena train AdArena/Market-v0", "adarena bench market --seeds 50"),
    _compared(
        "content", "hours", "content.md", "adarena simulate", "adarena rank train", "adarena rank eval",
        "adarena bench ranking",
    ),
    _compared("rankers", "hours", "rankers.md", "adarena simulate", "adarena rank"),
    _compared("scaling", "hours", "scaling.md", "adarena rank scaling", pictures=("scaling/scaling.png scaling.png",)),
)  # fmt: skip

# What no step makes, and why.
LEFT_OUT = {
    "other rows of rankers.md, content.md and scaling.md": "the same commands with other models and settings",
    "columns for other populations, rivals and scenarios": "the same commands, run again by hand with what the text names",
    "speeds of others in speed.md": "measured by hand, with programs that are not installed here",
}
