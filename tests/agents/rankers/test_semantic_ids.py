"""Semantic ids and generative retrieval: beside k-means, brute force and a search over all ids."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from adarena.agents.rankers.models.generative import Generative
from adarena.agents.rankers.models.layers import one_thread
from adarena.agents.rankers.models.semantic import SemanticIds, use


@pytest.fixture(autouse=True)
def alone():
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def grouped(n: int = 400, groups: int = 8, wide: float = 0.05) -> np.ndarray:
    dice = np.random.default_rng(0)
    return dice.normal(0, 1, (groups, 6))[np.arange(n) % groups] + wide * dice.standard_normal((n, 6))


def fitted(model: SemanticIds, vectors: torch.Tensor, steps: int = 300) -> SemanticIds:
    weights = list(model.parameters())
    optimiser = torch.optim.Adam(weights, 3e-3) if weights else None
    for _ in range(steps):
        loss = model(vectors)
        if optimiser is not None:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def test_a_level_is_as_good_as_k_means():
    """Without encoder, one level of codes that follow their means is k-means step by step."""
    vectors = grouped(wide=0.3)
    model = fitted(SemanticIds(6, codes=8, levels=1, width=0), torch.from_numpy(vectors).float())
    theirs = KMeans(8, n_init=10, random_state=0).fit(vectors).inertia_ / len(vectors)
    assert theirs <= model.errors(torch.from_numpy(vectors).float())[1] * 1.001
    assert model.errors(torch.from_numpy(vectors).float())[1] < 1.3 * theirs


def test_each_level_leaves_less_and_takes_the_nearest():
    vectors = torch.from_numpy(grouped()).float()
    model = fitted(SemanticIds(6, codes=8, levels=3, width=4), vectors)
    errors = model.errors(vectors)
    assert all(after < before for before, after in itertools.pairwise(errors))
    assert errors[-1] < 0.2 * errors[0]
    latent = model.encoder(vectors).detach().numpy()
    codes, books = model.codes(vectors).numpy(), model.books.numpy()
    for row in range(0, 400, 23):
        rest = latent[row]
        for level in range(3):
            distance = [((rest - book) ** 2).sum() for book in books[level]]
            assert distance[codes[row, level]] == pytest.approx(min(distance), rel=1e-4, abs=1e-6)
            rest = rest - books[level, codes[row, level]]


def test_dead_codes_begin_anew():
    """Codes that lie far from everything come to be used; without that one code would take all."""
    vectors = torch.from_numpy(grouped()).float()
    model = SemanticIds(6, codes=8, levels=1, width=0)
    with torch.no_grad():
        model.books[0] = 100.0 + torch.arange(8)[:, None]
        model.sums.copy_(model.books)
    assert use(model.codes(vectors), 8)[0] == [1.0]
    assert use(fitted(model, vectors).codes(vectors), 8)[0][0] > 5


def test_gradients_pass_the_quantiser():
    model = SemanticIds(6, codes=8, levels=2, width=4).eval()
    vectors = torch.from_numpy(grouped()).float()
    model(vectors).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_use_by_hand():
    codes = torch.tensor([[0, 1], [0, 1], [0, 2], [1, 2]])
    perplexity, shared = use(codes, 4)
    assert perplexity == pytest.approx([np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25)), 2.0])
    assert shared == 0.5


def small() -> tuple[Generative, torch.Tensor]:
    """Ids of 20 ads of 4 x 4 x 4 codes, two of which are the same, and histories."""
    dice = np.random.default_rng(3)
    chosen = dice.choice(64, 19, replace=False)
    ids = np.stack([chosen // 16, chosen // 4 % 4, chosen % 4], axis=1)
    model = Generative(torch.from_numpy(np.concatenate([ids, ids[:1]])), 4, 5, width=16).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, dtype=torch.float64))
    return model, torch.from_numpy(dice.integers(-1, 20, (6, 5)))


def test_a_beam_of_all_is_the_search_of_all():
    model, history = small()
    every = torch.unique(model.ids, dim=0)  # (19, 3)
    with torch.inference_mode():
        told = torch.stack(
            [
                model(history, each[None, :-1].expand(6, -1)).gather(2, each.expand(6, 3)[..., None]).sum(dim=(1, 2))
                for each in every
            ],
            dim=1,
        )
        spelled, scores = model.beam(history, 64)
        one, greedy = model.beam(history, 1)
    assert torch.allclose(told.exp().sum(dim=1), torch.ones(6, dtype=torch.float64))  # nothing else can be spelled
    best = told.sort(dim=1, descending=True)
    assert torch.allclose(scores[:, :19], best.values, atol=1e-10)
    assert torch.isinf(scores[:, 19:]).all()
    for row in range(6):
        assert torch.equal(spelled[row, :19], every[best.indices[row]])
    assert (greedy[:, 0] <= scores[:, 0] + 1e-10).all()
    assert {tuple(each) for each in one[:, 0].tolist()} <= {tuple(each) for each in every.tolist()}


def test_what_follows_is_learned():
    """The next ad is the one after the last: a model that reads the history finds it, one whose history is hidden does not."""
    model, _ = small()
    model = Generative(model.ids[:19], 4, 3, width=32)
    dice = np.random.default_rng(0)
    history = torch.from_numpy(dice.integers(0, 19, (512, 3)))
    ad = (history[:, -1] + 1) % 19
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        loss = model.loss(history, ad)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        hits, blind = (
            (model.beam(seen, 1)[0][:, 0] == model.ids[ad]).all(dim=1).double().mean().item()
            for seen in (history, torch.full_like(history, -1))
        )
    assert hits > 0.95
    assert blind < 0.3
