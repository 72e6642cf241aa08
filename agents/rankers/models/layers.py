"""What models are made of: a batch, tables of weights by feature, layers, a network for each label of a chain.

Shapes: B impressions, F numbered features, k numbers of an embedding, L places of a user's past, R numbers of one of them, T
labels, V vectors of what an ad looks like, W numbers of all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..features import Schema
from ..logs import Examples

DEVIATION = 0.01  # of embeddings at first, as in DeepFM and DCN-v2
SLOTS = 64  # positions that are told apart


NO_VECTORS = torch.empty(0, 0)


class Batch(NamedTuple):
    """Impressions as a network sees them. Numbers are rows of one table in which features stand one after the other."""

    ids: Tensor  # (B, F) int32
    past: Tensor  # (B, L, R) int32
    clicked: Tensor  # (B, L) 1 or 0, -1: empty
    slot: Tensor  # (B,) int64; -1: not known, as when candidates are scored
    believed: Tensor = torch.empty(0)  # (B,) log-odds of a click that the platform itself believes; (0,): nobody tells
    vectors: Tensor = NO_VECTORS  # (B, W) what the ad looks like, NaN where it has nothing of the kind; (0, 0): nothing is told

    def part(self, rows: Tensor) -> Batch:
        """Some of them."""
        return Batch(*(field[rows] if len(field) else field for field in self))


class Shape(NamedTuple):
    """What a network is built for."""

    sizes: tuple[int, ...]  # (F,) vocabulary of each feature
    of_request: int  # of the F features, which come first
    length: int  # L
    remembered: tuple[int, ...]  # (R,) which features an impression of the past is known by
    tasks: int  # T
    vectors: tuple[int, ...] = ()  # (V,) numbers of each vector of what an ad looks like, W in all

    @classmethod
    def of(cls, schema: Schema, tasks: int) -> Shape:
        """The shape of a schema."""
        vectors = tuple(feature.size for feature in schema.vectors)
        return cls(schema.sizes, schema.of_request, schema.length, schema.remembered_places, tasks, vectors)

    @property
    def rows(self) -> int:
        """Of the one table."""
        return sum(self.sizes)

    @property
    def offsets(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Where each feature begins in it, (F,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int32)


def batch_of(examples: Examples, shape: Shape) -> Batch:
    """Examples as tensors; their numbers become rows of the one table."""
    offsets = shape.offsets
    past = examples.past.items + offsets[list(shape.remembered)] if shape.length else examples.past.items
    arrays = examples.ids + offsets, past, examples.past.clicked, examples.slot, examples.believed
    ids, items, clicked, slot, believed = map(torch.from_numpy, arrays)
    return Batch(ids, items, clicked, slot, torch.logit(believed), torch.from_numpy(examples.vectors))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Network(nn.Module, ABC):
    """A module from a batch to log-odds, (B, T): of each label of the chain, given that the one before came."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Log-odds of a batch."""

    def loss(self, batch: Batch, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean log loss of the chain's labels (B, T), each where the one before came; `weights` (B,) of impressions."""
        return chain_loss(self(batch), labels, weights)


class OfCandidates(Network):
    """A network that makes what the candidates of a request share once for all of them."""

    @abstractmethod
    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """What `forward` would say, for all ads of each request, (n, A).

        Args:
            request: (n, request's features) rows of the table.
            ads: rows of the table, (n, A, ad's features), or (A, ad's features) where all requests have the same.
            vectors: what ads look like, (n, A, W) or (A, W) likewise.
        """


def first_layer(layer: nn.Linear, asked: Tensor, told: Tensor) -> Tensor:
    """A linear layer of requests (n, D') followed by what belongs to their ads, (n, A, D'') or (A, D''); (n, A, width).

    The request's part is made once, and that of ads which all requests share.
    """
    ours, theirs = layer.weight[:, : asked.shape[1]], layer.weight[:, asked.shape[1] :]
    once = nn.functional.linear(asked, ours, layer.bias)  # (n, width)
    return nn.functional.linear(told, theirs) + once[:, None]


class Table(nn.Module):
    """Embeddings of all features in one table."""

    def __init__(self, shape: Shape, k: int, deviation: float = DEVIATION) -> None:
        super().__init__()
        self.table = nn.Embedding(shape.rows, k)
        nn.init.normal_(self.table.weight, 0.0, deviation)

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.table(ids)  # (..., k)
        return found


class Looks(nn.Module):
    """What an ad looks like, each modality as a vector of k numbers: a linear view of it, or a learned one where it is missing.

    A modality is left out of an example in training with probability `dropout`, so that it can be done without (ModDrop,
    Neverova et al. 2016). Embeddings come with lengths of about 1, and are brought to numbers of about 1.
    """

    def __init__(self, shape: Shape, k: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes, self.dropout = list(shape.vectors), dropout
        self.views = nn.ModuleList(nn.Linear(size, k) for size in self.sizes)
        self.missing = nn.Parameter(torch.zeros(len(self.sizes), k))
        for view in self.views:
            nn.init.normal_(cast(nn.Linear, view).weight, 0.0, DEVIATION)
            nn.init.zeros_(cast(nn.Linear, view).bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Of V modalities one after the other, NaN where missing: (..., W) to (..., V, k)."""
        found = []
        for view, default, part in zip(self.views, self.missing, torch.split(vectors, self.sizes, dim=-1), strict=True):
            there = ~part[..., :1].isnan()  # (..., 1)
            if self.training and self.dropout > 0:
                there = there & (torch.rand(there.shape) >= self.dropout)
            found.append(torch.where(there, view(part.nan_to_num() * part.shape[-1] ** 0.5), default))
        return torch.stack(found, dim=-2)


class Fields(Table):
    """Embeddings of all numbered features, and behind them of what an ad looks like."""

    def __init__(self, shape: Shape, k: int) -> None:
        super().__init__(shape, k)
        self.count = len(shape.sizes) + len(shape.vectors)
        self.looks = Looks(shape, k) if shape.vectors else None

    def of(self, ids: Tensor, vectors: Tensor) -> Tensor:
        """Rows of the table (..., F'), and of the same ads (..., W), to (..., F' + V, k)."""
        found: Tensor = self(ids)
        return found if self.looks is None else torch.cat([found, self.looks(vectors)], dim=-2)


class Linear(nn.Module):
    """A weight for each value of each feature, and a bias: (B, F) to (B, T)."""

    def __init__(self, shape: Shape, tasks: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(shape.rows, tasks, mode="sum")
        nn.init.zeros_(self.table.weight)
        self.bias = nn.Parameter(torch.zeros(tasks))

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.table(ids) + self.bias
        return found

    def of_candidates(self, request: Tensor, ads: Tensor) -> Tensor:
        """See `OfCandidates`, (n, A); of one label."""
        theirs: Tensor = self.table(ads.flatten(0, -2)).view(ads.shape[:-1])  # (..., A)
        ours: Tensor = self(request)  # (n, 1)
        return ours + theirs


def perceptron(inputs: int, hidden: Sequence[int], outputs: int | None = 1, dropout: float = 0.0) -> nn.Sequential:
    """Layers with ReLU; the last, of `outputs`, without. None: it ends with the last hidden layer."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        inputs = width
    if outputs is not None:
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


class Separate(Network):
    """A network of one label for each label of the chain, which share nothing."""

    def __init__(self, make: Callable[[Shape], Network], shape: Shape) -> None:
        super().__init__()
        self.networks = nn.ModuleList(make(shape._replace(tasks=1)) for _ in range(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        return torch.cat([network(batch) for network in self.networks], dim=1)  # (B, T)


class Followed(Network):
    """A network of clicks, and one of what follows a click, of which only the first output is a label's."""

    def __init__(self, clicks: Network, conversions: Network) -> None:
        super().__init__()
        self.clicks, self.conversions = clicks, conversions

    def forward(self, batch: Batch) -> Tensor:
        return torch.cat([self.clicks(batch), self.conversions(batch)[:, :1]], dim=1)  # (B, 2)


def chain_loss(odds: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The sum over labels of the mean log loss of those impressions whose label before came; a scalar.

    Args:
        odds: (B, T) log-odds, each given that the label before came.
        labels: (B, T).
        weights: (B,) of impressions; None: 1.
    """
    each = nn.functional.binary_cross_entropy_with_logits(odds, labels, reduction="none")  # (B, T)
    counted = torch.cat([torch.ones_like(labels[:, :1]), labels[:, :-1]], dim=1)  # (B, T)
    if weights is not None:
        counted = counted * weights[:, None]
    return ((each * counted).sum(dim=0) / counted.sum(dim=0).clamp(min=1.0)).sum()
