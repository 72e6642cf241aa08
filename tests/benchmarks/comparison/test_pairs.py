"""Policies held against one another, against a textbook's paired test; colours that stay with them."""

from itertools import combinations

import numpy as np
from scipy.stats import ttest_rel

from adarena.benchmarks.comparison import statistics
from adarena.benchmarks.comparison.colours import PALETTE, colours
from adarena.benchmarks.comparison.pairs import contenders, pairs, verdicts
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator.core.look import IDEAL


def symmetric(dice: np.random.Generator, cases: int, spread: float) -> np.ndarray:
    half = dice.normal(0.0, spread, cases // 2)
    return np.concatenate([half, -half])


def test_verdicts_are_those_of_paired_t_tests_with_bonferroni() -> None:
    """Where nothing is skewed the intervals are Student's: who is tied is who a paired t-test cannot tell apart."""
    dice, cases = np.random.default_rng(3), 24
    luck = dice.normal(0.0, 1.0, cases)  # of the day, in which all share
    means = {"a": 1.0, "b": 0.97, "c": 0.8, "d": 0.78, "e": 0.3}
    numbers = {name: luck + mean + symmetric(dice, cases, 0.1) for name, mean in means.items()}
    found = pairs(numbers, statistics.strata([0] * cases))
    assert [(pair.ahead, pair.behind) for pair in found] == list(combinations("abcde", 2))
    tests = {pair[:2]: ttest_rel(numbers[pair.ahead], numbers[pair.behind]).pvalue for pair in found}
    assert {pair[:2] for pair in found if pair.tied} == {pair for pair, p in tests.items() if p >= 0.05 / len(tests)}
    assert {pair[:2] for pair in found if pair.tied} == {("a", "b"), ("c", "d")}
    assert verdicts(found) == {
        "a": (["c", "d", "e"], ["b"]),
        "b": (["c", "d", "e"], ["a"]),
        "c": (["e"], ["d"]),
        "d": (["e"], ["c"]),
        "e": ([], []),
    }


def test_of_equal_policies_all_pairs_are_called_ties_nineteen_times_in_twenty() -> None:
    dice, cases, tries = np.random.default_rng(4), 20, 400
    groups = statistics.strata([0] * cases)
    wrong = 0
    for _ in range(tries):
        numbers = {str(k): dice.normal(0.0, 1.0, cases) for k in range(5)}
        wrong += not all(pair.tied for pair in pairs(numbers, groups))
    assert 0.01 < wrong / tries < 0.08  # 95% each, and not together, would be some 29%


def test_days_too_few_for_intervals_call_nobody_tied() -> None:
    found = pairs({"a": np.ones(3), "b": np.zeros(3)}, statistics.strata([0] * 3))
    assert [(pair.by, pair.interval, pair.tied) for pair in found] == [(1.0, None, False)]
    assert pairs({"a": np.ones(9)}, statistics.strata([0] * 9)) == []


def test_a_policy_keeps_its_colour_in_whatever_company() -> None:
    alone = colours(BIDDING, {"dual": "dual", "fixed": "fixed"})
    among = colours(BIDDING, {name: name for name in (*BIDDING.compared, "mpc", "adaptive", "mine.py:Mine")})
    tuned = colours(BIDDING, {"dual (tuned)": "dual:step=0.2", "fixed": "fixed"})
    assert alone["dual"] == among["dual"] == tuned["dual (tuned)"]
    assert alone["fixed"] == among["fixed"] == tuned["fixed"]
    assert len(set(among.values())) == len(among)
    both = colours(BIDDING, {"tuned": "dual:step=0.2", "dual": "dual"})  # who is plain has it, whoever comes first
    assert both["dual"] == alone["dual"] != both["tuned"]
    many = colours(BIDDING, {f"p{k}": f"pid:kp={k}" for k in range(30)})
    assert len(set(many.values())) == 30


def test_no_policy_has_the_colour_of_yardsticks() -> None:
    """Red is hindsight's."""
    red = np.array([int(IDEAL[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    found = colours(BIDDING, {f"p{k}": f"pid:kp={k}" for k in range(len(PALETTE))})
    assert sorted(found.values()) == sorted(PALETTE)
    for colour in PALETTE:
        assert np.abs(np.array(colour) - red).max() > 0.2


def test_contenders_are_those_whose_difference_from_the_best_may_be_chance() -> None:
    dice, groups = np.random.default_rng(9), statistics.strata(np.arange(40) % 8)
    days = dice.normal(0.8, 0.2, 40)
    chance = symmetric(dice, 40, 1.0) / 100
    numbers = {"worse": days - 0.1 + chance, "close": days + chance, "best": days + 0.001, "far": days - 1.0}
    assert contenders(pairs(numbers, groups)) == ["best", "close"]
    assert contenders(pairs({"one": days, "same": days.copy()}, groups)) == ["one", "same"]
    assert contenders(pairs({name: n[:7] for name, n in numbers.items()}, statistics.strata(range(7)))) is None


def test_contenders_hold_the_truly_best_of_many_nineteen_times_in_twenty() -> None:
    """Of twenty policies that are alike one is the truly best by a hair; at 95% each it would be left out far more often."""
    dice, groups = np.random.default_rng(11), statistics.strata(np.arange(20) % 8)
    drawn = [{str(n): dice.normal(size=20) for n in range(20)} for _ in range(200)]
    missed = sum("0" not in contenders(pairs(numbers, groups)) for numbers in drawn)
    assert missed <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)
