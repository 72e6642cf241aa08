"""The language of search traffic: words, queries with their meaning and intent, and the keywords that campaigns buy.

All of it is a function of the `market_seed`. A query means a vector in the space of users' interests, so that
click log-odds = bias + (user + query) . ad + the intent's; the platform believes a noisy copy of the vector.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Floats32, Integers, Integers32
from ..core.chance import Stream, alias_draw, generator, uniform
from ..core.compiled import inlined
from ..core.errors import ScenarioError
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..scenario.search import Search
from .matching import NOTHING, build_trie, concept_sets

INTENTS = ("informational", "commercial", "transactional")
INTENT_WORDS = (("how", "guide", "about"), ("best", "compare", "review"), ("buy", "order", "cheap"))
SYLLABLES = tuple(c + v for c in "bdfghklmnprstvz" for v in "aeiou")
STEMS = len(SYLLABLES) ** 3
STRIDE = 260_734  # near STEMS over the golden ratio, and prime to it: neighbouring concepts look different
ENDINGS = ("", "n", "r", "l", "s", "m", "t", "k", "x")  # of the canonical word and its synonyms
WORDS, MEANING, BELIEF, KEYWORDS, SPELLING = range(5)  # draws of the stream VOCABULARY
ROUNDS = 40  # of draws until there are enough different queries


class Vocabulary(NamedTuple):
    """Words and what they stand for. The intents are the last concepts, and their words synonyms of each other."""

    concept_vertical: Integers  # (concepts,) without the intents
    token_concept: Integers  # (tokens,)
    forms: int  # words for a concept: the canonical one first, then its synonyms
    first_stem: int

    def word(self, token: int) -> str:
        """The token as a person reads it, no two alike; words for one concept differ in their last letter."""
        concepts = len(self.concept_vertical)
        if token >= concepts * self.forms:
            rest = token - concepts * self.forms
            return INTENT_WORDS[rest // len(INTENT_WORDS[0])][rest % len(INTENT_WORDS[0])]
        concept, form = divmod(token, self.forms)
        stem = (self.first_stem + concept * STRIDE) % STEMS
        n = len(SYLLABLES)
        return SYLLABLES[stem // n // n] + SYLLABLES[stem // n % n] + SYLLABLES[stem % n] + ENDINGS[form]


class Queries(NamedTuple):
    """The queries, most popular first, and how a request finds its own (Walker's alias table)."""

    tokens: Integers32  # (queries, longest), filled up with -1
    vertical: Integers  # (queries,)
    intent: Integers  # (queries,) places in INTENTS
    popularity: Floats  # (queries,) share of the requests
    alias_share: Floats  # (queries,)
    alias_query: Integers  # (queries,)
    vectors: Floats32  # (queries, dimensions)
    believed_vectors: Floats32  # (queries, dimensions)
    click: Floats32  # (queries,) log-odds of a click by intent, of mean 0 over requests
    conversion: Floats  # (queries,) factor on conversions per click by intent, of mean 1 over odds of a click


def vocabulary(settings: Search, table: Campaigns, market_seed: int) -> Vocabulary:
    """The words of a market, its concepts dealt in turn over the verticals that advertisers are in."""
    verticals = np.unique(table.vertical)
    if settings.concepts // len(verticals) < len(settings.words):
        raise ScenarioError(
            f"search.concepts cannot be {settings.concepts:,}: each of the {len(verticals):,} verticals needs as many as the "
            f"{len(settings.words)} of the longest query"
        )
    forms = 1 + settings.synonyms
    concept = np.repeat(np.arange(settings.concepts), forms)
    wish = settings.concepts + np.repeat(np.arange(len(INTENTS)), len(INTENT_WORDS[0]))
    first_stem = int(generator(market_seed, Stream.VOCABULARY, SPELLING).integers(STEMS))
    vertical = verticals[np.arange(settings.concepts) % len(verticals)]
    return Vocabulary(vertical, np.concatenate([concept, wish]), forms, first_stem)


def content_of(words: Vocabulary, tokens: NDArray[Any]) -> NDArray[Any]:
    """Rows of tokens without the words for intents, which come first; shape (queries, longest) as before."""
    wished = tokens[:, 0] >= len(words.concept_vertical) * words.forms
    moved = np.column_stack([tokens[:, 1:], np.full(len(tokens), NOTHING, tokens.dtype)])
    return np.where(wished[:, None], moved, tokens)


def zipf(settings: Search) -> Floats:
    """The share of the requests that ask the query of each rank: a power law in the head, another one behind it."""
    log_rank = np.log(np.arange(1, settings.queries + 1))
    edge = math.log(settings.head_queries)
    weight = np.exp(-settings.head_zipf * np.minimum(log_rank, edge) - settings.tail_zipf * np.maximum(log_rank - edge, 0))
    share: Floats = weight / weight.sum()
    return share


def make_queries(settings: Search, words: Vocabulary, market_seed: int) -> tuple[Integers32, Integers]:
    """Tokens (queries, longest) and intents (queries,) of different queries, those that came up most often first.

    So the head of the popularity is short queries on common concepts, as it is in a log.
    """
    dice = generator(market_seed, Stream.VOCABULARY, WORDS)
    tokens, intent = np.empty((0, len(settings.words) + 1), np.int32), np.empty(0, np.int64)
    met = np.empty(0, np.int64)
    for _ in range(ROUNDS):
        more_tokens, more_intent = _some_queries(settings, words, dice)
        tokens, intent = np.concatenate([tokens, more_tokens]), np.concatenate([intent, more_intent])
        met = np.concatenate([met, np.ones(len(more_intent), np.int64)])
        _, first, which = np.unique(build_trie(tokens, len(words.token_concept))[1], return_index=True, return_inverse=True)
        met = np.bincount(which, met).astype(np.int64)
        order = np.lexsort([first, -met])
        tokens, intent, met = tokens[first[order]], intent[first[order]], met[order]
        if len(tokens) >= settings.queries:
            return np.ascontiguousarray(tokens[: settings.queries]), intent[: settings.queries]
    raise ScenarioError(
        f"search.queries cannot be {settings.queries:,}: of {ROUNDS} times as many that were drawn only {len(tokens):,} were "
        f"different; more concepts, synonyms or words make more"
    )


def _some_queries(settings: Search, words: Vocabulary, dice: np.random.Generator) -> tuple[Integers32, Integers]:
    """As many queries as are wanted, less those that would name a concept twice."""
    count, longest = settings.queries, len(settings.words)
    verticals = len(np.unique(words.concept_vertical))
    place = dice.integers(verticals, size=count)[:, None]
    # Concept c is number c // verticals of its vertical, counted from the most common one.
    sums = np.cumsum(np.arange(1.0, settings.concepts // verticals + 2) ** -settings.concept_zipf)
    held = (settings.concepts - place + verticals - 1) // verticals
    number = np.searchsorted(sums, dice.random((count, longest)) * sums[held - 1], side="right")
    concept = number * verticals + place
    other = dice.random((count, longest)) < settings.synonym_share
    form = np.where(other, dice.integers(1, settings.synonyms + 1, (count, longest)), 0) if settings.synonyms else 0
    length = dice.choice(longest, size=count, p=np.array(settings.words) / sum(settings.words)) + 1
    content = np.where(np.arange(longest) < length[:, None], concept * words.forms + form, NOTHING)
    share = np.array([i.share for i in settings.intents])
    intent = dice.choice(len(INTENTS), size=count, p=share / share.sum())
    kinds = len(INTENT_WORDS[0])
    wish = settings.concepts * words.forms + intent * kinds + dice.integers(kinds, size=count)
    says = dice.random(count) < settings.intent_words
    blank = np.full(count, NOTHING)
    tokens = np.where(says[:, None], np.column_stack([wish, content]), np.column_stack([content, blank])).astype(np.int32)
    concepts = concept_sets(tokens, words.token_concept)
    twice = ((concepts[:, 1:] == concepts[:, :-1]) & (concepts[:, 1:] != NOTHING)).any(axis=1)
    return tokens[~twice], intent[~twice]


def meanings(
    settings: Search, affinity: float, words: Vocabulary, tokens: Integers32, popularity: Floats, table: Campaigns,
    ads: AdVectors, market_seed: int,
) -> tuple[Floats32, Floats32]:  # fmt: skip
    """The vector of each query, true and believed, (queries, dimensions): the mean of what its concepts mean.

    Concepts lie around the direction of their vertical's ads. By popularity both have mean 0, so that no ad's average log-odds
    change; with the covariance S of the true ones, the mean over ads of ad' S ad is (query_weight x affinity)^2. Where
    queries do not differ, or users do not about any ad, all vectors are 0.
    """
    dice = generator(market_seed, Stream.VOCABULARY, MEANING)
    vectors = ads.vectors.astype(np.float64)
    dimensions = vectors.shape[1]
    verticals, place = np.unique(table.vertical, return_inverse=True)
    centre = np.zeros((len(verticals), dimensions))
    np.add.at(centre, place[table.ad_campaign], vectors)
    length = np.linalg.norm(centre, axis=1, keepdims=True)
    centre /= np.where(length > 0, length, 1.0)  # ads about which nobody's taste differs have no direction
    own = dice.standard_normal((settings.concepts, dimensions)) * settings.concept_spread
    concept = centre[np.searchsorted(verticals, words.concept_vertical)] + own
    content = content_of(words, tokens)
    total = np.zeros((len(tokens), dimensions))
    for column in content.T:
        there = column != NOTHING
        total[there] += concept[words.token_concept[column[there]]]
    query = total / (content != NOTHING).sum(axis=1)[:, None]
    query -= popularity @ query
    covariance = query.T @ (query * popularity[:, None])
    deviation = math.sqrt(max(np.mean(np.sum((vectors @ covariance) * vectors, axis=1)), 0.0))
    query *= settings.query_weight * affinity / deviation if deviation > 1e-9 else 0.0
    error = generator(market_seed, Stream.VOCABULARY, BELIEF).standard_normal(query.shape)
    error *= np.linalg.norm(query, axis=1, keepdims=True) * settings.belief_noise / math.sqrt(dimensions)
    error -= popularity @ error
    return query.astype(np.float32), (query + error).astype(np.float32)


def intent_effects(settings: Search, intent: Integers, popularity: Floats) -> tuple[Floats32, Floats]:
    """Log-odds of a click and factor on conversions per click of each query, (queries,).

    Centred so that over the requests of a market they change neither the mean log-odds nor, clicks being in proportion to
    their odds, the mean of conversions per click.
    """
    click = np.array([i.click for i in settings.intents])[intent]
    click -= popularity @ click
    conversion = np.array([i.conversion for i in settings.intents])[intent]
    clicks = popularity * np.exp(click - click.max())
    return click.astype(np.float32), conversion * (clicks.sum() / (clicks @ conversion))


@inlined
def drawn_query(keys: Any, request: Any, alias_share: Any, alias_query: Any) -> Any:
    """The query that a request asks."""
    return alias_draw(uniform(keys[Stream.QUERY], request, 0), 0, alias_share.size, alias_share, alias_query)
