"""Dynamic programmes: what the rest of a user's days is worth, by time, satisfaction and boredom, for each of a few users.

In a session the state is (satisfaction, boredom); what a page offers is drawn anew for each, from an even day's prices, so that
it is averaged over. Luck within a page enters by its mean. Users come to about one session after another: those that are to be
expected are taken as a row of chances, at each of which a user comes as he is satisfied. A programme is solved for users of
some levels of price and rates of leaving; a rule goes between those by what it believes of the user before it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.chance import Stream, generator
from ...simulator.core.compiled import inlined, kernel, spelt_out
from ...simulator.core.rules import RowRule
from ...simulator.engine.asking import LEAST_PAY, Column
from ...simulator.requests.sessions import strain
from ...simulator.scenario.people import Patience
from ...simulator.seats.allocation.memory import packed, rest_in, scales_in, shapes_in
from ...simulator.seats.allocation.vectors import ORGANIC, WORN, scales, shapes, worth_now
from ...simulator.seats.allocation.view import Facts

SATISFACTION = np.linspace(0.3, 1.3, 7)
BOREDOM = np.array([0, 0.7, 1.4, 2, 3, 4, 5.5, 7.5, 10.0, 13.0])
LEVELS, RATES, SAMPLES = 4, 7, 24
REACH = 2.0  # standard deviations from the mean to the outermost rate
CLOSE = 5e-3  # of a usual charge: sweeps end when no value moves by more
MOST_SWEEPS = 400


class Programme(NamedTuple):
    """Solved for levels of price (L,), logs, and rates of leaving (R,); D chances of a session."""

    level: Floats  # (L,)
    rate: Floats  # (R,)
    normal: Floats  # (R,) those as standard normals in the log
    here: Floats  # (L, R, D, satisfaction, boredom) value before a page
    gone: Floats  # (L, R, D + 1, satisfaction) value between sessions, before the chance of a number
    laws: Floats  # see `laws`


CHANCES, POWER, KEPT, GOES_ON, ANNOYANCE, MOVES, VISITS, SLOPE, LAWS = range(9)  # places in the laws, and how many
SATISFIED, BORED = SATISFACTION.size, BOREDOM.size
LEAST_SHARE = 1e-4  # of belief that is looked at


def laws(facts: Facts) -> Floats:
    """What is known of users: chances of a session a day, and the laws of boredom, satisfaction and visits."""
    sessions, patience = facts.sessions, facts.sessions.patience or Patience()
    odds = math.log(sessions.visit_share / (1 - sessions.visit_share))
    return np.array(
        [
            facts.chances, patience.power, sessions.boredom_kept, 1 - 1 / sessions.mean_requests,
            sessions.ad_annoyance, sessions.satisfaction_rate, odds, sessions.visit_slope,
        ]
    )  # fmt: skip


_solved: dict[tuple[bytes, ...], Programme] = {}


def programme(facts: Facts) -> Programme:
    """That of a market's pages; solved once."""
    known = tuple(np.ascontiguousarray(part).tobytes() for part in (facts.prices, shapes(facts), scales(facts), laws(facts)))
    solved = _solved.get(known)
    if solved is None:
        solved = _programme(facts)
        _solved.clear()  # one market at a time
        _solved[known] = solved
    return solved


def _programme(facts: Facts) -> Programme:
    patience = facts.sessions.patience or Patience()
    best = np.log(np.maximum(facts.prices[:, 0], LEAST_PAY))
    own = math.sqrt(max(float(best.var()) - facts.request_sigma**2, 0.0))  # between users
    level = best.mean() + own * np.linspace(-1.8, 1.8, LEVELS if own > 0 else 1)
    normal = np.linspace(-REACH, REACH, RATES) if patience.sigma else np.zeros(1)
    rate = facts.sessions.leave_rate * np.exp(patience.sigma * normal - patience.sigma**2 / 2)
    chances = max(round(facts.chances * facts.days), 1)
    law = laws(facts)
    here = np.zeros((level.size, rate.size, chances, SATISFACTION.size, BOREDOM.size))
    gone = np.zeros((level.size, rate.size, chances + 1, SATISFACTION.size))
    close, after_page = CLOSE * facts.pay, (BOREDOM.size, len(facts.ads))
    gain = np.zeros((BOREDOM.size, SAMPLES, len(facts.ads)))
    room = gain, np.zeros(after_page), np.zeros(after_page, np.int64), np.zeros(after_page)
    for i, place in enumerate(level):
        prices, content = pages(facts, float(place))
        for j, its in enumerate(rate):
            solve(
                float(its),
                law,
                shapes(facts),
                scales(facts),
                prices,
                content,
                SATISFACTION,
                BOREDOM,
                close,
                *room,
                here[i, j],
                gone[i, j],
            )
    return Programme(level, rate, normal, here, gone, law)


def pages(facts: Facts, level: float) -> tuple[Floats, Floats]:
    """Pages that a user of a level of prices meets: what their ads pay, (SAMPLES, A), and what their content is worth."""
    dice = generator(0, Stream.POLICY, 0)
    rows = facts.prices[dice.integers(len(facts.prices), size=SAMPLES)]
    own = dice.standard_normal((2, SAMPLES // 2))
    noise, worth = np.concatenate([own, -own], axis=1)
    noise, worth = noise / noise.std(), dice.permutation(worth) / worth.std()
    first = np.maximum(rows[:, :1], LEAST_PAY)
    sigma, spread = facts.request_sigma, facts.sessions.content_sigma
    return rows / first * np.exp(level + sigma * noise)[:, None], np.exp(spread * worth - spread**2 / 2)


@inlined
def between(x: Any, nodes: Any) -> Any:
    """The node below x, and how far x is on the way to the next, neither beyond the ends."""
    last = nodes.size - 1
    if last == 0 or x <= nodes[0]:
        return np.int64(0), 0.0
    if x >= nodes[last]:
        return np.int64(last - 1), 1.0
    i = np.int64(0)
    while x >= nodes[i + 1]:
        i += 1
    return i, (x - nodes[i]) / (nodes[i + 1] - nodes[i])


@spelt_out
def comes(satisfied: Any, law: Any) -> Any:
    """Probability of a visit."""
    return 1.0 / (1.0 + math.exp(-law[VISITS] - law[SLOPE] * (satisfied - 1.0)))


@spelt_out
def goes_on(boredom: Any, rate: Any, law: Any) -> Any:
    """Probability of another page of the session."""
    return math.exp(-rate * strain(boredom, law[POWER])) * law[GOES_ON]


@kernel(nogil=True)
def solve(
    rate: Any, law: Any, shapes: Any, scales: Any, prices: Any, content: Any, satisfaction: Any, boredom: Any, close: Any,
    gain: Any, on: Any, low: Any, share: Any, here: Any, gone: Any,
) -> None:  # fmt: skip
    """Fills in the values of a user with that rate of leaving, from the last chance to the first, each by sweeps.

    Room for what does not change from sweep to sweep: `gain` (boredom, samples, P) what a page brings at once, and, (boredom,
    P) each, of what comes after a pattern: `on` the probability of another page, `low` and `share` the boredom at its start.
    """
    patterns, width, samples, last = shapes.shape[0], shapes.shape[1], content.size, here.shape[0]
    for j in range(boredom.size):
        ready = 1.0 if scales[WORN] == 0.0 else (1.0 + boredom[j]) ** -scales[WORN]
        for a in range(patterns):
            bored = boredom[j] + shapes[a, width - 1]
            on[j, a] = goes_on(bored, rate, law)
            low[j, a], share[j, a] = between(law[KEPT] * bored, boredom)
            for k in range(samples):
                gain[j, k, a] = scales[ORGANIC] * content[k] * shapes[a, width - 2]
                for r in range(width - 2):
                    gain[j, k, a] += shapes[a, r] * prices[k, r] * ready
    for d in range(last - 1, -1, -1):
        for i in range(satisfaction.size if d + 1 < last else 0):  # a good guess
            for j in range(boredom.size):
                here[d, i, j] = here[d + 1, i, j]
        for _ in range(MOST_SWEEPS):
            if sweep(law, shapes, content, satisfaction, gain, on, low, share, here[d], gone[d + 1]) < close:
                break
        for i in range(satisfaction.size):
            p = comes(satisfaction[i], law)
            gone[d, i] = p * here[d, i, 0] + (1.0 - p) * gone[d + 1, i]


@inlined
def sweep(
    law: Any, shapes: Any, content: Any, satisfaction: Any, gain: Any, on: Any, low: Any, share: Any, here: Any, gone: Any
) -> Any:
    """Improves the values of a session, (satisfaction, boredom), where those after it are `gone`; returns the largest move."""
    patterns, width, samples, moved = shapes.shape[0], shapes.shape[1], content.size, 0.0
    step = satisfaction[1] - satisfaction[0]
    for i in range(satisfaction.size):
        for j in range(here.shape[1] - 1, -1, -1):
            total = 0.0
            for k in range(samples):
                best = -np.inf
                for a in range(patterns):
                    worth = content[k] * shapes[a, width - 2]
                    s = satisfaction[i] + law[MOVES] * (worth - law[ANNOYANCE] * shapes[a, width - 1] - satisfaction[i])
                    x = min(max((s - satisfaction[0]) / step, 0.0), satisfaction.size - 1.000001)
                    m, n, h = np.int64(x), low[j, a], share[j, a]
                    u = x - m
                    stays = (1 - u) * ((1 - h) * here[m, n] + h * here[m, n + 1])
                    stays += u * ((1 - h) * here[m + 1, n] + h * here[m + 1, n + 1])
                    leaves = (1 - u) * gone[m] + u * gone[m + 1]
                    best = max(best, gain[j, k, a] + on[j, a] * stays + (1 - on[j, a]) * leaves)
                total += best
            total /= samples
            moved = max(moved, abs(total - here[i, j]))
            here[i, j] = total
    return moved


@inlined
def after(
    satisfied: Any, bored: Any, worth: Any, boring: Any, rate: Any, law: Any, here: Any, gone: Any, satisfaction: Any,
    boredom: Any,
) -> Any:  # fmt: skip
    """What is to come, once a page with content of that worth and so many boring ads has been seen.

    `here` (satisfaction, boredom) if the session goes on, `gone` (satisfaction,) if it ends: with as many chances to come, or
    whoever leaves would seem to have more of them before him than whoever stays.
    """
    s = satisfied + law[MOVES] * (worth - law[ANNOYANCE] * boring - satisfied)
    b = bored + boring
    on = goes_on(b, rate, law)
    i, u = between(s, satisfaction)
    j, v = between(law[KEPT] * b, boredom)
    stays = (1 - u) * ((1 - v) * here[i, j] + v * here[i, j + 1]) + u * ((1 - v) * here[i + 1, j] + v * here[i + 1, j + 1])
    return on * stays + (1.0 - on) * ((1 - u) * gone[i] + u * gone[i + 1])


def memory(facts: Facts, how: int) -> Floats:
    """What `rule` needs to know: how it takes a user's rate of leaving, the laws, and the programme."""
    solved = programme(facts)
    patience = facts.sessions.patience or Patience()
    head = [how, solved.level.size, solved.rate.size, solved.here.shape[2], patience.hint]
    return packed(
        facts, head, solved.laws, solved.level, solved.rate, solved.normal, SATISFACTION, BOREDOM, solved.here, solved.gone
    )


AVERAGE, HINTED, BELIEVED, TOLD = range(4)  # what a rule takes for a user's rate
HEAD = 5
# What a rule keeps of a user: logs of how likely each rate is by what he did, or, told, his rate; what it has seen of BORNE and
# of ENDED; and room for how likely each rate is.
WIDTH = 2 * RATES + 2


@cache
def rule() -> RowRule:
    """The pattern with the most of what it brings at once and what is then to come, over what the user's rate may be."""

    def planned(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales, shapes, rest = scales_in(memory), shapes_in(memory), rest_in(memory)
        how, levels, rates, chances = np.int64(rest[0]), np.int64(rest[1]), np.int64(rest[2]), np.int64(rest[3])
        first: Any = HEAD + LAWS
        law, chance = rest[HEAD:first], own[RATES + 2 :]
        level, rate = rest[first : first + levels], rest[first + levels : first + levels + rates]
        first += levels + rates
        normal, first = rest[first : first + rates], first + rates
        satisfaction, boredom = rest[first : first + SATISFIED], rest[first + SATISFIED : first + SATISFIED + BORED]
        first += SATISFIED + BORED
        size = chances * SATISFIED * BORED
        here = rest[first : first + levels * rates * size].reshape(levels, rates, chances, SATISFIED, BORED)
        gone = rest[first + levels * rates * size :].reshape(levels, rates, chances + 1, SATISFIED)
        if how == TOLD:
            certain(own[0], rate, chance)
        else:
            believe(view, how, rest[4], rate, normal, law, own, chance)
        passed = (view[Column.DAY] + view[Column.ELAPSED]) * law[CHANCES]
        # The session whose end leaves about as many chances as there are.
        d: Any = min(max(np.int64(math.floor(passed - 0.5)), 0), chances - 1)
        i, u = between(view[Column.LEVEL], level)
        best, chosen, width = -np.inf, np.int64(0), shapes.shape[1]
        for a in range(shapes.shape[0]):
            content = view[Column.CONTENT] * shapes[a, width - 2]
            worth = worth_now(view, shapes[a], scales) + scales[ORGANIC] * content
            for g in range(rates):
                its = own[0] if how == TOLD else rate[g]
                for m in range(2):
                    share = chance[g] * (u if m == 1 else 1.0 - u)
                    if share > LEAST_SHARE:
                        worth += share * after(
                            view[Column.SATISFACTION], view[Column.BOREDOM], content, shapes[a, width - 1], its, law,
                            here[i + m, g, d], gone[i + m, g, d + 1], satisfaction, boredom,
                        )  # fmt: skip
            if worth > best:
                best, chosen = worth, np.int64(a)
        return chosen

    return RowRule(planned)


@inlined
def certain(its: Any, rate: Any, chance: Any) -> None:
    """Between which two rates of the programme a rate lies, as how much each of them counts."""
    chance[: rate.size] = 0.0
    g, v = between(its, rate)
    chance[g] = 1.0 - v
    if v > 0.0:
        chance[g + 1] = v


@inlined
def believe(view: Any, how: Any, hint: Any, rate: Any, normal: Any, law: Any, own: Any, chance: Any) -> None:
    """How likely each rate is: beforehand, by the hint, or by what the user has borne and at what he left, too (Bayes).

    Weights are taken in logs, over the largest: those of many days, or of a hint that says all, are beyond any float.
    """
    total, largest, sessions_end = 0.0, -np.inf, view[Column.ENDED] - own[RATES + 1]
    for g in range(rate.size):
        centre, width = (hint * view[Column.HINT], 1.0 - hint * hint) if how != AVERAGE else (0.0, 1.0)
        chance[g] = -0.5 * (normal[g] - centre) ** 2 / max(width, 1e-3)
        if how == BELIEVED:
            own[g] -= rate[g] * (view[Column.BORNE] - own[RATES])
            if sessions_end > 0.0:
                own[g] += math.log(1.0 - law[GOES_ON] * math.exp(-rate[g] * sessions_end))
            chance[g] += own[g]
        largest = max(largest, chance[g])
    for g in range(rate.size):
        chance[g] = math.exp(chance[g] - largest)
        total += chance[g]
    for g in range(rate.size):
        chance[g] /= total
    own[RATES], own[RATES + 1] = view[Column.BORNE], view[Column.ENDED]
