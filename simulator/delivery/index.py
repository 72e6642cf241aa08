"""An approximate index of ads for recall: lists of like ads, of which a request looks through the nearest few.

The best ads of a request have the largest interests . vector + additive term, and the term, bias and log bid, changes from tick
to tick. With one coordinate more these are the nearest ads in Euclid's sense (Bachrach et al., Speeding up the Xbox recommender
system using a Euclidean transformation for inner-product spaces, RecSys 2014), for which FAISS has an inverted file (IVF). It
is an optional package: `pip install 'adarena[index]'`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats32, Integers
from ..core.errors import MarketError
from ..scenario.delivery import Index

LEARNT = 64  # ads of a list that k-means learns from: more of them are no better and take longer at each tick


class Lists:
    """The index of one exchange: `refresh` makes its lists anew, a function of the additive terms alone."""

    def __init__(self, settings: Index, ads: Floats32, interests: Floats32) -> None:
        """Takes ads (ads, dimensions) and the interests of all users (users, dimensions)."""
        self._faiss = _faiss()
        self._settings = settings
        count, d = ads.shape
        # Each dimension in units of what it typically adds to an ad's worth, so that distances weigh it as worth does.
        self._unit = np.float32(np.sqrt(np.square(interests).mean(dtype=np.float64)) or 1)
        self._points = np.zeros((count, d + 1), np.float32)
        self._points[:, :d] = ads * self._unit
        self._squares = np.square(self._points, dtype=np.float64).sum(axis=1)
        self._lists: Any = None

    def refresh(self, term: Floats32, active: NDArray[np.bool_]) -> None:
        """Takes over the additive terms, (ads,), of those ads that take part, (ads,)."""
        ads = np.flatnonzero(active)
        if ads.size == 0:
            self._lists = None
            return
        # |q - p|^2 = constant - 2 (interests . vector + term), if the last coordinate squared is this much:
        room = -self._squares[ads] - 2 * term[ads].astype(np.float64)
        self._points[ads, -1] = np.sqrt(room - room.min())
        points = self._points[ads]
        faiss, width, lists = self._faiss, points.shape[1], min(self._settings.lists, ads.size)
        found = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, lists, faiss.METRIC_L2)
        found.cp.min_points_per_centroid, found.cp.max_points_per_centroid = 1, LEARNT
        found.nprobe = min(self._settings.probed, lists)
        with self._one_thread():
            found.train(points)
            found.add_with_ids(points, ads)
        self._lists = found

    def search(self, interests: Floats32, nearest: Integers) -> None:
        """Writes into nearest (requests, wanted) the best ads found for interests (requests, dimensions), -1 behind them."""
        if self._lists is None or nearest.shape[1] == 0:  # nobody bids, or all of the quota is for other channels
            nearest[:] = -1
            return
        asks = np.zeros((len(interests), self._points.shape[1]), np.float32)
        np.divide(interests, self._unit, out=asks[:, :-1])
        with self._one_thread():
            nearest[:] = self._lists.search(asks, nearest.shape[1])[1]

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Holds FAISS at one thread: it would cut a batch by threads, and a product of another height differs in its bits."""
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)
        try:
            yield
        finally:
            self._faiss.omp_set_num_threads(before)


def _faiss() -> Any:
    """The package, which takes a moment to load and need not be there."""
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        if error.name != "faiss":
            raise
        raise MarketError("an approximate index needs the package faiss: pip install 'adarena[index]'") from None
