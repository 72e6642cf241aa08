"""Shows frames in a window of matplotlib's, for `render_mode="human"`."""

from __future__ import annotations

from typing import Any, cast

from matplotlib import pyplot

from ..simulator.core.errors import MarketError
from ..simulator.core.look import style
from .figure import DPI, HEIGHT, WIDTH, Screen
from .frames import Frame


class Window:
    """A window, opened by the backend that the session has; one that its user closes stays closed.

    Raises:
        MarketError: if that backend opens no windows.
    """

    def __init__(self, fps: float) -> None:
        self._screen, self._pause_s = Screen(), 1.0 / fps
        with style():
            self._figure = pyplot.figure(num=None, figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        self._canvas = cast(Any, self._figure.canvas)
        if self._canvas.required_interactive_framework is None:
            pyplot.close(self._figure)
            raise MarketError(
                f"the render_mode 'human' needs a window, and matplotlib's backend here, {pyplot.get_backend()}, opens none: "
                "take 'rgb_array' or 'ansi', or choose an interactive backend where there is a display"
            )
        self._canvas.manager.set_window_title("AdArena")
        self._image: Any = None

    def show(self, frame: Frame) -> None:
        """Shows a frame for as long as a frame lasts."""
        if not pyplot.fignum_exists(self._figure.number):
            return
        picture = self._screen.draw(frame)
        if self._image is None:
            with style():
                axes = self._figure.add_axes((0, 0, 1, 1))
                axes.set_axis_off()
                self._image = axes.imshow(picture)
            self._figure.show()
        self._image.set_data(picture)
        self._canvas.draw_idle()
        self._canvas.start_event_loop(self._pause_s)

    def close(self) -> None:
        """Closes the window."""
        pyplot.close(self._figure)
