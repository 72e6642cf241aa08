"""Replays in money with decimals: the same auctions as in whole money, results in the log's own, and own journals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adarena.agents.bidding import PID, POLICIES
from adarena.agents.catalogue import make_policy
from adarena.benchmarks.audits.replaying import clairvoyant_clicks
from adarena.simulator import BidPolicy, BidView, ChunkBids, LogError, Multiplier, RequestRule, Scenario, World, rule
from adarena.simulator.replay.history import PriceHistory
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.reading import read_log
from adarena.simulator.replay.replay import replay, replay_log

DICE = np.random.default_rng(8)
PRICE = np.minimum(DICE.gamma(1.5, 40, 3_000).astype(np.int64), 299)
PRICE[0] = 1  # in whatever parts the log is counted, it needs the finest of them
RATE = DICE.beta(1, 30, 3_000)
CLICK = (DICE.random(3_000) < RATE).astype(np.int8)
TERMS = {"episode": 500, "budget_fraction": 0.1}


def scaled(parts: int) -> Log:
    """The same log in a money of which one unit is `parts` of the other."""
    return Log(PRICE / parts, RATE, CLICK)


def in_money(spec: str, parts: int) -> BidPolicy:
    return make_policy("bidding", spec if parts == 1 else spec.replace("base_bid=10", f"base_bid={10 / parts}"))


@pytest.mark.parametrize("spec", [*sorted(POLICIES), "lin:base_bid=10", "ortb:first_price=true"])
@pytest.mark.parametrize("parts", [100, 10**6])
def test_a_log_in_other_money_is_won_alike(spec: str, parts: int) -> None:
    whole, fine = scaled(1), scaled(parts)
    assert (whole.parts, fine.parts) == (1, parts)
    one = replay(whole, in_money(spec, 1), PriceHistory.of(whole), **TERMS)  # type: ignore[arg-type]
    two = replay(fine, in_money(spec, parts), PriceHistory.of(fine), **TERMS)  # type: ignore[arg-type]
    for column in ("auctions", "impressions", "clicks", "believed_clicks"):
        np.testing.assert_array_equal(getattr(one.episodes, column), getattr(two.episodes, column))
    np.testing.assert_allclose(two.episodes.spend * parts, one.episodes.spend, rtol=1e-12)
    assert two.impressions > 0
    for name in ("budget", "max_bid", "spend", "cpm", "ecpc"):
        assert getattr(two, name) * parts == pytest.approx(getattr(one, name), rel=1e-12)
    assert all(type(money) is int for money in (one.budget, one.max_bid, one.spend))


@rule
def flat(rate: float, left: int, requests_left: int, state: Any) -> float:
    return float(state[0])


class Flat(BidPolicy):
    """Bids an amount of money, by whatever kind of decision."""

    def __init__(self, kind: str, amount: float) -> None:
        self.kind, self.amount = kind, amount

    def decide(self, view: BidView) -> Any:
        if self.kind == "rule":
            return RequestRule(flat, np.full((1, 1), self.amount / view.rule_unit))
        if self.kind == "chunk":
            return ChunkBids(lambda requests: np.full(requests.rate.shape, self.amount))
        return Multiplier(self.amount / view.target)


KINDS = ("rule", "chunk", "multiplier")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bid_of_as_much_as_the_price_wins_and_less_does_not(kind: str) -> None:
    """In hundredths, of which no float holds most exactly."""
    for cents in range(1, 300):
        log = Log(np.array([cents / 100, 0.01]), np.ones(2), np.ones(2))
        history = PriceHistory(1, 1, 300, 1.0, parts=100)
        won = [
            replay(log, Flat(kind, bid / 100), history, episode=2, budget_fraction=5.0).impressions
            for bid in (cents, cents - 1)
        ]
        assert won == [2, 1 if cents > 1 else 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [1, 100])
def test_a_bid_of_0_wins_nothing(kind: str, parts: int) -> None:
    """As in a world, not even what costs nothing; nor does who has nothing left."""
    price = np.array([0, 5, 0, 0, 0]) / parts
    if parts > 1:
        price[1] = 0.05
    log = Log(price, np.ones(5), np.ones(5))
    history = PriceHistory(5, 5, 5, 1.0, parts=parts)
    terms: dict[str, Any] = {"episode": 5, "budget_fraction": 1.0}
    assert replay(log, Flat(kind, 0.0), history, **terms).impressions == 0
    some = replay(log, Flat(kind, 4 / parts), history, **terms)
    assert (some.impressions, some.spend) == (4, 0)
    every = replay(log, Flat(kind, 5 / parts), history, **terms)
    assert (every.impressions, every.spend) == (2, 5 / parts)  # then the budget is spent


def test_what_is_told_is_in_the_logs_money() -> None:
    views: list[BidView] = []

    class Watching(PID):
        def decide(self, view: BidView) -> Any:
            views.append(view)
            return super().decide(view)

    log = scaled(100)
    result = replay(log, Watching(), PriceHistory.of(log), **TERMS)  # type: ignore[arg-type]
    mean = float(PRICE.mean()) / 100
    first = views[0]
    assert first.budget[0] == result.budget == pytest.approx(mean * 0.1 * 500, abs=0.01)
    assert first.target[0] == pytest.approx(PRICE.sum() / 100 / CLICK.sum())
    assert first.history.spend[0] == pytest.approx(PRICE.sum() / 100)
    assert first.history.prices is not None
    assert first.history.price_unit is not None
    assert first.history.prices[0] @ np.arange(first.history.prices.shape[1]) * first.history.price_unit[0] == pytest.approx(
        PRICE.sum() / 100
    )
    for view in views:
        assert view.budget_left[0] == pytest.approx(view.budget[0] - view.today.spend[0], abs=1e-9)
        assert view.spent_share[0] == pytest.approx(view.today.spend[0] / view.budget[0], abs=1e-12)


def test_fine_histograms_are_as_long_as_those_of_a_world_and_never_below_the_price() -> None:
    log = Log(DICE.random(2_000).round(6), np.full(2_000, 0.1), np.ones(2_000))
    views: list[BidView] = []

    class Watching(PID):
        def decide(self, view: BidView) -> Any:
            views.append(view)
            return super().decide(view)

    replay(log, Watching(), PriceHistory.of(log))
    prices, unit = views[0].history.prices, views[0].history.price_unit
    assert prices is not None
    assert unit is not None
    assert prices.shape[1] <= 1001
    assert prices.sum() == 2_000
    exact = log.price.sum() / log.parts
    assert exact <= prices[0] @ np.arange(prices.shape[1]) * unit[0] <= exact + 2_000 * unit[0]


def test_a_history_may_be_finer_than_its_log() -> None:
    """Both are in the same money; the finer parts of the two are counted in."""
    log = Log(np.array([1, 2, 3, 1]), np.full(4, 0.5), np.ones(4))
    past = Log(np.array([0.5, 1.5, 2.5]), np.full(3, 0.5), np.ones(3))
    result = replay(log, Flat("chunk", 2.2), PriceHistory.of(past), episode=4, budget_fraction=0.75, ticks=1)
    assert (result.budget, result.max_bid) == (4.5, 2.5)
    assert (result.impressions, result.spend) == (3, 4.0)


def test_caps_in_money() -> None:
    log = scaled(100)
    history = PriceHistory.of(log)
    result = replay(log, Flat("chunk", 5.0), history, max_bid=0.29, budget_fraction=10.0)
    assert result.max_bid == 0.29
    assert result.impressions == int((PRICE <= 29).sum())
    for wrong in (-0.1, float("nan"), float("inf"), True, "0.3", None.__class__):
        with pytest.raises(LogError, match="max_bid="):
            replay(log, PID(), history, max_bid=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["tiny", "queue", "search"])
def test_journals_are_replayed(preset: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"traffic.requests_per_day": 3_000, "ticks_per_day": 4}
    if preset == "search":
        changes |= {"users.count": 2_000, "demand.campaigns": 60}
    World(Scenario.preset(preset).override(changes), {"bidding": PID()}, journal=tmp_path / "j").run()
    shown = pd.read_parquet(tmp_path / "j" / "impressions.parquet")
    log = read_log(tmp_path / "j")
    assert len(log) == len(read_log(tmp_path / "j" / "impressions.parquet")) == len(shown) > 100
    assert log.click is not None
    shown = shown.sort_values("time_us", kind="stable")
    np.testing.assert_allclose(log.price / log.parts, shown["price"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(log.click, shown["clicked"])
    np.testing.assert_array_equal(log.rate, shown["believed_rate"])
    if log.click.sum() and log.price.sum():
        played = replay_log(tmp_path / "j", {"mcpc": make_policy("bidding", "mcpc"), "pid": PID()}, episode=50)
        for result in played.results.values():
            assert 0 < result.impressions < len(log)
            assert 0 < result.spend <= result.budget * len(result.episodes.auctions)
            assert result.believed_clicks <= clairvoyant_clicks(played) * (1 + 1e-9)
        assert 0 < result.budget < shown["price"].sum()
