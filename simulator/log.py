"""Logs of auctions and the history that goes with them: reading, checking, nothing else.

A log has a row per auction: market price (in the log's own money, whole or with up to six decimals), predicted click rate, and,
if they are known, click and time. It may be Parquet, CSV or whitespace text; text without a header is in the order of iPinYou:
click, price, rate. The folder of a journal stands for its impressions.

Prices are counted in whole numbers: as they are if all of them are whole, else in tenths, hundredths, ... millionths, the
coarsest in which they are; what is finer than millionths is rounded to them.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .errors import LogError
from .numeric import whole

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_PRICE = 10**9
LARGEST_SUM = 2**62  # of all prices, in the parts they are counted in
FINEST = 10**6  # parts of one unit of money
LARGEST_COUNTED = 10**6  # whole money; beyond that a histogram of prices by unit says nothing
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

    price: Counts  # what the best rival paid or bid, from 0 to LARGEST_PRICE; given as money, kept in parts of it
    rate: Floats  # predicted clicks per impression, 0..1
    click: NDArray[np.int8] | None = None  # 1 if an impression is (or would be) clicked; None: not logged
    time: Counts | Floats | None = None  # any unit, never falling; None: the order of the rows
    name: str = "the log"
    parts: int = field(init=False, default=1)  # into which `price` divides one unit of the log's money: 1, 10, ... 10^6

    def __post_init__(self) -> None:
        price = self._numbers("price", self.price)
        rate = self._numbers("rate", self.rate, len(price))
        if len(price) == 0:
            raise LogError(f"{self.name} is empty: a log needs at least one auction")
        allowed = f"from 0 to {LARGEST_PRICE:,} in the log's own money, with up to six decimals, are allowed"
        self._refuse("price", price, ~((price >= 0) & (price <= LARGEST_PRICE)), allowed)
        self._refuse("price", price, (price > 0) & (price < 0.5 / FINEST), f"0, or a millionth at least: {allowed}")
        self._refuse("rate", rate, ~((rate >= 0) & (rate <= 1)), "a predicted rate lies from 0 to 1")
        parts = parts_of(price)
        if float(price.sum(dtype=np.float64)) * parts >= LARGEST_SUM:
            raise LogError(f"{self.name}: the prices come to more than can be counted in parts of 1/{parts:,}: round them")
        object.__setattr__(self, "parts", parts)
        self._set("price", np.rint(price * parts).astype(np.int64) if parts > 1 else price.astype(np.int64))
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


def parts_of(price: NDArray[Any]) -> int:
    """The fewest parts of one unit of money, of 1, 10, ... 10^6, in which all prices are whole; 10^6 if none is fine enough."""
    if price.dtype.kind in "biu":
        return 1
    parts = 1
    while parts < FINEST:
        counted = price * parts
        if (np.abs(counted - np.rint(counted)) <= (0 if parts == 1 else 1e-12) * counted).all():
            break
        parts *= 10
    return parts


@dataclass(frozen=True, eq=False)
class PriceHistory:
    """What is known from earlier auctions, as a campaign has it in its reports; money in the log's own, or parts of it.

    Raises:
        LogError: if there is nothing to learn from it.
    """

    impressions: int
    clicks: int
    cost: int  # in `parts`
    rate: float  # mean predicted rate of an auction; clicks / impressions where no predictions are kept
    price_counts: Counts | None = None  # (largest price + 1,) auctions by market price in `parts`; None: not kept
    source: str = "the history"
    parts: int = 1  # into which cost and prices divide one unit of money

    def __post_init__(self) -> None:
        for name in ("impressions", "clicks", "cost"):
            number = whole(getattr(self, name))
            if number is None or not abs(number) < 2**53:
                raise LogError(f"{self.source}: {name} must be a whole number below 2^53, not {getattr(self, name)!r}")
            object.__setattr__(self, name, number)
        if not 0 < self.clicks <= self.impressions:
            raise LogError(
                f"{self.source} has {self.clicks} clicks in {self.impressions} impressions: "
                "a history needs at least one click and no more clicks than impressions"
            )
        if self.cost <= 0:
            raise LogError(f"{self.source} has a cost of {self.cost}: a history needs a cost above 0")

    @property
    def largest_price(self) -> int | None:
        """The last price of the histogram, in `parts`; None without one."""
        return None if self.price_counts is None else len(self.price_counts) - 1

    @property
    def cost_per_impression(self) -> float:
        """In the log's money."""
        return self.cost / self.parts / self.impressions

    @property
    def cost_per_click(self) -> float:
        """In the log's money."""
        return self.cost / self.parts / self.clicks

    @classmethod
    def of(cls, log: Log, source: str | None = None) -> PriceHistory:
        """The history that a log is: each of its auctions bought at its market price. The log must have clicks."""
        if log.click is None:
            raise LogError(f"{log.name} has no column of clicks, so it cannot be a history")
        largest = int(log.price.max())
        most = LARGEST_COUNTED * (10 if log.parts > 1 else 1)
        counts = np.bincount(log.price) if largest < most else None
        return cls(
            impressions=len(log),
            clicks=int(log.click.sum()),
            cost=int(log.price.sum()),
            rate=float(log.rate.mean()),
            price_counts=counts,
            source=source or log.name,
            parts=log.parts,
        )


def read_log(path: str | Path, columns: Mapping[str, str] | None = None) -> Log:
    """Reads a log from Parquet, CSV or whitespace text, in UTF-8 or, with a byte order mark, UTF-16.

    Args:
        path: the file; what it holds is told from its first bytes. Or the folder of a journal.
        columns: the file's names for "price", "rate", "click" and "time", where they are not among `NAMES`. Columns of text
            without a header are called "0", "1", ...

    Raises:
        LogError: if the file or one of its values cannot be used.
    """
    path = _impressions(Path(path))
    found = _columns(path, columns or {})
    return Log(**{what: _numeric(path, what, column) for what, column in found.items()}, name=str(path))


def read_history(path: str | Path, columns: Mapping[str, str] | None = None) -> PriceHistory:
    """Reads a history: JSON of the form of iPinYou's `info` files, or an earlier log with clicks.

    The JSON has imp_train, clk_train, cost_train and, if known, price_counter_train: how often each price from 0 up was seen.

    Raises:
        LogError: if the file or one of its values cannot be used.
    """
    path = _impressions(Path(path))
    if path.suffix.lower() != ".json" and _utf8(_head(path)).lstrip()[:1] != b"{":
        return PriceHistory.of(read_log(path, columns))
    try:
        known = json.loads(_utf8(path.read_bytes()), object_pairs_hook=_each_once)
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


def _impressions(path: Path) -> Path:
    """The file of impressions where a path is the folder of a journal."""
    inside = path / "impressions.parquet"
    return inside if inside.is_file() else path


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object none of whose keys stands twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} stands twice")
        found[key] = value
    return found


def _utf8(content: bytes) -> bytes:
    """Text as UTF-8 without a byte order mark, by the one that it begins with."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if content[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    return decoder.decode(content).encode("utf-8", "replace")  # the last character of a head may be cut


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
    if not _utf8(head).strip():
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
    first, newline, _ = _utf8(head).lstrip(b"\r\n").partition(b"\n")
    try:
        line = first.decode().rstrip("\r") if newline or len(head) < HEAD else ""
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
    source = _utf8(path.read_bytes()).rstrip(b" \r\n") + b"\n"
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
