"""Environments whose worlds move on together: policies that are alike are asked once for all of them, learners see all in one
look, and the worlds of a step are played side by side on several threads, since compiled code does without Python's lock.

What comes of it is what each environment by itself would bring, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from ..simulator.core.arrays import Floats
from ..simulator.core.errors import MarketError
from ..simulator.core.interrupts import held_interrupts
from ..simulator.core.numeric import whole
from ..simulator.core.threads import one_blas_thread, processors
from ..simulator.seats.roster import OpenRound
from ..simulator.seats.seat import Elsewhere, Joint, Moment, Open
from ..simulator.seats.vectors import Vectors
from ..simulator.world import World
from .shell import all_bounded

Places = Sequence[tuple[int, int]]  # of holdings: the environment, and the place among those that are open in its world


class Moves(Protocol):
    """What is needed of an environment; `envs.base` says what these are."""

    company: Together | None
    looks: Mapping[str, Any]

    @property
    def world(self) -> World: ...

    @property
    def action_space(self) -> spaces.Space[Any]: ...

    def check_ready(self) -> None: ...

    def act(self, action: Floats) -> World: ...

    def see(self, world: World) -> Any: ...

    def moved(self, world: World, observation: Any) -> None: ...

    def is_in(self, world: World) -> bool: ...

    def new_vectors(self) -> Vectors: ...


class SharedPolicy:
    """Policies that decide alike, one in each of several worlds, as a single one that holds the units of all."""

    def __init__(self, policy: Any, joint: Joint[Any, Any], places: Places) -> None:
        self._policy, self._joint, self._places, self._begun = policy, joint, places, False

    def decide(self, worlds: Mapping[int, World], moment: Moment) -> None:
        """Asks it, and answers for it in the worlds that are to move on, by their environment."""
        view = self._joint.view(moment)
        if not self._begun:
            self._policy.start(view, np.random.default_rng(0))  # dice that it does not use; see `Policy.by_unit`
            self._begun = True
        decision = self._policy.decide(view)
        each = [None] * len(self._places) if decision is None else self._joint.checked(decision)
        _answer(worlds, self._places, each)


class SharedLook:
    """Learners of environments whose days have just begun, one for each world, that see and act as a single one would."""

    def __init__(self, vectors: Vectors, joint: Joint[Any, Any], places: Places, units: Sequence[int], moment: Moment) -> None:
        self._vectors, self._joint, self._places = vectors, joint, places
        ends = np.cumsum(units).tolist()
        self._rows = {env: slice(end - n, end) for (env, _), n, end in zip(places, units, ends, strict=True)}
        self._actions = np.zeros((ends[-1], vectors.actions))
        self.observe(moment)  # vectors are to be shown every view of a day

    def decide(self, worlds: Mapping[int, World], actions: Mapping[int, Floats]) -> None:
        """Decides what the actions stand for, in the worlds that are to move on, by their environment."""
        for env, rows in self._rows.items():
            if env in worlds:
                self._actions[rows] = actions[env].reshape(-1, self._actions.shape[1])
        _answer(worlds, self._places, self._joint.checked(self._vectors.decide(self._view, self._actions)))

    def observe(self, moment: Moment) -> dict[int, Any]:
        """The observation of each environment."""
        self._view = self._joint.view(moment)
        seen = self._vectors.observe(self._view)
        return {env: seen[rows].reshape(-1) for env, rows in self._rows.items()}


def _answer(worlds: Mapping[int, World], places: Places, decisions: Sequence[Any]) -> None:
    for (env, holding), decision in zip(places, decisions, strict=True):
        if env in worlds:
            worlds[env].answer_elsewhere(holding, decision)


class Cohort:
    """Worlds of environments, by their place, that are first asked at one moment; so they always are."""

    def __init__(self, worlds: Mapping[int, World], rounds: Mapping[int, OpenRound], envs: Sequence[Moves]) -> None:
        self.worlds, self._envs, moment = worlds, envs, next(iter(rounds.values())).moment
        policies: dict[Any, Any] = {}
        places: dict[Any, list[tuple[int, int]]] = {}
        for env, asked in rounds.items():
            for number, holding in enumerate(asked.holdings):
                if isinstance(holding.policy, Elsewhere):
                    if asked.roster.has_begun:
                        raise MarketError("a day that began with other environments cannot be taken up: reset first")
                    policy = holding.policy.policy
                    key = (type(envs[env]), *envs[env].looks.items()) if holding.waits_for_learner else _alike(policy)
                    policies.setdefault(key, policy)
                    places.setdefault(key, []).append((env, number))
        self._policies: list[SharedPolicy] = []
        self._learners: list[SharedLook] = []
        for key, policy in policies.items():
            parts = [(rounds[env].roster.seat, rounds[env].holdings[number]) for env, number in places[key]]
            kind = type(parts[0][0]).joint
            assert kind is not None  # else nobody is elsewhere
            if isinstance(policy, Open):
                vectors, units = envs[places[key][0][0]].new_vectors(), [holding.held.size for _, holding in parts]
                self._learners.append(SharedLook(vectors, kind(parts), places[key], units, moment))
            else:
                self._policies.append(SharedPolicy(policy, kind(parts), places[key]))
        self._joined = {env for key in places for env, _ in places[key] if isinstance(policies[key], Open)}

    def decide(self, worlds: Mapping[int, World], moment: Moment, actions: Mapping[int, Floats]) -> None:
        """Decides in those of its worlds that are to move on; `actions` are those of their learners."""
        for env, action in actions.items():
            if env not in self._joined:
                self._envs[env].act(action)
        for learners in self._learners:
            learners.decide(worlds, actions)
        for policy in self._policies:
            policy.decide(worlds, moment)

    def observe(self, worlds: Mapping[int, World]) -> dict[int, Any]:
        """What is observed in each of its environments whose world has moved on."""
        moment = next(iter(worlds.values())).moment
        seen = {env: one for learners in self._learners for env, one in learners.observe(moment).items()}
        return {env: seen[env] if env in seen else self._envs[env].see(world) for env, world in worlds.items()}


def _alike(policy: Any) -> Any:
    """What policies have in common that decide alike on seeing the same."""
    kept = type(policy), tuple(vars(policy).items())
    try:
        hash(kept)
    except TypeError:
        return type(policy), id(policy)
    return kept


class Together:
    """Lets the worlds of environments move on together, so that a `step` of each only says what came of it.

    `threads`: how many play the worlds, this one included; None: as many as there are processors. Worlds that call policies or
    processes while they run are played by this one, since those may share what threads must not.

    Rivals look at a world when it moves on: what is changed by hand between two steps they see at once.

    Raises:
        MarketError: if threads are no number, or an environment moves on with others already.
    """

    def __init__(self, envs: Sequence[Moves], threads: int | None = None) -> None:
        count = processors() if threads is None else whole(threads)
        if count is None or count < 1:
            raise MarketError(f"threads are a whole number from 1 up, not {threads!r}")
        self._envs = envs
        self._cohorts: dict[int, Cohort] = {}  # by the place of an environment
        if any(env.company is not None for env in envs):
            raise MarketError("an environment moves on with others already: close that vector first")
        self._others = min(count, len(envs)) - 1
        self._pool = ThreadPoolExecutor(self._others, "adarena") if self._others else None
        for env in envs:
            env.company = self

    def advance_one(self, env: Moves, action: Any) -> None:
        """Acts in an environment that began by itself, and lets its world move on; see `advance`."""
        place = next(n for n, other in enumerate(self._envs) if other is env)
        self.advance({place: action}, [place])

    def advance(self, actions: Sequence[Any] | Mapping[int, Any], moving: Sequence[int]) -> None:
        """Acts in the environments that are `moving`, places among them, and plays their worlds up to their next decision.

        Ctrl-C is held back until all have got there. After an error on the way none of them can go on but by a reset.

        Raises:
            PolicyError: if an action is not allowed; nothing has happened.
            MarketError: if an environment has no day under way, or does not move while others do that began with it; likewise.
        """
        with held_interrupts(), one_blas_thread():
            for n in moving:
                self._envs[n].check_ready()
            ready = dict(zip(moving, all_bounded(actions, moving, self._envs[0].action_space.shape or ()), strict=True))
            worlds = {n: self._envs[n].world for n in moving}
            rounds = {n: world.open_round for n, world in worlds.items() if world.open_round is not None}
            cohorts = self._joined(worlds, rounds)
            for cohort, there in cohorts:
                cohort.decide(there, rounds[next(iter(there))].moment, {n: ready[n] for n in there})
            self._play(worlds)
            seen = {n: one for cohort, there in cohorts for n, one in cohort.observe(there).items()}
            for n, world in worlds.items():
                self._envs[n].moved(world, seen[n])
                if not self._envs[n].is_in(world):  # its day is over
                    self._cohorts.pop(n, None)

    def close(self) -> None:
        """Lets threads and environments go."""
        if self._pool is not None:
            self._pool.shutdown()
        self._pool, self._others = None, 0
        self._cohorts.clear()
        for env in self._envs:
            env.company = None

    def _joined(self, worlds: Mapping[int, World], rounds: Mapping[int, OpenRound]) -> list[tuple[Cohort, dict[int, World]]]:
        """The cohorts of worlds that are to move on, and which worlds of each these are; new worlds make new ones."""
        begun: dict[Any, list[int]] = {}
        for n, asked in rounds.items():
            if n not in self._cohorts or self._cohorts[n].worlds[n] is not worlds[n]:
                begun.setdefault((asked.moment, asked.roster.seat.name, worlds[n].scenario), []).append(n)
        for new in begun.values():
            cohort = Cohort({n: worlds[n] for n in new}, {n: rounds[n] for n in new}, self._envs)
            self._cohorts.update(dict.fromkeys(new, cohort))
        found: dict[int, tuple[Cohort, dict[int, World]]] = {}
        for n in rounds:
            found.setdefault(id(self._cohorts[n]), (self._cohorts[n], {}))[1][n] = worlds[n]
        for cohort, there in found.values():
            if any(self._envs[n].is_in(world) for n, world in cohort.worlds.items() if n not in there):
                raise MarketError("environments whose days began together go on together: step all, or reset the others")
        return list(found.values())

    def _play(self, worlds: Mapping[int, World]) -> None:
        """Plays each world up to its next decision.

        Requests of all are played in a row, and so is what Python does before and after: either finds in the processor's
        caches what the world before has left there. Worlds that call others go by themselves.
        """
        errors: dict[int, BaseException] = {}

        def each(move: Callable[[World], Any], numbers: Iterable[int]) -> list[int]:
            """Those who say yes, of the numbers of worlds that have not failed."""
            said = []
            for n in numbers:
                try:
                    if n not in errors and move(worlds[n]):
                        said.append(n)
                except BaseException as error:
                    errors[n] = error
            return said

        each(World.until_round, [n for n, world in worlds.items() if world.calls_others])
        quiet = [n for n, world in worlds.items() if not world.calls_others]
        due = each(World.until_traffic, quiet)
        waiting = iter(due)  # whoever is free takes the next one
        helpers = 0 if self._pool is None else min(self._others, len(due) - 1)
        others = [self._pool.submit(each, World.play_traffic, waiting) for _ in range(helpers)] if self._pool else []
        each(World.play_traffic, waiting)
        wait(others)
        each(World.until_round, quiet)
        if errors:
            raise errors[min(errors)]  # whoever failed first
