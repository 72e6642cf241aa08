"""What requests of each traffic tier earn under given quotas: as a platform would learn it from experiments on earlier days.

From a sample of requests of an even day, with bids at the prior multipliers, worth 1 and budgets not enforced; nothing here
looks at a day that is going to be played.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..core.arrays import LANES, Floats, Floats32, Integers
from ..core.chance import Stream, generator, stream_keys
from ..core.money import MICRO
from ..core.threads import one_blas_thread
from ..delivery.auction import PRICING
from ..delivery.funnel import Winnow
from ..delivery.quotas import tiers_of
from ..population.rates import Context
from ..requests.surfaces import Contexts, Surfaces, new_surfaces
from ..requests.worth import greatest_worth
from ..scenario.delivery import Quotas
from ..scenario.tree import Scenario
from .expected_day import expected_day
from .market import Market, build
from .sample import Sample, requests_of_even_day, sampled_bids, squashed

REQUESTS = 6144  # of the sample; a multiple of LANES


@lru_cache(maxsize=16)
def earnings(scenario: Scenario, quotas: tuple[tuple[int, int, int], ...]) -> Floats:
    """Revenue a request under each of so many quotas (recall, rough, fine), by tier, (tiers, quotas), currency; read-only.

    Tiers without users earn 0.
    """
    assert scenario.funnel is not None
    with one_blas_thread():
        found = _earnings(scenario, build(scenario), quotas)
    found.flags.writeable = False
    return found


def _earnings(scenario: Scenario, market: Market, quotas: tuple[tuple[int, int, int], ...]) -> Floats:
    funnel, table, people = scenario.funnel, market.campaigns, market.users
    assert funnel is not None
    assert market.ads is not None
    assert market.stages is not None
    keys = stream_keys(int(generator(scenario.market_seed, Stream.SAMPLE, 1).integers(1 << 62)))
    users, ticks = requests_of_even_day(scenario, people, keys, REQUESTS)
    surfaces, surface = new_surfaces(scenario, market.language), np.zeros(0, np.int64)
    context = Context.plain(REQUESTS, people.interests.shape[1])
    if scenario.asks:
        surface, query = np.zeros((2, REQUESTS), np.int64)
        contexts = Contexts(surfaces, market.language, people.interests.shape[1], keys)
        contexts.draw(0, surface, query)
        context = contexts.of(surface, query)
    context = context.lifted(np.full(REQUESTS, 1 / greatest_worth(scenario)))
    matches = None if market.language is None else market.language.matches
    live = (table.prior * table.target * MICRO).astype(np.float32)
    tier, tiers = people.tier[people.segment[users]], tiers_of(scenario)
    found = np.zeros((tiers, len(quotas)))
    for number, (recall, rough, fine) in enumerate(quotas):
        alike = funnel.alike(Quotas(recall=recall, rough=rough, fine=fine))
        winnow = Winnow(alike, market.stages, market.ads, people, table.ad_campaign, keys, matches)
        winnow.refresh((live * market.believed_conversion.mean(axis=0)).astype(np.float32))
        shape = int(winnow.first_row[-1]), REQUESTS
        click, who = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
        winnow.fill(0, 0, users, context, click, np.zeros(shape, np.int64), who)
        sample = Sample(
            rate=(click * market.believed_conversion[ticks, who]).astype(np.float32),
            click=click,
            who=who,
            weight=squashed(scenario, click),
            surface=surface,
            tick=ticks,
        )
        for t in range(tiers):
            found[t, number] = _revenue(scenario, sample, np.flatnonzero(tier == t), live, surfaces)
    return found


def _revenue(scenario: Scenario, sample: Sample, chosen: Integers, live: Floats32, surfaces: Surfaces) -> float:
    """Currency a request of those chosen, under the bids `live` (campaigns,)."""
    if not chosen.size:
        return 0.0
    # Filled up to whole groups, with requests for which nobody bids.
    padded = np.concatenate([chosen, np.zeros(-chosen.size % LANES, np.int64)])
    part = sample.at(padded)
    part.rate[:, chosen.size :] = 0
    totals = np.zeros((4, live.size))
    bids = sampled_bids(part, live, scenario)
    expected_day(bids, part.click, part.surface, surfaces, PRICING[scenario.auction.pricing], totals)
    return float(totals[1].sum() / MICRO / chosen.size)
