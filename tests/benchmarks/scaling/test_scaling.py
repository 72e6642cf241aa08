"""Scaling: models beside formulas written out, floors beside exact integrals, laws beside laws, a run that goes on."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from adarena.__main__ import main
from adarena.agents.rankers.logs import Log
from adarena.agents.rankers.models.behaviour import Behaviour, computed
from adarena.agents.rankers.models.layers import one_thread
from adarena.benchmarks.scaling import law, report, runs, sequences
from adarena.benchmarks.scaling.runs import Point, Size
from adarena.simulator.core.errors import MarketError

SMALL = {"days": 1, "traffic.requests_per_day": 60_000, "users.count": 1_500, "demand.campaigns": 12, "users.dimensions": 2}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A small market, its journal and sequences of 16 impressions."""
    scenario = sequences.market().override(SMALL)
    folder = tmp_path_factory.mktemp("market") / "journal"
    return scenario, folder, sequences.sequences(sequences.played(scenario, folder), 16)


@pytest.fixture(autouse=True)
def alone():
    with one_thread():
        yield


def test_nothing_of_now_or_later_is_seen():
    torch.manual_seed(0)
    network = Behaviour(7, 10, 32, 2).double()
    ad, clicked = torch.randint(0, 7, (4, 10)), torch.randint(0, 2, (4, 10))
    odds = network(ad, clicked)
    later_ad, later = ad.clone(), clicked.clone()
    later_ad[:, 6:], later[:, 5:] = (ad[:, 6:] + 1) % 7, 1 - clicked[:, 5:]
    assert torch.allclose(network(later_ad, later)[:, :6], odds[:, :6], atol=1e-12)
    assert not torch.allclose(network(ad, later)[:, 6:], odds[:, 6:], atol=1e-6)


def test_the_network_by_hand():
    """One layer of one head, in numpy."""
    torch.manual_seed(1)
    network = Behaviour(5, 6, 8, 1).double()
    w = {name: value.numpy() for name, value in network.state_dict().items()}
    ad, clicked = torch.randint(0, 5, (3, 6)), torch.randint(0, 2, (3, 6))

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    for row in range(3):
        past = [10, *(2 * int(a) + int(c) for a, c in zip(ad[row, :-1], clicked[row, :-1], strict=True))]
        x = w["seen.weight"][past] + w["place"]
        q, k, v = np.split(linear(norm(x, "layers.0.before"), "layers.0.asked"), 3, axis=1)
        seen = np.zeros_like(v)
        for t in range(6):
            share = np.exp(k[: t + 1] @ q[t] / np.sqrt(8))
            seen[t] = share @ v[: t + 1] / share.sum()
        x = x + linear(seen, "layers.0.told")
        x = x + linear(np.maximum(linear(norm(x, "layers.0.between"), "layers.0.up"), 0), "layers.0.down")
        user = linear(norm(x, "norm"), "user")
        expected = (user * w["ad.weight"][ad[row]]).sum(axis=1) + w["bias.weight"][ad[row], 0]
        assert np.allclose(network(ad, clicked)[row].detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(("width", "layers"), [(8, 1), (64, 3), (128, 5)])
def test_operations_are_those_that_torch_counts(width, layers):
    """All but attention's and the last product's, of which the counter sees none on a processor."""
    from torch.utils.flop_counter import FlopCounterMode

    length = 32
    network = Behaviour(20, length, width, layers)
    ad, clicked = torch.randint(0, 20, (4, length)), torch.randint(0, 2, (4, length))
    with FlopCounterMode(display=False) as counter:
        network(ad, clicked).sum().backward()
    counted = counter.get_total_flops() / (4 * length)
    attention, product = 6 * layers * width * (length + 1), 6 * width
    assert computed(layers, width, length) - attention - product == pytest.approx(counted)
    assert network.sizes()[1] == sum(p.numel() for p in network.parameters())


def test_sequences_are_those_of_the_journal(played):
    _, folder, held = played
    parts = list(Log(folder).chunks(("ad", "clicked")))
    user, ad, clicked, truth = (np.concatenate([p[n] for p in parts]) for n in ("user", "ad", "clicked", "true_rate"))
    for row in (0, 7, 100):
        mine = np.flatnonzero(user == held.user[row])[:16]
        assert np.array_equal(held.ad[row], ad[mine])
        assert np.array_equal(held.clicked[row], clicked[mine])
        assert np.array_equal(held.truth[row], truth[mine])
    assert set(held.user.tolist()) == set(np.flatnonzero(np.bincount(user) >= 16).tolist())


def test_what_is_shown_tells_nothing_of_the_user(played):
    """Each user's own ads are worth to him what they are worth to others: under eCPM they would be worth more."""
    scenario, _, held = played
    market = sequences.build(scenario)
    every = market.users.interests[held.user] @ market.ads.vectors.T  # (users, ads)
    shown = np.take_along_axis(every, held.ad, axis=1).mean(axis=1)
    gain = shown - every.mean(axis=0)[held.ad].mean(axis=1)
    assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(gain.size)
    assert every.std() > 1


def test_the_filter_beside_an_exact_posterior():
    """In one dimension the user's law after any clicks is found on a grid."""
    dice = np.random.default_rng(0)
    vectors, bias = dice.normal(0, 1.5, (6, 1)), dice.normal(-1, 0.5, 6)
    centre, spread = np.array([0.3]), np.array([[1.4]])
    taste = dice.normal(0.3, np.sqrt(1.4), 400)
    ad = dice.integers(0, 6, (400, 20))
    rate = 1 / (1 + np.exp(-(bias[ad] + vectors[ad, 0] * taste[:, None])))
    clicked = (dice.random((400, 20)) < rate).astype(np.int64)
    said = sequences.posterior(ad, clicked, vectors, bias, centre, spread)
    grid = np.linspace(-8, 8, 4001)
    weight = np.tile(np.exp(-((grid - 0.3) ** 2) / 2.8), (400, 1))
    exact = np.empty((400, 20))
    for t in range(20):
        p = 1 / (1 + np.exp(-(bias[ad[:, t], None] + vectors[ad[:, t]] * grid)))
        exact[:, t] = (weight * p).sum(axis=1) / weight.sum(axis=1)
        weight *= np.where(clicked[:, t, None] == 1, p, 1 - p)
    assert np.allclose(said[:, 0], exact[:, 0], atol=1e-4)
    assert np.abs(said - exact).mean() < 0.004
    losses = [sequences.expected_loss(each, rate) for each in (said, exact, np.full_like(rate, rate.mean()))]
    assert losses[0] - losses[1] < 0.01 * (losses[2] - losses[1])


def test_floors_stand_in_order(played):
    scenario, _, held = played
    law_known = sequences.filtered(held, scenario)
    mean = np.full(held.truth.shape, held.clicked.mean())
    losses = [sequences.expected_loss(rates, held.truth) for rates in (held.truth, law_known, mean)]
    assert losses[0] < losses[1] < losses[2] - 0.02
    by_time = [sequences.expected_loss(law_known[:, t], held.truth[:, t]) for t in (0, 15)]
    gap = [loss - sequences.expected_loss(held.truth[:, t], held.truth[:, t]) for loss, t in zip(by_time, (0, 15), strict=True)]
    assert gap[1] < 0.6 * gap[0]
    wrong = scenario.override({"market_seed": 5})
    with pytest.raises(MarketError, match="more than user and ad"):
        sequences.filtered(held, wrong)


@pytest.mark.parametrize(("floor", "amplitude", "exponent"), [(0.4, 30.0, 0.3), (0.1, 2.0, 0.05), (0.0, 5.0, 0.2)])
def test_a_law_is_found_again(floor, amplitude, exponent):
    x = np.geomspace(1e8, 1e13, 9)
    loss = floor + amplitude * x**-exponent
    for found in (law.fit(x, loss), law.fit(x, loss, floor)):
        assert found == pytest.approx((floor, amplitude, exponent), rel=1e-3, abs=1e-4)


def test_a_noisy_law_beside_scipy():
    x = np.geomspace(1e3, 1e6, 12)
    loss = 0.4 + 3 * x**-0.4 + np.random.default_rng(0).normal(0, 1e-3, 12)
    found = law.fit(x, loss)
    theirs, _ = curve_fit(lambda x, e, a, b: e + a * x**-b, x, loss, p0=(0.4, 3, 0.4))
    assert found == pytest.approx(theirs, rel=1e-3)


def test_intervals_cover_and_a_wrong_floor_bends_the_exponent():
    dice = np.random.default_rng(1)
    covered = 0
    for _ in range(20):
        points = [
            Point("8x1", seed, 1, 1, int(n), float(n), 0.4 + 3 * n**-0.4 + dice.normal(0, 1e-3))
            for seed in range(3) for n in np.geomspace(1e3, 1e6, 10)
        ]  # fmt: skip
        found = law.fitted(points, "tokens", None, draws=60)
        covered += found.exponent[0] <= 0.4 <= found.exponent[1]
    assert covered >= 14
    assert law.fitted(points, "tokens", 0.39, draws=20).law.exponent < 0.39
    assert law.fitted(points[:3], "tokens", None) is None


def test_the_frontier_is_what_nothing_cheaper_beats():
    dice = np.random.default_rng(2)
    points = [(float(x), float(y)) for x, y in dice.random((50, 2))]
    by_force = sorted(p for p in points if not any(q[0] < p[0] and q[1] <= p[1] for q in points))
    assert law.frontier(points) == by_force


def test_a_run_learns_and_is_its_seeds(played, tmp_path):
    scenario, _, held = played
    task = runs.tasks(tmp_path, scenario.digest, held, [Size(8, 1)], 1, 16_384, 100)[0]
    first = runs.trained(task, held)
    assert [p.tokens for p in first] == [1024, 2048, 4096, 8192, 16384]
    assert first[-1].loss < first[0].loss - 0.01
    assert runs.trained(task, held) == first
    assert runs.trained(task.__class__(**{**vars(task), "seed": 1}), held) != first
    told = sequences.expected_loss(held.part(slice(0, 100)).truth, held.part(slice(0, 100)).truth)
    assert first[-1].loss > told


def test_command_goes_on_where_it_was(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    changes = [f"{name}={value}" for name, value in SMALL.items()]
    name = "m [/b] $5 $x :smile:"
    changes.append(f"name={name}")
    words = ["adarena", "rank", "scaling", "--sizes", "8x1", "12x1", "--seeds", "2", "--tokens", "16384", "--length", "16"]
    words += ["--tested", "100", "--set", *changes]
    trained = []
    monkeypatch.setattr(runs, "run", lambda task, run=runs.run: trained.append(str(task.size)) or run(task))

    def told() -> str:
        monkeypatch.setattr(sys, "argv", words)
        main()
        return capsys.readouterr().out

    first = told()
    assert trained == ["8x1", "12x1", "8x1", "12x1"]
    assert name in first
    found = json.loads((tmp_path / "out/scaling/scaling.json").read_text())
    assert len(found["points"]) == 20
    assert {fit["E_is"] for fit in found["fits"]} == set(report.NAMES)
    assert found["floors"]["truth"] < found["floors"]["law"] < found["floors"]["mean"]
    for file in list((tmp_path / "out/scaling/runs").glob("12x1-seed1-*")):
        file.unlink()
    again = told()
    assert trained[4:] == ["12x1"]
    assert "reused 3 of 4 runs" in again
    assert first.splitlines()[1:8] == again.splitlines()[2:9]
    assert json.loads((tmp_path / "out/scaling/scaling.json").read_text()) == found
    assert (tmp_path / "out/scaling/scaling.png").stat().st_size > 20_000
    shutil.rmtree(tmp_path / "out")


def test_what_makes_no_sense_is_refused(played, tmp_path):
    scenario, folder, held = played
    for text in ("8", "x1", "40x2", "8x0"):
        with pytest.raises(MarketError):
            Size.of(text)
    with pytest.raises(MarketError, match="a budget lies between"):
        runs.tasks(tmp_path, scenario.digest, held, [Size(8, 1)], 1, 10**9, 100)
    with pytest.raises(MarketError, match="nobody saw"):
        sequences.sequences(Log(folder), 10_000)
