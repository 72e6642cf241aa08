"""What every program that drives an environment expects of it: render modes, a spec that can be written down and read back,
arguments as JSON or YAML hold them, and actions that may miss a bound by a rounding.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats
from ..simulator.core.errors import MarketError, PolicyError
from ..simulator.scenario.tree import Scenario
from .frames import Frame, text

if TYPE_CHECKING:
    from .figure import Screen
    from .window import Window

MODES = ("human", "rgb_array", "ansi")
ROUNDED = float(np.nextafter(np.float32(1), np.float32(2)))  # what a bound of 1 may be rounded to
FPS = 8  # a day of 48 ticks is a video of six seconds

ObsType = TypeVar("ObsType")
ActType = TypeVar("ActType")


class Shell(gym.Env[ObsType, ActType]):
    """An environment that can be looked at and whose spec can be kept.

    What derives from it says what there is to see (`frame`), and calls `show` at the end of `reset` and of `step`. One that
    names the `vectors` of its observations has the names of their features in its metadata.
    """

    vectors: ClassVar[type[Any]]  # see `simulator.seats.vectors.Vectors`
    episodes_to_judge: ClassVar[int] = 16  # on which an agent that is trained is validated
    metadata: dict[str, Any] = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012  (a field of the base)

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "vectors" in vars(cls):
            cls.metadata = {**cls.metadata, "features": cls.vectors.features}

    def __init__(self, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in MODES:
            raise MarketError(f"the render_mode is None, {', '.join(MODES)}, not {render_mode!r}")
        self.render_mode = render_mode
        self._spec: EnvSpec | None = None
        self._screen: Screen | None = None
        self._window: Window | None = None

    @abstractmethod
    def frame(self) -> Frame:
        """The episode so far. Raises `MarketError` before the first."""

    def render(self) -> Any:
        """The episode so far: lines of text (ansi), a picture (540, 960, 3) of uint8 (rgb_array), or a window (human)."""
        if self.render_mode is None:
            gym.logger.warn("nothing is drawn without a render_mode: make the environment with one, e.g. 'rgb_array'")
            return None
        if self.render_mode == "human":
            return self._in_window(self.frame())
        return text(self.frame()) if self.render_mode == "ansi" else self._picture(self.frame())

    def show(self) -> None:
        """Draws the episode so far, if somebody is watching."""
        if self.render_mode == "human":
            self._in_window(self.frame())

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            self._window.close()
        self._window = self._screen = None

    def _picture(self, frame: Frame) -> NDArray[np.uint8]:
        if self._screen is None:
            from .figure import Screen

            self._screen = Screen()
        return self._screen.draw(frame)

    def _in_window(self, frame: Frame) -> None:
        if self._window is None:
            from .window import Window

            self._window = Window(self.metadata["render_fps"])
        self._window.show(frame)

    @property
    @abstractmethod
    def is_under_way(self) -> bool:
        """Whether there is an episode to look at."""

    def __getstate__(self) -> Any:
        """Raises `MarketError` within an episode: a day under way is made of processes, which cannot be copied or pickled."""
        if self.is_under_way:
            raise MarketError(
                "an environment is neither copied nor pickled within an episode: gymnasium.make(env.spec) makes another, which "
                "the same seed and actions bring to the same place"
            )
        return self.__dict__

    @property
    def spec(self) -> EnvSpec | None:
        """How it was made, in plain numbers and texts: `spec.to_json` writes it, and `gymnasium.make` makes it again."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = None if spec is None else dataclasses.replace(spec, kwargs=_plain(spec.kwargs))


def _plain(x: Any) -> Any:
    """An argument as JSON gives it back."""
    if isinstance(x, Scenario):
        return x.model_dump(mode="json")
    if isinstance(x, Mapping):
        return {name: _plain(item) for name, item in x.items()}
    if isinstance(x, tuple | list):
        return [_plain(item) for item in x]
    return x.item() if isinstance(x, np.generic) else x


def scenario_of(given: Any) -> Scenario:
    """The scenario that is meant by a `Scenario`, the name of one, or a mapping as its YAML file holds it.

    Raises:
        ScenarioError: if the name or the mapping is not one of a scenario.
        MarketError: if it is something else.
    """
    if isinstance(given, Scenario):
        return given
    if isinstance(given, str):
        return Scenario.named(given)
    if isinstance(given, Mapping):
        return Scenario.from_tree(given)
    raise MarketError(f"a scenario is a Scenario, the name of one, or a mapping of its fields, not {given!r}")


def counted(actions: Any, environments: int) -> None:
    """Raises `PolicyError` unless there is an action for each of so many environments."""
    if (given := np.shape(actions)[:1]) != (environments,):
        told = f"{given[0]} of them" if given else repr(actions)
        raise PolicyError(f"actions are one for each of {environments} environments, not {told}")


def bounded(action: Any, shape: tuple[int, ...]) -> Floats:
    """An action from -1 to 1 as float64; what lies outside by no more than a step of float32, as a tanh may end, is the bound.

    Raises:
        PolicyError: if it is not numbers, or of another shape, or lies further outside.
    """
    try:
        a = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        what = "a number" if shape == (1,) else "numbers"
        raise PolicyError(f"an action is {what} from -1 to 1, not {action!r}") from None
    if a.shape != shape:
        raise PolicyError(f"an action has shape {shape}, not {a.shape}")
    if not -ROUNDED <= a.min() <= a.max() <= ROUNDED:  # not so for NaN
        raise PolicyError(f"an action lies from -1 to 1, not at {a[~(np.abs(a) <= ROUNDED)][0]}")
    kept: Floats = np.minimum(np.maximum(a, -1.0), 1.0)
    return kept


def all_bounded(actions: Any, places: Sequence[int], shape: tuple[int, ...]) -> Iterable[Floats]:
    """Those of several actions that stand in such places, each as `bounded` has it. Raises `PolicyError` as that does."""
    if isinstance(actions, np.ndarray) and actions.shape[1:] == shape and len(places):  # in one go
        return bounded(actions[places], (len(places), *shape))
    return [bounded(actions[place], shape) for place in places]
