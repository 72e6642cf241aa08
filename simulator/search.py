"""The language of search traffic: words, queries with their meaning and intent, and the keywords that campaigns buy.

All of it is a function of the `market_seed`. A query means a vector in the space of users' interests, so that
click log-odds = bias + (user + query) . ad + the intent's; the platform believes a noisy copy of the vector.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chance import Stream, generator, stream_keys, uniform
from .compiled import inlined, kernel
from .demand import Campaigns
from .errors import MarketError, ScenarioError
from .matching import MATCH_TYPES, NOTHING, Keywords, Matches, Places, build_trie, concept_sets, match
from .population import AdVectors, alias_draw, alias_table
from .querying import Search
from .scenario import Interests

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

INTENTS = ("informational", "commercial", "transactional")
INTENT_WORDS = (("how", "guide", "about"), ("best", "compare", "review"), ("buy", "order", "cheap"))
QUOTED = ("{}", '"{}"', "[{}]")  # how broad, phrase and exact keywords are written
SYLLABLES = tuple(c + v for c in "bdfghklmnprstvz" for v in "aeiou")
STEMS = len(SYLLABLES) ** 3
STRIDE = 260_734  # near STEMS over the golden ratio, and prime to it: neighbouring concepts look different
ENDINGS = ("", "n", "r", "l", "s", "m", "t", "k", "x")  # of the canonical word and its synonyms
WORDS, MEANING, BELIEF, KEYWORDS, SPELLING = range(5)  # draws of the stream VOCABULARY
ROUNDS = 40  # of draws until there are enough different queries
MISSES = 32  # draws in vain before a campaign takes the most popular query that it does not have


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

    tokens: Places  # (queries, longest), filled up with -1
    vertical: Integers  # (queries,)
    intent: Integers  # (queries,) places in INTENTS
    popularity: Doubles  # (queries,) share of the requests
    alias_share: Doubles  # (queries,)
    alias_query: Integers  # (queries,)
    vectors: Floats  # (queries, dimensions)
    believed_vectors: Floats  # (queries, dimensions)
    click: Floats  # (queries,) log-odds of a click by intent, of mean 0 over requests
    conversion: Doubles  # (queries,) factor on conversions per click by intent, of mean 1 over odds of a click


class Language(NamedTuple):
    """All that search adds to a market; nothing in it is ever written to."""

    vocabulary: Vocabulary
    queries: Queries
    keywords: Keywords  # `phrase` is the query whose words are bought
    matches: Matches

    def query_text(self, query: int) -> str:
        """A query as a person reads it. Raises `MarketError` if there is none of that number."""
        count = len(self.queries.tokens)
        if not 0 <= query < count:
            raise MarketError(f"there is no query {query}: they are numbered from 0 to {count - 1}")
        return " ".join(self.vocabulary.word(int(t)) for t in self.queries.tokens[query] if t != NOTHING)

    def keyword_text(self, keyword: int) -> str:
        """A keyword as advertisers write it: [exact], "phrase", broad. Raises `MarketError` if there is none of that number."""
        count = len(self.keywords.phrase)
        if not 0 <= keyword < count:
            raise MarketError(f"there is no keyword {keyword}: they are numbered from 0 to {count - 1}")
        phrase, kind = self.keywords.phrase[keyword], self.keywords.match_type[keyword]
        return QUOTED[kind].format(self.query_text(int(phrase)))


def language(settings: Search, rates: Interests, table: Campaigns, ads: AdVectors, market_seed: int) -> Language:
    """The words, queries and keywords of a market.

    Raises `ScenarioError` if the verticals have too few concepts for the longest query or too few queries for the keywords of
    a campaign, or if the vocabulary is too small for so many queries.
    """
    words = vocabulary(settings, table, market_seed)
    tokens, intent = make_queries(settings, words, market_seed)
    vertical = words.concept_vertical[words.token_concept[content_of(words, tokens)[:, 0]]]
    popularity = zipf(settings)
    vectors, believed = meanings(settings, rates.affinity, words, tokens, popularity, table, ads, market_seed)
    queries = Queries(
        tokens, vertical, intent, popularity, *alias_table(popularity), vectors, believed,
        *intent_effects(settings, intent, popularity),
    )  # fmt: skip
    keywords = buy_keywords(settings, queries, table, ads, market_seed)
    return Language(words, queries, keywords, match(tokens, tokens, words.token_concept, keywords, table.first_ad))


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


def zipf(settings: Search) -> Doubles:
    """The share of the requests that ask the query of each rank: a power law in the head, another one behind it."""
    log_rank = np.log(np.arange(1, settings.queries + 1))
    edge = math.log(settings.head_queries)
    weight = np.exp(-settings.head_zipf * np.minimum(log_rank, edge) - settings.tail_zipf * np.maximum(log_rank - edge, 0))
    share: Doubles = weight / weight.sum()
    return share


def make_queries(settings: Search, words: Vocabulary, market_seed: int) -> tuple[Places, Integers]:
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


def _some_queries(settings: Search, words: Vocabulary, dice: np.random.Generator) -> tuple[Places, Integers]:
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
    settings: Search, affinity: float, words: Vocabulary, tokens: Places, popularity: Doubles, table: Campaigns,
    ads: AdVectors, market_seed: int,
) -> tuple[Floats, Floats]:  # fmt: skip
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


def intent_effects(settings: Search, intent: Integers, popularity: Doubles) -> tuple[Floats, Doubles]:
    """Log-odds of a click and factor on conversions per click of each query, (queries,).

    Centred so that over the requests of a market they change neither the mean log-odds nor, clicks being in proportion to
    their odds, the mean of conversions per click.
    """
    click = np.array([i.click for i in settings.intents])[intent]
    click -= popularity @ click
    conversion = np.array([i.conversion for i in settings.intents])[intent]
    clicks = popularity * np.exp(click - click.max())
    return click.astype(np.float32), conversion * (clicks.sum() / (clicks @ conversion))


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


@kernel()
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


@inlined
def drawn_query(keys: Any, request: Any, alias_share: Any, alias_query: Any) -> Any:
    """The query that a request asks."""
    return alias_draw(uniform(keys[Stream.QUERY], request, 0), 0, alias_share.size, alias_share, alias_query)
