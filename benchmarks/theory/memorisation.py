"""Learning by heart: how an error falls with examples where what is met follows Zipf's law.

Items come with probability proportional to i^-(1 + a), each has a label of its own, a coin's, and nothing of one item tells of
another. Whoever remembers what he met errs on half of what he has not, and after n examples that falls as n^-(a / (1 + a))
(Hutter 2021, "Learning curve theory", arXiv 2102.04074, section 3).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...agents.rankers.features import Feature, Schema
from ...agents.rankers.models.layers import Batch, Shape, one_thread
from ...agents.rankers.models.lr import LR
from ...agents.rankers.settings import Settings
from ...agents.rankers.training import Course, step
from .check import Check, sampled
from .market import coin

POWERS = (0.5, 1.0, 2.0)  # a
EXAMPLES = (500, 8_000)
WORLDS, TESTED = 24, 50_000
STEPS, RATE = 30, 0.2  # Adam's, which moves the weight of an item as far however rare it is
HASHED = Schema((Feature("ad", "hashed", ("ad",), "ad", 1 << 15),))


def memorisation(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 33: the exponent of the error of a logistic regression on hashed ids. `wrong` scales the market's power a.

    Each world, of its own items and labels, is a sample: of the slope of log error between the two numbers of examples.
    """
    found = []
    for a in POWERS:
        slopes = np.zeros(WORLDS)
        for world in range(WORLDS):
            dice = np.random.default_rng([33, world])
            few, many = (_error(dice, a * wrong, n, round(TESTED * effort)) for n in EXAMPLES)
            slopes[world] = np.log(many / few) / np.log(EXAMPLES[1] / EXAMPLES[0])
        name = f"33 learned by heart, Zipf {a:g}: exponent"
        found.append(sampled(name, "-a / (1 + a); Hutter 2021", -a / (1 + a), slopes))
    return found


def _error(dice: np.random.Generator, a: float, examples: int, tested: int) -> float:
    """The share of new draws on which a logistic regression errs that was trained on so many; one in two that it never met."""
    items, salt = dice.zipf(1 + a, examples), int(dice.integers(1 << 20))
    network = learned(HASHED.encoded({"ad": items}), _labels(items, salt))
    new = dice.zipf(1 + a, tested)
    ids = HASHED.encoded({"ad": new})
    with torch.inference_mode():
        odds = network(_batch(ids))[:, 0].numpy()
        met = network.linear.table.weight[torch.from_numpy(ids[:, 0]).long(), 0].numpy() != 0
    return float(np.where(met, (odds > 0) != _labels(new, salt), 0.5).mean())


def learned(ids: NDArray[np.int32], labels: NDArray[np.bool_]) -> LR:
    """A logistic regression trained on ids (n, 1) and labels (n,), all at once."""
    with one_thread():
        network = LR(Shape.of(HASHED, 1))
        course = Course(network, Settings("lr", learning_rate=RATE, decay=0.0))
        batch, wanted = _batch(ids), torch.from_numpy(labels[:, None].astype(np.float32))
        for _ in range(STEPS):
            step(course, batch, wanted)
    return network


def _labels(items: NDArray[np.int64], salt: int) -> NDArray[np.bool_]:
    return coin(items, salt=salt) < 0.5


def _batch(ids: NDArray[np.int32]) -> Batch:
    none = torch.zeros(len(ids), 0, dtype=torch.int32)
    return Batch(torch.from_numpy(ids), none[..., None], none, torch.full((len(ids),), -1))
