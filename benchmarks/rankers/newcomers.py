"""How good rankers are on ads of which they have seen nothing: those that their training left out (`unseen`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from rich.table import Table

from ...agents.rankers.logs import Log, Window
from ...agents.rankers.metrics import auc, log_loss
from ...agents.rankers.models.registry import RECALL
from ...agents.rankers.ranker import Ranker
from ..output.tables import plain_table


class Unseen(NamedTuple):
    """A ranker on the test impressions of ads that it was not trained on, and the truth on the same."""

    impressions: int
    auc: float
    log_loss: float
    truth_auc: float  # NaN where the log has no truth
    truth_log_loss: float


def unseen(log: Log, rankers: Mapping[str, Ranker], test: Window) -> dict[str, Unseen]:
    """Of each ranker whose training left ads out and that says rates."""
    found = {}
    for name, ranker in rankers.items():
        share = float(ranker.card.trained.get("unseen", 0.0))
        if not share or ranker.card.model in RECALL:
            continue
        examples = log.whole(ranker.card.schema, dataclasses.replace(test, ads=(0.0, share)), ranker.card.chain)
        rates, labels = ranker.predicted(examples)[:, 0], examples.labels[:, 0]
        quality = [f(each, labels) for each in (rates, examples.truth) for f in (auc, log_loss)]
        found[name] = Unseen(labels.size, *quality)
    return found


def table(found: Mapping[str, Unseen]) -> Table:
    """A row for each ranker."""
    out = plain_table("Ads that were left out of training")
    out.add_column("who")
    for column in ("impressions", "AUC", "log loss", "truth's AUC", "log loss"):
        out.add_column(column, justify="right")
    for name, each in found.items():
        numbers = f"{each.auc:.4f}", f"{each.log_loss:.5f}", f"{each.truth_auc:.4f}", f"{each.truth_log_loss:.5f}"
        out.add_row(name, f"{each.impressions:,}", *numbers)
    return out
