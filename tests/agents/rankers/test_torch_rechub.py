"""Models beside those of torch-rechub: with the same weights and batch the same loss, and the same steps of training.

Theirs normalise batches between layers; as judges (`eval`), with a variance of 1 less the constant that they add to it, that
does nothing. They add the bias of a cross outside the product with x_0, the paper within it: only crosses without biases agree.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adarena.agents.rankers.models.dcn import DCN
from adarena.agents.rankers.models.deepfm import DeepFM
from adarena.agents.rankers.models.layers import Batch, Shape, one_thread

ranking = pytest.importorskip("torch_rechub.models.ranking", reason="torch-rechub is not installed (extra `dev`)")
features = pytest.importorskip("torch_rechub.basic.features")

SIZES, K, HIDDEN, N = (11, 7, 5, 9), 4, (16, 8), 256
SHAPE = Shape(SIZES, 2, 0, (), 1)
NAMES = tuple(f"f{f}" for f in range(len(SIZES)))


@pytest.fixture(autouse=True)
def alone():
    with one_thread():
        yield


def listed() -> list:
    return [features.SparseFeature(name, size, embed_dim=K) for name, size in zip(NAMES, SIZES, strict=True)]


def drawn() -> tuple[Batch, dict[str, torch.Tensor], torch.Tensor]:
    """The same impressions as either wants them, and their labels."""
    dice = np.random.default_rng(0)
    values = np.stack([dice.integers(0, size, N) for size in SIZES], axis=1)
    none = torch.zeros(N, 0, dtype=torch.int32)
    rows = torch.from_numpy((values + SHAPE.offsets).astype(np.int32))
    labels = torch.from_numpy((dice.random((N, 1)) < 0.3).astype(np.float64))
    theirs = {name: torch.from_numpy(column.copy()) for name, column in zip(NAMES, values.T, strict=True)}
    return Batch(rows, none[..., None], none, torch.full((N,), -1)), theirs, labels


def taken(theirs: torch.nn.Module, ours: torch.nn.Module, last_hidden: bool) -> None:
    """Tables and layers of the perceptron are copied from ours to theirs; `last_hidden`: it has no output of its own."""
    with torch.no_grad():
        for name, part in zip(NAMES, ours.vectors.table.weight.split(list(SIZES)), strict=True):
            theirs.embedding.embed_dict[name].weight.copy_(part)
        perceptron = theirs.parallel_dnn.mlp if last_hidden else theirs.mlp.mlp
        linear = [layer for layer in perceptron if isinstance(layer, torch.nn.Linear)]
        own = [layer for layer in ours.deep if isinstance(layer, torch.nn.Linear)]
        for to, of in zip(linear, own, strict=True):
            to.load_state_dict(of.state_dict())
        for layer in perceptron:
            if isinstance(layer, torch.nn.BatchNorm1d):
                layer.running_var.fill_(1.0 - layer.eps)


def dcn() -> tuple[DCN, torch.nn.Module]:
    torch.manual_seed(1)
    ours = DCN(SHAPE, k=K, hidden=HIDDEN).double()
    terms = {"dims": list(HIDDEN), "activation": "relu", "dropout": 0.0}
    theirs = ranking.DCNv2(listed(), 2, terms, use_low_rank_mixture=False).double().eval()
    with torch.no_grad():
        ours.vectors.table.weight.mul_(100.0)  # so large that crosses count
        for to, of in zip(theirs.crossnet.w, ours.crosses, strict=True):
            of.bias.zero_()
            to.weight.copy_(of.weight)
        theirs.linear.fc.load_state_dict(ours.out.state_dict())
    taken(theirs, ours, last_hidden=True)
    return ours, theirs


def loss_of(theirs: torch.nn.Module, asked: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.binary_cross_entropy(theirs(asked), labels[:, 0])


def test_dcn_has_the_same_loss_and_the_same_gradients():
    (ours, theirs), (batch, asked, labels) = dcn(), drawn()
    mine, other = ours.loss(batch, labels), loss_of(theirs, asked, labels)
    assert mine.item() == pytest.approx(other.item(), abs=1e-12)
    mine.backward()
    other.backward()
    for name, part in zip(NAMES, ours.vectors.table.weight.grad.split(list(SIZES)), strict=True):
        assert torch.allclose(theirs.embedding.embed_dict[name].weight.grad, part, atol=1e-12)
    for to, of in zip(theirs.crossnet.w, ours.crosses, strict=True):
        assert torch.allclose(to.weight.grad, of.weight.grad, atol=1e-12)
    assert ours.vectors.table.weight.grad.abs().max() > 1e-4


def test_dcn_stays_the_same_as_both_are_trained():
    """Biases of crosses are held at 0."""
    (ours, theirs), (batch, asked, labels) = dcn(), drawn()
    still = {id(layer.bias) for layer in ours.crosses} | {id(bias) for bias in theirs.crossnet.b}
    before = ours.loss(batch, labels).item()
    for network, loss in ((ours, lambda: ours.loss(batch, labels)), (theirs, lambda: loss_of(theirs, asked, labels))):
        norms = {id(p) for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d) for p in m.parameters()}
        held = [p for p in network.parameters() if id(p) not in still | norms]
        optimiser = torch.optim.SGD(held, 0.5)
        for _ in range(20):
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()
    after = ours.loss(batch, labels).item()
    assert after == pytest.approx(loss_of(theirs, asked, labels).item(), abs=1e-10)
    assert after < before - 0.01


def test_the_bias_of_a_cross_stands_where_the_paper_has_it():
    """x_0 * (W x + b) + x: with a bias theirs differs, and is ours again once the bias is brought in by hand."""
    (ours, theirs), (batch, asked, labels) = dcn(), drawn()
    with torch.no_grad():
        ours.crosses[0].bias.fill_(0.5)
        theirs.crossnet.b[0].fill_(0.5)
    mine = ours.loss(batch, labels).item()
    assert abs(mine - loss_of(theirs, asked, labels).item()) > 1e-3
    with torch.no_grad():
        x = theirs.embedding(asked, theirs.features, squeeze_dim=True)
        deep, crossed = theirs.parallel_dnn(x), x * (theirs.crossnet.w[0](x) + 0.5) + x
        crossed = x * theirs.crossnet.w[1](crossed) + crossed
        odds = theirs.linear(torch.cat([crossed, deep], dim=1))
    assert mine == pytest.approx(torch.nn.functional.binary_cross_entropy_with_logits(odds, labels).item(), abs=1e-12)


def test_deepfm_has_the_same_loss():
    """Their linear part has a weight for each number of an embedding, ours one for each value: w = u . v makes them one."""
    torch.manual_seed(2)
    batch, asked, labels = drawn()
    ours = DeepFM(SHAPE, k=K, hidden=HIDDEN).double()
    given = listed()
    terms = {"dims": list(HIDDEN), "activation": "relu", "dropout": 0.0}
    theirs = ranking.DeepFM(given, given, terms).double().eval()
    with torch.no_grad():
        ours.vectors.table.weight.mul_(100.0)
        weights = theirs.linear.fc.weight.view(len(SIZES), K)  # u_f
        parts = zip(ours.vectors.table.weight.split(list(SIZES)), weights, strict=True)
        ours.linear.table.weight.copy_(torch.cat([part @ u for part, u in parts])[:, None])
        ours.linear.bias.copy_(theirs.linear.fc.bias)
    taken(theirs, ours, last_hidden=False)
    mine = ours.loss(batch, labels).item()
    assert mine == pytest.approx(loss_of(theirs, asked, labels).item(), abs=1e-12)
    constant = torch.nn.functional.binary_cross_entropy(labels.mean().expand_as(labels), labels).item()
    assert abs(mine - constant) > 0.01
