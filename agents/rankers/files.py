"""The files of a journal that rankers read, opened and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...simulator.books.schemas import CONTENT as COLUMNS
from ...simulator.core.arrays import Floats32
from ...simulator.core.errors import LogError
from .features import CONTENT


def opened(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """A file of a journal. Raises `LogError` if there is none, or it is none of that schema."""
    try:
        file = pq.ParquetFile(path)
    except OSError:
        raise LogError(f"{str(path.parent)!r} holds no {path.name}; `adarena simulate --journal` writes one") from None
    except pa.ArrowInvalid:
        raise LogError(f"{str(path)!r} is no Parquet file, or is damaged") from None
    missing = [name for name in schema.names if name not in file.schema_arrow.names]
    if missing or file.schema_arrow.names != schema.names:
        what = f"misses the column {missing[0]!r}" if missing else "has other columns than a journal of this version"
        raise LogError(f"{str(path)!r} {what}")
    return file


def read_looks(path: Path) -> dict[str, Floats32]:
    """What ads look like by modality, (A, dimensions) each, NaN where an ad has nothing of the kind.

    Raises:
        LogError: if ads do not come in their turn, or vectors of a modality are of several sizes.
    """
    table = opened(path, COLUMNS).read()
    found: dict[str, Floats32] = {}
    for name in CONTENT:
        rows = table[name].to_pylist()
        sizes = {len(row) for row in rows if row is not None}
        if len(sizes) > 1 or table["ad"].to_pylist() != list(range(len(rows))):
            raise LogError(f"{str(path)!r} does not tell of each ad in its turn, in vectors of one size")
        if sizes:  # else no ad has any
            found[name] = np.array([[np.nan] * min(sizes) if row is None else row for row in rows], np.float32)
    return found
