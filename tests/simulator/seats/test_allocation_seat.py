"""The allocation seat: engines, forms of decision and doors agree to the last bit; what is told is what happened; messages."""

from __future__ import annotations

import copy
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from by_hand import sold
from scipy.stats import chisquare

from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.core.rules import row_rule
from adarena.simulator.engine.asking import Column
from adarena.simulator.engine.desk import bucket_of
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageFunction, PageRule, Patterns

SMALL = Scenario.preset("allocation-small").override(
    {"days": 2, "users.count": 80, "traffic.requests_per_day": 900, "demand.campaigns": 8, "ticks_per_day": 24}
)
SERVERS = {"servers": 1, "service_s": 60.0, "deadline_s": 400.0}
FUNNEL = {
    "recall": {"dimensions": 8}, "rough": {"dimensions": 12}, "levels": [{"recall": 20, "rough": 12, "fine": 8}],
}  # fmt: skip
MARKETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "budgets": {"demand.budget_share": 0.3, "auction.pricing": "first"},
    "vcg, per conversion": {"auction.pricing": "vcg", "demand.billing": "cpa", "demand.budget_share": 0.5},
    "second, per impression": {"auction.pricing": "second", "demand.billing": "cpm"},
    "servers": {"serving": SERVERS, "demand.budget_share": 0.4},
    "funnel on servers": {"serving": SERVERS, "funnel": FUNNEL, "demand.ads_per_campaign": 5},
    "everything else": {
        "fatigue": {}, "demand.frequency_cap": 3, "creatives": {}, "auction.squashing": 0.7, "sessions.patience.worn": 0.4,
        "response.organic": {"rate": 0.01},
    },
}  # fmt: skip
ENGINES = ("compiled", "events")
COUNT = 13


@row_rule
def by_worth(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Two ads where they pay, none where the user is bored; on every third page of a user chance decides."""
    own[0] += 1.0
    memory[0] += 1.0
    if own[0] % 3.0 == 0.0:
        for pattern in range(answer.size):
            answer[pattern] = 1.0 / answer.size
        return -1
    if view[Column.PAYS] > 0.4 * view[Column.CONTENT]:
        return 8
    return 0 if view[Column.BOREDOM] > 1.0 else 2


class Holder(AllocationPolicy):
    """Decides what it is made with, once, and keeps what it saw."""

    def __init__(self, decide: Any) -> None:
        self.make = decide

    def start(self, view: Any, dice: np.random.Generator) -> None:
        self.seen: list[Any] = []

    def decide(self, view: Any) -> Any:
        self.seen.append(view)
        return self.make(view) if len(self.seen) == 1 else None


def by_rule() -> Holder:
    return Holder(lambda view: PageRule(by_worth, np.zeros(1), np.zeros((view.facts.users, 1))))


class InPython:
    """`by_worth` for who is asked page by page, whoever's page it is."""

    def __init__(self, world: World | None = None) -> None:
        self.world, self.pages = world, np.zeros(80)

    def __call__(self, view: Any) -> Any:
        assert self.world is not None
        desk = self.world._exchange.desk
        assert desk is not None
        user = self.world._exchange.state.block.users[desk.column]
        self.pages[user] += 1
        if self.pages[user] % 3 == 0:
            return np.full(COUNT, 1.0 / COUNT)
        if view[Column.PAYS] > 0.4 * view[Column.CONTENT]:
            return 8
        return 0 if view[Column.BOREDOM] > 1.0 else 2


def books(world: World) -> str:
    """A digest of all that is kept."""
    assert world.pages is not None
    assert world.visits is not None
    ledger = world.ledger
    arrays = (
        ledger.counts, ledger.sums, ledger.left, ledger.market_price, world.pages.users, world.pages.sums, world.visits.counts,
        world.visits.sums,
    )  # fmt: skip
    return blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()


def played(scenario: Scenario, policy: Any = None, engine: Any = "compiled", seed: int = 3, **more: Any) -> World:
    world = World(scenario, {} if policy is None else {"allocation": policy}, seed=seed, engine=engine, **more)
    world.run()
    return world


def answered(scenario: Scenario, engine: Any, decide: InPython, held: Any = None) -> World:
    """A run whose pages are left open, and decided by a function."""
    world = World(scenario, {"allocation": Open("request") if held is None else held}, seed=3, engine=engine)
    decide.world = world
    while (asked := world.until_asked()) is not None:
        assert asked.seat == "allocation"
        world.answer(decide(asked.view))
    return world


@pytest.mark.parametrize("market", MARKETS)
def test_all_engines_and_doors_play_the_same(market: str) -> None:
    scenario = SMALL.override(MARKETS[market])
    wanted = books(played(scenario, by_rule()))
    assert books(played(scenario, by_rule(), "events")) == wanted
    for engine in ENGINES:
        assert books(answered(scenario, engine, InPython())) == wanted
    assert books(played(scenario)) != wanted


def test_python_functions_are_rules_and_buckets_go_their_own_ways() -> None:
    decide = InPython()
    mixed = {
        b: policy for policy, span in ((by_rule(), range(40)), (Holder(lambda _: Patterns(4)), range(40, 70))) for b in span
    }
    wanted = played(SMALL, mixed)
    held = {**{b: Holder(lambda _: Patterns(4)) for b in range(40, 70)}, **dict.fromkeys(range(40), Open("request"))}
    for engine in ENGINES:
        assert books(answered(SMALL, engine, InPython(), held)) == books(wanted)
    world = World(SMALL, {"allocation": dict.fromkeys(range(40), Holder(lambda _: PageFunction(decide)))}, seed=3)
    decide.world = world
    # A function is called in the middle of the walk, where the place of the request is not told: it goes by the view alone.
    decide.__class__ = ByView
    world.run()
    rule = played(SMALL, dict.fromkeys(range(40), Holder(lambda _: PageRule(by_view))))
    assert books(world) == books(rule)


class ByView(InPython):
    def __call__(self, view: Any) -> Any:
        return 8 if view[Column.PAYS] > 0.4 * view[Column.CONTENT] else 2


@row_rule
def by_view(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """`ByView`, compiled."""
    return 8 if view[Column.PAYS] > 0.4 * view[Column.CONTENT] else 2


def test_a_rule_keeps_its_own_of_each_user() -> None:
    memory, own = np.zeros(1), np.zeros((80, 1))
    world = played(SMALL, Holder(lambda view: PageRule(by_worth, memory, own)))
    assert world.pages is not None
    np.testing.assert_array_equal(own[:, 0], world.pages.users[:, PageSum.PAGES])
    assert memory[0] == own.sum()


def test_patterns_are_drawn_as_often_as_they_are_likely() -> None:
    chance = np.array([0.1, 0.2, 0.0, 0.3, 0, 0, 0, 0, 0.4, 0, 0, 0, 0])
    world = World(SMALL, {"allocation": Holder(lambda _: Patterns(chance))}, seed=3)
    world.run()
    assert world.pages is not None
    sums = world.pages.sums.sum(axis=0)
    places = sums[PageSum.AD_PLACES] / sums[PageSum.PAGES]
    assert places == pytest.approx(
        chance @ [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3], abs=4 * 0.75 / np.sqrt(sums[PageSum.PAGES])
    )
    # Whoever gives the chances, the draws are those of the requests.
    assert books(played(SMALL, Holder(lambda _: PageFunction(lambda view: chance)))) == books(world)


def recounted(pages: list[dict[str, Any]], scenario: Scenario) -> list[dict[Column, float]]:
    """What one user's pages should have been shown with, from when they were and what came of them."""
    sessions = scenario.sessions
    assert sessions is not None
    shown, level, number, ads, last = [], [], 0, 0, None
    here = {"ads": 0, "pages": 0, "borne": 0.0, "last": 0}
    borne = ended = length = away = boredom = strain = 0.0
    for page in pages:
        if last is None or page["session"] != last["session"]:
            if last is not None:
                number, ended, length = number + 1, ended + strain, here["pages"]
                away = (page["time"] - last["time"]) / scenario.day_us
            boredom, here = 0.0, {"ads": 0, "pages": 0, "borne": 0.0, "last": 0}
        else:
            borne, here["borne"] = borne + strain, here["borne"] + strain
            boredom *= sessions.boredom_kept
        shown.append(
            {
                Column.PAGE: page["page"], Column.BOREDOM: boredom, Column.SESSIONS: number, Column.PAGES: len(shown),
                Column.ADS: ads, Column.LAST_LENGTH: length, Column.AWAY: away, Column.ADS_HERE: here["ads"],
                Column.LAST_ADS: here["last"], Column.BORNE: borne, Column.ENDED: ended, Column.BORNE_HERE: here["borne"],
                Column.LEVEL: np.mean(level) if level else np.log(page["pays"]),
                Column.DAY: page["time"] // scenario.day_us, Column.ELAPSED: page["time"] % scenario.day_us / scenario.day_us,
            }
        )  # fmt: skip
        level.append(np.log(page["pays"]))
        boredom += page["bored"]
        strain = boredom**2
        ads += page["ads"]
        here = {"ads": here["ads"] + page["ads"], "pages": here["pages"] + 1, "borne": here["borne"], "last": page["ads"]}
        last = page
    return shown


def test_what_is_told_of_users_is_what_they_have_lived_through(tmp_path: Path) -> None:
    world, pages = World(SMALL, {"allocation": Open("request")}, seed=4, journal=tmp_path), list[dict[str, Any]]()
    exchange, dice = world._exchange, np.random.default_rng(0)
    while (asked := world.until_asked()) is not None:
        desk = exchange.desk
        assert desk is not None
        block, column = exchange.state.block, desk.column
        pages.append(
            {
                "request": int(exchange.state.control[0]), "user": int(block.users[column]),
                "session": int(block.session[column]),
                "page": int(block.page[column]), "time": int(block.times[column]), "view": asked.view,
                "pays": asked.view[Column.PAYS], "pattern": (pattern := int(dice.integers(COUNT))),
            }
        )  # fmt: skip
        world.answer(pattern)
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    ads, clicks = shown.groupby("request").size(), shown.groupby("request")["clicked"].sum()
    for page in pages:
        page["ads"] = int(ads.get(page["request"], 0))
        page["bored"] = page["ads"] - int(clicks.get(page["request"], 0))
    users = {page["user"] for page in pages}
    assert len(users) > 70
    checked = 0
    for user in users:
        own = [page for page in pages if page["user"] == user]
        starts = [
            page for last, page in zip([None, *own], own, strict=False) if last is None or last["session"] != page["session"]
        ]
        if any(page["page"] > 0 for page in starts):  # of one that began before the run, or in the middle of another
            continue
        for page, wanted in zip(own, recounted(own, SMALL), strict=True):
            for column, number in wanted.items():
                assert page["view"][column] == pytest.approx(number, abs=1e-9), (column, page)
            checked += 1
    assert checked > 500


def test_content_that_ads_displace_is_missed() -> None:
    """From one page to the next satisfaction moves by what could be seen: organic items down to some place."""
    world = World(SMALL.override({"sessions.ad_annoyance": 0.0}), {"allocation": Open("request")}, seed=4)
    exchange, last, checked = world._exchange, dict[int, tuple[Any, int]](), 0
    sessions, dice = SMALL.sessions, np.random.default_rng(1)
    assert sessions is not None
    relevance = 0.85 ** np.arange(5)
    relevance /= relevance @ (0.9 ** np.arange(1, 6))
    patterns = SMALL.pages.patterns(5)  # type: ignore[union-attr]
    while (asked := world.until_asked()) is not None:
        desk = exchange.desk
        assert desk is not None
        user = int(exchange.state.block.users[desk.column])
        if user in last:
            view, pattern = last[user]
            # The content of a page counts in full as it is made, and what of it was not seen is taken off.
            before, moved = view[Column.SATISFACTION], asked.view[Column.SATISFACTION]
            moved = (moved - sessions.satisfaction_rate * asked.view[Column.CONTENT]) / (1 - sessions.satisfaction_rate)
            share = 1 + (moved - before) / (sessions.satisfaction_rate * view[Column.CONTENT])
            organic = [place for place in range(5) if place not in patterns[pattern]]
            possible = [0.0, *np.cumsum(relevance[: len(organic)])]
            assert np.abs(np.array(possible) - share).min() < 1e-6
            checked += 1
        last[user] = asked.view, (pattern := int(dice.integers(COUNT)))
        world.answer(pattern)
    assert checked > 500


def test_books_add_up() -> None:
    for market in ("budgets", "vcg, per conversion", "funnel on servers"):
        world = played(SMALL.override(MARKETS[market]), by_rule())
        assert world.pages is not None
        sums, ledger = world.pages.sums.sum(axis=0), world.ledger
        np.testing.assert_allclose(world.pages.users.sum(axis=0), sums)
        assert sums[PageSum.ADS] == ledger.impressions().sum()
        assert sums[PageSum.PAGES] == world.played
        frame = world.pages.to_frame()
        assert frame["pages"].sum() == sums[PageSum.PAGES]
        assert world.pages.score.sum() == pytest.approx((frame["revenue"] + frame["organic"]).sum())
        if SMALL.override(MARKETS[market]).demand.billing != "cpa":  # else what is owed is charged when it is reported
            assert sums[PageSum.CHARGED] == pytest.approx(ledger.spend().sum())


def test_who_allocates_no_places_sells_none() -> None:
    nothing = played(SMALL, Holder(lambda _: Patterns(0)))
    assert nothing.ledger.impressions().sum() == 0
    assert nothing.ledger.spend().sum() == 0


@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
def test_ads_are_sold_for_the_places_that_carry_them(pricing: str, tmp_path: Path) -> None:
    """Against an auction by hand, with the exposures of those places."""
    scenario = SMALL.override({"auction.pricing": pricing, "auction.reserve": 0.02})
    world = World(scenario, {"allocation": Open("request")}, seed=4, journal=tmp_path)
    state, dice, wanted = world._exchange.state, np.random.default_rng(0), dict[tuple[int, int], tuple[int, float]]()
    patterns, exposure = scenario.pages.patterns(5), scenario.page_exposure  # type: ignore[union-attr]
    while world.until_asked() is not None:
        desk = world._exchange.desk
        assert desk is not None
        pattern = int(dice.integers(COUNT))
        bid = state.bids.rate[:, desk.column].astype(np.float64) * state.bids.live
        sales = sold(bid, np.ones(bid.size), state.bids.floor.astype(np.float64), pricing, exposure[pattern])
        request = int(state.control[0])
        wanted |= {(request, place): sale for place, sale in zip(patterns[pattern], sales, strict=False)}
        world.answer(pattern)
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    assert len(shown) > 300
    for row in shown.itertuples():
        campaign, price = wanted[row.request, row.slot]
        assert campaign == row.campaign
        assert row.price * 1e6 == pytest.approx(price, rel=1e-5, abs=2)


def test_buckets_are_of_the_market_and_not_of_the_day() -> None:
    assert np.array_equal(bucket_of(SMALL, 80), bucket_of(SMALL.override({"days": 1}), 80))
    assert not np.array_equal(bucket_of(SMALL, 80), bucket_of(SMALL.override({"market_seed": 2}), 80))
    sizes = np.bincount(bucket_of(SMALL, 100_000), minlength=100)
    assert chisquare(sizes).pvalue > 1e-3


def test_what_is_told_at_ticks_is_what_its_buckets_did() -> None:
    holder = Holder(lambda _: Patterns(8))
    world = played(SMALL, dict.fromkeys(range(30), holder))
    assert world.pages is not None
    last, bucket = holder.seen[-1], bucket_of(SMALL, 80)
    assert last.users.sum() == (bucket < 30).sum()
    assert 0 < last.pages.sum() <= world.pages.users[bucket < 30, PageSum.PAGES].sum()
    assert last.ad_places.sum() == 2 * last.pages.sum()
    assert last.charged.sum() <= world.pages.users[bucket < 30, PageSum.CHARGED].sum()
    copied = copy.deepcopy(last)
    assert np.array_equal(copied.pages, last.pages)


def test_no_patience_is_told() -> None:
    """Two markets whose users differ in nothing but the rates at which they leave show the same first pages."""
    views = []
    for hint in (0.0, 0.0):
        world = World(SMALL.override({"sessions.patience.hint": hint}), {"allocation": Open("request")}, seed=5)
        temper = world._exchange.market.temper
        assert temper is not None
        if views:
            other = np.ascontiguousarray(temper.rate[::-1])
            other.flags.writeable = False
            world._exchange.addressed.replace("visits", own_rate=other)
        asked = world.until_asked()
        assert asked is not None
        views.append(asked.view)
    np.testing.assert_array_equal(*views)


def test_a_market_that_waits_for_an_answer_cannot_be_changed() -> None:
    for settings in ({}, {"serving": SERVERS}):
        world = World(SMALL.override({"demand.budget_share": 0.5, **settings}), {"allocation": Open("request")}, seed=3)
        for _ in range(5):
            assert world.until_asked() is not None
            for change in (
                lambda world=world: world.set_budget(0, 1.0),
                lambda world=world: world.pause(1),
                lambda world=world: world.set_reserve(0.5),
                lambda world=world: world.set_multiplier(0, 2.0),
            ):
                with pytest.raises(MarketError, match="a page waits to be allocated: answer before anything is changed"):
                    change()
            world.answer(8)


@row_rule
def out_of_range(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """No pattern."""
    return 99


@row_rule
def unlikely(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Probabilities that sum to 2."""
    answer[:] = 2.0 / answer.size
    return -1


def failing(view: Any) -> Any:
    raise ZeroDivisionError("mine")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [{}, {"serving": SERVERS}])
def test_mistakes_cost_a_sentence(engine: Any, settings: dict[str, Any]) -> None:
    scenario = SMALL.override(settings)
    for decision, words in (
        (Patterns(13), "Holder chose pattern 13: there are patterns 0 to 12"),
        (Patterns(np.full(13, 0.5)), "probabilities from 0 up that sum to 1"),
        (Patterns([1, 2]), "must give each of 13 patterns a probability"),
        (PageRule(by_worth, np.zeros(1, np.float32)), "the memory of Holder's rule must be writeable float64"),
        (PageRule(by_worth, np.zeros(1), np.zeros((3, 1))), r"the own of Holder's rule must be .* of shape \(80, any\)"),
        (PageRule(len), "needs a function compiled by @row_rule"),  # type: ignore[arg-type]
        (PageFunction(3), "needs a function of a page"),  # type: ignore[arg-type]
        ("ads", "must decide Patterns, a PageRule or a PageFunction, not str"),
        (PageRule(out_of_range), r"the rule of bucket \d+ must choose a pattern from 0 to 12"),
        (PageRule(unlikely), r"the rule of bucket \d+ must choose a pattern from 0 to 12"),
        (PageFunction(lambda view: "ads"), "could not convert"),
    ):
        with pytest.raises((PolicyError, ValueError), match=words):
            played(scenario, Holder(lambda _, decision=decision: decision), engine)
    with pytest.raises(ZeroDivisionError, match="mine"):
        played(scenario, Holder(lambda _: PageFunction(failing)), engine)
    world = World(scenario, {"allocation": Open("request")}, seed=3, engine=engine)
    with pytest.raises(MarketError, match="the allocation seat is left open"):
        world.run()
    assert world.until_asked() is not None
    with pytest.raises(PolicyError, match="chose pattern 13"):
        world.answer(13)
    world.answer(None)  # the usual page
    assert world.until_asked() is not None


def test_seats_that_are_not_asked_by_request_cannot_be_left_open_so() -> None:
    with pytest.raises(PolicyError, match="the bidding seat is not asked request by request"):
        World(SMALL, {"bidding": {0: Open("request")}})
    with pytest.raises(PolicyError, match='left open for each "call" or for each "request"'):
        Open("week")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="the allocation seat needs pages"):
        World(Scenario.preset("tiny"), {"allocation": Holder(lambda _: Patterns(0))})


def test_a_seat_left_open_by_calls_is_asked_tick_by_tick() -> None:
    world, ticks = World(SMALL, {"allocation": Open()}, seed=3), 0
    while world.until_asked() is not None:
        world.answer(Patterns(ticks % COUNT))
        ticks += 1
    assert ticks == 48

    class InTurn(AllocationPolicy):
        def decide(self, view: Any) -> Any:
            return Patterns((view.day * view.ticks + view.tick) % COUNT)

    assert books(world) == books(played(SMALL, InTurn()))
