"""All that search adds to a market."""

from __future__ import annotations

from typing import NamedTuple

from ..core.chance import alias_table
from ..core.errors import MarketError
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..scenario.response import Interests
from ..scenario.search import Search
from .keywords import buy_keywords
from .matching import NOTHING, Keywords, Matches, match
from .queries import Queries, Vocabulary, content_of, intent_effects, make_queries, meanings, vocabulary, zipf

QUOTED = ("{}", '"{}"', "[{}]")  # how broad, phrase and exact keywords are written


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


def new_language(settings: Search, rates: Interests, table: Campaigns, ads: AdVectors, market_seed: int) -> Language:
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
