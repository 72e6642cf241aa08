"""Logs of auctions and the history that goes with them: reading, checking, nothing else.

A log has a row per auction: market price (whole units of the log's own money), predicted click rate, and, if they are
known, click and time. It may be Parquet, CSV or whitespace text; text without a header is in the order of iPinYou: click,
price, rate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import LogError

if TYPE_CHECKING:
    import pandas as pd

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_PRICE = 10**9  # nine thousand million rows of it still fit a 64-bit sum
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
        price, rate = self._numbers("price", self.price), self._numbers("rate", self.rate)
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
                raise LogError(
                    f"{self.name}: time runs backwards in row {row + 1}, from {time[row - 1]} to {time[row]}: sort the log by time"
                )
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
        if column == "rate" and rows is None and len(array) != len(np.asarray(self.price)):
            raise LogError(f"{self.name}: column 'rate' has {len(array)} rows where price has {len(np.asarray(self.price))}")
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
    frame = _frame(path)
    chosen = _choose(path, [str(c) for c in frame.columns], columns or {})
    return Log(**{what: _numeric(path, what, frame[column]) for what, column in chosen.items()}, name=str(path))


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
    numbers = {}
    for key in ("imp_train", "clk_train", "cost_train"):
        numbers[key] = known.get(key)
        if type(numbers[key]) is not int:
            raise LogError(f"{path}: {key!r} must be a whole number, not {numbers[key]!r}")
    counts = known.get("price_counter_train")
    if counts is not None:
        if not isinstance(counts, list) or not counts or not all(type(c) is int and c >= 0 for c in counts):
            raise LogError(f"{path}: 'price_counter_train' must be a list of whole numbers from 0 up, one for each price")
        counts = np.array(counts, np.int64)
    impressions, clicks, cost = numbers.values()
    return PriceHistory(impressions, clicks, cost, clicks / max(impressions, 1), counts, str(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 12)
    except OSError as error:
        raise LogError(f"cannot read {str(path)!r}: {error.strerror}") from None


def _frame(path: Path) -> pd.DataFrame:
    """The file as a table whose columns have text names."""
    import pandas as pd

    head = _head(path)
    if not head.strip():
        raise LogError(f"{path} is empty: a log needs at least one auction")
    if head[:4] == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(path).read().to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise LogError(f"{path} is not Parquet that can be read: {str(error).splitlines()[0]}") from None
    try:
        line = head.decode("utf-8", "ignore").lstrip("\ufeff").lstrip().splitlines()[0]
        comma = "," in line
        bare = all(_is_number(word) for word in (line.split(",") if comma else line.split()))
        frame = pd.read_csv(
            path, sep="," if comma else r"\s+", header=None if bare else 0, float_precision="round_trip", low_memory=False
        )
    except UnicodeDecodeError:
        raise LogError(f"{path} is neither text nor Parquet") from None
    except ValueError as error:  # pandas' parser errors among them
        raise LogError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise LogError(f"{path}: rows have more fields than the header names ({len(frame.columns)})")
    if bare and len(frame.columns) != len(HEADERLESS):
        raise LogError(
            f"{path} has no header and {len(frame.columns)} columns: without a header there must be three, click, price and rate"
        )
    return frame.set_axis([str(c).strip() for c in frame.columns], axis=1)


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
            raise LogError(f"{path} has no column for {what}; it has {', '.join(found)}, and {', '.join(NAMES[what])} are recognised")
    return chosen


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _numeric(path: Path, what: str, column: pd.Series[Any]) -> NDArray[Any]:
    """A column's values; text is read as numbers, or dates if it is the time."""
    import pandas as pd

    if column.dtype.kind in "biuf":
        return column.to_numpy()
    if what == "time":
        dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
        if dates.notna().all():
            return dates.dt.tz_localize(None).to_numpy()
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(numbers.isna().to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise LogError(f"{path}: {what} in row {row + 1} is {column.iloc[row]!r}: a number is needed")
    return numbers.to_numpy()
