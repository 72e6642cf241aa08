"""Names and paths are printed and drawn as they are, by every command: no markup, no emoji, no formula, no escape."""

import html
import json
import shlex
import sys
import warnings

import numpy as np
import pytest
from matplotlib.text import Text
from notices import besides_compiling
from rank_logs import taste_log
from rich.console import Console

from adarena import Agent
from adarena.__main__ import COMMANDS, main
from adarena.benchmarks.output.figures import Picture
from adarena.benchmarks.output.tables import PlainTable
from adarena.simulator import Scenario

MARKET, OUT = "m [/b] $5 $x :smile:", "o[red]x [/a]"
CAMPAIGNS = ("[de] brand", "[brand] exact", "x [/a]", "_$5 \\frac$ :fire:")
LABEL, OTHER = "_p [/red] $a^2$", "[bold]q"


def market(**changes: object) -> Scenario:
    """Four listed campaigns whose budgets bind, with names that a careless printer takes for something else."""
    campaigns = [
        {"name": name, "budget_per_day": 3.0, "value_per_conversion": 1.0 + n, "ads": [{"name": "[/ad]"}]}
        for n, name in enumerate(CAMPAIGNS)
    ]
    advertisers = [{"name": "[/adv] $1$", "campaigns": campaigns}]
    tree = Scenario.preset("tiny").model_dump(mode="json") | {"name": MARKET, "weather": {}}
    tree["demand"] = {"kind": "listed", "advertisers": advertisers}
    return Scenario.from_tree(tree).override(changes)


LEAD = {"form_open_rate": 0.9, "qualified_rate": 0.5, "sale_rate": 0.5}
RICH = {
    "traffic.requests_per_day": 2_000,
    "serving": {"servers": 3, "service_s": 0.01, "deadline_s": 1.0},
    "surfaces": [{"name": "[/s] $s$", "share": 1.0, "exposure": [1.0]}, {"name": "[red]t", "share": 1.0, "exposure": [1.0]}],
    "funnel": {"levels": [{"recall": 4, "rough": 3, "fine": 2}]},
    "sessions": {"mean_requests": 3.0},
    "fatigue": {},
}


@pytest.fixture
def texts(monkeypatch):
    """All texts that are drawn into pictures, as a reader sees them."""
    seen = set()
    savefig = Picture.savefig

    def kept(figure, *arguments, **options):
        savefig(figure, *arguments, **options)
        for text in figure.findobj(Text):
            assert not text.get_parse_math() or "$" not in text.get_text()
            seen.add(text.get_text())

    monkeypatch.setattr(Picture, "savefig", kept)
    return seen


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs `adarena ...` in a folder of its own; returns what is printed, lines put together."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adarena.benchmarks.cli.terminal.console", Console(width=300, markup=False, emoji=False))

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["adarena", *words])
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*Glyph.*")
            main()
        printed = capsys.readouterr()
        assert besides_compiling(printed.err) == ""
        return printed.out

    return run


def test_the_console_of_the_commands_prints_what_is_given(capsys):
    from adarena.benchmarks.output.tables import plain_console

    plain_console().print(f"written: {OUT}/x {MARKET}", soft_wrap=True)
    assert capsys.readouterr().out == f"written: {OUT}/x {MARKET}\n"


def test_tables_print_what_is_given_on_any_console(capsys):
    table = PlainTable(MARKET, caption="[/c] " + OUT)
    table.add_column("[/head]")
    table.add_row("[/cell] [red]x")
    Console(width=100).print(table)  # as in a notebook
    out = " ".join(capsys.readouterr().out.split())  # titles are as narrow as the table
    for text in (MARKET, "[/c] " + OUT, "[/head]", "[/cell] [red]x"):
        assert text in out


def test_simulate(command, tmp_path, texts):
    scenario = market(**RICH)
    tree = scenario.model_dump(mode="json")
    for campaign in tree["demand"]["advertisers"][0]["campaigns"]:
        campaign |= {"lead": LEAD, "conversion_rate": 0.1}
    Scenario.from_tree(tree).save(tmp_path / "[m].yaml")
    out = command("simulate", "--scenario", "[m].yaml", "--out", OUT, "--journal")
    for name in (*CAMPAIGNS, MARKET, "[/s] $s$", "[red]t"):
        assert name in out
    for file in ("day", "delivery", "users", "leads"):
        assert f"figure: {OUT}/{file}.png" in out
        assert (tmp_path / OUT / f"{file}.png").exists()
    assert f"journal: {OUT}/journal" in out
    assert sum(MARKET in text for text in texts) >= 2  # the day has a title of its own
    assert set(CAMPAIGNS) <= texts  # its curves have names


def test_bench_and_tune(command, tmp_path, texts):
    scenario = market()
    scenario.save(tmp_path / "m.yaml")
    words = ("bench", "bidding", "--scenario", "m.yaml", "--seeds", "4", "--policies", f"{LABEL}=pid", f"{OTHER}=truthful")
    out = command(*words, "--out", OUT)
    for name in (MARKET, LABEL, OTHER, f"{OUT}/report.html"):
        assert name in out
    page = (tmp_path / OUT / "report.html").read_text()
    for name in (MARKET, LABEL, OTHER):
        assert html.escape(name) in page
    assert html.escape(shlex.join(["adarena", *words])) in page
    assert {LABEL, OTHER, f"{MARKET}: 4 days, dots; mean, ringed"} <= texts
    assert any(name in text for name in CAMPAIGNS for text in texts if text.startswith("day "))
    assert json.loads((tmp_path / OUT / "summary.json").read_text())["policies"][LABEL] == "pid"
    out = command(
        "tune",
        "bidding",
        "--scenario",
        "m.yaml",
        "--policies",
        "pid",
        "--configurations",
        "1",
        "--days",
        "2",
        "--out",
        f"{OUT}.yaml",
    )
    assert MARKET in out
    assert f"written: {OUT}.yaml" in out
    command("bench", "bidding", "--scenario", "m.yaml", "--seeds", "2", "--policies", f"@{OUT}.yaml", "--out", "b")


def test_legends_hold_every_policy(command, tmp_path, monkeypatch):
    legends = []
    savefig = Picture.savefig
    monkeypatch.setattr(Picture, "savefig", lambda f, *held, **how: (legends.extend(f.legends), savefig(f, *held, **how)))
    market().save(tmp_path / "m.yaml")
    command("bench", "bidding", "--scenario", "m.yaml", "--seeds", "2", "--policies", f"{LABEL}=pid", "--out", OUT)
    told = [{text.get_text() for text in legend.get_texts()} for legend in legends]
    assert told
    assert all(LABEL in names for names in told)


def test_quotas(command, tmp_path, texts):
    market(**RICH).save(tmp_path / "m.yaml")
    out = command("quotas", "--scenario", "m.yaml", "--requests", "200", "--ladder", "2", "4", "--out", OUT)
    assert f"figure: {OUT}/quotas.png" in out
    assert any(MARKET in text for text in texts)


def test_scale(command, tmp_path, texts):
    market().save(tmp_path / "m.yaml")
    out = command("scale", "--scenario", "m.yaml", "--days", "3", "--shards", "2", "--out", OUT)
    assert f"figure: {OUT}/scale.png" in out
    assert any(MARKET in text for text in texts)


def test_servers(command, tmp_path, texts):
    small = {"traffic.requests_per_day": 500, "users.count": 500, "demand.campaigns": 20, "ticks_per_day": 12}
    Scenario.preset("compute-small").override({"name": MARKET, **small}).save(tmp_path / "m.yaml")
    words = ("servers", "--scenario", "m.yaml", "--seeds", "2", "--servers", "2", "4", "--policies", f"{LABEL}=mpc")
    out = command(*words, "--out", OUT)
    for name in (MARKET, LABEL, f"{OUT}/servers.png"):
        assert name in out
    assert {LABEL, f"{MARKET}: 2 days"} <= texts


def test_mixes(command, tmp_path):
    market().save(tmp_path / "m.yaml")
    words = ("mixes", "--scenario", "m.yaml", "--seeds", "2", "--rivals", "pid", "--policies", f"{LABEL}=dual")
    out = command(*words, "--out", OUT)
    for name in (MARKET, LABEL, f"{OUT}/mixes.json"):
        assert name in out


def test_abtest(command, tmp_path):
    small = {"days": 1, "users.count": 60, "traffic.requests_per_day": 300, "ticks_per_day": 12}
    Scenario.preset("allocation-small").override({"name": MARKET, **small}).save(tmp_path / "m.yaml")
    words = ("abtest", "--scenario", "m.yaml", "--seeds", "2", "--policies", f"{LABEL}=never", "most", "--out", OUT)
    out = command(*words)
    for name in (MARKET, LABEL, f"{OUT}/abtest.json"):
        assert "".join(name.split()) in "".join(out.split())  # the title is folded


def test_replay(command, tmp_path):
    dice = np.random.default_rng(0)
    rows = zip(dice.random(300) < 0.2, dice.integers(1, 300, 300), dice.random(300) * 0.2, strict=True)
    name = "[red]log[ :fire:].txt"
    (tmp_path / name).write_text("".join(f"{int(c)} {p} {r}\n" for c, p, r in rows))
    (tmp_path / "[b]mine.py").write_text("from adarena.agents.bidding import PID as Mine\n")
    out = command("replay", name, "--episode", "100", "--bidders", "pid", "[b]mine.py:Mine")
    assert name in out
    assert "[b]mine.py:Mine" in out


def test_train(command, tmp_path):
    small = ("--timesteps", "50", "--env", "scenario=tiny", "--set", "envs=2", "group=2", "n_steps=50", "batch_size=50")
    assert f"{OUT}/agent.zip" in command("train", "--out", OUT, *small)


def test_rank(command, tmp_path, texts):
    folder = tmp_path / "l [b] :fire: $x$"
    taste_log(folder, 3_000, looks=0.5)
    assert folder.name in command("rank", "eda", "--log", folder.name, "--out", OUT)
    words = ("rank", "train", "lr", "--log", folder.name, "--out", f"{OUT}/r", "--set", "batch=128", "chain=clicked")
    assert f"{OUT}/r/ranker.zip" in command(*words)
    out = command("rank", "eval", f"{OUT}/r", "--log", folder.name, "--out", OUT)
    assert f"{OUT}/r" in out
    assert folder.name in out
    assert f"{OUT}/r" in texts
    assert any(folder.name in text for text in texts)
    texts.clear()
    few = ("--first", "3", "--step", "2", "--rounds", "2", "--seeds", "2")
    assert folder.name in command("rank", "label", "--log", folder.name, "--out", OUT, *few)
    assert any(folder.name in text for text in texts)
    market().save(tmp_path / "s.yaml")
    told = command("rank", "loop", "bias", "--scenario", "s.yaml", "--days", "1", "--rounds", "1", "--out", OUT)
    assert MARKET in told
    assert any(MARKET in text for text in texts)


def test_whatif_and_scenario(command, tmp_path):
    market(**{"days": 2, "demand.advertisers.0.campaigns.0.budget_per_day": 2.0}).save(tmp_path / "m.yaml")
    change = f"campaigns.{CAMPAIGNS[3]}.budget_per_day=+50%"
    out = command("whatif", "m.yaml", "--change", change, f"campaigns.{CAMPAIGNS[2]}.value_per_conversion=2", "--seeds", "2")
    told = f"{MARKET}, campaigns.{CAMPAIGNS[3]}.budget_per_day: 3 -> 4.5; campaigns.{CAMPAIGNS[2]}.value_per_conversion: 3 -> 2"
    assert told in " ".join(out.replace("\n", " ").split())
    assert all(f"{name}: spend" in out for name in CAMPAIGNS[2:])
    written = command("scenario", "m.yaml")
    (tmp_path / "again.yaml").write_text(written)
    assert Scenario.load(tmp_path / "again.yaml") == Scenario.load(tmp_path / "m.yaml")
    command("scenario", "m.yaml", "--out", "o[red]x.yaml")
    assert (tmp_path / "o[red]x.yaml").read_text() == written


def test_evaluate(command, tmp_path):
    market().save(tmp_path / "m.yaml")
    Agent.load("zoo:bidding-ppo").save(tmp_path / OUT)
    out = command("evaluate", OUT, "--scenario", "m.yaml", "--days", "2", "--out", f"{OUT}/found.json")
    for name in (f"{OUT} on 2 test days", f"written: {OUT}/found.json"):
        assert name in " ".join(out.split())


def test_every_command_is_here():
    """What is left out takes no names; realism and results take a folder, and print it as others do; live has its own test."""
    tested = {"simulate", "bench", "tune", "quotas", "scale", "servers", "mixes", "abtest", "replay", "train", "rank"}
    tested |= {"whatif", "scenario", "evaluate"}
    assert set(COMMANDS) - tested == {"speed", "theory", "realism", "warm", "demo", "list", "results", "live"}
