"""Distillation (Hinton et al. 2015): a light model is trained on what a better one makes of its impressions, beside the labels.

(1 - a) of the log loss against a label y, and a of that against a teacher's rate q, is the log loss against (1 - a) y + a q: so
what is learned from a teacher are other labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import expit

from ...simulator.core.errors import PolicyError
from .features import Schema
from .logs import Examples, Log, Window
from .models.registry import RECALL
from .ranker import Ranker


def check_teacher(ranker: Ranker, log: Log) -> None:
    """Raises `PolicyError` if it says no rates, or cannot read the log."""
    own = ranker.card
    if own.model in RECALL:
        raise PolicyError(f"a ranker {own.model} ranks ads for recall and says no rates: it is no teacher")
    ranker.check(log.schema(own.schema.length, own.trained.get("without", ()), bool(own.schema.vectors)))


def taught(log: Log, schema: Schema, window: Window, teacher: Ranker, share: float) -> Iterator[Examples]:
    """The impressions of a window, whose labels of clicks are to so large a share what the teacher makes of them.

    The teacher sees its own features. Where only some negatives are kept it says what rates are among these.
    """
    card = teacher.card
    for mine, theirs in zip(
        log.examples(schema, window, ("clicked",)), log.examples(card.schema, window, card.chain), strict=True
    ):
        rates = expit(teacher.uncalibrated(theirs) - math.log(window.kept))
        labels = (1 - share) * mine.labels + share * rates[:, None]
        yield mine._replace(labels=labels.astype(np.float32))
