"""The site: it builds without a warning, tells of all policies, environments and presets, and has no dead link."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from documents import pages
from places import ROOT

from adarena import ENVIRONMENTS
from adarena.agents.catalogue import policies
from adarena.simulator.scenario.tree import PRESETS
from adarena.simulator.seats import SEATS

DOCS = ROOT / "docs"


class Links(HTMLParser):
    """What a page links to and shows, and the places in it that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.to.append(value)
            if name == "id" and value:
                self.places.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew; a warning is a failure."""
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "doctrees")]
    done = subprocess.run([*build, str(DOCS), str(out / "html")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return out / "html"


def test_no_link_is_dead(site: Path) -> None:
    """Nor an anchor, nor a picture; what lies outside is not asked for."""
    found = {page: Links(page.read_text()) for page in site.rglob("*.html")}
    checked = 0
    for page, links in found.items():
        for link in links.to:
            path, _, place = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            assert target.exists(), (page.name, link)
            if place and target in found:
                assert unquote(place) in found[target].places, (page.name, link)
                checked += 1
    assert checked > 300


def test_every_policy_environment_and_preset_is_told(site: Path) -> None:
    def told(page: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", (site / page).read_text()))

    for seat in SEATS:
        text = told(f"seats/{seat}.html")
        for name, kind in policies(seat).items():
            assert f" {name} " in text.replace("#", " ").replace("¶", " "), (seat, name)
            assert kind.__name__ in text
    for name in ENVIRONMENTS:
        text = told(f"environments/{name.partition('/')[2].partition('-')[0].lower()}.html")
        assert all(part in text for part in ("Action Space", "Observation Space", "Rewards", "Reference scores")), name
    assert set(PRESETS) <= Links((site / "presets.html").read_text()).places


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_pages_outside_the_site_lead_somewhere(page: str) -> None:
    for path, place in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", (ROOT / page).read_text()):
        assert (ROOT / path).exists(), path
        if place:
            assert place in slugs((ROOT / path).read_text()), (path, place)


def test_every_picture_is_shown_somewhere() -> None:
    text = "".join(page.read_text() for page in pages())
    for picture in [*DOCS.glob("*.png"), *DOCS.rglob("*.gif")]:
        assert f"{picture.name})" in text, picture


def rows(text: str) -> set[tuple[str, str]]:
    """The first two cells of all rows of a page's tables."""
    lines = [line.split(" | ") for line in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)]
    return {(cells[0], cells[1]) for cells in lines if len(cells) > 1}


@pytest.mark.parametrize("name", [name.partition("/")[2].partition("-")[0].lower() for name in ENVIRONMENTS])
def test_reference_scores_are_those_of_the_tables(name: str) -> None:
    """What stands twice stands there alike, and all of one comparison."""
    page = (DOCS / "environments" / f"{name}.md").read_text()
    table = (DOCS / ("market.md" if name == "market" else f"seats/{name}.md")).read_text()
    scores = rows(page.partition("## Reference scores")[2])
    scores = {row for row in scores if row[0] != "policy"}
    assert len(scores) >= 4
    assert any(scores <= rows(part) for part in re.split(r"\n(?!\|)", table))


def test_pages_have_what_the_code_says_now() -> None:
    spec = importlib.util.spec_from_file_location("expanding", DOCS / "expanding.py")
    expanding = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(expanding)
    stale = [str(page.relative_to(ROOT)) for page in pages() if expanding.expanded(page.read_text()) != page.read_text()]
    assert not stale, "python docs/expanding.py writes them anew"
    page = (DOCS / "seats" / "index.md").read_text()
    assert expanding.expanded(page.replace("| [bidding](bidding.md) |", "| bidding |")) == page


def test_summaries_are_those_of_the_tables() -> None:
    """README and docs/results.md repeat scores with their intervals: each stands in a table of a seat."""
    tables = "".join((DOCS / "seats" / f"{seat}.md").read_text() for seat in SEATS)
    for text in ((ROOT / "README.md").read_text(), (DOCS / "results.md").read_text()):
        scores = re.findall(r"(?<![+\-.\d])\d?\.\d{3} \[[^\]]*\]", text)
        assert len(scores) >= 4
        for score in scores:
            assert score in tables, score
