"""Who does work that comes in tasks: this process, several, or a Ray cluster. What comes out does not depend on whom."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

from ...simulator.core.errors import MarketError
from .cluster import Cluster

T = TypeVar("T")
R = TypeVar("R")


class Crew(Protocol):
    """Whoever does tasks."""

    @property
    def size(self) -> int:
        """How many work at once."""

    def results(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yields the place of each task and what `function` made of it, as they are done.

        `function` must be a module's own, and tasks must be picklable. An error in a task ends the whole, as it was raised;
        what has been yielded stays. Whoever stops asking ends what is under way as Ctrl-C would.

        Raises:
            MarketError: if those who do it are killed or cannot be had.
        """


class Processes(NamedTuple):
    """This process for one job, else so many fresh ones (spawned: nothing is inherited but arguments)."""

    jobs: int = 1

    @property
    def size(self) -> int:
        """See `Crew.size`."""
        return self.jobs

    def results(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """As a `Crew` does; a process that is killed ends the whole."""
        return results(function, tasks, self.jobs)


HERE = Processes()


@contextmanager
def hired(jobs: int, ray: str | None) -> Iterator[Crew]:
    """The crew of a command's `--jobs` and `--ray`: without Ray, so many processes; "local", Ray on this machine, with so many
    workers or, for one job, one for each processor; else the Ray cluster at an address, which has its own number.

    Raises:
        MarketError: if `jobs` is below 1, or above it with an address.
    """
    if jobs < 1:
        raise MarketError(f"work is done by at least one job, not {jobs}")
    if ray is None:
        yield Processes(jobs)
        return
    with Cluster(ray, jobs if jobs > 1 else None) as cluster:
        yield cluster


def results(function: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[tuple[int, R]]:
    """Yields the place of each task and what `function` made of it, as they are done by so many processes; see `Processes`.

    Raises:
        MarketError: if `jobs` is below 1, or a process is killed.
    """
    if jobs < 1:
        raise MarketError(f"work is done by at least one job, not {jobs}")
    if jobs == 1 or len(tasks) < 2:
        for place, task in enumerate(tasks):
            yield place, function(task)
        return
    context, before = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_enlist) as pool:
        places = {pool.submit(function, task): place for place, task in enumerate(tasks)}
        started = set(multiprocessing.active_children()) - before
        try:
            for future in as_completed(places):
                yield places.pop(future), future.result()
        except BrokenProcessPool:
            raise MarketError("a worker process was killed; run the same command again to go on from there") from None
        finally:
            for process in started if places else ():  # a training leaves a checkpoint, all else ends at once
                process.terminate()
            pool.shutdown(cancel_futures=True)


def _enlist() -> None:
    """A worker leaves interrupts to the parent, and ends with it even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
