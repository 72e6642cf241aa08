"""Logs of a run, streamed to Parquet with flat memory: requests, impressions, events, and apart from them the truth.

`requests.parquet`: request, time_us, user, segment. `impressions.parquet`: request, time_us, user, campaign, ad, slot, bid and
price (currency per impression), believed_rate, clicked, converted, report_us (-1: no conversion, or one that came after the
attribution window), creative (-1: the ad is its one creative). `events.parquet`: time_us, what, campaign (-1: all), amount (of
set_creative_shares the ad). `truth.parquet`: request, slot, true_rate, for judges only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import kernel as K
from .demand import MICRO
from .errors import MarketError
from .exchange import Exchange

ROWS = 1 << 16  # of a row group

REQUESTS = pa.schema([("request", pa.int64()), ("time_us", pa.int64()), ("user", pa.int64()), ("segment", pa.int64())])
IMPRESSIONS = pa.schema(
    [
        *((name, pa.int64()) for name in K.JOURNAL_INTS[:6]),
        ("bid", pa.float64()),
        ("price", pa.float64()),
        ("believed_rate", pa.float64()),
        ("clicked", pa.bool_()),
        ("converted", pa.bool_()),
        ("report_us", pa.int64()),
        ("creative", pa.int64()),
    ]
)
TRUTH = pa.schema([("request", pa.int64()), ("slot", pa.int64()), ("true_rate", pa.float64())])
EVENTS = pa.schema([("time_us", pa.int64()), ("what", pa.string()), ("campaign", pa.int64()), ("amount", pa.float64())])


class Journal:
    """Writes the logs of one world into a folder; `close` puts them under their final names."""

    def __init__(self, folder: str | Path, exchange: Exchange) -> None:
        self.folder, self._exchange, self._open = Path(folder), exchange, True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writers = {
                name: pq.ParquetWriter(self._part(name), schema)
                for name, schema in (("requests", REQUESTS), ("impressions", IMPRESSIONS), ("truth", TRUTH))
            }
        except OSError as error:
            raise MarketError(f"cannot write a journal to {str(folder)!r}: {error.strerror or error}") from None
        self._notes: list[tuple[int, str, int, float | None]] = []
        self._requests: list[tuple[Any, ...]] = []
        self._logged = 0
        self._make_room()
        exchange.on_block.append(self._after_block)

    def note(self, time_us: int, what: str, campaign: int, amount: float | None) -> None:
        """Logs an event that changed the market."""
        self._notes.append((time_us, what, campaign, amount))

    def close(self) -> None:
        """Writes what is left and gives the files their names. A second call does nothing."""
        if not self._open:
            return
        self._open = False
        self._collect_requests()
        self._write_requests()
        self._write_impressions()
        for name, writer in self._writers.items():
            writer.close()
            self._part(name).rename(self.folder / f"{name}.parquet")
        columns: list[Any] = [list(column) for column in zip(*self._notes, strict=True)] or [[]] * len(EVENTS)
        pq.write_table(pa.table(columns, schema=EVENTS), self._part("events"))
        self._part("events").rename(self.folder / "events.parquet")

    def _make_room(self) -> None:
        """Room for a row group and for all that can be shown in a block; there is more in flight the longer a queue is."""
        state = self._exchange.state
        rows = ROWS + state.times.size * len(state.seen)
        if len(state.journal_ints) < rows:
            self._exchange.replace(
                journal_ints=np.zeros((rows, len(K.JOURNAL_INTS)), np.int64),
                journal_floats=np.zeros((rows, len(K.JOURNAL_FLOATS))),
            )

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.parquet.part"

    def _after_block(self) -> None:
        self._collect_requests()
        if sum(len(block[0]) for block in self._requests) >= ROWS:
            self._write_requests()
        state = self._exchange.state
        room = len(state.journal_ints) - state.control[K.JOURNALED]
        if room < state.times.size * len(state.seen):  # what can be shown before the next block is drawn
            self._write_impressions()
            self._make_room()

    def _collect_requests(self) -> None:
        """Takes over the requests of the block that have been played and are not logged yet."""
        state = self._exchange.state
        base, played = int(state.control[K.BASE]), int(state.control[K.NEXT])
        if played == self._logged:
            return
        rows = slice(self._logged - base, played - base)
        made = state.present[rows] > 0 if state.present.size else np.ones(played - self._logged, np.bool_)
        self._requests.append((np.arange(self._logged, played)[made], state.times[rows][made], state.users[rows][made]))
        self._logged = played

    def _write_requests(self) -> None:
        if not self._requests:
            return
        number, time, user = (np.concatenate(parts) for parts in zip(*self._requests, strict=True))
        segment = self._exchange.market.users.segment[user]
        self._writers["requests"].write_table(pa.table([number, time, user, segment], schema=REQUESTS))
        self._requests.clear()

    def _write_impressions(self) -> None:
        state = self._exchange.state
        rows = int(state.control[K.JOURNALED])
        if rows == 0:
            return
        ints, floats = state.journal_ints[:rows], state.journal_floats[:rows]
        columns: list[Any] = [ints[:, c].copy() for c in range(6)]
        columns += [ints[:, 6] / MICRO, ints[:, 7] / MICRO, floats[:, 0].copy()]
        columns += [ints[:, 8] > 0, ints[:, 9] > 0, ints[:, 10].copy(), ints[:, 11].copy()]
        self._writers["impressions"].write_table(pa.table(columns, schema=IMPRESSIONS))
        truth = pa.table([ints[:, 0].copy(), ints[:, 5].copy(), floats[:, 1].copy()], schema=TRUTH)
        self._writers["truth"].write_table(truth)
        state.control[K.JOURNALED] = 0
