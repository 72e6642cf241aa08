"""The compiled walk over a block of requests: select, price, charge, and what people do, in the order of time.

Both engines call `walk`: `compiled` for all requests before the next event of the SimPy world, `events` for one at a time.
State lives in the arrays of `State`, which entry points take as a `Addressed`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.compiled import inlined
from ..delivery.rotation import Rotation
from ..requests.surfaces import Surfaces
from ..response.counters import History
from ..response.leads import Chain
from ..response.memory import Memory
from ..response.organic import Baseline
from ..response.visits import Visits

# Places in State.control.
(
    NEXT, BASE, SCORED, GROUP, STALE, PRICING, RESERVE, TICK_US, LAST_TICK, LEFT_BASE, FAULT, JOURNALED, RECORDED, RECORD_OF,
    UNMADE, CONTROLS,
) = range(16)  # fmt: skip


# Rows of State.counts and State.sums: the first TOLD of each are what a campaign is told, the rest only a judge may read.
REQUESTS, WINS, IMPRESSIONS, CLICKS, REPORTED, SPEND, WRITTEN_OFF, CONVERSIONS, ATTRIBUTED, COUNTS = range(10)


COUNTS_TOLD = 7


BELIEVED, OFFERED, DISCOUNT, VALUE, SUMS = range(5)


SUMS_TOLD = 2


# Columns of the journal and of the record.
JOURNAL_INTS = (
    "request", "time_us", "user", "campaign", "ad", "slot", "bid", "price", "clicked", "converted", "report_us", "creative",
    "surface", "query", "form_opened", "qualified_us", "sold_us",
)  # fmt: skip


JOURNAL_FLOATS = ("believed_rate", "true_rate", "propensity")


class State(NamedTuple):
    """Everything a kernel reads and writes. K campaigns, A ads, S slots; money in millionths.

    n = CHUNK requests of the block and, in a market with servers, columns behind them for those that still wait.
    """

    control: NDArray[np.int64]
    keys: NDArray[np.uint64]  # (streams,)
    seen: tuple[float, ...]  # (S,) given the slot before was seen
    times: NDArray[np.int64]  # (n,) arrival, microseconds
    users: NDArray[np.int64]  # (n,)
    session: NDArray[np.int64]  # (n,) its number; (0,) where requests come by themselves
    surface: NDArray[np.int64]  # (n,) where it is made; (0,) where there is but one and nobody asks
    query: NDArray[np.int64]  # (n,) what it asks, -1 for nothing; or (0,)
    page: NDArray[np.int64]  # (CHUNK,) place in the session, or (0,)
    present: NDArray[np.float32]  # (CHUNK,) 1: made, 0: its user had left; or (0,)
    rate: NDArray[np.float32]  # (K, n) believed click rate of the campaign's best ad
    ad: NDArray[np.int64]  # (K, n) that ad; (0, 0) where each campaign has one
    who: NDArray[np.int64]  # (rows, n) behind a funnel the campaign of each candidate, `rate` and `ad` having rows; else (0, 0)
    weight: NDArray[np.float32]  # (K, n) of the rank; (0, 0) where all are 1
    offer: NDArray[np.float32]  # (rows, n) bids by request of the campaigns that make them
    offer_row: NDArray[np.int64]  # (K,) row of `offer`, or -1
    truth_users: NDArray[np.float32]
    truth_ads: NDArray[np.float32]
    truth_bias: NDArray[np.float32]
    truth_block: NDArray[np.float32]
    live: NDArray[np.float32]  # (K,) bid for a click; 0 takes no part
    cap: NDArray[np.float32]  # (K,) most it can pay for an impression
    click_cap: NDArray[np.float32]  # (K,) most it can pay for a click
    active: NDArray[np.bool_]  # (K,) has a flight today and is not paused
    watch: NDArray[np.float64]  # (K,) with less budget left than this, caps must be exact after each charge
    billing: NDArray[np.int64]  # (K,)
    allowance: NDArray[np.int64]  # (K,) what it may have spent by now
    spent: NDArray[np.int64]  # (K,)
    believed_conversion: NDArray[np.float64]  # (K,) conversions per click
    true_conversion: NDArray[np.float64]  # (K,)
    attributed: NDArray[np.float64]  # (K,) share of conversions that come in time to be attributed to the ad
    value: NDArray[np.float64]  # (K,) of a conversion, currency
    counts: NDArray[np.int64]  # (COUNTS, K)
    sums: NDArray[np.float64]  # (SUMS, K)
    slot_impressions: NDArray[np.int64]  # (S,)
    threshold: NDArray[np.float64]  # (1,) sum over requests of the least rank that wins a slot
    reports: NDArray[np.int64]  # (ticks, K) calendar of conversions to be reported
    owed: NDArray[np.int64]  # (ticks, K) and of what they cost
    delay: NDArray[np.float64]  # (parts, 4)
    attribution_us: int  # conversions after a longer delay are neither reported nor billed
    chain: Chain
    baseline: Baseline
    memory: Memory
    visits: Visits
    surfaces: Surfaces
    rotation: Rotation
    rule_address: NDArray[np.int64]  # (R,) where the compiled rules are
    rule_campaign: NDArray[np.int64]  # (R,) campaigns that bid by rule
    rule_first: NDArray[np.int64]  # (R + 1,) where its state starts
    rule_state: NDArray[np.float64]
    rule_word: NDArray[np.int64]  # (R,) what they bid for the request being played, as `auction.word` has it
    top: NDArray[np.int64]  # (S + 1, LANES)
    journal_ints: NDArray[np.int64]  # (rows, JOURNAL_INTS); no rows: no journal
    journal_floats: NDArray[np.float64]  # (rows, JOURNAL_FLOATS)
    history: History
    record_ints: NDArray[np.int64]  # (rows, 3) request, slots seen, clicked if shown
    record_floats: NDArray[np.float64]  # (rows, 3 + S) believed rate, value if seen, weight; rivals' ranks / weight


@inlined
def pass_over(state: Any) -> None:
    """Counts a request that is not made, since its user has left: one fewer of those forecast is asked for."""
    state.control[LEFT_BASE] += 1
    state.control[UNMADE] += 1
