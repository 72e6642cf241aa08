"""Logs of auctions and the history that goes with them: reading, checking, nothing else.

A log has a row per auction: market price (in the log's own money, whole or with up to six decimals), predicted click rate, and,
if they are known, click and time. It may be Parquet, CSV or whitespace text; text without a header is in the order of iPinYou:
click, price, rate. The folder of a journal stands for its impressions.

Prices are counted in whole numbers: as they are if all of them are whole, else in tenths, hundredths, ... millionths, the
coarsest in which they are; what is finer than millionths is rounded to them.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.errors import LogError

GRACE = 1 + 2.0**-40  # on bids in parts of money: 0.29 is 29 hundredths, and as a float a little less
LARGEST_PRICE = 10**9
LARGEST_SUM = 2**62  # of all prices, in the parts they are counted in
FINEST = 10**6  # parts of one unit of money
LARGEST_COUNTED = 10**6  # whole money; beyond that a histogram of prices by unit says nothing


@dataclass(frozen=True, eq=False)
class Log:
    """Auctions in their order; arrays have shape (auctions,).

    Whatever array-like is given is checked and converted; rows in messages count from 1, a header not counted.

    Raises:
        LogError: if a value is not allowed.
    """

    price: Integers  # what the best rival paid or bid, from 0 to LARGEST_PRICE; given as money, kept in parts of it
    rate: Floats  # predicted clicks per impression, 0..1
    click: NDArray[np.int8] | None = None  # 1 if an impression is (or would be) clicked; None: not logged
    time: Integers | Floats | None = None  # any unit, never falling; None: the order of the rows
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


def money(counted: Any, parts: int) -> Any:
    """An amount in the log's own money; a whole number stays one where prices are whole."""
    return counted if parts == 1 else counted / parts
