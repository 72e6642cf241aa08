"""The chain of a lead campaign: click, form opened, submit, qualified, sale; each with its own rate and delay.

The submit is the campaign's conversion, which `engine.settle` draws, prices and reports as any other. This adds what comes
before and after it. All draws are functions of request and ad, so that the lead which another ad would have brought exists.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, spelt_out
from ..core.errors import InvariantError
from ..core.histogram import OCTAVE, count_time, quantile_us
from ..population.campaigns import Campaigns
from ..scenario.tree import Scenario
from .delays import delay_table, delay_us


class LeadCount(IntEnum):
    """Rows of Chain.counts: a campaign is told the first LEADS_TOLD, only a judge may read the rest."""

    FORM_OPENS = 0
    QUALIFIED_REPORTED = 1
    QUALIFIED = 2  # reported or not
    SALES = 3


class Step(IntEnum):
    """Rows of Chain.delay and Chain.elapsed."""

    SUBMIT = 0
    QUALIFY = 1
    SELL = 2


LEADS_TOLD = 2
BINS = 52 * OCTAVE  # of Chain.elapsed: up to 143 years


class Chain(NamedTuple):
    """What the kernel knows of lead campaigns; K campaigns. Without any arrays: the market has none."""

    form_open: Floats  # (K,) forms opened per click; 0: not a lead campaign
    qualified: Floats  # (K,) per submit
    sale: Floats  # (K,) per qualified lead
    delay: Floats  # (len(Step), K, parts, 4) as `response.delay_table` has it, unused parts like the last one
    counts: Integers  # (len(LeadCount), K) of the tick under way
    reports: Integers  # (ticks, K) calendar of the leads to be reported as qualified
    elapsed: Integers  # (len(Step), BINS) attributed submits, qualified leads and sales by log2 of microseconds since the click
    tick_us: int
    last_tick: int


def new_chain(scenario: Scenario, table: Campaigns) -> Chain:
    """Nothing has been clicked yet; without arrays where no campaign is after leads."""
    leads = [c.lead for c in table.listed]
    campaigns = len(leads) if any(leads) else 0
    last_tick, window = scenario.days * scenario.ticks_per_day, scenario.response.window_days
    parts = max((len(d) for c in leads if c for d in (c.submit_delay, c.qualified_delay, c.sale_delay)), default=0)
    delay = np.ones((len(Step), campaigns, parts, 4))
    rates = np.zeros((3, campaigns))
    for k, lead in enumerate(leads):
        if lead is None:
            continue
        rates[:, k] = lead.form_open_rate, lead.qualified_rate, lead.sale_rate
        for step, mixture in enumerate((lead.submit_delay, lead.qualified_delay, lead.sale_delay)):
            rows = delay_table(mixture, window)
            rows[-1, 0] = 1.0  # exactly, so that no draw lies beyond it
            delay[step, k, : len(rows)], delay[step, k, len(rows) :] = rows, rows[-1]
    # A lead is reported as qualified after two delays, each within the window.
    ahead = int(2 * window * 86_400e6 // scenario.tick_us) + 2
    return Chain(
        form_open=rates[0],
        qualified=rates[1],
        sale=rates[2],
        delay=delay,
        counts=np.zeros((len(LeadCount), campaigns), np.int64),
        reports=np.zeros((min(ahead, last_tick + 1), campaigns), np.int64),
        elapsed=np.zeros((len(Step) if campaigns else 0, BINS), np.int64),
        tick_us=scenario.tick_us,
        last_tick=last_tick,
    )


@spelt_out
def is_lead_campaign(k: Any, state: Any) -> Any:
    """Whether a click on campaign k opens a form."""
    return state.chain.form_open.size > 0 and state.chain.form_open[k] > 0.0


@inlined
def conversion_delay(i: Any, a: Any, k: Any, state: Any) -> Any:
    """Microseconds from a click to its conversion, of a lead campaign to the submit."""
    u = uniform(state.keys[Stream.DELAY], i, a)
    if is_lead_campaign(k, state):
        return delay_us(state.chain.delay[Step.SUBMIT, k], u)
    return delay_us(state.terms.delay, u)


@inlined
def draw_lead(i: Any, a: Any, k: Any, now: Any, submitted: Any, report: Any, conversion: Any, state: Any) -> Any:
    """Draws and counts what goes with a click of request i on ad a of lead campaign k, at `now`.

    A submit was or was not drawn before, of probability `conversion`. `report` is when it is reported, -1 if it is not
    attributed to the ad, and then no lead is reported as qualified either. A form opens if it is submitted, and otherwise so
    often that forms opened per click come to `form_open`: with probability (form_open - conversion) / (1 - conversion).

    Returns whether a form was opened, and when the lead is reported as qualified and as sold, -1 if it never is.
    """
    chain, keys, never = state.chain, state.keys, np.int64(-1)
    if not submitted:
        opened = uniform(keys[Stream.FORM], i, a) * (1.0 - conversion) < chain.form_open[k] - conversion
        chain.counts[LeadCount.FORM_OPENS, k] += opened
        return opened, never, never
    chain.counts[LeadCount.FORM_OPENS, k] += 1
    attributed = report >= 0
    if attributed:
        count_time(report - now, chain.elapsed[Step.SUBMIT])
    if uniform(keys[Stream.QUALIFIED], i, a) >= chain.qualified[k]:
        return True, never, never
    chain.counts[LeadCount.QUALIFIED, k] += 1
    known = report + delay_us(chain.delay[Step.QUALIFY, k], uniform(keys[Stream.QUALIFIED_DELAY], i, a))
    if attributed:
        chain.reports[min(known // chain.tick_us, chain.last_tick) % chain.reports.shape[0], k] += 1
        count_time(known - now, chain.elapsed[Step.QUALIFY])
    if uniform(keys[Stream.SALE], i, a) >= chain.sale[k]:
        return True, known if attributed else never, never
    chain.counts[LeadCount.SALES, k] += 1
    if not attributed:
        return True, never, never
    sold = known + delay_us(chain.delay[Step.SELL, k], uniform(keys[Stream.SALE_DELAY], i, a))
    count_time(sold - now, chain.elapsed[Step.SELL])
    return True, known, sold


class LeadBooks:
    """What lead campaigns brought in each closed tick, `counts` (ticks, len(LeadCount), campaigns), and how long it took."""

    def __init__(self, ticks: int, chain: Chain) -> None:
        self.counts = np.zeros((ticks, *chain.counts.shape), np.int64)
        self.elapsed = chain.elapsed  # of the whole run so far, (len(Step), BINS)
        self._lead = chain.form_open > 0
        self._unreported = np.zeros((2, chain.form_open.size), np.int64)  # submits, qualified leads

    def close_tick(self, tick: int, chain: Chain, clicks: Integers, submits: Integers, reported: Integers) -> None:
        """Books the tick that ends, in which campaigns had so many clicks and submits, and clears the kernel's counters.

        Raises:
            InvariantError: if there is more of a step than of the one before, or more was reported than took place.
        """
        due = chain.reports[tick % len(chain.reports)]
        chain.counts[LeadCount.QUALIFIED_REPORTED] = due
        due[:] = 0
        found = self.counts[tick]
        found[:] = chain.counts
        chain.counts[:] = 0
        order = found[LeadCount.SALES], found[LeadCount.QUALIFIED], submits, found[LeadCount.FORM_OPENS], clicks
        if any((less[self._lead] > more[self._lead]).any() for less, more in pairwise(order)):
            raise InvariantError("a step of a lead campaign's chain was taken more often than the one before it")
        self._unreported += submits - reported, found[LeadCount.QUALIFIED] - found[LeadCount.QUALIFIED_REPORTED]
        if (self._unreported < 0).any():
            raise InvariantError("more conversions or qualified leads were reported than took place")

    def quantile_s(self, step: int, share: float) -> float:
        """Seconds from the click within which a share of a step's attributed cases had happened, to 2%; NaN without any."""
        return quantile_us(self.elapsed[step], share) / 1e6
