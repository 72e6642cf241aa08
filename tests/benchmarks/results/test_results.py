"""`adarena results`: its steps are such as can be run, cover every picture, are done once, and their small form works."""

from __future__ import annotations

import inspect
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documents import pages, parsed
from PIL import Image
from places import ROOT
from rich.console import Console

from adarena.__main__ import COMMANDS
from adarena.benchmarks.results import episodes, running
from adarena.benchmarks.results.comparisons import COMPARISONS, Column, Comparison
from adarena.benchmarks.results.gallery import thumbnail
from adarena.benchmarks.results.pages import part, put, table
from adarena.benchmarks.results.running import DONE, make
from adarena.benchmarks.results.step import Step, lines, words
from adarena.benchmarks.results.steps import STEPS
from adarena.benchmarks.suites import suite
from adarena.simulator import MarketError

DOCS = ROOT / "docs"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_command_lines_are_taken_and_write_where_they_are_looked_for(step: Step, tmp_path: Path) -> None:
    for line in [*lines(step, DOCS), *step.small]:
        program, command, *rest = words(line, tmp_path)
        if program == "python":
            assert command == "-m"
            continue
        parsed([command, *rest], f"{step.name}: {line}")
        says_where = "out" in inspect.signature(COMMANDS[command]).parameters
        if says_where and command not in ("speed", "scenario"):  # which print
            assert rest[rest.index("--out") + 1].startswith(f"{tmp_path}/"), line


def test_every_picture_and_made_part_has_one_step() -> None:
    pictures = [target for step in STEPS for target in step.pictures.values()]
    assert len(pictures) == len(set(pictures))
    there = {
        str(path.relative_to(DOCS)) for kind in ("png", "gif") for path in DOCS.rglob(f"*.{kind}") if "_build" not in path.parts
    }
    assert there == {picture for picture in pictures if not picture.endswith(".md")}
    made = {(page, name) for step in STEPS for name, (page, _) in step.parts.items()}
    marked = {
        (str(page.relative_to(DOCS)), line.split(": ")[1].removesuffix(" -->"))
        for page in pages()[1:]
        for line in page.read_text().splitlines()
        if line.startswith("<!-- made: ")
    }
    assert made == marked


def test_every_comparison_of_a_seat_belongs_to_a_step() -> None:
    """A table that stands on a page beside the `--skip` or `--reference` of its command is made by that command."""
    run = {line for step in STEPS for line in lines(step, DOCS)}
    for page in pages()[1:]:
        text = page.read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if line.startswith("$ adarena bench") and "--reference" in line:
                assert line[2:] in run, (page, line)


def writing(name: str, text: str) -> str:
    """A command line that writes a file, and counts how often it has."""
    code = f"import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.open('a').write('{text}')"
    return f'python -c "{code}" out/{name}'


def step(**changes: Any) -> Step:
    first = Step(
        "one",
        "a file",
        "1 s",
        (writing("a.png", "x"), "python -c \"print('told')\""),
        pictures={"a.png": "sub/b.png"},
        parts={"it": ("page.md", lambda folder: (folder / "one.txt").read_text())},
    )
    return first._replace(**changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# Page\n\n<!-- made: it -->\n<!-- end: it -->\n\nend\n")
    return tmp_path


def test_a_step_is_done_once_for_the_same_sources(root: Path) -> None:
    folder, stamps = root / "out", dict[str, list[str]]()
    assert make(step(), folder, root, stamps, "s1")
    assert (root / "docs/sub/b.png").read_text() == "x"
    page = (root / "docs/page.md").read_text()
    assert part(page, "it").strip() == "told"
    assert page.startswith("# Page\n\n")
    assert page.endswith("\n\nend\n")
    again = json.loads((folder / DONE).read_text())
    assert not make(step(), folder, root, again, "s1")
    assert (folder / "one/a.png").read_text() == "x"
    assert make(step(), folder, root, again, "s2")  # other sources
    assert make(step(commands=(writing("a.png", "y"),)), folder, root, again, "s2")  # another command line
    (root / "docs/sub/b.png").unlink()
    assert make(step(commands=(writing("a.png", "y"),)), folder, root, again, "s2")  # what it had made is gone
    assert (folder / "one/a.png").read_text() == "xxyy"


def test_a_step_that_fails_is_no_step_done(root: Path) -> None:
    failing = step(commands=('python -c "raise SystemExit(3)"', writing("a.png", "x")))
    stamps: dict[str, list[str]] = {}
    with pytest.raises(MarketError, match=r"the step one failed with status 3 .*one\.log"):
        make(failing, root / "out", root, stamps, "s")
    assert not (root / "out/one/a.png").exists()
    assert not stamps
    with pytest.raises(MarketError, match=r"a\.png should have been made"):
        make(step(commands=('python -c "0"',)), root / "out", root, stamps, "s")
    with pytest.raises(MarketError, match="runs adarena or python, and not 'rm x'"):
        make(step(commands=("rm x",)), root / "out", root, stamps, "s")
    with pytest.raises(MarketError, match=r"page\.md has no command that begins with 'adarena bnch'"):
        lines(step(commands=("adarena bnch",), page="page.md"), root / "docs")


def test_parts_of_pages(tmp_path: Path) -> None:
    page = tmp_path / "p.md"
    page.write_text("a\n<!-- made: x -->\nold\n<!-- end: x -->\nb\n<!-- made: y -->\nstays\n<!-- end: y -->\n")
    put(page, "x", table(("h", "i"), [("1 | 2", "3")]))
    made = "<!-- made: x -->\n\n| h | i |\n| --- | --- |\n| 1 \\| 2 | 3 |\n\n<!-- end: x -->"
    assert page.read_text() == f"a\n{made}\nb\n<!-- made: y -->\nstays\n<!-- end: y -->\n"
    for name, text in {"z": page.read_text(), "x": page.read_text() * 2}.items():
        page.write_text(text)
        with pytest.raises(MarketError, match=f"no part '{name}'"):
            put(page, name, "new")
        assert page.read_text() == text


def test_an_animation_shows_the_episode() -> None:
    pictures = episodes.frames("AdArena/Bidding-v0", most=3, scenario="tiny")
    assert len(pictures) == 3
    gif = Image.open(io.BytesIO(episodes.animated(pictures)))
    assert (gif.n_frames, gif.size) == (3, episodes.SIZE)  # type: ignore[attr-defined]
    gif.seek(2)
    assert gif.info["duration"] == episodes.LAST_MS
    last = Image.fromarray(pictures[-1]).resize(episodes.SIZE)
    assert np.abs(np.asarray(gif.convert("RGB"), float) - np.asarray(last, float)).mean() < 1
    assert np.asarray(gif.convert("RGB"))[0, 0].tolist() == [255, 255, 255]  # the ground
    png = io.BytesIO()
    last.save(png, "PNG")
    assert Image.open(io.BytesIO(thumbnail(png.getvalue()))).size == (880, 495)


def printed(only: tuple[str, ...], listed: bool, small: bool, folder: Path) -> str:
    console = Console(file=io.StringIO(), width=200, markup=False)
    running.command(console, only, listed, small, folder)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_steps_are_listed(tmp_path: Path) -> None:
    told = printed((), True, False, tmp_path)
    assert all(f" {step.name} " in told for step in STEPS)
    assert "realism" not in printed(("day",), True, False, tmp_path)
    with pytest.raises(MarketError, match="there is no step 'dya'; did you mean 'day'"):
        printed(("dya",), True, False, tmp_path)


def test_the_small_form_works(tmp_path: Path) -> None:
    """Each in a process of its own, as a user's, which is what takes time: four seconds each. Nothing in docs/ is touched."""
    before = {path: path.stat().st_mtime_ns for path in DOCS.rglob("*") if "_build" not in path.parts}
    told = printed((), False, True, tmp_path)
    small = [step for step in STEPS if step.small]
    assert len(small) >= 4
    assert [line.partition(":")[0] for line in told.splitlines()] == [step.name for step in small]
    for step in small:
        assert step.small_makes
        assert all((tmp_path / "small" / step.name / file).stat().st_size for file in step.small_makes)
    assert {path: path.stat().st_mtime_ns for path in DOCS.rglob("*") if "_build" not in path.parts} == before


@pytest.mark.parametrize("name", COMPARISONS)
def test_tables_of_comparisons_have_the_columns_of_their_pages(name: str) -> None:
    """Of metrics that the suite has; each page's rows are written as the step would write them."""
    page, made = COMPARISONS[name]
    assert {column.metric for column in made.columns} <= {
        metric.name for metric in suite({"demo": "bidding"}.get(name, name)).metrics
    }
    head, rule, *rows = part((DOCS / page).read_text(), f"{name}-comparison").strip().splitlines()
    assert head == table([made.what, *(column.head for column in made.columns)], []).splitlines()[0]
    assert set(rule) <= set("| -")
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert all(len(line) in (len(made.columns), len(made.columns) + 1) for line in cells)
    named = {line[0] for line in cells}
    assert {f"{label}{words}" if words.startswith(":") else words for label, words in made.words.items()} <= named


def test_a_table_of_a_comparison_is_what_its_summary_says(tmp_path: Path) -> None:
    def row(policy: str, metric: str, mean: float, low: float | None, high: float | None) -> dict[str, Any]:
        return {"policy": policy, "metric": metric, "mean": mean, "ci_low": low, "ci_high": high}

    rows = [
        row("a", "share_of_static_hindsight", 0.5, 0.4, 0.612), row("b", "share_of_static_hindsight", 1.0366, -0.0004, 1.1),
        row("a", "difference_to_reference", -0.5366, -0.6, -0.5), row("b", "difference_to_reference", 0.0, 0.0, 0.0),
        row("a", "spend", 1449.6, 1.0, 2.0), row("b", "spend", 44_650.0, None, None), row("a", "lost", 0.155, None, None),
        row("b", "lost", 0.0, None, None),
    ]  # fmt: skip
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "summary.json").write_text(json.dumps({"reference": "b", "rows": rows}))
    columns = (
        Column("share", "share_of_static_hindsight", interval=True), Column("minus", "difference_to_reference", sign=True),
        Column("spent", "spend", ",.0f", whole=100), Column("lost", "lost", ".0%"),
    )  # fmt: skip
    assert Comparison("x", columns, {"a": ": the first", "b": "B"}).written(tmp_path).splitlines() == [
        "| policy | share | minus | spent | lost |",
        "| --- | --- | --- | --- | --- |",
        "| B | 1.037 [-.000, 1.100] |  | 44,600 | 0% |",
        "| a: the first | .500 [.400, .612] | -.537 | 1,400 | 16% |",
    ]
