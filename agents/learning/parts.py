"""Environments in several processes, a part of them in each. What they bring is what they would bring all in one.

Between two compiled calls threads wait for Python's lock, and processes do not. They are fresh ones (spawned: nothing is
inherited but arguments), leave signals to this one, and end with it.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...simulator.core.errors import PolicyError
from .groups import GroupedEnvs, InGroups, Maker


class Part:
    """A process that has environments, as seen from this one."""

    def __init__(self, makers: Sequence[Maker], group: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, makers, group), daemon=True)
        process.start()
        theirs.close()
        self.end = Finalize(self, _end, (self._pipe, process), exitpriority=10)  # before Python waits for processes

    def ask(self, name: str, *arguments: Any, **named: Any) -> None:
        """Has a method of its `GroupedEnvs` called. What comes of it is to be heard next."""
        with suppress(OSError):  # nothing will be heard, either
            self._pipe.send((name, arguments, named))

    def hear(self) -> Any:
        """What the method asked for has returned, or, as a value, the error that it has raised."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return PolicyError("a process that plays environments was killed")


def _end(pipe: Connection, process: Any) -> None:
    pipe.close()  # at which the other end goes
    process.join()


def _serve(pipe: Connection, makers: Sequence[Maker], group: int) -> None:
    """Has environments do what is asked, as long as somebody is there to ask."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    envs = None
    while True:
        try:
            name, arguments, named = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            envs = envs or GroupedEnvs(makers, group, threads=1)
            answer = getattr(envs, name)(*arguments, **named)
        except Exception as error:
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return
        except Exception as error:
            pipe.send(PolicyError(f"what {name} brings cannot be told to another process ({error}): {answer!r}"))


class EnvsInParts(InGroups):
    """`GroupedEnvs` in so many processes, from 1 to the number of environments, whose makers must be picklable."""

    def __init__(self, makers: Sequence[Maker], group: int, processes: int) -> None:
        bounds = [len(makers) * n // processes for n in range(processes + 1)]
        self._cuts = [slice(*pair) for pair in pairwise(bounds)]
        self._parts = [Part(makers[cut], group) for cut in self._cuts]
        first = makers[0]()
        super().__init__(len(makers), first.observation_space, first.action_space)
        first.close()
        self._group = group

    def reset(self) -> NDArray[Any]:
        """See `VecEnv.reset`."""
        for part, cut in zip(self._parts, self._cuts, strict=True):
            part.ask("begin", self._seeds[cut], self._options[cut])
        seen, told = zip(*self._heard(), strict=True)
        self.reset_infos = [info for infos in told for info in infos]
        self._reset_seeds()
        self._reset_options()
        return np.concatenate(seen)

    def step_async(self, actions: NDArray[Any]) -> None:
        """See `VecEnv.step_async`."""
        for part, cut in zip(self._parts, self._cuts, strict=True):
            part.ask("step", actions[cut])

    def step_wait(self) -> VecEnvStepReturn:
        """See `VecEnv.step_wait`. Raises what an environment has raised, or `PolicyError` if a process is gone."""
        seen, rewards, over, told = zip(*self._heard(), strict=True)
        return np.concatenate(seen), np.concatenate(rewards), np.concatenate(over), [info for infos in told for info in infos]

    def place(self) -> dict[str, Any]:
        """See `InGroups`: the same, whatever the number of processes."""
        for part in self._parts:
            part.ask("place")
        return {"traces": json.dumps([trace for told in self._heard() for trace in json.loads(told["traces"])])}

    def go_to(self, place: Mapping[str, Any], observations: NDArray[Any]) -> None:
        """See `InGroups`."""
        traces = json.loads(place["traces"])
        for part, cut in zip(self._parts, self._cuts, strict=True):
            part.ask("go_to", {"traces": json.dumps(traces[cut])}, observations[cut])
        self._heard()

    def close(self) -> None:
        """See `VecEnv.close`."""
        for part in self._parts:
            part.end()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """See `VecEnv.get_attr`."""
        return self._each_told(indices, "get_attr", attr_name)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """See `VecEnv.set_attr`."""
        self._each_told(indices, "set_attr", attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """See `VecEnv.env_method`."""
        return self._each_told(indices, "env_method", method_name, *method_args, **method_kwargs)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """See `VecEnv.env_is_wrapped`."""
        return self._each_told(indices, "env_is_wrapped", wrapper_class)

    def _heard(self) -> list[Any]:
        """What each part brings that was asked for. Raises the first of their errors, when all have been heard."""
        answers = [part.hear() for part in self._parts]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _each_told(self, indices: Any, name: str, *arguments: Any, **named: Any) -> list[Any]:
        """What a method of `VecEnv` brings for each of some environments."""
        found: list[Any] = []
        for number in self._get_indices(indices):
            part, cut = next((p, c) for p, c in zip(self._parts, self._cuts, strict=True) if c.start <= number < c.stop)
            part.ask(name, *arguments, indices=[number - cut.start], **named)
            if isinstance(answer := part.hear(), Exception):
                raise answer
            found += answer or []
        return found
