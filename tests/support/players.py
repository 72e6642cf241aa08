"""Bidders of all forms, and holders of the pacing and auction seats, that react to whatever they are told; deeds in mid-run.

Everything is a function of what Hypothesis draws; `arrivals` reads the first block of a world that is thrown away. Deeds are
those of users, at the worst of moments.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from adarena.simulator import BidPolicy, BidView, ChunkBids, Multiplier, RequestRule, Scenario, World, rule
from adarena.simulator.market.rehearsal import Rehearsal
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.auction.view import AuctionView
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView


def as_bytes(view: BidView, *more: Any) -> bytes:
    """What campaigns are told, and whatever else is seen."""
    told = (*view.last, *view.today, view.budget, view.budget_left, view.target, view.multiplier, view.market_price, *more)
    return b"".join(np.asarray(a).tobytes() for a in told)


def arrays_of(seen: Any) -> Iterator[NDArray[Any]]:
    """All arrays in a view and in what it is made of."""
    if isinstance(seen, np.ndarray):
        yield seen
    elif isinstance(seen, tuple):
        for part in seen:
            yield from arrays_of(part)
    elif isinstance(seen, Rehearsal):
        yield from (array for name, array in vars(seen).items() if not name.startswith("_") and isinstance(array, np.ndarray))


class Reacting(BidPolicy):
    """A multiplier that reacts to everything it is told, so that any difference between two runs grows."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._dice = dice

    def note(self, view: BidView) -> None:
        """Keeps what it has seen, to be compared."""
        self.seen.append(as_bytes(view))

    def decide(self, view: BidView) -> Any:
        self.note(view)
        if view.tick % 3 == 2:
            return None
        price = np.where(np.isnan(view.market_price), 0.0, np.log1p(view.market_price))
        pace = np.minimum(view.budget_left, 10.0) / np.clip(view.budget, 1e-3, 10.0)
        return Multiplier(0.2 + pace + 0.1 * price + 0.3 * self._dice.random(len(view.campaigns)) + 0.01 * view.last.clicks)


class ByChunk(Reacting):
    """Bids by request that depend on the request, its segment and the state of the budget when asked."""

    def decide(self, view: BidView) -> Any:
        self.note(view)
        left = np.minimum(view.budget_left, 10.0)[:, None]
        target = view.target[:, None]

        def bids(requests: Any) -> Any:
            wave = 1.0 + 0.5 * np.sin(requests.number * 0.7 + requests.segment)
            return np.maximum(requests.rate, 0.0) * target * wave * (0.5 + 0.1 * left)

        return ChunkBids(bids) if view.tick % 4 != 3 else None


@rule
def moving(rate: float, budget_left: int, requests_left: int, state: NDArray[np.float64]) -> float:
    """Bids more above its running mean rate, less when the budget per request falls; counts what it is asked."""
    state[0] += 1.0
    state[1] += 0.05 * (rate - state[1])
    pace = budget_left / (requests_left + 1.0)
    factor = 1.3 if rate > state[1] else 0.6
    return max(rate, 0.0) * state[2] * factor * pace / (pace + 1000.0)


class ByRule(Reacting):
    """A compiled rule with a row of state for each campaign, which it looks at from tick to tick."""

    def decide(self, view: BidView) -> Any:
        self.note(view)
        if view.day == 0 and view.tick == 0:
            self.state = np.column_stack([np.zeros_like(view.target), np.zeros_like(view.target), view.target * 1e6])
            return RequestRule(moving, self.state)
        self.seen.append(self.state.tobytes())
        return RequestRule(moving, self.state) if view.tick % 5 == 1 else None


class Changing(ByChunk):
    """Changes the form of its decision from tick to tick."""

    def decide(self, view: BidView) -> Any:
        form = (view.day + view.tick) % 3
        if form == 0:
            return ByChunk.decide(self, view)
        self.note(view)
        if form == 1:
            return Multiplier(0.9)
        return RequestRule(moving, np.column_stack([view.target, np.zeros_like(view.target), view.target * 1e6]))


class Pacer(PacingPolicy):
    """Paces by whatever it is told and by dice: now factors, now shares of auctions, some of them 0 or 1, now as before."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: PacingView) -> Pace | None:
        self.seen.append(as_bytes(view.told, view.bid, view.factor, view.participation, view.others))
        held = len(view.factor)
        factor = np.where(view.told.spent_share > view.told.due, 0.5, 1.0) / (1 + 0.01 * view.told.last.wins)
        taking = self._dice.choice([0.0, 0.2, 0.7, 1.0, 1.0], held)
        decisions = [Pace(factor * self._dice.uniform(0.3, 1.0, held)), None, Pace(factor, taking), Pace(1.0, taking)]
        return decisions[view.told.tick % 4]


class Seller(AuctionPolicy):
    """Sells by whatever it is told and by dice: now reserves, now quality, now squashing where that is `allowed`, now all."""

    def __init__(self, allowed: bool = True) -> None:
        self.seen: list[bytes] = []
        self._allowed = allowed

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: AuctionView) -> Sale | None:
        self.seen.append(as_bytes(view.told, view.bid, *view.rules))
        count = len(view.bid)
        reserve = view.usual.reserve * self._dice.choice([1.0, 3.0, 100.0], count) + 1e-3 * (view.told.last.wins % 3)
        quality = self._dice.choice([0.5, 1.0, 2.7], count)
        squashing = float(self._dice.choice([0.0, 0.6, 1.0, 1.4])) if self._allowed else None
        decisions = [Sale(reserve), Sale(squashing=squashing), Sale(quality=quality), Sale(reserve, squashing, quality), None]
        return decisions[view.told.tick % 5]


KINDS: dict[str, Callable[[], Reacting]] = {"m": Reacting, "c": ByChunk, "r": ByRule, "x": Changing}


def policies(kinds: str) -> dict[int, Reacting]:
    """A policy for each campaign, given by a letter: capitals hold their campaign alone, '-' is nobody."""
    shared: dict[str, Reacting] = {}
    out = {}
    for k, letter in enumerate(kinds):
        if letter == "-":
            continue
        if letter.isupper():
            out[k] = KINDS[letter.lower()]()
        else:
            out[k] = shared.setdefault(letter, KINDS[letter]())
    return out


@dataclass(frozen=True)
class Action:
    """Something a user does in mid-run."""

    time: int
    what: str
    campaign: int
    amount: float

    def process(self, world: World) -> Generator[Any, Any, None]:
        """The process that does it."""
        yield world.env.timeout(self.time)
        self.act(world)

    def act(self, world: World) -> None:
        """Does it now."""
        if self.what == "top_up":
            world.top_up(self.campaign, self.amount)
        elif self.what == "set_budget":
            world.set_budget(self.campaign, None if self.amount > 8 else self.amount)
        elif self.what == "set_multiplier":
            if not np.isnan(world._exchange.multiplier[self.campaign]):
                world.set_multiplier(self.campaign, self.amount)
        elif self.what == "scale_value":
            world.scale_value(self.campaign, 0.5 + self.amount)
        elif self.what == "surge":
            world.surge(self.amount)
        elif self.what == "outage":  # almost nobody comes for a while
            world.surge(1e-9)
            world.process(self._end_outage(world))
        elif self.what == "set_servers":
            world.set_servers(int(self.amount * 4))
        elif self.what == "fail":
            world.fail_servers(int(self.amount * 4))
        elif self.what == "shares":
            self._turn(world)
        elif self.what == "set_pace":
            world.set_pace(self.campaign, 1 / (1 + self.amount), min(self.amount / 2, 1.0))
        elif self.what == "set_reserve":
            world.set_reserve(max(self.amount / 10, 1e-6), None if self.amount in (1.0, 9.0) else self.campaign)
        elif self.what == "set_squashing":
            world.set_squashing(self.amount / 2)
        elif self.what == "launch":
            world.launch(self.campaign)
        else:
            world.pause(self.campaign)

    def _turn(self, world: World) -> None:
        """Shares of the creatives of one of the campaign's ads, some of them 0."""
        assert world.creatives is not None
        first_ad = world.campaigns.first_ad[self.campaign : self.campaign + 2]
        place = int(self.amount) % int(np.diff(first_ad)[0])
        ad = int(first_ad[0]) + place
        count = int(np.diff(world.creatives.portfolio.first)[ad])
        weight = (np.arange(count) + int(self.amount * 4)) % 3 + (count == 1)
        world.set_creative_shares(self.campaign, weight / weight.sum(), place)

    def _end_outage(self, world: World) -> Generator[Any, Any, None]:
        yield world.env.timeout(int(world.scenario.tick_us * 0.7))
        world.surge(1e9)


DEEDS = [
    "top_up", "set_budget", "set_multiplier", "scale_value", "surge", "outage", "launch", "pause", "set_pace", "set_reserve",
]  # fmt: skip


def may_squash(scenario: Scenario) -> bool:
    """Whether believed rates are above zero, as squashing needs."""
    return scenario.rates.kind != "uniform" or scenario.rates.belief_noise == 0


def arrivals(scenario: Scenario, seed: int) -> list[int]:
    """When the first requests arrive, in microseconds, if nobody surges."""
    world = World(scenario, seed=seed)
    world._exchange.score()
    times = world._exchange.state.block.times
    return [int(t) for t in times if t < scenario.horizon_us]


@st.composite
def actions(draw: st.DrawFn, scenario: Scenario, instants: list[int]) -> list[Action]:
    """Up to eight deeds: at any time, exactly when a tick begins, or exactly when a request arrives."""
    held = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    ticks = scenario.days * scenario.ticks_per_day
    deeds = DEEDS if scenario.serving is None else [*DEEDS, "set_servers", "fail"]
    deeds = deeds if scenario.creatives is None else [*deeds, "shares", "shares", "shares"]
    if may_squash(scenario):
        deeds = [*deeds, "set_squashing"]
    out = []
    for _ in range(draw(st.integers(0, 8))):
        when = draw(st.sampled_from(["any", "tick", "arrival"]))
        if when == "tick":
            time = draw(st.integers(0, ticks)) * scenario.tick_us
        elif when == "arrival" and instants:
            time = draw(st.sampled_from(instants))
        else:
            time = draw(st.integers(0, scenario.horizon_us))
        what = draw(st.sampled_from(deeds))
        amount = draw(st.sampled_from([0.0, 0.004, 0.5, 1.0, 2.0, 9.0]))
        out.append(Action(time, what, draw(st.integers(0, held - 1)), amount))
    return out
