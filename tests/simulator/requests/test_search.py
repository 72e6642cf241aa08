"""Search traffic: how often queries are asked, what they mean, and which keywords they meet, against slow literal rules."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adarena.simulator import Scenario, ScenarioError
from adarena.simulator.core.chance import stream_keys
from adarena.simulator.core.errors import MarketError
from adarena.simulator.population.ads import AdVectors, ad_vectors
from adarena.simulator.population.campaigns import Campaigns, campaign_table
from adarena.simulator.population.users import new_users
from adarena.simulator.requests.language import Language, new_language
from adarena.simulator.requests.matching import BROAD, EXACT, MATCH_TYPES, PHRASE, Keywords, build_trie, match
from adarena.simulator.requests.queries import INTENTS, Vocabulary
from adarena.simulator.requests.surfaces import draw_asks
from adarena.simulator.scenario.search import Intent, MatchTypes, Search

SMALL = Search(concepts=60, queries=300, head_queries=30, keywords=6)


@cache
def advertisers(campaigns: int = 30, verticals: int = 3, ads: int = 2, **changes: Any) -> tuple[Scenario, Campaigns, AdVectors]:
    """A market of a few hundred users without search."""
    scenario = Scenario.preset("tiny").override(
        {
            "demand.campaigns": campaigns, "demand.verticals": verticals, "demand.ads_per_campaign": ads,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )  # fmt: skip
    table = campaign_table(scenario)
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    return scenario, table, ad_vectors(scenario, scenario.rates, table, people)  # type: ignore[arg-type]


@cache
def speak(search: Search = SMALL, seed: int = 1, **changes: Any) -> Language:
    """The language of such a market."""
    scenario, table, ads = advertisers(**changes)
    return new_language(search, scenario.rates, table, ads, seed)  # type: ignore[arg-type]


def asked(of: Language, count: int, first: int = 0, seed: int = 1) -> Any:
    """What requests first, first + 1, ... ask."""
    surface, query = np.empty((2, count), np.int64)
    alias, alone, asks = (of.queries.alias_share, of.queries.alias_query), np.ones(1), np.ones(1, np.bool_)
    draw_asks(stream_keys(seed), first, alone, asks, *alias, surface, query)
    return query


@pytest.mark.parametrize(("head", "tail", "edge"), [(0.8, 1.2, 30), (1.0, 1.0, 300), (0.0, 2.0, 5), (0.6, 0.6, 1000)])
def test_queries_are_asked_by_zipfs_law(head: float, tail: float, edge: int) -> None:
    search = SMALL.model_copy(update={"head_zipf": head, "tail_zipf": tail, "head_queries": edge})
    weights = [r**-head if r <= edge else edge**-head * (r / edge) ** -tail for r in range(1, search.queries + 1)]
    expected = np.array(weights) / math.fsum(weights)
    spoken = speak(search)
    np.testing.assert_allclose(spoken.queries.popularity, expected, rtol=1e-12)
    draws = 200_000
    counts = np.bincount(asked(spoken, draws), minlength=search.queries)
    assert len(counts) == search.queries
    common = expected * draws >= 20
    seen, wanted = (
        np.append(counts[common], counts[~common].sum()),
        np.append(expected[common], expected[~common].sum()) * draws,
    )
    assert stats.chisquare(seen[wanted > 0], wanted[wanted > 0]).pvalue > 1e-4


def test_what_a_request_asks_depends_on_its_number_only() -> None:
    spoken = speak()
    whole = asked(spoken, 1000)
    np.testing.assert_array_equal(whole[400:], asked(spoken, 600, first=400))
    assert (whole != asked(spoken, 1000, seed=2)).mean() > 0.5


def finds(kind: int, keyword: list[int], query: list[int], concept: Any) -> bool:
    """Whether a keyword matches, token by token."""
    if kind == EXACT:
        return keyword == query
    if kind == PHRASE:
        return any(query[i : i + len(keyword)] == keyword for i in range(len(query)))
    return {concept[t] for t in keyword} <= {concept[t] for t in query}


def literal(queries: Any, phrases: Any, concept: Any, keywords: Keywords, first_ad: Any) -> list[list[tuple[int, int]]]:
    """For each query the (ad, keyword) of its list, by comparing it with every keyword of every campaign."""
    plain = [[t for t in row if t >= 0] for row in queries.tolist()]
    bought = [[t for t in row if t >= 0] for row in phrases.tolist()]
    out = []
    for query in plain:
        entries = []
        for k in range(len(first_ad) - 1):
            own = range(keywords.first[k], keywords.first[k + 1])
            fit = [w for w in own if finds(keywords.match_type[w], bought[keywords.phrase[w]], query, concept)]
            if fit:
                narrowest = max(fit, key=lambda w: (keywords.match_type[w], -w))
                entries += [(a, narrowest) for a in range(first_ad[k], first_ad[k + 1])]
        out.append(entries)
    return out


def lists(matches: Any) -> list[list[tuple[int, int]]]:
    """The lists of ads as Python has them."""
    pairs = list(zip(matches.ad.tolist(), matches.keyword.tolist(), strict=True))
    return [pairs[low:high] for low, high in zip(matches.first[:-1], matches.first[1:], strict=True)]


@pytest.mark.parametrize("kinds", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.3, 0.3, 0.4)])
@pytest.mark.parametrize("seed", [1, 2])
def test_matches_are_those_of_a_literal_reader(kinds: tuple[float, float, float], seed: int) -> None:
    types = MatchTypes(exact=kinds[0], phrase=kinds[1], broad=kinds[2])
    spoken = speak(SMALL.model_copy(update={"match_types": types}), seed)
    _, table, _ = advertisers()
    tokens, concept = spoken.queries.tokens, spoken.vocabulary.token_concept
    expected = literal(tokens, tokens, concept, spoken.keywords, table.first_ad)
    assert lists(spoken.matches) == expected
    assert sum(map(len, expected)) > 300  # not for want of matches


@st.composite
def rows(draw: st.DrawFn, concepts: int, forms: int, most: int) -> Any:
    """Rows of up to four tokens, no concept twice, from a vocabulary so small that they often meet."""
    out = np.full((draw(st.integers(1, most)), 4), -1)
    for row in out:
        named = draw(st.lists(st.integers(0, concepts - 1), min_size=1, max_size=4, unique=True))
        row[: len(named)] = [c * forms + draw(st.integers(0, forms - 1)) for c in named]
    return out


@settings(max_examples=150)
@given(st.data())
def test_any_keywords_match_what_a_literal_reader_finds(data: st.DataObject) -> None:
    """Any phrases, of queries or not; campaigns with no keyword, with one twice, with several ads."""
    concepts, forms = data.draw(st.integers(4, 6)), data.draw(st.integers(1, 2))
    concept = np.repeat(np.arange(concepts), forms)
    queries, phrases = data.draw(rows(concepts, forms, 12)), data.draw(rows(concepts, forms, 12))
    held = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    ads = data.draw(st.lists(st.integers(1, 3), min_size=len(held), max_size=len(held)))
    count = sum(held)
    phrase = data.draw(st.lists(st.integers(0, len(phrases) - 1), min_size=count, max_size=count))
    kind = data.draw(st.lists(st.sampled_from([BROAD, PHRASE, EXACT]), min_size=count, max_size=count))
    keywords = Keywords(np.cumsum([0, *held]), np.array(phrase, np.int64), np.array(kind, np.int64))
    first_ad = np.cumsum([0, *ads])
    found = lists(match(queries, phrases, concept, keywords, first_ad))
    assert found == literal(queries, phrases, concept, keywords, first_ad)


def test_synonyms_and_order_count_as_each_match_type_says() -> None:
    """Concept 0 has words 0 and 1, concept 1 words 2 and 3, concept 2 words 4 and 5; the keyword is `0 2`."""
    queries = np.array(
        [[0, 2, -1], [1, 2, -1], [2, 0, -1], [0, 2, 4], [4, 0, 2], [0, 4, 2], [5, 3, 1], [0, -1, -1], [0, 4, -1]]
    )
    concept, phrase = np.array([0, 0, 1, 1, 2, 2]), np.array([[0, 2, -1]])
    reached = {}
    for kind in (EXACT, PHRASE, BROAD):
        one = Keywords(np.array([0, 1]), np.array([0]), np.array([kind]))
        reached[kind] = np.flatnonzero(np.diff(match(queries, phrase, concept, one, np.array([0, 1])).first)).tolist()
    assert reached == {EXACT: [0], PHRASE: [0, 3, 4], BROAD: [0, 1, 2, 3, 4, 5, 6]}


def test_equal_sequences_end_at_one_node_and_others_never_do() -> None:
    rows = np.array([[1, 2, -1], [1, -1, -1], [1, 2, 3], [2, 1, -1], [1, 2, -1], [2, -1, -1]])
    trie, end = build_trie(rows, 4)
    assert end[0] == end[4]
    assert len(set(end)) == 5
    assert len(trie.keys) == 5  # 1, 2, 1 2, 2 1, 1 2 3
    assert (np.diff(trie.keys) > 0).all()


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_queries_differ_as_much_as_is_set_and_leave_the_average_where_it_is(weight: float, noise: float) -> None:
    scenario, _, ads = advertisers()
    queries = speak(SMALL.model_copy(update={"query_weight": weight, "belief_noise": noise})).queries
    share = queries.popularity
    odds = queries.vectors.astype(np.float64) @ ads.vectors.astype(np.float64).T
    mean = share @ odds
    assert np.abs(mean).max() < 1e-5
    variance = share @ (odds - mean) ** 2
    assert math.sqrt(variance.mean()) == pytest.approx(weight * scenario.rates.affinity, rel=1e-5)  # type: ignore[union-attr]
    believed = queries.believed_vectors.astype(np.float64)
    assert np.abs(share @ believed).max() < 1e-6 * max(1.0, weight)
    error = (believed - queries.vectors) ** 2
    length = np.linalg.norm(queries.vectors, axis=1)
    if noise == 0 or weight == 0:
        assert error.max() == 0
        return
    # The squared error of a query over noise^2 x length^2 is chi-square over dimensions, but for the common centring.
    ratio = error.sum(axis=1) / (noise * length) ** 2
    dimensions = error.shape[1]
    assert ratio.mean() == pytest.approx(1, abs=5 * math.sqrt(2 / dimensions / len(ratio)) + 0.05)


def test_where_tastes_do_not_differ_queries_do_not_either() -> None:
    queries = speak(rates__affinity=0.0).queries
    assert not queries.vectors.any()
    assert not queries.believed_vectors.any()


def test_queries_favour_the_ads_of_their_vertical_and_most_of_all_those_that_match() -> None:
    spoken = speak(Search(concepts=300, queries=3000), campaigns=150, verticals=5)
    _, table, ads = advertisers(campaigns=150, verticals=5)
    odds = spoken.queries.vectors @ ads.vectors.T
    same = spoken.queries.vertical[:, None] == table.vertical[table.ad_campaign]
    matched = np.zeros_like(same)
    matched[np.repeat(np.arange(len(odds)), np.diff(spoken.matches.first)), spoken.matches.ad] = True
    assert not (matched & ~same).any()
    assert odds[~same].mean() < 0
    assert odds[matched].mean() > odds[same & ~matched].mean() + 0.1
    assert odds[same & ~matched].mean() > 0.5


def test_intents_come_in_their_shares_and_shift_odds_around_the_average() -> None:
    search = Search(
        concepts=3000, queries=3000, informational=Intent(share=5, click=-1.0, conversion=0.5), commercial=Intent(share=3),
        transactional=Intent(share=2, click=0.5, conversion=3.0),
    )  # fmt: skip
    queries = speak(search).queries
    counts = np.bincount(queries.intent, minlength=len(INTENTS))
    assert stats.chisquare(counts, np.array([0.5, 0.3, 0.2]) * len(queries.intent)).pvalue > 1e-3
    click, factor = queries.click.astype(np.float64), queries.conversion
    assert queries.popularity @ click == pytest.approx(0, abs=1e-6)
    odds = queries.popularity * np.exp(click)
    assert odds @ factor / odds.sum() == pytest.approx(1, rel=1e-6)
    level = [(click[queries.intent == i][0], factor[queries.intent == i][0]) for i in range(3)]
    assert [c - level[1][0] for c, _ in level] == pytest.approx([-1.0, 0.0, 0.5], abs=1e-6)
    assert [f / level[1][1] for _, f in level] == pytest.approx([0.5, 1.0, 3.0])
    for i in range(3):
        assert len(set(click[queries.intent == i])) == 1


def test_queries_are_made_as_the_settings_say() -> None:
    search = Search(concepts=3000, synonyms=1, synonym_share=0.3, queries=4000, words=(0, 3, 1), intent_words=0.25)
    spoken = speak(search)
    words, tokens = spoken.vocabulary, spoken.queries.tokens
    content = (tokens >= 0) & (tokens < search.concepts * words.forms)
    says = tokens[:, 0] >= search.concepts * words.forms
    for share, count, of in [
        (0.25, says.sum(), len(tokens)),
        (0.25, (content.sum(axis=1) == 3).sum(), len(tokens)),
        (0.3, (tokens[content] % 2).sum(), content.sum()),
    ]:
        assert abs(count / of - share) < 4.5 * math.sqrt(share * (1 - share) / of)
    assert set(content.sum(axis=1)) == {2, 3}
    for row, vertical, intent in zip(tokens, spoken.queries.vertical, spoken.queries.intent, strict=True):
        concepts = [words.token_concept[t] for t in row if t >= 0]
        assert len(set(concepts)) == len(concepts)
        for concept in concepts:
            if concept >= search.concepts:
                assert concept - search.concepts == intent
            else:
                assert words.concept_vertical[concept] == vertical


def test_concepts_are_asked_for_by_zipfs_law_too() -> None:
    """With one word a query, as often as its concept's share; the most popular queries are on the most common concepts."""
    search = Search(concepts=300, synonyms=0, concept_zipf=1.0, queries=250, words=(1,), intent_words=0.0)
    spoken = speak(search, verticals=1)
    concept = spoken.vocabulary.token_concept[spoken.queries.tokens[:, 0]]
    assert set(concept[:5]) <= set(range(10))
    assert np.corrcoef(np.arange(250), concept)[0, 1] > 0.5
    assert speak(search.model_copy(update={"concept_zipf": 0.0}), verticals=1).queries.tokens[:5, 0].max() > 10


def test_head_queries_are_shorter() -> None:
    length = (speak(Search(concepts=300, queries=3000)).queries.tokens >= 0).sum(axis=1)
    assert length[:30].mean() < length[1000:].mean() - 0.5


def test_head_keywords_are_contested_by_more_campaigns_than_tail_ones() -> None:
    """Owners fall from the head to the tail, and where only exact matches count, so do the lists of ads."""
    search = Search(concepts=300, queries=3000)
    spoken = speak(search, campaigns=150)
    owners = np.bincount(spoken.keywords.phrase, minlength=search.queries)
    head, middle, tail = owners[:30].mean(), owners[30:300].mean(), owners[300:].mean()
    assert head > 2 * middle > 4 * tail
    exact = speak(search.model_copy(update={"match_types": MatchTypes(exact=1, phrase=0, broad=0)}), campaigns=150)
    np.testing.assert_array_equal(np.diff(exact.matches.first), 2 * owners)


def test_keywords_are_different_and_of_the_campaigns_vertical() -> None:
    spoken = speak()
    _, table, _ = advertisers()
    for k in range(len(table.names)):
        own = spoken.keywords.phrase[spoken.keywords.first[k] : spoken.keywords.first[k + 1]]
        assert len(set(own.tolist())) == len(own) == SMALL.keywords
        assert (spoken.queries.vertical[own] == table.vertical[k]).all()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_queries_are_looked_at_as_keywords_by_a_power_of_their_popularity(power: float) -> None:
    search = SMALL.model_copy(update={"keywords": 1, "keyword_choice": 1, "keyword_popularity": power, "queries": 100})
    spoken = speak(search, campaigns=3000, verticals=2, ads=1)
    for vertical in (0, 1):
        inside = spoken.queries.vertical == vertical
        expected = spoken.queries.popularity[inside] ** power
        expected *= 1500 / expected.sum()
        counts = np.bincount(spoken.keywords.phrase, minlength=100)[inside]
        common = expected >= 5
        seen, wanted = np.append(counts[common], counts[~common].sum()), np.append(expected[common], expected[~common].sum())
        assert stats.chisquare(seen[wanted > 0], wanted[wanted > 0]).pvalue > 1e-4


def test_the_more_queries_a_campaign_looks_at_the_better_its_keywords_suit_it() -> None:
    fits = []
    _, table, ads = advertisers(campaigns=150)
    own = np.add.reduceat(ads.vectors, table.first_ad[:-1], axis=0)
    for choice in (1, 4, 30):
        spoken = speak(Search(concepts=300, queries=3000, keyword_choice=choice), campaigns=150)
        vectors = spoken.queries.vectors[spoken.keywords.phrase].reshape(len(own), -1, own.shape[1])
        fits.append(float(np.einsum("kwd,kd->kw", vectors, own).mean()))
    assert fits[0] < fits[1] < fits[2]


@pytest.mark.parametrize("zipf", [0.8, 20.0])
def test_who_draws_the_same_again_and_again_takes_the_most_popular_left(zipf: float) -> None:
    search = SMALL.model_copy(update={"keyword_popularity": 20.0, "keyword_choice": 1, "head_zipf": zipf, "tail_zipf": zipf})
    spoken = speak(search)
    for k in range(30):
        own = spoken.keywords.phrase[spoken.keywords.first[k] : spoken.keywords.first[k + 1]]
        vertical = spoken.queries.vertical[own[0]]
        ranked = np.flatnonzero(spoken.queries.vertical == vertical)
        assert own[0] == ranked[0]
        assert set(own) == set(ranked[: len(own)])


def test_all_queries_of_a_vertical_can_be_bought() -> None:
    fewest = int(np.bincount(speak().queries.vertical).min())
    everything = speak(SMALL.model_copy(update={"keywords": fewest})).keywords
    assert len(everything.phrase) == 30 * fewest


def flat(of: Any) -> list[Any]:
    """The leaves of nested tuples."""
    return [leaf for part in of for leaf in flat(part)] if isinstance(of, tuple) else [of]


def test_a_language_is_a_function_of_the_market_seed() -> None:
    scenario, table, ads = advertisers()
    again = new_language(SMALL, scenario.rates, table, ads, 1)  # type: ignore[arg-type]
    for one, other in zip(flat(speak()), flat(again), strict=True):
        np.testing.assert_array_equal(one, other)
    different = speak(seed=2)
    assert (different.queries.tokens != again.queries.tokens).any()
    assert (different.keywords.phrase != again.keywords.phrase).any()
    assert different.query_text(0) != again.query_text(0)


def test_what_is_believed_does_not_change_what_is_true() -> None:
    plain, misled = speak(), speak(SMALL.model_copy(update={"belief_noise": 0.5}))
    assert (plain.queries.believed_vectors != misled.queries.believed_vectors).any()
    same = plain._replace(queries=plain.queries._replace(believed_vectors=misled.queries.believed_vectors))
    for one, other in zip(flat(same), flat(misled), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("concepts", "synonyms"), [(100_000, 0), (2_000, 8), (1, 3)])
def test_no_two_words_are_alike(concepts: int, synonyms: int) -> None:
    forms = 1 + synonyms
    concept = np.append(np.repeat(np.arange(concepts), forms), concepts + np.repeat(np.arange(3), 3))
    words = Vocabulary(np.zeros(concepts, np.int64), concept, forms, 400_000)
    texts = [words.word(t) for t in range(len(concept))]
    assert len(set(texts)) == len(texts)
    assert all(text.isalpha() for text in texts)


def test_queries_and_keywords_can_be_read() -> None:
    spoken = speak()
    texts = [spoken.query_text(q) for q in range(SMALL.queries)]
    assert len(set(texts)) == SMALL.queries
    for text, row in zip(texts, spoken.queries.tokens, strict=True):
        assert len(text.split()) == (row >= 0).sum()
    frames = {"exact": ("[", "]"), "phrase": ('"', '"'), "broad": ("", "")}
    for keyword in range(len(spoken.keywords.phrase)):
        left, right = frames[MATCH_TYPES[spoken.keywords.match_type[keyword]]]
        assert spoken.keyword_text(keyword) == left + texts[spoken.keywords.phrase[keyword]] + right
    with pytest.raises(MarketError, match="no query 300: they are numbered from 0 to 299"):
        spoken.query_text(300)
    with pytest.raises(MarketError, match="no keyword -1: they are numbered from 0 to 179"):
        spoken.keyword_text(-1)


def test_verticals_may_have_any_numbers() -> None:
    scenario, table, ads = advertisers()
    sparse = table._replace(vertical=np.array([3, 70, 9999])[table.vertical])
    spoken = new_language(SMALL, scenario.rates, sparse, ads, 1)  # type: ignore[arg-type]
    assert set(spoken.queries.vertical.tolist()) == {3, 70, 9999}
    np.testing.assert_array_equal(spoken.matches.ad, speak().matches.ad)


def test_settings_survive_yaml() -> None:
    search = Search(queries=50, words=(1, 2), transactional=Intent(share=0.1, click=1), match_types=MatchTypes(broad=0))
    text = yaml.safe_dump(search.model_dump(mode="json"))
    assert Search(**yaml.safe_load(text)) == search
    assert hash(Search(**yaml.safe_load(text))) == hash(search)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"queries": 0}, "queries cannot be 0: it must be greater than or equal to 1"),
        ({"synonym_share": 1.5}, "synonym_share cannot be 1.5: it must be less than or equal to 1"),
        ({"query_weight": math.nan}, "query_weight cannot be nan: it must be a finite number"),
        ({"words": ()}, r"words cannot be \(\): at least 1 of them"),
        ({"words": (0, 0)}, "words must have at least one frequency above 0"),
        ({"words": (1,) * 7}, "words cannot be .*at most 6"),
        ({"match_types": {"exact": 0, "phrase": 0, "broad": 0}}, "one of exact, phrase and broad must have a share above 0"),
        ({"commercial": {"click": 1.0}}, "commercial.share is missing"),
        ({"keyword": 3}, "search has no field 'keyword'; did you mean 'keywords'"),
        (
            {name: {"share": 0} for name in INTENTS},
            "one of informational, commercial and transactional must have a share above 0",
        ),
    ],
)
def test_wrong_settings_are_said_in_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence) as caught:
        Search(**wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (Search(concepts=11, queries=10), "search.concepts cannot be 11: each of the 3 verticals needs as many as the 4"),
        (Search(concepts=3, synonyms=0, words=(1,), queries=100), "search.queries cannot be 100: .* only 30 were different"),
        (
            Search(concepts=60, queries=30, keywords=28),
            "search.keywords cannot be 28: there are only [0-9]+ queries in vertical",
        ),
    ],
)
def test_a_language_too_small_is_said_in_one_sentence(search: Search, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        speak(search)
