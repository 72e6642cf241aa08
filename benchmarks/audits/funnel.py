"""How good a funnel is: what of the truly best ads each stage lets through, and what that costs. For judges only.

A sample of requests is traced through the stages, with the bids of an expected day, and held against the true worth of all ads:
true click rate times bid per click, which is what a platform would rank by if it knew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.chance import Stream, generator, stream_keys
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO
from ...simulator.core.threads import one_blas_thread
from ...simulator.delivery.funnel import Trace, Winnow
from ...simulator.delivery.stages import channels
from ...simulator.market.market import Market, build
from ...simulator.requests.surfaces import Contexts, new_surfaces
from ...simulator.scenario.delivery import Funnel, Quotas
from ...simulator.scenario.tree import Scenario

STAGE_LABELS = ("recall", "rough sort", "fine sort")


class Audit(NamedTuple):
    """What each stage (recall, rough sort, fine sort) lets through, means over requests; arrays have shape (stages,)."""

    candidates: Floats  # that leave it
    recall: Floats  # share of the truly best, as many as the fine sort passes, that have come so far
    survival: Floats  # share of requests whose truly best ad has come so far
    consistency: Floats  # Spearman's correlation of its scores with the true worth of what came to it
    ecpm: Floats  # worth of the best slots that are still possible, currency per 1,000 impressions
    lost: Floats  # share of the worth of the truly best slots that is lost by here
    cost_s: Floats  # of a server's time a request
    best_ecpm: float  # of the truly best slots
    ads: int
    requests: int


class Traced(NamedTuple):
    """One request on its way through the stages."""

    fine_score: Floats  # (ads,) of all, as the fine sort sees them
    worth: Floats  # (ads,) true click rate times bid per click, currency
    exposure: Floats  # (slots,) probability that each is seen on the surface of the request, 0 where it has none
    trace: Trace


def traced(scenario: Scenario, requests: int, seed: int, quotas: Quotas | None = None) -> Iterator[Traced]:
    """A sample of requests, traced with the bids of an expected day under the full quotas of their tiers, or others for all.

    Raises:
        MarketError: if the scenario has no funnel.
    """
    if scenario.funnel is None:
        raise MarketError(f"scenario {scenario.name!r} has no funnel to look into")
    settings = scenario.funnel if quotas is None else scenario.funnel.alike(quotas)
    yield from _traced(scenario, build(scenario), settings, requests, seed)


def _traced(scenario: Scenario, market: Market, settings: Funnel, requests: int, seed: int) -> Iterator[Traced]:
    assert market.ads is not None
    assert market.stages is not None
    bid, owner = _bids(market), market.campaigns.ad_campaign
    language, keys = market.language, stream_keys(seed)
    matches = None if language is None else language.matches
    winnow = Winnow(settings, market.stages, market.ads, market.users, owner, keys, matches)
    winnow.refresh((bid * MICRO).astype(np.float32))
    surfaces = new_surfaces(scenario, language)
    contexts = Contexts(surfaces, language, market.users.interests.shape[1], keys) if scenario.asks else None
    surface, query = np.zeros((2, 1), np.int64)
    for number, user in enumerate(_users(market, requests, seed)):
        believed = person = market.users.interests[user].astype(np.float64)
        odds, lift, asked = 0.0, 1.0, None
        if contexts is not None:
            contexts.draw(number, surface, query)
            asked = contexts.of(surface, query)
            odds, lift = float(asked.odds[0]), float(asked.lift[0])
            if query[0] >= 0:
                believed, person = person + asked.vectors[0], person + surfaces.vectors[query[0]]
        score = bid[owner] / (1 + np.exp(-(market.ads.believed_vectors @ believed + market.ads.believed_bias + odds)))
        worth = bid[owner] * lift / (1 + np.exp(-(market.ads.vectors @ person + market.ads.bias + odds)))
        yield Traced(score, worth, surfaces.marginal[surface[0], :-1], winnow.trace(number, user, asked))


def audit(scenario: Scenario, requests: int = 500, seed: int = 0, quotas: Quotas | None = None) -> Audit:
    """What each stage lets through of a sample of requests; see `traced`."""
    market = build(scenario)
    with one_blas_thread():
        rows = [_one(market, request) for request in traced(scenario, requests, seed, quotas)]
    candidates, recall, survival, consistency, worth, best, seen = _means(np.array(rows))
    assert scenario.funnel is not None
    settings = scenario.funnel if quotas is None else scenario.funnel.alike(quotas)
    tiers = market.users.tier[market.users.segment[_users(market, requests, seed)]]
    costs = np.mean([_costs(settings, int(tier)) for tier in tiers], axis=0)
    ecpm, best_ecpm = 1000 * worth / seen, float(1000 * best[0] / seen[0])
    ads = len(market.campaigns.ad_campaign)
    return Audit(candidates, recall, survival, consistency, ecpm, 1 - worth / best, costs, best_ecpm, ads, requests)


def _means(rows: Floats) -> Floats:
    """Means over requests, shape (7, stages); a consistency over those that have one, NaN if none has."""
    known = ~np.isnan(rows)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(known, rows, 0).sum(axis=0) / known.sum(axis=0)
    return means


def index_recall(scenario: Scenario, requests: int = 500, seed: int = 0) -> float:
    """How much an approximate index finds of the ads that scoring every ad would, as many as recall's quota leaves to it.

    A mean over requests, by recall's own scores, without popular ads, exploration and keywords.

    Raises:
        MarketError: if the scenario has no approximate index, or its package is not installed.
    """
    settings = scenario.funnel
    if settings is None or settings.index is None:
        raise MarketError(f"scenario {scenario.name!r} has no approximate index")
    wanted, *_ = channels(settings, settings.levels[0].recall)
    if wanted == 0:
        raise MarketError(f"recall's quota in scenario {scenario.name!r} goes to other channels, and nothing to the index")
    levels = (Quotas(recall=wanted, rough=1, fine=1),)
    alone = {"popular_share": 0.0, "exploring_share": 0.0, "keyword_share": 0.0, "levels": levels, "tiers": ()}
    found = []
    with one_blas_thread():
        for request in _traced(scenario, build(scenario), settings.model_copy(update=alone), requests, seed):
            best = np.argsort(-request.trace.recall_score, kind="stable")[:wanted]
            found.append(np.isin(best, request.trace.recalled).mean())
    return float(np.mean(found))


def _bids(market: Market) -> Floats:
    """What campaigns bid for a click on an expected day, currency."""
    table = market.campaigns
    return table.prior * table.target * table.conversion_rate


def _users(market: Market, requests: int, seed: int) -> NDArray[np.int64]:
    """Users as active ones come: by alias tables, whatever the hour."""
    dice = generator(seed, Stream.SAMPLE, 1)
    drawn = dice.integers(len(market.users.segment), size=requests)
    stay = dice.random(requests) < market.users.alias_share[drawn]
    return np.where(stay, drawn, market.users.alias_user[drawn])


def _costs(settings: Funnel, tier: int) -> Floats:
    """Seconds of a server that a request of a tier costs in each stage, at its full quotas."""
    full = settings.levels_of(tier)[0]
    recall, rough = full.recall * settings.recall_cost_s, full.recall * settings.rough_cost_s
    return np.array([recall, rough, full.rough * settings.fine_cost_s])


def _one(market: Market, request: Traced) -> Floats:
    """One request's candidates, recall, survival, consistency, worth left, worth there was, slots seen, shape (7, stages)."""
    fine_score, worth, exposure, trace = request
    slots = exposure[exposure > 0]
    owner = market.campaigns.ad_campaign
    best = _one_of_each(np.argsort(-worth, kind="stable"), owner, max(len(trace.shown), len(slots)))
    all_slots = worth[best[: len(slots)]] @ slots[: len(best)]
    scores: list[NDArray[np.floating]] = [trace.recall_score, trace.rough_score, fine_score[trace.sorted]]
    came = [np.arange(len(worth)), trace.recalled, trace.sorted]
    out = np.empty((7, len(STAGE_LABELS)))
    for stage, left in enumerate((trace.recalled, trace.sorted, trace.shown)):
        here = _one_of_each(left[np.argsort(-worth[left], kind="stable")], owner, len(slots))
        out[:, stage] = (
            len(left), np.isin(best, left).mean(), float(best[0] in left), _consistency(scores[stage], worth[came[stage]]),
            worth[here] @ slots[: len(here)], all_slots, slots.sum(),
        )  # fmt: skip
    return out


def _consistency(score: NDArray[np.floating], worth: Floats) -> float:
    """Spearman's rank correlation; NaN of fewer than three."""
    from scipy import stats  # half a second, which a market without a funnel need not wait for

    return float(stats.spearmanr(score, worth).statistic) if len(score) > 2 else math.nan


def _one_of_each(order: NDArray[np.int64], owner: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The first ad of each campaign in an order, at most so many."""
    _, first = np.unique(owner[order], return_index=True)
    return order[np.sort(first)[:most]]
