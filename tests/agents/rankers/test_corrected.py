"""Models that correct a belief: what a log of its own choosing tells them, and does not tell those that replace it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rank_logs import write_log
from scipy.special import expit, logit

from adarena.agents.rankers.logs import Log, Window
from adarena.agents.rankers.models.corrected import Corrected
from adarena.agents.rankers.models.layers import Shape
from adarena.agents.rankers.models.lr import LR
from adarena.agents.rankers.ranker import Ranker, load_ranker
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import CHECKPOINT, train
from adarena.simulator.core.errors import LogError, PolicyError

USERS, ADS, MEAN = 150, 80, -1.5
DICE = np.random.default_rng(5)
TRUE = MEAN + DICE.standard_normal((USERS, ADS))  # log-odds of pairs
BELIEVED = TRUE + DICE.standard_normal((USERS, ADS))  # half of its variance is error
SETTINGS = Settings("lr", {}, chain=("clicked",), batch=256, learning_rate=0.003, prior="belief")


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Each request shows two of the fifth of the ads that its user is believed to click most."""
    n = 60_000
    request = np.arange(n) // 2
    user = DICE.integers(0, USERS, n // 2)[request]
    best = np.argsort(-BELIEVED, axis=1)[:, : ADS // 5]
    ad = best[user, DICE.integers(0, ADS // 5, n)]
    truth = expit(TRUE[user, ad])
    columns = {
        "request": request, "time_us": request * 1_000_000, "slot": np.arange(n) % 2, "user": user, "segment": user % 3,
        "ad": ad, "campaign": ad // 2, "vertical": ad % 4, "clicked": DICE.random(n) < truth,
        "platform_rate": expit(BELIEVED[user, ad]),
    }  # fmt: skip
    return Log(write_log(tmp_path_factory.mktemp("chosen"), columns, truth))


def over_all(ranker: Ranker, told: bool = True) -> np.ndarray:
    """Log-odds of all pairs."""
    users = {"user": np.arange(USERS), "segment": np.arange(USERS) % 3}
    ads = {"ad": np.arange(ADS), "campaign": np.arange(ADS) // 2, "vertical": np.arange(ADS) % 4}
    hour = {"hour": np.zeros(USERS, np.int64)}
    rates, _ = ranker.rates(users, ads, hour, believed=expit(BELIEVED).astype(np.float32) if told else None)
    return logit(rates)


def test_the_line_of_the_belief_is_that_of_all_pairs_though_the_log_has_but_the_best(chosen: Log) -> None:
    """Of Gaussian log-odds, half error, E[truth | belief] has slope 1/2 at whatever belief; its sigmoid's is a tenth lower."""
    network = Corrected(LR(Shape((2,), 1, 0, (), 1)))
    found = chosen.whole(chosen.schema(), Window(0), ("clicked",))
    network.begin(found.believed, found.labels[:, 0])
    spread = np.sqrt(1 + np.pi / 8 * 0.5)  # MacKay 1992: of the sigmoid of what varies by 1/2 about its mean
    slope, bias = network.slope.item(), network.bias.item()
    assert slope == pytest.approx(0.5 / spread, abs=0.05)
    assert bias == pytest.approx(MEAN * 0.5 / spread, abs=0.1)


def test_a_log_of_choices_teaches_who_corrects_and_misleads_who_replaces(chosen: Log, tmp_path: Path) -> None:
    corrects = train(chosen, SETTINGS, tmp_path / "corrects")
    replaces = train(chosen, dataclasses.replace(SETTINGS, prior="nothing", learning_rate=0.01), tmp_path / "replaces")
    right, wrong = over_all(corrects), over_all(replaces, told=False)
    assert np.corrcoef(right.ravel(), TRUE.ravel())[0, 1] > 0.65  # the belief's own: .71
    assert abs(np.corrcoef(wrong.ravel(), TRUE.ravel())[0, 1]) < 0.2
    assert 0.9 < expit(right).sum() / expit(TRUE).sum() < 1.1
    assert expit(wrong).sum() / expit(TRUE).sum() > 1.3
    later = chosen.whole(corrects.card.schema, chosen.split()[2], ("clicked",))
    for ranker in (corrects, replaces):  # on the log nothing of this is to be seen
        assert 0.93 < ranker.predicted(later)[:, 0].sum() / later.labels[:, 0].sum() < 1.07


def test_a_correction_is_kept_with_its_ranker_and_goes_on_after_a_stop(chosen: Log, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, model="fm", train=0.3, checks=4)
    whole = train(chosen, settings, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stops(rows: int, loss: float | None) -> None:
        if rows > 12_000:
            raise Stop

    with pytest.raises(Stop):
        train(chosen, settings, tmp_path / "parts", advance=stops)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    again = train(chosen, settings, tmp_path / "parts", resume=True)
    assert np.array_equal(over_all(again), over_all(whole))
    read = load_ranker(tmp_path / "whole")
    assert read.corrects
    assert np.array_equal(over_all(read), over_all(whole))
    with pytest.raises(PolicyError, match="corrects what the platform believes, and is not told"):
        over_all(whole, told=False)


def test_blocks_of_candidates_are_scored_as_rows_of_the_log(chosen: Log, tmp_path: Path) -> None:
    for model in ("fm", "dcn"):  # by rows, and what requests share once
        ranker = train(chosen, dataclasses.replace(SETTINGS, model=model, train=0.1), tmp_path / model)
        found = chosen.whole(ranker.card.schema, Window(0), ("clicked",))
        hour = ranker.card.schema.features[[f.name for f in ranker.card.schema.features].index("hour")]
        first = found.ids[:, ranker.card.schema.features.index(hour)] == 1  # of the hour that `over_all` asks about
        ad = _ads(chosen)[first]
        expected = expit(over_all(ranker))[found.user[first], ad]
        np.testing.assert_allclose(ranker.predicted(found)[first, 0], expected, rtol=2e-5)


def _ads(log: Log) -> np.ndarray:
    return np.concatenate([chunk["ad"] for chunk in log.chunks(("ad",))])


def test_a_ranker_goes_on_from_an_earlier_one(chosen: Log, tmp_path: Path) -> None:
    first = train(chosen, SETTINGS, tmp_path / "first")
    still = dataclasses.replace(SETTINGS, begin=str(tmp_path / "first"), learning_rate=1e-12)
    np.testing.assert_allclose(over_all(train(chosen, still, tmp_path / "still")), over_all(first), atol=1e-5)
    for changes in ({"model": "fm"}, {"prior": "nothing"}):
        with pytest.raises(PolicyError, match="cannot go on from its weights"):
            train(chosen, dataclasses.replace(still, **changes), tmp_path / "another")
    with pytest.raises(PolicyError, match="'user'"):
        train(chosen, dataclasses.replace(still, without=("user",)), tmp_path / "another")


def test_what_cannot_be_corrected_is_refused(chosen: Log, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="TwoTower has a loss of its own"):
        train(chosen, dataclasses.replace(SETTINGS, model="two-tower"), tmp_path)
    with pytest.raises(PolicyError, match="start from nothing or belief, not from 'truth'"):
        dataclasses.replace(SETTINGS, prior="truth")
    with pytest.raises(PolicyError, match="learns from nothing"):
        dataclasses.replace(SETTINGS, chain=("clicked", "converted"), feedback="dfm")
    with pytest.raises(LogError, match="certain or impossible"):
        Corrected(LR(Shape((2,), 1, 0, (), 1))).begin(np.array([0.0, 0.5], np.float32), np.array([0, 1], np.float32))
