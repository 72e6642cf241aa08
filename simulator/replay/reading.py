"""Reading logs."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..core.errors import LogError
from .log import Log, _impressions, _utf8

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


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        hint = f"; did you mean {str(path / 'journal')!r}?" if (path / "journal").is_dir() else ""
        raise LogError(f"cannot read {str(path)!r}: {error.strerror}{hint}") from None


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
