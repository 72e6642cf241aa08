"""The chain of a lead campaign: click, form opened, submit, qualified, sale; each with its own rate and delay.

The submit is the campaign's conversion, which `kernel.settle` draws, prices and reports as any other. This adds what comes
before and after it. All draws are functions of request and ad, so that the lead which another ad would have brought exists.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, uniform
from ..core.compiled import inlined
from ..core.errors import InvariantError
from ..population.campaigns import Campaigns
from ..scenario.tree import Scenario
from .delays import delay_table, delay_us

# Rows of Chain.counts: the first TOLD of them a campaign is told.
FORM_OPENS, QUALIFIED_REPORTED, QUALIFIED, SALES, COUNTS = range(5)
TOLD = 2
SUBMIT, QUALIFY, SELL, STEPS = range(4)  # rows of Chain.delay and Chain.elapsed
OCTAVE = 32  # bins of Chain.elapsed in a doubling: quantiles are known to 2%
BINS = 52 * OCTAVE  # up to 143 years


class Chain(NamedTuple):
    """What the kernel knows of lead campaigns; K campaigns. Without any arrays: the market has none."""

    form_open: Floats  # (K,) forms opened per click; 0: not a lead campaign
    qualified: Floats  # (K,) per submit
    sale: Floats  # (K,) per qualified lead
    delay: Floats  # (STEPS, K, parts, 4) as `response.delay_table` has it, unused parts like the last one
    counts: Integers  # (COUNTS, K) of the tick under way
    reports: Integers  # (ticks, K) calendar of the leads to be reported as qualified
    elapsed: Integers  # (STEPS, BINS) attributed submits, qualified leads and sales by log2 of microseconds since the click
    tick_us: int
    last_tick: int


def new_chain(scenario: Scenario, table: Campaigns) -> Chain:
    """Nothing has been clicked yet; without arrays where no campaign is after leads."""
    leads = [c.lead for c in table.listed]
    held = len(leads) if any(leads) else 0
    last_tick, window = scenario.days * scenario.ticks_per_day, scenario.response.window_days
    parts = max((len(d) for c in leads if c for d in (c.submit_delay, c.qualified_delay, c.sale_delay)), default=0)
    delay = np.ones((STEPS, held, parts, 4))
    rates = np.zeros((3, held))
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
        counts=np.zeros((COUNTS, held), np.int64),
        reports=np.zeros((min(ahead, last_tick + 1), held), np.int64),
        elapsed=np.zeros((STEPS if held else 0, BINS), np.int64),
        tick_us=scenario.tick_us,
        last_tick=last_tick,
    )


@inlined
def conversion_delay(i: Any, a: Any, k: Any, state: Any) -> Any:
    """Microseconds from a click to its conversion, of a lead campaign to the submit."""
    u = uniform(state.keys[Stream.DELAY], i, a)
    if state.chain.form_open.size > 0 and state.chain.form_open[k] > 0.0:
        return delay_us(state.chain.delay[SUBMIT, k], u)
    return delay_us(state.delay, u)


@inlined
def follow(i: Any, a: Any, k: Any, now: Any, submitted: Any, report: Any, conversion: Any, state: Any) -> Any:
    """Draws and counts what goes with a click of request i on ad a of lead campaign k, at `now`.

    A submit was or was not drawn before, of probability `conversion`. `report` is when it is reported, -1 if it is not
    attributed to the ad, and then no lead is reported as qualified either. A form opens if it is submitted, and otherwise so
    often that forms opened per click come to `form_open`: with probability (form_open - conversion) / (1 - conversion).

    Returns whether a form was opened, and when the lead is reported as qualified and as sold, -1 if it never is.
    """
    chain, keys, never = state.chain, state.keys, np.int64(-1)
    if not submitted:
        opened = uniform(keys[Stream.FORM], i, a) * (1.0 - conversion) < chain.form_open[k] - conversion
        chain.counts[FORM_OPENS, k] += opened
        return opened, never, never
    chain.counts[FORM_OPENS, k] += 1
    attributed = report >= 0
    if attributed:
        chain.elapsed[SUBMIT, bin_of(report - now)] += 1
    if uniform(keys[Stream.QUALIFIED], i, a) >= chain.qualified[k]:
        return True, never, never
    chain.counts[QUALIFIED, k] += 1
    known = report + delay_us(chain.delay[QUALIFY, k], uniform(keys[Stream.QUALIFIED_DELAY], i, a))
    if attributed:
        chain.reports[min(known // chain.tick_us, chain.last_tick) % chain.reports.shape[0], k] += 1
        chain.elapsed[QUALIFY, bin_of(known - now)] += 1
    if uniform(keys[Stream.SALE], i, a) >= chain.sale[k]:
        return True, known if attributed else never, never
    chain.counts[SALES, k] += 1
    if not attributed:
        return True, never, never
    sold = known + delay_us(chain.delay[SELL, k], uniform(keys[Stream.SALE_DELAY], i, a))
    chain.elapsed[SELL, bin_of(sold - now)] += 1
    return True, known, sold


@inlined
def bin_of(elapsed_us: Any) -> Any:
    """The bin of a histogram in which a time lies."""
    return np.int64(np.log2(np.float64(max(elapsed_us, 1))) * OCTAVE)


class LeadBooks:
    """What lead campaigns brought in each closed tick: `counts` (ticks, COUNTS, campaigns), and how long it took in all."""

    def __init__(self, ticks: int, chain: Chain) -> None:
        self.counts = np.zeros((ticks, *chain.counts.shape), np.int64)
        self.elapsed = chain.elapsed  # of the whole run so far, (STEPS, BINS)
        self._lead = chain.form_open > 0
        self._unreported = np.zeros((2, chain.form_open.size), np.int64)  # submits, qualified leads

    def close_tick(self, tick: int, chain: Chain, clicks: Integers, submits: Integers, reported: Integers) -> None:
        """Books the tick that ends, in which campaigns had so many clicks and submits, and clears the kernel's counters.

        Raises:
            InvariantError: if there is more of a step than of the one before, or more was reported than took place.
        """
        due = chain.reports[tick % len(chain.reports)]
        chain.counts[QUALIFIED_REPORTED] = due
        due[:] = 0
        found = self.counts[tick]
        found[:] = chain.counts
        chain.counts[:] = 0
        order = found[SALES], found[QUALIFIED], submits, found[FORM_OPENS], clicks
        if any((less[self._lead] > more[self._lead]).any() for less, more in pairwise(order)):
            raise InvariantError("a step of a lead campaign's chain was taken more often than the one before it")
        self._unreported += submits - reported, found[QUALIFIED] - found[QUALIFIED_REPORTED]
        if (self._unreported < 0).any():
            raise InvariantError("more conversions or qualified leads were reported than took place")

    def quantile_s(self, step: int, share: float) -> float:
        """Seconds from the click within which a share of a step's attributed cases had happened, to 2%; NaN without any."""
        histogram = self.elapsed[step]
        if histogram.sum() == 0:
            return float("nan")
        place = int(np.searchsorted(np.cumsum(histogram), share * histogram.sum()))
        return float(2 ** ((place + 0.5) / OCTAVE) / 1e6)
