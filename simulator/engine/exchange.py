"""What a seat or the world may do in a market under way: bids, budgets, hours, days.

An `Exchange` is the state of one world without its clock. Everything that can change what campaigns may bid goes through here
and ends with `refresh`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy
from numpy.typing import ArrayLike

from ..core.arrays import Floats, Floats32, Integers
from ..core.compiled import entry
from ..core.errors import MarketError, suggest
from ..core.money import LARGEST, UNLIMITED, micros
from ..core.numeric import real
from ..delivery.fleet import Fleet
from ..delivery.models import Correction, RateModel, asked_conversions, is_replaced
from ..delivery.queue import Queue
from ..delivery.rotation import find_ad, set_shares
from ..market.market import Market, of_run
from ..population.campaigns import demand_weather
from ..population.embeddings import content_scores
from ..requests.traffic import WHOLE, Share
from ..response.beliefs import Prior, correct, first_prior, new_beliefs
from ..scenario.forecast import day_ahead
from ..scenario.response import Interests, Learning, Uniform
from ..scenario.tree import Scenario
from .bids import cap_all, refresh
from .blocks import NEXT, Blocks
from .desk import CreativeDesk, PageDesk, asked_us
from .new_state import at_least
from .presence import Presence
from .state import Control, State

LEAST_FACTOR = 1e-6  # of the platform on a bid
LEAST_RESERVE, LARGEST_RESERVE = 1e-6, 1e9  # currency
LARGEST_SQUASHING = 100.0
UNMADE, FORECAST_END = int(Control.UNMADE), int(Control.FORECAST_END)  # plain numbers, as in `blocks`


def nobody_to_ask() -> Generator[simpy.Event, Any, None]:
    """Stands for whoever runs a world, where there is no world."""
    raise MarketError("a request is left open, and nobody is there to decide")
    yield


class Exchange:
    """One market under way: `state` is what the kernels see; the rest is what Python needs between two calls.

    `on_scores` asks for offers, from a place of the block on; `on_fault` may say why a campaign's rule bid what is not allowed,
    and raises; `on_surge` is told of time and factor. K campaigns.
    """

    def __init__(self, scenario: Scenario, market: Market, seed: int, share: Share = WHOLE) -> None:
        self.scenario, self.seed = scenario, seed
        self.market = market = of_run(scenario, market, seed)
        self.blocks = Blocks(scenario, market, seed, share)
        self.addressed, self.line = self.blocks.addressed, self.blocks.line
        self.forecast = day_ahead(scenario)
        table = market.campaigns
        campaigns = len(table.names)
        self.multiplier = np.ones(campaigns)  # NaN: bids by offer or by rule
        self.offer_bound = np.zeros(campaigns)
        self.daily = table.budget.copy()
        self.value_factor = np.ones(campaigns)  # by processes of the user's
        self.weather = np.ones((scenario.ticks_per_day, campaigns))
        self.target = table.target.copy()  # bid for a conversion at multiplier 1, now, currency
        self.day_spent = np.zeros(campaigns, np.int64)  # spent before today
        learning = scenario.rates.learning if isinstance(scenario.rates, Interests) else None
        self.prior = first_prior(learning or Learning(), len(table.appeal))  # of new ads
        self.fleet: Fleet | None = None  # where there are servers
        self.desk: PageDesk | None = None  # where somebody decides on pages
        self.creative_desk: CreativeDesk | None = None  # where somebody casts creatives
        self.waits = False  # for whoever runs the world to decide on one
        self.ask: Callable[[], Generator[simpy.Event, Any, None]] = nobody_to_ask  # has whoever runs the world decide on one
        self.on_scores: list[Callable[[int], None]] = []
        self.on_fault: list[Callable[[int], None]] = []
        self.on_surge: list[Callable[[int, float], None]] = []
        self.presence = Presence(self.state.terms.active, self.forecast.shares, scenario.tick_us)
        self._refresh = entry(refresh, self.multiplier, self.target, self.offer_bound, self.blocks.rating.bound, self.addressed)
        self._cap_all = entry(cap_all, self.addressed)

    @property
    def state(self) -> State:
        """What the kernels read and write."""
        return self.addressed.value

    @property
    def made(self) -> int:
        """Requests that have been made so far: those played, less those of users who had left or not come."""
        control = self.state.control
        return int(control[NEXT] - control[UNMADE])

    @property
    def queue(self) -> Queue | None:
        """Requests that wait for servers or are served; None where there are no servers."""
        return self.blocks.queue

    @property
    def asked_us(self) -> int:
        """The time of the request that whoever runs the world must decide on."""
        return asked_us(self.state)

    def take_desk(self) -> PageDesk:
        """The place from which pages are decided on, from now on."""
        if self.desk is None:
            self.desk = PageDesk(self.scenario, self.market, self.blocks)
        return self.desk

    def take_creative_desk(self) -> CreativeDesk:
        """The place from which creatives are cast, from now on; what has been shown before is not counted for it."""
        if self.creative_desk is None:
            assert self.market.creatives is not None
            content = content_scores(self.scenario, self.market.campaigns, self.market.creatives)
            self.creative_desk = CreativeDesk(self.scenario, self.market, self.blocks, content)
        return self.creative_desk

    def score(self) -> None:
        """Draws the next block and asks for offers on it; called when the one before is played to its last request."""
        self.blocks.rate_next()
        if len(self.state.bids.offer):
            for ask in self.on_scores:
                ask(0)
            self.refresh()
        else:
            self._cap_all(self.addressed)

    def surge(self, now: int, factor: float) -> None:
        """Multiplies all traffic from now on; see `Blocks.surge`."""
        start = self.blocks.surge(now, factor)
        for told in self.on_surge:
            told(now, factor)
        if start is None:
            return
        for ask in self.on_scores if len(self.state.bids.offer) else ():
            ask(start)
        self.refresh()

    def open_day(self, day: int) -> None:
        """New budgets, flights and weather; users have slept over what they saw."""
        state, table = self.state, self.market.campaigns
        np.copyto(state.visits.at_midnight, state.visits.satisfaction)
        self.presence.open_day(table.active(day))
        self.day_spent[:] = state.terms.spent
        state.terms.allowance[:] = state.terms.spent + self.daily
        self.weather = demand_weather(self.scenario, table, self.seed, day)

    def open_tick(self, tick: int, now: int) -> None:
        """The hour's rates and values, and the forecast of requests left today (`tick` of the day); beliefs follow clicks."""
        state, control = self.state, self.state.control
        self.presence.open_tick(now)
        np.copyto(state.truth.conversion, self.market.conversion[tick])
        self._convert(now)
        self._learn(now)
        self._revalue(tick)
        control[FORECAST_END] = control[NEXT] + self.forecast.left[tick]

    def _convert(self, now: int) -> None:
        """Conversions per click as they are believed now: as a model says that stands at the auction, or the platform."""
        day, tick = divmod(now // self.scenario.tick_us, self.scenario.ticks_per_day)
        model, believed = self.blocks.rating.model, self.market.believed_conversion[tick]
        said = None if model is None else asked_conversions(model, day, tick, believed.size)
        np.copyto(self.state.terms.believed_conversion, believed if said is None else said)

    def _learn(self, now: int) -> None:
        """Has new ads be believed as their clicks say, or as a model at the auction does that takes the platform's place."""
        rates, ads = self.scenario.rates, self.market.ads
        if not isinstance(rates, Interests) or rates.learning is None or ads is None:
            return
        new = np.zeros_like(ads.new) if is_replaced(self.blocks.rating.model) else ads.new
        self.blocks.rating.correct(correct(self.state.beliefs, self.prior, new, now))

    def believe(self, stage: str, model: RateModel | Correction | None, now: int) -> None:
        """Has a model say the rates of a stage of the funnel from now on; see `Rating.believe`. `refresh` follows."""
        self.blocks.rating.believe(stage, model)
        self._convert(now)
        self._learn(now)

    def suppose(self, prior: Prior, now: int) -> None:
        """Has new ads be believed as their clicks say, given what is supposed of them before any. `refresh` follows.

        Raises:
            MarketError: if beliefs do not learn.
        """
        if not self.scenario.learns:
            raise MarketError(f"beliefs of new ads in scenario {self.scenario.name!r} do not learn (rates.learning)")
        self.prior = prior
        self._learn(now)

    def count_beliefs(self) -> None:
        """Has be counted what comes of each ad from now on, if it is not already."""
        if not self.state.beliefs.clicks.size:
            self.addressed.replace(beliefs=new_beliefs(len(self.market.campaigns.appeal)))

    def rank(self, squashing: float | None, bonus: Floats32, floor: Floats32 | None) -> None:
        """By what ranks are weighted beside a campaign's quality, and the least an impression must be worth, millionths.

        `bonus` (A,) are factors on the ranks of ads, `floor` is (K,); None: as it is. `refresh` follows.
        """
        if floor is not None:
            self.state.bids.floor[:] = floor
            self.state.control[Control.RESERVE] = int(floor.min())
        ranking = self.blocks.rating.ranking
        self.blocks.rating.rank(ranking._replace(squashing=ranking.squashing if squashing is None else squashing, bonus=bonus))

    def reindex(self) -> None:
        """Takes what an instant has decided into the rates of requests that have not come; see `Blocks.reindex`."""
        if self.blocks.reindex():
            self._ask_anew()

    def _revalue(self, tick: int) -> None:
        factor = self.weather[tick] * self.value_factor
        np.multiply(self.market.campaigns.value, factor, out=self.state.terms.value)
        np.multiply(self.market.campaigns.target, factor, out=self.target)

    def refresh(self) -> None:
        """Recomputes what each campaign may bid; anything that changes bids, budgets, hours or flights ends here."""
        self._refresh(self.multiplier, self.target, self.offer_bound, self.blocks.rating.bound, self.addressed)

    # What a campaign may ask for

    def find(self, campaign: int | str) -> int:
        """The place of a campaign given by name or place. Raises `MarketError` if there is none."""
        k = self.market.campaigns.place(campaign)
        if k is None:
            raise MarketError(f"there is no campaign {campaign!r}{suggest(str(campaign), self.market.campaigns.names)}")
        return k

    def top_up(self, campaign: int | str, amount: float) -> None:
        """Adds currency to what a campaign may still spend today; unlimited stays unlimited."""
        k = self.find(campaign)
        self.state.terms.allowance[k] = min(int(self.state.terms.allowance[k]) + int(_money(amount)), int(UNLIMITED) * 2)
        self.refresh()

    def set_budget(self, campaign: int | str, amount: float | None) -> None:
        """A new daily budget in currency, from today on; what is spent stays spent. None: unlimited."""
        k = self.find(campaign)
        self.daily[k] = UNLIMITED if amount is None else _money(amount)
        self.state.terms.allowance[k] = max(self.day_spent[k] + self.daily[k], self.state.terms.spent[k])
        self.refresh()

    def set_multiplier(self, campaign: int | str, multiplier: float) -> None:
        """What a campaign bids until its policy decides again, as a multiple of its target."""
        number = real(multiplier)
        if number is None or not 0 <= number <= LARGEST:
            raise MarketError(f"a multiplier is a number from 0 to {LARGEST:g}, not {multiplier!r}")
        k = self.find(campaign)
        if np.isnan(self.multiplier[k]):
            raise MarketError(f"campaign {campaign!r} bids by request: it has no multiplier to set")
        self.multiplier[k] = number
        self.refresh()

    def scale_value(self, campaign: int | str, factor: float, tick: int) -> None:
        """Multiplies what a conversion is worth to a campaign, and with it its target."""
        k = self.find(campaign)
        times = real(factor)
        if times is None or not 1 / LARGEST <= times * self.value_factor[k] <= LARGEST:
            raise MarketError(
                f"a value is scaled by a factor above 0, to at most {LARGEST:g} times what it was, not by {factor!r}"
            )
        self.value_factor[k] *= times
        self._revalue(tick)
        self.refresh()

    # What the platform makes of bids

    def pace(self, held: Integers, factor: Floats, participation: Floats) -> None:
        """By what factors the bids of held campaigns are multiplied, and in what share of auctions they take part.

        `refresh` follows, and whoever bids by request is asked anew.
        """
        bids = self.state.bids
        bids.pace[held] = factor
        bids.taking[held] = participation
        if not bids.draw.size and (bids.taking < 1).any():
            self.blocks.throttle()

    def set_pace(self, campaign: int | str, factor: float, participation: float) -> None:
        """Paces one campaign; see `pace`."""
        k, numbers = self.find(campaign), [real(number) for number in (factor, participation)]
        if None in numbers or not LEAST_FACTOR <= factor <= 1 or not 0 <= participation <= 1:
            raise MarketError(
                f"a campaign is paced by a factor from {LEAST_FACTOR:g} to 1 and a share of auctions from 0 to 1, not "
                f"{factor!r} and {participation!r}"
            )
        self.pace(np.array([k]), np.array(numbers[:1], np.float64), np.array(numbers[1:], np.float64))
        self._ask_anew()

    def sell(self, held: Integers, reserve: Floats, quality: Floats, squashing: float | None) -> None:
        """At what least price of an impression, currency, and with what quality held campaigns are ranked, and how all are.

        None: squashing stays as it was. `refresh` follows.
        """
        bids, ranking = self.state.bids, self.blocks.rating.ranking
        bids.floor[held] = [at_least(money) for money in reserve]
        self.state.control[Control.RESERVE] = int(bids.floor.min())
        weights = ranking.quality.copy()
        weights[held] = quality
        self.blocks.rating.rank(
            ranking._replace(squashing=ranking.squashing if squashing is None else squashing, quality=weights)
        )

    def set_reserve(self, reserve: float, campaign: int | str | None) -> None:
        """The least price of an impression, currency, for a campaign or for all."""
        held = np.arange(self.multiplier.size) if campaign is None else np.array([self.find(campaign)])
        number = real(reserve)
        if number is None or not LEAST_RESERVE <= number <= LARGEST_RESERVE:
            span = f"from {LEAST_RESERVE:g} to {LARGEST_RESERVE:g}"
            raise MarketError(f"a reserve is an amount of money {span}, not {reserve!r}")
        self.sell(held, np.full(held.size, number), self.blocks.rating.ranking.quality[held], None)
        self.refresh()

    def set_squashing(self, squashing: float) -> None:
        """The exponent of the believed click rate in the rank of a bid for a click."""
        number = real(squashing)
        if number is None or not 0 <= number <= LARGEST_SQUASHING:
            raise MarketError(f"squashing is a number from 0 to {LARGEST_SQUASHING:g}, not {squashing!r}")
        if (why := self.keeps_from_squashing(number)) is not None:
            raise MarketError(why)
        self.sell(np.array([], np.int64), np.array([]), np.array([], np.float32), number)
        self.refresh()

    def keeps_from_squashing(self, squashing: float) -> str | None:
        """Why ranks cannot have such an exponent in this market; None: they can."""
        rates = self.scenario.rates
        if squashing == 1 or not isinstance(rates, Uniform) or not rates.belief_noise:
            return None
        return f"squashing other than 1 needs believed rates above zero, and scenario {self.scenario.name!r} has a belief_noise"

    def _ask_anew(self) -> None:
        """Has whoever bids by request do so for what has not come, and all bids worked out."""
        start = int(self.state.control[NEXT] - self.state.control[Control.BASE])
        for ask in self.on_scores if len(self.state.bids.offer) else ():
            ask(start)
        self.refresh()

    def launch(self, campaign: int | str, now: int) -> None:
        """Starts a campaign, until its flights say otherwise on another day; a pause is over."""
        self.presence.launch(self.find(campaign), now)
        self.refresh()

    def pause(self, campaign: int | str, now: int) -> None:
        """Stops a campaign until it is launched."""
        self.presence.pause(self.find(campaign), now)
        self.refresh()

    def set_creative_shares(self, campaign: int | str, shares: ArrayLike, ad: int | str = 0) -> int:
        """How an ad shows its creatives from now on; returns the ad's number in the market. See `World.set_creative_shares`."""
        if self.market.creatives is None:
            raise MarketError(
                f"set_creative_shares needs a market with creatives, and scenario {self.scenario.name!r} has none"
            )
        number = find_ad(self.market.campaigns, self.find(campaign), ad)
        set_shares(self.state.rotation, number, shares)
        return number

    def replace(self, part: str = "", /, **arrays: Any) -> None:
        """Puts other arrays into a part of the state, or other parts, for what changes size; see `Addressed.replace`."""
        self.addressed.replace(part, **arrays)


def _money(amount: float) -> np.int64:
    number = real(amount)
    if number is None or not 0 <= number < 1e12:
        raise MarketError(f"an amount of money is a number from 0 to 1e12, not {amount!r}")
    return np.int64(micros(number))
