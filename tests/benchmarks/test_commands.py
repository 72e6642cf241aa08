"""The command line: what it prints and writes, and that a mistake costs one sentence and leaves nothing half-written."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from notices import besides_compiling
from places import ROOT

import adarena.simulator
from adarena.__main__ import COMMANDS, main

MINE = """
import numpy as np
from adarena.simulator import BidPolicy, Multiplier

class Half(BidPolicy):
    def decide(self, view):
        return Multiplier(np.full(len(view.campaigns), 0.5))

class Broken(BidPolicy):
    def decide(self, view):
        return Multiplier(float("nan"))
"""


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs `adarena ...` in a folder of its own; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(MINE)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["adarena", *words])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, besides_compiling(printed.err)

    return run


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_simulate_prints_the_books_and_draws_the_day(command, tmp_path):
    status, out, _ = command("simulate", "--scenario", "tiny", "--out", "here", "--journal")
    assert status == 0
    told = out[out.index("\n") : out.index("Money in currency")], out[out.index("Reach and frequency") :]
    impressions, reached = (
        {
            words[0]: int(words[place].replace(",", ""))
            for words in map(str.split, text.splitlines())
            if len(words) > 5 and words[place][:1].isdigit()
        }
        for text, place in zip(told, (-6, -5), strict=True)
    )
    assert reached == impressions
    market = impressions.pop("market")
    assert set(impressions) == {"c0", "c1", "c2", "c3", "c4", "c5"}
    assert sum(impressions.values()) == market > 1000
    width, height = png_size(tmp_path / "here" / "day.png")
    assert width > 1000
    assert height > 600
    assert sorted(p.name for p in (tmp_path / "here" / "journal").iterdir()) == [
        "ads.parquet", "campaigns.parquet", "charges.parquet", "events.parquet", "features.parquet", "impressions.parquet",
        "requests.parquet", "run.json", "scenario.yaml", "truth.parquet",
    ]  # fmt: skip


def test_simulate_shows_the_chain_of_leads(command, tmp_path):
    status, out, _ = command("simulate", "--scenario", "leads", "--days", "1", "--out", "here")
    assert status == 0
    assert "Leads, from click to sale" in out
    assert "Sessions" in out
    assert "Fatigue" in out
    assert png_size(tmp_path / "here" / "users.png")[0] > 1000
    width, height = png_size(tmp_path / "here" / "leads.png")
    assert width > 1000
    assert height > 400


def test_simulate_seats_policies_beside_the_bidder(command, tmp_path):
    small = ("--scenario", "compute-small", "--set", "traffic.requests_per_day=2000", "users.count=1000")
    printed = {}
    for out, depth in (("full", "1.0"), ("cached", "0.0")):
        policy = f"compute=static:first={depth},last={depth}"
        status, printed[out], _ = command("simulate", *small, "--policy", policy, "--bidder", "truthful", "--out", out)
        assert status == 0
        width, height = png_size(tmp_path / out / "tiers.png")
        assert width > 1000
        assert height > 600
    used = {out: next(line for line in text.splitlines() if line.split()[:1] == ["all"]) for out, text in printed.items()}
    assert int(used["full"].split()[3].rstrip("%")) > 10 * int(used["cached"].split()[3].rstrip("%"))


def test_engines_print_the_same(command):
    _, compiled, _ = command("simulate", "--scenario", "tiny", "--no-figure")
    _, events, _ = command("simulate", "--scenario", "tiny", "--no-figure", "--engine", "events")
    assert compiled == events


def test_settings_and_days_change_the_market(command):
    status, out, _ = command("simulate", "--scenario", "tiny", "--no-figure", "--days", "2", "--set", "demand.campaigns=4")
    assert status == 0
    assert "c3" in out
    assert "c4" not in out


def test_bench_writes_rows_for_every_policy_and_metric(command, tmp_path):
    small = ("--set", "traffic.requests_per_day=2000", "demand.campaigns=12", "--seeds", "2", "--out", "b")
    status, out, _ = command("bench", "bidding", "--policies", "pid", "mine:Half", *small)
    assert status == 0
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert {row["policy"] for row in summary["rows"]} == {"pid", "mine:Half", "fixed"}
    metrics = {row["metric"] for row in summary["rows"]}
    assert len(summary["rows"]) == 3 * len(metrics)
    for row in summary["rows"]:
        assert set(row) == {"suite", "policy", "metric", "mean", "ci_low", "ci_high", "seeds", "share_of_hindsight"}
        assert row["ci_low"] is row["ci_high"] is None  # of two days
        assert row["seeds"] == 2
    assert png_size(tmp_path / "b" / "policies.png")[0] > 1000
    assert {p.name for p in (tmp_path / "b").iterdir()} == {
        "results.sqlite", "summary.json", "policies.png", "policies.svg", "spending.png", "spending.svg", "report.html",
    }  # fmt: skip
    assert "mine:Half" in out
    assert summary["contenders"] is None
    assert "2 days are too few to tell policies apart" in " ".join(out.split())
    assert "interval]" not in out


def test_tune_writes_what_bench_reads(command, tmp_path):
    small = ("--set", "traffic.requests_per_day=2000", "demand.campaigns=12")
    words = ("tune", "bidding", "--policies", "dual", "mine:Half", "--configurations", "2", "--days", "2", "--out", "t.yaml")
    status, out, _ = command(*words, *small)
    assert status == 0
    content = yaml.safe_load((tmp_path / "t.yaml").read_text())
    assert content["command"] == shlex.join(["adarena", *words, *small])
    assert content["seeds"] == {"train": [0, 1], "validation": [800_000, 800_001]}
    dual, half = content["policies"]
    assert dual["configurations"] == 3
    assert dual["validation"] >= dual["given_validation"]
    assert half["chosen"] == half["given"] == half["name"] == "mine:Half"
    status, out, _ = command("bench", "bidding", "--policies", "@t.yaml", "--seeds", "2", "--out", "b", *small)
    assert status == 0
    assert dual["name"].split()[0] in out
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["policies"] == {dual["name"]: dual["chosen"], "mine:Half": "mine:Half", "fixed": "fixed"}


def test_quotas_prints_a_row_for_each_and_draws_them(command, tmp_path):
    small = ("--requests", "500", "--set", "demand.campaigns=60", "users.count=2000", "ticks_per_day=4")
    status, out, _ = command("quotas", "--ladder", "20", "60", "--out", "q", *small)
    assert status == 0
    rows = [line.split() for line in out.splitlines() if line.split() and line.split()[0] in ("20", "60")]
    assert [len(row) for row in rows] == [3, 6]
    assert float(rows[1][2].replace(",", "")) > float(rows[0][2].replace(",", ""))
    width, height = png_size(tmp_path / "q" / "quotas.png")
    assert width > 1000
    assert height > 300


def test_replay_prints_json_with_its_notes(command, tmp_path):
    dice = np.random.default_rng(0)
    rows = zip(dice.random(500) < 0.1, dice.integers(1, 300, 500), dice.random(500) * 0.2, strict=True)
    (tmp_path / "log.txt").write_text("".join(f"{int(c)} {p} {r}\n" for c, p, r in rows))
    status, out, _ = command("replay", "log.txt", "--episode", "100", "--bidders", "mcpc", "pid", "--json")
    assert status == 0
    content = json.loads(out)
    assert [row["bidder"] for row in content["bidders"]] == ["mcpc", "pid"]
    assert any("price taker" in note for note in content["notes"])
    for row in content["bidders"]:
        assert row["believed_clicks"] <= content["bound_believed_clicks"]
        assert row["auctions"] == 500


MISTAKES = {
    "unknown preset": (["simulate", "--scenario", "bidding-smal"], "did you mean 'bidding-small'"),
    "missing scenario file": (["simulate", "--scenario", "no/such.yaml"], "no/such.yaml"),
    "unknown field": (["simulate", "--scenario", "tiny", "--set", "auction.slotz=2"], "did you mean 'slots'"),
    "unknown part": (["simulate", "--scenario", "tiny", "--set", "auctions.slots=2"], "did you mean 'auction'"),
    "bad setting": (["simulate", "--scenario", "tiny", "--set", "slots"], "field=value"),
    "negative value": (["simulate", "--scenario", "tiny", "--set", "auction.slots=-1"], "auction.slots cannot be -1"),
    "not a number": (["simulate", "--scenario", "tiny", "--set", "auction.reserve=.nan"], "auction.reserve"),
    "no days": (["simulate", "--scenario", "tiny", "--days", "0"], "days cannot be 0"),
    "negative seed": (["simulate", "--scenario", "tiny", "--seed", "-1"], "-1"),
    "unknown bidder": (["simulate", "--scenario", "tiny", "--bidder", "pidd"], "did you mean 'pid'"),
    "unknown gain": (["simulate", "--scenario", "tiny", "--bidder", "pid:kq=1"], "kq"),
    "seat without a policy": (["simulate", "--scenario", "tiny", "--policy", "compute"], "SEAT=POLICY"),
    "unknown seat": (["simulate", "--scenario", "tiny", "--policy", "comput=mpc"], "did you mean 'compute'"),
    "two bidders": (["simulate", "--scenario", "tiny", "--policy", "bidding=dual"], "taken, by --bidder"),
    "seat taken twice": (["simulate", "--policy", "compute=mpc", "compute=dcaf"], "taken, by compute=mpc"),
    "seat that a market lacks": (["simulate", "--scenario", "tiny", "--policy", "compute=mpc", "--no-figure"], "needs servers"),
    "servers that fall": (["servers", "--servers", "8", "4"], "rise from 1 or more"),
    "servers without those planned": (["servers", "--servers", "2", "3"], "the scenario's 4: not 2 3"),
    "servers of a market without": (["servers", "--scenario", "tiny"], "'tiny' has no servers"),
    "servers on one day": (["servers", "--seeds", "1"], "at least 2 seeds, not 1"),
    "bad gain": (["simulate", "--scenario", "tiny", "--bidder", "pid:kp=fast"], "fast"),
    "module that is not there": (["simulate", "--scenario", "tiny", "--bidder", "nowhere:Bidder"], "nowhere"),
    "class that is not there": (["simulate", "--scenario", "tiny", "--bidder", "mine:Quarter"], "Quarter"),
    "policy that bids NaN": (["simulate", "--scenario", "tiny", "--bidder", "mine:Broken", "--no-figure"], "nan"),
    "out is a file": (["simulate", "--scenario", "tiny", "--out", "mine.py"], "mine.py"),
    "bench without seeds": (["bench", "bidding", "--seeds", "0"], "not 0"),
    "bench on one day": (["bench", "bidding", "--seeds", "1"], "at least 2 seeds, not 1"),
    "unknown rivals": (["bench", "bidding", "--rivals", "pids"], "no mix of rivals 'pids'"),
    "tuned policies that are not there": (["bench", "bidding", "--policies", "@no.yaml"], "no.yaml"),
    "tuned policies that are none": (["bench", "bidding", "--policies", "@mine.py"], "adarena tune"),
    "tune without configurations": (["tune", "bidding", "--configurations", "0", "--out", "t.yaml"], "not 0"),
    "tune with too many": (["tune", "bidding", "--configurations", str(10**30), "--out", "t.yaml"], "at most 100,000"),
    "duplicate field": (["simulate", "--scenario", "tiny", "--set", "days=1", "days=2"], "days is set twice"),
    "more days skipped than there are": (["bench", "bidding", "--skip", str(10**30)], "test seeds can be had"),
    "tune without days": (["tune", "bidding", "--days", "0", "--out", "t.yaml"], "not 0"),
    "tune into a folder": (["tune", "bidding", "--out", "."], "'.'"),
    "no jobs": (["bench", "bidding", "--jobs", "0"], "not 0"),
    "bench on a market without budgets": (["bench", "bidding", "--scenario", "uniform"], "no steady campaign"),
    "quotas without a funnel": (["quotas", "--scenario", "tiny"], "'tiny' has no funnel"),
    "quotas that fall": (["quotas", "--ladder", "50", "25"], "not 50 25"),
    "missing log": (["replay", "nothing.csv"], "nothing.csv"),
    "log that is none": (["replay", "mine.py"], "mine.py"),
    "unknown flag": (["simulate", "--sed", "3"], "--sed"),
    "unknown command": (["simulat"], "simulat"),
    "unknown suite": (["bench", "search"], "search"),
    "wrong engine": (["simulate", "--engine", "fast"], "fast"),
    "seed that is no number": (["simulate", "--seed", "one"], "one"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_costs_one_sentence(command, tmp_path, mistake):
    before = sorted(p.name for p in tmp_path.iterdir())
    words, telling = MISTAKES[mistake]
    status, out, err = command(*words)
    assert status == 2
    assert telling in out + err
    assert "Traceback" not in out + err
    if err.startswith("adarena: "):
        assert err.count("\n") == 1
    written = [p for p in tmp_path.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sorted(p.name for p in written) == before


def test_the_command_exists_as_a_module():
    root = ROOT
    environment = {**os.environ, "PYTHONPATH": str(root / ".typings")}
    done = subprocess.run(
        [sys.executable, "-m", "adarena", "--help"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=root.parent,
        check=False,
    )
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("simulate", "bench", "tune", "replay", "speed", "theory", "quotas", "demo"))


def test_what_there_is_is_listed(command):
    for what, some in (
        ("policies", ("pid", "joint_mpc", "linucb", "thompson")),
        ("presets", ("bidding-small", "feed", "uniform")),
        ("environments", ("AdArena/Bidding-v0", "AdArena/Creative-v0")),
        ("suites", ("bidding", "market")),
        ("models", ("deepfm", "two-tower")),
    ):
        status, out, errors = command("list", what)
        assert (status, errors) == (0, "")
        rows = [line.split()[0] for line in out.splitlines() if line.split()]
        assert set(some) <= set(rows), what
    only = command("list", "policies", "--seat", "pacing")[1]
    assert "joint_mpc" in only
    assert "linucb" not in only
    assert command("list", "policies", "--seat", "pacin")[2] == "adarena: there is no seat 'pacin'; did you mean 'pacing'?\n"
    assert command("list", "suites", "--seat", "pacing")[0] == 2


def test_words_before_they_are_read(command, tmp_path):
    status, out, _ = command("--version")
    assert (status, out) == (0, f"adarena {adarena.__version__}\n")
    assert command("simulat", "tiny")[::2] == (2, "adarena: there is no command 'simulat'; did you mean 'simulate'?\n")
    first = command("simulate", "tiny", "--no-figure")
    assert first[0] == 0
    assert first == command("simulate", "--no-figure", "--scenario", "tiny")
    assert command("bench", "nothing")[0] == 2  # whose first word is a suite
    status, _, errors = command("train", "--timesteps", "1.5k5")
    assert status == 2
    assert "'1.5k5' is no whole number, such as 20000, 1e5 or 20k" in " ".join(errors.replace("│", " ").split())


def test_a_scenario_to_begin_from(command, tmp_path):
    assert command("scenario", "tiny", "--out", "mine.yaml", "--set", "auction.slots=1")[0] == 0
    assert adarena.simulator.Scenario.load(tmp_path / "mine.yaml").auction.slots == 1
    status, out, _ = command("scenario", "--form", "schema")
    assert status == 0
    assert json.loads(out)["properties"]["auction"]["description"] == "how slots are sold"
    status, out, errors = command(
        "simulate", "mine.yaml", "--no-figure", "--set", "weather.tick_sigma=0.1", "demand.follows_demand=0"
    )
    assert status == 0
    assert errors == (
        "adarena: note: weather.day_sigma moves the values of campaigns that follow demand, and none does (follows_demand)\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("demo", "--seed", "1"), "demo has no option --seed; known are --help, --out"),
        (("bench", "bidding", "--polices", "pid"), "bench has no option --polices; did you mean '--policies'?"),
        (("simulate", "--no-figur"), "simulate has no option --no-figur; did you mean '--no-figure'?"),
        (("list", "preset"), "list knows no 'preset'; did you mean 'presets'?"),
        (("bench", "biding"), "bench knows no 'biding'; did you mean 'bidding'?"),
    ],
)
def test_a_word_that_is_mistyped_costs_one_sentence(command, words, told):
    assert command(*words) == (2, "", f"adarena: {told}\n")


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_all_commands_stand_in_the_overview_once(command, words):
    status, out, err = command(*words)
    first = [line.split()[0] for line in out.splitlines() if re.match(r"  \S", line)]
    assert (status, err) == (0, "")
    assert sorted(first) == sorted(COMMANDS)


def test_help_flows_and_says_that_a_scenario_may_come_first(command):
    _, out, _ = command("simulate", "--help")
    assert "may stand first, without --scenario" in " ".join(out.replace("│", " ").split())
    _, out, _ = command("bench", "--help")
    flat = " ".join(out.replace("│", " ").split())
    assert "may stand first" not in flat
    lines = [line.strip("│ ") for line in out.splitlines()]
    assert not any(line in ("A", "a", "several. A") for line in lines), "broken in the middle of a sentence"
