"""Policies of the creative seat against the same written out by hand, impression by impression, and against theory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from creative_markets import listed, tiny
from numpy.typing import NDArray
from scipy import stats
from tapes import Tape, give_tape

from adarena.agents.catalogue import make_policy
from adarena.agents.creative.scoring import chances_of_best
from adarena.agents.hindsight.creative import Oracle
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.delivery.rotation import CreativeCount, CreativeSum
from adarena.simulator.scenario.creatives import Creative
from adarena.simulator.scenario.demand import Ad
from adarena.simulator.seats.creative.decisions import CreativeFunction, CreativePolicy, CreativeRule, Decision
from adarena.simulator.seats.creative.history import format_history
from adarena.simulator.seats.creative.view import Column, CreativeView, Facts, Row, rows_of

MARKET = tiny(
    {"per_ad": [3, 5], "late": {}, "embedding_correlation": 0.6, "appeal_sigma": 0.5},
    fatigue={}, **{"traffic.requests_per_day": 3000, "demand.budget_share": None, "rates.click_rate": 0.1},
)  # fmt: skip
EXPONENT, RATE = 0.21, 0.1


def told(name: str, scenario: Scenario = MARKET) -> tuple[list[Any], list[Any], Facts]:
    """What a policy is shown of each impression, what its rule answers, and the facts."""
    shown, answers, facts = [], [], []

    class Watched(CreativePolicy):
        """Asks the policy's compiled rule from Python."""

        def start(self, view: CreativeView, dice: np.random.Generator) -> None:
            self.policy = make_policy("creative", name)
            self.policy.start(view, dice)

        def decide(self, view: CreativeView) -> Decision | None:
            decision = self.policy.decide(view)
            if decision is None:
                return None
            assert isinstance(decision, CreativeRule)
            facts.append(view.facts)
            own = np.zeros((view.facts.ads, 0)) if decision.own is None else decision.own

            def ask(seen: Any) -> Any:
                answer = np.zeros(view.facts.creatives)
                chosen = decision.rule(seen, answer, decision.memory, own[int(seen[Column.AD])])
                shown.append(seen.copy())
                answers.append(answer if chosen == -1 else chosen)
                return answers[-1]

            return CreativeFunction(ask)

    world, plain = (World(scenario, {"creative": policy}, seed=3) for policy in (Watched(), make_policy("creative", name)))
    for one in (world, plain):
        one.run()
    assert world.creatives is not None
    assert plain.creatives is not None
    np.testing.assert_array_equal(world.creatives.sums, plain.creatives.sums)  # in the kernel it does the same
    assert len(shown) > 1000
    return shown, answers, facts[0]


def fresh(rows: NDArray[Any]) -> NDArray[np.float64]:
    factor: NDArray[np.float64] = (1 + rows[:, Row.EXPOSURES]) ** -EXPONENT
    return factor


def greedy(score: Callable[[NDArray[Any], Any], NDArray[Any]]) -> Callable[[Any], int]:
    def choose(shown: Any) -> int:
        rows = rows_of(shown)
        return int(np.where(rows[:, Row.THERE] > 0, score(rows, shown), -np.inf).argmax())

    return choose


def shrunk(rows: NDArray[Any], shown: Any) -> NDArray[Any]:
    return (rows[:, Row.CLICKS] + RATE * 50) / (rows[:, Row.EXPECTED] / RATE + 50) * fresh(rows)


def shrunk_unaware(rows: NDArray[Any], shown: Any) -> NDArray[Any]:
    return (rows[:, Row.CLICKS] + RATE * 50) / (rows[:, Row.SHOWN] + 50)


def optimistic(rows: NDArray[Any], shown: Any) -> NDArray[Any]:
    n = rows[:, Row.EXPECTED] / RATE
    with np.errstate(divide="ignore", invalid="ignore"):
        bonus = 0.4 * np.sqrt(RATE * np.log(rows[:, Row.SHOWN].sum() + 1) / n)
        return np.where(rows[:, Row.SHOWN] == 0, np.inf, rows[:, Row.CLICKS] / n + bonus) * fresh(rows)


def promised(rows: NDArray[Any], shown: Any) -> NDArray[Any]:
    return np.exp(rows[:, Row.CONTENT]) * fresh(rows)


def hybrid(taste: Any = 0.0) -> Callable[[NDArray[Any], Any], NDArray[Any]]:
    def score(rows: NDArray[Any], shown: Any) -> NDArray[Any]:
        known = taste[rows[:, Row.FORMAT].astype(int), int(shown[Column.SEGMENT])] if np.ndim(taste) else taste
        whole = (20 * np.exp(rows[:, Row.CONTENT]) + rows[:, Row.CLICKS]) / (20 + rows[:, Row.EXPECTED])
        here = (6 * whole * np.exp(known) + rows[:, Row.CLICKS_HERE]) / (6 + rows[:, Row.EXPECTED_HERE])
        return here * fresh(rows)

    return score


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("best:prior=50", shrunk),
        ("best:prior=50,fatigue=false", shrunk_unaware),
        ("ucb1:width=0.4", optimistic),
        ("content", promised),
        ("hybrid:prior=20,segment_prior=6", hybrid()),
    ],
)
def test_rules_choose_what_is_written_out(name: str, score: Callable[[NDArray[Any], Any], NDArray[Any]]) -> None:
    shown, answers, _ = told(name)
    choose = greedy(score)
    assert answers == [choose(seen) for seen in shown]
    assert len(set(answers)) > 2


def test_the_hybrid_with_history_begins_with_what_an_earlier_day_tells_of_formats() -> None:
    shown, answers, facts = told("hybrid_history:prior=20,segment_prior=6,trust=5")
    clicks, expected = facts.history()[..., 0], facts.history()[..., 1]
    ratio = np.log((clicks + 5) / (expected * clicks.sum() / expected.sum() + 5))
    choose = greedy(hybrid(ratio - ratio.mean(axis=0)))
    assert answers == [choose(seen) for seen in shown]


def test_history_is_of_a_day_of_even_rotation_among_those_that_are_there() -> None:
    found = format_history(MARKET)
    portfolio = World(MARKET)._exchange.market.creatives
    assert portfolio is not None
    early = np.zeros(5, bool)
    early[np.unique(portfolio.format[portfolio.born == 0])] = True
    assert (found[early].sum(axis=(1, 2)) > 0).all()
    assert (found[~early] == 0).all()
    clicks, expected = found[..., 0].sum(), found[..., 1].sum()
    assert 0.7 < clicks / expected < 1.5
    assert not found.flags.writeable


def test_epsilon_greedy_gives_these_probabilities() -> None:
    shown, answers, _ = told("epsilon_greedy:epsilon=0.3,after=100,prior=50")
    choose = greedy(shrunk)
    for seen, answer in zip(shown, answers, strict=True):
        rows = rows_of(seen)
        epsilon = 0.3 * min(1, 100 / (rows[:, Row.SHOWN].sum() + 1))
        wanted = epsilon * rows[:, Row.THERE] / rows[:, Row.THERE].sum()
        wanted[choose(seen)] += 1 - epsilon
        np.testing.assert_allclose(answer, wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["thompson", "by_segment"])
def test_thompson_gives_each_creative_the_probability_that_it_is_best(name: str) -> None:
    shown, answers, _ = told(f"{name}:prior=30")
    dice, draws = np.random.default_rng(0), 40_000
    clicks, expected = (Row.CLICKS, Row.EXPECTED) if name == "thompson" else (Row.CLICKS_HERE, Row.EXPECTED_HERE)
    for n in range(0, len(shown), len(shown) // 40):
        rows = rows_of(shown[n])
        there = rows[:, Row.THERE] > 0
        a = RATE * 30 + rows[:, clicks]
        b = np.maximum((1 - RATE) * 30 + rows[:, expected] / RATE - rows[:, clicks], 1e-3)
        drawn = np.where(there, dice.beta(a, b, (draws, len(rows))) * fresh(rows), -1)
        often = np.bincount(drawn.argmax(axis=1), minlength=len(rows)) / draws
        np.testing.assert_allclose(answers[n], often, atol=5 * 0.5 / draws**0.5)
        assert abs(answers[n].sum() - 1) < 1e-12


def test_the_probability_of_being_best_holds_for_very_different_posteriors() -> None:
    dice, draws = np.random.default_rng(1), 100_000
    for _ in range(20):
        a, mean = np.exp(dice.uniform(np.log(0.3), np.log(500), 6)), np.exp(dice.normal(-4, 0.4, 6))
        factor = dice.uniform(0.5, 1, 6) * (dice.random(6) < 0.8)
        factor[0] = 1.0
        out = np.zeros(6)
        chances_of_best(a, a / mean - a, factor, out)
        often = np.bincount((dice.beta(a, a / mean - a, (draws, 6)) * factor).argmax(axis=1), minlength=6) / draws
        np.testing.assert_allclose(out, often, atol=5 * 0.5 / draws**0.5)


def regression(shown: list[Any], answers: list[Any], n: int, sigmas: tuple[float, float, float]) -> tuple[Any, Any]:
    """Posterior means and covariance of the creatives of impression n, by normal equations over all before it of that ad."""
    ad, places, segments = shown[n][Column.AD], len(rows_of(shown[n])), MARKET.users.segments

    def features(seen: Any, place: int) -> NDArray[np.float64]:
        x = np.zeros(1 + places + places * segments)
        x[0], x[1 + place] = rows_of(seen)[place, Row.CONTENT], 1
        x[1 + places + place * segments + int(seen[Column.SEGMENT])] = 1
        return x

    precision = np.diag(np.repeat(np.array(sigmas) ** -2.0, [1, places, places * segments]))
    numerator = precision[0] * 1.0
    mine = [m for m in range(n + 1) if shown[m][Column.AD] == ad]
    for before, after in pairwise(mine):
        chosen = answers[before]
        row = rows_of(shown[before])[chosen]
        w = shown[before][Column.BELIEVED] * (1 + row[Row.EXPOSURES]) ** -EXPONENT
        y = (rows_of(shown[after])[chosen, Row.CLICKS] - row[Row.CLICKS]) / w - 1
        x = features(shown[before], chosen)
        precision += w * np.outer(x, x)
        numerator = numerator + w * y * x
    x = np.array([features(shown[n], place) for place in range(places)])
    inverse = np.linalg.inv(precision)
    return x @ inverse @ numerator, x @ inverse @ x.T


def test_linucb_is_a_bayesian_regression_with_an_upper_bound() -> None:
    shown, answers, _ = told("linucb:content_sigma=0.4,creative_sigma=0.3,segment_sigma=0.2,width=0.7")
    for n in range(0, len(shown), 37):
        rows = rows_of(shown[n])
        mean, covariance = regression(shown, answers, n, (0.4, 0.3, 0.2))
        score = np.maximum(1 + mean + 0.7 * np.sqrt(np.diag(covariance)), 0.05) * fresh(rows)
        score[rows[:, Row.THERE] == 0] = -np.inf
        assert score[answers[n]] > score.max() - 1e-9


def test_linear_thompson_draws_from_that_regression() -> None:
    """What it chooses is as often the best of a draw as the posterior says."""
    shown, answers, _ = told("linear_thompson:content_sigma=0.4,creative_sigma=0.3,segment_sigma=0.2,width=1.0")
    dice, surprise, spread = np.random.default_rng(0), 0.0, 0.0
    for n in range(0, len(shown), 11):
        rows = rows_of(shown[n])
        mean, covariance = regression(shown, answers, n, (0.4, 0.3, 0.2))
        drawn = np.maximum(1 + dice.multivariate_normal(mean, covariance, 4000), 0.05) * fresh(rows)
        best = np.where(rows[:, Row.THERE] > 0, drawn, -np.inf).argmax(axis=1)
        chance = np.bincount(best, minlength=len(rows)) / 4000
        first = int(np.flatnonzero(rows[:, Row.THERE])[0])
        surprise += (answers[n] == first) - chance[first]
        spread += chance[first] * (1 - chance[first])
        assert chance[answers[n]] > 0
    assert abs(surprise) < 4 * spread**0.5
    assert spread > 5


def test_the_oracle_casts_what_is_clicked_most_in_truth() -> None:
    world = World(MARKET, {"creative": Oracle(MARKET)}, seed=3)
    read = give_tape(world, 100_000)
    world.run()
    tape, market = read(), world._exchange.market
    portfolio, ads, people = market.creatives, market.ads, market.users
    assert portfolio is not None
    assert ads is not None
    seen: dict[tuple[int, int], list[int]] = {}
    rate = np.log(2) / (MARKET.fatigue.half_life_s * 1e6)  # type: ignore[union-attr]
    columns = (tape.column(name).tolist() for name in ("user", "ad", "creative", "time_us"))
    for n, (user, ad, creative, now) in enumerate(zip(*columns, strict=True)):
        those = np.arange(portfolio.first[ad], portfolio.first[ad + 1])
        those = those[portfolio.born[those] <= now]
        odds = float(ads.bias[ad]) + people.interests[user].astype(float) @ ads.vectors[ad].astype(float)
        odds = odds + portfolio.appeal[those].astype(float) + portfolio.interaction[those, people.segment[user]].astype(float)
        left = np.array([sum(np.exp(-rate * (now - at)) for at in seen.get((user, c), [])) for c in those])
        true = (1 + left) ** -EXPONENT / (1 + np.exp(-odds))
        assert true[those == creative][0] > true.max() * (1 - 1e-9)
        np.testing.assert_allclose(tape.true[n], true[those == creative][0], rtol=1e-9)
        seen.setdefault((user, creative), []).append(now)


def test_who_knows_more_of_creatives_has_more_clicks() -> None:
    scenario = Scenario.preset("creative-small").override({"traffic.requests_per_day": 20_000, "demand.campaigns": 10})

    def clicks(policy: Any) -> float:
        world = World(scenario, {"creative": policy})
        world.run()
        assert world.creatives is not None
        return float(world.creatives.sums[CreativeSum.CLICKS].sum())

    rotation, appeals, oracle = (
        clicks(p) for p in (make_policy("creative", "even"), Oracle(scenario, False), Oracle(scenario))
    )
    assert rotation < appeals < oracle
    assert rotation < clicks(make_policy("creative", "hybrid_history")) < oracle


def two(appeal: float, **changes: Any) -> Scenario:
    """One ad that everybody sees, with two creatives of click rates that differ, for one user who never tires."""
    pair = (Creative(name="x", appeal=appeal), Creative(name="y", appeal=-appeal))
    base = listed(Ad(name="a", creatives=pair), **{"users.count": 1, "users.segments": 1, "rates.affinity": 0.0, **changes})
    return base.override({"rates.ad_sigma": 0.0, "rates.belief_noise": 0.0})


def lived(scenario: Scenario, name: str, seed: int) -> tuple[Tape, World]:
    world = World(scenario, {"creative": {0: make_policy("creative", name)}}, seed=seed)
    read = give_tape(world, 200_000)
    world.run()
    return read(), world


EVERY = ("even", "best", "epsilon_greedy", "ucb1", "thompson", "by_segment", "content", "linucb", "linear_thompson", "hybrid")


@pytest.mark.parametrize("name", EVERY)
def test_where_creatives_are_alike_nobody_has_any_regret(name: str) -> None:
    _, world = lived(two(0.0), name, 1)
    _, even = lived(two(0.0), "even", 1)
    assert world.creatives is not None
    assert even.creatives is not None
    np.testing.assert_allclose(world.creatives.sums.sum(axis=1), even.creatives.sums.sum(axis=1), rtol=1e-12)


def test_even_rotation_is_the_mean_of_its_creatives() -> None:
    scenario = two(0.5)
    even = lived(scenario, "even", 2)[1]
    each = [lived(scenario, f"one:place={place}", 2)[1] for place in (0, 1)]
    counts = [world.creatives.counts[CreativeCount.IMPRESSIONS, :2] for world in each if world.creatives is not None]
    sums = [world.creatives.sums[CreativeSum.CLICKS, :2].sum() for world in each if world.creatives is not None]
    assert even.creatives is not None
    shown = even.creatives.counts[CreativeCount.IMPRESSIONS, :2]
    assert shown.sum() == counts[0].sum() == counts[1].sum()
    assert stats.chisquare(shown).pvalue > 1e-3
    mean, found = (sums[0] + sums[1]) / 2, even.creatives.sums[CreativeSum.CLICKS, :2].sum()
    error = abs(sums[0] - sums[1]) / shown.sum() * (shown.sum() / 4) ** 0.5
    assert abs(found - mean) < 4 * error


def regret(name: str, requests: int, seeds: int = 6) -> tuple[float, float, float]:
    """Mean regret after an eighth of the impressions and after all, and the gap over KL of Lai and Robbins."""
    scenario, first, last = two(0.4, **{"traffic.requests_per_day": requests}), [], []
    for seed in range(seeds):
        tape, _ = lived(scenario, name, seed)
        true = tape.true[tape.column("ad") == 0]
        lost = np.cumsum(true.max() - true)
        first.append(lost[len(lost) // 8])
        last.append(lost[-1])
    good, bad = true.max(), true.min()
    kl = bad * np.log(bad / good) + (1 - bad) * np.log((1 - bad) / (1 - good))
    return float(np.mean(first)), float(np.mean(last)), float((good - bad) / kl)


def test_regret_grows_as_lai_and_robbins_have_it() -> None:
    """With the logarithm for Thompson and UCB1, in proportion for who explores evermore, and never below the bound's order."""
    requests = 40_000
    for name in ("thompson:prior=2,fatigue=false", "ucb1:width=1.0,fatigue=false"):
        early, late, slope = regret(name, requests)
        assert late < 2.2 * early  # ln 40,000 / ln 5,000 is 1.24
        assert late > 0.3 * slope * np.log(requests)
        assert late < 12 * slope * np.log(requests)
    early, late, _ = regret("epsilon_greedy:epsilon=0.2,after=1000000,fatigue=false", requests, 2)
    assert 6 < late / early < 9
    early, late, _ = regret("even", requests, 1)
    assert 7 < late / early < 9


def test_thompsons_propensities_are_logged_and_true() -> None:
    """The journal has what the rule said of the creative shown, and in strata of that creatives are shown as often."""
    world = World(MARKET, {"creative": make_policy("creative", "thompson:prior=30")}, seed=3)
    read = give_tape(world, 100_000)
    world.run()
    tape, (_, answers, _) = read(), told("thompson:prior=30")
    portfolio = world._exchange.market.creatives
    assert portfolio is not None
    place = tape.column("creative") - portfolio.first[tape.column("ad")]
    chance = np.array(answers)
    np.testing.assert_allclose(tape.propensity, chance[np.arange(len(place)), place], rtol=1e-9)
    shown = np.zeros_like(chance)
    shown[np.arange(len(place)), place] = 1
    for low in np.arange(0, 1, 0.2):
        here = (chance > low) & (chance <= low + 0.2)
        spread = (chance[here] * (1 - chance[here])).sum()
        assert spread > 5
        assert abs(shown[here].sum() - chance[here].sum()) < 4 * spread**0.5


def test_settings_that_are_not_allowed_cost_a_sentence() -> None:
    for text, said in (
        ("best:prior=0", "BestSoFar needs a finite number above 0 as prior"),
        ("epsilon_greedy:epsilon=1.5", "EpsilonGreedy needs a finite number from 0 up up to 1 as epsilon"),
        ("ucb1:width=-1", "UCB1 needs a finite number above 0 as width"),
        ("linucb:creative_sigma=0", "LinUCB needs a finite number above 0 as creative_sigma"),
        ("hybrid:explore=-1", "Hybrid needs a finite number from 0 up as explore"),
        ("hybrid_history:trust=0", "HybridHistory needs a finite number above 0 as trust"),
        ("one:place=-1", "One needs a whole number from 0 up as place"),
    ):
        with pytest.raises(PolicyError, match=said):
            make_policy("creative", text)
    with pytest.raises(PolicyError, match="fatigue is true or false"):
        make_policy("creative", "content:fatigue=perhaps")
    with pytest.raises(MarketError, match="an oracle of creatives needs a scenario that has some"):
        Oracle(Scenario.preset("tiny"))
