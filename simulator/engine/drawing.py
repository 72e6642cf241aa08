"""Blocks that compiled code draws by itself, where all that matters of a request is when it comes and who makes it.

It is what `Blocks` has done otherwise, step by step, by the machine code of the same kernels: without Python's lock in between,
for which worlds side by side would wait.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Floats, Floats32
from ..core.compiled import address, kernel
from ..core.intrinsics import call_kernel
from ..core.simd import WIDTH
from ..market.market import Market
from ..population.rates import NOTHING, Rates, best_ads, draw_rates
from ..population.scoring import rate_all
from ..requests.surfaces import draw_slots_seen
from ..requests.traffic import Intensity, arrive
from ..scenario.tree import Scenario
from .bids import cap_all
from .offered import add_offered
from .state import Control, Source, State

CALLED = "arrive", "see", "rate", "draw", "choose", "offered", "caps"  # addresses of kernels


def new_source(scenario: Scenario, market: Market, intensity: Intensity, seen: Floats, rates: Rates) -> Source:
    """Where the requests of a world come from; `seen` (surfaces, S) is how likely a slot is seen."""
    people = market.users
    ads, bias, columns = rates.believed
    return Source(
        even=int(scenario.traffic.arrivals == "even"),
        partial=np.zeros(1),
        time=intensity.time,
        before=intensity.total,
        intensity=intensity.rate,
        segment_share=people.segment_share,
        segment_start=people.segment_start,
        alias_share=people.alias_share,
        alias_user=people.alias_user,
        draws=np.zeros((3, CHUNK)),
        epochs=np.zeros(CHUNK),
        seen=seen,
        ads=ads,
        bias=bias,
        nothing=NOTHING[0],
        none=NOTHING[1],
        first_ad=market.campaigns.first_ad,
        block=np.empty((0, 0), np.float32),
        columns=columns,
        room=np.zeros(WIDTH, np.float32),
        **rates.law._asdict(),
        **dict.fromkeys(CALLED, 0),
    )


@kernel()
def draw_next(state: Any) -> Any:
    """Adds up what was offered in the block that is over, draws and rates the next one, and makes caps exact for it."""
    control, source, block, bids = state.control, state.source, state.block, state.bids
    believed = source.block if bids.ad.size > 0 else bids.rate
    first, played = control[Control.SCORED], control[Control.NEXT]
    if played > control[Control.COUNTED]:
        base = control[Control.BASE]
        call_kernel(source.offered, (control[Control.COUNTED] - base, played - base, source.room, state))
        control[Control.COUNTED] = played
    call_kernel(source.arrive, (
        state.keys, first, source.even != 0, source.partial, block.times[CHUNK - 1], control[Control.TICK_US],
        source.time, source.before, source.intensity, source.segment_share, source.segment_start, source.alias_share,
        source.alias_user, source.draws, source.epochs, block.times, block.users,
    ))  # fmt: skip
    call_kernel(source.see, (state.keys, first, source.seen, block.surface, block.slots_seen))
    if state.truth.block.size > 0:
        call_kernel(source.draw, (
            state.keys, first, source.normal, source.location, source.scale, source.noise, state.truth.block, believed,
        ))  # fmt: skip
    else:
        call_kernel(source.rate, (
            block.users, state.truth.users, source.ads, source.bias, source.nothing, source.none, source.none, source.columns,
            believed,
        ))  # fmt: skip
    if bids.ad.size > 0:
        call_kernel(source.choose, (believed, source.first_ad, bids.rate, bids.ad))
    control[Control.BASE], control[Control.SCORED] = first, first + CHUNK
    call_kernel(source.caps, (state,))
    return 0


def drawer_of(addressed: Addressed[State], believed: Floats32) -> int:
    """The address of `draw_next` for a state, which is told of the kernels that it calls.

    `believed` (A, CHUNK) is room for the rates of all ads.
    """
    if believed is not addressed.value.bids.rate:
        addressed.replace("source", block=believed)
    state = addressed.value
    key = addressed.numba_kind, state.truth.block.size > 0, state.bids.ad.size > 0
    if (found := _addresses.get(key)) is None:
        source, block = state.source, state.block
        who = source.segment_share, source.segment_start, source.alias_share, source.alias_user
        when = source.time, source.before, source.intensity
        room = source.draws, source.epochs, block.times, block.users
        vectors, brought = (state.truth.users, source.ads, source.bias), (source.nothing, source.none, source.none)
        rates, drawn, chosen = state.bids.rate, state.truth.block, state.bids.ad
        kernels = {
            "arrive": address(arrive, state.keys, 0, True, source.partial, 0, 0, *when, *who, *room),
            "see": address(draw_slots_seen, state.keys, 0, source.seen, block.surface, block.slots_seen),
            "rate": 0 if drawn.size else address(rate_all, block.users, *vectors, *brought, source.columns, rates),
            "draw": address(draw_rates, state.keys, 0, 0, 0.0, 0.0, 0.0, drawn, rates) if drawn.size else 0,
            "choose": address(best_ads, rates, source.first_ad, rates, chosen) if chosen.size else 0,
            "offered": address(add_offered, 0, 0, source.room, addressed),
            "caps": address(cap_all, addressed),
        }
        found = _addresses[key] = kernels, address(draw_next, addressed)
    addressed.replace("source", **found[0])
    return found[1]


_addresses: dict[Any, tuple[dict[str, int], int]] = {}  # by kind of market: of the kernels that are called, and the drawer's
