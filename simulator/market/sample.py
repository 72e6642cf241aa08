"""Requests of an even day, on which a market's expectations are made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.arrays import LANES, Floats32
from ..core.chance import Stream, generator, stream_keys
from ..core.money import MICRO
from ..delivery.funnel import Winnow
from ..delivery.selection import Bids, with_selector
from ..delivery.stages import StageView
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..population.rates import Context, best_ads, new_rates, rotate_ads
from ..population.users import People
from ..requests.language import Language
from ..requests.surfaces import Contexts, lifted, new_surfaces
from ..requests.traffic import Intensity, arrive
from ..requests.worth import differs, usual_lifts
from ..scenario.forecast import forecast
from ..scenario.tree import Scenario

SAMPLE = 8192  # requests; behind a funnel see `new_sample`


class Sample(NamedTuple):
    """Requests of an even day; R rows are campaigns, or behind a funnel candidates."""

    rate: Floats32  # (R, requests) believed conversions per impression of the campaign's best ad, or of the candidate
    click: Floats32  # (R, requests) believed clicks per impression
    who: NDArray[np.int64]  # (R, requests) campaigns of candidates; (0, 0) without a funnel
    weight: Floats32  # (R, requests) of their ranks; (0, 0) where all are 1
    surface: NDArray[np.int64]  # (requests,), or (0,) where there is but one
    tick: NDArray[np.int64]  # (requests,) of the day, rising

    def at(self, columns: NDArray[np.int64]) -> Sample:
        """Those of the requests."""
        arrays: list[Any] = [np.ascontiguousarray(array[..., columns]) if array.size else array for array in self]
        return Sample(*arrays)


def sampled_bids(sample: Sample, live: Floats32, scenario: Scenario) -> Addressed[Bids]:
    """What campaigns without budgets bid in its requests, `live` (campaigns,)."""
    count, none = live.size, np.zeros((0, 0), np.float32)
    endless = np.full(count, np.inf, np.float32)
    bids = Bids(
        rate=sample.rate, platform=none, ad=np.zeros((0, 0), np.int64), who=sample.who, weight=sample.weight, offer=none,
        offer_row=np.full(count, -1), top=np.zeros((scenario.ad_places + 1, LANES), np.int64), live=live, cap=endless,
        click_cap=endless, pace=np.ones(count), taking=np.ones(count, np.float32), draw=none,
        floor=np.full(count, scenario.auction.reserve * MICRO, np.float32), watch=np.zeros(count), selector=0,
    )  # fmt: skip
    return with_selector(bids, scenario.ad_places)


def mean_rates(sample: Sample, campaigns: int) -> NDArray[np.float64]:
    """Believed conversions per request of each campaign, where it is a candidate."""
    total = np.bincount(sample.who.ravel(), sample.rate.ravel(), minlength=campaigns).astype(np.float64)
    return total / np.float64(sample.rate.shape[1])


def new_sample(
    scenario: Scenario, table: Campaigns, people: People, ads: AdVectors | None, language: Language | None,
    stages: tuple[StageView, StageView] | None,
) -> Sample:  # fmt: skip
    """Requests of an even day, and the candidates of a funnel whose index holds the bids of `table`'s priors."""
    keys = stream_keys(int(generator(scenario.market_seed, Stream.SAMPLE).integers(1 << 62)))
    count = SAMPLE if stages is None else LANES * min(max(len(table.names) // 2, 16), 512)  # 32 requests for each campaign
    users, ticks = requests_of_even_day(scenario, people, keys, count)
    believed = lifted(scenario, language, table)[1]
    surfaces = new_surfaces(scenario, language)
    surface, query = np.zeros((2, count if scenario.asks else 0), np.int64)
    asked = None
    if scenario.asks:
        contexts = Contexts(surfaces, language, people.interests.shape[1], keys)
        contexts.draw(0, surface, query)
        asked = contexts.of(surface, query)
    if differs(scenario):
        plain = asked or Context.plain(count, people.interests.shape[1])
        asked = plain.lifted(usual_lifts(scenario, people, keys, users, ticks))
    if stages is None or ads is None or scenario.funnel is None:
        model = new_rates(scenario.rates, people, ads, len(table.appeal), count, keys)
        block = np.empty((len(table.appeal), count), np.float32)
        model.fill(0, users, asked, block)
        click, who = standing(block, table, keys), np.empty((0, 0), np.int64)
        per_click = believed[ticks].T
    else:
        matches = None if language is None else language.matches
        winnow = Winnow(scenario.funnel.in_full(), stages, ads, people, table.ad_campaign, keys, matches)
        winnow.refresh((table.prior * table.target * MICRO * believed.mean(axis=0)).astype(np.float32))
        shape = int(winnow.first_row[-1]), count
        click, who = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
        winnow.fill(0, 0, users, asked, click, np.zeros(shape, np.int64), who)
        per_click = believed[ticks, who]
    rate = np.ascontiguousarray(click * per_click, np.float32)
    return Sample(rate, np.ascontiguousarray(click), who, squashed(scenario, click), surface, ticks)


def standing(block: Floats32, table: Campaigns, keys: NDArray[np.uint64]) -> Floats32:
    """Believed click rates (campaigns, requests) of the ads that stand for campaigns, from those of all ads (ads, requests)."""
    if not table.even_rotation.any():
        best: Floats32 = np.maximum.reduceat(block, table.first_ad[:-1], axis=0)
        return best
    click = np.empty((len(table.names), block.shape[1]), np.float32)
    ad = np.empty(click.shape, np.int64)
    best_ads(block, table.first_ad, click, ad)
    rotate_ads(block, table.first_ad, table.even_rotation, keys[Stream.TURN], 0, click, ad)
    return click


def squashed(scenario: Scenario, click: Floats32) -> Floats32:
    """The weights of ranks at such click rates (R, requests); (0, 0) where all are 1."""
    power = np.float32(scenario.auction.squashing - 1)
    if power == 0:
        return np.empty((0, 0), np.float32)
    return np.power(click, power, out=np.zeros_like(click), where=click > 0)


def requests_of_even_day(
    scenario: Scenario, people: People, keys: NDArray[np.uint64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and ticks of so many requests that come evenly over a day."""
    tick_us, ticks = scenario.tick_us, scenario.ticks_per_day
    rate = np.append(count * forecast(scenario) / tick_us, 0.0)
    time = np.arange(ticks + 1, dtype=np.int64) * tick_us
    total = np.concatenate([[0.0], np.cumsum(rate[:-1] * tick_us)])
    even = Intensity(time, total, rate)
    epochs, times, users = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)
    who = (people.segment_share, people.segment_start, people.alias_share, people.alias_user)
    arrive(keys, 0, True, np.zeros(1), 0, tick_us, *even, *who, np.empty((3, count)), epochs, times, users)
    return users, times // tick_us % ticks
