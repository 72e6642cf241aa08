"""Money: over a thousand random markets no budget is overspent, nothing is lost, and every charge keeps its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from players import Action, policies
from tapes import Tape, give_tape

from adarena.simulator import BidPolicy, BidView, InvariantError, Multiplier, Scenario, World
from adarena.simulator.core.money import UNLIMITED, micros
from adarena.simulator.engine.state import Count
from adarena.simulator.population.campaigns import Billing
from adarena.simulator.scenario import DelayPart
from adarena.simulator.scenario.delivery import Auction
from adarena.simulator.scenario.demand import Advertiser, Campaign, ListedDemand
from adarena.simulator.scenario.people import Traffic, Users
from adarena.simulator.scenario.response import Response, Uniform

MARKETS, DAYS_EACH = 50, 20


def market(number: int) -> Scenario:
    """A tiny market whose settings are drawn: two days of three ticks, up to six campaigns with budgets of all sizes."""
    dice = np.random.default_rng(number)
    rows = []
    for k in range(int(dice.integers(1, 7))):
        budget = [None, 1e9, 10.0, 2.0, 0.5, 0.05, 3e-6][int(dice.integers(7))]
        campaign = Campaign(
            name=f"c{k}",
            value_per_conversion=float(dice.uniform(0.2, 4)),
            budget_per_day=budget,
            billing=("cpm", "cpc", "cpa")[int(dice.integers(3))],
            conversion_rate=float(dice.choice([1.0, 0.5, 0.2])),
        )
        rows.append(Advertiser(name=f"a{k}", campaigns=(campaign,)))
    slots = int(dice.integers(1, 4))
    return Scenario(
        days=2,
        day_s=300,
        ticks_per_day=3,
        traffic=Traffic(requests_per_day=60),
        users=Users(count=5, segments=1, dimensions=2),
        rates=Uniform(low=float(dice.choice([0.0, 0.3]))),
        demand=ListedDemand(advertisers=tuple(rows)),
        auction=Auction(
            pricing=("first", "second", "gsp", "vcg")[number % 4],
            slots=slots,
            exposure=(1.0, 0.8, 0.6)[:slots],
            reserve=float(dice.choice([1e-6, 0.05, 0.3])),
            squashing=float(dice.choice([1.0, 0.5, 0.0])),
        ),
        response=Response(
            delay=(DelayPart(scale_s=100.0),), window_days=0.01, attribution_days=1e-3 if number % 3 == 2 else None
        ),
    )


@dataclass
class Books:
    """Money kept a second time, from the tape and from what the user did, in the order of time. Millionths."""

    world: World
    spent: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)  # spent before today
    daily: list[int] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)  # top-ups of today
    owed: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    written_off: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        held = len(self.world.campaigns.names)
        self.daily = [int(b) for b in self.world.campaigns.budget]
        for name in ("spent", "opened", "extra", "written_off"):
            setattr(self, name, [0] * held)

    def left(self, k: int) -> int:
        """What campaign k may still spend."""
        return self.opened[k] + self.daily[k] + self.extra[k] - self.spent[k]

    def open_day(self) -> None:
        """New budgets."""
        self.opened = self.spent.copy()
        self.extra = [0] * len(self.spent)

    def close_tick(self, tick: int) -> None:
        """Bills the conversions that were reported in this tick, in the last all that are still to be, as far as budgets go."""
        over = tick + 1 == self.world.scenario.days * self.world.scenario.ticks_per_day
        totals: dict[int, int] = {}
        for due in [tick, *(self.owed if over else ())]:
            for k, amount in self.owed.pop(due, []):
                totals[k] = totals.get(k, 0) + amount
        for k, amount in totals.items():
            paid = min(amount, self.left(k))
            self.spent[k] += paid
            self.written_off[k] += amount - paid

    def show(self, line: dict[str, int], believed: float) -> None:
        """One impression: checks its bid and price, books its charge."""
        k, table, scenario = line["campaign"], self.world.campaigns, self.world.scenario
        left, bid, price = self.left(k), line["bid"], line["price"]
        assert round(scenario.auction.reserve * 1e6) <= price <= bid
        billing, conversion = table.billing[k], float(self.world._exchange.market.believed_conversion[0, k])
        assert conversion == pytest.approx(table.conversion_rate[k] * attributed(scenario.response.attribution_days))
        per_click = price / believed
        if billing == Billing.CPM:
            assert bid <= left
            self.spent[k] += price
        elif billing == Billing.CPC:
            assert bid <= left * believed * (1 + 1e-6)
            if line["clicked"]:
                self.spent[k] += math.floor(min(per_click, float(rounded_down(left))))
        else:
            cap = np.float32(rounded_down(left) * conversion)
            assert bid <= float(cap) * believed * (1 + 1e-6)
            assert (line["report_us"] >= 0) <= line["converted"]
            if line["report_us"] >= 0:  # in time to be attributed
                tick = min(line["report_us"] // scenario.tick_us, scenario.days * scenario.ticks_per_day)
                self.owed.setdefault(tick, []).append((k, math.floor(min(per_click, float(cap)) / conversion)))
        assert self.left(k) >= 0


def attributed(days: float | None) -> float:
    """Share of these markets' conversions that come in time: exponential delays of 100 s, none above 864 s."""
    return 1.0 if days is None else (1 - math.exp(-days * 864.0)) / (1 - math.exp(-8.64))


def rounded_down(money: int) -> np.float32:
    """The largest float32 not above an amount."""
    x = np.float32(money)
    return np.nextafter(x, np.float32(0)) if int(x) > money else x


def check(world: World, tape: Tape, deeds: list[Action]) -> Books:
    """Replays the tape against the ledger; the deeds are top-ups and new budgets, none at an arrival."""
    scenario, ledger, books = world.scenario, world.ledger, Books(world)
    ticks = scenario.days * scenario.ticks_per_day
    names = ("time_us", "campaign", "slot", "bid", "price", "clicked", "converted", "report_us")
    lines = list(zip(*(tape.column(name).tolist() for name in names), strict=True))
    row, waiting = 0, sorted(deeds, key=lambda deed: deed.time)
    for tick in range(ticks):
        if tick % scenario.ticks_per_day == 0:
            books.open_day()
        end, first = (tick + 1) * scenario.tick_us, row
        before = books.spent.copy()
        off = books.written_off.copy()
        while True:
            deed_at = waiting[0].time if waiting else end
            next_at = lines[row][0] if row < len(lines) else end
            if min(deed_at, next_at) >= end:
                break
            if deed_at <= next_at:
                deed = waiting.pop(0)
                amount = round(deed.amount * 1e6)
                k = deed.campaign
                if deed.what == "top_up":
                    books.extra[k] += amount
                else:
                    books.daily[k], books.extra[k] = amount, 0
                    # Below what is spent already nothing is left, and nothing is taken back.
                    books.extra[k] = max(0, -books.left(k))
            else:
                books.show(dict(zip(names, lines[row], strict=True)), float(tape.believed[row]))
                row += 1
        books.close_tick(tick)
        counts = ledger.counts[tick]
        assert counts[Count.SPEND].tolist() == [a - b for a, b in zip(books.spent, before, strict=True)]
        assert counts[Count.WRITTEN_OFF].tolist() == [a - b for a, b in zip(books.written_off, off, strict=True)]
        assert ledger.left[tick].tolist() == [books.left(k) for k in range(len(books.spent))]
        shown = np.bincount([line[1] for line in lines[first:row]], minlength=len(books.spent))
        assert counts[Count.IMPRESSIONS].tolist() == shown.tolist()
        slots = np.bincount([line[2] for line in lines[first:row]], minlength=scenario.auction.slots)
        assert int(counts[Count.IMPRESSIONS].sum()) == int(slots.sum())
        assert (np.diff(slots) <= 0).all()  # slot k + 1 is seen only where slot k is
    assert row == len(lines)
    return books


def two_deeds(scenario: Scenario, dice: np.random.Generator) -> list[Action]:
    """A top-up and a new budget at odd microseconds, which no arrival of these markets meets."""
    held = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    times = dice.integers(1, scenario.horizon_us - 1, 2)
    return [
        Action(int(time), what, int(dice.integers(held)), float(dice.choice([0.0, 0.01, 1.5])))
        for time, what in zip(times, ("top_up", "set_budget"), strict=True)
    ]


@pytest.mark.parametrize("number", range(0, MARKETS, 5))
def test_money_over_a_thousand_markets(number: int) -> None:
    """50 markets of 20 seeds each, with bidders of all forms, top-ups and new budgets: each charge, tick and total."""
    charges = 0
    for which in range(number, number + 5):
        scenario = market(which)
        held = len(scenario.demand.advertisers)  # type: ignore[union-attr]
        for seed in range(DAYS_EACH):
            dice = np.random.default_rng([which, seed])
            kinds = "".join(dice.choice(list("--mcr"), held))
            deeds = two_deeds(scenario, dice)
            world = World(scenario, {"bidding": policies(kinds)}, seed)
            read = give_tape(world, 1000)
            for deed in deeds:
                world.process(deed.process(world))
            world.run()
            tape = read()
            assert not np.isin([deed.time for deed in deeds], tape.column("time_us")).any()
            books = check(world, tape, deeds)
            state = world._exchange.state
            # Money in = money out: charged, billed later, or written off; at the end nothing is owed.
            assert state.terms.spent.tolist() == books.spent
            assert int(world.ledger.counts[:, Count.SPEND].sum()) == sum(books.spent)
            assert not books.owed
            assert not state.terms.owed.any()
            charges += len(tape.ints)
    assert charges > 3000


def test_an_amount_becomes_the_nearest_millionth() -> None:
    """All amounts of two decimals up to 2,000, against decimal arithmetic, and the ways by which an amount comes in."""
    cents = range(1, 200_001)
    exact = [int(Decimal(c) * 10_000) for c in cents]
    assert micros([c / 100 for c in cents]).tolist() == exact
    rows = (Advertiser(name="a", campaigns=(Campaign(name="c", budget_per_day=2.01),)),)
    scenario = Scenario(demand=ListedDemand(advertisers=rows), users=Users(count=9, segments=1), ticks_per_day=1)
    world = World(scenario, seed=0)
    assert world.campaigns.budget.tolist() == [2_010_000]
    for amount in (2.01, 4.35, 8.2, 1.1, 0.07, np.float32(0.5), 3):
        world.set_budget(0, amount)
        assert world._exchange.state.terms.allowance[0] == round(Decimal(str(amount)) * 1_000_000)
        world.top_up(0, 4.35)
        assert world._exchange.state.terms.allowance[0] == round(Decimal(str(amount)) * 1_000_000) + 4_350_000


@pytest.mark.parametrize("days", [1, 3])
def test_what_conversions_cost_is_charged_or_written_off_by_the_end(days: int) -> None:
    """Under CPA a conversion costs what its impression would have, though most are reported after the last midnight."""
    tree = {"days": days, "demand.billing": "cpa", "demand.budget_share": None, "traffic.requests_per_day": 20_000}
    late = World(Scenario.preset("tiny").override(tree), seed=2)
    soon = World(late.scenario.override({"response.delay": [{"scale_s": 1.0}]}), seed=2)
    for world in (late, soon):
        world.run()
    counts = [world.ledger.counts.sum(axis=0) for world in (late, soon)]
    np.testing.assert_array_equal(counts[0][Count.CONVERSIONS], counts[1][Count.CONVERSIONS])
    assert counts[0][Count.REPORTED].sum() < 0.7 * counts[0][Count.CONVERSIONS].sum()
    np.testing.assert_array_equal(counts[0][Count.SPEND], counts[1][Count.SPEND])  # there is no budget that could end earlier
    assert counts[0][Count.WRITTEN_OFF].sum() == 0


def test_market_price_lies_between_the_reserve_and_the_best_bid() -> None:
    """The least winning cost told to a campaign is at least the reserve, and what a loser is told exceeds its bids."""
    for number in range(12):
        scenario = market(number).override({"auction.squashing": 1.0})
        world = World(scenario, seed=1)
        read = give_tape(world, 1000)
        world.run()
        price = world.ledger.market_price
        told = price[~np.isnan(price)] * 1e6
        assert (told >= round(scenario.auction.reserve * 1e6) * (1 - 1e-9)).all()
        tape = read()
        if len(tape.ints):
            assert told.max() <= max(tape.column("bid").max(), round(scenario.auction.reserve * 1e6)) * 1.0001


def test_market_price_is_the_mean_threshold_of_second_price() -> None:
    """Two bidders U[0,1], one slot: the least winning cost of each is the mean of the rival's bid."""
    world = World(Scenario.preset("uniform", bidders=2, requests=900), seed=4)
    world._exchange.score()
    bids = np.floor(world._exchange.state.bids.rate[:, :900].astype(float) * 1e6)
    world.run()
    np.testing.assert_allclose(world.ledger.market_price[0] * 1e6, bids[::-1].mean(axis=1), atol=1.0)


def tampered(part: str, name: str, change: Any) -> World:
    """A world one of whose arrays is changed behind its back before the first tick closes."""
    world = World(Scenario.preset("uniform", bidders=2, requests=300), seed=0)
    world.run(world.scenario.tick_us // 2)
    change(getattr(getattr(world._exchange.state, part), name))
    return world


def add(place: Any, amount: int) -> Any:
    """A change of one entry."""

    def change(array: Any) -> None:
        array[place] += amount

    return change


@pytest.mark.parametrize(
    ("part", "name", "change", "words"),
    [
        ("terms", "spent", add(0, 1), "spent"),
        ("tally", "counts", add((Count.SPEND, 0), 1), "booked"),
        ("tally", "slot_impressions", add(0, 1), "impressions"),
        ("tally", "counts", add((Count.CLICKS, 0), 10_000), "clicks"),
        ("terms", "allowance", add(0, -(1 << 62)), "more than its budget"),
    ],
)
def test_the_ledger_notices_books_that_do_not_balance(part: str, name: str, change: Any, words: str) -> None:
    world = tampered(part, name, change)
    with pytest.raises(InvariantError, match=words):
        world.run()


def test_unlimited_stays_unlimited() -> None:
    """A campaign without a budget is told that it has infinitely much, before and after it spends, and can be limited."""
    scenario = Scenario.preset("uniform", bidders=2, requests=500)
    seen: list[BidView] = []

    class Watcher(BidPolicy):
        def decide(self, view: BidView) -> Multiplier:
            seen.append(view)
            return Multiplier(1.0)

    world = World(scenario.override({"ticks_per_day": 4}), {"bidding": Watcher()}, seed=0)
    world.run()
    assert (world._exchange.state.terms.spent > 0).all()
    assert len(seen) == 4
    assert all((view.budget == np.inf).all() and (view.budget_left == np.inf).all() for view in seen)
    assert (world._exchange.state.terms.allowance == UNLIMITED).all()
    limited = World(scenario, seed=0)
    limited.set_budget(0, 0.25)
    limited.run()
    assert limited._exchange.state.terms.spent[0] <= 250_000
    assert limited._exchange.state.terms.spent[0] > 225_000  # the last bids are capped, and lose to the rival's
