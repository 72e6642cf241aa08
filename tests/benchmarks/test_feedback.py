"""The feedback loop: whose log each ranker learns from, in which worlds it is judged, and that a stop changes nothing."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adarena.__main__ import main
from adarena.agents.catalogue import make_policy
from adarena.agents.rankers import metrics
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.ranker import Ranker, load_ranker
from adarena.agents.rankers.seated import Seated
from adarena.agents.rankers.training import train
from adarena.benchmarks.feedback import loop, telling
from adarena.benchmarks.feedback.commands import learning
from adarena.benchmarks.feedback.pairs import Pairs
from adarena.benchmarks.feedback.plan import Plan
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.books.journal import Logs

MARKET = Scenario.preset("bidding-small").override(
    {"traffic.requests_per_day": 4_000, "users.count": 100, "demand.campaigns": 12, "rates.belief_noise": 0.8}
)
SETTINGS = learning("lr", 0, ["batch=256", "learning_rate=0.01", "prior=belief"])
PLAN = Plan(MARKET, 2, SETTINGS, 2, (0.0, 0.3), warm=True, seeds=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[loop.Found, Path]:
    out = tmp_path_factory.mktemp("loop")
    return loop.run(PLAN, out), out


def weights(ranker: Ranker) -> list[np.ndarray]:
    return [value.numpy() for value in ranker.network.state_dict().values()]


def test_each_ranker_has_learned_from_the_log_of_the_one_before_and_no_other(whole, tmp_path: Path) -> None:
    _, out = whole
    for share in ("0", "0.3"):
        folder = out / f"explored-{share}"
        for number in (1, 2):
            begin = str(folder / "round-1") if number == 2 else ""
            settings = dataclasses.replace(SETTINGS, begin=begin)
            log = Log(folder / f"round-{number - 1}" / "journal")
            own = train(log, settings, tmp_path / f"{share}-{number}")
            for mine, its in zip(weights(own), weights(load_ranker(folder / f"round-{number}")), strict=True):
                np.testing.assert_array_equal(mine, its)


def test_each_log_is_made_by_its_ranker_with_a_seed_of_its_own(whole, tmp_path: Path) -> None:
    _, out = whole
    for number in (0, 1, 2):
        folder = out / "explored-0" / f"round-{number}"
        policy = Seated(path=str(folder)) if number else make_policy("ranking", "ecpm")
        World(PLAN.log_scenario, {"ranking": policy}, 700_000 + number, journal=Logs(tmp_path / "own", features=True)).run()
        tables = [pq.read_table(at / "features.parquet") for at in (tmp_path / "own", folder / "journal")]
        assert tables[0].drop(["believed_rate", "platform_rate"]) == tables[1].drop(["believed_rate", "platform_rate"])
        found = tables[1]["believed_rate"].to_numpy(), tables[0]["believed_rate"].to_numpy()
        np.testing.assert_allclose(*found, rtol=1e-5)
    explored = pq.read_table(out / "explored-0.3" / "round-0" / "journal" / "features.parquet")
    same = np.isclose(explored["believed_rate"].to_numpy(), explored["platform_rate"].to_numpy(), rtol=1e-5)
    assert abs(same.mean() - 0.7) < 0.05


def test_rankers_are_judged_in_worlds_that_made_no_log(whole) -> None:
    found, out = whole
    assert list(PLAN.test_seeds) == [1_000_000, 1_000_001]
    assert not set(PLAN.test_seeds) & {PLAN.log_seed(n) for n in range(PLAN.rounds + 1)}
    for each in found.rounds:
        policy = Seated(path=str(out / f"explored-{each.share:g}" / f"round-{each.number}")) if each.number else None
        for place, seed in enumerate(PLAN.test_seeds):
            world = World(MARKET, {"ranking": policy or make_policy("ranking", "ecpm")}, seed=seed)
            world.run()
            assert each.market["value"][place] == pytest.approx(world.ledger.value().sum(), rel=1e-12)
            assert each.market["revenue"][place] == pytest.approx(world.ledger.spend().sum(), rel=1e-12)
        ratio = each.market["value"] / found.rounds[0].market["value"]
        told = telling.estimates(found, each)["value"]
        assert told.interval is None  # of two worlds
        assert ratio.min() - 1e-9 <= told.mean <= ratio.max() + 1e-9
    assert (found.truth["value"] > found.rounds[0].market["value"]).all()


def test_what_is_said_of_logs_and_of_all_pairs_is_so(whole) -> None:
    found, out = whole
    each = found.rounds[2]
    folder = out / "explored-0"
    ranker, log = load_ranker(folder / "round-2"), Log(folder / "round-1" / "journal")
    later = log.whole(ranker.card.schema, log.split()[2], ("clicked",))
    quality = metrics.quality(ranker.predicted(later)[:, 0], later.labels[:, 0])
    assert each.offline["auc"] == quality.auc
    assert each.offline["pcoc"] == pytest.approx(quality.pcoc)
    made = Log(folder / "round-2" / "journal")
    own = made.whole(ranker.card.schema, Window(0), ("clicked",))
    assert each.log["pcoc"] == pytest.approx(ranker.predicted(own)[:, 0].sum() / own.labels[:, 0].sum(), rel=1e-4)
    pairs = Pairs(MARKET, 0)
    dice = np.random.default_rng(0)
    user, ad = dice.integers(0, 100, 200_000), dice.integers(0, 12, 200_000)
    clicked = dice.random(200_000) < pairs.truth[user, ad]
    assert each.pairs["all_auc"] == pytest.approx(metrics.auc(pairs.of(ranker)[user, ad], clicked), abs=0.01)
    assert found.rounds[0].pairs["all_pcoc"] == pytest.approx(pairs.believed[user, ad].sum() / clicked.sum(), rel=0.05)


def test_a_loop_that_was_stopped_anywhere_goes_on_as_if_it_had_not(whole, tmp_path: Path) -> None:
    found, _ = whole
    plan = dataclasses.replace(PLAN, rounds=1, shares=(0.3,))

    class Stop(Exception):
        pass

    for last in (1, 5, 7, 11):  # a world, a log, a training and another world, each just done
        taken: list[None] = []

        def stops(taken: list[None] = taken, last: int = last) -> None:
            taken.append(None)
            if len(taken) == last:
                raise Stop

        with pytest.raises(Stop):
            loop.run(plan, tmp_path, advance=stops)
    (tmp_path / "explored-0.3" / "round-1" / "offline.json").unlink()  # as if it had been stopped after the training
    again = loop.run(plan, tmp_path)
    for name in ("log", "offline", "pairs"):
        assert getattr(again.rounds[1], name) == getattr(found.rounds[4], name)
    for name, values in again.rounds[1].market.items():
        np.testing.assert_array_equal(values, found.rounds[4].market[name])
    with pytest.raises(MarketError, match="holds another loop"):
        loop.run(dataclasses.replace(plan, days=1), tmp_path)
    taken = []
    loop.run(plan, tmp_path, advance=lambda: taken.append(None))
    assert len(taken) == loop.steps(plan)


def test_plans_that_make_no_sense_are_refused() -> None:
    for changes, words in (
        ({"rounds": 0}, "rounds from 1 up, not 0"),
        ({"shares": (1.5,)}, "from 0 to 1, not 1.5"),
        ({"shares": (0.1, 0.1)}, "names each share of requests that explore once"),
        ({"stage": "rough"}, "has no funnel: there is no stage rough"),
        ({"stage": "last"}, "there is no stage 'last'"),
        ({"first": 799_999}, "is a validation seed"),
        ({"first": 1_000_000}, "is a test seed"),
    ):
        with pytest.raises(MarketError, match=words):
            dataclasses.replace(PLAN, **changes)
    with pytest.raises(PolicyError, match="take --warm"):
        dataclasses.replace(PLAN, settings=dataclasses.replace(SETTINGS, begin="out/fm"))


def test_the_command_writes_tables_a_file_and_a_picture(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "rank",
        "loop",
        "bias",
        "--days",
        "1",
        "--rounds",
        "1",
        "--seeds",
        "8",
        "--calibrate",
        "isotonic",
        "--learning",
        "prior=belief",
        "--set",
    ]
    changes = ["traffic.requests_per_day=2000", "users.count=60", "demand.campaigns=6"]
    monkeypatch.setattr(sys, "argv", ["adarena", *words, *changes])
    main()
    out = capsys.readouterr().out
    assert "bias, prior belief" in out
    told = json.loads((tmp_path / "out/loop/result.json").read_text())
    assert len(told["rounds"]) == 2
    low, high = told["rounds"][1]["estimates"]["value"]["interval"]
    assert low < told["rounds"][1]["estimates"]["value"]["mean"] < high
    assert (tmp_path / "out/loop/loop.png").stat().st_size > 10_000
    assert load_ranker(tmp_path / "out/loop/explored-0/round-1").card.calibration is not None
