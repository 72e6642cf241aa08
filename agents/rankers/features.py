"""What a model sees: a declared list of features, each a number of a vocabulary or a vector, as of the request.

A feature is made of columns of the journal's training set, which were known before the request was answered, or of the table
of what ads look like. Two lists that differ in anything have different hashes, so that a trained model knows which logs it can
read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...simulator.books.hashing import hashed
from ...simulator.core.arrays import Floats32, Integers32
from ...simulator.core.errors import LogError
from ...simulator.population.content import AdContent

FORMAT = 1  # of what a list of features means; another number is another hash
Kind = Literal["category", "hashed", "count", "share", "idle", "vector"]
Side = Literal["request", "ad"]
Columns = Mapping[str, NDArray[Any]]

# A share of clicks is judged with so many clicks and impressions more, so that the first of them does not decide.
PRIOR_CLICKS, PRIOR_SHOWN = 0.5, 10.0
LEAST_SHARE = 2.0**-12


@dataclass(frozen=True)
class Feature:
    """One field of a model's input.

    Args:
        name: what it is called.
        kind: how it is made of its columns, as a number from 0 to `size` - 1; a `vector` is taken as it is.
            `category`: value + 1, so that 0 is none (-1); a value beyond the vocabulary is an error.
            `hashed`: the journal's hash of the value, modulo `size`.
            `count`: two buckets for each doubling of 1 + value.
            `share`: of two columns, clicks and impressions, two buckets for each doubling of their smoothed ratio.
            `idle`: microseconds, two buckets for each doubling of seconds; 0 is never (-1).
        columns: of `features.parquet`; of a vector its own name, in `content.parquet`.
        side: whether it is the same for all ads of a request (`request`), or for all requests at one time (`ad`).
        size: of its vocabulary; of a vector its numbers.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    side: Side
    size: int

    def encoded(self, columns: Columns) -> Integers32:
        """Numbers of the vocabulary, of the shape of the columns. Raises `LogError` if a category is beyond it.

        Not of vectors: see `Schema.told`.
        """
        place = MAKERS[self.kind](self, *(np.asarray(columns[name]) for name in self.columns))
        return place.astype(np.int32)


def _category(feature: Feature, value: NDArray[Any]) -> NDArray[Any]:
    place = value.astype(np.int64) + 1
    if place.size and not 0 <= place.min() <= place.max() < feature.size:
        most = feature.size - 2
        raise LogError(f"feature {feature.name!r} knows values up to {most}, and the log has {int(value.max())}")
    return place


def _hashed(feature: Feature, value: NDArray[Any]) -> NDArray[Any]:
    flat = hashed(feature.columns[0], value.reshape(-1))
    return (flat % np.uint32(feature.size)).reshape(value.shape)


def _count(feature: Feature, value: NDArray[Any]) -> NDArray[Any]:
    return np.minimum(2.0 * np.log2(1.0 + value), feature.size - 1)


def _share(feature: Feature, clicked: NDArray[Any], shown: NDArray[Any]) -> NDArray[Any]:
    ratio = (clicked + PRIOR_CLICKS) / (shown + PRIOR_SHOWN)
    return np.minimum(2.0 * np.log2(np.maximum(ratio / LEAST_SHARE, 1.0)), feature.size - 1)


def _idle(feature: Feature, value: NDArray[Any]) -> NDArray[Any]:
    bucket = 1.0 + 2.0 * np.log2(1.0 + np.maximum(value, 0) / 1e6)
    return np.where(value < 0, 0.0, np.minimum(bucket, feature.size - 1))


MAKERS: dict[str, Callable[..., NDArray[Any]]] = {
    "category": _category, "hashed": _hashed, "count": _count, "share": _share, "idle": _idle,
}  # fmt: skip

NO_VECTORS: Floats32 = np.empty((0, 0), np.float32)

# All that a journal tells of a request and of an ad, but not the platform's own belief, which a model is to replace, nor the
# slot, which is not known when candidates are scored.
FEATURES: tuple[Feature, ...] = (
    Feature("user", "hashed", ("user",), "request", 1 << 15),
    Feature("segment", "category", ("segment",), "request", 258),
    Feature("hour", "category", ("hour",), "request", 25),
    Feature("surface", "category", ("surface",), "request", 66),
    Feature("query", "hashed", ("query",), "request", 1 << 14),
    Feature("intent", "category", ("intent",), "request", 18),
    Feature("user_shown", "count", ("user_shown",), "request", 48),
    Feature("user_share", "share", ("user_clicked", "user_shown"), "request", 25),
    Feature("user_idle", "idle", ("user_idle_us",), "request", 48),
    Feature("ad", "hashed", ("ad",), "ad", 1 << 14),
    Feature("campaign", "hashed", ("campaign",), "ad", 1 << 12),
    Feature("vertical", "category", ("vertical",), "ad", 258),
    Feature("creative", "hashed", ("creative",), "ad", 1 << 14),
    Feature("format", "category", ("format",), "ad", 10),
    Feature("ad_shown", "count", ("ad_shown",), "ad", 64),
    Feature("ad_share", "share", ("ad_clicked", "ad_shown"), "ad", 25),
)


# What an ad looks like, where a log tells it: embeddings, of the size that they have there.
CONTENT = AdContent._fields
EVERY = *FEATURES, *(Feature(name, "vector", (name,), "ad", 0) for name in CONTENT)


@dataclass(frozen=True)
class Schema:
    """A list of features, those of the request first and vectors last, and what is kept of a user's past.

    Args:
        features: as they come in a row of `ids`.
        length: latest impressions of the user before the request that a model sees; 0: none.
        remembered: features of the ad, in the list, by which an impression is remembered.
    """

    features: tuple[Feature, ...]
    length: int = 0
    remembered: tuple[str, ...] = ("ad", "vertical")

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names) or not names:
            raise LogError(f"a list of features names each once, unlike {names}")
        sides = [feature.side for feature in self.features]
        if sides != sorted(sides, reverse=True):
            raise LogError("features of the request come before those of the ad")
        vectors = [feature.kind == "vector" for feature in self.features]
        if vectors != sorted(vectors) or all(vectors):
            raise LogError("vectors come last, behind one other feature at least")
        for name in self.remembered if self.length else ():
            if name not in names or self.features[names.index(name)].side != "ad":
                raise LogError(f"an impression is remembered by features of the ad, and {name!r} is none of the list")

    @property
    def numbered(self) -> tuple[Feature, ...]:
        """The F features that are numbers of a vocabulary."""
        return tuple(feature for feature in self.features if feature.kind != "vector")

    @property
    def vectors(self) -> tuple[Feature, ...]:
        """The others, which come last."""
        return self.features[len(self.numbered) :]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The vocabulary of each numbered feature, (F,)."""
        return tuple(feature.size for feature in self.numbered)

    @property
    def of_request(self) -> int:
        """How many of the features are the request's; the others are the ad's."""
        return sum(feature.side == "request" for feature in self.features)

    @property
    def remembered_places(self) -> tuple[int, ...]:
        """Where in the list the remembered features stand."""
        names = [feature.name for feature in self.features]
        return tuple(names.index(name) for name in self.remembered) if self.length else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What must be read of `features.parquet`, each once."""
        names = [name for feature in self.numbered for name in feature.columns]
        return tuple(dict.fromkeys([*names, "ad"] if self.vectors else names))

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that change with any part of the list."""
        told = json.dumps([FORMAT, dataclasses.asdict(self)], sort_keys=True)
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()

    def encoded(self, columns: Columns) -> Integers32:
        """The numbers of rows of a log, (n, F)."""
        return np.stack([feature.encoded(columns) for feature in self.numbered], axis=1)

    def told(self, columns: Columns) -> Floats32:
        """The vectors one after the other, (..., W), NaN where an ad has none; (0, 0) if there are none in the list.

        Raises:
            LogError: if a vector is missing, or of another size.
        """
        if not self.vectors:
            return NO_VECTORS
        for feature in self.vectors:
            found = columns.get(feature.name)
            if found is None:
                raise LogError(f"feature {feature.name!r} is made of column {feature.name!r}, which is not given")
            if found.shape[-1] != feature.size:
                raise LogError(f"feature {feature.name!r} has {feature.size} numbers, and what is given has {found.shape[-1]}")
        return np.concatenate([columns[feature.name] for feature in self.vectors], axis=-1, dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Schema:
        """Of `to_dict`, perhaps through JSON. Raises `KeyError` or `TypeError` if it is none."""
        listed = [Feature(**{**each, "columns": tuple(each["columns"])}) for each in fields["features"]]
        return cls(tuple(listed), int(fields["length"]), tuple(fields["remembered"]))


def difference(known: Schema, other: Schema) -> str:
    """The first thing in which two lists of features differ, in words; empty if they do not."""
    names, others = ([feature.name for feature in schema.features] for schema in (known, other))
    for name in names:
        if name not in others:
            return f"it was trained on feature {name!r}, which is missing"
    for name in others:
        if name not in names:
            return f"it was not trained on feature {name!r}"
    if names != others:
        return "the features come in another order"
    for mine, theirs in zip(known.features, other.features, strict=True):
        for field in dataclasses.fields(Feature):
            a, b = getattr(mine, field.name), getattr(theirs, field.name)
            if a != b:
                return f"{field.name} of feature {mine.name!r} was {a!r} and is {b!r}"
    if (known.length, known.remembered) != (other.length, other.remembered):
        return f"it remembers {known.length} impressions by {known.remembered}, not {other.length} by {other.remembered}"
    return ""


def chosen(names: Sequence[str], known: Sequence[Feature] = EVERY) -> tuple[Feature, ...]:
    """Features by name, in the order of the list. Raises `LogError` if there is no such feature."""
    for name in names:
        if name not in {feature.name for feature in known}:
            raise LogError(f"there is no feature {name!r}: known are {', '.join(feature.name for feature in known)}")
    return tuple(feature for feature in known if feature.name in names)
