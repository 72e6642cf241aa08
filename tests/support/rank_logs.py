"""Logs of a market of the tests' own, in which every rate, delay and effect is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adarena.agents.rankers.logs import Log
from adarena.agents.rankers.ranker import Ranker
from adarena.agents.rankers.settings import Settings
from adarena.agents.rankers.training import train
from adarena.simulator.books.hashing import hashed
from adarena.simulator.books.schemas import CATEGORIES, CONTENT, FEATURES, TRUTH


def write_log(folder: Path, columns: dict[str, Any], truth: Any | None = None, group: int = 4_096) -> Path:
    """Writes features.parquet, and truth.parquet beside true rates (n,); columns that are not given are as in a bare market."""
    n = len(columns["request"])
    given = {name: np.asarray(column) for name, column in columns.items()}
    given.setdefault("hour", given["time_us"] // 3_600_000_000 % 24)
    for name in CATEGORIES:
        given.setdefault(name, np.full(n, -1))
        given[f"{name}_hash"] = hashed(name, given[name])
    for name in FEATURES.names:
        if name not in given:
            never = name.endswith("_us")
            given[name] = np.full(n, -1 if never else 0)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = [given[f.name].astype(f.type.to_pandas_dtype()) for f in FEATURES]
    pq.write_table(pa.table(arrays, schema=FEATURES), folder / "features.parquet", row_group_size=group)
    if truth is not None:
        table = pa.table([given["request"], given["slot"].astype(np.int64), np.asarray(truth, np.float64)], schema=TRUTH)
        pq.write_table(table, folder / "truth.parquet", row_group_size=group)
    return folder


def write_looks(folder: Path, shown: Any, noise: float, dice: np.random.Generator, missing: float = 0.2) -> None:
    """Writes content.parquet: three noisy linear views of what ads show (A, d), in 6 dimensions; some lack image or video."""
    count = len(shown)
    columns: list[Any] = [np.arange(count)]
    for name in CONTENT.names[1:]:
        turned = np.column_stack([shown, np.zeros((count, 6 - shown.shape[1]))]) + noise * dice.standard_normal((count, 6))
        turned = turned @ np.linalg.qr(dice.standard_normal((6, 6)))[0] / np.sqrt(6)
        gone = (dice.random(count) < missing) & (name != "text")
        columns.append([None if lost else row for row, lost in zip(turned.astype(np.float32), gone, strict=True)])
    pq.write_table(pa.table(columns, schema=CONTENT), folder / "content.parquet")


def taste_log(
    folder: Path, n: int = 60_000, users: int = 60, ads: int = 20, strength: float = 1.5, seed: int = 0,
    looks: float | None = None, **more: Any,
) -> Path:  # fmt: skip
    """Two slots a request; log-odds of a click are -2 + popularity of the ad + `strength` x (taste of the user . ad).

    Tastes have two dimensions, so that LR cannot tell them and products of embeddings can. Times are a second a request. With
    `looks` ads look like their popularity and tastes, under noise of that deviation.
    """
    dice = np.random.default_rng(seed)
    request = np.arange(n) // 2
    user = dice.integers(0, users, n // 2 + 1)[request]
    ad = dice.integers(0, ads, n)
    tastes, styles = dice.standard_normal((users, 2)), dice.standard_normal((ads, 2))
    popularity = dice.standard_normal(ads)
    odds = -2.0 + 0.3 * popularity[ad] + strength * (tastes[user] * styles[ad]).sum(axis=1) / np.sqrt(2)
    truth = 1 / (1 + np.exp(-odds))
    clicked = dice.random(n) < truth
    columns = {
        "request": request, "time_us": request * 1_000_000, "slot": np.arange(n) % 2, "user": user, "segment": user % 4,
        "ad": ad, "campaign": ad // 2, "vertical": ad % 3, "clicked": clicked,
    }  # fmt: skip
    write_log(folder, columns | more, truth)
    if looks is not None:
        write_looks(folder, np.column_stack([popularity, styles]), looks, dice)
    return folder


def trainer(log: Log, folder: Callable[[str], Path], **usual: Any) -> Callable[..., Ranker]:
    """Rankers of a log by model and what is changed of the usual settings, each trained once; `folder` makes one for a name."""
    held: dict[tuple[str, str], Ranker] = {}

    def one(name: str, **changes: Any) -> Ranker:
        key = name, str(changes)
        if key not in held:
            held[key] = train(log, Settings(name, **(usual | changes)), folder(name) / "run")
        return held[key]

    return one
