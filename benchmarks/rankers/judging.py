"""How good rankers are on the last part of a log, beside the platform's own belief and the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ...agents.rankers.boosted import Trees, grown
from ...agents.rankers.calibration import Method, calibrated
from ...agents.rankers.logs import Examples, Log, Window
from ...agents.rankers.metrics import Ceiling, Quality, auc, ceiling, log_loss, quality, reliability
from ...agents.rankers.models.registry import RECALL
from ...agents.rankers.ranker import Ranker
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from ..output.tables import plain_table
from .newcomers import Unseen, unseen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUTH, BELIEF, MEAN, TREES = "the truth", "what the market believed", "one rate for all", "boosted trees"
KEPT = 10  # ads that recall may name
REQUESTS = 4_000  # clicks on which recall is judged


class Later(NamedTuple):
    """Conversions of clicks: how well they are ranked, and how many were predicted over how many came in the end."""

    auc: float
    log_loss: float
    pcoc: float


@dataclass(frozen=True)
class Judged:
    """One source of rates on the test window."""

    name: str
    clicks: Quality
    after: Later | None  # of conversions; None where it says none
    curve: tuple[Floats, Floats, Floats]  # predicted, came, share, by bins
    by_segment: Mapping[int, float]  # PCOC


@dataclass(frozen=True)
class Judgement:
    """All of them, and the ceiling; recall of those that say no rates, beside the most popular ads."""

    log: str
    impressions: int
    clicks: int
    ceiling: Ceiling | None
    judged: tuple[Judged, ...]
    recall: Mapping[str, float]
    unseen: Mapping[str, Unseen]  # of rankers whose training left ads out, on these


class Terms(NamedTuple):
    """How rankers are judged."""

    shares: tuple[float, float] = (0.8, 0.1)  # of the log, left out of the test: for training, for validation
    method: Method | None = None  # of a calibration on the validation part
    by: str = ""  # feature whose values are calibrated each for itself
    trees: bool = False  # whether trees are grown on the training part, and judged too


def judge(log: Log, rankers: Mapping[str, Ranker], terms: Terms) -> Judgement:
    """Judges rankers by name on what comes after training and validation, calibrated first if that is wanted.

    Raises:
        PolicyError: if a ranker cannot read the log, or there is no feature `by`.
    """
    train, valid, test = log.split(*terms.shares)
    found: list[Judged] = []
    recall: dict[str, float] = {}
    examples: Examples | None = None
    for name, ranker in rankers.items():
        own = ranker.card.schema
        ranker.check(log.schema(own.length, ranker.card.trained.get("without", ()), bool(own.vectors)))
        examples = log.whole(own, test, ranker.card.chain)
        if ranker.card.model in RECALL:
            recall[name] = _recall(log, ranker, test)
            recall["most clicked ads"] = _recall(log, None, test)
            continue
        if terms.method is not None:
            ranker = bent(ranker, log.whole(own, valid, ranker.card.chain), terms.method, terms.by)
        rates = ranker.predicted(examples)
        after = _later(rates, examples) if len(ranker.card.chain) > 1 else None
        found.append(_judged(name, rates[:, 0], examples, ranker, after))
    if examples is None:
        raise PolicyError("name at least one ranker: its file, or the folder of its training")
    some = next(iter(rankers.values()))
    believed = np.concatenate([c["believed_rate"][c["time_us"] >= test.first_us] for c in log.chunks(("believed_rate",))])
    mean = log.whole(some.card.schema, valid).labels[:, 0].mean()
    found.insert(0, _judged(BELIEF, believed.astype(np.float64), examples, some, None))
    found.insert(0, _judged(MEAN, np.full(believed.size, float(mean)), examples, some, None))
    if terms.trees:
        trees = grown(log.schema(), list(log.examples(log.schema(), train, ("clicked",))), Trees())
        found.append(_judged(TREES, trees.predicted(log.whole(log.schema(), test)), examples, some, None))
    if log.has_truth:
        found.append(_judged(TRUTH, examples.truth, examples, some, None))
    best = ceiling(examples.truth) if log.has_truth else None
    return Judgement(
        str(log.folder), believed.size, int(examples.labels[:, 0].sum()), best, tuple(found), recall, unseen(log, rankers, test)
    )


def bent(ranker: Ranker, examples: Examples, method: Method, by: str) -> Ranker:
    """The same with a calibration fitted on examples. Raises `PolicyError` if there is no feature `by`."""
    names = [feature.name for feature in ranker.card.schema.numbered]
    if by and by not in names:
        raise PolicyError(f"there is no feature {by!r} to calibrate by: known are {', '.join(names)}")
    segment = examples.ids[:, names.index(by)] if by else None
    odds = ranker.uncalibrated(examples)
    return ranker.calibrated(calibrated(method, odds, examples.labels[:, 0], segment, by))


def _judged(name: str, rates: NDArray[Any], examples: Examples, ranker: Ranker, after: Later | None) -> Judged:
    labels = examples.labels[:, 0]
    names = [feature.name for feature in ranker.card.schema.numbered]
    by_segment: dict[int, float] = {}
    if "segment" in names:
        segment = examples.ids[:, names.index("segment")]
        for number in np.unique(segment).tolist():
            mine = segment == number
            if labels[mine].sum():
                by_segment[number - 1] = float(rates[mine].sum() / labels[mine].sum())
    return Judged(name, quality(rates, labels, examples.user), after, reliability(rates, labels), by_segment)


def _later(rates: Floats, examples: Examples) -> Later:
    """Of the chain's last label, given a click."""
    clicked = examples.labels[:, 0] > 0
    rate, label = rates[clicked, 1:].prod(axis=1), examples.labels[clicked, -1]
    return Later(auc(rate, label), log_loss(rate, label), float(rate.sum() / label.sum()) if label.sum() else math.nan)


def _recall(log: Log, ranker: Ranker | None, test: Window) -> float:
    """The share of test clicks whose ad is among the ten best of all ads; without a ranker, of the most clicked ones so far.

    An ad is scored with the counters that it had last before the test.
    """
    columns = tuple(dict.fromkeys((*(ranker.card.schema.columns if ranker else ()), "ad", "clicked")))
    latest: dict[int, dict[str, Any]] = {}
    clicks: dict[int, int] = {}
    asked: list[dict[str, NDArray[Any]]] = []
    for found in log.chunks(columns):
        before = found["time_us"] < test.first_us
        ads, last = np.unique(found["ad"][before][::-1], return_index=True)
        rows = np.flatnonzero(before)[::-1][last]
        latest |= {int(ad): {name: found[name][row] for name in columns} for ad, row in zip(ads, rows, strict=True)}
        for ad in found["ad"][before & found["clicked"]].tolist():
            clicks[ad] = clicks.get(ad, 0) + 1
        hits = ~before & found["clicked"]
        if hits.any() and sum(each["ad"].size for each in asked) < REQUESTS:
            asked.append({name: found[name][hits] for name in columns})
    wanted = {name: np.concatenate([each[name] for each in asked])[:REQUESTS] for name in columns}
    known = np.array(sorted(latest))
    if ranker is None:
        best = sorted(known.tolist(), key=lambda ad: -clicks.get(ad, 0))[:KEPT]
        return float(np.isin(wanted["ad"], best).mean())
    table = {name: np.array([latest[ad][name] for ad in known.tolist()]) for name in columns} | log.looks(known)
    scores = ranker.scores(wanted, table, {})[..., 0]
    best_places = np.argpartition(-scores, min(KEPT, known.size - 1), axis=1)[:, :KEPT]
    return float((known[best_places] == wanted["ad"][:, None]).any(axis=1).mean())


def table(found: Judgement) -> Table:
    """A row for each source of rates."""
    told = f"{found.log}: the last {found.impressions:,} impressions, {found.clicks:,} clicks"
    caption = None
    if found.ceiling is not None:
        best = f"AUC {found.ceiling.auc:.4f}, log loss {found.ceiling.log_loss:.5f}"
        caption = f"Ceiling, over all clicks that could have been: {best}."
    out = plain_table(told, caption)
    headers = ("rates of clicks", "AUC", "GAUC", "log loss", "NE", "PCOC", "ECE", "conv. AUC", "PCOC")
    for column in headers:
        out.add_column(column, justify="left" if column == headers[0] else "right", no_wrap=True)
    for each in found.judged:
        q = each.clicks
        after = ("", "") if each.after is None else (f"{each.after.auc:.4f}", f"{each.after.pcoc:.3f}")
        numbers = f"{q.auc:.4f}", f"{q.gauc:.4f}", f"{q.log_loss:.5f}", f"{q.entropy:.4f}", f"{q.pcoc:.3f}", f"{q.ece:.4f}"
        out.add_row(each.name, *numbers, *after)
    return out


def recall_table(found: Judgement) -> Table:
    """Of rankers that recall."""
    out = plain_table(f"Recall: clicks whose ad is among the {KEPT} named, of all ads")
    out.add_column("who")
    out.add_column("recall", justify="right")
    for name, share in found.recall.items():
        out.add_row(name, f"{share:.1%}")
    return out


def to_json(found: Judgement) -> dict[str, Any]:
    """As a file holds it; NaN is None."""

    def plain(values: Mapping[str, float]) -> dict[str, float | None]:
        return {name: None if math.isnan(value) else value for name, value in values.items()}

    rows = [
        {
            "name": each.name, "clicks": plain(each.clicks._asdict()),
            "conversions": None if each.after is None else plain(each.after._asdict()),
            "predicted": each.curve[0].tolist(), "came": each.curve[1].tolist(), "pcoc_by_segment": dict(each.by_segment),
        }
        for each in found.judged
    ]  # fmt: skip
    best = None if found.ceiling is None else plain(found.ceiling._asdict())
    sizes = {"log": found.log, "impressions": found.impressions, "clicks": found.clicks}
    new = {name: plain(each._asdict()) for name, each in found.unseen.items()}
    return {**sizes, "ceiling": best, "judged": rows, "recall": dict(found.recall), "unseen": new}


def picture(found: Judgement) -> Figure:
    """What came over what was predicted, and predicted clicks over clicks by segment."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        drawn = [each for each in found.judged if each.name != MEAN]
        for each in drawn:
            predicted, came, _ = each.curve
            left.plot(predicted, came, marker="o", markersize=3, linewidth=1.2, label=each.name)
            if each.by_segment:
                right.plot(list(each.by_segment), list(each.by_segment.values()), marker="o", markersize=4, label=each.name)
        most = max(float(each.curve[0].max()) for each in drawn)
        left.plot([0, most], [0, most], color="#888888", linewidth=1)
        left.set(title="Clicks that came, by predicted rate", xlabel="predicted", ylabel="came")
        right.axhline(1.0, color="#888888", linewidth=1)
        right.set(title="Predicted clicks over clicks, by segment", xlabel="segment")
        right.xaxis.get_major_locator().set_params(integer=True)
        left.legend(frameon=False)
        figure.suptitle(f"{found.log}: the last {found.impressions:,} impressions", x=0.01, ha="left", color=INK)
    return figure
