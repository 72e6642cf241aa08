"""Vector environments in several processes, a part of them in each, this one among them.

Between two compiled calls threads wait for Python's lock, and processes do not. The others are fresh ones (spawned: nothing is
inherited but arguments), leave signals to this one, and end with it.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ..simulator.core.errors import MarketError
from ..simulator.core.interrupts import held_interrupts
from .shell import all_bounded, counted

Makes = Callable[[int], SyncVectorEnv]  # of so many environments; picklable


class Part:
    """A process that has environments, as seen from this one."""

    def __init__(self, make: Makes, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, make, count), daemon=True)
        try:
            with _unknown_program():
                process.start()
        except Exception as error:  # whatever pickling a policy of the user's own may raise
            raise MarketError(f"what environments in several processes are made of must be picklable: {error}") from error
        theirs.close()
        self.end = Finalize(self, _end, (self._pipe, process), exitpriority=10)  # before Python waits for processes

    def ask(self, name: str, *arguments: Any, **named: Any) -> None:
        """Has a method of its vector called. What comes of it is to be heard next."""
        with suppress(OSError):  # nothing will be heard, either
            self._pipe.send((name, arguments, named))

    def hear(self) -> Any:
        """What the method asked for has returned, or, as a value, the error that it has raised."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return MarketError(
                "a process that plays environments has ended: was it killed, or does it need what the program itself defines? "
                "That belongs in a module"
            )


@contextmanager
def _unknown_program() -> Iterator[None]:
    """Has processes that are started not run the program of this one again: it may not ask whether it is `__main__`."""
    program: Any = sys.modules["__main__"]
    kept = {name: vars(program).pop(name) for name in ("__file__", "__spec__") if name in vars(program)}
    program.__spec__ = None
    try:
        yield
    finally:
        vars(program).update(kept)


class Packed:
    """What a step brings, for the way between processes.

    Infos of one kind are one array: each takes as long to pickle, and to join to others.
    """

    def __init__(self, *brought: Any) -> None:
        *self.columns, infos = brought
        alike: dict[Any, list[str]] = {}
        for name, values in infos.items():
            plain = isinstance(values, np.ndarray) and values.dtype != object
            alike.setdefault((values.dtype, values.shape[1:]) if plain else None, []).append(name)
        self.order = list(infos)
        self.others = {name: infos[name] for name in alike.pop(None, [])}
        self.names = list(alike.values())
        self.rows = [np.array([infos[name] for name in names]) for names in self.names]

    def infos(self) -> dict[str, Any]:
        """As they were."""
        found = self.others | dict(pair for both in zip(self.names, self.rows, strict=True) for pair in zip(*both, strict=True))
        return {name: found[name] for name in self.order}

    @staticmethod
    def joined(parts: Sequence[Packed]) -> dict[str, Any]:
        """Infos of all parts as one vector has them."""
        first = parts[0]
        if first.others or any((part.names, part.others) != (first.names, {}) for part in parts):
            return joined([part.infos() for part in parts], [len(part.columns[0]) for part in parts])
        whole = copy(first)
        whole.rows = [np.concatenate(rows, axis=1) for rows in zip(*(part.rows for part in parts), strict=True)]
        return whole.infos()


def _end(pipe: Connection, process: Any) -> None:
    pipe.close()  # at which the other end goes
    process.join()


def _serve(pipe: Connection, make: Makes, count: int) -> None:
    """Has a vector do what is asked, as long as somebody is there to ask."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    vector = None
    while True:
        try:
            name, arguments, named = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            vector = vector or make(count)
            answer = getattr(vector, name)(*arguments, **named)
            if name == "step":
                answer = Packed(*answer)
        except Exception as error:
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return
        except Exception as error:
            pipe.send(MarketError(f"what {name} brings cannot be told to another process ({error}): {answer!r}"))


class VectorInParts(VectorEnv[Any, Any, Any]):
    """`num_envs` environments of which each of so many processes has a part, as even as can be; none has fewer than one.

    Transitions, infos and autoreset are those of `gymnasium.vector.SyncVectorEnv`, to the last bit, whatever the number of
    processes.

    Args:
        make: makes a vector of so many environments, here and in the other processes.
        num_envs: how many environments, at least one for each process.
        processes: how many, this one included, from 2 up.
    """

    def __init__(self, make: Makes, num_envs: int, processes: int) -> None:
        bounds = [num_envs * n // processes for n in range(processes + 1)]
        self._cuts = [slice(*pair) for pair in pairwise(bounds)]
        self._parts: list[Part] = []
        self._own = make(bounds[1])
        self.num_envs, self.metadata, self.render_mode = num_envs, self._own.metadata, self._own.render_mode
        self.single_action_space = self._own.single_action_space
        self.single_observation_space = self._own.single_observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._over = np.zeros(num_envs, np.bool_)  # whose next step is a reset
        self._seen = [np.empty(0)] * processes
        for cut in self._cuts[1:]:
            self._parts.append(Part(make, cut.stop - cut.start))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the environments."""
        return self.get_attr("np_random_seed")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The dice of the environments, or copies of them."""
        return self.get_attr("np_random")

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[Any], dict[str, Any]]:
        """See `SyncVectorEnv.reset`. Raises `MarketError` unless there is a seed, and an entry of a mask, for each of them."""
        seeds = [None if seed is None else seed + n for n in range(self.num_envs)] if not isinstance(seed, Sequence) else seed
        if len(seeds) != self.num_envs:
            raise MarketError(f"seeds are one for each of {self.num_envs} environments, not {len(seeds)}")
        given = dict(options or {})
        mask = given.pop("reset_mask", np.ones(self.num_envs, np.bool_))
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise MarketError(f"a reset_mask says of each of {self.num_envs} environments whether it is reset, not {mask!r}")
        asked = {}
        for number, cut in enumerate(self._cuts):
            if mask[cut].any():
                its = given if mask[cut].all() else {**given, "reset_mask": mask[cut].copy()}
                asked[number] = ((), {"seed": list(seeds[cut]), "options": its})
        answers = self._each("reset", asked)
        for number, (seen, _) in answers.items():
            self._seen[number] = seen
        self._over[mask] = False
        return np.concatenate(self._seen), self._told({number: info for number, (_, info) in answers.items()})

    def step(self, actions: Any) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Any]:
        """See `SyncVectorEnv.step`. Raises `PolicyError`, before anything is played, for what is no action of one of them."""
        counted(actions, self.num_envs)
        all_bounded(actions, np.flatnonzero(~self._over).tolist(), self.single_action_space.shape or ())
        answers = self._each("step", {number: ((actions[cut],), {}) for number, cut in enumerate(self._cuts)})
        parts = [answer if isinstance(answer, Packed) else Packed(*answer) for answer in answers.values()]
        self._seen, *columns = map(list, zip(*(part.columns for part in parts), strict=True))
        rewards, terminated, truncated = map(np.concatenate, columns)
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self._over = terminated | truncated
        return np.concatenate(self._seen), rewards, terminated, truncated, Packed.joined(parts)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """See `SyncVectorEnv.call`; what it brings must be picklable."""
        answers = self._each("call", dict.fromkeys(range(len(self._cuts)), ((name, *args), kwargs)))
        return tuple(one for found in answers.values() for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """See `SyncVectorEnv.get_attr`; what it brings must be picklable."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """See `SyncVectorEnv.set_attr`."""
        each = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise MarketError(f"values are one for each of {self.num_envs} environments, not {len(each)}")
        self._each("set_attr", {number: ((name, each[cut]), {}) for number, cut in enumerate(self._cuts)})

    def render(self) -> tuple[Any, ...] | None:
        """See `SyncVectorEnv.render`."""
        return self.call("render")

    def close_extras(self, **more: Any) -> None:
        """Lets processes, threads and windows go."""
        self._own.close(**more)
        for part in self._parts:
            part.end()

    def _each(self, name: str, asked: Mapping[int, tuple[Sequence[Any], Mapping[str, Any]]]) -> dict[int, Any]:
        """What a method of each part brings that is asked for, by its number; 0 is this process, which plays meanwhile.

        Ctrl-C is held back until all have been heard. Raises the first of their errors then.
        """
        with held_interrupts():
            for number, (arguments, named) in asked.items():
                if number:
                    self._parts[number - 1].ask(name, *arguments, **named)
            answers: dict[int, Any] = {}
            if 0 in asked:
                arguments, named = asked[0]
                try:
                    answers[0] = getattr(self._own, name)(*arguments, **named)
                except Exception as error:
                    answers[0] = error
            answers |= {number: self._parts[number - 1].hear() for number in asked if number}
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _told(self, infos: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """What parts tell, by their number, as one tells of all: nothing of those who do not."""
        return joined([infos.get(number, {}) for number in range(len(self._cuts))], [c.stop - c.start for c in self._cuts])


def joined(infos: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Infos of vectors of so many environments as those of one vector: arrays by name, and which of their entries are told."""
    whole: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos for key in info):
        each = [info.get(key) for info in infos]
        like = next(one for one in each if one is not None)
        if isinstance(like, dict):
            whole[key] = joined([one or {} for one in each], counts)
            continue
        nothing = None if like.dtype == object else 0
        untold = ((count, *like.shape[1:]) for count in counts)
        told = [np.full(shape, nothing, like.dtype) if one is None else one for one, shape in zip(each, untold, strict=True)]
        whole[key] = np.concatenate(told)
    return whole
