"""Recall by two towers beside recall by spelling semantic ids: the same clicks, the same ads, and what the truth would recall.

Users' impressions but the last few are the log that both learn from: two towers know who asks, the generative model what he
clicked last. Asked is for the ads of clicks among the last impressions, of all ads. Ids quantise vectors of the two towers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor

from ...agents.rankers.models.generative import Generative
from ...agents.rankers.models.layers import Batch, Shape, one_thread
from ...agents.rankers.models.semantic import SemanticIds, use
from ...agents.rankers.models.two_tower import TwoTower
from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.errors import MarketError
from ..output.tables import plain_table
from .sequences import Sequences

LAST, READ = 8, 16  # impressions of a user that are asked for; clicks that the generative model reads
CODES, LEVELS = 8, 3
BATCH, RATE, EPOCHS, FITTED = 256, 1e-2, 5, 400  # clicks of a step, of Adam, passes, steps of the quantiser


class Clicks(NamedTuple):
    """Clicks, each with the ads that the user clicked before."""

    user: Integers  # (c,) place among the sequences
    ad: Integers  # (c,)
    past: Integers  # (c, READ) the latest last, -1: none


class Retrieved(NamedTuple):
    """What share of the test clicks' ads is among the first k of each list, and how codes are used."""

    recall: dict[str, dict[int, float]]  # by who recalls, and by k
    perplexity: tuple[float, ...]  # of each level
    shared: float  # of ads, those whose id another has, too
    left: tuple[float, ...]  # mean squared residual after no level, one, ... as a share of that after none


def clicks_of(held: Sequences, first: int, end: int) -> Clicks:
    """The clicks among impressions `first` to `end` of each user, each with those before it, wherever they are."""
    user, place = np.nonzero(held.clicked[:, first:end])
    place = place + first
    past = np.full((user.size, READ), -1, np.int64)
    for row, (u, t) in enumerate(zip(user.tolist(), place.tolist(), strict=True)):
        before = held.ad[u, :t][held.clicked[u, :t] == 1][-READ:]
        past[row, READ - before.size :] = before
    return Clicks(user, held.ad[user, place], past)


def compare(held: Sequences, scores: Floats, seed: int, ks: tuple[int, ...] = (1, 5, 10)) -> Retrieved:
    """Trains both and recalls; `scores` (n, ads) are true click rates of all ads, in whose order the truth recalls.

    Raises:
        MarketError: if sequences are too short to learn from and to be asked for.
    """
    length = held.ad.shape[1]
    if length <= 2 * LAST:
        raise MarketError(f"recall is judged on the last {LAST} of more than {2 * LAST} impressions, not of {length}")
    known, asked = clicks_of(held, 0, length - LAST), clicks_of(held, length - LAST, length)
    ads = scores.shape[1]
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        dice = np.random.default_rng(seed)
        towers = two_towers(known, len(held.user), ads, dice)
        with torch.inference_mode():
            vectors = towers.of_ad(torch.arange(ads)[:, None] + len(held.user))
            by_towers = (towers.of_request(torch.from_numpy(asked.user)[:, None]) @ vectors.T).numpy()
        quantiser = quantised(vectors.clone())
        ids = quantiser.codes(vectors.clone())
        spelling = generative(known, ids, dice)
        found = spelled(spelling, torch.from_numpy(asked.past), ids, max(ks))
        errors = quantiser.errors(vectors.clone())
    popular = np.bincount(known.ad, minlength=ads)
    lists = {
        "most clicked ads": _first(np.broadcast_to(popular.astype(np.float64), by_towers.shape), max(ks)),
        "two towers": _first(by_towers, max(ks)), "semantic ids": found,
        "the truth": _first(scores[asked.user], max(ks)),
    }  # fmt: skip
    recall = {who: {k: float((best[:, :k] == asked.ad[:, None]).any(axis=1).mean()) for k in ks} for who, best in lists.items()}
    perplexity, shared = use(ids, CODES)
    return Retrieved(recall, tuple(perplexity), shared, tuple(e / errors[0] for e in errors))


def two_towers(known: Clicks, users: int, ads: int, dice: np.random.Generator) -> TwoTower:
    """Trained on clicks, by users and ads alone."""
    model = TwoTower(Shape((users, ads), 1, 0, (), 1), k=16, hidden=(32,), width=16)
    ids = np.stack([known.user, known.ad + users], axis=1).astype(np.int32)
    none = torch.zeros(BATCH, 0, dtype=torch.int32)

    def loss(rows: NDArray[Any]) -> Tensor:
        batch = Batch(torch.from_numpy(ids[rows]), none[..., None], none, torch.full((BATCH,), -1))
        return model.loss(batch, torch.ones(BATCH, 1))

    _fit(model, loss, len(ids), dice)
    return model.eval()


def quantised(vectors: Tensor) -> SemanticIds:
    """Fitted on the vectors of all ads, (ads, d)."""
    model = SemanticIds(vectors.shape[1], CODES, LEVELS, width=8, hidden=(32,))
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(FITTED):
        optimiser.zero_grad()
        model(vectors).backward()
        optimiser.step()
    return model.eval()


def generative(known: Clicks, ids: Tensor, dice: np.random.Generator) -> Generative:
    """Trained to spell each click's ad."""
    model = Generative(ids, CODES, READ, width=32)
    _fit(
        model,
        lambda rows: model.loss(torch.from_numpy(known.past[rows]), torch.from_numpy(known.ad[rows])),
        len(known.ad),
        dice,
    )
    return model.eval()


def spelled(model: Generative, past: Tensor, ids: Tensor, k: int) -> Integers:
    """The first k ads of each history (c, READ), in the order of a beam of 2 k ids; of ads with the same id the first first."""
    owners: dict[tuple[int, ...], list[int]] = {}
    for ad, each in enumerate(ids.tolist()):
        owners.setdefault(tuple(each), []).append(ad)
    found = np.full((len(past), k), -1, np.int64)
    with torch.inference_mode():
        for first in range(0, len(past), BATCH):
            beams, chances = model.beam(past[first : first + BATCH], 2 * k)
            for row, (beam, chance) in enumerate(zip(beams.tolist(), chances.tolist(), strict=True)):
                named = [ad for each, told in zip(beam, chance, strict=True) if told > -np.inf for ad in owners[tuple(each)]]
                found[first + row, : len(named[:k])] = named[:k]
    return found


def table(name: str, found: list[Retrieved]) -> Table:
    """Recall by who recalls, means over seeds and their standard deviations."""
    ks = list(next(iter(found[0].recall.values())))
    told = ", ".join(f"{np.mean([each.perplexity[level] for each in found]):.1f}" for level in range(LEVELS))
    left = ", ".join(f"{np.mean([each.left[level] for each in found]):.3f}" for level in range(LEVELS + 1))
    shared = np.mean([each.shared for each in found])
    out = plain_table(
        f"{name}: clicks whose ad is among the first k of all, {len(found)} seeds",
        f"Codes of {CODES} in use, by level: {told}. Left after each level: {left}. Ads that share an id: {shared:.1%}.",
    )
    for column in ("who", *(f"k = {k}" for k in ks)):
        out.add_column(column, justify="left" if column == "who" else "right")
    for who in found[0].recall:
        values = [[each.recall[who][k] for each in found] for k in ks]
        spread = (f" ± {100 * np.std(v, ddof=1):.1f}" if len(v) > 1 else "" for v in values)
        out.add_row(who, *(f"{100 * np.mean(v):.1f}{s}%" for v, s in zip(values, spread, strict=True)))
    return out


def _first(scores: Floats, k: int) -> Integers:
    """The k best of each row."""
    best: Integers = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return best


def _fit(model: torch.nn.Module, loss: Any, count: int, dice: np.random.Generator) -> None:
    """Adam on whole batches of `count` clicks, in a new order each pass."""
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    for rows in _rows(count, dice):
        optimiser.zero_grad()
        loss(rows).backward()
        optimiser.step()


def _rows(count: int, dice: np.random.Generator) -> Iterator[Integers]:
    for _ in range(EPOCHS):
        order = dice.permutation(count)
        for first in range(0, count - BATCH + 1, BATCH):
            yield order[first : first + BATCH]
