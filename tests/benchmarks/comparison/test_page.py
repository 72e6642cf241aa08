"""The report as a reader meets it: in a real browser, at a desk's width and a phone's, without a network."""

import io
import re
from html import escape
from html.parser import HTMLParser

import browser
import numpy as np
import pytest
from rich.console import Console

from adarena import __version__
from adarena.agents.learning.saved import card_of
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.agents.provenance.watching import digest
from adarena.benchmarks.comparison import measuring, plots, report
from adarena.benchmarks.comparison.details import facts
from adarena.benchmarks.comparison.page import page
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import Scenario
from adarena.simulator.market.market import build

COMMAND = "adarena bench bidding --policies 'pid:kp=4' truthful # <b>&"
LABELS = {"pid (tuned)": "pid:kp=4.0,ki=0.1", "truthful": "truthful", "fixed": "fixed"}


@pytest.fixture(scope="module")
def measured():
    settings = {"traffic.requests_per_day": 3000, "demand.campaigns": 12}
    scenario = Scenario.preset("bidding-small").override(settings)
    results = measuring.run(BIDDING, scenario, LABELS, 3)
    return results, report.estimates(results, "fixed")


@pytest.fixture(scope="module")
def text(measured):
    results, found = measured
    return page(results, found, "fixed", COMMAND)


@pytest.fixture(scope="module")
def reader(text, tmp_path_factory):
    """A browser, and the file of the page."""
    program = browser.executable()
    if program is None:
        pytest.skip("there is no chromium on this machine, so nobody looks at the report")
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(text)
    opened = browser.Browser(program)
    yield opened, path
    opened.close()


class Tags(HTMLParser):
    """Checks that elements close in the order in which they open; keeps what was seen."""

    VOID = frozenset({"meta", "link", "source", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_and_says_where_it_comes_from(text, measured):
    results, found = measured
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    said = " ".join(" ".join(tags.words).split())
    for telling in (
        COMMAND, results.scenario.digest, "1000000 to 1000002", "Static hindsight", "Clairvoyant bound", "95% interval",
        "PID, Fixed, PID, DualMirrorDescent", "pid (tuned) = pid:kp=4.0,ki=0.1", "minus fixed",
    ):  # fmt: skip
        assert telling in said, telling
    for name in LABELS:
        assert f"{found[name]['share_of_static_hindsight'].mean:.3f}" in said
    names = [tag for tag, _ in tags.seen]
    campaigns = len({case.unit for case in results.cases})
    assert (names.count("h1"), names.count("main"), names.count("script")) == (1, 1, 0)
    assert names.count("table") == 2 + campaigns  # of policies, of pairs, and one of each campaign
    assert names.count("details") == campaigns
    assert all(attributes.get("alt") for tag, attributes in tags.seen if tag == "img")


def test_each_campaign_is_told_of_by_itself_under_its_name(text, measured):
    """Means of its own days, and what a conversion cost by sums."""
    results, _ = measured
    case, names = results.cases[0], build(results.scenario).campaigns.names
    part = text[text.index(f"<summary>{names[case.unit]}, ") :].partition("</details>")[0]
    days = [place for place, other in enumerate(results.cases) if other.unit == case.unit]
    for name, runs in results.runs.items():
        numbers = {
            key: np.mean([runs[day].numbers[key] for day in days]) for key in ("value", "spend", "budget", "conversions")
        }
        share = np.mean([runs[day].numbers["score"] / results.yardsticks[day].score for day in days])
        cells = re.findall(r"<span>(.*?)</span>", part[part.index(f">{escape(name)}</th>") :].partition("</tr>")[0])
        bought = numbers["conversions"]
        assert cells == [
            f"{share:.3f}", f"{numbers['value']:,.2f}", f"{numbers['spend']:,.2f}",
            f"{numbers['spend'] / numbers['budget']:.1%}", f"{bought:,.1f}",
            f"{numbers['spend'] / bought:,.2f}" if bought else "\N{EN DASH}", f"{numbers['value'] / numbers['spend']:.2f}",
        ]  # fmt: skip


def test_the_page_names_no_address_outside_itself(text):
    """Figures are data: a page that asks for nothing can be sent, kept and read anywhere."""
    assert not re.findall(r"""(?:https?:)?//[a-z]|@import|url\(""", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    tags = Tags()
    tags.feed(text)
    links = [v for _, attributes in tags.seen for k, v in attributes.items() if k in ("src", "href", "srcset")]
    assert len(links) == 5
    assert all(link.startswith("data:") for link in links)


def test_the_same_results_make_the_same_page(text, measured):
    results, found = measured
    assert page(results, found, "fixed", COMMAND) == text


def made_up(measured, days, gap):
    """Results over so many days in eight seats: `truthful` lies below `pid (tuned)` by `gap` on average, `fixed` far below."""
    results, _ = measured
    noise = np.random.default_rng(0).normal(0.0, 0.05, (2, days))
    shares = {"pid (tuned)": 0.8 + noise[0], "truthful": 0.8 - gap + noise[1] - (noise[1] - noise[0]).mean()}
    shares["fixed"] = shares["pid (tuned)"] - 0.5
    run, yardstick = results.runs["fixed"][0], results.yardsticks[0]
    first = results.cases[0].unit
    return results._replace(
        cases=[Case(1_000_000 + day, first + day % 8) for day in range(days)],
        runs={
            name: [run._replace(numbers=run.numbers | {"score": share, "value": share}) for share in row]
            for name, row in shares.items()
        },
        yardsticks=[yardstick._replace(score=1.0)] * days,
    )


def told(results):
    """The words of the page's head and its table, and those of the table in a terminal."""
    found = report.estimates(results, "fixed")
    tags, console = Tags(), Console(width=200, file=io.StringIO())
    text = page(results, found, "fixed", COMMAND)
    tags.feed(text[: text.index('<section aria-labelledby="days">')].partition("</style>")[2].replace("</head>", ""))
    console.print(report.comparison_table(results, found, "fixed"))
    return " ".join(" ".join(tags.words).split()), " ".join(console.file.getvalue().split())


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (0.005, "but on these days cannot be told apart from truthful."),
        (0.2, "and every paired difference from it is beyond chance, at 95% together."),
    ],
)
def test_nobody_is_crowned_within_chance(measured, gap, verdict):
    results = made_up(measured, 20, gap)
    for words in told(results):
        assert "pid (tuned) has the largest mean" in words
        assert verdict in words
        assert "the most" not in words
    expected = ["pid (tuned)", "truthful"] if "cannot" in verdict else ["pid (tuned)"]
    assert report.summary(results, report.estimates(results, "fixed"), "fixed")["contenders"] == expected


@pytest.mark.parametrize("days", [2, 5, 7, 8])
def test_few_days_have_no_intervals_anywhere(measured, days):
    """Neither on the page nor in a terminal, in a figure or in the summary; and all of them say so."""
    results = made_up(measured, days, 0.2)
    found = report.estimates(results, "fixed")
    rows = report.summary(results, found, "fixed")["rows"]
    figure = plots.comparison(results)
    bars = [line for axis in figure.axes for line in axis.get_lines() if line.get_linewidth() == 2.4]
    title = figure.get_suptitle()
    few = days < 8
    for words in told(results):
        assert (f"{days} days are too few to tell policies apart, or for intervals: it takes 8." in words) == few
        assert bool(re.search(r"\d\.\d{3} to |\[[+-]?\d\.\d{3}, ", words)) == (not few)
    assert all((row["ci_low"] is None) == (row["ci_high"] is None) == few for row in rows)
    assert len(bars) == (0 if few else 6)
    assert ("interval" in title) == (not few)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_all_without_complaint(reader, width):
    opened, path = reader
    opened.show(path, width)
    assert opened.errors == []
    assert {address.split(":")[0] for address in opened.requests} == {"file", "data"}
    assert opened.evaluate("innerWidth") == width
    assert opened.evaluate("document.documentElement.scrollWidth") == width  # nothing to scroll to the side
    drawn = "[...document.images].every(i => i.complete && i.naturalWidth > 400 && i.clientWidth > innerWidth * 0.8)"
    assert opened.evaluate(f"document.images.length == 2 && {drawn}")


@pytest.mark.parametrize("width", [1280, 390])
def test_every_number_of_the_table_can_be_read(reader, width):
    """In view, not over its neighbour, in letters of at least 11 pixels, dark on light."""
    opened, path = reader
    opened.show(path, width)
    opened.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    outside = """[...document.querySelectorAll('tbody th, tbody td')].filter(e => {
        const box = e.getBoundingClientRect();
        return box.left < 0 || box.right > innerWidth || box.width < 20 || e.scrollWidth > e.clientWidth + 1;
    }).map(e => e.textContent)"""
    assert opened.evaluate(outside) == []
    crossing = """(() => {
        const boxes = [...document.querySelectorAll('tbody th, tbody td > span')].map(e => {
            const range = document.createRange(); range.selectNodeContents(e); return range.getBoundingClientRect(); });
        let n = 0;
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
            if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) n++; }));
        return n;
    })()"""
    assert opened.evaluate(crossing) == 0
    sizes = "[...document.querySelectorAll('td, td small, th, p, dd')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert opened.evaluate(f"Math.min(...{sizes})") >= 11
    labels = opened.evaluate("getComputedStyle(document.querySelector('td'), '::before').content")
    assert (labels == '"of static hindsight"') == (width == 390)  # in a hand, each number carries its column's name


def test_a_browser_tells_of_a_page_that_is_wrong(reader, tmp_path):
    """The checks above can fail: an exception, a missing picture and a wide page are noticed."""
    wrong = tmp_path / "wrong.html"
    body = "<img src='data:image/png;base64,AAAA'><img src='nowhere.png'><div style='width:3000px'>x</div>"
    wrong.write_text(f"<!doctype html>{body}<script>throw new Error('wrong')</script>")
    other = browser.Browser(browser.executable())
    try:
        other.show(wrong, 390)
        assert any("wrong" in error for error in other.errors)
        assert other.evaluate("document.images[0].naturalWidth") == 0
        assert other.evaluate("document.documentElement.scrollWidth") == 3000 + 8
        assert any("nowhere.png" in address for address in other.requests)
    finally:
        other.close()


def test_the_page_tells_how_a_trained_agent_was_trained(measured, tmp_path):
    results, _ = measured
    settings = make_settings("es", {"envs": 2})
    train("AdArena/Bidding-v0", settings, 50, 3, tmp_path, environment_settings={"scenario": "tiny"})
    spec = f"agent:{tmp_path}"
    with_agent = results._replace(
        policies=results.policies | {"mine": spec}, runs=results.runs | {"mine": results.runs["fixed"]}
    )
    told = facts(with_agent, "fixed")
    steps = f"{card_of(tmp_path).timesteps:,} steps in AdArena/Bidding-v0, seed 3"
    assert told["Trained agents"] == (f"{spec}: es, {steps}, AdArena {__version__}, file {digest(tmp_path / 'agent.zip')}")
    before = told["Trained agents"]
    (tmp_path / "agent.zip").write_bytes((tmp_path / "agent.zip").read_bytes() + b" ")  # as good as before, but not the same
    assert facts(with_agent, "fixed")["Trained agents"] != before
    assert "Trained agents" not in facts(results, "fixed")
