"""The compute seat: what it is told, what becomes of its decisions, in both engines; and the parts of the market it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest

from adarena.agents.compute import POLICIES
from adarena.agents.compute.ladder import Ladder
from adarena.agents.compute.plan import depths_at, depths_within
from adarena.agents.compute.static import Static
from adarena.agents.hindsight.compute import one_price_bound
from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.delivery.queue import Served
from adarena.simulator.engine.state import Count
from adarena.simulator.requests.worth import greatest_worth, usual_worth, worth
from adarena.simulator.scenario.delivery import Quotas
from adarena.simulator.seats.compute.decisions import ComputePolicy, Depth, Levels
from adarena.simulator.seats.compute.depths import quotas_at
from adarena.simulator.seats.compute.known import known
from adarena.simulator.seats.compute.view import ComputeView, Earnings

SMALL = Scenario.preset("compute-small").override({"traffic.requests_per_day": 4_000, "ticks_per_day": 24})
ENGINES: tuple[Literal["compiled", "events"], ...] = ("compiled", "events")
OFTEN = SMALL.override({"serving.control_s": 47.0})  # which no tick is a multiple of


class Erratic(ComputePolicy):
    """Something else each time, now depths with a ladder, now quotas, now nothing."""

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self.dice, self.seen = dice, list[ComputeView]()

    def decide(self, view: ComputeView) -> Any:
        self.seen.append(view)
        form, depth = self.dice.integers(4), self.dice.random(len(view.tiers))
        if form == 0:
            return None
        if form == 1:
            return Depth(depth, ((float(self.dice.random()), 1.0), (0.0, 2.5)))
        if form == 2:
            return Depth(depth)
        full = quotas_at(depth, view.most[:, 0], view.cached)
        return Levels(np.stack([full, np.minimum(full, view.most[:, 1]), np.minimum(full, view.most[:, 2])], axis=1))


def surge_and_fail(world: World) -> Iterator[Any]:
    """Traffic and servers change in the middle of ticks and intervals."""
    yield world.at(minutes=13, seconds=7)
    world.surge(2.5)
    world.fail_servers(2)
    yield world.at(minutes=31)
    world.set_quotas(1, [Quotas(recall=9, rough=5, fine=5), Quotas(recall=9, rough=5, fine=5, after_wait_s=1), Quotas(
        recall=0, rough=0, fine=8, after_wait_s=2)])  # fmt: skip
    world.surge(0.4)
    yield world.at(minutes=44, seconds=1)
    world.repair_servers(1)


def books_of(world: World) -> list[bytes]:
    serving = world.serving
    assert serving is not None
    arrays = (world.ledger.counts, world.ledger.sums, world.ledger.left, serving.by_tier, serving.worth, serving.latency)
    return [array.tobytes() for array in (*arrays, serving.capacity)]


@pytest.mark.parametrize("scenario", [SMALL, OFTEN], ids=["ticks", "intervals"])
def test_engines_keep_the_same_books_whatever_is_decided_when(scenario: Scenario) -> None:
    policies = Erratic(), Erratic()
    worlds = [
        World(scenario, {"compute": policy}, seed=3, engine=engine) for policy, engine in zip(policies, ENGINES, strict=True)
    ]
    for world in worlds:
        world.process(surge_and_fail(world))  # type: ignore[arg-type]
        world.run()
    assert books_of(worlds[0]) == books_of(worlds[1])
    for one, other in zip(policies[0].seen, policies[1].seen, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_equal(x, y)
    assert max(view.waiting.max() for view in policies[0].seen) > 5


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_left_open_it_is_the_run_of_a_policy_that_decides_the_same(engine: Any) -> None:
    played = World(OFTEN, {"compute": {"tier 0": Erratic(), 1: (other := Erratic()), 2: other}}, seed=1, engine=engine)
    played.run()
    world = World(OFTEN, {"compute": {"tier 0": Open(), 1: (other := Erratic()), 2: other}}, seed=1, engine=engine)
    decider = Erratic()
    decider.start(None, world._rosters[0].seat.dice(1, 0))  # type: ignore[arg-type]
    while (asked := world.until_asked()) is not None:
        assert asked.units == ("tier 0",)
        world.answer(decider.decide(asked.view))
    assert books_of(world) == books_of(played)


def test_books_by_tier_come_to_the_queues_and_the_ledgers() -> None:
    world = World(SMALL, {"compute": Static(0.5, 0.5)}, seed=0)
    world.run()
    serving = world.serving
    assert serving is not None
    assert (serving.by_tier.sum(axis=1) == serving.counts).all()
    assert serving.counts[:, Served.CHARGED].sum() == round(float(world.ledger.spend().sum()) * MICRO)
    assert (serving.counts[:, Served.OWED] == 0).all()
    np.testing.assert_allclose(serving.worth[..., 1].sum(), world.ledger.value().sum())
    assert serving.by_tier[..., Served.ARRIVED].sum(axis=0).min() > 300
    assert serving.to_frame()["revenue"].sum() == pytest.approx(world.ledger.spend().sum())


def test_what_is_charged_by_conversion_is_revenue_when_it_is_owed() -> None:
    world = World(SMALL.override({"demand.billing": "cpa"}), {"compute": Static(0.5, 0.5)}, seed=0)
    world.run()
    assert world.serving is not None
    counts = world.serving.counts.sum(axis=0)
    assert counts[Served.CHARGED] == 0
    assert counts[Served.OWED] > 0
    total = world.ledger.counts.sum(axis=(0, 2))
    assert counts[Served.OWED] >= total[Count.SPEND] + total[Count.WRITTEN_OFF]  # some is reported after the day


def test_views_add_up_to_the_books() -> None:
    policy = Erratic()
    world = World(OFTEN, {"compute": policy}, seed=2)
    world.run()
    last = world._rosters[0].holdings[0]
    seen = [*policy.seen, world._rosters[0].seat.view(last, world.moment)]
    assert world.serving is not None
    counts = world.serving.so_far
    for name, row in (("arrived", Served.ARRIVED), ("served", Served.AUCTIONED), ("begun", Served.BEGUN)):
        assert (sum(getattr(view, name) for view in seen) == counts[:, row]).all()
    revenue = sum(view.revenue for view in seen)
    np.testing.assert_allclose(revenue, (counts[:, Served.CHARGED] + counts[:, Served.OWED]) / MICRO)
    assert [view.number for view in policy.seen] == list(range(len(policy.seen)))
    assert len(policy.seen) == policy.seen[0].intervals == -(-3600 // 47)
    assert seen[0].forecast.sum() == pytest.approx(SMALL.expected_requests)
    assert not any(name in ComputeView._fields for name in ("true", "value", "lifts", "outages"))


def test_a_view_does_not_know_what_is_to_come() -> None:
    """Traffic, outages and worth of later are another day's: what is seen until then is the same."""

    class Watches(ComputePolicy):
        def start(self, view: ComputeView, dice: Any) -> None:
            self.seen: list[ComputeView] = []

        def decide(self, view: ComputeView) -> None:
            self.seen.append(view)

    def watched(late: float) -> list[ComputeView]:
        policy = Watches()
        world = World(SMALL, {"compute": policy}, seed=5)

        def change() -> Iterator[Any]:
            yield world.at(minutes=40)
            world.surge(late)
            world.fail_servers(3 if late > 1 else 0)

        world.process(change())  # type: ignore[arg-type]
        world.run()
        return policy.seen

    one, other = watched(3.0), watched(0.2)
    until = [view.number for view in one].index(16)  # that is asked at 40 minutes, after what happens then
    for a, b in zip(one[:until], other[:until], strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_equal(x, y)
    assert (one[-1].arrived != other[-1].arrived).any()


def test_cached_ads_cost_what_a_request_by_itself_does() -> None:
    """Nothing recalled: load = requests x service_s / servers."""
    calm = SMALL.override({"serving.failures": None, "serving.servers": 4, "traffic.requests_per_day": 12_000})
    world = World(calm, {"compute": Static(0.0, 0.0)}, seed=0)
    world.run()
    assert world.serving is not None
    counts = world.serving.counts.sum(axis=0)
    requests, work = counts[Served.BEGUN], counts[Served.WORK_US] / 1e6
    assert work == pytest.approx(requests * 0.1, abs=4 * 0.1 * np.sqrt(requests))
    assert counts[Served.ASKED_US] / 1e6 == pytest.approx(work, rel=1e-3)


def logarithmic(a: tuple[float, ...]) -> tuple[Earnings, np.ndarray]:
    """Worth a log s of s server seconds from e^-2 to e^3, at fine depths."""
    depths = np.linspace(0, 1, 4001)
    seconds = np.exp(-2 + 5 * depths)
    worths = np.array([x * (np.log(seconds) + 2) for x in a])
    return Earnings(depths, worths, np.tile(seconds, (len(a), 1))), worths


def test_the_best_depths_are_where_a_second_is_worth_the_same_in_each_tier() -> None:
    """Worth a_t log s, cost s: s_t = a_t C / sum a n at the price sum a n / C (n 10, 10; a 2, 1; C 30: s 2, 1; p 1)."""
    earnings, worths = logarithmic((2.0, 1.0))
    seconds = np.exp(-2 + 5 * depths_at(1.0, worths, earnings))
    np.testing.assert_allclose(seconds, [2.0, 1.0], rtol=2e-3)
    depths = depths_within(np.array([10.0, 10.0]), 30.0, worths, earnings)
    found = np.exp(-2 + 5 * depths)
    assert 10 * found.sum() <= 30.0
    np.testing.assert_allclose(found, [2.0, 1.0], rtol=0.1)  # prices are a grid


def test_what_is_asked_for_falls_in_the_price_and_rises_with_what_there_is() -> None:
    its = known(SMALL).earnings
    dice = np.random.default_rng(0)
    for _ in range(200):
        worths = its.revenue * np.exp(dice.normal(size=(3, 1)))
        requests, prices = dice.uniform(0, 80, 3), np.sort(np.exp(dice.uniform(-4, 4, 8)))
        asked = [requests @ np.array([np.interp(d, its.depths, row) for d, row in zip(
            depths_at(p, worths, its), its.work_s, strict=True)]) for p in prices]  # fmt: skip
        assert (np.diff(asked) <= 1e-9).all()
        seconds = np.sort(dice.uniform(10, 400, 2))
        few, more = (depths_within(requests, s, worths, its) for s in seconds)
        assert (more >= few - 1e-12).all()


def test_quotas_grow_with_depth_from_cached_ads_to_the_full_ones() -> None:
    full = np.array([300, 100, 20])
    assert quotas_at([0.0, 1.0], full, 8).tolist() == [[0, 0, 8], [300, 100, 20]]
    assert quotas_at(0.75, full, 8).tolist() == [121, 45, 20]
    deep = quotas_at(np.linspace(0.02, 1, 50), full, 8)
    assert (np.diff(deep, axis=0) >= 0).all()
    assert (deep[:, 0] >= deep[:, 1]).all()
    assert (deep[:, 1] >= deep[:, 2]).all()


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_expects_more_than_one_price_bounds(name: str) -> None:
    revenue, bound = [], []
    for seed in range(8):
        world = World(SMALL, {"compute": POLICIES[name]()}, seed=seed)
        world.run()
        assert world.serving is not None
        revenue.append(world.serving.counts[:, Served.CHARGED].sum() / MICRO)
        bound.append(one_price_bound(world))
    over = np.array(revenue) / np.array(bound) - 1
    assert over.mean() <= 3 * over.std() / np.sqrt(len(over))
    assert np.array(revenue).min() > 0


def test_worth_has_a_course_and_weather_and_stays_below_the_largest() -> None:
    settings = SMALL.weather.tiers
    assert settings is not None
    days = np.array([worth(settings, 96, seed, 0) for seed in range(400)])
    assert days.max() <= greatest_worth(SMALL)
    usual = usual_worth(settings, 96)
    assert np.log(usual).mean(axis=0) == pytest.approx(settings.level, abs=1e-9)
    assert np.ptp(np.log(usual), axis=0) == pytest.approx([2 * settings.amplitude] * 3, rel=0.01)
    mean, spread = (days / usual).mean(axis=0), (days / usual).std(axis=0) / 20
    assert (np.abs(mean - 1) <= 4.5 * spread + 0.01).all()  # cutting what is rare takes a hair off the mean
    assert (worth(settings, 96, 1, 0) != worth(settings, 96, 1, 1)).all()


def test_requests_are_worth_what_their_tier_is_at_that_hour() -> None:
    """Conversions per click follow the factors of the day, over many requests."""
    busy = SMALL.override({"serving.servers": 200, "serving.failures": None, "traffic.requests_per_day": 60_000})
    plain = busy.override({"weather.tiers": None})
    earned = []
    for scenario in (busy, plain):
        world = World(scenario, {"compute": Static(0.4, 0.4)}, seed=4)
        world.run()
        assert world.serving is not None
        earned.append(world.serving.worth[..., 1] / np.maximum(world.serving.by_tier[..., Served.AUCTIONED], 1))
    settings = busy.weather.tiers
    assert settings is not None
    ratio, wanted = earned[0] / earned[1], worth(settings, 24, 4, 0)
    enough = world.serving.by_tier[..., Served.AUCTIONED] > 300
    assert enough.sum() > 30
    np.testing.assert_allclose(ratio[enough], wanted[enough], rtol=0.15)


def test_servers_are_ordered_where_autoscaling_is_on() -> None:
    scale = SMALL.override({"serving.autoscaling": {"least": 1, "most": 9, "every_s": 60, "delay_s": 100}})

    class Orders(ComputePolicy):
        def decide(self, view: ComputeView) -> Depth:
            assert view.autoscaling in ((1, 9), (1, 6))
            return Depth(0.3, servers=7)

    world = World(scale.override({"serving.failures": None}), {"compute": Orders()}, seed=0)
    world.run()
    assert world.serving is not None
    servers = world.serving.to_frame()["servers"]
    assert servers.iloc[0] == pytest.approx(4 * 100 / 150 + 7 * 50 / 150)
    assert (servers.iloc[1:] == 7).all()
    with pytest.raises(PolicyError, match=r"^Orders may order from 1 to 6 servers, not 7$"):
        World(scale.override({"serving.autoscaling.most": 6}), {"compute": Orders()}).run()

    class Blunders(Orders):
        def decide(self, view: ComputeView) -> Depth:
            return Depth(0.3, servers=7)

    with pytest.raises(PolicyError, match=r"^Blunders orders servers, which needs serving\.autoscaling in the scenario$"):
        World(SMALL, {"compute": Blunders()}).run()


class Says(ComputePolicy):
    """One decision, whatever is seen."""

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def decide(self, view: ComputeView) -> Any:
        return self.decision


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (0.5, r"^Says must decide a Depth or Levels, not float$"),
        (Depth([0.5, 0.5]), r"^Says must decide a depth for each of its 3 tiers, not \[0\.5, 0\.5\]$"),
        (Depth("deep"), r"^Says must decide a depth for each of its 3 tiers, not 'deep'$"),
        (Depth([0.5, 1.5, 0]), r"^Says decided 1\.5, and a depth for each of its 3 tiers lie from 0 to 1$"),
        (Depth(float("nan")), r"^Says decided nan, and"),
        (Depth(0.5, 3.0), r"^Says must decide steps as pairs of depth and wait, not 3\.0$"),  # type: ignore[arg-type]
        (Depth(0.5, (0.1, 1.0)), r"^Says must decide steps as pairs of depth and wait, not \(0\.1, 1\.0\)$"),  # type: ignore[arg-type]
        (Depth(0.5, ((0.1, 1.0),) * 3), r"^Says decided 3 steps down, and there is room for 2$"),
        (Levels(np.zeros((3, 3))), r"^Says must decide quotas of shape \(3, 3, 3\), tiers by levels by stages, not"),
        (Levels(np.full((3, 3, 3), 2.5)), r"^Says must decide whole numbers of candidates, not 2\.5$"),
        (Levels(np.full((3, 3, 3), 50)), r"^level 0 of tier 0 has room for fine of 20 candidates, not 50$"),
    ],
)
def test_what_is_not_allowed_is_said_in_a_sentence(decision: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        World(SMALL, {"compute": Says(decision)}).run()


def test_a_tier_with_fewer_levels_ends_its_ladder_at_its_own_last_one() -> None:
    short = {"tier": 1, "levels": [{"recall": 300, "rough": 100, "fine": 20}, {"recall": 40, "rough": 9, "fine": 9,
                                                                              "after_wait_s": 2.0}]}  # fmt: skip
    world = World(SMALL.override({"funnel.tiers": [short]}), {"compute": Says(Depth(1.0))})
    world.run(0)
    queue = world._exchange.queue
    assert queue is not None
    quotas = world._exchange.blocks.rating.quotas
    assert quotas[1].tolist() == [[300, 100, 20], [40, 9, 9], [0, 0, 0]]
    assert quotas[0].tolist() == [[300, 100, 20], [0, 0, 8], [0, 0, 8]]
    assert queue.after[1, :2].tolist() == [0, 2_000_000]
    assert queue.after[1, 2] > 1e15  # never
    world.run()


def test_what_is_set_by_hand_is_seen_to_be_in_force() -> None:
    policy, low = Erratic(), Quotas(recall=0, rough=0, fine=8, after_wait_s=2.5)
    world = World(SMALL, {"compute": {0: policy}})

    def by_hand() -> Iterator[Any]:
        yield world.at(minutes=9)
        world.set_quotas(0, [Quotas(recall=50, rough=20, fine=10), low, low])

    world.process(by_hand())  # type: ignore[arg-type]
    world.run(10 * 60_000_000)
    assert policy.seen[-1].quotas.tolist() == [[[50, 20, 10], [0, 0, 8], [0, 0, 8]]]
    assert policy.seen[-1].after_s.tolist() == [[0.0, 2.5, 2.5]]


def test_quotas_by_hand_are_checked_too() -> None:
    world = World(SMALL)
    full = Quotas(recall=300, rough=100, fine=20)
    low = Quotas(recall=0, rough=0, fine=8, after_wait_s=3)
    with pytest.raises(MarketError, match=r"^there is no traffic tier 3: they are numbered from 0 to 2$"):
        world.set_quotas(3, [full, low, low])
    with pytest.raises(MarketError, match=r"^tier 0 has 3 levels of Quotas, in full first, not "):
        world.set_quotas(0, [full])
    with pytest.raises(MarketError, match=r"^level 0 of tier 0 has room for recall of 300 candidates, not 301$"):
        world.set_quotas(0, [Quotas(recall=301, rough=100, fine=20), low, low])
    with pytest.raises(MarketError, match=r"^levels go down"):
        world.set_quotas(0, [Quotas(recall=10, rough=10, fine=8), Quotas(recall=20, rough=10, fine=8, after_wait_s=1), low])
    with pytest.raises(MarketError, match=r"^quotas need a funnel, and scenario 'tiny' has none$"):
        World(Scenario.preset("tiny")).set_quotas(0, [full])


@pytest.mark.parametrize(("name", "lacks"), [("tiny", "servers"), ("queue", "a funnel")])
def test_a_market_without_funnel_or_servers_has_no_such_seat(name: str, lacks: str) -> None:
    with pytest.raises(PolicyError, match=rf"^the compute seat needs {lacks}, and scenario '{name}' has none$"):
        World(Scenario.preset(name), {"compute": Static()})


def test_no_steps_are_no_steps_down() -> None:
    """However long a request has waited, it gets the depth decided; a ladder has no step where there is one level."""
    world = World(SMALL, {"compute": Says(Depth(0.5, ()))})
    world.run(world.scenario.tick_us * 6)
    assert world.serving is not None
    assert world.serving.counts[:6, Served.STEPPED_DOWN].sum() == 0
    alone = SMALL.override({"funnel.levels": [{"recall": 300, "rough": 100, "fine": 20}]})
    world = World(alone, {"compute": Ladder()})
    world.run()
    assert world.serving is not None
    assert world.serving.counts[:, Served.STEPPED_DOWN].sum() == 0
