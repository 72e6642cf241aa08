"""What is searched for and which keywords campaigns buy; parts of a scenario. The words themselves are made in `search`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .part import LogOdds, NonNegative, Part, Positive, Share

Weight = Annotated[float, Field(ge=0, le=1e9)]
MOST_WORDS = 6  # in a query, a word for its intent apart


class Intent(Part):
    """What those who ask such a query want. Effects count against those of other intents: they are centred over requests."""

    share: Weight = Field(description="of the queries, relative to the other intents")
    click: LogOdds = Field(0.0, description="log-odds of a click, on any ad")
    conversion: Positive = Field(1.0, description="factor on conversions per click")


class MatchTypes(Part):
    """How keywords are bought, as relative shares; each type also reaches what those before it reach."""

    exact: Weight = Field(0.3, description="the query has the keyword's words, in their order, and no others")
    phrase: Weight = Field(0.3, description="the query has the keyword's words one after another, perhaps among others")
    broad: Weight = Field(0.4, description="the query has the keyword's concepts, in any order and under any synonym")

    @model_validator(mode="after")
    def _check(self) -> MatchTypes:
        if self.exact + self.phrase + self.broad <= 0:
            raise ValueError("one of exact, phrase and broad must have a share above 0")
        return self


class Search(Part):
    """Search traffic: every request asks a query, and campaigns buy keywords. Concepts belong to the advertisers' verticals."""

    concepts: Annotated[int, Field(ge=1, le=100_000)] = Field(2_000, description="dealt over the verticals in turn")
    synonyms: Annotated[int, Field(ge=0, le=8)] = Field(2, description="words for a concept besides its canonical one")
    synonym_share: Share = Field(0.3, description="of the words of queries, of concepts that have synonyms")
    concept_zipf: NonNegative = Field(0.7, description="Zipf exponent of how often a vertical's concepts are asked for")
    concept_spread: NonNegative = Field(
        0.3,
        description="standard deviation, in any direction, of what a concept means around its vertical's centre of length 1",
    )
    queries: Annotated[int, Field(ge=1, le=1_000_000)] = Field(20_000, description="different ones")
    words: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=MOST_WORDS)] = Field(
        (0.25, 0.4, 0.25, 0.1),
        description="relative frequency of 1, 2, ... concepts in a query, before repeated ones are dropped",
    )
    head_queries: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1_000, description="the most popular queries: ranks 1 to this"
    )
    head_zipf: NonNegative = Field(0.8, description="popularity falls with rank to the power of minus this, in the head")
    tail_zipf: NonNegative = Field(1.2, description="the same behind the head")
    informational: Intent = Field(Intent(share=0.5, click=-0.5, conversion=0.4), description="queries of who wants to know")
    commercial: Intent = Field(Intent(share=0.3, click=0.2, conversion=1.0), description="queries of who compares")
    transactional: Intent = Field(Intent(share=0.2, click=0.6, conversion=2.0), description="queries of who wants to buy")
    intent_words: Share = Field(0.4, description="share of queries that begin with a word for their intent")
    query_weight: NonNegative = Field(
        1.0,
        description="log-odds standard deviation between queries for one ad, as a multiple of that between users, "
        "rates.affinity; by popularity, root mean square over ads",
    )
    belief_noise: NonNegative = Field(0.0, description="noise of the believed query vectors, as a share of their length")
    keywords: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="per campaign, all different")
    keyword_popularity: NonNegative = Field(
        0.75, description="a query's popularity to this power is its chance to be looked at as a keyword; 0: all alike"
    )
    keyword_choice: Annotated[int, Field(ge=1, le=1_000)] = Field(
        4, description="queries that a campaign looks at for each keyword: it takes the one that suits its ads best"
    )
    match_types: MatchTypes = Field(MatchTypes(), description="how keywords are bought")

    @model_validator(mode="after")
    def _check(self) -> Search:
        if sum(self.words) <= 0:
            raise ValueError("words must have at least one frequency above 0")
        if sum(intent.share for intent in self.intents) <= 0:
            raise ValueError("one of informational, commercial and transactional must have a share above 0")
        return self

    @property
    def intents(self) -> tuple[Intent, Intent, Intent]:
        """The intents in the order of their codes."""
        return self.informational, self.commercial, self.transactional
