"""Several labels on one body: shared bottom (Caruana 1997), MMoE (Ma et al. 2018) and PLE (Tang et al. 2020)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .layers import Batch, Network, Shape, Table, perceptron


class SharedBottom(Network):
    """One body for all labels, and a tower for each."""

    def __init__(self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (128,), tower: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        self.vectors, self.body = Table(shape, k), perceptron(len(shape.sizes) * k, hidden, None)
        self.towers = nn.ModuleList(perceptron(hidden[-1], tower) for _ in range(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        body = self.body(self.vectors(batch.ids).flatten(1))  # (B, H)
        return torch.cat([each(body) for each in self.towers], dim=1)  # (B, T)


class Gate(nn.Module):
    """A mixture of experts, with weights that depend on the input."""

    def __init__(self, inputs: int, experts: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(inputs, experts)

    def forward(self, seen: Tensor, experts: Tensor) -> Tensor:
        """What is seen (B, D) and what experts make of it (B, E, H), to (B, H)."""
        return torch.einsum("be,beh->bh", torch.softmax(self.weigh(seen), dim=1), experts)


class MMoE(Network):
    """Experts that all labels share, each label through a gate of its own."""

    def __init__(
        self, shape: Shape, k: int = 10, experts: int = 4, hidden: tuple[int, ...] = (64,), tower: tuple[int, ...] = (32,)
    ) -> None:
        super().__init__()
        inputs = len(shape.sizes) * k
        self.vectors = Table(shape, k)
        self.experts = nn.ModuleList(perceptron(inputs, hidden, None) for _ in range(experts))
        self.gates = nn.ModuleList(Gate(inputs, experts) for _ in range(shape.tasks))
        self.towers = nn.ModuleList(perceptron(hidden[-1], tower) for _ in range(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        seen = self.vectors(batch.ids).flatten(1)  # (B, D)
        made = torch.stack([expert(seen) for expert in self.experts], dim=1)  # (B, E, H)
        odds = [tower(gate(seen, made)) for gate, tower in zip(self.gates, self.towers, strict=True)]
        return torch.cat(odds, dim=1)  # (B, T)


class PLE(Network):
    """Experts of each label beside shared ones, in levels: progressive layered extraction.

    On each level but the last the shared experts have a gate too, over all experts; a label's gate sees its own and the shared.
    """

    def __init__(
        self, shape: Shape, k: int = 10, levels: int = 2, own: int = 2, shared: int = 2, hidden: int = 64,
        tower: tuple[int, ...] = (32,),
    ) -> None:  # fmt: skip
        super().__init__()
        self.vectors, self.tasks, self.own, self.levels = Table(shape, k), shape.tasks, own, levels
        inputs = [len(shape.sizes) * k, *[hidden] * (levels - 1)]
        every = shape.tasks * own + shared
        self.experts = nn.ModuleList(
            nn.ModuleList(perceptron(width, (hidden,), None) for _ in range(every)) for width in inputs
        )
        self.gates = nn.ModuleList(nn.ModuleList(Gate(width, own + shared) for _ in range(shape.tasks)) for width in inputs)
        self.shared_gates = nn.ModuleList(Gate(width, every) for width in inputs[:-1])
        self.towers = nn.ModuleList(perceptron(hidden, tower) for _ in range(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        start = self.vectors(batch.ids).flatten(1)  # (B, D)
        seen, common = [start] * self.tasks, start
        for level in range(self.levels):
            # Experts of label 0, of label 1, ..., and last the shared ones; each group sees what is its own.
            sources = [seen[t] for t in range(self.tasks) for _ in range(self.own)]
            experts, gates = cast(nn.ModuleList, self.experts[level]), cast(nn.ModuleList, self.gates[level])
            sources += [common] * (len(experts) - len(sources))
            made = torch.stack([expert(x) for expert, x in zip(experts, sources, strict=True)], dim=1)  # (B, E, H)
            both = made[:, self.tasks * self.own :]
            mixed = []
            for t in range(self.tasks):
                mine = made[:, t * self.own : (t + 1) * self.own]
                mixed.append(gates[t](seen[t], torch.cat([mine, both], dim=1)))  # (B, H)
            if level + 1 < self.levels:
                common = self.shared_gates[level](common, made)
            seen = mixed
        return torch.cat([tower(x) for tower, x in zip(self.towers, seen, strict=True)], dim=1)  # (B, T)
