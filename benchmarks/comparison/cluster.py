"""Work on a Ray cluster: a task for each of Ray's workers, done again if its worker dies; only where it is the same code."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from ... import __version__
from ...simulator.core.errors import AdArenaError, MarketError
from ...simulator.shards.actors import installed
from .store import code_version, surroundings

T = TypeVar("T")
R = TypeVar("R")
LOCAL = "local"
RETRIES = 3  # of a task whose worker dies
STORE_BYTES = 200_000_000  # Ray's object store on this machine; results are small
REACH_S = 10.0  # for a cluster to answer at all
GRACE_S = 60.0  # for what is under way to end once it is stopped: a training writes a checkpoint


class Home(NamedTuple):
    """What a worker must have as the process that hands out the work does."""

    host: str
    folder: str  # from which paths go out
    path: tuple[str, ...]  # where modules are looked for
    version: str
    code: str  # `store.code_version`
    surroundings: tuple[str, ...]

    @classmethod
    def here(cls) -> Home:
        """This process's."""
        return cls(socket.gethostname(), os.getcwd(), tuple(sys.path), __version__, code_version(), tuple(surroundings()))


class Cluster:
    """A crew of Ray's workers, joined with the first task and left at the end of the `with`.

    A worker does nothing unless its sources, libraries and processor are those of this process, on which the last bit
    depends. Files that policies name must lie on every machine, under the same paths.

    Args:
        address: "local" to start Ray on this machine; else HOST:PORT of a cluster that this machine is part of, or "auto".
        workers: how many work at once, with "local" only; None: as many as there are processors.

    Raises:
        MarketError: if Ray is not installed, or a number is given to a cluster, which has its own.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        if workers is not None and address != LOCAL:
            raise MarketError(f"the cluster at {address!r} says itself how many work at once: leave out jobs")
        self._ray = installed()
        self._address, self._workers, self._joined = address, workers, False

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._joined:
            with as_before():
                self._ray.shutdown()

    @property
    def size(self) -> int:
        """See `Crew.size`; the processors that the cluster has now."""
        self.join()
        return int(self._ray.cluster_resources().get("CPU", 1))

    def results(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """As a `Crew` does; a task whose worker dies is done again, up to `RETRIES` times."""
        if not tasks:
            return
        self.join()
        home, work = Home.here(), self._ray.remote(perform).options(max_retries=RETRIES)
        given = [work.remote(home, pickle.dumps((function, task))) for task in tasks]
        places = {one.future(): place for place, one in enumerate(given)}  # Ray's own waiting loses what a signal raises
        try:
            for future in as_completed(places):
                yield places.pop(future), self._result(future)
        finally:
            for place in places.values():  # as Ctrl-C would; a training leaves a checkpoint
                self._ray.cancel(given[place])
            wait(places, GRACE_S)

    def join(self) -> None:
        """Starts Ray, or joins the cluster, unless that is done.

        Raises:
            MarketError: if there is no cluster at the address.
        """
        if self._joined:
            return
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        with as_before():
            if self._address == LOCAL:
                start(self._workers, **quiet)
            else:
                try:
                    _reach(self._address)
                    self._ray.init(self._address, **quiet)
                except (OSError, ValueError, RuntimeError) as error:
                    said = str(error).strip().split("\n")[0]
                    raise MarketError(f"there is no Ray cluster to join at {self._address!r}: {said}") from None
        self._joined = True

    def _result(self, done: Future[R]) -> R:
        """What a task came to."""
        errors = self._ray.exceptions
        try:
            return done.result()
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RaySystemError):  # before anything of ours ran there
                raise MarketError(
                    f"a worker cannot read what it is to do ({error.cause.client_exc}): install the same adarena on all"
                ) from error
            raise error.cause from error
        except errors.RayError as error:
            raise MarketError(
                f"the worker of a task died {RETRIES + 1} times ({type(error).__name__}); run the same command again to go on "
                "from there"
            ) from None


def start(workers: int | None, **quiet: Any) -> None:
    """Starts Ray on this machine, without a page to look at and without telling its makers of it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    installed().init(LOCAL, num_cpus=workers, include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)


def _reach(address: str) -> None:
    """Raises `OSError` if nobody listens at HOST:PORT, which takes Ray two minutes to say."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=REACH_S).close()


@contextmanager
def as_before() -> Iterator[None]:
    """Leaves the handlers of signals as they are: Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:  # else it was not set from Python
            signal.signal(signal.SIGTERM, before)


def perform(home: Home, given: bytes) -> Any:
    """Does a task on a worker, from the folder that paths go out from; `given` is what does it and the task, pickled.

    What goes wrong on another machine says where.

    Raises:
        MarketError: if this is not the same code on such a machine.
    """
    if code_version() != home.code:
        raise MarketError(_differs(home, Home.here()))
    if os.path.isdir(home.folder):
        os.chdir(home.folder)
    sys.path += [place for place in home.path if place not in sys.path]
    function, task = pickle.loads(given)
    try:
        return function(task)
    except AdArenaError as error:
        if (host := socket.gethostname()) == home.host:
            raise
        raise type(error)(f"{error} (on {host}; files that a policy names must lie there as on {home.host})") from error


def _differs(home: Home, worker: Home) -> str:
    """Says in what a worker is unlike the process that hands out the work."""
    pairs = [(home.version, worker.version), *zip(home.surroundings, worker.surroundings, strict=True)]
    found = [f"{there} there, {here} here" for here, there in pairs if here != there] or ["other sources of adarena"]
    return (
        f"a worker on {worker.host} would not give the bytes of this machine: {'; '.join(found)}. Install the same on all, on "
        "processors of one kind"
    )
