"""What a row depends on: an edit of anything that an own policy is made of, or reads, has it measured anew."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from places import ROOT

from adarena.agents.catalogue import SEATS, make_policy, policies
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.comparison import store as stores
from adarena.benchmarks.comparison.store import Store, source_digest
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.comparison.workers import HERE, Processes
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, Scenario

TINY = Scenario.named("tiny")
CASE = Case(1_000_000, 0)
HEAD = """
import numpy as np
from adarena.simulator import BidPolicy, Multiplier
"""
PLAIN = "def gain(): return GAIN\n"
BODY = """
class Mine(BidPolicy):
    def decide(self, view):
        return Multiplier(gain() * view.prior)
"""


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(textwrap.dedent(text))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's current folder; modules that were loaded from it are gone afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def score(spec: str, kept: Store, jobs: int = 1, case: Case = CASE) -> float:
    """What the suite says of a policy on a case, measured or found."""
    task = measuring.Task(BIDDING, TINY, "mixed", case, spec, source_digest(make_policy("bidding", spec)), "trial")
    tasks = [task] if jobs == 1 else [task, task._replace(policy="fixed", source="")]
    return measuring.measure(tasks, kept, Processes(jobs), lambda: None)[0].score


def elsewhere(spec: str) -> float:
    """The same in a process of its own, without a store."""
    code = f"""
from adarena.agents.catalogue import make_policy
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.comparison.store import Store, source_digest
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.comparison.workers import HERE
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import Scenario
source = source_digest(make_policy("bidding", {spec!r}))
task = measuring.Task(BIDDING, Scenario.named("tiny"), "mixed", Case{tuple(CASE)}, {spec!r}, source, "trial")
print(repr(measuring.measure([task], Store(), HERE, lambda: None)[0].score))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


# What a policy may be made of: its files, and the edit that changes what it bids.
MADE_OF = {
    "a module beside it": (
        "mine.py:Mine",
        {"mine.py": HEAD + "from aside import GAIN\n" + PLAIN + BODY, "aside.py": "GAIN = 1.0\n"},
        {"aside.py": "GAIN = 0.1\n"},
    ),
    "a module of the current folder": (
        "mine:Mine",
        {"mine.py": HEAD + "import aside\ndef gain(): return aside.GAIN\n" + BODY, "aside.py": "GAIN = 1.0\n"},
        {"aside.py": "GAIN = 0.1\n"},
    ),
    "a module that its module imports": (
        "mine.py:Mine",
        {
            "mine.py": HEAD + "from aside import GAIN\n" + PLAIN + BODY,
            "aside.py": "from far import GAIN\n",
            "far.py": "GAIN = 1.0\n",
        },
        {"far.py": "GAIN = 0.1\n"},
    ),
    "a module that is imported late": (
        "mine:Mine",
        {
            "mine.py": HEAD
            + "import sys\nsys.path.append('.')\ndef gain():\n    from aside import GAIN\n    return GAIN\n"
            + BODY,
            "aside.py": "GAIN = 1.0\n",
        },
        {"aside.py": "GAIN = 0.1\n"},
    ),
    "a relative import in a package": (
        "house.rooms.mine:Mine",
        {
            "house/__init__.py": "",
            "house/rooms/__init__.py": "",
            "house/rooms/mine.py": HEAD + "from ..cellar import GAIN\n" + PLAIN + BODY,
            "house/cellar.py": "GAIN = 1.0\n",
        },
        {"house/cellar.py": "GAIN = 0.1\n"},
    ),
    "the package's own file": (
        "house.mine:Mine",
        {
            "house/__init__.py": "GAIN = 1.0\n",
            "house/mine.py": HEAD + "from house import GAIN\n" + PLAIN + BODY,
        },
        {"house/__init__.py": "GAIN = 0.1\n"},
    ),
    "a star of a package": (
        "mine.py:Mine",
        {
            "mine.py": HEAD + "from house import *\ndef gain(): return cellar.GAIN\n" + BODY,
            "house/__init__.py": "__all__ = ['cellar']\n",
            "house/cellar.py": "GAIN = 1.0\n",
        },
        {"house/cellar.py": "GAIN = 0.1\n"},
    ),
    "a namespace package": (
        "space.mine:Mine",
        {
            "space/mine.py": HEAD + "from space import aside\ndef gain(): return aside.GAIN\n" + BODY,
            "space/aside.py": "GAIN = 1.0\n",
        },
        {"space/aside.py": "GAIN = 0.1\n"},
    ),
    "a module named by text": (
        "mine.py:Mine",
        {
            "mine.py": HEAD
            + "import importlib\naside = importlib.import_module('aside')\ndef gain(): return aside.GAIN\n"
            + BODY,
            "aside.py": "GAIN = 1.0\n",
        },
        {"aside.py": "GAIN = 0.1\n"},
    ),
    "a module whose name is computed": (
        "mine.py:Mine",
        {
            "mine.py": HEAD
            + "import importlib\naside = importlib.import_module('as' + 'ide')\ndef gain(): return aside.GAIN\n"
            + BODY,
            "aside.py": "from far import GAIN\n",
            "far.py": "GAIN = 1.0\n",
        },
        {"far.py": "GAIN = 0.1\n"},
    ),
    "a file that is run": (
        "mine.py:Mine",
        {
            "mine.py": HEAD + "import runpy\nGAIN = runpy.run_path('aside.txt')['GAIN']\n" + PLAIN + BODY,
            "aside.txt": "GAIN = 1.0\n",
        },
        {"aside.txt": "GAIN = 0.1\n"},
    ),
    "the class of another module": (
        "mine.py:Mine",
        {
            "mine.py": "import aside\nfrom aside import Mine\naside.GAIN = 1.0\n",
            "aside.py": HEAD + "GAIN = 3.0\n" + PLAIN + BODY,
        },
        {"mine.py": "import aside\nfrom aside import Mine\naside.GAIN = 0.1\n"},
    ),
    "data read when it is imported": (
        "mine.py:Mine",
        {
            "mine.py": HEAD + "from pathlib import Path\nGAIN = float(Path('gain.json').read_text())\n" + PLAIN + BODY,
            "gain.json": "1.0",
        },
        {"gain.json": "0.1"},
    ),
    "data read by a module beside it": (
        "mine.py:Mine",
        {
            "mine.py": HEAD + "from aside import gain\n" + BODY,
            "aside.py": """
            from functools import cache
            from pathlib import Path
            @cache
            def gain():
                return float((Path(__file__).parent / "gain.txt").read_text())
            """,
            "gain.txt": "1.0",
        },
        {"gain.txt": "0.1"},
    ),
    "weights read by its constructor": (
        "mine.py:Mine",
        {
            "mine.py": HEAD
            + """
class Mine(BidPolicy):
    def __init__(self):
        self.gain = float(np.loadtxt("weights.txt"))
    def decide(self, view):
        return Multiplier(self.gain * view.prior)
""",
            "weights.txt": "1.0\n",
        },
        {"weights.txt": "0.1\n"},
    ),
    "a folder that is searched": (
        "mine.py:Mine",
        {
            "mine.py": HEAD
            + "from pathlib import Path\ndef gain(): return 1.0 / len(list(Path('all').glob('*.txt')))\n"
            + BODY,
            "all/a.txt": "",
        },
        {f"all/{i}.txt": "" for i in range(9)},
    ),
    "a file that was not there": (
        "mine.py:Mine",
        {
            "mine.py": HEAD
            + """
from pathlib import Path
def gain():
    try:
        return float(Path("gain.txt").read_text())
    except FileNotFoundError:
        return 1.0
"""
            + BODY,
        },
        {"gain.txt": "0.1"},
    ),
}


@pytest.mark.parametrize("what", MADE_OF)
def test_an_edit_of_what_a_policy_is_made_of_is_measured_anew(folder, what):
    """In the process that has loaded it before, and as a new process would."""
    spec, files, edit = MADE_OF[what]
    write(files)
    with Store(folder / "r.sqlite") as kept:
        before = score(spec, kept)
        assert score(spec, kept) == before
    write(edit)
    with Store(folder / "r.sqlite") as kept:
        after = score(spec, kept)
        assert kept.reused == 0
    assert after < before / 2
    with Store(folder / "r.sqlite") as kept:
        assert score(spec, kept) == after
        assert kept.reused == kept.asked == 1


@pytest.mark.parametrize("what", ["a module beside it", "weights read by its constructor"])
def test_workers_run_what_is_on_disk_and_say_what_they_read(folder, what):
    spec, files, edit = MADE_OF[what]
    write(files)
    with Store(folder / "r.sqlite") as kept:
        before = score(spec, kept, jobs=2)
        write(edit)
        assert score(spec, kept, jobs=2) == elsewhere(spec) < before / 2
    with Store(folder / "r.sqlite") as kept:
        score(spec, kept, jobs=2)
        assert kept.reused == kept.asked == 2


def test_edits_of_others_change_nothing(folder):
    """Neither a module that is not imported, nor files that another policy reads."""
    spec, files, _ = MADE_OF["data read by a module beside it"]
    write(
        {
            **files,
            "idle.py": "x = 1\n",
            "other.py": HEAD
            + "from pathlib import Path\nGAIN = float(Path('o.txt').read_text())\ndef gain(): return GAIN\n"
            + BODY,
        }
    )
    Path("o.txt").write_text("2.0")
    with Store(folder / "r.sqlite") as kept:
        score("other.py:Mine", kept)
        first = score(spec, kept)
    write({"idle.py": "x = 2\n", "o.txt": "3.0", "new.txt": ""})
    with Store(folder / "r.sqlite") as kept:
        assert score(spec, kept) == first
        assert kept.reused == 1
        score("other.py:Mine", kept)
        assert (kept.reused, kept.asked) == (1, 2)


def test_an_edit_taken_back_finds_its_row(folder):
    spec, files, edit = MADE_OF["a module that its module imports"]
    write(files)
    with Store(folder / "r.sqlite") as kept:
        first = score(spec, kept)
        write(edit)
        score(spec, kept)
    write(files)
    with Store(folder / "r.sqlite") as kept:
        assert score(spec, kept) == first
        assert kept.reused == 1


def test_two_folders_with_modules_of_the_same_name_do_not_mix(folder, monkeypatch):
    spec, files, edit = MADE_OF["a module of the current folder"]
    scores = []
    for name, changed in (("one", {}), ("two", edit)):
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        write({**files, **changed})
        scores.append(score(spec, Store()))
    assert scores[1] < scores[0] / 2
    monkeypatch.chdir(folder)
    assert [score(f"{name}/mine.py:Mine", Store()) for name in ("one", "two", "one")] == [*scores, scores[0]]


def test_a_file_by_a_relative_name_is_another_one_in_another_folder(folder, monkeypatch):
    _, files, _ = MADE_OF["weights read by its constructor"]
    write(files)
    (folder / "sub").mkdir()
    (folder / "sub/weights.txt").write_text("0.1\n")
    with Store(folder / "r.sqlite") as kept:
        before = score(f"{folder}/mine.py:Mine", kept)
        monkeypatch.chdir(folder / "sub")
        assert score(f"{folder}/mine.py:Mine", kept) < before / 2


def test_what_a_policy_writes_itself_does_not_count(folder):
    text = """
from pathlib import Path
import time
def gain():
    Path("log.txt").write_text(str(time.time()))
    return len(Path("log.txt").read_text()) > 0
"""
    write({"mine.py": HEAD + text + BODY})
    with Store(folder / "r.sqlite") as kept:
        first = score("mine.py:Mine", kept)
    Path("log.txt").write_text("another")
    with Store(folder / "r.sqlite") as kept:
        assert score("mine.py:Mine", kept) == first
        assert kept.reused == 1


def test_a_policy_without_a_source_is_measured_each_time(folder, monkeypatch):
    """As one that was typed into a notebook."""
    import types

    typed = types.ModuleType("typed")
    monkeypatch.setitem(sys.modules, "typed", typed)
    exec(HEAD + "def gain(): return 1.0\n" + BODY, typed.__dict__)
    for _ in range(2):
        with Store(folder / "r.sqlite") as kept:
            score("typed:Mine", kept)
            assert kept.reused == 0


def test_a_module_that_was_loaded_before_anybody_watched_is_not_trusted(folder):
    """What it read then, nobody saw; and if its source has changed since, it is loaded again."""
    code = f"""
import sys, os, time
sys.path[:0] = [{str(ROOT / ".typings")!r}, ""]
import mine, aside
from adarena.agents.catalogue import make_policy
from adarena.agents.provenance.sources import unchanged
from adarena.benchmarks.comparison.store import reads
policy = make_policy("bidding", "mine:Mine")
print(type(policy) is mine.Mine, unchanged(reads(policy)))
open("aside.py", "w").write("GAIN = 0.1\\n")
os.utime("aside.py", (time.time() + 5, time.time() + 5))
policy = make_policy("bidding", "mine:Mine")
print(sys.modules["aside"].GAIN, unchanged(reads(policy)))
"""
    write(MADE_OF["a module of the current folder"][1])
    for path in folder.glob("*.py"):
        os.utime(path, (time.time() - 100, time.time() - 100))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False", "0.1", "True"], done.stderr


def test_a_source_that_changes_between_hashing_and_loading_ends_the_comparison(folder):
    spec, files, edit = MADE_OF["a module beside it"]
    write(files)
    task = measuring.Task(BIDDING, TINY, "mixed", CASE, spec, source_digest(make_policy("bidding", spec)), "trial")
    write(edit)
    with pytest.raises(MarketError, match=r"mine\.py:Mine has changed on disk while it was being compared"):
        measuring.measure([task], Store(), HERE, lambda: None)


def test_policies_of_this_package_depend_on_nothing_else(folder):
    named = [(seat, name) for seat in SEATS for name in policies(seat)]
    for seat, name in named:
        assert source_digest(make_policy(seat, name)) == ""
        assert stores.reads(make_policy(seat, name)) == {}


def test_versions_of_what_computes_belong_to_a_row(monkeypatch):
    """Another NumPy, SciPy, processor, C library or Python rounds the last bit otherwise."""
    seen = [stores.code_version.__wrapped__()]
    whole = stores.version
    for name in ("numpy", "scipy", "numba", "llvmlite", "simpy"):
        with monkeypatch.context() as patch:
            patch.setattr(stores, "version", lambda asked, name=name: "0.0" if asked == name else whole(asked))
            seen.append(stores.code_version.__wrapped__())
    for module, name in (
        (stores.platform, "python_version"),
        (stores.platform, "machine"),
        (stores.binding, "get_host_cpu_name"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda: "another")
            seen.append(stores.code_version.__wrapped__())
    assert len(set(seen)) == len(seen) == 9
    assert json.loads(json.dumps(stores.surroundings())) == stores.surroundings()


def test_versions_of_what_an_own_policy_imports_belong_to_its_rows(folder, monkeypatch):
    from adarena.agents.provenance import sources

    write({"mine.py": HEAD + "def gain():\n    import simpy\n    return 1.0\n" + BODY})
    before = source_digest(make_policy("bidding", "mine.py:Mine"))
    whole = sources.version
    monkeypatch.setattr(sources, "version", lambda name: "0.0" if name == "simpy" else whole(name))
    assert source_digest(make_policy("bidding", "mine.py:Mine")) != before
