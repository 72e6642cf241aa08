"""Tables of comparisons on pages, from the `summary.json` of `adarena bench`: which columns, and what policies are called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .pages import table


class Column(NamedTuple):
    """A column: its head, the metric of the suite, and how its numbers are written."""

    head: str
    metric: str
    form: str = ".3f"  # of `format`; numbers below 1 begin with the point
    interval: bool = False
    sign: bool = False  # + where it says who is better
    whole: int = 1  # numbers are multiples of so many


class Comparison(NamedTuple):
    """A table of a page: a row for each policy, the best of the first column first."""

    folder: str  # of a step, in which summary.json is
    columns: tuple[Column, ...]
    words: Mapping[str, str] = {}  # what a policy is called, or is said to be after a colon, by label
    what: str = "policy"

    def written(self, folder: Path) -> str:
        """The table in Markdown, from the folder that the step's commands have written to."""
        found = json.loads((folder / self.folder / "summary.json").read_text())
        rows: dict[str, dict[str, Any]] = {}
        for row in found["rows"]:
            rows.setdefault(row["policy"], {})[row["metric"]] = row
        order = sorted(rows, key=lambda name: -rows[name][self.columns[0].metric]["mean"])
        return table(
            [self.what, *(column.head for column in self.columns)],
            [[self._called(name), *(self._cell(rows[name], column, found) for column in self.columns)] for name in order],
        )

    def _called(self, name: str) -> str:
        told = self.words.get(name, "")
        return f"{name}{told}" if told.startswith(":") else told or name

    def _cell(self, row: Mapping[str, Any], column: Column, found: Mapping[str, Any]) -> str:
        one = row[column.metric]
        if column.metric == "difference_to_reference" and one["policy"] == found["reference"]:
            return ""
        mean = _number(one["mean"], column)
        if not column.interval or one["ci_low"] is None:
            return mean
        return f"{mean} [{_number(one['ci_low'], column)}, {_number(one['ci_high'], column)}]"


def _number(number: float, column: Column) -> str:
    """A number as pages have it: .785, +.046, 15%, 44,700."""
    rounded = round(number / column.whole) * column.whole if column.whole > 1 else number
    text = format(rounded, f"{'+' if column.sign else ''}{column.form}")
    return text if column.form.endswith("%") else text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


SHARE, MINUS = "share_of_static_hindsight", "difference_to_reference"


def _against(share: str, other: str) -> tuple[Column, Column]:
    return Column(f"{share} [95%]", SHARE, interval=True), Column(
        f"minus {other}, paired [95%]", MINUS, interval=True, sign=True
    )


DEMO = Comparison(
    "demo",
    (
        *_against("share of static hindsight", "`fixed`"),
        Column("of the clairvoyant bound", "share_of_clairvoyant_bound"),
        Column("budget spent", "spend_share", ".1%"),
        Column("pacing error", "pacing_error", ".1%"),
    ),
    {"ppo": "ppo, trained by the demo"},
)
ALLOCATION = Comparison(
    "allocation-bench",
    (
        *_against("share of the best fixed pattern", "shadow (tuned)"),
        Column("of the programme told patience", "share_of_told"),
        Column("ads seen a page", "ads_a_page", ".2f"),
        Column("pages a user", "pages", ".0f"),
    ),
    {
        "believed": ": dynamic programme, Bayes on patience", "state": ": shadow price by ten things seen",
        "ppo": "PPO, three seeds", "hinted": ": dynamic programme, by the hint",
        "planned": ": dynamic programme for the average user",
        "shadow (tuned)": ": a price of boredom, a worth of content",
        "gap_effect": ": greedy from the top (Yan et al. 2020)", "threshold": "threshold (tuned)",
        "gap": ": an ad after two items", "usual": ": one ad", "myopic": ": what pays now",
        "every (tuned)": ": on every second page",
    },
)  # fmt: skip
RANKING = Comparison(
    "ranking-bench",
    (
        *_against("share of the run's best constant pair", "the tuned constant"),
        Column("of the ranker that knows every rate", "share_of_truth"),
        Column("value", "value", ",.0f", whole=10),
        Column("left at the end", "content_left", ",.0f", whole=10),
        Column("requests made of those planned", "returns", ".0%"),
    ),
    {
        "ppo": "PPO around the tuned constant, a decision a day (three seeds)",
        "constant (tuned)": ": squashing 1.93, cost .51, optimism .74", "user_cost (tuned)": ": eCPM less .57 an impression",
        "squashed (tuned)": ": squashing 1.97",
    },
    "ranker",
)  # fmt: skip
COMPUTE = Comparison(
    "compute-bench",
    (
        *_against("share of the day's best constant depth", "PPO"),
        Column("of the hindsight plan", "share_of_hindsight_plan"),
        Column("requests lost", "share_lost", ".0%"),
    ),
    {"ppo": "PPO", "planned": ": full quotas, the scenario's ladder"},
)
AUCTION = Comparison(
    "auction-bench",
    (
        *_against("share of the day's best constant pair", "`constant`"),
        Column("of the best pair of each tick", "share_of_best_by_tick"),
        Column("revenue", "revenue", ",.0f", whole=100),
        Column("slots sold", "share_sold", ".0%"),
    ),
    {
        "empirical_vertical": ": the best pair on a sample of the hour, then a reserve for each vertical",
        "empirical (tuned)": ": the best pair on a sample of the hour",
        "local_search": ": the same by vertical, a few trials a tick", "ppo": "PPO around local_search",
        "myerson (tuned)": ": on fitted log-normal bids", "schedule": ": by hour, on an even day",
        "constant": ": the best pair of 24 training days", "usual": ": no reserve, no squashing",
    },
)  # fmt: skip
PACING = Comparison(
    "pacing-bench",
    (
        Column("score [95%]", "score", interval=True),
        Column("share of the day's best constant, minus PPO's, paired [95%]", MINUS, interval=True, sign=True),
        Column("value", "value_over_equilibrium", ".2f"),
        Column("revenue", "revenue_over_equilibrium", ".2f"),
        Column("requests after a budget's end", "exhausted", ".0%"),
        Column("envy", "envy"),
    ),
    {
        "ppo": "PPO", "base": "joint_mpc:size=512,rounds=4, PPO's base", "mpc (tuned)": "mpc (tuned), by campaign",
        "prior (tuned)": ": factors of an even day", "plan": ": the joint plan, once in the morning",
        "first_price": ": Eisenberg and Gale's solution of an even day",
        "linkedin (tuned)": ": throttling by the course of traffic", "uniform": ": throttling, one share for all",
    },
)  # fmt: skip
COMPARISONS = {
    "demo": ("seats/bidding.md", DEMO),
    "allocation": ("seats/allocation.md", ALLOCATION),
    "auction": ("seats/auction.md", AUCTION),
    "compute": ("seats/compute.md", COMPUTE),
    "pacing": ("seats/pacing.md", PACING),
    "ranking": ("seats/ranking.md", RANKING),
}  # by the step that makes them: where they stand
