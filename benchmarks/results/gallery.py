"""A day of each preset: picture, size, processor time, seats. `python -m adarena.benchmarks.results.gallery OUT [NAME ...]`.

Writes `NAME.png` for each, and `rows.json`. Processor time is that of one run of one process: of setting the market up, and of
its first day under PID bidders. Kernels that are compiled only now would count; `adarena warm` compiles them beforehand.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
from PIL import Image

from ... import ENVIRONMENTS
from ...agents.bidding.pid import PID
from ...simulator.core.disk import write
from ...simulator.market.market import build
from ...simulator.scenario.tree import PRESETS, Scenario
from ...simulator.seats import SEATS
from ...simulator.world import World
from ..output.figures import close, encoded
from ..pictures.day import day
from .episodes import short
from .pages import table

WIDTH, COLOURS = 880, 64  # of a picture
HEAD = (
    "preset",
    "campaigns, ads",
    "users",
    "requests a day",
    "days x ticks",
    "set up, a day [s]",
    "seats",
    "of the environment",
)


def environments() -> dict[str, list[str]]:
    """The environments that play a preset if nothing else is said, by the name of the preset."""
    found: dict[str, list[str]] = {}
    for name in ENVIRONMENTS:
        env: Any = gymnasium.make(name).unwrapped
        found.setdefault(env.scenario.name, []).append(name)
    return found


def shown(name: str) -> tuple[dict[str, Any], bytes]:
    """What there is to say of a preset, and the picture of its first day."""
    scenario = Scenario.preset(name)
    begun = time.process_time()
    build(one := scenario.override({"days": 1}))
    built = time.process_time()
    world = World(one, {"bidding": PID()}, seed=0)
    world.run()
    played = time.process_time()
    figure = day(world)
    row = {
        "name": name,
        "campaigns": len(world.campaigns.names),
        "ads": world.campaigns.ad_campaign.size,
        "users": scenario.users.count,
        "requests": scenario.traffic.requests_per_day,
        "days": scenario.days,
        "ticks": scenario.ticks_per_day,
        "set_up_s": built - begun,
        "day_s": played - built,
        "seats": [seat for seat, kind in SEATS.items() if kind.missing(scenario) is None],
    }
    picture = thumbnail(encoded(figure, "png"))
    close(figure)
    return row, picture


def thumbnail(png: bytes) -> bytes:
    """A picture as wide as a page, in few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    small = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    small.quantize(COLOURS).save(held, "PNG", optimize=True)
    return held.getvalue()


def written(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown, a preset's name leading to its picture below."""
    of = environments()
    cells = [
        (
            f"[`{row['name']}`](#{row['name']})",
            f"{row['campaigns']:,}, {row['ads']:,}",
            f"{row['users']:,}",
            f"{row['requests']:,}",
            f"{row['days']} x {row['ticks']}",
            f"{row['set_up_s']:.2g}, {row['day_s']:.2g}",
            ", ".join(row["seats"]),
            ", ".join(f"[{env}](environments/{short(env)}.md)" for env in of.get(row["name"], ())),
        )
        for row in rows
    ]
    return table(HEAD, cells)


def main(folder: Path, names: tuple[str, ...]) -> None:
    """Shows presets, all unless some are named, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names or tuple(PRESETS):
        row, picture = shown(name)
        rows.append(row)
        write(folder / f"{name}.png", picture)
        print(f"written: {folder / name}.png, {row['set_up_s'] + row['day_s']:.1f} s", flush=True)
    write(folder / "rows.json", json.dumps(rows, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]))
