"""What follows a click, and what would have come without one, against closed forms: rates, delays and uplift.

One bidder without a budget wins a slot that everybody sees; worlds are samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...simulator import Scenario, World
from ...simulator.core.clock import HOUR_US
from ...simulator.core.histogram import OCTAVE
from ...simulator.engine.state import Count
from ...simulator.response.leads import LeadCount, Step
from ...simulator.scenario.response import DelayPart
from .check import Check, equal, ratio

WORLDS = 20
RATES = {"form_open_rate": 0.5, "qualified_rate": 0.4, "sale_rate": 0.15}
SUBMITS = 0.2  # per click
MIXTURE = (DelayPart(weight=1.0, shape=1.0, scale_s=4 * 3600.0), DelayPart(weight=3.0, shape=1.4, scale_s=3 * 86_400.0))
WINDOW_DAYS = 7.0
ANYWAY = 0.3


def played(effort: float, lead: dict[str, object] | None, **response: object) -> list[World]:
    """Worlds of one lead campaign whose ad everybody sees and half of them click."""
    tree = Scenario.preset("uniform", bidders=1, requests=round(10_000 * effort)).model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0] |= {"conversion_rate": SUBMITS, "lead": lead}
    tree["users"]["count"] = 20_000
    tree["response"] |= {"window_days": WINDOW_DAYS, **response}
    worlds = [World(Scenario.from_tree(tree), seed=seed) for seed in range(WORLDS)]
    for world in worlds:
        world.run()
    return worlds


def chain(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 25: each step is taken at its own rate. `wrong` scales the rates of the market."""
    worlds = played(effort, {name: wrong * rate for name, rate in RATES.items()})
    clicks, submits = (_sums(world.ledger.counts[:, row] for world in worlds) for row in (Count.CLICKS, Count.CONVERSIONS))
    books = [world.ledger.leads for world in worlds]
    opens, qualified, sales = (
        _sums(book.counts[:, row] for book in books if book is not None)
        for row in (LeadCount.FORM_OPENS, LeadCount.QUALIFIED, LeadCount.SALES)
    )
    submitted = SUBMITS / RATES["form_open_rate"]
    return [
        ratio("25 lead chain: forms opened per click", "its rate", RATES["form_open_rate"], opens, clicks),
        ratio("25 lead chain: submits per form opened", "conversion rate / form open rate", submitted, submits, opens),
        ratio("25 lead chain: qualified per submit", "its rate", RATES["qualified_rate"], qualified, submits),
        ratio("25 lead chain: sales per qualified lead", "its rate", RATES["sale_rate"], sales, qualified),
    ]


def delays(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 26: share of a step's cases within so long, against the mixture of Weibulls truncated at the window.

    Two steps have the mixture, each in turn, and the one before it takes no time. `wrong` scales the market's delays.
    """
    parts = [part.model_copy(update={"scale_s": wrong * part.scale_s}).model_dump() for part in MIXTURE]
    at_once = [DelayPart(scale_s=1e-9).model_dump()]
    submit = played(effort, {**RATES, "submit_delay": parts})
    qualified = played(effort, {**RATES, "submit_delay": at_once, "qualified_delay": parts})
    found = []
    for name, step, worlds in (("submit", Step.SUBMIT, submit), ("qualified", Step.QUALIFY, qualified)):
        books = [world.ledger.leads for world in worlds]
        rows = np.array([book.elapsed[step] for book in books if book is not None])
        for hours in (1, 24, 96):
            place = round(math.log2(hours * HOUR_US) * OCTAVE)  # of the nearest edge of a bin
            inside = within(2 ** (place / OCTAVE) / 1e6)
            label = f"26 delay of {name}: share within about {hours} h"
            source = "sum of w (1 - exp(-(t/s)^k)) / (1 - exp(-(W/s)^k))"
            found.append(ratio(label, source, inside, rows[:, :place].sum(axis=1), rows.sum(axis=1)))
    return found


def within(seconds: float) -> float:
    """The distribution function of `MIXTURE`, each part truncated at the window."""
    total, window = sum(part.weight for part in MIXTURE), WINDOW_DAYS * 86_400

    def weibull(part: DelayPart, at: float) -> float:
        return -math.expm1(-((at / part.scale_s) ** part.shape))

    return sum(part.weight / total * weibull(part, seconds) / weibull(part, window) for part in MIXTURE)


def uplift(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 27: of conversions after a click, those by users who would not have converted anyway are incremental.

    With rates that do not depend on the user that is 1 - organic rate of them, and of their value. `wrong` scales the market's
    organic rate.
    """
    worlds = played(effort, None, organic={"rate": wrong * ANYWAY})
    books = [world.ledger.increments for world in worlds]
    conversions = _sums(world.ledger.conversions() for world in worlds)
    value = np.array([world.ledger.value().sum() for world in worlds])
    added = np.array([book.value.sum() for book in books if book is not None])
    incremental = _sums(book.incremental for book in books if book is not None)
    share = float(added.sum() / value.sum())
    return [
        ratio("27 uplift: incremental share of conversions", "1 - organic rate", 1 - ANYWAY, incremental, conversions),
        equal("27 uplift: incremental share of expected value", "1 - organic rate", 1 - ANYWAY, share, 1e-9),
    ]


def _sums(arrays: Iterable[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The sum of each array."""
    return np.array([array.sum() for array in arrays], np.float64)
