"""Chance: draws are uniform, independent over streams, seeds, requests and ads, and nobody's draw depends on another's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tapes import give_tape

from adarena.simulator import BidPolicy, BidView, Multiplier, Scenario, World
from adarena.simulator.core.chance import Stream, generator, stream_keys, uniforms

MASK = (1 << 64) - 1
N = 200_000


def draws(seed: int, stream: Stream, first: int = 0, count: int = N, whose: int = 0) -> NDArray[np.float64]:
    """Draws of requests first, first + 1, ..."""
    out = np.empty(count)
    uniforms(stream_keys(seed)[stream], first, count, whose, out)
    return out


def by_hand(key: int, request: int, whose: int) -> float:
    """The definition in Python's whole numbers: two rounds of SplitMix64's finaliser."""

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
        return x ^ (x >> 31)

    x = mix(key + request * 0x9E3779B97F4A7C15 & MASK)
    x = mix(x + whose * 0xD1B54A32D192ED03 & MASK)
    return ((x >> 12) + 0.5) / 2**52


@given(st.integers(0, 1 << 64), st.sampled_from(list(Stream)), st.integers(0, 10**11), st.integers(0, 10**6))
def test_draws_are_the_defined_function(seed: int, stream: Stream, request: int, whose: int) -> None:
    (draw,) = draws(seed, stream, request, 1, whose)
    assert draw == by_hand(int(stream_keys(seed)[stream]), request, whose)
    assert 0.0 < draw < 1.0


def test_the_ends_of_the_interval_are_never_reached() -> None:
    """The smallest and largest words give draws strictly inside (0, 1): 1/2 is added before scaling, in float64 exactly."""
    assert (0 + 0.5) / 2**52 > 0.0
    assert (float(2**52 - 1) + 0.5) / 2**52 < 1.0
    sample = draws(3, Stream.CLICK, count=2_000_000)
    assert 0.0 < sample.min() < 3e-6
    assert 1.0 > sample.max() > 1 - 3e-6


@pytest.mark.parametrize("stream", list(Stream))
def test_each_stream_is_uniform_and_serially_independent(stream: Stream) -> None:
    sample = draws(1, stream)
    assert stats.kstest(sample, "uniform").pvalue > 1e-4
    cells = np.bincount((sample * 256).astype(int), minlength=256)
    assert stats.chisquare(cells).pvalue > 1e-4
    for lag in (1, 2, 64, 1024):  # neighbours, lanes and blocks
        assert abs(np.corrcoef(sample[:-lag], sample[lag:])[0, 1]) < 4.5 / math.sqrt(N)
        first = np.flatnonzero(np.arange(N - lag) // lag % 2 == 0)  # pairs that do not overlap
        pairs = (sample[first] * 16).astype(int) * 16 + (sample[first + lag] * 16).astype(int)
        assert stats.chisquare(np.bincount(pairs, minlength=256)).pvalue > 1e-4


def test_draws_are_independent_over_streams() -> None:
    table = np.stack([draws(7, stream) for stream in Stream])
    correlation = np.corrcoef(table) - np.eye(len(table))
    assert np.abs(correlation).max() < 5 / math.sqrt(N)


def test_draws_are_independent_over_ads_and_seeds() -> None:
    ads = np.stack([draws(7, Stream.CLICK, whose=ad) for ad in range(24)])
    seeds = np.stack([draws(seed, Stream.CLICK) for seed in range(24)])
    for table in (ads, seeds, np.stack([ads[0], ads[1], np.roll(ads[1], 1), np.roll(ads[1], -1)])):
        correlation = np.corrcoef(table) - np.eye(len(table))
        assert np.abs(correlation).max() < 5 / math.sqrt(N)
        joint = np.bincount((table[0] * 16).astype(int) * 16 + (table[1] * 16).astype(int), minlength=256)
        assert stats.chisquare(joint).pvalue > 1e-4


def test_draws_over_ads_of_one_request_are_uniform() -> None:
    """Rows as well as columns: 400 ads of 500 requests each."""
    table = np.stack([draws(11, Stream.CONVERSION, count=500, whose=ad) for ad in range(400)])
    assert stats.kstest(table.ravel(), "uniform").pvalue > 1e-4
    by_request = [stats.kstest(column, "uniform").pvalue for column in table.T]
    assert stats.kstest(by_request, "uniform").pvalue > 1e-4
    means = table.mean(axis=0) - 0.5
    assert abs((means**2).mean() * 12 * 400 - 1) < 0.3  # the variance of a mean of 400 independent draws


@pytest.mark.parametrize("what", ["key", "request", "whose"])
def test_every_bit_flips_half_the_bits(what: str) -> None:
    """Avalanche: a changed bit of any argument changes each of the top 32 bits of the draw in half of the cases."""
    bits = {"key": 64, "request": 40, "whose": 20}[what]
    dice = np.random.default_rng(5)
    out, cases = np.empty(1), 600
    for bit in range(bits):
        flips = np.zeros(32)
        for _ in range(cases):
            place = {
                "key": int(dice.integers(1 << 63)),
                "request": int(dice.integers(1 << 40)),
                "whose": int(dice.integers(1 << 20)),
            }
            words = []
            for change in (0, 1 << bit):
                at = {**place, what: place[what] ^ change}
                uniforms(np.uint64(at["key"]), at["request"], 1, at["whose"], out)
                words.append(int(out[0] * 2**32))
            difference = words[0] ^ words[1]
            flips += [(difference >> b) & 1 for b in range(32)]
        # 32 x 124 frequencies: 5.5 standard deviations is beyond what chance reaches.
        assert np.abs(flips / cases - 0.5).max() < 5.5 * 0.5 / math.sqrt(cases)


def test_generators_of_bulk_draws_are_functions_of_their_arguments() -> None:
    same = generator(4, Stream.TRAFFIC, 2).random(8)
    np.testing.assert_array_equal(same, generator(4, Stream.TRAFFIC, 2).random(8))
    others = [
        generator(5, Stream.TRAFFIC, 2),
        generator(4, Stream.DEMAND, 2),
        generator(4, Stream.TRAFFIC, 3),
        generator(4, Stream.TRAFFIC),
    ]
    for other in others:
        assert not np.isin(other.random(8), same).any()


def test_keys_differ_over_streams_and_seeds() -> None:
    keys = np.concatenate([stream_keys(seed) for seed in range(1000)])
    assert np.unique(keys).size == keys.size == 1000 * len(Stream)


class Fixed(BidPolicy):
    """Bids the same multipliers all day."""

    def __init__(self, *multipliers: float) -> None:
        self.multipliers = multipliers

    def decide(self, view: BidView) -> Multiplier:
        return Multiplier(np.array(self.multipliers))


def test_what_a_user_does_depends_on_no_rival() -> None:
    """Potential outcomes: whoever else is shown, and in whichever slot, request i answers ad a in one and the same way."""
    scenario = Scenario.preset("tiny").override({"rates.click_rate": 0.3, "demand.budget_share": None})
    dice = np.random.default_rng(0)
    answers: dict[tuple[int, int], set[tuple[int, ...]]] = {}
    slots: dict[tuple[int, int], set[int]] = {}
    for _ in range(8):
        world = World(scenario, {"bidding": Fixed(*np.exp(dice.normal(0, 1.0, 6)))}, seed=3)
        read = give_tape(world, 20_000)
        world.run()
        tape = read()
        columns = (
            tape.column(name) for name in ("request", "ad", "slot", "time_us", "user", "clicked", "converted", "report_us")
        )
        for request, ad, slot, *answer in zip(*columns, strict=True):
            answers.setdefault((request, ad), set()).add(tuple(answer))
            slots.setdefault((request, ad), set()).add(slot)
    assert max(len(answer) for answer in answers.values()) == 1
    moved = [pair for pair, seen in slots.items() if len(seen) > 1]
    assert len(moved) > 300
    assert sum(next(iter(answers[pair]))[2] for pair in moved) > 50  # clicks among them


def test_rates_of_clicks_and_exposures_are_those_of_the_truth() -> None:
    """Clicks follow the true rate (calibrated in ten bins of it) and slots are seen as often as the scenario says."""
    scenario = Scenario.preset("uniform", bidders=4, requests=40_000).override(
        {"auction.slots": 3, "auction.exposure": [1.0, 0.8, 0.6], "rates.belief_noise": 0.1}
    )
    world = World(scenario, seed=1)
    read = give_tape(world, 130_000)
    world.run()
    tape = read()
    clicked = tape.column("clicked")
    for low in np.arange(0, 1, 0.1):
        inside = (tape.true >= low) & (tape.true < low + 0.1)
        rate, n = tape.true[inside], inside.sum()
        if n > 100:
            sigma = math.sqrt((rate * (1 - rate)).sum())
            assert abs(clicked[inside].sum() - rate.sum()) < 4.5 * sigma
    seen = np.bincount(tape.column("slot"), minlength=3)
    assert seen[0] == world.played == 40_000
    for slot, share in ((1, 0.8), (2, 0.6)):
        assert abs(seen[slot] - share * 40_000) < 4.5 * math.sqrt(40_000 * share * (1 - share))
    # Slot 3 is seen only where slot 2 was.
    requests = tape.column("request")
    assert np.isin(requests[tape.column("slot") == 2], requests[tape.column("slot") == 1]).all()
