"""Models: the same numbers written out by hand, what each can learn that another cannot, and what none may look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rank_logs import taste_log

from adarena.agents.rankers.features import Schema, chosen
from adarena.agents.rankers.history import Past
from adarena.agents.rankers.logs import Examples
from adarena.agents.rankers.models.deepfm import DeepFM
from adarena.agents.rankers.models.esmm import ESMM
from adarena.agents.rankers.models.ffm import FFM
from adarena.agents.rankers.models.fm import FM, pairs
from adarena.agents.rankers.models.layers import Batch, OfCandidates, Shape, batch_of, chain_loss, one_thread
from adarena.agents.rankers.models.position import Position
from adarena.agents.rankers.models.registry import MODELS, RECALL, SEQUENTIAL, kind_of, make, settings_of
from adarena.agents.rankers.models.two_tower import TwoTower
from adarena.simulator.core.errors import PolicyError

SIZES, OF_REQUEST, LENGTH = (7, 5, 6, 4), 2, 3
SHAPE = Shape(SIZES, OF_REQUEST, LENGTH, (2, 3), 1)
LOOKS = SHAPE._replace(vectors=(3, 2))


@pytest.fixture(autouse=True)
def alone():
    """Threads that share a processor with other tests wait for each other."""
    with one_thread():
        yield


def batch(n: int = 64, seed: int = 0, shape: Shape = SHAPE) -> Batch:
    """Impressions drawn at random; a third of the places of the past are empty, of some users all."""
    dice = np.random.default_rng(seed)
    ids = np.stack([dice.integers(0, size, n) for size in shape.sizes], axis=1) + shape.offsets
    past = np.stack([dice.integers(0, shape.sizes[f], (n, LENGTH)) for f in shape.remembered], axis=2)
    clicked = dice.integers(-1, 2, (n, LENGTH))
    clicked[: n // 4] = -1
    past = (past + shape.offsets[list(shape.remembered)]).astype(np.int32)
    looks = dice.standard_normal((n, 5), np.float32)
    looks[: n // 4, :3] = np.nan
    arrays = ids.astype(np.int32), past, clicked.astype(np.int32), dice.integers(0, 3, n)
    return Batch(*map(torch.from_numpy, arrays), vectors=torch.from_numpy(looks))


def grown(name: str, shape: Shape = SHAPE, **settings) -> torch.nn.Module:
    """A model with weights so large that no term is lost."""
    torch.manual_seed(0)
    network = make(name, shape, settings).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.3)
    return network.eval()


def weights(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def relu_layers(x: np.ndarray, held: dict[str, np.ndarray], name: str, last: bool = True) -> np.ndarray:
    """A perceptron of two hidden layers, by hand."""
    for layer in (0, 2):
        x = np.maximum(x @ held[f"{name}.{layer}.weight"].T + held[f"{name}.{layer}.bias"], 0)
    return x @ held[f"{name}.4.weight"].T + held[f"{name}.4.bias"] if last else x


def test_the_sum_over_pairs_is_that_of_all_pairs():
    vectors = torch.randn(50, 9, 4, dtype=torch.float64)
    by_hand = sum((vectors[:, f] * vectors[:, g]).sum(dim=1) for f in range(9) for g in range(f + 1, 9))
    assert torch.allclose(pairs(vectors), by_hand, atol=1e-12)


def test_fm_by_hand():
    network, seen = grown("fm", k=3), batch()
    held, ids = weights(network), seen.ids.numpy()
    v = held["vectors.table.weight"][ids]
    met = sum((v[:, f] * v[:, g]).sum(axis=1) for f in range(4) for g in range(f + 1, 4))
    expected = held["linear.bias"][0] + held["linear.table.weight"][ids, 0].sum(axis=1) + met
    assert np.allclose(network(seen).detach().numpy()[:, 0], expected, atol=1e-12)


def test_ffm_by_hand():
    network, seen = grown("ffm", k=2), batch()
    held, ids = weights(network), seen.ids.numpy()
    v = held["vectors.table.weight"][ids].reshape(-1, 4, 4, 2)  # impression, feature, feature that is met, k
    met = sum((v[:, f, g] * v[:, g, f]).sum(axis=1) for f in range(4) for g in range(f + 1, 4))
    expected = held["linear.bias"][0] + held["linear.table.weight"][ids, 0].sum(axis=1) + met
    assert isinstance(network, FFM)
    assert np.allclose(network(seen).detach().numpy()[:, 0], expected, atol=1e-12)


def test_deepfm_by_hand():
    network, seen = grown("deepfm", k=3, hidden=(6, 5)), batch()
    held, ids = weights(network), seen.ids.numpy()
    v = held["vectors.table.weight"][ids]
    met = sum((v[:, f] * v[:, g]).sum(axis=1) for f in range(4) for g in range(f + 1, 4))
    deep = relu_layers(v.reshape(len(v), -1), held, "deep")[:, 0]
    expected = held["linear.bias"][0] + held["linear.table.weight"][ids, 0].sum(axis=1) + met + deep
    assert isinstance(network, DeepFM)
    assert np.allclose(network(seen).detach().numpy()[:, 0], expected, atol=1e-12)


def test_dcn_by_hand():
    network, seen = grown("dcn", k=3, crosses=2, hidden=(6, 5)), batch()
    held, ids = weights(network), seen.ids.numpy()
    start = held["vectors.table.weight"][ids].reshape(len(ids), -1)
    x = start
    for layer in range(2):
        x = start * (x @ held[f"crosses.{layer}.weight"].T + held[f"crosses.{layer}.bias"]) + x
    both = np.concatenate([x, relu_layers(start, held, "deep", last=False)], axis=1)
    expected = both @ held["out.weight"].T + held["out.bias"]
    assert np.allclose(network(seen).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["bias", "lr", "fm", "deepfm", "dcn"])
def test_what_is_made_once_for_candidates_is_what_each_would_have_made(name):
    network = grown(name, **({"k": 3} if name not in ("bias", "lr") else {}), **({"hidden": (6, 5)} if "d" in name else {}))
    assert isinstance(network, OfCandidates)
    seen = batch(60).ids
    request, ads = seen[:12, :OF_REQUEST], seen[:, OF_REQUEST:].view(12, 5, 2)
    for own, shown in ((ads, ads), (ads[3], ads[3].expand(12, 5, 2))):  # of each request, and the same for all
        each = torch.cat([request[:, None].expand(12, 5, 2), shown], dim=2).reshape(60, 4)
        expected = network(Batch(each, *batch(60)[1:])).view(12, 5)
        assert torch.allclose(network.of_candidates(request, own), expected, atol=1e-12)


def test_the_bias_learns_the_mean_and_nothing_else():
    network, seen = make("bias", SHAPE._replace(tasks=1), {}), batch(256)
    labels = (torch.arange(256) % 4 == 0).float()[:, None]
    optimiser = torch.optim.Adam(network.parameters(), 0.1)
    for _ in range(200):
        optimiser.zero_grad()
        network.loss(seen, labels).backward()
        optimiser.step()
    assert torch.allclose(torch.sigmoid(network(seen)), torch.full((256, 1), 0.25), atol=1e-3)


def test_position_is_known_in_training_and_not_when_served():
    network, seen = grown("position"), batch()
    unknown, first = (seen._replace(slot=torch.full_like(seen.slot, slot)) for slot in (-1, 0))
    assert isinstance(network, Position)
    assert torch.equal(network(unknown), network(first))
    bias = network.slots.weight[seen.slot] - network.slots.weight[0]
    assert torch.allclose(network(seen) - network(unknown), bias)
    assert bias.abs().max() > 0.1


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_models_of_the_past_read_it_and_skip_empty_places(name):
    network, seen = grown(name), batch()
    start = network(seen)
    empty = seen.clicked < 0
    other = seen._replace(past=torch.where(empty[..., None], seen.past * 0 + int(SHAPE.offsets[2]), seen.past))
    assert torch.allclose(network(other), start, atol=1e-12)
    changed = seen._replace(clicked=torch.where(empty, seen.clicked, 1 - seen.clicked))
    moved = (network(changed) - start).abs()[:, 0] > 1e-9
    assert torch.equal(moved, ~empty.all(dim=1))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in SEQUENTIAL])
def test_other_models_do_not_read_the_past(name):
    network, seen = grown(name, LOOKS), batch()
    seen = seen._replace(vectors=seen.vectors.double())
    other = seen._replace(past=seen.past * 0, clicked=seen.clicked * 0)
    assert torch.equal(network(other), network(seen))


def test_the_loss_of_a_chain_is_of_those_who_came_so_far():
    odds = torch.randn(400, 3, dtype=torch.float64)
    labels = (torch.rand(400, 3) < 0.6).double().cumprod(dim=1)
    rate = torch.sigmoid(odds).numpy()
    y = labels.numpy()
    expected = 0.0
    for t in range(3):
        counted = np.ones(400, bool) if t == 0 else y[:, t - 1] > 0
        p = rate[counted, t]
        expected -= np.mean(np.where(y[counted, t] > 0, np.log(p), np.log(1 - p)))
    assert float(chain_loss(odds, labels)) == pytest.approx(expected, abs=1e-12)
    double = chain_loss(odds, labels, torch.full((400,), 2.0))
    assert float(double) == pytest.approx(expected, abs=1e-12)


def test_esmm_learns_the_product_from_all_impressions():
    shape = SHAPE._replace(tasks=2)
    network, seen = grown("esmm", shape), batch()
    labels = (torch.rand(64, 2) < 0.5).double().cumprod(dim=1)
    click, conversion = torch.sigmoid(network(seen)).T
    both = click * conversion
    bce = torch.nn.functional.binary_cross_entropy
    assert isinstance(network, ESMM)
    assert torch.allclose(network.loss(seen, labels), bce(click, labels[:, 0]) + bce(both, labels[:, 1]), atol=1e-9)


@pytest.mark.parametrize("name", ["esmm", "shared-bottom", "mmoe", "ple"])
def test_what_several_labels_share_is_moved_by_each(name):
    shape = SHAPE._replace(tasks=2)
    for task in range(2):
        network = grown(name, shape)
        network(batch())[:, task].sum().backward()
        assert network.vectors.table.weight.grad.abs().sum() > 0


def test_separate_networks_share_nothing():
    network = grown("deepfm", SHAPE._replace(tasks=2))
    network(batch())[:, 0].sum().backward()
    moved = [sum(float(p.grad.abs().sum()) for p in each.parameters()) > 0 for each in network.networks]
    assert moved == [True, False]


def test_towers_correct_for_how_often_an_ad_comes():
    """With the correction scores are log P(ad | request), without it log P / Q, which is 0 where requests do not differ."""
    shape = Shape((2, 8), 1, 0, (), 1)
    dice = np.random.default_rng(0)
    popularity = 0.5 ** np.arange(8)
    ads = dice.choice(8, 40_000, p=popularity / popularity.sum())
    ids = torch.from_numpy(np.stack([np.zeros_like(ads), ads + 2], axis=1).astype(np.int32))
    spread = {}
    for correction in (True, False):
        torch.manual_seed(0)
        network = make("two-tower", shape, {"correction": correction})
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        for first in range(0, len(ads), 200):
            part = ids[first : first + 200]
            empty = torch.zeros(len(part), 0)
            optimiser.zero_grad()
            network.loss(Batch(part, empty, empty, empty), torch.ones(len(part), 1)).backward()
            optimiser.step()
        assert isinstance(network, TwoTower)
        theirs = torch.arange(2, 7, dtype=torch.int32)[:, None]
        ours = network.of_request(torch.zeros(1, 1, dtype=torch.int32))
        scores = (network.of_ad(theirs) @ ours.T)[:, 0] / network.temperature
        spread[correction] = float((scores[0] - scores[-1]).detach())
    assert spread[True] == pytest.approx(np.log(16), abs=0.5)
    assert spread[False] == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bias"])
def test_every_model_learns_something(name):
    """A few steps on one batch whose labels a feature tells."""
    torch.manual_seed(0)
    shape = LOOKS._replace(tasks=1 if name in RECALL else 2)
    network, seen = make(name, shape, {}), batch(256)
    labels = torch.stack([seen.ids[:, 2] % 2, (seen.ids[:, 2] % 2) * (seen.ids[:, 0] % 2)], dim=1).float()[:, : shape.tasks]
    if name in RECALL:  # which learns who goes with which ad
        labels = (seen.ids[:, 2:3] % 2 == seen.ids[:, 0:1] % 2).float()
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = network.loss(seen, labels)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < (0.95 if name in RECALL else 0.8) * losses[0]
    assert network(seen).shape == (256, shape.tasks)


def test_models_that_cannot_be_made_are_refused():
    with pytest.raises(PolicyError, match="did you mean 'deepfm'"):
        kind_of("depfm")
    with pytest.raises(PolicyError, match="no setting 'kk'"):
        make("fm", SHAPE, {"kk": 3})
    with pytest.raises(PolicyError, match="leaves none"):
        make("din", SHAPE._replace(length=0), {})
    with pytest.raises(PolicyError, match="of the request and of the ad"):
        make("two-tower", SHAPE._replace(of_request=0), {})
    assert settings_of("fm") == {"k": 10}
    assert isinstance(make("deepfm", SHAPE, {"hidden": [4]}), DeepFM)
    assert isinstance(make("fm", SHAPE._replace(tasks=2), {}), FM)


def test_examples_become_rows_of_one_table(tmp_path):
    from adarena.agents.rankers.logs import Log, Window

    schema = Schema(chosen(["user", "segment", "ad", "vertical"]), 2)
    log = Log(taste_log(tmp_path, 200))
    found: Examples = log.whole(schema, Window())
    made = batch_of(found, Shape.of(schema, 2))
    starts = np.cumsum([0, *schema.sizes])
    ids = made.ids.numpy()
    assert all(((ids[:, f] >= starts[f]) & (ids[:, f] < starts[f + 1])).all() for f in range(4))
    there = made.clicked.numpy() >= 0
    assert (made.past.numpy()[there][:, 0] >= starts[2]).all()
    assert isinstance(found.past, Past)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        (
            "deepfm",
            {"hidden": "64,32"},
            "hidden of model deepfm is a list of whole numbers, such as [400, 400, 400], not '64,32'",
        ),
        ("deepfm", {"hidden": [64, 3.5]}, "hidden of model deepfm is a list"),
        ("fm", {"k": "ten"}, "k of model fm is a whole number, not 'ten'"),
        ("fm", {"k": 2.5}, "k of model fm is a whole number, not 2.5"),
        ("dcn", {"dropout": "none"}, "dropout of model dcn is a number, not 'none'"),
        ("two-tower", {"correction": 1}, "correction of model two-tower is true or false, not 1"),
        ("fm", {"kk": 1}, "model fm has no setting 'kk'; did you mean 'k'?"),
    ],
)
def test_settings_of_models_that_make_no_sense(name, settings, said):
    with pytest.raises(PolicyError) as caught:
        make(name, SHAPE, settings)
    assert said in str(caught.value)


def test_settings_are_of_the_kind_of_their_defaults():
    made = make("deepfm", SHAPE, {"hidden": [8, 4.0], "k": 3.0, "dropout": 0})
    assert made.vectors.table.weight.shape[1] == 3
