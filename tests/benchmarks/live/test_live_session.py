"""A live session: what is done to its world is what a script does, and both worlds are those that nobody watches."""

import json
import threading
import time

import numpy as np
import pytest

from adarena.agents.catalogue import make_policy
from adarena.benchmarks.live.offers import check_offered, offers
from adarena.benchmarks.live.recording import Action, Driven, Recording
from adarena.benchmarks.live.relay import Relay, relays, seats_of
from adarena.benchmarks.live.session import KEPT, Session
from adarena.simulator import Scenario, World
from adarena.simulator.core.errors import AdArenaError, MarketError, PolicyError, ScenarioError
from adarena.simulator.seats.bidding.decisions import BidPolicy, Multiplier
from adarena.simulator.seats.seat import Open

TINY = Scenario.preset("tiny")
TICK = TINY.tick_us
SOON_S = 20


def same(one, other):
    """Whether two worlds have the same books, to the bit."""
    for name in ("counts", "sums", "left", "multiplier", "market_price", "pace"):
        a, b = getattr(one.ledger, name), getattr(other.ledger, name)
        if a.tobytes() != b.tobytes():
            return False
    return one.ledger.closed == other.ledger.closed and one.played == other.played


@pytest.fixture
def session():
    """Sessions that end with the test."""
    begun = []

    def begin(scenario=TINY, policies=None, seed=3, twin=True, speed=1000.0, playing=False):
        made = Session(scenario, policies or {"bidding": "pid"}, seed, twin, speed, playing)
        begun.append(made)
        made.begin()
        return made

    yield begin
    for made in begun:
        made.end()


def told(session, event):
    return [json.loads(message.text) for message in session.since(0) if message.event == event]


def step(session, ticks=1):
    """Plays so many ticks and waits until they are told."""
    wanted = len(told(session, "tick")) + ticks
    for _ in range(ticks):
        session.step().result(SOON_S)
    until(lambda: len(told(session, "tick")) >= wanted)


def until(holds):
    """Waits until something holds."""
    end = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


DONE = (
    (3, "set_budget", {"campaign": "c1", "amount": 40.0}),
    (3, "surge", {"factor": 3.0}),
    (6, "hand", {"seat": "bidding", "policy": "dual"}),
    (9, "hand", {"seat": "pacing", "policy": "pid"}),
    (9, "top_up", {"campaign": "c2", "amount": 7.5}),
    (12, "pause", {"campaign": "c3"}),
    (15, "launch", {"campaign": "c3"}),
    (15, "surge", {"factor": 1 / 3}),
    (16, "set_budget", {"campaign": "c0", "amount": None}),
)


def driven(session):
    for tick, do, what in DONE:
        step(session, tick - len(told(session, "tick")))
        assert session.act(do, what).result(SOON_S)["tick"] == tick
    session.play(True).result(SOON_S)
    until(lambda: told(session, "state")[-1]["over"])


def test_a_driven_day_is_that_of_a_script_that_somebody_wrote(session):
    """Seats held from the start by what decides at the time, and a process that acts: neither relay nor recording is asked."""
    live = session()
    driven(live)

    class First(BidPolicy):
        """PID, and from the seventh tick on dual: as the page had it."""

        def __init__(self):
            self.now, self.later = make_policy("bidding", "pid"), make_policy("bidding", "dual")

        def start(self, view, dice):
            self.dice = dice
            self.now.start(view, dice)

        def decide(self, view):
            if view.tick == 7:
                self.later.start(view, self.dice)
                self.now = self.later
            return self.now.decide(view)

    pacer = Relay("pacing")
    world = World(TINY, {"bidding": First(), "pacing": pacer}, seed=3)

    def day():
        yield world.at(hours=3)
        world.set_budget("c1", 40.0)
        world.surge(3.0)
        yield world.at(hours=9)
        pacer.hand(make_policy("pacing", "pid"))
        world.top_up("c2", 7.5)
        yield world.at(hours=12)
        world.pause("c3")
        yield world.at(hours=15)
        world.launch("c3")
        world.surge(1 / 3)
        yield world.at(hours=16)
        world.set_budget("c0", None)

    world.process(day())
    world.run()
    played = live.recording().play()
    assert same(played, world)
    last = told(live, "tick")[-1]["worlds"][0]
    assert last["spend"] == pytest.approx(world.ledger.spend().sum(axis=0), abs=0.0051)
    assert last["totals"]["requests"] == world.played
    assert not same(World(TINY, {"bidding": First()}, seed=3), world)


def test_the_worlds_that_were_watched_are_those_of_the_files(session, tmp_path):
    live = session()
    driven(live)
    recording = live.recording()
    watched, untouched = (each.world for each in live._worlds)
    assert len(recording.actions) == len(DONE)
    assert same(recording.play(), watched)
    again = Recording.from_yaml(recording.to_yaml())
    assert again == recording
    names = {}
    exec(recording.to_python(), names)
    assert same(names["world"], watched)
    alone = World(TINY, {"bidding": make_policy("bidding", "pid")}, seed=3)
    alone.run()
    assert same(alone, untouched)
    assert not same(watched, untouched)
    middle = recording.play(12 * TICK)
    assert middle.ledger.spend().tobytes() == watched.ledger.spend()[:12].tobytes()


def test_one_event_less_is_another_day(session):
    live = session()
    driven(live)
    recording = live.recording()
    for left_out in range(2, len(DONE)):  # of the first two one cannot be told from the other's day for certain
        fewer = recording.actions[:left_out] + recording.actions[left_out + 1 :]
        if recording.actions[left_out].do not in ("launch", "set_budget"):
            assert not same(recording._replace(actions=fewer).play(), live._worlds[0].world), recording.actions[left_out]


@pytest.mark.parametrize("preset", ["tiny", "compute-small"])
def test_a_seat_that_nobody_holds_is_no_seat(preset):
    scenario = Scenario.preset(preset).override({"ticks_per_day": 24})
    policies = {"bidding": "pid"}
    with_relays = Driven(scenario, policies, 1).world
    without = World(scenario, {"bidding": make_policy("bidding", "pid")}, seed=1)
    for world in (with_relays, without):
        world.run(12 * scenario.tick_us)
    assert same(with_relays, without)
    if with_relays.serving is not None:
        assert with_relays.serving.counts.tobytes() == without.serving.counts.tobytes()


def test_what_a_market_has_may_change_hands():
    assert seats_of(TINY) == ("auction", "pacing", "bidding")
    assert seats_of(TINY, ["ranking"]) == ("ranking", "pacing", "bidding")
    assert "compute" in seats_of(Scenario.preset("compute-small"))
    with pytest.raises(PolicyError, match="bidding"):
        seats_of(TINY, ["biding"])


def test_a_relay_takes_policies_of_its_seat_alone():
    seats = relays(TINY, {})
    with pytest.raises(PolicyError, match="BidPolicy"):
        seats["bidding"].hand(make_policy("pacing", "pid"))
    with pytest.raises(PolicyError, match="BidPolicy"):
        seats["bidding"].hand(Open())


def test_who_has_not_decided_is_told(session):
    live = session()
    step(live, 2)
    live.act("hand", {"seat": "bidding", "policy": "rlb"}).result(SOON_S)  # plans in the morning
    step(live, 2)
    assert told(live, "tick")[-1]["waits"] == ["bidding"]
    live.act("hand", {"seat": "bidding", "policy": "dual"}).result(SOON_S)
    step(live, 1)
    assert told(live, "tick")[-1]["waits"] == []


@pytest.mark.parametrize(
    ("do", "what", "says"),
    [
        ("set_budgets", {}, "set_budget"),
        ("set_budget", {"campaign": "c1"}, "takes campaign and amount"),
        ("set_budget", {"campaign": "c99", "amount": 1.0}, "c99"),
        ("set_budget", {"campaign": "c1", "amount": "much"}, "much"),
        ("surge", {"factor": -1.0}, "-1"),
        ("fail_servers", {"servers": 1}, "servers"),
        ("hand", {"seat": "compute", "policy": "mpc"}, "no seat 'compute'"),
        ("hand", {"seat": "bidding", "policy": "nobody"}, "nobody"),
        (7, {}, "no action"),
        ("surge", 3.0, "takes factor"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_trace(session, do, what, says):
    live = session()
    step(live, 2)
    with pytest.raises(AdArenaError, match=says):
        live.act(do, what).result(SOON_S)
    assert live.recording().actions == ()
    assert told(live, "done") == []


def test_it_plays_at_the_speed_that_is_asked_for(session):
    live = session(speed=20.0, playing=True)
    until(lambda: len(told(live, "tick")) >= 9)
    closed = np.array([tick["closed"] for tick in told(live, "tick")[1:9]])
    assert np.median(np.diff(closed)) >= 0.05 * 0.7  # never faster; how much slower, the machine may say
    assert closed[-1] - closed[0] < 5.0
    live.play(False).result(SOON_S)
    stopped = len(told(live, "tick"))
    time.sleep(0.2)
    assert len(told(live, "tick")) == stopped
    for speed in (0, -1, float("nan"), True, "fast", 1e9):
        with pytest.raises(MarketError, match="ticks a second"):
            live.at_speed(speed)
    with pytest.raises(MarketError, match="true or false"):
        live.play(1)


def test_messages_are_numbered_and_bounded(session):
    live = session()
    for _ in range(KEPT):
        live.at_speed(5.0)
    live.at_speed(7.0).result(SOON_S)
    numbers = [message.number for message in live.since(0)]
    assert len(numbers) == KEPT
    assert numbers == list(range(numbers[0], numbers[0] + KEPT))
    assert [message.number for message in live.since(numbers[-3])] == numbers[-2:]


def test_a_policy_that_fails_ends_the_worlds_and_is_told(session, monkeypatch):
    live = session()
    step(live)
    relay = live._worlds[0].relays["bidding"]

    class Wrong(BidPolicy):
        def decide(self, view):
            return Multiplier(-1.0)

    relay.hand(Wrong())
    live.step().result(SOON_S)
    until(lambda: told(live, "state")[-1]["failed"])
    assert "multiplier -1" in told(live, "state")[-1]["failed"]
    with pytest.raises(MarketError, match="cannot go on"):
        live.act("surge", {"factor": 2.0}).result(SOON_S)


def test_the_end_is_the_end(session):
    live = session(twin=False, playing=True)
    until(lambda: told(live, "state")[-1]["over"])
    with pytest.raises(MarketError, match="over"):
        live.act("surge", {"factor": 2.0}).result(SOON_S)
    live.end()
    with pytest.raises(MarketError, match="ended"):
        live.step()
    assert not any(thread.name == "adarena-live" and thread.is_alive() for thread in threading.enumerate())


def test_it_begins_again_without_what_was_done(session):
    live = session(speed=1000.0)
    live.act("surge", {"factor": 3.0}).result(SOON_S)
    step(live, 2)
    live.again().result(SOON_S)
    until(lambda: told(live, "state")[-1]["over"])
    assert live.recording().actions == ()
    assert told(live, "again") == [{}]
    ticks = told(live, "tick")
    assert [tick["tick"] for tick in ticks] == list(range(1, TINY.ticks_per_day + 1))
    assert all(tick["worlds"][0] == tick["worlds"][1] for tick in ticks)
    assert same(live._worlds[0].world, live._worlds[1].world)


def test_who_waits_plays_nothing_before_somebody_watches():
    live = Session(TINY, {"bidding": "pid"}, 3, False, 1000.0, waits=True)
    live.begin()
    try:
        live.at_speed(500.0).result(SOON_S)
        time.sleep(0.05)
        assert told(live, "tick") == []
        live.watched()
        until(lambda: told(live, "tick"))
    finally:
        live.end()


@pytest.mark.parametrize("text", ["", "seed: 1", "- 1"])
def test_what_is_no_recording_is_refused(text):
    with pytest.raises((MarketError, ScenarioError)):
        Recording.from_yaml(text)


def test_what_a_page_may_put_into_a_seat():
    given = offers(["bidding=pid:kp=4"])
    assert given == {"bidding": ["pid:kp=4"]}
    for policy in ("dual", "pid:kp=3.5,ki=1e-2", "pid:kp=4"):
        check_offered("bidding", policy, given)
    for policy in ("os:system", "agent:x", "mine.py:Mine", "pid:kp=__import__", "pid:kp=/etc/passwd", None):
        with pytest.raises(PolicyError):
            check_offered("bidding", policy, given)
    with pytest.raises(PolicyError, match="SEAT=POLICY"):
        offers(["pid"])
    with pytest.raises(PolicyError):
        check_offered(["bidding"], "pid", given)


def test_every_action_has_words():
    assert Action.read(0, "surge", {"factor": 3}).words == "traffic x 3"
    for _, do, what in DONE:
        assert Action.read(0, do, what).words
