"""The same work in one process or in several: what comes out does not depend on how many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from ...simulator.core.errors import MarketError

T = TypeVar("T")
R = TypeVar("R")


def results(function: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[tuple[int, R]]:
    """Yields the place of each task and what `function` made of it, as they are done.

    With `jobs` above 1 they are done by that many fresh processes (spawned: nothing is inherited but arguments), so
    `function` must be a module's own and tasks must be picklable. An error in a task ends the whole; what has been yielded
    stays.

    Raises:
        MarketError: if `jobs` is below 1, or a process is killed.
    """
    if jobs < 1:
        raise MarketError(f"work is done by at least one job, not {jobs}")
    if jobs == 1 or len(tasks) < 2:
        for place, task in enumerate(tasks):
            yield place, function(task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_enlist) as pool:
        places = {pool.submit(function, task): place for place, task in enumerate(tasks)}
        try:
            for future in as_completed(places):
                yield places.pop(future), future.result()
        except BrokenProcessPool:
            raise MarketError("a worker process was killed; run the same command again to go on from there") from None
        finally:
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
