"""Which keywords a query meets: exact, phrase and broad match through tries, laid out as lists of ads by query.

A trie of token sequences finds the phrases in a query, one of sorted concepts the sets of concepts in it: each query walks
only along what somebody has bought, whatever the number of keywords.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Integers, Integers32
from ..core.compiled import kernel

BROAD, PHRASE, EXACT = 0, 1, 2  # the narrower, the higher
MATCH_TYPES = ("broad", "phrase", "exact")
NOTHING = -1  # behind the last token of a row, and beside a trie


class Keywords(NamedTuple):
    """What campaigns have bought, ordered by campaign."""

    first: Integers  # (campaigns + 1,) where the keywords of each begin
    phrase: Integers  # (keywords,) row of the table of phrases that they were matched from
    match_type: Integers  # (keywords,) BROAD, PHRASE or EXACT


class Matches(NamedTuple):
    """The ads that may be shown for each query: those of query q stand from first[q] up to first[q + 1], in rising order."""

    first: Integers  # (queries + 1,)
    ad: Integers32  # (matches,)
    keyword: Integers32  # (matches,) through which: the narrowest of its campaign's that match, the first of equals


class Trie(NamedTuple):
    """Sequences of symbols that share their beginnings; node 0 is the root, node n hangs on key n - 1."""

    keys: Integers  # (nodes - 1,) rising: parent x width + symbol
    width: int  # more than any symbol


def build_trie(rows: NDArray[Any], width: int) -> tuple[Trie, Integers]:
    """The trie of sequences (n, longest) of symbols below `width`, and the node (n,) at which each ends.

    Rows are filled up with `NOTHING`. Equal rows end at one node, others never do.
    """
    node = np.zeros(len(rows), np.int64)
    levels, nodes = [np.empty(0, np.int64)], 1
    for symbol in rows.T:
        there = symbol != NOTHING
        # Nodes are numbered level by level, so the keys of a level are larger than those of the levels above.
        keys, place = np.unique(node[there] * width + symbol[there], return_inverse=True)
        node[there] = nodes + place
        levels.append(keys)
        nodes += len(keys)
    return Trie(np.concatenate(levels), width), node


def step(trie: Trie, node: Integers, symbol: NDArray[Any]) -> Integers:
    """The child of each node under each symbol, same shapes; `NOTHING` where there is none, and under `NOTHING`."""
    key = node * trie.width + symbol
    place = np.searchsorted(trie.keys, key)
    found = (node != NOTHING) & (symbol != NOTHING) & (place < len(trie.keys))
    found[found] = trie.keys[place[found]] == key[found]
    return np.where(found, place + 1, NOTHING)


def phrases_in(trie: Trie, rows: NDArray[Any]) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Every run of symbols in a row that is a path of the trie: its row, its node, and whether it is the whole row."""
    length = (rows != NOTHING).sum(axis=1)
    found: list[tuple[Integers, Integers, NDArray[np.bool_]]] = []
    for start in range(rows.shape[1]):
        row, node = np.arange(len(rows)), np.zeros(len(rows), np.int64)
        for place in range(start, rows.shape[1]):
            node = step(trie, node, rows[row, place])
            row, node = row[node != NOTHING], node[node != NOTHING]
            found.append((row, node, (start == 0) & (length[row] == place + 1)))
    rows_, nodes, whole = zip(*found, strict=True)
    return np.concatenate(rows_), np.concatenate(nodes), np.concatenate(whole)


def subsets_in(trie: Trie, rows: NDArray[Any]) -> tuple[Integers, Integers]:
    """Every subsequence of a row that is a path of the trie, the empty one too: its row and its node."""
    row, node = np.arange(len(rows)), np.zeros(len(rows), np.int64)
    for place in range(rows.shape[1]):
        child = step(trie, node, rows[row, place])
        there = child != NOTHING
        row, node = np.concatenate([row, row[there]]), np.concatenate([node, child[there]])
    return row, node


def concept_sets(tokens: NDArray[Any], token_concept: Integers) -> Integers:
    """The concepts of rows of tokens in rising order, filled up with `NOTHING`; shape as `tokens`."""
    last = len(token_concept)  # no concept's number: there are no more concepts than tokens
    concepts = np.sort(np.where(tokens == NOTHING, last, token_concept[tokens]), axis=1)
    return np.where(concepts == last, NOTHING, concepts)


def match(
    queries: NDArray[Any], phrases: NDArray[Any], token_concept: Integers, keywords: Keywords, first_ad: Integers
) -> Matches:
    """The ads whose campaigns have bought a keyword that matches, for each query.

    `queries` (queries, longest) and `phrases` (phrases, longest) are rows of tokens filled up with `NOTHING`, none empty and
    none with a concept twice; `token_concept` (tokens,); `first_ad` (campaigns + 1,) says whose ads are whose.
    """
    words, word_end = build_trie(phrases, len(token_concept))
    sets, set_end = build_trie(concept_sets(phrases, token_concept), len(token_concept))
    row, node, whole = phrases_in(words, queries)
    broad_row, broad_node = subsets_in(sets, concept_sets(queries, token_concept))
    # Broad keywords lead to the nodes of one trie, phrases to those of the other, exact keywords to them once more.
    after_sets = len(sets.keys) + 1
    after_words = after_sets + len(words.keys) + 1
    ends = np.stack([set_end, word_end + after_sets, word_end + after_words])
    target = ends[keywords.match_type, keywords.phrase]
    targets = np.concatenate([broad_node, node + after_sets, node[whole] + after_words])
    order = np.argsort(targets, kind="stable")
    target_first = np.searchsorted(targets[order], np.arange(after_words + len(words.keys) + 2))
    target_query = np.concatenate([broad_row, row, row[whole]])[order]
    count, stamp = np.zeros(len(queries), np.int64), np.full(len(queries), -1, np.int64)
    count_matches(keywords.first, target, target_first, target_query, first_ad, stamp, count)
    first = np.concatenate([[0], np.cumsum(count)])
    ad, keyword = np.empty(first[-1], np.int32), np.empty(first[-1], np.int32)
    stamp[:] = -1
    lay_out(
        keywords.first, keywords.match_type, target, target_first, target_query, first_ad, stamp, first[:-1].copy(), ad, keyword
    )
    return Matches(first, ad, keyword)


@kernel(nogil=True)
def count_matches(
    first_keyword: Any, target: Any, target_first: Any, target_query: Any, first_ad: Any, stamp: Any, count: Any
) -> None:
    """Adds to count[q] the ads of every campaign with a keyword that leads to query q; `stamp` (queries,) is -1."""
    for k in range(first_ad.size - 1):
        for w in range(first_keyword[k], first_keyword[k + 1]):
            for i in range(target_first[target[w]], target_first[target[w] + 1]):
                q = target_query[i]
                if stamp[q] != k:
                    stamp[q] = k
                    count[q] += first_ad[k + 1] - first_ad[k]


@kernel(nogil=True)
def lay_out(
    first_keyword: Any, match_type: Any, target: Any, target_first: Any, target_query: Any, first_ad: Any, stamp: Any,
    place: Any, ad: Any, keyword: Any,
) -> None:  # fmt: skip
    """Fills the lists; place[q] is where the next ad of query q goes. Campaigns come in order, so lists need no sorting."""
    for k in range(first_ad.size - 1):
        ads = first_ad[k + 1] - first_ad[k]
        for w in range(first_keyword[k], first_keyword[k + 1]):
            for i in range(target_first[target[w]], target_first[target[w] + 1]):
                q = target_query[i]
                if stamp[q] != k:
                    stamp[q] = k
                    for a in range(ads):
                        ad[place[q] + a], keyword[place[q] + a] = first_ad[k] + a, w
                    place[q] += ads
                elif match_type[w] > match_type[keyword[place[q] - 1]]:
                    for a in range(ads):
                        keyword[place[q] - 1 - a] = w
