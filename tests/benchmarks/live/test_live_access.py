"""Who may speak to a live session, over HTTP as it is served, and how the command begins and ends."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from live_served import Served
from places import ROOT

from adarena.benchmarks.live import command as commands
from adarena.benchmarks.live.access import is_loopback, token_for
from adarena.benchmarks.live.server import listen
from adarena.simulator import Scenario
from adarena.simulator.core.errors import MarketError, PolicyError

TOKEN = "sixteen-letters-or-more"


@pytest.fixture
def served():
    made = []

    def begin(**how):
        made.append(Served(**how))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def test_without_a_token_this_machine_alone_may_come_in(served):
    here = served(playing=False)
    assert here.ask("/market")[0] == 200
    for host in ("localhost:1", "[::1]:1", "127.9.9.9"):
        assert here.ask("/market", Host=host)[0] == 200
    for host in ("adarena.example", "adarena.example:80", "10.0.0.1", "localhost.example", ""):
        assert here.ask("/market", Host=host)[0] == 403, host
    own = f"http://127.0.0.1:{here.port}"
    assert here.post({"speed": 5}, Origin=own)[0] == 200
    for origin in ("http://adarena.example", "null", "http://127.0.0.1:1", f"{own}.example"):
        assert here.post({"speed": 5}, Origin=origin)[0] == 403, origin
    assert here.post({"speed": 5}, Content_Type="text/plain")[0] == 422  # what a form of another page may send
    assert here.ask("/ask", "POST", {"speed": 5})[0] == 422


PATHS = ("/", "/market", "/stream", "/live.js", "/uPlot.iife.min.js", "/session.py", "/session.yaml", "/nowhere")


@pytest.mark.parametrize("wrong", ["", f"/{TOKEN[:-1]}", f"/{TOKEN}x", f"/{TOKEN.upper()}", f"//{TOKEN}", "/.."])
def test_with_a_token_every_request_carries_it(served, wrong):
    here = served(token=TOKEN, playing=False)
    for path in PATHS:
        assert here.ask(f"{wrong}{path}")[0] == 403, path
    assert here.post({"step": True}, wrong)[0] == 403
    assert here.ask(f"/{TOKEN}")[0] == 403
    assert here.ask(f"/?token={TOKEN}")[0] == 403


def test_with_the_token_all_is_there(served):
    here = served(token=TOKEN, playing=False)
    for path in PATHS:
        if path not in ("/stream", "/nowhere"):
            assert here.ask(f"/{TOKEN}{path}", Host="adarena.example")[0] == 200, path
    assert here.ask(f"/{TOKEN}/nowhere")[0] == 404
    assert here.ask(f"/{TOKEN}/../access.py")[0] == 404
    assert here.post({"step": True}, f"/{TOKEN}")[0] == 200
    assert next(here.stream(f"/{TOKEN}"))[1] == "state"
    assert here.post({"step": True}, f"/{TOKEN}", Origin="http://adarena.example")[0] == 403


def test_the_stream_tells_all_and_goes_on_where_it_was_left(served):
    here = served(playing=True)
    seen = []
    for number, kind, what in here.stream():
        seen.append((number, kind, what))
        if kind == "state" and what["over"]:
            break
    assert [number for number, _, _ in seen] == list(range(1, len(seen) + 1))
    ticks = [what for _, kind, what in seen if kind == "tick"]
    assert [tick["tick"] for tick in ticks] == list(range(1, 25))
    assert all(tick["worlds"][0] == tick["worlds"][1] for tick in ticks)  # nothing was done
    assert ticks[-1]["worlds"][0]["totals"]["requests"] == here.session.recording().play().played
    assert next(here.stream(last=seen[9][0])) == seen[10]


def test_what_is_asked_is_answered(served):
    here = served(playing=False)
    status, said = here.post({"do": "set_budget", "what": {"campaign": "c1", "amount": 5}})
    assert (status, said["done"]["words"]) == (200, "c1 budget 5")
    assert here.post({"do": "hand", "what": {"seat": "bidding", "policy": "pid:kp=9"}})[0] == 200  # it is on offer
    for wrong in (
        {"do": "hand", "what": {"seat": "bidding", "policy": "os:system"}},
        {"do": "hand", "what": {"seat": ["bidding"], "policy": "pid"}},
        {"do": "set_budget", "what": {"campaign": ["c1"], "amount": 5}}, {"do": "set_budget", "what": [1]},
        {"do": "__init__", "what": {}}, {"do": "run", "what": {}}, {"speed": -1}, {"play": 1}, {"step": 1}, {}, [],
        {"play": True, "speed": 3},
    ):  # fmt: skip
        status, said = here.post(wrong)
        assert status == 422, wrong
        assert said["error"]
    assert here.post("{", "")[0] == 400
    assert here.post(json.dumps({"speed": " " * 20_000}))[0] == 422
    script = here.ask("/session.py")[1]
    assert script.count("world.run(0)") == 2
    assert "os:system" not in script


def test_hosts_and_tokens():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.1.2.3")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example", "")))
    assert token_for("127.0.0.1", None) is None
    made = {token_for("0.0.0.0", None) for _ in range(50)}
    assert len(made) == 50
    assert min(map(len, made)) >= 32
    assert token_for("127.0.0.1", TOKEN) == TOKEN
    for bad in ("", "short", "a/b" * 10, "ä" * 20, " " * 20, "a" * 15):
        with pytest.raises(MarketError, match="token"):
            token_for("0.0.0.0", bad)


def test_what_is_missing_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(commands.importlib.util, "find_spec", lambda name: None if name == "uvicorn" else object())
    place = ("127.0.0.1", 0)
    with pytest.raises(MarketError, match=r"uvicorn: pip install 'adarena\[live\]'"):
        commands.command(None, Scenario.preset("tiny"), "pid", (), (), 0, 2.0, True, place, None)


def test_wrong_words_are_refused():
    with pytest.raises(PolicyError, match="SEAT=POLICY"):
        commands.holders("pid", ["mpc"])
    with pytest.raises(PolicyError, match="taken, by --bidder"):
        commands.holders("pid", ["bidding=dual"])
    assert commands.address(("::1", 80, 0, 0), None) == "http://[::1]:80/"
    with listen("127.0.0.1", 0) as held, pytest.raises(MarketError, match="--port 0"):
        listen("127.0.0.1", held.getsockname()[1])


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_while_somebody_listens(sign, status):
    """Two seconds each: an interpreter of its own has to import everything."""
    words = [sys.executable, "-m", "adarena", "live", "tiny", "--port", "0", "--speed", "5", "--host", "0.0.0.0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = ""
        while not (found := re.search(r"http://0\.0\.0\.0:(\d+)(/[\w-]{32,})/", said)):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        port, prefix = int(found[1]), found[2]
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        line.request("GET", f"{prefix}/stream")
        answer = line.getresponse()
        assert answer.readline()
        process.send_signal(sign)
        assert process.wait(20) == status
        answer.read()  # to its end: the stream is closed, and not cut
        line.close()
        assert process.stderr.read().splitlines()[-1] == "adarena: stopped"
