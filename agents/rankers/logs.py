"""A journal's training set as a stream of examples: in the order of time, a row group at a time, labels as known by then."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...simulator.books.hashing import hashed
from ...simulator.books.schemas import FEATURES as COLUMNS
from ...simulator.books.schemas import TRUTH
from ...simulator.core.arrays import Floats, Floats32, Integers, Integers32
from ...simulator.core.errors import LogError
from .features import EVERY, FEATURES, NO_VECTORS, Schema, chosen
from .files import opened, read_looks
from .history import Past, new_past, recall

END_US = np.iinfo(np.int64).max
# A chain's labels: of each, whether it came in the end, and when it was reported; None: with the impression.
REPORTED = {"clicked": None, "form_opened": None, "converted": "report_us", "qualified": "qualified_us", "sold": "sold_us"}
CHAIN = ("clicked", "converted")
PLATFORM = "platform_rate"
KEY = ("request", "time_us", "user", "slot")


@dataclass(frozen=True)
class Window:
    """Which rows of a log, and what is known of them.

    Args:
        first_us, end_us: impressions from the first time on and before the second.
        known_us: labels as reported by then; None: as they turned out, which only a judge knows.
        kept: share of the impressions without a click that are kept; those with one all are.
        seed: of which are kept.
        ads: from which share and below which of all ads, dealt by a hash of their numbers: to train on some and judge others.
    """

    first_us: int = 0
    end_us: int = END_US
    known_us: int | None = None
    kept: float = 1.0
    seed: int = 0
    ads: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.first_us <= self.end_us:
            raise LogError(f"a window ends at {self.end_us}, before it begins at {self.first_us}")
        if not 0 < self.kept <= 1:
            raise LogError(f"of impressions without a click a share above 0 up to 1 is kept, not {self.kept!r}")


class Examples(NamedTuple):
    """n impressions as a model sees them, and what came of them; F features, L places and R numbers of the past, T labels."""

    ids: Integers32  # (n, F)
    past: Past  # (n, L, R) and (n, L)
    slot: Integers  # (n,)
    user: Integers  # (n,)
    time_us: Integers  # (n,)
    labels: Floats32  # (n, T) of the chain
    age_s: Floats  # (n,) from the impression to when labels are read; infinite for a judge
    delay_s: Floats  # (n,) from the impression to the report of the last label of the chain, NaN where none is known
    truth: Floats  # (n,) true click rates, for judges; NaN where the log has none
    believed: Floats32  # (n,) click rates that the platform itself believed, whatever counted in the auction
    vectors: Floats32 = (
        NO_VECTORS  # (n, W) what the ad looks like, NaN where it has nothing of the kind; (0, 0): nothing is told
    )

    def part(self, rows: Any) -> Examples:
        """Some of them."""
        arrays = {name: field[rows] for name, field in self._asdict().items() if name not in ("past", "vectors")}
        vectors = self.vectors[rows] if self.vectors.shape[1] else NO_VECTORS
        return Examples(past=Past(*(each[rows] for each in self.past)), vectors=vectors, **arrays)


class Log:
    """The folder of a journal that was written with features."""

    def __init__(self, folder: str | Path) -> None:
        """Raises `LogError` if the folder holds no such journal, or an empty one."""
        self.folder = Path(folder)
        self._file = opened(self.folder / "features.parquet", COLUMNS)
        truth = self.folder / "truth.parquet"
        self._truth = opened(truth, TRUTH) if truth.exists() else None
        self.rows: int = self._file.metadata.num_rows
        if self.rows == 0:
            raise LogError(f"the log in {str(self.folder)!r} has no impressions")
        looks = self.folder / "content.parquet"
        self._looks = read_looks(looks) if looks.exists() else {}

    @property
    def has_truth(self) -> bool:
        """Whether true click rates stand beside it."""
        return self._truth is not None

    def bounds(self, column: str) -> tuple[int, int]:
        """The least and the largest number of a column, of the files' own statistics."""
        place = COLUMNS.names.index(column)
        held = [self._file.metadata.row_group(g).column(place).statistics for g in range(self._file.num_row_groups)]
        return min(int(s.min) for s in held), max(int(s.max) for s in held)

    @property
    def users(self) -> int:
        """One more than the largest number of a user."""
        return self.bounds("user")[1] + 1

    def looks(self, ads: NDArray[Any]) -> dict[str, Floats32]:
        """What ads look like, by feature, (..., size) each, NaN where one has nothing of the kind; {}: the log does not tell.

        Raises:
            LogError: if it does not tell of one of them.
        """
        for vectors in self._looks.values():
            if ads.size and ads.max() >= len(vectors):
                raise LogError(f"content.parquet in {str(self.folder)!r} does not tell of ad {int(ads.max())}")
        return {name: vectors[ads] for name, vectors in self._looks.items()}

    def schema(self, length: int = 0, without: Sequence[str] = (), content: bool = False) -> Schema:
        """The features of which this log says more than one thing, without some by name; with `content` what ads look like too.

        Raises:
            LogError: if none is left, or there is no feature of such a name.
        """
        left_out = [feature.name for feature in chosen(without)]
        held = [feature for feature in FEATURES if feature.name not in left_out]
        told = [f for f in held if any(low < high for low, high in map(self.bounds, f.columns))]
        if not told:
            raise LogError(f"no feature has two values in the log in {str(self.folder)!r}")
        remembered = tuple(name for name in ("ad", "vertical") if name in [f.name for f in told])
        if content:
            looks = [f for f in EVERY if f.name in self._looks and f.name not in left_out]
            told += [dataclasses.replace(f, size=self._looks[f.name].shape[1]) for f in looks]
        return Schema(tuple(told), length, remembered)

    def time_at(self, share: float) -> int:
        """When so large a share of the impressions had been made, microseconds."""
        row = min(int(share * self.rows), self.rows - 1)
        for group in range(self._file.num_row_groups):
            held = self._file.metadata.row_group(group).num_rows
            if row < held:
                return int(self._file.read_row_group(group, ["time_us"])["time_us"][row].as_py())
            row -= held
        raise AssertionError("no row group holds the row")

    def split(self, train: float = 0.8, valid: float = 0.1) -> tuple[Window, Window, Window]:
        """Training, validation and test, in the order of time. What trains knows nothing that was reported after its end.

        Raises:
            LogError: if the shares leave nothing to test.
        """
        if not (train > 0 and valid > 0 and train + valid < 1):
            raise LogError(f"shares of training and validation are above 0 and leave something, unlike {train} and {valid}")
        first, second = self.time_at(train), self.time_at(train + valid)
        return Window(0, first, first), Window(first, second, second), Window(second)

    def chunks(self, columns: Sequence[str], end_us: int = END_US) -> Iterator[dict[str, NDArray[Any]]]:
        """Columns, and `true_rate`, of whole requests, some ten thousands of impressions at a time, until a time.

        Raises:
            LogError: if times fall, or the truth is of other impressions.
        """
        wanted = list(dict.fromkeys((*KEY, *columns)))
        before, left = -1, None
        for group in range(self._file.num_row_groups):
            table = self._file.read_row_group(group, wanted)
            found = {name: table[name].to_numpy() for name in wanted}
            found["true_rate"] = self._true_rates(group, found)
            times = found["time_us"]
            if times[0] < before or (np.diff(times) < 0).any():
                raise LogError(f"impressions in {str(self.folder)!r} are not in the order of time")
            before = int(times[-1])
            if left is not None:
                found = {name: np.concatenate([left[name], found[name]]) for name in found}
            last = group + 1 == self._file.num_row_groups or before >= end_us
            whole = len(found["request"]) if last else int(np.searchsorted(found["time_us"], before))
            left = {name: column[whole:] for name, column in found.items()}
            found = {name: column[:whole] for name, column in found.items()}
            inside = int(np.searchsorted(found["time_us"], end_us))
            if inside:
                yield {name: column[:inside] for name, column in found.items()}
            if last:
                return

    def _true_rates(self, group: int, found: dict[str, NDArray[Any]]) -> Floats:
        """True click rates of the impressions of a row group; NaN where the log has none."""
        if self._truth is None:
            return np.full(found["request"].size, np.nan)
        table = self._truth.read_row_group(group)
        if any(not np.array_equal(table[name].to_numpy(), found[name]) for name in ("request", "slot")):
            raise LogError(f"truth.parquet in {str(self.folder)!r} is of other impressions than features.parquet")
        rates: Floats = table["true_rate"].to_numpy()
        return rates

    def examples(self, schema: Schema, window: Window, chain: Sequence[str] = CHAIN) -> Iterator[Examples]:
        """The impressions of a window, some ten thousands at a time."""
        dealt = () if window.ads == (0.0, 1.0) else ("ad",)
        columns = tuple(dict.fromkeys((*schema.columns, PLATFORM, *chained(chain), *dealt)))
        past = new_past(self.users if schema.length else 1, schema.length, len(schema.remembered_places))
        for found in self.chunks(columns, window.end_us):
            n = found["request"].size
            inside = found["time_us"] >= window.first_us
            if window.ads != (0.0, 1.0):
                place = hashed("dealt", found["ad"]) / 2.0**32
                inside &= (place >= window.ads[0]) & (place < window.ads[1])
            if schema.length == 0 and not inside.any():
                continue
            ids = schema.encoded(found)
            if schema.length:
                items = np.ascontiguousarray(ids[:, schema.remembered_places])
                seen = recall(past, found["user"].astype(np.int64), found["request"], items, found["clicked"].astype(np.int64))
            else:
                seen = Past(np.empty((n, 0, 0), np.int32), np.empty((n, 0), np.int32))
            if window.kept < 1:
                inside &= found["clicked"] | _drawn(found, window)
            if inside.any():
                told = schema.told(self.looks(found["ad"])) if schema.vectors else NO_VECTORS
                yield _examples(ids, seen, found, window, chain)._replace(vectors=told).part(inside)

    def whole(self, schema: Schema, window: Window, chain: Sequence[str] = CHAIN) -> Examples:
        """All impressions of a window at once, for judges; it must fit into memory. Raises `LogError` if none is there."""
        return joined(list(self.examples(schema, window, chain)))


def joined(parts: Sequence[Examples]) -> Examples:
    """Several, one after the other. Raises `LogError` if there are none."""
    if not parts:
        raise LogError("there are no impressions in this part of the log")
    names = [name for name in Examples._fields if name != "past"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    past = Past(*(np.concatenate(each) for each in zip(*(part.past for part in parts), strict=True)))
    return Examples(past=past, **arrays)


def chained(chain: Sequence[str]) -> tuple[str, ...]:
    """The columns that a chain of labels is read from. Raises `LogError` if it is none."""
    order = list(REPORTED)
    wrong = [name for name in chain if name not in order]
    if wrong:
        raise LogError(f"there is no label {wrong[0]!r}: known are {', '.join(order)}")
    places = [order.index(name) for name in chain]
    if not places or places[0] != 0 or places != sorted(set(places)):
        raise LogError(f"a chain of labels begins with 'clicked' and goes on as {', '.join(order)} do, unlike {list(chain)}")
    told = [REPORTED[name] or name for name in chain]
    return tuple(dict.fromkeys(("clicked", *told)))


def recalibrated(rate: NDArray[Any], kept: float) -> NDArray[Any]:
    """What a rate that was learned on a share `kept` of the negatives means on all of them: p / (p + (1 - p) / kept).

    He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, 2014, section 6.3.
    """
    return np.asarray(rate / (rate + (1.0 - rate) / kept))


def _examples(ids: Integers32, past: Past, found: dict[str, NDArray[Any]], window: Window, chain: Sequence[str]) -> Examples:
    time = found["time_us"]
    labels = np.zeros((time.size, len(chain)), np.float32)
    delay = np.full(time.size, np.nan)
    for t, name in enumerate(chain):
        told = REPORTED[name]
        if told is None:
            labels[:, t] = found[name]
            continue
        known = (found[told] >= 0) & (found[told] <= (END_US if window.known_us is None else window.known_us))
        labels[:, t] = known
        if t + 1 == len(chain):
            delay[known] = (found[told][known] - time[known]) / 1e6
    age = np.full(time.size, np.inf) if window.known_us is None else (window.known_us - time) / 1e6
    slot, user = found["slot"].astype(np.int64), found["user"].astype(np.int64)
    return Examples(ids, past, slot, user, time, labels, age, delay, found["true_rate"], found[PLATFORM])


def _drawn(found: dict[str, NDArray[Any]], window: Window) -> NDArray[np.bool_]:
    """Which impressions would be kept whatever comes of them: a draw of request and slot."""
    drawn = hashed(f"kept {window.seed}", found["request"] * 64 + found["slot"])
    return drawn < window.kept * 2.0**32
