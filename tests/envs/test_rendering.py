"""What is seen of a day: pictures, text and windows show the books, quickly, and leave no trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo
from places import ROOT

from adarena.envs.bid_frame import bid_frame
from adarena.envs.bidding import BiddingEnv
from adarena.envs.figure import HEIGHT, OWN, WIDTH, Screen
from adarena.envs.frames import BARS, Frame, Line, Panel, text
from adarena.simulator import MarketError, Scenario

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")


def played(ticks: int, mode: str | None = None, scenario: Scenario = TINY, **options: Any) -> BiddingEnv:
    """An environment after some ticks of the same day, at actions that rise."""
    env = BiddingEnv(scenario, render_mode=mode)  # type: ignore[arg-type]
    env.reset(seed=4, options=options)
    for action in np.linspace(-0.5, 0.5, ticks):
        env.step(np.array([action], np.float32))
    return env


def test_a_frame_is_what_the_books_say() -> None:
    env = played(9, budget_scale=0.5)
    ledger, k, frame = env.world.ledger, env._campaign, env.frame()
    spend, multiplier, price = frame.panels
    paid = ledger.spend()[:9, k]
    budget = env.reset(seed=4, options={"budget_scale": 0.5})[1]["budget"]
    np.testing.assert_allclose(spend.course[:10] * budget, [paid[:n].sum() for n in range(10)], atol=1e-9)
    assert 0 < spend.course[9] < 1
    assert spend.ideal is not None
    assert (spend.ideal[0], spend.ideal[-1]) == pytest.approx((0, 1))
    np.testing.assert_array_equal(multiplier.course[:9], ledger.multiplier[:9, k])
    assert multiplier.low < multiplier.course[0] < multiplier.course[8] < multiplier.high
    np.testing.assert_array_equal(price.course[:9], ledger.market_price[:9, k])
    for panel in frame.panels:
        assert np.isnan(panel.course[10:]).all()
    assert frame.headline == f"tiny, day {env._day}, campaign {ledger.campaigns.names[k]}"
    assert frame.facts.startswith(f"tick 9 of {TINY.ticks_per_day}: spent ")


def test_what_is_not_told_is_not_shown() -> None:
    frame = played(5, scenario=TINY.override({"auction.price_told": False})).frame()
    assert np.isnan(frame.panels[2].course).all()
    assert text(frame).splitlines()[-1].endswith("· this market tells no price")


def test_a_picture_has_the_size_of_a_video_and_moves() -> None:
    env = BiddingEnv(TINY, render_mode="rgb_array")
    env.reset(seed=4)
    pictures = [env.render()]
    for _ in range(TINY.ticks_per_day):
        env.step(np.zeros(1, np.float32))
        pictures.append(env.render())
    assert {(p.shape, p.dtype.name) for p in pictures} == {((540, 960, 3), "uint8")}
    assert HEIGHT % 2 == WIDTH % 2 == 0
    assert len({p.tobytes() for p in pictures}) == len(pictures)
    pictures[-1][:] = 0  # the caller's own
    assert (env.render() == 255).all(axis=2).mean() > 0.8


def painted(picture: np.ndarray) -> np.ndarray:
    """Where pixels have the colour of what the campaign does, (HEIGHT, WIDTH)."""
    colour = [int(OWN[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(picture.astype(int) - colour) <= 2).all(axis=2)


def test_courses_are_drawn_where_their_numbers_are() -> None:
    """The mark at the end of the spend lies at its tick and share, in pixels found from the axes alone."""
    env = played(12, "rgb_array")
    frame, picture = env.frame(), env.render()
    screen = env._screen
    assert screen is not None
    for place, (axes, panel) in enumerate(zip(screen._axes, frame.panels, strict=True)):
        known = np.flatnonzero(~np.isnan(panel.course))[-1]
        hour = frame.hours[known] if panel.course.size == frame.hours.size else frame.hours[known + 1]
        x, y = axes.transData.transform((hour, panel.course[known]))
        row, column = HEIGHT - 1 - int(y), int(x)
        assert painted(picture)[row - 1 : row + 2, column - 1 : column + 2].all(), place
        assert not painted(picture)[60:, column + 8 : int(axes.bbox.x1)][HEIGHT - 60 - int(axes.bbox.y1) :].any(), place


def test_a_frame_is_the_same_pixels_whatever_was_drawn_before() -> None:
    frames = [played(ticks, **changes).frame() for ticks in (0, 3, 24) for changes in ({}, {"budget_scale": 0.3}, {"day": 7})]
    alone = [Screen().draw(frame) for frame in frames]
    screen = Screen()
    for number in (8, 0, 2, 3, 5, 4, 1, 7, 6, 6, 0):
        np.testing.assert_array_equal(screen.draw(frames[number]), alone[number])


def test_a_picture_looks_the_same_whatever_the_session_looks_like() -> None:
    import matplotlib

    env = played(6)
    plain = Screen().draw(env.frame())
    with matplotlib.rc_context({"axes.titlesize": 40, "font.size": 30, "grid.color": "red", "text.parse_math": True}):
        np.testing.assert_array_equal(Screen().draw(env.frame()), plain)


def test_names_are_drawn_as_they_are() -> None:
    scenario = TINY.override({"name": "m [/b] $5 $x " + "long " * 40})
    env = played(2, "rgb_array", scenario)
    assert env.render().shape == (HEIGHT, WIDTH, 3)
    assert env._screen is not None
    drawn = [t.get_text() for t in env._screen._figure.texts]
    assert drawn[0].startswith("m [/b] $5 $x long")
    assert drawn[0].endswith("…")
    extent = env._screen._figure.texts[0].get_window_extent()
    assert extent.x1 < WIDTH


def test_a_frame_is_fast_enough_for_video() -> None:
    """Under 40 ms of the processor; the best of many, as others may use its caches."""
    env = played(12, "rgb_array")
    env.render()
    took = []
    for _ in range(10):
        begun = time.process_time()
        env.render()
        took.append(time.process_time() - begun)
    assert min(took) < 0.04


def test_text_shows_the_same_courses() -> None:
    env = played(6, "ansi")
    lines = env.render().splitlines()
    frame = env.frame()
    assert lines[:2] == [frame.headline, frame.facts]
    for line, panel in zip(lines[2:], frame.panels, strict=True):
        name, bars, latest = re.fullmatch(r"(\w+) +([▁▂▃▄▅▆▇█·]+) (.+)", line).groups()  # type: ignore[union-attr]
        assert name == panel.name
        assert latest == panel.latest
        assert bars.count("·") == TINY.ticks_per_day + (panel.name == "spend") - 6 - (panel.name == "spend")
    assert played(0, "ansi").render().splitlines()[-1].endswith("not yet")


def panel(course: list[float], **changes: Any) -> Panel:
    return Panel("x", "X", "", np.array(course), "x", "{:.2f}", **changes)


def test_bars_are_as_high_as_numbers() -> None:
    def bars(one: Panel) -> str:
        frame = Frame("", "", 0, np.arange(9.0), (one, one, one))
        return text(frame).splitlines()[2].split()[1]

    shares = np.arange(8) / 8 + 0.01
    assert bars(panel(list(shares), high=1.0)) == BARS
    assert bars(panel([-1.0, 9.0, np.nan], high=1.0)) == BARS[0] + BARS[-1] + "·"
    assert bars(panel([0.25, 1.0, 3.99], low=0.25, high=4.0, logarithmic=True)) == BARS[0] + BARS[4] + BARS[-1]
    assert len(bars(panel(list(np.arange(300.0))))) == 48


def several(ticks: int, **changes: Any) -> Frame:
    """A frame of two courses a panel, of which the second rises above the first."""
    told = np.append(np.linspace(0.1, 0.4, ticks), np.full(8 - ticks, np.nan))
    other = Line("of others", 2.0 * told)
    one = panel(list(told), others=(other._replace(**changes),))
    return Frame("h", "f", ticks, np.arange(9.0), (one, one, one))


def test_several_courses_have_a_line_each() -> None:
    lines = text(several(8)).splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["x,", "x"], ["x,", "of"]]
    assert [line.split()[-1] for line in lines[2:4]] == ["0.40", "0.80"]
    assert len(lines) == 2 + 2 * 3
    assert several(8).panels[0].top == pytest.approx(1.0)  # for the higher one too
    assert several(8, course=np.full(8, 3.0)).panels[0].top == pytest.approx(5.0)


def test_several_courses_are_drawn_where_their_numbers_are() -> None:
    """The marks at their ends, in pixels found from the axes alone, are of two colours."""
    screen, frame = Screen(), several(5)
    picture = screen.draw(frame)
    for axes, its in zip(screen._axes, frame.panels, strict=True):
        seen = []
        for line in its.lines:
            x, y = axes.transData.transform((frame.hours[5], line.course[4]))
            row, column = HEIGHT - 1 - int(y), int(x)
            spot = picture[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3)
            assert (spot == spot[0]).all()
            seen.append(tuple(spot[0]))
        assert len(set(seen)) == 2
        assert (255, 255, 255) not in seen
        legend = axes.get_legend()
        assert legend is not None
        assert [told.get_text() for told in legend.get_texts()] == ["x", "of others"]


@pytest.mark.parametrize("title", ["Multiplier", "Multiplier over an earlier day's"])
def test_a_title_and_what_courses_are_called_stand_apart(title: str) -> None:
    """Beside each other where there is room, else one above the other, and inside the picture."""
    others = tuple(Line(name, np.zeros(3)) for name in ("lowest", "highest"))
    panel = Panel("factor", title, "", np.zeros(3), "mean", "{:.1f}", high=1.0, others=others)
    screen = Screen()
    screen.draw(Frame("day", "tick 2", 2, np.arange(3.0), (panel, panel, panel)))
    for axes in screen._axes:
        legend, its = axes.get_legend().get_window_extent(), axes._left_title.get_window_extent()
        assert not legend.overlaps(its)
        assert its.y1 < screen._facts.get_window_extent().y0
    small = screen._axes[1]
    assert (small._left_title.get_window_extent().y0 > small.get_legend().get_window_extent().y1) == (len(title) > 12)


def test_frames_of_several_courses_are_the_same_pixels_whatever_was_drawn_before() -> None:
    frames = [several(3), several(7), several(7, label="of all"), played(3).frame()]
    alone = [Screen().draw(frame) for frame in frames]
    screen = Screen()
    for number in (3, 0, 1, 2, 1, 3, 0):
        np.testing.assert_array_equal(screen.draw(frames[number]), alone[number])
    assert not np.array_equal(alone[1], alone[2])


@pytest.mark.parametrize(("most", "top"), [(0.9, 1), (0.95, 2), (1.0, 2), (3e-4, 5e-4), (46, 100), (0.0, 1), (np.nan, 1)])
def test_axes_end_at_round_numbers(most: float, top: float) -> None:
    found = panel([most, 0.0])
    assert found.top == pytest.approx(top)
    assert found.scaled == (most > 0)


@pytest.mark.parametrize("mode", ["rgb", "depth_array", "ANSI", 3, ["ansi"], ("human",), ""])
def test_a_wrong_mode_is_one_sentence(mode: Any) -> None:
    with pytest.raises(MarketError, match="the render_mode is None, human, rgb_array, ansi, not ") as caught:
        BiddingEnv(TINY, render_mode=mode)
    assert "\n" not in str(caught.value)


def test_the_metadata_names_the_modes() -> None:
    env = gym.make(ID, scenario="tiny", render_mode=None)
    assert env.metadata["render_modes"] == ["human", "rgb_array", "ansi"]
    assert env.metadata["render_fps"] > 0
    assert env.render_mode is None


def test_without_a_mode_nothing_is_drawn_and_it_says_so() -> None:
    with pytest.warns(UserWarning, match="nothing is drawn without a render_mode"):
        assert played(1).render() is None


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_before_a_day_there_is_nothing_to_see(mode: Any) -> None:
    with pytest.raises(MarketError, match="there is nothing to see before a day has begun; call reset"):
        BiddingEnv(TINY, render_mode=mode).render()


TRACES = """
import sys
import adarena, gymnasium, numpy as np
def day(mode):
    env = gymnasium.make("AdArena/Bidding-v0", scenario="tiny", render_mode=mode)
    env.reset(seed=0); env.step(np.zeros(1, np.float32))
    return env.render()
day("ansi")
print(*sorted({name.split(".")[0] for name in sys.modules} & {"matplotlib", "seaborn", "pandas", "torch"}))
import seaborn, matplotlib.pyplot as plt
matplotlib = sys.modules["matplotlib"]
matplotlib.use("svg")
plt.figure(num="the user's own")
settings = lambda: {k: repr(dict.__getitem__(matplotlib.rcParams, k)) for k in matplotlib.rcParams}
before = settings(), plt.get_figlabels(), plt.get_backend()
day("rgb_array")
print((settings(), plt.get_figlabels(), plt.get_backend()) == before)
"""


def test_drawing_leaves_no_trace_and_text_needs_no_matplotlib() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run([sys.executable, "-c", TRACES], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == ["", "True"], done.stderr


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_frames_can_be_collected(mode: str) -> None:
    env = gym.make(ID, scenario="tiny", render_mode=f"{mode}_list")
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    frames: Any = env.render()
    assert len(frames) == 2
    assert not np.array_equal(frames[0], frames[1])


def test_a_day_can_be_recorded_as_a_video(tmp_path: Any) -> None:
    moviepy = pytest.importorskip("moviepy", reason="videos are written by moviepy")
    env = RecordVideo(gym.make(ID, scenario="tiny", render_mode="rgb_array"), str(tmp_path / "videos"), name_prefix="day")
    env.reset(seed=0)
    while not env.step(np.zeros(1, np.float32))[2]:
        pass
    env.close()
    (path,) = (tmp_path / "videos").glob("*.mp4")
    clip = moviepy.VideoFileClip(str(path))
    assert (clip.size, clip.fps) == ([WIDTH, HEIGHT], env.metadata["render_fps"])
    assert round(clip.duration * clip.fps) == TINY.ticks_per_day + 1
    clip.close()


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A session whose backend opens windows, or believes it does: what each has shown, and for how long."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    opened: list[Any] = []

    class Canvas(FigureCanvasAgg):
        required_interactive_framework = "headless"  # which is what runs here

        def __init__(self, figure: Any = None) -> None:
            super().__init__(figure)
            self.shown: list[np.ndarray] = []
            self.paused: list[float] = []
            opened.append(self)

        def start_event_loop(self, timeout: float = 0) -> None:
            self.draw()
            self.shown.append(np.asarray(self.buffer_rgba())[..., :3].copy())
            self.paused.append(timeout)

    module = types.ModuleType("imagined_backend")
    module.FigureCanvas, module.__dict__["backend_version"] = Canvas, "0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "imagined_backend", module)
    monkeypatch.setattr("matplotlib.backend_bases.FigureManagerBase.show", lambda self: None)
    before = pyplot.get_backend()
    pyplot.switch_backend("module://imagined_backend")
    yield opened
    pyplot.close("all")
    pyplot.switch_backend(before)


def test_a_window_shows_every_reset_and_step(windows: list[Any]) -> None:
    from matplotlib import pyplot

    env = gym.make(ID, scenario="tiny", render_mode="human")
    env.reset(seed=4)
    for action in np.linspace(-0.5, 0.5, 3):
        env.step(np.array([action], np.float32))
    assert env.render() is None
    (window,) = windows
    assert len(window.shown) == 5
    assert window.paused == [1 / env.metadata["render_fps"]] * 5
    np.testing.assert_array_equal(window.shown[3], played(3, "rgb_array").render())
    assert len(pyplot.get_fignums()) == 1
    pyplot.close(pyplot.get_fignums()[0])  # by hand
    env.step(np.zeros(1, np.float32))
    assert len(window.shown) == 5
    env.close()
    env.close()
    assert pyplot.get_fignums() == []


def test_the_checker_looks_into_every_mode(windows: list[Any]) -> None:
    check_env(gym.make(ID, scenario="tiny").unwrapped)
    assert windows


def test_where_no_window_opens_it_says_so() -> None:
    from matplotlib import pyplot

    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    with pytest.raises(MarketError, match=r"needs a window, .* agg, opens none") as caught:
        BiddingEnv(TINY, render_mode="human").reset(seed=0)
    assert "\n" not in str(caught.value)
    assert pyplot.get_fignums() == []
    pyplot.switch_backend(before)


def test_a_frame_needs_no_environment() -> None:
    """A finished day of any campaign in any world can be drawn."""
    env = played(TINY.ticks_per_day)
    frame = bid_frame(env.world, 0, 1e3, 1.0, 4.0, "over")
    assert not any(np.isnan(panel.course).any() for panel in frame.panels[:2])
    assert Screen().draw(frame).shape == (HEIGHT, WIDTH, 3)
