"""A trained ranker in the ranking seat: what the market then believes of each impression is what the ranker says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adarena.agents.catalogue import make_policy
from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.ranker import Ranker, load_ranker
from adarena.agents.rankers.seated import Seated
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.benchmarks.rankers.commands import settings_of
from adarena.simulator import Logs, PolicyError, Scenario, World
from adarena.simulator.core.errors import LogError

MARKET = Scenario.preset("bidding-small").override(
    {"traffic.requests_per_day": 6000, "users.count": 150, "demand.campaigns": 12, "demand.ads_per_campaign": 2}
)
UNTOLD = ("user_shown", "user_share", "user_idle", "ad_shown", "ad_share")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """What a day of the platform's own ranking has left."""
    folder = tmp_path_factory.mktemp("day")
    World(MARKET, seed=1, journal=Logs(folder, features=True)).run()
    return Log(folder)


def ranker(log: Log, folder: Path, model: str = "fm", without: tuple[str, ...] = UNTOLD, prior: str = "nothing") -> Path:
    settings = Settings(model, {}, chain=("clicked",), without=without, batch=256, learning_rate=0.01, length=4, prior=prior)
    train(log, settings, folder)
    return folder


def believed(folder: Path) -> np.ndarray:
    """As the journal has it, an impression each."""
    return pq.read_table(folder / "impressions.parquet")["believed_rate"].to_numpy()


@pytest.mark.parametrize("prior", ["nothing", "belief"])
@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_market_believes_what_the_ranker_says(engine, prior, log, tmp_path):
    path = ranker(log, tmp_path / "fm", prior=prior)
    journal = tmp_path / "journal"
    World(MARKET, {"ranking": Seated(path=str(path))}, 2, engine, Logs(journal, features=True)).run()
    own, seen = load_ranker(path), Log(journal)
    said = own.predicted(seen.whole(own.card.schema, Window(0)))[:, 0]
    np.testing.assert_allclose(believed(journal), said, rtol=2e-5)
    assert said.std() > 0.2 * said.mean()


def test_a_ranker_that_explores_is_dealt_out_in_a_share_of_the_requests(log, tmp_path):
    path, journal = ranker(log, tmp_path / "fm", prior="belief"), tmp_path / "journal"
    policy = make_policy("ranking", f"adarena.agents.rankers.seated:Seated:path={path},explored=0.3")
    World(MARKET, {"ranking": policy}, 2, journal=Logs(journal, features=True)).run()
    own, seen = load_ranker(path), Log(journal)
    said = own.predicted(seen.whole(own.card.schema, Window(0)))[:, 0]
    as_said = np.isclose(believed(journal), said, rtol=2e-5)
    assert abs(as_said.mean() - 0.7) < 0.05


def test_a_ranker_in_all_stages_lets_through_what_it_wants_where_one_at_the_end_is_shown_what_is_left(tmp_path):
    """Recall that sees little: in all stages the ranker finds what the same market without a funnel would show."""
    blind = {"recall": {"dimensions": 2, "noise": 2.0}, "rough": {"dimensions": 2, "noise": 2.0}, "popular_share": 0.0}
    levels = {"exploring_share": 0.0, "levels": [{"recall": 6, "rough": 4, "fine": 4}]}
    one = {"demand.ads_per_campaign": 1}
    plain, funnel = MARKET.override(one), MARKET.override({**one, "funnel": {**blind, **levels}})
    World(plain, seed=1, journal=Logs(tmp_path / "day", features=True)).run()
    path = ranker(Log(tmp_path / "day"), tmp_path / "fm", prior="belief")
    shown = {}
    for name, market, stage in (("plain", plain, "fine"), ("all", funnel, "all"), ("fine", funnel, "fine")):
        folder = tmp_path / name
        World(market, {"ranking": Seated(path=str(path), stage=stage)}, 2, journal=Logs(folder, features=True)).run()
        table = pq.read_table(folder / "impressions.parquet")
        shown[name] = set(zip(table["request"].to_pylist(), table["ad"].to_pylist(), strict=True))
    same = {name: len(pairs & shown["plain"]) / len(shown["plain"]) for name, pairs in shown.items()}
    assert same["all"] > 0.85, same
    assert same["fine"] < 0.7, same


def test_who_corrects_a_poor_belief_wins_where_who_replaces_it_loses(log, tmp_path):
    """On the log both are better than the belief: `docs/rankers.md`, "Did it become money?"."""
    poor = MARKET.override({"rates.belief_noise": 0.8, "traffic.requests_per_day": 40_000, "demand.ads_per_campaign": 4})
    folder = tmp_path / "day"
    World(poor, seed=1, journal=Logs(folder, features=True)).run()
    policies = {"ecpm": make_policy("ranking", "ecpm")}
    policies |= {p: Seated(path=str(ranker(Log(folder), tmp_path / p, "fm", prior=p))) for p in ("nothing", "belief")}
    value = {}
    for name, policy in policies.items():
        world = World(poor, {"ranking": policy}, seed=2)
        world.run()
        value[name] = world.ledger.to_frame()["value"].sum()
    assert value["nothing"] < 0.95 * value["ecpm"]
    assert value["belief"] > 1.05 * value["ecpm"]


def test_a_better_model_than_the_belief_brings_more_value(log, tmp_path):
    """Where the platform's belief is poor, a ranker trained on its log is worth money."""
    poor = MARKET.override({"rates.belief_noise": 1.5, "traffic.requests_per_day": 40_000})
    folder = tmp_path / "day"
    World(poor, seed=1, journal=Logs(folder, features=True)).run()
    path = ranker(Log(folder), tmp_path / "fm")
    value = {}
    for name, policy in {"ecpm": make_policy("ranking", "ecpm"), "fm": Seated(path=str(path))}.items():
        world = World(poor, {"ranking": policy}, seed=2)
        world.run()
        value[name] = world.ledger.to_frame()["value"].sum()
    assert value["fm"] > 1.03 * value["ecpm"]


def test_a_ranker_that_reads_what_nobody_tells_is_refused(log, tmp_path):
    cases = {
        "fm": (
            UNTOLD[3:],
            "without user_shown, user_share, user_idle, which nobody tells as candidates are scored: train it with",
        ),
        "din": (UNTOLD, "it reads what users have seen before"),
        "two-tower": (UNTOLD, "it says no rates"),
    }
    for model, (without, words) in cases.items():
        path = ranker(log, tmp_path / model, model, without)
        with pytest.raises(PolicyError, match=words):
            World(MARKET, {"ranking": Seated(path=str(path))}).run()
    with pytest.raises(PolicyError, match="there is no stage 'late'"):
        Seated(path=str(tmp_path / "fm"), stage="late")
    with pytest.raises(PolicyError, match="there is no ranker"):
        make_policy("ranking", f"adarena.agents.rankers.seated:Seated:path={tmp_path / 'none'}")


def test_features_are_left_out_by_name(log, tmp_path):
    assert settings_of("fm", 0, ["without=user_shown,ad_share"]).without == ("user_shown", "ad_share")
    assert settings_of("fm", 0, ["without=hour"]).without == ("hour",)
    with pytest.raises(LogError, match="there is no feature 'zzz'"):
        settings_of("fm", 0, ["without=zzz"])
    own: Ranker = load_ranker(ranker(log, tmp_path / "fm", without=("hour", *UNTOLD)))
    assert not {"hour", *UNTOLD} & {feature.name for feature in own.card.schema.features}
    own.check(log.schema(0, own.card.trained["without"]))
    with pytest.raises(PolicyError, match="it was not trained on feature 'hour'"):
        own.check(log.schema())
