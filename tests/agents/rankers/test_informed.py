"""Rankers that know new ads by their looks: how right what they suppose is, how surely, and what it is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from adarena.agents.rankers.informed import Asks, Looks, supposed
from adarena.agents.rankers.logs import Log
from adarena.agents.rankers.seated import Seated
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.agents.ranking.constant import Constant
from adarena.simulator import Logs, PolicyError, Scenario, World
from adarena.simulator.seats.ranking.decisions import RankingPolicy
from adarena.simulator.seats.seat import Open

COLD = Scenario.preset("coldstart-small").override({"days": 3})
COUNTED = ("user_shown", "user_share", "user_idle", "ad_shown", "ad_share")


def value(policy: RankingPolicy, seed: int) -> float:
    world = World(COLD, {"ranking": policy}, seed=seed)
    world.run()
    return float(world.ledger.value().sum())


def asked(seed: int, scenario: Scenario = COLD):
    """What is seen at first, and how popular each new ad truly is over what is believed at first, log-odds."""
    world = World(scenario, {"ranking": Open()}, seed=seed)
    seat = world.until_asked()
    assert seat is not None
    market = world._exchange.market
    assert market.ads is not None
    average = market.users.interests.mean(axis=0, dtype=float)
    truth = market.ads.bias + market.ads.vectors.astype(float) @ average
    return seat.view, truth - logit(seat.view.typical)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Log:
    folder = tmp_path_factory.mktemp("cold")
    World(COLD.override({"days": 8}), seed=900, journal=Logs(folder, features=True)).run()
    return Log(folder)


def test_what_is_supposed_of_new_ads_is_as_near_the_truth_as_it_says():
    """Standardised errors of logs have deviation 1; at best 1 - R^2 of all modalities is left of what ads differ by."""
    errors, said, left = [], [], []
    for seed in range(5):
        view, truth = asked(seed)
        prior = supposed(Looks().columns(view), view)
        variance = np.log1p(1 / prior.shape)
        mean = np.log(prior.mean) - variance / 2
        errors += ((mean - truth) / np.sqrt(variance))[view.new].tolist()
        said += variance[view.new].tolist()
        left += ((mean - truth)[view.new] ** 2).tolist()
    assert np.std(errors) == pytest.approx(1.0, abs=0.12)
    q = 0.7**2 / (1 - 0.7**2)
    best = np.mean([share / (1 + m * q) for m, share in ((3, 0.45), (2, 0.5), (1, 0.05))])
    assert best < np.mean(left) < 0.75  # 1 is what differs between ads
    assert np.mean(said) == pytest.approx(np.mean(left), rel=0.2)


def test_looks_that_tell_nothing_leave_new_ads_alike():
    view, _ = asked(1, COLD.override({"content.correlation": 0.0}))
    prior = supposed(Looks().columns(view), view)
    assert np.log(prior.mean)[view.new].std() < 0.25
    assert np.median(prior.shape[view.new]) < 1.0  # as unsure as ads differ: 1 / (e - 1) = .58


def test_to_look_is_worth_money():
    gained = [value(Looks(1.6, 0.4), seed) / value(Constant(1.6, 0.4), seed) for seed in range(20, 24)]
    assert np.mean(gained) > 1.1


def test_a_ranker_that_reads_looks_sits_in_the_seat_and_is_asked(log, tmp_path):
    """A market believes what it says, from the embeddings of that run's own ads."""
    without = (*COUNTED, "ad", "campaign")
    train(log, Settings("fm", {}, chain=("clicked",), without=without, batch=256, learning_rate=0.01), tmp_path / "fm")
    seen = {}
    for seed in (1, 2):
        view, _ = asked(seed)
        columns = Asks(path=str(tmp_path / "fm")).columns(view)
        seen[seed] = columns[:, -1]
        assert columns.shape == (600, 3 * 16 + 1)
    new = view.new
    assert np.abs(seen[1] - seen[2])[new].max() > 0.1
    np.testing.assert_allclose(seen[1][~new], seen[2][~new])
    world = World(COLD.override({"days": 1}), {"ranking": Seated(path=str(tmp_path / "fm"))}, seed=1)
    world.run()
    assert world.ledger.counts.sum() > 0


def test_where_nobody_tells_what_ads_look_like_it_is_refused(log, tmp_path):
    blind = COLD.override({"content": None})
    with pytest.raises(PolicyError, match="Looks reads what ads look like, and in this market nobody tells"):
        World(blind, {"ranking": Looks()}).run()
    train(log, Settings("fm", {}, chain=("clicked",), without=COUNTED, batch=256, train=0.1), tmp_path / "fm")
    with pytest.raises(PolicyError, match="without text, image, video, which nobody tells"):
        World(blind, {"ranking": Seated(path=str(tmp_path / "fm"))}).run()
    with pytest.raises(PolicyError, match="learned from ads with a history, and 0 have one"):
        World(COLD.override({"rates.new_share": 1.0}), {"ranking": Looks()}).run()
