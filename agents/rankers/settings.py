"""How a model is trained on a log: what can be set, and what goes together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...simulator.core.errors import PolicyError
from ..parameters import check_number, check_whole
from .delayed import outputs
from .features import chosen
from .logs import CHAIN, chained
from .models.registry import follows, settings_of

PRIORS = ("nothing", "belief")


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Args:
        model: its name.
        arguments: of the model, such as k=16; what is not named is as its file says.
        chain: labels that are learned, each given the one before.
        length: latest impressions of a user that models of the past read.
        without: features that are left out, such as those that nobody tells as candidates are scored.
        train, valid: shares of the log's impressions, in the order of time; what is left is for tests.
        kept: share of the impressions without a click that are trained on.
        unseen: share of the ads that are never trained on: on these it can be judged what a model makes of new ones.
        batch: impressions of a step.
        learning_rate, decay: of AdamW on layers and Adam on tables; `decay` is the L2 penalty of tables.
        epochs: passes over the training window.
        checks: how often an epoch is interrupted for validation.
        patience: checks without a better one after which training ends.
        seed: of weights, order and which negatives are kept.
        prior: what the log-odds of a click start from: `nothing`, or the platform's `belief`, which the model then corrects.
        begin: file or folder of a ranker whose weights are gone on from, such as one trained on an earlier log; empty: none.
        feedback: how conversions that are reported late are learned, as `delayed` says; other than naively, by a network of
            their own, from the clicks of the training window, which are held in memory.
        teacher: folder or file of a trained ranker whose click rates are learned beside the labels; empty: of none. `taught` is
            how much they count, from 0 to 1; labels count for the rest.
    """

    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    chain: tuple[str, ...] = CHAIN
    length: int = 20
    without: tuple[str, ...] = ()
    train: float = 0.8
    valid: float = 0.1
    kept: float = 1.0
    unseen: float = 0.0
    batch: int = 1024
    learning_rate: float = 2e-3
    decay: float = 1e-6
    epochs: int = 1
    checks: int = 10
    patience: int = 3
    seed: int = 0
    prior: str = "nothing"
    begin: str = ""
    feedback: str = "naive"
    teacher: str = ""
    taught: float = 0.5

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "checks", "patience"):
            check_whole(self, name, 1)
        check_whole(self, "length", 0)
        check_whole(self, "seed", 0)
        check_number(self, "learning_rate", above=0.0)
        check_number(self, "decay", least=0.0)
        check_number(self, "unseen", least=0.0, most=0.9)
        check_number(self, "taught", least=0.0, most=1.0)
        settings_of(self.model)
        chained(self.chain)
        chosen(self.without)
        outputs(self.feedback)
        if self.prior not in PRIORS:
            raise PolicyError(f"log-odds start from {' or '.join(PRIORS)}, not from {self.prior!r}")
        if self.feedback != "naive" and (self.prior != "nothing" or self.begin):
            raise PolicyError(
                f"feedback {self.feedback} learns from nothing: without a prior, and without a ranker to begin with"
            )
        if self.feedback != "naive" and not (follows(self.model) and tuple(self.chain) == CHAIN):
            raise PolicyError(f"feedback {self.feedback} is of a chain clicked,converted of lr, fm or a model of one label")
        if self.teacher and tuple(self.chain) != CHAIN[:1]:
            raise PolicyError(f"a teacher is of clicks alone: with chain=clicked, not {','.join(self.chain)}")

    @property
    def stepped(self) -> tuple[str, ...]:
        """The labels that are learned step by step; conversions whose feedback is modelled are learned afterwards."""
        return tuple(self.chain) if self.feedback == "naive" else CHAIN[:1]
