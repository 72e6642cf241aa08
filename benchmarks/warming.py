"""What `adarena warm` does: compiles in several processes what presets, environments and replays need, before anybody waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console

from .. import ENVIRONMENTS
from ..agents.bidding.pid import PID
from ..agents.catalogue import make_policy
from ..simulator.books.journal import Logs
from ..simulator.core.compiled import cache_directory, compilations
from ..simulator.core.errors import MarketError
from ..simulator.engine.engines import ENGINES
from ..simulator.replay.history import PriceHistory
from ..simulator.replay.log import Log
from ..simulator.replay.replay import replay
from ..simulator.scenario.tree import PRESETS, Scenario
from ..simulator.world import World
from .comparison.workers import results
from .output.progress import progress
from .output.tables import plain_table
from .suites import SUITES, suite

REQUESTS = 2000  # a day: what is compiled does not depend on how many there are
ROUNDS = 3  # processes that compile one kernel for two kinds of arguments at once may keep but one: it is made in the next

Step = tuple[str, Callable[[], None]]


def play(scenario: Scenario, engine: Any) -> None:
    """Two ticks of a market with little traffic, all of it logged."""
    quiet = scenario.override({"traffic.requests_per_day": min(scenario.traffic.requests_per_day, REQUESTS)})
    with TemporaryDirectory() as folder:
        world = World(quiet, {"bidding": PID()}, engine=engine, journal=Logs(folder, features=True))
        world.run(min(2 * quiet.tick_us, quiet.horizon_us))


def step_environment(name: str) -> None:
    """The first step of an environment."""
    env: Any = gymnasium.make(name)
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, env.action_space.dtype))
    env.close()


def decide(name: str) -> None:
    """The first decisions of the policies that a suite compares."""
    compared = suite(name)
    scenario = Scenario.named(compared.scenario).override({"traffic.requests_per_day": REQUESTS})
    for policy in compared.compared:
        World(scenario, {compared.seat: make_policy(compared.seat, policy)}).run(2 * scenario.tick_us)


def bid_on_a_log() -> None:
    """A short log, replayed."""
    log = Log(price=np.arange(100) % 7, rate=np.full(100, 0.1), click=(np.arange(100) % 10 == 0).astype(np.int8))
    for policy in ("mcpc", "lin:base_bid=10", "pid"):
        replay(log, make_policy("bidding", policy), PriceHistory.of(log), episode=50)


def steps(names: Sequence[str]) -> tuple[list[Step], list[Step]]:
    """What is to be done for markets by these names, or for all presets and all that is played on them.

    First what has little in common, a market without servers and one with them; then all others, which share their kernels.
    """
    scenarios = [Scenario.named(name) for name in names or PRESETS]
    markets: list[Step] = [(f"{one.name}, {engine}", partial(play, one, engine)) for one, engine in product(scenarios, ENGINES)]
    kinds = {one.serving is None: place * len(ENGINES) for place, one in reversed(list(enumerate(scenarios)))}
    first, rest = [markets[place] for place in kinds.values()], [m for n, m in enumerate(markets) if n not in kinds.values()]
    if not names:
        rest += [(name, partial(step_environment, name)) for name in ENVIRONMENTS]
        rest += [(f"policies of {name}", partial(decide, name)) for name in SUITES]
        rest.append(("replay", bid_on_a_log))
    return first, rest


def take(step: Step) -> list[tuple[str, float]]:
    """Takes a step; returns the kernels that it had to compile, with the seconds that each took."""
    before = len(compilations())
    step[1]()
    return compilations()[before:]


def command(console: Console, names: Sequence[str], jobs: int | None) -> None:
    """Takes all steps until nothing is left to compile, and says what was compiled, how long it took and where it is kept.

    Raises:
        MarketError: if there is still something to compile, since nothing can be kept.
    """
    stages, begun = steps(names), time.monotonic()
    made = dict[str, list[tuple[str, float]]]()
    for number in range(ROUNDS):
        again = list[Step]()
        with progress("compiling" if number == 0 else "looking again", sum(map(len, stages))) as advance:
            for todo in stages:
                for place, kernels in results(take, todo, os.cpu_count() or 1 if jobs is None else jobs):
                    made.setdefault(todo[place][0], []).extend(kernels)
                    again += [todo[place]] if kernels else []
                    advance()
        if not again:
            break
        stages = again, []
    else:
        raise MarketError("compiled code is not kept, so there is nothing to do beforehand: see the warning")
    where, spent = f"kept in {str(cache_directory())!r}", time.monotonic() - begun
    if number == 0:
        console.print(f"nothing to compile: all was there, {where} ({spent:.0f} s)", soft_wrap=True)
        return
    table = plain_table("Compiled")
    for name in ("for", "kernels", "seconds", "the longest"):
        table.add_column(name, justify="left" if name in ("for", "the longest") else "right")
    for name, kernels in made.items():
        if kernels:
            longest = max(kernels, key=lambda one: one[1])[0]
            table.add_row(name, str(len(kernels)), f"{sum(took for _, took in kernels):.1f}", longest)
    console.print(table)
    console.print(f"{spent:.0f} s; {where}", soft_wrap=True)
