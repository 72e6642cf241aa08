"""What is in a log before anybody learns from it: rates, drift, vocabularies, positions, delays, leaks; one pass each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ...agents.rankers.features import Schema
from ...agents.rankers.leakage import Leak, leaks, miscounted
from ...agents.rankers.logs import Log
from ...agents.rankers.metrics import LEAST, auc
from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.disk import write
from ..output.figures import save
from ..output.tables import plain_table, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PIECES = 12  # of the log's impressions, in the order of time
DAY_S = 86_400.0
DELAYS_S = np.geomspace(60.0, 40 * DAY_S, 60)
TICKS = ((60.0, "1 min"), (3600.0, "1 h"), (DAY_S, "1 day"), (7 * DAY_S, "1 week"), (30 * DAY_S, "30 days"))
PRIOR = 20.0  # impressions at the mean rate, with which the rate of a value begins


@dataclass(frozen=True)
class FeatureFacts:
    """One feature of a log.

    Args:
        values: how many have been met; hashed ones of the vocabulary.
        top: share of the commonest.
        unseen: share of the last piece's impressions whose value was in none before.
        stability: population stability index of the last piece against the first, sum (q - p) log(q / p).
        alone: AUC in the last fifth of the click rates that its values had in the rest.
    """

    name: str
    size: int
    values: int
    top: float
    unseen: float
    stability: float
    alone: float


@dataclass(frozen=True)
class Exploration:
    """All that is told of a log; P pieces, S slots."""

    name: str
    impressions: int
    users: int
    ads: int
    begins_us: Integers  # (P,)
    shown: Integers  # (P,)
    clicks: Integers  # (P,)
    conversions: Integers  # (P,) of these clicks, reported by the end of the log
    slot_shown: Integers  # (S,)
    slot_clicks: Integers  # (S,)
    slot_believed: Floats  # (S,) clicks that the platform expected
    slot_truth: Floats  # (S,) clicks that truth expected; NaN without a truth
    delay_known: Floats  # of the conversions reported by the end, the share reported within each of DELAYS_S
    delay_all: Floats  # of all conversions, likewise, which only a judge knows
    features: tuple[FeatureFacts, ...]
    leaks: tuple[Leak, ...]  # none without a truth
    miscounted: dict[str, int]  # rows whose counters differ from a recount


def explore(log: Log, schema: Schema) -> Exploration:
    """Reads a log, three times, memory flat in its length."""
    shown, clicks, conversions = (np.zeros(PIECES, np.int64) for _ in range(3))
    begins = np.full(PIECES, -1, np.int64)
    slots = log.bounds("slot")[1] + 1
    by_slot = np.zeros((4, slots))
    end = log.bounds("time_us")[1]
    known, every = np.zeros(DELAYS_S.size + 1), np.zeros(DELAYS_S.size + 1)
    names = ("ad", "clicked", "converted", "report_us", "believed_rate")
    ads: set[int] = set()
    users: set[int] = set()
    for piece, found in _pieces(log, names):
        clicked, time = found["clicked"], found["time_us"]
        begins[piece] = time[0] if begins[piece] < 0 else begins[piece]
        told = (found["report_us"] >= 0) & (found["report_us"] <= end)
        shown[piece] += time.size
        clicks[piece] += clicked.sum()
        conversions[piece] += told.sum()
        for row, weight in enumerate((np.ones(time.size), clicked, found["believed_rate"], found["true_rate"])):
            by_slot[row] += np.bincount(found["slot"], weight, slots)
        delay = (found["report_us"] - time) / 1e6
        for counts, rows in ((known, told), (every, found["report_us"] >= 0)):
            counts += np.bincount(np.searchsorted(DELAYS_S, delay[rows]), minlength=DELAYS_S.size + 1)
        ads.update(np.unique(found["ad"]).tolist())
        users.update(np.unique(found["user"]).tolist())
    within, within_all = (np.cumsum(each)[:-1] / max(each.sum(), 1.0) for each in (known, every))
    number = by_slot[:2].astype(np.int64)
    return Exploration(
        str(log.folder), log.rows, len(users), len(ads), begins, shown, clicks, conversions, number[0], number[1],
        by_slot[2], by_slot[3], delay_known=within, delay_all=within_all, features=tuple(_features(log, schema)),
        leaks=tuple(leaks(log, schema)) if log.has_truth else (), miscounted=miscounted(log),
    )  # fmt: skip


def _pieces(log: Log, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """The log by pieces of equally many impressions, in parts that lie in one each."""
    row = 0
    for found in log.chunks(columns):
        size = found["request"].size
        piece = (row + np.arange(size)) * PIECES // log.rows
        for number in np.unique(piece).tolist():
            yield number, {name: column[piece == number] for name, column in found.items()}
        row += size


def _features(log: Log, schema: Schema) -> list[FeatureFacts]:
    """Counts by piece and value of each feature, and what they tell."""
    counts = [np.zeros((PIECES, size), np.int64) for size in schema.sizes]
    clicked = [np.zeros(size) for size in schema.sizes]
    cut, total = int(0.8 * log.rows), np.zeros(2)
    tested: list[tuple[NDArray[Any], NDArray[Any]]] = []
    row = 0
    for piece, found in _pieces(log, (*schema.columns, "clicked")):
        ids, label = schema.encoded(found), found["clicked"]
        for f, held in enumerate(counts):
            held[piece] += np.bincount(ids[:, f], minlength=held.shape[1])
        old = row + np.arange(label.size) < cut
        for f, sums in enumerate(clicked):
            sums += np.bincount(ids[old, f], label[old], sums.size)
        total += label[old].sum(), old.sum()
        tested.append((ids[~old], label[~old]))
        row += label.size
    test, labels = (np.concatenate(each) for each in zip(*tested, strict=True))
    mean = total[0] / total[1]
    told = []
    for f, feature in enumerate(schema.features):
        every, first, last = counts[f].sum(axis=0), counts[f][0], counts[f][-1]
        seen = counts[f][:-1].sum(axis=0)
        before = every - np.bincount(test[:, f], minlength=every.size)
        rate = (clicked[f] + PRIOR * mean) / (before + PRIOR)
        p, q = np.maximum(first / first.sum(), LEAST), np.maximum(last / last.sum(), LEAST)
        unseen, moved = float(last[seen == 0].sum() / last.sum()), float(((q - p) * np.log(q / p)).sum())
        values, top = int((every > 0).sum()), float(every.max() / every.sum())
        told.append(FeatureFacts(feature.name, feature.size, values, top, unseen, moved, auc(rate[test[:, f]], labels)))
    return told


def to_json(found: Exploration) -> dict[str, Any]:
    """As a file holds it; NaN is None."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return [plain(each) for each in value.tolist()]
        if isinstance(value, float):
            return None if math.isnan(value) else value
        if isinstance(value, (FeatureFacts, Exploration)):
            return {name: plain(each) for name, each in vars(value).items()}
        if isinstance(value, Leak):
            return {name: plain(each) for name, each in value._asdict().items()}
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    return {**plain(found), "delays_s": DELAYS_S.tolist()}


def tables(found: Exploration) -> list[Table]:
    """Rates over time, by slot, features, leaks."""
    time = plain_table(f"{found.name}: {found.impressions:,} impressions, {found.users:,} users, {found.ads:,} ads")
    for column in ("day", "impressions", "clicks", "click rate", "std error", "conversions so far", "of clicks"):
        time.add_column(column, justify="right")
    for p in range(PIECES):
        n, c = int(found.shown[p]), int(found.clicks[p])
        if n:
            rate, day = c / n, found.begins_us[p] / 1e6 / DAY_S
            error = math.sqrt(rate * (1 - rate) / n)
            came = f"{found.conversions[p]:,}", f"{found.conversions[p] / c:.1%}" if c else ""
            time.add_row(f"{day:.2f}", f"{n:,}", f"{c:,}", f"{rate:.3%}", f"{error:.3%}", *came)
    slots = plain_table("By slot", "Expected: clicks, over those that the platform believed, and that truth says.")
    for column in ("slot", "impressions", "click rate", "over believed", "over truth"):
        slots.add_column(column, justify="right")
    for s in range(found.slot_shown.size):
        n, c = int(found.slot_shown[s]), int(found.slot_clicks[s])
        if n:
            over = (f"{c / expected[s]:.3f}" if expected[s] > 0 else "" for expected in (found.slot_believed, found.slot_truth))
            slots.add_row(str(s), f"{n:,}", f"{c / n:.3%}", *over)
    return [time, slots, _features_table(found), _leaks_table(found)]


def _features_table(found: Exploration) -> Table:
    caption = "Unseen: of the last piece, values that are new. PSI: last piece against first. Alone: AUC of its rates."
    out = plain_table("Features", caption)
    for column in ("feature", "values", "of", "commonest", "unseen", "PSI", "AUC alone"):
        out.add_column(column, justify="left" if column == "feature" else "right")
    for each in found.features:
        out.add_row(
            each.name, f"{each.values:,}", f"{each.size:,}", f"{each.top:.1%}", f"{each.unseen:.1%}", f"{each.stability:.3f}",
            f"{each.alone:.4f}",
        )  # fmt: skip
    return out


def _leaks_table(found: Exploration) -> Table:
    out = plain_table("Leaks", "What a feature tells of clicks beyond their true rates; and counters against a recount.")
    for column in ("what", "chi-square", "buckets", "by chance", ""):
        out.add_column(column, justify="left" if column in ("what", "") else "right")
    for leak in found.leaks:
        told = verdict("LEAKS" if leak.found else "ok", not leak.found)
        out.add_row(leak.feature, f"{leak.chi_square:.1f}", f"{leak.buckets}", f"{leak.probability:.2g}", told)
    for name, rows in found.miscounted.items():
        out.add_row(f"{name}, recounted", "", "", "", verdict(f"{rows:,} rows differ" if rows else "ok", not rows))
    return out


def picture(found: Exploration) -> Figure:
    """Click rates over time and by slot, delays, and what each feature tells alone."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 8), layout="constrained")
        axes = figure.subplots(2, 2)
        _over_time(axes[0, 0], found)
        _by_slot(axes[0, 1], found)
        _delays(axes[1, 0], found)
        _alone(axes[1, 1], found)
        title = f"{found.name}: {found.impressions:,} impressions of {found.users:,} users and {found.ads:,} ads"
        figure.suptitle(title, x=0.01, ha="left", color=INK)
    return figure


def _over_time(axis: Axes, found: Exploration) -> None:
    from matplotlib.ticker import PercentFormatter

    there = found.shown > 0
    days, n = found.begins_us[there] / 1e6 / DAY_S, found.shown[there]
    rate = found.clicks[there] / n
    axis.errorbar(days, rate, 2 * np.sqrt(rate * (1 - rate) / n), marker="o", capsize=3)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=2))
    axis.set(title="Click rate, twice its standard error", xlabel="day")


def _by_slot(axis: Axes, found: Exploration) -> None:
    there = np.flatnonzero(found.slot_shown)
    clicks = found.slot_clicks[there]
    told = [("over what is believed", found.slot_believed[there]), ("over the truth", found.slot_truth[there])]
    for k, (name, expected) in enumerate(told):
        if (expected > 0).all():
            axis.errorbar(there + 0.1 * k, clicks / expected, 2 * np.sqrt(clicks) / expected, fmt="o", capsize=3, label=name)
    axis.axhline(1.0, color="#888888", linewidth=1)
    axis.set_xticks(there)
    axis.set(title="Clicks over expected clicks, by slot", xlabel="slot")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False)


def _delays(axis: Axes, found: Exploration) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.plot(DELAYS_S, found.delay_known, label="of those reported by the end of the log")
    axis.plot(DELAYS_S, found.delay_all, label="of all that will be")
    axis.set_xscale("log")
    axis.set_xticks([s for s, _ in TICKS], [name for _, name in TICKS])
    axis.minorticks_off()
    axis.set_ylim(0, 1.02)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set(title="Conversions reported so long after the impression")
    axis.legend(frameon=False, loc="upper left")


def _alone(axis: Axes, found: Exploration) -> None:
    ranked = sorted(found.features, key=lambda each: each.alone)
    leaking = {leak.feature for leak in found.leaks if leak.found}
    colours = ["#d1495b" if each.name in leaking else "#4c72b0" for each in ranked]
    axis.barh([each.name for each in ranked], [each.alone - 0.5 for each in ranked], left=0.5, color=colours)
    axis.set(title="AUC of each feature alone" + (" (red: leaks)" if leaking else ""))


def command(console: Console, log: Path, out: Path) -> None:
    """`adarena rank eda`: tables, eda.json and eda.png."""
    held = Log(log)
    found = explore(held, held.schema())
    for each in tables(found):
        console.print(each)
    write(out / "eda.json", json.dumps(to_json(found), indent=2, allow_nan=False))
    console.print(f"figure: {save(picture(found), out / 'eda.png')}", soft_wrap=True)
