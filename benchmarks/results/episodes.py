"""An episode of each environment as an animated picture: `python -m adarena.benchmarks.results.episodes OUT [ID ...]`.

All actions are zeros, the middle of every action space: a campaign bids as on an earlier day, a platform does what its base
would. Two are driven otherwise, so that there is something to see: in `AdArena/Bidding-v0` a campaign bids less the further its
spending is ahead of traffic, and in `AdArena/Creative-v0` actions are drawn, since zeros show one creative all day.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ... import ENVIRONMENTS
from ...simulator.core.arrays import Floats
from ...simulator.core.disk import write

SEED = 0  # of every episode
FRAMES, FRAME_MS, LAST_MS = 48, 120, 3_000  # of an animation, at most; how long each stands, and the last
SIZE = 800, 450  # pixels
COLOURS = 128
PACING_ERROR = 16  # place in what a bidder observes: five times the share of traffic due less the share of the budget spent


Rule = Callable[[NDArray[np.float32], tuple[int, ...], np.random.Generator], Floats]


def _resting(observation: NDArray[np.float32], shape: tuple[int, ...], dice: np.random.Generator) -> Floats:
    return np.zeros(shape)


def _steered(observation: NDArray[np.float32], shape: tuple[int, ...], dice: np.random.Generator) -> Floats:
    return np.clip(np.full(shape, observation[PACING_ERROR], np.float64), -1.0, 1.0)


def _drawn(observation: NDArray[np.float32], shape: tuple[int, ...], dice: np.random.Generator) -> Floats:
    return dice.uniform(-1.0, 1.0, shape)


RULES: Mapping[str, Rule] = {"AdArena/Bidding-v0": _steered, "AdArena/Creative-v0": _drawn}


def short(name: str) -> str:
    """What files of an environment are called: bidding, of AdArena/Bidding-v0."""
    return name.partition("/")[2].partition("-")[0].lower()


def frames(name: str, most: int | None = None, **arguments: Any) -> list[NDArray[np.uint8]]:
    """The pictures of an episode after each step, (height, width, 3) each; of its first `most` steps, if that is given."""
    env: gymnasium.Env[Any, Any] = gymnasium.make(name, render_mode="rgb_array", **arguments)
    observation, _ = env.reset(seed=SEED)
    rule, shape, dice = RULES.get(name, _resting), env.action_space.shape or (), np.random.default_rng(SEED)
    found: list[Any] = []
    over = False
    while not over and (most is None or len(found) < most):
        observation, _, terminated, truncated, _ = env.step(rule(observation, shape, dice).astype(np.float32))
        found.append(env.render())
        over = terminated or truncated
    env.close()
    return found


def animated(pictures: list[NDArray[np.uint8]]) -> bytes:
    """A GIF of at most `FRAMES` pictures, evenly chosen, the last among them; all have the same colours."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(FRAMES, len(pictures))).round().astype(int))
    small = [Image.fromarray(pictures[n]).resize(SIZE, Image.Resampling.LANCZOS) for n in chosen]
    width, height = SIZE
    strip = Image.fromarray(np.concatenate([np.asarray(image) for image in small])).quantize(COLOURS, dither=Image.Dither.NONE)
    first, *others = [strip.crop((0, n * height, width, (n + 1) * height)) for n in range(len(small))]
    held = io.BytesIO()
    lasting = [FRAME_MS] * len(others) + [LAST_MS]
    first.save(held, "GIF", save_all=True, append_images=others, duration=lasting, loop=0, optimize=True)
    return held.getvalue()


def main(folder: Path, names: tuple[str, ...]) -> None:
    """Writes the animation of each environment into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or tuple(ENVIRONMENTS):
        write(folder / f"{short(name)}.gif", animated(frames(name)))
        print(f"written: {folder / short(name)}.gif")


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]))
