"""Users who remember, tire, are protected by caps and leave: against a slow copy of the rules, kept by hand from a log."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios
from players import policies
from scipy.stats import gamma
from tapes import give_tape

from adarena.simulator import BidPolicy, BidView, MarketError, RequestRule, Scenario, ScenarioError, World, rule
from adarena.simulator.engine.state import Control
from adarena.simulator.population.users import new_users
from adarena.simulator.response.memory import EXPOSURES, FAINT
from adarena.simulator.response.visits import PAGES
from adarena.simulator.scenario.people import Sessions

DAY_US = 86_400_000_000


def base_rates(world: World, users: Any, ads: Any) -> Any:
    """True click rates on first sight."""
    vectors, people = world._exchange.market.ads, world._exchange.market.users
    assert vectors is not None
    who, what = people.interests[users].astype(float), vectors.vectors[ads].astype(float)
    odds = vectors.bias[ads] + np.einsum("nd,nd->n", who, what)
    return 1 / (1 + np.exp(-odds))


@pytest.mark.parametrize("users", [5, 5_000])  # few entries, seen often; and more than the memory starts with
def test_clicks_become_rarer_as_exposures_add_up_and_fade(users: int) -> None:
    half_life_s = 20_000.0
    scenario = Scenario.preset("tiny").override(
        {"days": 2, "fatigue": {"exponent": 0.5, "half_life_s": half_life_s}, "users.count": users,
         "traffic.requests_per_day": 12_000}
    )  # fmt: skip
    world = World(scenario, seed=5)
    read = give_tape(world, 60_000)
    world.run()
    tape = read()
    assert users == 5 or world._exchange.state.memory.whose.size > 1 << 14
    user, ad, time = (tape.column(name) for name in ("user", "ad", "time_us"))
    remembered: dict[tuple[int, int], tuple[float, int]] = {}
    factors, counts = [], []
    for u, a, now in zip(user.tolist(), ad.tolist(), time.tolist(), strict=True):
        count, last = remembered.get((u, a), (0.0, now))
        count *= 0.5 ** ((now - last) / 1e6 / half_life_s)
        factors.append((1 + count) ** -0.5)
        counts.append(count)
        remembered[u, a] = count + 1, now
    assert len(remembered) < len(factors)
    # What has faded below `FAINT` may be forgotten when room is made.
    fresh, tolerance = base_rates(world, user, ad), FAINT if users > 5 else 1e-9
    np.testing.assert_allclose(tape.true, fresh * factors, rtol=tolerance)
    # The books by exposures are those of the tape.
    assert world.fatigue is not None
    books, before = world.fatigue.to_frame(), np.array(counts)
    exposures = np.minimum((before + 0.5).astype(int), EXPOSURES - 1)
    assert (exposures.max() == EXPOSURES - 1) == (users == 5)
    sums = {
        "impressions": np.ones(len(before)), "clicks": tape.column("clicked"), "fresh_clicks": fresh,
        "expected_clicks": tape.true,
    }  # fmt: skip
    for name, weights in sums.items():
        np.testing.assert_allclose(books[name], np.bincount(exposures, weights), rtol=tolerance, err_msg=name)
    weighted = np.bincount(exposures, fresh * before)
    np.testing.assert_allclose(books["remembered"] * books["fresh_clicks"], weighted, rtol=tolerance, atol=tolerance)
    # Clicks over those on first sight are what the law says, by the luck of so many clicks.
    few = books[books["clicks"] > 100]
    assert users == 5 or len(few) >= 3
    ratio, law = few["clicks"] / few["fresh_clicks"], (1 + few["remembered"]) ** -0.5
    assert (np.abs(ratio - law) < 4 * ratio / few["clicks"] ** 0.5 + 0.02).all()


@settings(max_examples=60)
@given(st.data())
def test_no_user_sees_more_of_a_campaign_in_a_day_than_its_cap(data: st.DataObject) -> None:
    scenario = data.draw(scenarios(served=data.draw(st.booleans()), funnel=data.draw(st.booleans()), people=True))
    held = [c for a in scenario.demand.advertisers for c in a.campaigns]  # type: ignore[union-attr]
    letters = "-mM" if scenario.funnel is not None else "-mcrxMCRX"
    kinds = data.draw(st.text(letters, min_size=len(held), max_size=len(held)))
    world = World(scenario, {"bidding": policies(kinds)}, seed=data.draw(st.integers(0, 1000)))
    read = give_tape(world, 20_000)
    world.run()
    tape = read()
    day = tape.column("time_us") // scenario.day_us
    seen = Counter(zip(tape.column("user").tolist(), tape.column("campaign").tolist(), day.tolist(), strict=True))
    for (_, k, _), times in seen.items():
        assert times <= (held[k].frequency_cap or times)
    # A campaign that was passed over for one user bids on for the next.
    assert (world._exchange.state.terms.active == world.campaigns.active(scenario.days - 1)).all()


def two_bidders(cap: int | None) -> Scenario:
    """One user; the first campaign always outbids the second, and pays what that bids."""
    scenario = Scenario.preset("uniform", bidders=2, requests=50).override(
        {"days": 3, "ticks_per_day": 50, "rates": {"kind": "interests", "click_rate": 0.5, "ad_sigma": 0, "affinity": 0}}
    )
    tree = scenario.model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0].update(value_per_conversion=2.0, frequency_cap=cap)
    return Scenario.from_tree(tree)


def test_whoever_has_reached_its_cap_neither_wins_nor_sets_a_price() -> None:
    world = World(two_bidders(7))
    world.run()
    impressions, spend = world.ledger.impressions(), world.ledger.spend()
    first_places = np.arange(150) % 50 < 7  # of each day
    np.testing.assert_array_equal(impressions[:, 0], first_places)
    np.testing.assert_array_equal(impressions[:, 1], ~first_places)
    np.testing.assert_allclose(spend[first_places, 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(spend[~first_places, 1], 1e-6)  # the reserve: nobody else bids


def test_what_was_seen_of_a_campaign_is_forgotten_after_its_day() -> None:
    """Caps without fatigue: the table has to hold what one day shows, however many days there are."""
    changes = {"days": 30, "demand.frequency_cap": 3, "users.count": 100_000, "traffic.requests_per_day": 6_000}
    world = World(Scenario.preset("tiny").override(changes), seed=3)
    world.run()
    shown = world.ledger.impressions().sum()
    assert world._exchange.state.memory.whose.size < shown / 2  # what thirty days showed would fill more than that


def test_without_a_cap_nothing_is_remembered() -> None:
    world = World(two_bidders(None))
    world.run()
    assert world.ledger.impressions()[:, 0].sum() == 150
    assert world._exchange.state.memory.whose.size == 0
    assert world.fatigue is None


def test_a_cap_alone_tires_nobody() -> None:
    world = World(two_bidders(7))
    world.run()
    assert world.fatigue is None
    assert world._exchange.state.memory.shown_counts.size == 0


def sessions_of(world: World, blocks: int) -> list[tuple[int, int, int, int]]:
    """(time, session, page, user) of the requests planned in the first blocks of a world that is thrown away."""
    out = []
    for _ in range(blocks):
        world._exchange.score()
        state = world._exchange.state
        columns = state.block.times[:1024], state.block.session[:1024], state.block.page, state.block.users[:1024]
        out += [tuple(int(x) for x in row) for row in zip(*columns, strict=True)]
    return out


def test_the_plan_of_sessions_has_its_rate_lengths_and_dwell() -> None:
    scenario = Scenario.preset("tiny").override(
        {"days": 10, "traffic.requests_per_day": 100_000, "traffic.day_sigma": 0, "traffic.tick_sigma": 0,
         "traffic.surge_probability": 0, "traffic.curve": [1.0],
         "sessions": {"mean_requests": 8.0, "videos": 3, "video_s": 10.0}}
    )  # fmt: skip
    rows = sessions_of(World(scenario, seed=2), 200)
    times = [t for t, *_ in rows]
    assert times == sorted(times)
    by_session: dict[int, list[tuple[int, int, int]]] = {}
    for time, number, page, user in rows:
        by_session.setdefault(number, []).append((time, page, user))
    last = max(by_session) * 0.9
    whole = [visit for number, visit in by_session.items() if number < last and visit[0][1] == 0]  # begun after midnight
    assert all([page for _, page, _ in visit] == list(range(len(visit))) for visit in whole)
    assert all(len({user for _, _, user in visit}) == 1 for visit in whole)
    lengths = np.array([len(visit) for visit in whole])
    assert abs(lengths.mean() - 8) < 4 * lengths.std() / len(lengths) ** 0.5
    assert abs((lengths == 1).mean() - 1 / 8) < 4 * (7 / 64 / len(lengths)) ** 0.5
    gaps = np.array([b[0] - a[0] for visit in whole for a, b in pairwise(visit)]) / 1e6
    assert abs(gaps.mean() - 30) < 4 * gaps.std() / len(gaps) ** 0.5
    assert abs(gaps.var() / 300 - 1) < 0.05  # of three exponentials
    starts = np.array([visit[0][0] for visit in whole]) / DAY_US
    assert abs(len(starts) / starts.max() - 12_500) < 4 * len(starts) ** 0.5 / starts.max()


def test_ads_shorten_sessions_and_keep_users_away() -> None:
    """The same plan with and without ads: whoever stays in one stays in the other."""
    plan: dict[str, Any] = {"days": 3, "sessions": {"leave_rate": 0.1, "ad_annoyance": 0.3, "satisfaction_rate": 0.1}}
    scenario = Scenario.preset("tiny").override(plan)
    full, empty = World(scenario, seed=1), World(scenario.override({"auction.reserve": 1e9}), seed=1)
    for world in (full, empty):
        world.run()
    assert full.visits is not None
    assert empty.visits is not None
    one, other = full.visits.to_frame(), empty.visits.to_frame()
    assert (one["sessions"] == other["sessions"]).all()
    assert (one["requests_planned"] == other["requests_planned"]).all()
    assert other["cut"].sum() == 0
    assert other["boring_ads"].sum() == 0
    assert one["cut"].sum() > 50
    first = one["day"] == 0  # nobody has been annoyed yet
    assert (one["visits"] == other["visits"])[first].all()
    assert one["visits"][~first].sum() < other["visits"][~first].sum()
    assert one["requests"].sum() < 0.8 * other["requests"].sum()
    assert one["content"].sum() < other["content"].sum()
    assert one["satisfaction"].iloc[-1] < 0.95 < other["satisfaction"].iloc[-1]
    np.testing.assert_array_equal(full.ledger.requests(), one["requests"])
    for world, frame in ((full, one), (empty, other)):
        assert world.visits is not None
        np.testing.assert_array_equal(world.visits.pages.sum(axis=1), frame[["requests_planned", "requests"]].sum())
        np.testing.assert_array_equal(world.visits.pages[:, 0], frame[["sessions", "visits"]].sum())
    # By place in the session: as counted from the plan.
    pages = np.array([page for time, _, page, _ in sessions_of(World(scenario, seed=1), 8) if time < scenario.horizon_us])
    assert len(pages) == one["requests_planned"].sum()
    np.testing.assert_array_equal(full.visits.pages[0], np.bincount(np.minimum(pages, PAGES - 1), minlength=PAGES))


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_surge_starts_more_sessions_and_leaves_those_under_way(engine: Any) -> None:
    scenario = Scenario.preset("tiny").override({"sessions": {"mean_requests": 6.0}, "traffic.requests_per_day": 5_000})
    calm, busy = World(scenario, seed=4, engine=engine), World(scenario, seed=4, engine=engine)
    noon = DAY_US // 2
    for world in (calm, busy):
        world.run(noon)
    busy.surge(3.0)
    for world in (calm, busy):
        world.run()
    assert calm.visits is not None
    assert busy.visits is not None
    before, after = calm.visits.counts, busy.visits.counts
    np.testing.assert_array_equal(before[:12], after[:12])
    ratio = after[12:, 0].sum() / before[12:, 0].sum()
    assert abs(ratio - 3) < 4 * 3 / before[12:, 0].sum() ** 0.5


def test_the_share_of_requests_made_is_foreseen() -> None:
    """What forecasts and budgets are based on, beside what comes of it on the first day under full slots."""
    scenario = Scenario.preset("tiny").override(
        {"sessions": {"leave_rate": 0.05}, "traffic.requests_per_day": 50_000, "demand.budget_share": None,
         "auction.reserve": 1e-6, "auction.exposure": [1.0, 1.0], "rates.click_rate": 0.001,
         "traffic.day_sigma": 0, "traffic.tick_sigma": 0, "traffic.surge_probability": 0}
    )  # fmt: skip
    world = World(scenario, seed=0)
    world.run()
    assert world.visits is not None
    planned, made = world.visits.to_frame()[["requests_planned", "requests"]].sum()
    assert abs(made / planned - scenario.expected_requests / 50_000) < 0.01


LONG = {"mean_requests": 13.0, "videos": 30, "video_s": 10.0, "leave_rate": 0.001}  # an hour, as in `feed`
CALM = {"traffic.day_sigma": 0, "traffic.tick_sigma": 0, "traffic.surge_probability": 0}


@pytest.mark.parametrize("sessions", [LONG, {}, {"leave_rate": 0.2}, None], ids=["long", "short", "cut", "none"])
def test_the_forecast_is_what_comes(sessions: Any) -> None:
    """On the first day as on the second; a sharp curve, so that an hour of delay would show."""
    curve = [1.0] * 6 + [6.0] * 3 + [2.0] * 9 + [9.0] * 4 + [1.0] * 2
    scenario = Scenario.preset("tiny").override(
        {"sessions": sessions if sessions is None else {**sessions, "ad_annoyance": 0.0}, "traffic.curve": curve, "days": 2,
         "traffic.requests_per_day": 20_000, "auction.exposure": [1, 1], "demand.budget_share": None,
         "rates.click_rate": 0.001, "auction.reserve": 1e-6, "users.count": 5_000, **CALM}
    )  # fmt: skip
    shares = []
    for seed in range(12):
        world = World(scenario, seed=seed)
        world.run()
        requests = world.ledger.requests().reshape(2, -1).astype(float)
        shares.append(requests / requests.sum(axis=1, keepdims=True))
    found, spread = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / len(shares) ** 0.5
    assert (np.abs(found - world.forecast) < 6 * spread + 1e-4).all()  # Student's t of 11 degrees, 48 times
    assert np.abs(found - world.forecast).sum(axis=1).max() / 2 < 0.025  # total variation; luck alone comes to .015
    assert world.forecast.sum() == pytest.approx(1.0)


def test_a_day_begins_in_the_middle_of_sessions() -> None:
    """As many requests come of those begun before midnight as, at a steady rate, sessions last beyond it."""
    a_day, hour_s, worlds = 1_000_000, 3600.0, 4
    changes = {"sessions": LONG, "traffic.requests_per_day": a_day, "traffic.curve": [1.0], **CALM}
    scenario = Scenario.preset("tiny").override(changes)
    earlier = total = 0
    for seed in range(worlds):
        rows = [row for row in sessions_of(World(scenario, seed=seed), 50) if row[0] < hour_s * 1e6]
        begun = {number for _, number, page, _ in rows if page == 0}
        earlier += sum(number not in begun for _, number, _, _ in rows)
        total += len(rows)
    # Request p of a session comes with probability (12/13)^p, after 30 p exponential times of 10 s. It falls into the first
    # hour and belongs to the evening before if it comes between t and t + an hour after a beginning t ago, for any t.
    pages, times = np.arange(1, 300)[:, None], np.linspace(0, hour_s, 721)
    lasting = np.trapezoid(gamma.sf(times, 30 * pages, scale=10.0), times, axis=1)
    expected = a_day / 86_400 / 13 * ((12 / 13) ** pages[:, 0] * lasting).sum()
    assert abs(earlier / worlds / expected - 1) < 0.05  # luck: 1.3%, of 3,000 sessions each
    assert abs(total / worlds / (a_day / 24) - 1) < 0.05  # and with those that begin, the day is as busy as ever


def test_what_is_played_is_what_was_made() -> None:
    scenario = Scenario.preset("tiny").override({"sessions": {"leave_rate": 0.2}})
    for engine in ("compiled", "events"):
        world = World(scenario, seed=1, engine=engine)  # type: ignore[arg-type]
        world.run(scenario.day_us // 3)
        assert world.played == world.ledger.requests().sum()
        world.run()
        assert world.visits is not None
        assert world.played == world.ledger.requests().sum() == world.visits.to_frame()["requests"].sum()
        assert world.played < 0.9 * world.visits.to_frame()["requests_planned"].sum()


@pytest.mark.parametrize("preset", ["bidding", "bidding-small", "bidding-tcpa", "feed", "search", "leads"])
def test_nobody_makes_thousands_of_requests_a_day(preset: str) -> None:
    """A request is minutes of watching: the busiest user of a preset has time for its own, and is no market by itself."""
    scenario = Scenario.preset(preset)
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    share = np.zeros(len(people.segment))
    within = np.diff(np.column_stack([np.zeros(scenario.ticks_per_day), people.segment_share]), axis=1).mean(axis=0)
    for segment, (low, high) in enumerate(pairwise(people.segment_start.tolist())):
        kept = np.minimum(people.alias_share[low:high], 1.0)
        own = np.bincount(people.alias_user[low:high] - low, 1 - kept, minlength=high - low) + kept
        share[low:high] = own / (high - low) * within[segment]
    assert share.sum() == pytest.approx(1.0)
    assert share.max() < 0.002
    assert share.max() * scenario.expected_requests < 1_000
    assert share.max() > 5 * share.mean()  # and yet some are far busier than others


def test_campaigns_are_told_of_the_requests_that_will_be_made() -> None:
    scenario = Scenario.preset("tiny").override({"sessions": {"leave_rate": 0.2}})

    class Onlooker(BidPolicy):
        def decide(self, view: BidView) -> None:
            assert view.forecast_requests == scenario.expected_requests

    World(scenario, {"bidding": Onlooker()}).run(0)
    assert scenario.expected_requests < 0.5 * scenario.traffic.requests_per_day


@rule
def counts_down(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    state[0] += 1
    state[1] = requests_left
    return 0.0


@pytest.mark.parametrize("serving", [None, {"servers": 50, "service_s": 0.001}])
def test_requests_that_are_not_made_are_not_missing_from_those_left(serving: Any) -> None:
    scenario = Scenario.preset("tiny").override({"sessions": {"leave_rate": 0.2}, "ticks_per_day": 1, "serving": serving})
    state = np.zeros((1, 2))

    class Asker(BidPolicy):
        def decide(self, view: BidView) -> RequestRule:
            return RequestRule(counts_down, state)

    world = World(scenario, {"bidding": {0: Asker()}}, seed=5)
    world.run(scenario.day_us // 2)
    asked, left = world._exchange.state.rules.state
    assert asked == world.played
    assert 50 < asked < 0.8 * world._exchange.state.control[Control.NEXT]
    assert left == round(scenario.expected_requests) - (asked - 1)


def test_who_remembers_is_not_recorded() -> None:
    for changes in ({"fatigue": {}}, {"sessions": {}}, {"demand.frequency_cap": 3}):
        with pytest.raises(MarketError, match="there is no record"):
            World(Scenario.preset("tiny").override(changes), record=0)


def test_wrong_settings_get_a_sentence() -> None:
    with pytest.raises(ScenarioError, match=r"mean_requests cannot be 0\.5"):
        Sessions(mean_requests=0.5)
    with pytest.raises(ScenarioError, match="frequency_cap cannot be 0:"):
        Scenario.preset("tiny").override({"demand.frequency_cap": 0})
    with pytest.raises(ScenarioError, match=r"no field 'half_live_s'.*half_life_s"):
        Scenario.preset("tiny").override({"fatigue": {"half_live_s": 3}})
