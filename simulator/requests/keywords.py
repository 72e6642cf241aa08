"""The keywords that campaigns buy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..core.chance import Stream, alias_draw, alias_table, generator, stream_keys, uniform
from ..core.compiled import kernel
from ..core.errors import ScenarioError
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..scenario.search import Search
from .matching import MATCH_TYPES, Keywords
from .queries import KEYWORDS, Queries

MISSES = 32  # draws in vain before a campaign takes the most popular query that it does not have


def buy_keywords(settings: Search, queries: Queries, table: Campaigns, ads: AdVectors, market_seed: int) -> Keywords:
    """The keywords of each campaign: queries of its vertical, rather popular ones, rather those that suit its ads."""
    verticals, place = np.unique(table.vertical, return_inverse=True)
    order = np.argsort(queries.vertical, kind="stable")  # by vertical, then by popularity
    first = np.searchsorted(queries.vertical[order], np.append(verticals, verticals[-1] + 1))
    fewest = int(np.diff(first).argmin())
    if first[fewest + 1] - first[fewest] < settings.keywords:
        raise ScenarioError(
            f"search.keywords cannot be {settings.keywords:,}: there are only {first[fewest + 1] - first[fewest]:,} queries in "
            f"vertical {verticals[fewest]}"
        )
    share, other = np.empty(len(order)), np.empty(len(order), np.int64)
    popularity = queries.popularity[order]
    for low, high in pairwise(first):
        # Relative to the most popular one, so that no power is lost to zero for all of a vertical.
        weight = (popularity[low:high] / popularity[low]) ** settings.keyword_popularity
        share[low:high], other[low:high] = alias_table(weight)
        other[low:high] += low
    taste = np.add.reduceat(ads.vectors, table.first_ad[:-1], axis=0)
    phrase = np.empty((len(table.names), settings.keywords), np.int64)
    choose_keywords(
        stream_keys(market_seed)[Stream.VOCABULARY], place, first, order, share, other, settings.keyword_choice, taste,
        queries.vectors, np.full(len(order), -1), phrase,
    )  # fmt: skip
    shares = np.array([getattr(settings.match_types, name) for name in MATCH_TYPES])
    dice = generator(market_seed, Stream.VOCABULARY, KEYWORDS)
    match_type = dice.choice(len(MATCH_TYPES), size=phrase.size, p=shares / shares.sum())
    return Keywords(np.arange(len(table.names) + 1) * settings.keywords, phrase.ravel(), match_type)


@kernel(nogil=True)
def choose_keywords(
    key: Any, vertical: Any, first: Any, order: Any, share: Any, other: Any, choice: Any, taste: Any, vectors: Any, stamp: Any,
    phrase: Any,
) -> None:  # fmt: skip
    """Fills phrase[k, w] with different queries of campaign k's vertical; `stamp` (queries,) is -1.

    For each keyword `choice` queries are drawn, and the one whose vector suits the campaign's taste best is taken among those
    that it does not have yet. If they are all its own, it draws on, but not for ever: then the most popular one left is taken.
    """
    for k in range(phrase.shape[0]):
        low, high = first[vertical[k]], first[vertical[k] + 1]
        drawn = 0
        for w in range(phrase.shape[1]):
            best, best_fit, misses = np.int64(-1), 0.0, 0
            looked = 0
            while looked < choice or (best < 0 and misses < MISSES):
                looked += 1
                q = order[alias_draw(uniform(key, k, drawn), low, high, share, other)]
                drawn += 1
                if stamp[q] == k:
                    misses += 1
                    continue
                fit = 0.0
                for d in range(vectors.shape[1]):
                    fit += vectors[q, d] * taste[k, d]
                if best < 0 or fit > best_fit:
                    best, best_fit = q, fit
            if best < 0:
                place = low
                while stamp[order[place]] == k:
                    place += 1
                best = order[place]
            stamp[best], phrase[k, w] = k, best
