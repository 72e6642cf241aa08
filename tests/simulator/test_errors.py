"""What a user gets wrong ends in one clear sentence of the right class, with the field, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adarena.simulator import (
    AdArenaError,
    BidPolicy,
    BidView,
    ChunkBids,
    MarketError,
    Multiplier,
    PolicyError,
    RequestRule,
    Scenario,
    ScenarioError,
    World,
    rule,
)
from adarena.simulator.core.errors import InvariantError, LogError, suggest
from adarena.simulator.scenario.demand import Campaign, Flight

TINY = Scenario.preset("tiny")


def refused(kind: type[AdArenaError], act: Callable[[], Any], *words: str) -> str:
    """Asserts that `act` raises exactly this class, in one sentence that holds these words; returns the sentence."""
    with pytest.raises(AdArenaError) as caught:
        act()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text == " ".join(text.split())
    assert 10 < len(text) < 500
    assert not text.endswith(".")
    for word in ("Traceback", "File ", "Error:", "pydantic", "numpy", "<class", "object at 0x"):
        assert word not in text
    for word in words:
        assert word in text, text
    return text


LISTED = {"kind": "listed", "advertisers": [{"name": "a", "campaigns": [{"name": "c"}]}]}


def campaign(**fields: Any) -> dict[str, Any]:
    """Overrides that list one campaign with these fields."""
    return {"demand": {"kind": "listed", "advertisers": [{"name": "a", "campaigns": [{"name": "c", **fields}]}]}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"traffic.requests": 5}, ("traffic", "'requests'", "did you mean 'requests_per_day'")),
        ({"tick_per_day": 5}, ("'tick_per_day'", "did you mean 'ticks_per_day'")),
        ({"auction.slots.first": 5}, ("auction.slots", "'first'")),
        ({"traffic.curve.night": 5}, ("traffic.curve", "'night'")),
        ({"traffic.requests_per_day": -1}, ("traffic.requests_per_day", "-1", "greater than or equal to 1")),
        ({"traffic.requests_per_day": "many"}, ("traffic.requests_per_day", "'many'", "whole number")),
        ({"traffic.requests_per_day": 1.5}, ("traffic.requests_per_day", "1.5", "whole number")),
        ({"traffic.day_sigma": float("nan")}, ("traffic.day_sigma", "nan", "finite")),
        ({"traffic.day_sigma": float("inf")}, ("traffic.day_sigma", "inf", "finite")),
        ({"traffic.curve": []}, ("traffic", "curve", "positive")),
        ({"traffic.curve": [0, 0]}, ("traffic", "curve", "positive")),
        ({"traffic.curve": [1, -1]}, ("traffic.curve.1", "-1")),
        ({"traffic.surge_factor": [4, 2]}, ("surge_factor", "4.0", "2.0")),
        ({"traffic.surge_probability": 1.2}, ("traffic.surge_probability", "1.2", "less than or equal to 1")),
        ({"traffic.arrivals": "uniform"}, ("traffic.arrivals", "'uniform'", "'poisson'", "'even'")),
        ({"days": 0}, ("days", "0", "greater than or equal to 1")),
        ({"ticks_per_day": 7, "day_s": 1}, ("ticks_per_day", "1 s")),
        ({"users.segments": 301}, ("users.segments", "301", "256")),
        ({"users.segments": 50, "users.count": 49}, ("users.segments", "users.count")),
        ({"rates.click_rate": 0.0}, ("rates.click_rate", "0.0", "greater than 0")),
        ({"rates.kind": "gaussian"}, ("rates.kind", "'gaussian'", "normal")),
        ({"demand": {"kind": "liste"}}, ("demand.kind", "'liste'", "did you mean 'listed'")),
        ({"demand": {"advertisers": []}}, ("demand.advertisers cannot be []", "at least 1")),
        ({"rates": {"clickrate": 0.1}}, ("rates has no field 'clickrate'", "did you mean 'click_rate'")),
        ({"auction": "first"}, ("auction cannot be 'first'", "it is made of fields, such as 'pricing'")),
        ({"surfaces": [{"name": "x", "shar": 1, "exposure": [1]}]}, ("surfaces.0 has no field 'shar'", "'share'")),
        ({"surfaces": []}, ("surfaces cannot be []", "at least 1 of them")),
        ({"auction.price_told": 3}, ("auction.price_told", "true or false")),
        ({"traffic.curve": 5}, ("traffic.curve cannot be 5", "a list")),
        ({"name": 3}, ("name cannot be 3", "a text")),
        ({"rates": {"kind": "uniform", "low": 0.7, "high": 0.2}}, ("low", "0.7", "0.2")),
        ({"rates": {"kind": "normal", "mean": 0.1, "sigma": 0.05}}, ("mean", "standard deviations")),
        ({"rates": {"kind": "uniform", "belief_noise": 0.1}, "auction.squashing": 0.5}, ("squashing", "belief_noise")),
        ({"auction.pricing": "third"}, ("auction.pricing", "'third'", "'gsp'")),
        ({"auction.slots": 5}, ("exposure", "5 slots", "not 3")),
        ({"auction.exposure": [0.5, 0.8]}, ("exposure", "rise")),
        ({"auction.exposure": [1.0, 0.0]}, ("auction.exposure.1", "0.0", "greater than 0")),
        ({"auction.reserve": 0}, ("auction.reserve", "0", "0.000001")),
        ({"auction.reserve": 1e13}, ("auction.reserve", "1000000000000", "less than")),
        (campaign(value_per_conversion=1e300), ("value_per_conversion", "1e+300", "less than")),
        ({"response.delay": []}, ("response.delay", "at least 1")),
        ({"response.delay": [{"shape": 2}]}, ("response.delay.0.scale_s", "missing")),
        ({"demand.campaigns": 0}, ("demand.campaigns", "0")),
        ({"demand.objective": "fame"}, ("demand.objective", "'fame'", "'utility'")),
        ({"demand": {"kind": "listed", "advertisers": []}}, ("demand.advertisers", "at least 1")),
        (
            {"demand": {"kind": "listed", "advertisers": [{"campaigns": [{"name": "c"}]}]}},
            ("demand.advertisers.0.name", "missing"),
        ),
        ({"demand": {"kind": "listed", "advertisers": LISTED["advertisers"] * 2}}, ("'c'", "twice")),  # type: ignore[operator]
        (campaign(budget_per_day=-3), ("budget_per_day", "-3", "greater than 0")),
        (campaign(budget_per_day=1e300), ("budget_per_day", "1e+300", "less than")),
        (campaign(budget_per_day=float("inf")), ("budget_per_day", "inf")),
        (campaign(objective="target_cpa"), ("target_cpa", "needs")),
        (campaign(billing="cpx"), ("billing", "'cpx'", "'cpm'")),
        (campaign(ads=[]), ("ad",)),
        (campaign(flights=[{"first_day": 0, "end_day": 3}, {"first_day": 2, "end_day": 5}]), ("overlap", "day 2", "day 3")),
        (campaign(flights=[{"first_day": 4, "end_day": 4}]), ("end_day", "after", "4")),
        (campaign(ads=[{"name": "a"}, {"name": "a"}]), ("names of a campaign's ads must differ", "'a' stands twice")),
        (campaign(color="red"), ("campaigns.c has no field", "'color'")),
    ],
)
def test_settings_that_are_wrong(change: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(ScenarioError, lambda: TINY.override(change), *words)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Campaign(name="c", value_per_conversion=0), ("value_per_conversion", "0")),
        (lambda: Flight(first_day=-1, end_day=2), ("first_day", "-1")),
        (lambda: Scenario(dayz=3), ("scenario", "'dayz'", "did you mean 'days'")),  # type: ignore[call-arg]
        (lambda: Scenario.preset("tiney"), ("'tiney'", "did you mean 'tiny'")),
        (
            lambda: Scenario.preset("zzz"),
            (
                "'zzz'",
                "known are allocation-small, auction-small, bidding, bidding-small, bidding-tcpa, coldstart, coldstart-small, ",
                "compute-small",
                "queue",
            ),
        ),
        (lambda: Scenario.preset("uniform", bidders=0), ("bidders", "0", "from 1 up")),
        (lambda: Scenario.preset("uniform", bidders="two"), ("bidders", "'two'")),  # type: ignore[arg-type]
        (lambda: Scenario.preset("tiny", bidders=3), ("'tiny'", "'bidders'")),
        (lambda: TINY.override(["auction.slots"]), ("'auction.slots'", "field=value")),
        (lambda: TINY.override(["=3"]), ("'=3'", "field=value")),
        (lambda: TINY.override(["traffic.curve=[1, 2"]), ("'traffic.curve'", "'[1, 2'")),
        (lambda: Scenario.from_tree([1, 2]), ("[1, 2]", "made of fields")),  # type: ignore[arg-type]
        (lambda: Scenario.named("no/such/place"), ("no/such/place", "No such file")),
    ],
)
def test_scenarios_that_cannot_be_built(act: Callable[[], Any], words: tuple[str, ...]) -> None:
    refused(ScenarioError, act, *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"traffic: [1, 2", ("not YAML", "line 1", "expected ',' or ']'")),
        (b"\na: b: c", ("not YAML", "line 2", "mapping values are not allowed here")),
        (b"\xff\xfe\x00nonsense", ("not YAML",)),
        (b"", ("holds no scenario",)),
        (b"- 1\n- 2\n", ("holds no scenario",)),
        (b"traffic: 7\n", ("traffic", "7")),
        (b"trafic:\n  requests_per_day: 7\n", ("'trafic'", "did you mean 'traffic'")),
        (b"auction:\n  reserve: .nan\n", ("auction.reserve", "nan")),
        (b"!!python/object/apply:os.system ['true']\n", ("not YAML",)),
    ],
)
def test_files_that_hold_no_scenario(content: bytes, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "market.yaml"
    path.write_bytes(content)
    refused(ScenarioError, lambda: Scenario.load(path), *words)
    assert path.read_bytes() == content


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    refused(ScenarioError, lambda: Scenario.load(tmp_path / "none.yaml"), "none.yaml", "No such file")
    refused(ScenarioError, lambda: Scenario.load(tmp_path), "Is a directory")
    refused(ScenarioError, lambda: TINY.save(tmp_path / "no" / "folder.yaml"), "folder.yaml", "No such file")
    refused(ScenarioError, lambda: TINY.save(tmp_path), "Is a directory")
    assert list(tmp_path.iterdir()) == []


class Deciding(BidPolicy):
    """Decides what it was given."""

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def decide(self, view: BidView) -> Any:
        return self.decision


def bids(value: Any) -> ChunkBids:
    """The same array of bids for every block."""
    return ChunkBids(lambda requests: value(requests) if callable(value) else value)


@rule
def endless(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Becomes NaN, infinite or negative, as its state says, at the tenth request."""
    state[1] += 1.0
    return state[0] if state[1] > 9.0 else 1.0


def rows(width: int, start: float = 0.0, held: int = 6) -> np.ndarray[Any, Any]:
    """A state whose first column holds `start`."""
    state = np.zeros((held, width))
    state[:, :1] = start
    return state


@pytest.mark.parametrize("engine", ["compiled", "events"])
@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Multiplier(float("nan")), ("multiplier nan", "from 0 to 1e+09")),
        (Multiplier(float("inf")), ("multiplier inf", "from 0 to 1e+09")),
        (Multiplier([1, 1, -0.5, 1, 1, 1]), ("multiplier -0.5",)),
        (Multiplier([1.0, 2.0]), ("6 campaigns", "[1.0, 2.0]")),
        (Multiplier("high"), ("6 campaigns", "'high'")),
        (Multiplier(None), ("multiplier",)),
        (1.5, ("a Multiplier, ChunkBids, a RequestRule or a RequestFunction", "float")),
        (ChunkBids(2.0), ("function", "2.0")),  # type: ignore[arg-type]
        (RequestRule(min, rows(2)), ("@rule", "min")),  # type: ignore[arg-type]
        (bids(np.ones(3)), ("(6, 1024)", "(3,)")),
        (bids(1.0), ("(6, 1024)", "()")),
        (bids(lambda requests: requests.rate * np.nan), ("from 0 to 1e+09",)),
        (bids(lambda requests: -requests.rate), ("from 0 to 1e+09",)),
        (bids(lambda requests: requests.rate + np.inf), ("from 0 to 1e+09",)),
        (RequestRule(endless, rows(2, held=5)), ("(6, width)", "(5, 2)")),
        (RequestRule(endless, np.zeros(6)), ("(6, width)", "(6,)")),
        (RequestRule(endless, rows(2).astype(np.float32)), ("float64", "float32")),
        (RequestRule(endless, [[0.0, 0.0]] * 6), ("float64", "list")),  # type: ignore[arg-type]
        (RequestRule(endless, rows(2, np.nan)), ("rule of campaign 'c", "negative or non-finite")),
        (RequestRule(endless, rows(2, np.inf)), ("rule of campaign 'c", "negative or non-finite")),
        (RequestRule(endless, rows(2, -1.0)), ("rule of campaign 'c", "negative or non-finite")),
    ],
)
def test_decisions_that_are_not_allowed(engine: Any, decision: Any, words: tuple[str, ...]) -> None:
    if isinstance(decision, RequestRule) and isinstance(decision.state, np.ndarray):
        decision = decision._replace(state=decision.state.copy())
    world = World(TINY, {"bidding": Deciding(decision)}, engine=engine)
    text = refused(PolicyError, world.run, *words)
    assert "Deciding" in text or "rule of campaign" in text


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (lambda: World("tiny"), MarketError, ("Scenario", "'tiny'")),  # type: ignore[arg-type]
        (lambda: World(TINY, engine="fast"), MarketError, ("'fast'", "compiled and events")),  # type: ignore[arg-type]
        (lambda: World(TINY, seed=-1), MarketError, ("seed", "-1")),
        (lambda: World(TINY, seed=0.5), MarketError, ("seed", "0.5")),  # type: ignore[arg-type]
        (lambda: World(TINY, seed="one"), MarketError, ("seed", "'one'")),  # type: ignore[arg-type]
        (lambda: World(TINY, seed=None), MarketError, ("seed", "None")),  # type: ignore[arg-type]
        (lambda: World(TINY, record="c9"), MarketError, ("'c9'",)),
        (lambda: World(TINY).recorded(), MarketError, ("World(record=...)",)),
        (lambda: World(TINY, BidPolicy()), PolicyError, ("mapping", "BidPolicy")),  # type: ignore[arg-type]
        (lambda: World(TINY, {"bid": BidPolicy()}), PolicyError, ("'bid'", "bidding")),
        (lambda: World(TINY, {"bidding": "pid"}), PolicyError, ("str",)),  # type: ignore[dict-item]
        (lambda: World(TINY, {"bidding": {"c0": "pid"}}), PolicyError, ("'c0'", "str")),  # type: ignore[dict-item]
        (lambda: World(TINY, {"bidding": {"c7": BidPolicy()}}), PolicyError, ("'c7'", "c")),
        (lambda: World(TINY, {"bidding": {6: BidPolicy()}}), PolicyError, ("6", "known are")),
        (lambda: World(TINY, {"bidding": {0.5: BidPolicy()}}), PolicyError, ("0.5",)),  # type: ignore[dict-item]
        (lambda: World(TINY, {"bidding": {0: BidPolicy(), "c0": BidPolicy()}}), PolicyError, ("'c0'", "twice")),
        (lambda: World(TINY, {"bidding": BidPolicy()}).run(), PolicyError, ("BidPolicy", "decides")),
        (lambda: World(TINY).run(until=1.5), MarketError, ("1.5", "whole number")),  # type: ignore[arg-type]
        (lambda: World(TINY).run(until=float("inf")), MarketError, ("inf",)),  # type: ignore[arg-type]
        (lambda: World(TINY).run(until=float("nan")), MarketError, ("nan",)),  # type: ignore[arg-type]
        (lambda: World(TINY).run(until="noon"), MarketError, ("'noon'",)),  # type: ignore[arg-type]
        (lambda: World(TINY).run(until=-5), MarketError, ("-5", "from now (0)")),
        (lambda: World(TINY).run(until=86_400_000_001), MarketError, ("86400000001", "86400000000")),
    ],
)
def test_worlds_that_cannot_be_built_or_run(act: Callable[[], Any], kind: type[AdArenaError], words: tuple[str, ...]) -> None:
    refused(kind, act, *words)


def test_a_run_cannot_end_in_the_past() -> None:
    world = World(TINY)
    world.run(1000)
    refused(MarketError, lambda: world.run(999), "999", "from now (1000)")
    world.run(1000)
    assert world.now == 1000


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda w: w.top_up(0, -1), ("money", "-1")),
        (lambda w: w.top_up(0, float("nan")), ("money", "nan")),
        (lambda w: w.top_up(0, 1e12), ("money", "1000000000000.0")),
        (lambda w: w.top_up(0, "5"), ("money", "'5'")),
        (lambda w: w.top_up(0, None), ("money", "None")),
        (lambda w: w.top_up("c9", 1), ("no campaign 'c9'", "c")),
        (lambda w: w.set_budget("c0", float("inf")), ("money", "inf")),
        (lambda w: w.set_budget(17, 1.0), ("17",)),
        (lambda w: w.set_multiplier(0, float("nan")), ("multiplier", "nan")),
        (lambda w: w.set_multiplier(0, -0.1), ("multiplier", "-0.1")),
        (lambda w: w.set_multiplier(0, "high"), ("multiplier", "'high'")),
        (lambda w: w.scale_value(0, 0), ("factor above 0", "0")),
        (lambda w: w.scale_value(0, float("inf")), ("factor above 0", "inf")),
        (lambda w: w.scale_value(0, "2"), ("factor above 0", "'2'")),
        (lambda w: w.set_pace(0, 0), ("factor from 1e-06 to 1", "not 0 and 1.0")),
        (lambda w: w.set_pace(0, 1.01), ("factor from 1e-06 to 1", "1.01")),
        (lambda w: w.set_pace(0, float("nan")), ("factor from 1e-06 to 1", "nan")),
        (lambda w: w.set_pace(0, "half"), ("factor from 1e-06 to 1", "'half'")),
        (lambda w: w.set_pace(0, 0.5, -0.1), ("share of auctions from 0 to 1", "0.5 and -0.1")),
        (lambda w: w.set_pace(0, participation=1.5), ("share of auctions from 0 to 1", "1.5")),
        (lambda w: w.set_pace("c9", 0.5), ("no campaign 'c9'", "c")),
        (lambda w: w.set_reserve(0), ("reserve", "1e-06", "not 0")),
        (lambda w: w.set_reserve(float("nan")), ("reserve", "nan")),
        (lambda w: w.set_reserve(2e9), ("reserve", "1e+09", "2000000000.0")),
        (lambda w: w.set_reserve("0.1"), ("reserve", "'0.1'")),
        (lambda w: w.set_reserve(0.1, 17), ("no campaign 17",)),
        (lambda w: w.set_squashing(-0.5), ("squashing", "from 0 to 100", "-0.5")),
        (lambda w: w.set_squashing(101), ("squashing", "101")),
        (lambda w: w.set_squashing(None), ("squashing", "None")),
        (lambda w: w.surge(-1), ("surge", "-1")),
        (lambda w: w.surge(float("nan")), ("surge", "nan")),
        (lambda w: w.surge("x"), ("surge", "'x'")),
        (lambda w: w.pause(0.5), ("0.5",)),
        (lambda w: w.pause(None), ("None",)),
        (lambda w: w.launch(-1), ("-1",)),
    ],
)
def test_requests_to_a_market_that_are_not_allowed(act: Callable[[World], Any], words: tuple[str, ...]) -> None:
    """Refused, and the market is as it was: it runs on to the same books as one that was never asked."""
    world = World(TINY, seed=1)
    world.run(10_000_000_000)
    refused(MarketError, lambda: act(world), *words)
    world.run()
    untouched = World(TINY, seed=1)
    untouched.run()
    np.testing.assert_array_equal(world.ledger.counts, untouched.ledger.counts)


def test_campaigns_that_bid_by_request_have_no_multiplier() -> None:
    world = World(TINY, {"bidding": {0: Deciding(bids(lambda requests: requests.rate))}})
    world.run(1000)
    refused(MarketError, lambda: world.set_multiplier(0, 1.0), "bids by request", "0")


@pytest.mark.parametrize("engine", ["compiled", "events"])
@pytest.mark.parametrize("wait", [0.5, 2.0, float("nan"), True, np.int64(7)])
def test_processes_wait_whole_microseconds(engine: Any, wait: Any) -> None:
    world = World(TINY, engine=engine)

    def process() -> Generator[Any, Any, None]:
        yield world.env.timeout(wait)

    world.process(process())
    with pytest.raises(MarketError, match="whole number of microseconds"):
        world.run()


@pytest.mark.parametrize("kind", [ScenarioError, PolicyError, MarketError, LogError, InvariantError])
def test_all_errors_derive_from_one(kind: type[AdArenaError]) -> None:
    assert issubclass(kind, AdArenaError)
    assert kind.__doc__


def test_suggestions() -> None:
    assert suggest("slot", ["slots", "pricing"]) == "; did you mean 'slots'?"
    assert suggest("zzz", ["b", "a"]) == "; known are a, b"
    assert suggest("zzz", []) == ""
