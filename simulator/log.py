"""Logs of auctions and the history that goes with them: reading, checking, nothing else.

A log has a row per auction: market price (whole units of the log's own money), predicted click rate, and, if they are
known, click and time. It may be Parquet, CSV or whitespace text; text without a header is in the order of iPinYou: click,
price, rate.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .errors import LogError

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_PRICE = 10**9  # nine thousand million rows of it still fit a 64-bit sum
HEAD = 1 << 16  # bytes that tell what a file is; its first line lies within
# Names under which columns are recognised, compared in lower case without punctuation.
NAMES = {
    "price": ("price", "marketprice", "payprice", "payingprice", "winprice", "winningprice", "leastwinningcost"),
    "rate": ("rate", "predictedrate", "predictedctr", "predictedclickrate", "believedrate", "pctr", "theta", "pvalue"),
    "click": ("click", "clicked", "clicks", "isclick"),
    "time": ("time", "order", "timestamp", "timeus", "timems", "datetime"),
}
OPTIONAL = {"click", "time"}
HEADERLESS = {"click": "0", "price": "1", "rate": "2"}


@dataclass(frozen=True, eq=False)
class Log:
    """Auctions in their order; arrays have shape (auctions,).

    Whatever array-like is given is checked and converted; rows in messages count from 1, a header not counted.

    Raises:
        LogError: if a value is not allowed.
    """

    price: Counts  # what the best rival paid or bid, whole units of money from 0 to LARGEST_PRICE
    rate: Floats  # predicted clicks per impression, 0..1
    click: NDArray[np.int8] | None = None  # 1 if an impression is (or would be) clicked; None: not logged
    time: Counts | Floats | None = None  # any unit, never falling; None: the order of the rows
    name: str = "the log"

    def __post_init__(self) -> None:
        price = self._numbers("price", self.price)
        rate = self._numbers("rate", self.rate, len(price))
        if len(price) == 0:
            raise LogError(f"{self.name} is empty: a log needs at least one auction")
        allowed = f"whole numbers from 0 to {LARGEST_PRICE:,} are allowed"
        self._refuse("price", price, ~((price >= 0) & (price <= LARGEST_PRICE) & (price == np.floor(price))), allowed)
        self._refuse("rate", rate, ~((rate >= 0) & (rate <= 1)), "a predicted rate lies from 0 to 1")
        self._set("price", price.astype(np.int64))
        self._set("rate", rate.astype(np.float64))
        if self.click is not None:
            click = self._numbers("click", self.click, len(price))
            self._refuse("click", click, ~((click == 0) | (click == 1)), "0 and 1 are allowed")
            self._set("click", click.astype(np.int8))
        if self.time is not None:
            time = self._numbers("time", self.time, len(price))
            self._refuse("time", time, ~np.isfinite(time), "a time is a finite number or a date")
            back = np.flatnonzero(time[1:] < time[:-1])
            if back.size:
                row = int(back[0]) + 1
                step = f"from {time[row - 1]} to {time[row]}"
                raise LogError(f"{self.name}: time runs backwards in row {row + 1}, {step}: sort the log by time")
            self._set("time", time)

    def __len__(self) -> int:
        return len(self.price)

    def _set(self, column: str, values: Any) -> None:
        object.__setattr__(self, column, np.ascontiguousarray(values))

    def _numbers(self, column: str, values: Any, rows: int | None = None) -> NDArray[Any]:
        """A column as an array of numbers, dates as whole microseconds."""
        array = np.asarray(values)
        if array.dtype.kind == "M":
            self._refuse(column, array, np.isnat(array), "no date may be missing")
            array = array.astype("datetime64[us]").astype(np.int64)
        if array.dtype.kind not in "biuf" or array.ndim != 1:
            raise LogError(f"{self.name}: column {column!r} must be a row of numbers, not {array.dtype} of shape {array.shape}")
        if rows is not None and len(array) != rows:
            raise LogError(f"{self.name}: column {column!r} has {len(array)} rows where price has {rows}")
        return array

    def _refuse(self, column: str, values: NDArray[Any], wrong: NDArray[np.bool_], allowed: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise LogError(f"{self.name}: {column} in row {row + 1} is {values[row]}: {allowed}")


@dataclass(frozen=True, eq=False)
class PriceHistory:
    """What is known from earlier auctions, as a campaign has it in its reports; money in the log's own unit.

    Raises:
        LogError: if there is nothing to learn from it.
    """

    impressions: int
    clicks: int
    cost: int
    rate: float  # mean predicted rate of an auction; clicks / impressions where no predictions are kept
    price_counts: Counts | None = None  # (largest price + 1,) auctions by market price; None: not kept
    source: str = "the history"

    def __post_init__(self) -> None:
        if not 0 < self.clicks <= self.impressions:
            raise LogError(
                f"{self.source} has {self.clicks} clicks in {self.impressions} impressions: "
                "a history needs at least one click and no more clicks than impressions"
            )
        if self.cost <= 0:
            raise LogError(f"{self.source} has a cost of {self.cost}: a history needs a cost above 0")

    @property
    def largest_price(self) -> int | None:
        """The last price of the histogram; None without one."""
        return None if self.price_counts is None else len(self.price_counts) - 1

    @property
    def cost_per_impression(self) -> float:
        return self.cost / self.impressions

    @property
    def cost_per_click(self) -> float:
        return self.cost / self.clicks

    @classmethod
    def of(cls, log: Log, source: str | None = None) -> PriceHistory:
        """The history that a log is: each of its auctions bought at its market price. The log must have clicks."""
        if log.click is None:
            raise LogError(f"{log.name} has no column of clicks, so it cannot be a history")
        largest = int(log.price.max())
        counts = np.bincount(log.price) if largest < 1_000_000 else None  # beyond that a histogram by unit says nothing
        return cls(
            impressions=len(log),
            clicks=int(log.click.sum()),
            cost=int(log.price.sum()),
            rate=float(log.rate.mean()),
            price_counts=counts,
            source=source or log.name,
        )


def read_log(path: str | Path, columns: Mapping[str, str] | None = None) -> Log:
    """Reads a log from Parquet, CSV or whitespace text.

    Args:
        path: the file; what it holds is told from its first bytes.
        columns: the file's names for "price", "rate", "click" and "time", where they are not among `NAMES`. Columns of text
            without a header are called "0", "1", ...

    Raises:
        LogError: if the file or one of its values cannot be used.
    """
    path = Path(path)
    found = _columns(path, columns or {})
    return Log(**{what: _numeric(path, what, column) for what, column in found.items()}, name=str(path))


def read_history(path: str | Path, columns: Mapping[str, str] | None = None) -> PriceHistory:
    """Reads a history: JSON of the form of iPinYou's `info` files, or an earlier log with clicks.

    The JSON has imp_train, clk_train, cost_train and, if known, price_counter_train: how often each price from 0 up was seen.

    Raises:
        LogError: if the file or one of its values cannot be used.
    """
    path = Path(path)
    if path.suffix.lower() != ".json" and _head(path).lstrip()[:1] != b"{":
        return PriceHistory.of(read_log(path, columns))
    try:
        known = json.loads(path.read_text())
    except OSError as error:
        raise LogError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise LogError(f"{path} is not JSON: {error}") from None
    if not isinstance(known, dict):
        raise LogError(f"{path} must hold a JSON object with imp_train, clk_train and cost_train, not a {type(known).__name__}")
    impressions, clicks, cost = (_count(path, known, key) for key in ("imp_train", "clk_train", "cost_train"))
    counts = known.get("price_counter_train")
    if counts is not None:
        if not isinstance(counts, list) or not counts or not all(type(c) is int and 0 <= c < 2**53 for c in counts):
            raise LogError(f"{path}: 'price_counter_train' must be a list of whole numbers from 0 up, one for each price")
        counts = np.array(counts, np.int64)
    return PriceHistory(impressions, clicks, cost, clicks / max(impressions, 1), counts, str(path))


def _count(path: Path, known: Mapping[str, Any], key: str) -> int:
    value = known.get(key)
    if type(value) is not int or not 0 <= value < 2**53:
        raise LogError(f"{path}: {key!r} must be a whole number from 0 up, not {value!r}")
    return value


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise LogError(f"cannot read {str(path)!r}: {error.strerror}") from None


def _columns(path: Path, wanted: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
    """The columns of a log, by what they are."""
    head = _head(path)
    if not head.strip():
        raise LogError(f"{path} is empty: a log needs at least one auction")
    try:
        if head[:4] == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
            file = pq.ParquetFile(path)
            chosen = _choose(path, file.schema_arrow.names, wanted)
            table = file.read(list(chosen.values()))
        else:
            table, chosen = _text(path, head, wanted)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).replace("Row #", "line ")
        raise LogError(f"{path} cannot be read as a table: {reason}") from None
    return {what: table.column(column) for what, column in chosen.items()}


def _text(path: Path, head: bytes, wanted: Mapping[str, str]) -> tuple[pa.Table, dict[str, str]]:
    """A table from CSV or whitespace text, and which of its columns is what."""
    first, newline, _ = head.lstrip(b"\r\n").partition(b"\n")
    try:
        line = first.decode("utf-8-sig").rstrip("\r") if newline or len(head) < HEAD else ""
    except UnicodeDecodeError:
        line = ""
    if not line or not line.replace("\t", " ").isprintable():
        raise LogError(f"{path} is neither text nor Parquet")
    mark = next((mark for mark in ",\t" if mark in line), None)  # None: any run of spaces
    found = next(csv.reader([line], delimiter=mark)) if mark else line.split()
    bare = all(_is_number(word) for word in found)
    if bare:
        found = [str(place) for place in range(len(found))]
        if len(found) != len(HEADERLESS):
            have = f"{path} has no header and {len(found)} columns"
            raise LogError(f"{have}: without a header there must be three, click, price and rate")
    chosen = _choose(path, found, wanted)
    source = path.read_bytes()
    if mark is None:
        source = re.sub(rb" +", b",", re.sub(rb"(?m)^ +|[ \r]+$", b"", source))
    reading = pa_csv.ReadOptions(use_threads=False, column_names=found if bare else None)  # one thread can name the row

    def parsed(types: dict[str, pa.DataType]) -> pa.Table:
        convert = pa_csv.ConvertOptions(include_columns=list(chosen.values()), column_types=types)
        return pa_csv.read_csv(pa.BufferReader(source), reading, pa_csv.ParseOptions(delimiter=mark or ","), convert)

    try:
        return parsed({chosen["price"]: pa.float64(), chosen["rate"]: pa.float64()}), chosen
    except pa.ArrowInvalid:  # a word among numbers, perhaps: as text it can be named
        return parsed(dict.fromkeys(chosen.values(), pa.string())), chosen


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _choose(path: Path, found: list[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Which column of the file is what."""
    for what, column in wanted.items():
        if what not in NAMES:
            raise LogError(f"a log has no column {what!r}: {', '.join(NAMES)} can be named")
        if column not in found:
            raise LogError(f"{path} has no column {column!r} for {what}; it has {', '.join(found)}")
    chosen = dict(wanted)
    bare = found == sorted(HEADERLESS.values())
    for what in NAMES.keys() - wanted.keys():
        fitting = [HEADERLESS[what]] if bare and what in HEADERLESS else [c for c in found if _plain(c) in NAMES[what]]
        if len(fitting) > 1:
            raise LogError(f"{path} has several columns for {what}: {', '.join(fitting)}; name one of them")
        if fitting:
            chosen[what] = fitting[0]
        elif what not in OPTIONAL:
            raise LogError(
                f"{path} has no column for {what}; it has {', '.join(found)}, and {', '.join(NAMES[what])} are recognised"
            )
    return chosen


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _numeric(path: Path, what: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """A column's values, NaN where one is missing; text is read as numbers, or as dates if it is the time."""
    if pa.types.is_temporal(column.type) and what == "time":
        column = column.cast(pa.timestamp("us", getattr(column.type, "tz", None))).cast(pa.int64())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        words = column.to_pylist()
        for row, word in enumerate(words):
            if word is not None and not _is_number(word):
                raise LogError(f"{path}: {what} in row {row + 1} is {word!r}: a number is needed")
        return np.array([np.nan if word is None else float(word) for word in words])
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise LogError(f"{path}: {what} must be a column of numbers, not of {column.type}")
    values: NDArray[Any] = column.to_numpy()
    return values
