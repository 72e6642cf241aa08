"""What a platform has logged of an earlier day, on which ads rotated evenly: clicks by format and segment."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...core.arrays import Floats
from ...core.threads import one_blas_thread
from ...delivery.rotation import set_shares
from ...engine.exchange import Exchange
from ...engine.unattended import player, ticks
from ...market.market import build
from ...scenario.creatives import FORMATS
from ...scenario.tree import Scenario

EARLIER = 1 << 62  # the seed of that day, which no world is likely to have


@lru_cache(maxsize=16)
def format_history(scenario: Scenario) -> Floats:
    """(formats, S, 2): clicks, and those that belief and fatigue let expect were all creatives alike.

    The day is the market's own but for its luck; nobody waits for servers, and creatives that come late are not there.
    """
    scenario = scenario.override({"days": 1, "serving": None})
    market = build(scenario)
    assert market.creatives is not None
    exchange = Exchange(scenario, market, EARLIER)
    casting, state = exchange.take_creative_desk().casting, exchange.state
    early = (market.creatives.born == 0).astype(np.float64)
    for ad, (low, high) in enumerate(zip(market.creatives.first[:-1], market.creatives.first[1:], strict=True)):
        set_shares(state.rotation, ad, early[low:high] / early[low:high].sum())
    play = player(exchange)
    with one_blas_thread():
        for end in ticks(exchange):
            exchange.blocks.reindex()
            play(end)
    found = np.zeros((len(FORMATS), scenario.users.segments, 2))
    np.add.at(found[..., 0], market.creatives.format, casting.clicks)
    np.add.at(found[..., 1], market.creatives.format, casting.expected)
    found.flags.writeable = False
    return found
