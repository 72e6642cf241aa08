"""Believed click rates of blocks of requests: against the sigmoid in float64, and against sums in order."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.simulator import Scenario
from adarena.simulator.core.errors import MarketError
from adarena.simulator.core.simd import WIDTH
from adarena.simulator.market.market import build
from adarena.simulator.population.rates import Context, InterestRates
from adarena.simulator.population.scoring import rate_all


def rated(users: Any, people: Any, ads: Any, bias: Any, asked: Any, odds: Any, lift: Any) -> Any:
    out = np.full((len(ads), len(users)), np.nan, np.float32)
    rate_all(users, people, ads, bias, asked, odds, lift, np.empty(people.shape[1] * WIDTH, np.float32), out)
    return out


NOTHING = np.empty((0, 0), np.float32), np.empty(0, np.float32), np.empty(0, np.float32)


def drawn(dice: np.random.Generator, *shape: int) -> Any:
    return dice.standard_normal(shape).astype(np.float32)


@settings(max_examples=60)
@given(
    ads=st.integers(1, 20),
    dimensions=st.integers(1, 40),
    tiles=st.integers(1, 4),
    brings=st.booleans(),
    seed=st.integers(0, 99),
)
def test_rates_are_sigmoids_of_bias_and_product(ads: int, dimensions: int, tiles: int, brings: bool, seed: int) -> None:
    """Any number of ads and dimensions; float64 says the same up to the rounding of sums and of Cephes' polynomial."""
    dice, n = np.random.default_rng(seed), tiles * WIDTH
    users, people = dice.integers(0, 9, n), drawn(dice, 9, dimensions)
    vectors, bias = drawn(dice, ads, dimensions), drawn(dice, ads)
    context = (drawn(dice, n, dimensions), drawn(dice, n), np.abs(drawn(dice, n))) if brings else NOTHING
    out = rated(users, people, vectors, bias, *context)
    seen = people[users].astype(np.float64) + (context[0] if brings else 0)
    x = vectors @ seen.T + bias[:, None] + (context[1] if brings else 0)
    expected = 1 / (1 + np.exp(-x)) * (context[2] if brings else 1)
    sizes = np.abs(vectors).astype(np.float64) @ np.abs(seen).T + np.abs(bias)[:, None] + 1  # of what is added up
    assert (np.abs(out - expected) <= expected * 2**-23 * ((dimensions + 3) * sizes + 4)).all()


def test_products_are_summed_in_order_each_step_rounded_once() -> None:
    """So that what comes of it depends on no library and no width of a processor's registers.

    One by one in float64: products of two float32 are exact there, and their sums are, but for what is far below a last place.
    """
    dice = np.random.default_rng(0)
    users, people, vectors = dice.integers(0, 50, WIDTH), drawn(dice, 50, 16), drawn(dice, 7, 16)
    odds = np.zeros((7, WIDTH), np.float32)
    for d in range(16):
        step = vectors[:, d, None].astype(np.float64) * people[users, d] + odds
        odds = step.astype(np.float32)
    zero = np.zeros(7, np.float32)
    by_order = rated(np.arange(WIDTH), odds.T.copy(), np.eye(7, dtype=np.float32), zero, *NOTHING)
    np.testing.assert_array_equal(rated(users, people, vectors, zero, *NOTHING), by_order)
    shuffled = dice.permutation(16)
    other = rated(users, people[:, shuffled].copy(), vectors[:, shuffled].copy(), zero, *NOTHING)
    assert (other != by_order).any()  # it can tell


def test_rates_stay_between_0_and_1_however_far_the_odds_are() -> None:
    bias = np.array([-1e30, -200, -80, 0, 80, 200, 1e30], np.float32)
    out = rated(np.zeros(WIDTH, np.int64), np.zeros((1, 3), np.float32), np.zeros((7, 3), np.float32), bias, *NOTHING)
    assert (np.diff(out[:, 0]) >= 0).all()
    assert out[0, 0] > 0
    assert out[0, 0] < 1e-37
    assert out[3, 0] == 0.5
    assert (out[4:] == 1).all()


def test_an_ad_is_rated_the_same_whatever_others_stand_beside_it() -> None:
    """Also where it is among the last, which are fewer than are summed side by side."""
    dice = np.random.default_rng(1)
    users, people, vectors, bias = dice.integers(0, 50, 64), drawn(dice, 50, 16), drawn(dice, 13, 16), drawn(dice, 13)
    together = rated(users, people, vectors, bias, *NOTHING)
    for k in range(13):
        np.testing.assert_array_equal(rated(users, people, vectors[k:], bias[k:], *NOTHING), together[k:])


def test_nothing_brought_is_as_zeros_and_ones() -> None:
    market = build(Scenario.preset("bidding-small").override({"traffic.requests_per_day": 5_000}))
    assert market.ads is not None
    rates, users = InterestRates(market.users, market.ads), np.arange(4 * WIDTH)
    plain = np.empty((len(market.ads.bias), users.size), np.float32)
    brought = np.empty_like(plain)
    rates.fill(0, users, None, plain)
    rates.fill(0, users, Context.plain(users.size, market.users.interests.shape[1]), brought)
    np.testing.assert_array_equal(plain, brought)


def test_requests_come_sixteen_at_a_time() -> None:
    market = build(Scenario.preset("bidding-small").override({"traffic.requests_per_day": 5_000}))
    assert market.ads is not None
    with pytest.raises(MarketError, match="16 at a time, not 17"):
        InterestRates(market.users, market.ads).fill(0, np.arange(17), None, np.empty((48, 17), np.float32))


def block() -> str:
    """The digest of some rates, with and without what requests bring."""
    dice = np.random.default_rng(2)
    users, people, vectors, bias = dice.integers(0, 50, 256), drawn(dice, 50, 20), drawn(dice, 15, 20), drawn(dice, 15)
    context = drawn(dice, 256, 20), drawn(dice, 256), np.abs(drawn(dice, 256))
    rates = [rated(users, people, vectors, bias, *brings) for brings in (NOTHING, context)]
    return hashlib.blake2b(b"".join(rate.tobytes() for rate in rates)).hexdigest()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="it names processors of that kind")
def test_rates_are_the_same_on_a_processor_with_smaller_registers(tmp_path: Any) -> None:
    folder = os.path.dirname(__file__)
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2", "NUMBA_CACHE_DIR": str(tmp_path)}
    program = f"import sys; sys.path.insert(0, {folder!r}); from test_scoring import block; sys.stdout.write(block())"
    told = subprocess.run([sys.executable, "-c", program], env=os.environ | haswell, capture_output=True, text=True, check=True)
    assert told.stdout == block()
