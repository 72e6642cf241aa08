"""Logs of a run, streamed to Parquet with flat memory: requests, impressions, events, and apart from them the truth.

What is in each file, with types and units, stands in docs/journal.md. Nothing in them but `truth.parquet` and the labels
(clicked, converted, report_us, form_opened, qualified_us, sold_us) would be unknown to a platform when it served the request.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..core.arrays import CHUNK
from ..core.chance import Stream, uniforms
from ..core.disk import Claim, reason, remove
from ..core.errors import MarketError
from ..core.money import MICRO
from ..core.numeric import real
from ..engine.exchange import Exchange
from ..engine.state import JOURNAL_FLOATS, JOURNAL_INTS, Control
from ..response.counters import COUNTERS, new_counters
from . import names
from .charges import Charges
from .hashing import hashed
from .ledger import Ledger
from .schemas import CANDIDATES, CATEGORIES, CONTENT, EVENTS, FEATURES, IMPRESSIONS, REQUESTS, SCHEMAS, STAGES, TRUTH

ROWS = 1 << 16  # of a row group
NONE = -1  # where a market has no surface, query, session or creative


@dataclass(frozen=True)
class Logs:
    """What to log of a run, and where.

    Args:
        folder: where the files go; made if there is none.
        features: also a training set, `features.parquet`: a row per impression with features as of the request, and labels;
            and `content.parquet`, what ads look like, where anything is told of it.
        candidates: share of the requests whose candidates are logged, stage by stage; only behind a funnel.
    """

    folder: str | Path
    features: bool = False
    candidates: float = 0.0

    def __post_init__(self) -> None:
        if (share := real(self.candidates)) is None or not 0 <= share <= 1:
            raise MarketError(f"candidates are logged of a share of the requests from 0 to 1, not {self.candidates!r}")


class Journal:
    """Writes the logs of one world into a folder; `close` puts them under their final names, in place of an earlier journal's.

    While it writes no other world may write there. It begins when the world runs, and what it has written is removed if the
    world is dropped, or the program ends, before `close`.
    """

    def __init__(self, logs: str | Path | Logs, exchange: Exchange, ledger: Ledger) -> None:
        """Raises `MarketError` if the folder cannot be written, or another world writes to it."""
        logs = logs if isinstance(logs, Logs) else Logs(logs)
        self.folder, self._exchange, self._features = Path(logs.folder), exchange, logs.features
        if logs.candidates and exchange.scenario.funnel is None:
            raise MarketError(f"candidates are those of a funnel, and scenario {exchange.scenario.name!r} has none")
        told = logs.features and exchange.market.content is not None
        optional = {
            "features": logs.features, "candidates": logs.candidates, "content": told,
            "creatives": exchange.market.creatives is not None,
        }  # fmt: skip
        left_out = {name for name, asked in optional.items() if not asked}
        self._schemas = {name: schema for name, schema in SCHEMAS.items() if name not in left_out}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._state: Literal["new", "open", "closed", "broken"] = "new"
        self._drop: Callable[[], object] = lambda: None  # gives up what has been written
        with self._whole():
            self.folder.mkdir(parents=True, exist_ok=True)
            Claim(self.folder).release()
            for path in [*self._others(), *map(self._path, (names.SCENARIO, names.RUN))]:
                if path.exists() and not _is_log(path):
                    raise MarketError(f"{str(path)!r} is no log of this version, and cannot stay beside others: move it away")
        self._notes: list[tuple[int, str, int, float | None]] = []
        self._requests: list[tuple[Any, ...]] = []
        self._logged = 0
        self._charges = Charges(ledger, exchange.state)
        self._traced: dict[int, pa.Table] = {}  # candidates by request, until it is played
        self._sampled, self._dice = float(logs.candidates), np.zeros(CHUNK)
        if logs.features:
            table = exchange.market.campaigns
            exchange.replace(history=new_counters(len(exchange.market.users.segment), len(table.appeal)))
        self._make_room()
        exchange.blocks.on_block.append(self._after_block)
        if logs.candidates:
            exchange.blocks.on_fill.append(self._trace)

    def note(self, time_us: int, what: str, campaign: int, amount: float | None) -> None:
        """Logs an event that changed the market."""
        self._notes.append((time_us, what, campaign, amount))

    def close(self) -> None:
        """Writes what is left and gives the files their names. What happens later is not logged; a second call does nothing.

        Raises:
            MarketError: if they cannot be written, now or at an earlier attempt.
        """
        if self._state == "closed":
            return
        with self._whole():
            self._begin()
            self._collect_requests()
            self._write_requests()
            self._write_impressions()
            self._writers["charges"].write_table(self._charges.settled())
            self._write_candidates()
            self._traced.clear()
            columns: list[Any] = [list(column) for column in zip(*self._notes, strict=True)] or [[]] * len(EVENTS)
            self._writers["events"].write_table(pa.table(columns, schema=EVENTS))
            self._write_content()
            for name in names.TABLES.keys() & self._writers.keys():
                self._writers[name].write_table(names.TABLES[name](self._exchange))
            for writer in self._writers.values():
                writer.close()
            texts = names.texts(self._exchange)
            for name, text in texts.items():
                self._part(name).write_text(text, encoding="utf-8")
            for path in [*filter(_is_log, self._others()), *map(self._path, [*self._writers, *texts])]:
                path.unlink(missing_ok=True)  # all of the old before any of the new, so that never both are there
            for name in [*self._writers, *texts]:
                self._part(name).replace(self._path(name))
            self._state = "closed"
            self._drop()

    def _begin(self) -> None:
        """Opens the files, unless they are open."""
        if self._state == "new":
            claim, parts = Claim(self.folder), [self._part(name) for name in [*SCHEMAS, names.SCENARIO, names.RUN]]
            self._drop = weakref.finalize(self, _give_up, os.getpid(), claim, self._writers, parts)
            remove(parts)  # of a world that was killed
            for name, schema in self._schemas.items():
                self._writers[name] = pq.ParquetWriter(self._part(name), schema)
            self._state = "open"

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A piece of work that is done to its end; where it is not, the journal is given up, and says so ever after."""
        if self._state == "broken":
            raise MarketError(f"the journal in {str(self.folder)!r} was given up, for it could not be written to its end")
        try:
            yield
        except BaseException as error:
            self._state = "broken"
            self._drop()
            if isinstance(error, BlockingIOError):
                raise MarketError(f"another world is writing its journal to {str(self.folder)!r}") from None
            if isinstance(error, OSError):
                raise MarketError(f"cannot write a journal to {str(self.folder)!r}: {reason(error)}") from None
            raise

    def _others(self) -> list[Path]:
        """Files in the folder that have the name of a log which this journal does not write."""
        return [path for name in SCHEMAS.keys() - self._schemas.keys() if (path := self._path(name)).exists()]

    def _make_room(self) -> None:
        """Room for a row group and for all that can be shown in a block; there is more in flight the longer a queue is."""
        state = self._exchange.state
        rows = ROWS + state.block.times.size * len(state.seen)
        if len(state.logs.journal_ints) < rows:
            self._exchange.replace(
                "logs",
                journal_ints=np.zeros((rows, len(JOURNAL_INTS)), np.int64),
                journal_floats=np.zeros((rows, len(JOURNAL_FLOATS))),
            )
            self._exchange.replace("history", rows=np.zeros((rows if self._features else 0, len(COUNTERS)), np.int64))

    def _path(self, name: str) -> Path:
        return self.folder / (name if "." in name else f"{name}.parquet")

    def _part(self, name: str) -> Path:
        return self.folder / f"{self._path(name).name}.part"

    def _after_block(self) -> None:
        if self._state == "closed":
            self._exchange.state.control[Control.JOURNALED] = 0
            return
        with self._whole():
            self._begin()
            self._write()

    def _write(self) -> None:
        """Takes over what has been played, and writes whole row groups."""
        self._collect_requests()
        self._write_candidates()
        if sum(len(block[0]) for block in self._requests) >= ROWS:
            self._write_requests()
        state = self._exchange.state
        room = len(state.logs.journal_ints) - state.control[Control.JOURNALED]
        if room < state.block.times.size * len(state.seen):  # what can be shown before the next block is drawn
            self._write_impressions()
            self._make_room()

    def _collect_requests(self) -> None:
        """Takes over the requests of the block that have been played and are not logged yet."""
        state = self._exchange.state
        base, played = int(state.control[Control.BASE]), int(state.control[Control.NEXT])
        if played == self._logged:
            return
        rows = slice(self._logged - base, played - base)
        number = np.arange(self._logged, played)
        block = state.block
        columns = [block.times, block.users, block.surface, block.query, block.session, block.page]
        found = [c[rows].copy() if c.size else np.full(number.size, NONE) for c in columns]
        if state.block.present.size:  # who has left makes no request
            made = state.block.present[rows] > 0
            number, *found = (column[made] for column in (number, *found))
        self._requests.append((number, *found))
        self._logged = played

    def _write_requests(self) -> None:
        if not self._requests:
            return
        number, time, user, *rest = (np.concatenate(parts) for parts in zip(*self._requests, strict=True))
        segment = self._exchange.market.users.segment[user]
        self._writers["requests"].write_table(pa.table([number, time, user, segment, *rest], schema=REQUESTS))
        self._requests.clear()

    def _trace(self, first: int, start: int, end: int) -> None:
        """Keeps the candidates of the sampled requests of a block in such places, as the index now finds them."""
        if self._state == "closed":
            return
        exchange = self._exchange
        uniforms(exchange.state.keys[Stream.LOG], first, CHUNK, 0, self._dice)
        for place in (start + np.flatnonzero(self._dice[start:end] < self._sampled)).tolist():
            number = first + place
            trace = exchange.blocks.rating.trace(number, place)
            stage = np.isin(trace.recalled, trace.sorted).astype(np.int8) + np.isin(trace.recalled, trace.shown)
            columns = [
                np.full(trace.recalled.size, number), trace.recalled.astype(np.int32), trace.recall_score[trace.recalled],
                trace.rough_score, pa.DictionaryArray.from_arrays(pa.array(stage.astype(np.int8)), pa.array(STAGES)),
            ]  # fmt: skip
            self._traced[number] = pa.table(columns, schema=CANDIDATES)

    def _write_candidates(self) -> None:
        """Writes the candidates of requests that have come; the others may be found anew."""
        played = int(self._exchange.state.control[Control.NEXT])
        state, base = self._exchange.state, int(self._exchange.state.control[Control.BASE])
        if state.block.present.size:  # who has left makes no request
            for number in [n for n in self._traced if n < played and state.block.present[n - base] == 0]:
                del self._traced[number]
        done = [number for number in self._traced if number < played]
        if done:
            self._writers["candidates"].write_table(pa.concat_tables([self._traced.pop(number) for number in sorted(done)]))

    def _write_impressions(self) -> None:
        state = self._exchange.state
        rows = int(state.control[Control.JOURNALED])
        if rows == 0:
            return
        ints, floats = state.logs.journal_ints[:rows], state.logs.journal_floats[:rows]
        for charges in (self._charges.at_once(ints), self._charges.settled()):
            self._writers["charges"].write_table(charges)
        found: dict[str, NDArray[Any]] = {name: ints[:, c].copy() for c, name in enumerate(JOURNAL_INTS)}
        found |= {name: floats[:, c].copy() for c, name in enumerate(JOURNAL_FLOATS)}
        found |= {name: found[name] / MICRO for name in ("bid", "price")}
        found |= {name: found[name] > 0 for name in ("clicked", "converted", "form_opened")}
        for name, schema in (("impressions", IMPRESSIONS), ("truth", TRUTH)):
            self._writers[name].write_table(pa.table([found[column] for column in schema.names], schema=schema))
        if self._features:
            self._write_features(found, state.history.rows[:rows])
        state.control[Control.JOURNALED] = 0

    def _write_content(self) -> None:
        """What ads look like, all at once: it stays the same."""
        content = self._exchange.market.content
        if "content" not in self._writers or content is None:
            return
        told: list[Any] = [[None if np.isnan(row).any() else row for row in vectors] for vectors in content]
        self._writers["content"].write_table(pa.table([np.arange(len(content.text)), *told], schema=CONTENT))

    def _write_features(self, found: dict[str, NDArray[Any]], history: NDArray[np.int64]) -> None:
        """A training set's rows: raw categories, their hashes, counters, propensity and labels."""
        market, day_us = self._exchange.market, self._exchange.scenario.day_us
        creative, query, time = found["creative"], found["query"], found["time_us"]
        nothing = np.full(time.size, NONE)
        portfolio, language = market.creatives, market.language
        intent = nothing if language is None else np.where(query < 0, NONE, language.queries.intent[query])
        found = found | {
            "segment": market.users.segment[found["user"]], "vertical": market.campaigns.vertical[found["campaign"]],
            "format": nothing if portfolio is None else portfolio.format[creative].astype(np.int64), "intent": intent,
            "hour": time % day_us * 24 // day_us,
        }  # fmt: skip
        found |= {f"{name}_hash": hashed(name, found[name]) for name in CATEGORIES}
        found |= {name: history[:, c].copy() for c, name in enumerate(COUNTERS)}
        columns = [found[field.name].astype(field.type.to_pandas_dtype()) for field in FEATURES]
        self._writers["features"].write_table(pa.table(columns, schema=FEATURES))


def _give_up(owner: int, claim: Claim, writers: Mapping[str, pq.ParquetWriter], parts: Iterable[Path]) -> None:
    """Lets go of a folder, and of what has been written there and has no name yet; a forked process leaves both alone."""
    if os.getpid() != owner:
        return
    for writer in writers.values():
        with suppress(OSError):  # a disk that is full has no room for a footer either
            writer.close()
    remove(parts)
    claim.release()


def _is_log(path: Path) -> bool:
    """Whether a file has the columns of the log whose name it bears, or is what stands beside logs."""
    try:
        if path.suffix != ".parquet":
            return names.is_ours(path.name, path.read_bytes())
        return bool(pq.read_schema(path).names == SCHEMAS[path.stem].names)
    except (pa.ArrowException, OSError):
        return False
