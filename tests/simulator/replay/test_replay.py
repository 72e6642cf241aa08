"""Replays against published results, against a replay written in plain Python, and against what a policy is told."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import SHARED

from adarena.agents.catalogue import make_policy
from adarena.simulator import BidPolicy, BidView, ChunkBids, LogError, Multiplier, RequestRule, Requests, rule
from adarena.simulator.replay.history import PriceHistory, read_history
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.reading import read_log
from adarena.simulator.replay.replay import replay, replay_log, rows
from adarena.simulator.replay.result import PRICE_TAKER, ReplayResult

IPINYOU = SHARED / "data" / "ipinyou"
needs_ipinyou = pytest.mark.skipif(not IPINYOU.is_dir(), reason=f"the iPinYou log is not in {IPINYOU}")


# Published results (Cai et al. 2017, campaign 2997)


@needs_ipinyou
def test_the_published_results_of_mcpc_and_lin() -> None:
    bidders = {spec: make_policy("bidding", spec) for spec in ("mcpc", "lin:base_bid=10")}
    replayed = replay_log(IPINYOU / "2997_test.theta.txt", bidders, IPINYOU / "info_2997.json")
    for result in replayed.results.values():
        assert (result.auctions, len(result.episodes.auctions), result.budget, result.max_bid) == (156_063, 157, 1969, 300)
    mcpc, lin = replayed.results.values()
    assert (mcpc.impressions, mcpc.clicks, mcpc.spend) == (14_752, 48, 307_751)
    assert (lin.impressions, lin.clicks, lin.spend) == (32_208, 71, 203_610)
    assert [f"{r.win_rate:.2%} {r.cpm:.2f} {r.ecpc / 1000:.2f}" for r in (mcpc, lin)] == [
        "9.45% 20.86 6.41",
        "20.64% 6.32 2.87",
    ]


@rule
def rlb(rate: float, left: int, requests_left: int, state: Any) -> float:
    """The largest bid whose price is worth paying: theta + V(t - 1, b - bid) >= V(t - 1, b); state: B, cap, V by t, b."""
    row = 2 + (requests_left - 1) * (int(state[0]) + 1) + left
    bid, cap = 0, min(int(state[1]), left)
    while bid < cap and rate + state[row - bid - 1] - state[row] >= 0:
        bid += 1
    return float(bid)


@numba.njit
def value_table(density: Any, rate: float, requests: int, budget: int) -> Any:
    """Clicks to be expected from t requests with budget b (Cai et al. 2017, equation 4), shape (requests, budget + 1)."""
    value = np.zeros((requests, budget + 1))
    for t in range(1, requests):
        for b in range(budget + 1):
            total = 0.0
            for price in range(min(density.size - 1, b) + 1):
                gain = rate + value[t - 1, b - price] - value[t - 1, b]
                if gain < 0:
                    break
                total += density[price] * gain
            value[t, b] = value[t - 1, b] + total
    return value


class RLB(BidPolicy):
    """The bidder by dynamic programming of Cai et al. 2017, whose table is the state of its rule."""

    def __init__(self, history: PriceHistory, smoothing: int) -> None:
        assert history.price_counts is not None
        self.density = (history.price_counts + smoothing) / (history.price_counts + smoothing).sum()
        self.rate = history.clicks / history.impressions

    def decide(self, view: BidView) -> RequestRule | None:
        if view.day or view.tick:
            return None
        budget = int(view.budget[0])
        table = value_table(self.density, self.rate, int(view.forecast_requests), budget)
        return RequestRule(rlb, np.concatenate([[budget, self.density.size - 1], table.ravel()])[None])


@needs_ipinyou
@pytest.mark.parametrize(("smoothing", "published"), [(1, (39_680, 78, 304_375)), (0, (39_682, 78, 304_341))])
def test_the_published_result_of_rlb(smoothing: int, published: tuple[int, int, int]) -> None:
    """A dynamic program is exact only if the rule sees exactly how many requests and how much budget are left."""
    history = read_history(IPINYOU / "info_2997.json")
    result = replay(read_log(IPINYOU / "2997_test.theta.txt"), RLB(history, smoothing), history)
    assert (result.impressions, result.clicks, result.spend) == published


# An independent replay, in plain Python


class Terms(NamedTuple):
    episode: int
    ticks: int
    budget_fraction: float
    max_bid: int | None


class Market(NamedTuple):
    log: Log
    history: PriceHistory
    terms: Terms


Bidding = Callable[[int, int, float, int, int], float]  # (day, tick, rate, budget left, requests left) -> bid


def plain(market: Market, bid_for: Bidding) -> list[tuple[int, int, int, int, float]]:
    """Auctions, impressions, clicks, spend, believed clicks of each episode."""
    log, history, terms = market
    budget = math.floor(history.cost / history.impressions * terms.budget_fraction * terms.episode)
    cap = terms.max_bid
    if cap is None:
        cap = budget if history.price_counts is None else len(history.price_counts) - 1
    bounds = [tick * terms.episode // terms.ticks for tick in range(1, terms.ticks + 1)]
    episodes = []
    click = np.zeros(len(log)) if log.click is None else log.click
    for first in range(0, len(log), terms.episode):
        left, impressions, clicks, believed = budget, 0, 0, 0.0
        auctions = min(terms.episode, len(log) - first)
        for place in range(auctions):
            tick = sum(place >= bound for bound in bounds)
            rate, price = float(log.rate[first + place]), int(log.price[first + place])
            bid = min(int(bid_for(first // terms.episode, tick, rate, left, terms.episode - place)), cap, left)
            if bid >= max(price, 1):  # a bid of 0 is none
                left -= price
                impressions += 1
                clicks += int(click[first + place])
                believed += rate
        episodes.append((auctions, impressions, clicks, budget - left, believed))
    return episodes


@st.composite
def markets(draw: st.DrawFn) -> Market:
    count = draw(st.integers(1, 120))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    high = draw(st.sampled_from([1, 5, 30, 300]))
    price = numbers.integers(0, high + 1, count)
    rate = numbers.random(count) ** draw(st.integers(1, 3))
    rate[numbers.random(count) < 0.1] = draw(st.sampled_from([0.0, 1.0]))
    click = (numbers.random(count) < 0.3).astype(np.int8) if draw(st.booleans()) else None
    counts = numbers.integers(0, 5, draw(st.integers(1, high + 1))) if draw(st.booleans()) else None
    history = PriceHistory(draw(st.integers(10, 50)), draw(st.integers(1, 10)), draw(st.integers(500, 5000)), 0.1, counts)
    episode = draw(st.integers(1, 50))
    terms = Terms(
        episode,
        draw(st.integers(1, episode)),
        draw(st.floats(0.1, 2)),
        draw(st.none() | st.integers(0, 2 * high)),
    )
    return Market(Log(price, rate, click), history, terms)


def check(market: Market, policy: BidPolicy, bid_for: Bidding) -> ReplayResult:
    result = replay(market.log, policy, market.history, **market.terms._asdict())
    measured = list(zip(*(column.tolist() for column in result.episodes), strict=True))
    assert measured == plain(market, bid_for)
    assert result.clicks == (None if market.log.click is None else int(result.episodes.clicks.sum()))
    return result


def drawn(day: int, tick: int) -> float:
    """A multiplier that differs from tick to tick."""
    return 4.0 * abs(math.sin(1 + 37 * day + 5 * tick))


class Restless(BidPolicy):
    """Another multiplier at each tick, but keeps the one it has at every third."""

    def decide(self, view: BidView) -> Multiplier | None:
        return None if view.tick % 3 == 2 else Multiplier(drawn(view.day, view.tick))


@given(markets())
def test_multipliers_are_replayed_exactly(market: Market) -> None:
    target = market.history.cost / market.history.clicks
    check(market, Restless(), lambda day, tick, rate, left, n: drawn(day, tick - (tick % 3 == 2)) * target * rate)


@given(markets())
def test_a_policy_that_decides_nothing_bids_its_target(market: Market) -> None:
    class Silent(BidPolicy):
        def decide(self, view: BidView) -> None:
            return None

    target = market.history.cost / market.history.clicks
    check(market, Silent(), lambda day, tick, rate, left, n: target * rate)


@given(markets())
def test_bids_for_a_chunk_are_replayed_exactly(market: Market) -> None:
    asked: list[int] = []

    class Chunks(BidPolicy):
        def decide(self, view: BidView) -> ChunkBids | None:
            def bids(requests: Requests) -> Any:
                assert np.array_equal(requests.rate[0], market.log.rate[requests.number])
                asked.extend(requests.number)
                return 40 * requests.rate**2 + view.tick

            return ChunkBids(bids)

    check(market, Chunks(), lambda day, tick, rate, left, n: 40 * rate**2 + tick)
    assert asked == list(range(len(market.log)))


def remembering(rate: float, left: int, requests_left: int, state: Any) -> float:
    """A bid that depends on all there is, and on what the rule itself wrote down before."""
    state[0] = (3.0 * state[0] + rate) % 7.0
    state[1] += 1.0
    return float(rate * left / requests_left * state[2] + state[0])


REMEMBERING = rule(remembering)


@given(markets(), st.booleans())
def test_rules_with_a_memory_are_replayed_exactly(market: Market, contiguous: bool) -> None:
    rows_of_state = np.array([[0.0, 0.0, 2.5]])
    if not contiguous:
        rows_of_state = np.array([[0.0, 9.0, 0.0, 9.0, 2.5, 9.0]])[:, ::2]
    told: list[float] = []

    class Remembering(BidPolicy):
        def decide(self, view: BidView) -> RequestRule | None:
            told.append(rows_of_state[0, 1])  # brought up to date before each decision
            if view.tick == 1:  # the policy may write into its state, too
                rows_of_state[0, 2] += 0.5
            return RequestRule(REMEMBERING, rows_of_state) if view.tick < 2 else None

    twin = np.array([0.0, 0.0, 2.5])
    seen: list[tuple[int, int]] = []
    called: list[float] = []

    def bid_for(day: int, tick: int, rate: float, left: int, requests_left: int) -> float:
        if not seen or seen[-1] != (day, tick):
            seen.append((day, tick))
            called.append(twin[1])
            twin[2] += 0.5 * (tick == 1)
        return remembering(rate, left, requests_left, twin)

    check(market, Remembering(), bid_for)
    assert np.array_equal(rows_of_state[0], twin)
    assert told == called


@rule
def diary(rate: float, left: int, requests_left: int, state: Any) -> float:
    """Writes down what it is asked: budget and requests left."""
    place = int(state[0])
    state[1 + 2 * place], state[2 + 2 * place] = left, requests_left
    state[0] += 1
    return 7.9


def test_a_rule_sees_exactly_what_is_left() -> None:
    log = Log(np.full(25, 7), np.full(25, 0.5))
    state = np.zeros((1, 51))

    class Writing(BidPolicy):
        def decide(self, view: BidView) -> RequestRule | None:
            return RequestRule(diary, state) if view.day == view.tick == 0 else None

    replay(log, Writing(), PriceHistory(100, 10, 700, 0.1), episode=10, budget_fraction=0.5, ticks=3)
    left, requests_left = state[0, 1:].reshape(25, 2).T
    assert requests_left.tolist() == [*range(10, 0, -1), *range(10, 0, -1), *range(10, 5, -1)]
    assert left[:10].tolist() == [35, 28, 21, 14, 7, 0, 0, 0, 0, 0]
    assert left[10:20].tolist() == left[:10].tolist()


# What the policy is told


def test_what_is_told_adds_up() -> None:
    numbers = np.random.default_rng(5)
    log = Log(numbers.integers(1, 30, 2_350), numbers.random(2_350), (numbers.random(2_350) < 0.3).astype(np.int8))
    history = PriceHistory(1000, 100, 12_345, 0.12)
    views: list[BidView] = []

    class Probe(BidPolicy):
        def start(self, view: BidView, dice: np.random.Generator) -> None:
            self.dice = dice

        def decide(self, view: BidView) -> Multiplier:
            views.append(view)
            return Multiplier(self.dice.random() / 5)

    result = replay(log, Probe(), history, episode=500, budget_fraction=0.25, ticks=7)
    again = replay(log, Probe(), history, episode=500, budget_fraction=0.25, ticks=7)
    other = replay(log, Probe(), history, episode=500, budget_fraction=0.25, ticks=7, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(result.episodes, again.episodes, strict=True))
    assert result.believed_clicks != other.believed_clicks
    views = views[:33]  # four episodes of 7 ticks, then 350 auctions: to the end of the fifth tick
    assert [(v.day, v.tick) for v in views] == [(day, tick) for day in range(5) for tick in range(7)][:33]
    for view, after in itertools.pairwise(views):
        assert view.forecast.sum() == pytest.approx(1, abs=1e-12)
        assert view.target == 123.45
        assert view.budget_left == view.budget - view.today.spend
        assert np.isnan(view.market_price).all()
        assert after.last.conversions_reported == after.last.clicks
        if after.tick:
            assert after.last.requests == round(view.forecast[view.tick] * 500)
            for before, span, now in zip(view.today, after.last, after.today, strict=True):
                assert before + span == pytest.approx(now, rel=1e-12)
        else:
            whole = [column[view.day] for column in result.episodes]
            assert [
                int(view.today.requests[0] + after.last.requests[0]),
                int(view.today.wins[0] + after.last.wins[0]),
            ] == whole[:2]
            assert int(view.today.clicks[0] + after.last.clicks[0]) == whole[2]
            assert float(view.today.spend[0] + after.last.spend[0]) == whole[3]
            believed = float(view.today.believed_value[0] + after.last.believed_value[0])
            assert believed == pytest.approx(whole[4] * 123.45, rel=1e-12)
    assert 0 < result.spend < 5 * result.budget
    assert result.auctions == 2_350
    assert (result.episodes.spend <= result.budget).all()


def test_the_bidders_of_a_world_can_be_replayed() -> None:
    """With a budget that binds, pacing spends it all the same, and later than bidding the target does."""
    numbers = np.random.default_rng(6)
    log = Log(numbers.gamma(2, 20, 50_000).astype(np.int64), numbers.beta(2, 200, 50_000), numbers.integers(0, 2, 50_000))
    history = PriceHistory(1000, 4, 40_000, 0.01)
    early = {}
    for spec in ("truthful", "pid", "dual"):
        result = replay(log, make_policy("bidding", spec), history, episode=5_000, ticks=50, budget_fraction=0.1)
        half = replay(Log(log.price[:2_500], log.rate[:2_500]), make_policy("bidding", spec), history, 5_000, 0.1, 50)
        assert half.budget == result.budget
        early[spec] = half.spend / half.budget
        assert result.spend > 0.85 * result.budget * 10
    assert early["truthful"] > 0.99
    assert early["pid"] < 0.7
    assert early["dual"] < 0.9


def test_ticks_do_not_change_a_bidder_that_does_not_listen() -> None:
    numbers = np.random.default_rng(7)
    log = Log(numbers.integers(0, 99, 3_000), numbers.random(3_000))
    history = PriceHistory(1000, 500, 50_000, 0.1)
    results = [replay(log, make_policy("bidding", "mcpc"), history, ticks=ticks) for ticks in (1, 10, 1000)]
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result.episodes, results[0].episodes, strict=True))


# Files, rows, text


def files(folder: Path) -> tuple[Path, Path]:
    numbers = np.random.default_rng(8)
    frame = pd.DataFrame({"click": numbers.integers(0, 2, 90), "price": numbers.integers(1, 9, 90), "rate": numbers.random(90)})
    frame.to_parquet(folder / "log.parquet")
    history = {"imp_train": 10, "clk_train": 5, "cost_train": 50, "price_counter_train": [1] * 10}
    (folder / "history.json").write_text(json.dumps(history))
    return folder / "log.parquet", folder / "history.json"


def test_a_table_of_results_says_that_the_bidder_is_a_price_taker(tmp_path: Path) -> None:
    log, history = files(tmp_path)
    replayed = replay_log(
        log,
        {"a": make_policy("bidding", "mcpc"), "b": make_policy("bidding", "fixed")},
        history,
        episode=40,
        budget_fraction=0.5,
    )
    assert replayed.notes == (PRICE_TAKER,)
    assert "price taker" in str(replayed.results["a"])
    assert replayed.results["a"].price_taker
    first, second = rows(replayed.results)
    assert (first["bidder"], second["bidder"]) == ("a", "b")
    result = replayed.results["a"]
    assert result.max_bid == 9
    assert result.budget == 100
    assert (first["auctions"], first["impressions"], first["clicks"]) == (90, result.impressions, result.clicks)
    assert result.spend == first["cost"]
    assert first["budget_spent"] == result.spend / 300
    assert first["cpm"] == result.spend / result.impressions


def test_without_a_history_the_log_is_its_own_and_says_so(tmp_path: Path) -> None:
    log, _ = files(tmp_path)
    replayed = replay_log(log, {"mcpc": make_policy("bidding", "mcpc")}, episode=40)
    assert len(replayed.notes) == 2
    assert "No history was given" in replayed.notes[1]
    assert replayed.history.cost == int(replayed.log.price.sum())
    pd.read_parquet(log).drop(columns="click").to_parquet(tmp_path / "blind.parquet")
    with pytest.raises(LogError, match="no column of clicks: give a history"):
        replay_log(tmp_path / "blind.parquet", {"mcpc": make_policy("bidding", "mcpc")})
    blind = replay_log(tmp_path / "blind.parquet", {"mcpc": make_policy("bidding", "mcpc")}, files(tmp_path)[1])
    assert next(rows(blind.results))["clicks"] is None
    assert "unknown number of clicks" in str(blind.results["mcpc"])
