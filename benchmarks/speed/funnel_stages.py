"""Where the time of a request of `feed` goes: microseconds by stage, from the index over three sorts to the servers.

Three worlds live through the same morning, tick by tick: one with stopwatches around its calls, one without, and one whose
calls are taken apart. Of the compiled funnel the first stages are done again alone on the same batch; of the compiled queue
copies are played in which nobody bids, or nobody reaches the reserve.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...agents.bidding.pid import PID
from ...simulator.core.addressed import Addressed
from ...simulator.core.compiled import entry, kernel
from ...simulator.core.threads import one_blas_thread
from ...simulator.delivery.stages import Channel
from ...simulator.delivery.winnow import merge_channels, rough_scores, rough_sort, winnow
from ...simulator.engine.engines import Compiled
from ...simulator.engine.serve import serve
from ...simulator.engine.state import Control, State
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from .account import Account, copied
from .stages import LEFT, REST, Stage, Stages, all_of_it, nobody_bids, nobody_reaches_the_reserve, watch_ticks
from .stopwatch import best, processor_seconds

FUNNEL, QUEUE = "funnel", "queue"
PASSED = "requests that went through the funnel"
MORNING_US = 5 * 3600 * 1_000_000  # past the night, so that a tick is some thousands of requests
TICKS = 4  # that are measured
EVERY = 4  # of so many batches one is taken apart

RUNGS: tuple[tuple[str, Callable[[State], State]], ...] = (
    ("queue: servers, sessions", nobody_bids),
    ("queue: auction among candidates", nobody_reaches_the_reserve),
    ("queue: settlement, fatigue, caps", all_of_it),
)


class Sums(NamedTuple):
    """Processor seconds by piece of work, and the requests they were for."""

    seconds: dict[str, float]
    requests: dict[str, int]

    @classmethod
    def new(cls) -> Sums:
        """Nothing yet."""
        return cls(defaultdict(float), defaultdict(int))

    def add(self, name: str, seconds: float, requests: int) -> None:
        """One more piece."""
        self.seconds[name] += seconds
        self.requests[name] += requests

    def each(self) -> dict[str, float]:
        """Microseconds a request."""
        return {name: took * 1e6 / max(self.requests[name], 1) for name, took in self.seconds.items()}


def stages(scenario: Scenario, ticks: int = TICKS, advance: Callable[[], None] | None = None) -> Stages:
    """What a request behind a funnel costs by stage, over some ticks of a morning; `advance()` is called after each."""
    worlds = [World(scenario, {"bidding": PID()}) for _ in range(3)]
    for world in worlds:
        world.run(MORNING_US // scenario.tick_us * scenario.tick_us)
    watched, alone, apart = worlds
    account, pieces = Account(), Sums.new()
    _watch(account, watched)
    _take_apart(pieces, apart)
    before, whole = alone.played, 0.0
    for _ in range(ticks):
        with account.stage(REST):
            watched.run(watched.now + scenario.tick_us)
        whole += processor_seconds(partial(alone.run, alone.now + scenario.tick_us))
        apart.run(apart.now + scenario.tick_us)
        if advance is not None:
            advance()
    requests = alone.played - before
    day = {name: took * 1e6 / requests for name, took in account.seconds.items()}
    # Some go through the funnel twice, since bids have changed, and some in vain, since their users have left.
    passes = pieces.requests[PASSED] / requests
    return Stages(scenario.name, "us", _listed(day, pieces.each(), passes, recall_roofline(apart)), whole * 1e6 / requests)


def _watch(account: Account, world: World) -> None:
    watch_ticks(account, world)
    blocks, engine = world._exchange.blocks, world._engine
    assert isinstance(engine, Compiled)
    winnow_of = blocks.rating._winnow
    assert winnow_of is not None
    assert blocks._demands is not None
    if blocks.coming.planner is None:
        account.watch(blocks.coming, "arrive", "who comes when")
    else:
        account.watch(blocks.coming.planner, "next_block", "who comes when")
    account.watch(blocks._demands, "fill", "what servers are asked")
    account.watch(winnow_of, "_pass", FUNNEL)
    account.watch(winnow_of, "refresh", "tick: bids taken into the index")
    account.watch(blocks, "rate_next", "a block, around that")
    account.watch(engine, "_serve", QUEUE)


def _take_apart(pieces: Sums, world: World) -> None:
    """Has some of the batches and calls of a world done again, piece by piece."""
    winnow_of: Any = world._exchange.blocks.rating._winnow
    engine = world._engine
    assert isinstance(engine, Compiled)
    passed_on, served, met = winnow_of._pass, engine._serve, {"batches": 0, "calls": 0}

    def passing(first: int, skip: int, column: int, users: Any, *batch: Any) -> None:
        passed_on(first, skip, column, users, *batch)
        met["batches"] += 1
        pieces.add(PASSED, 0.0, users.size - skip)
        if met["batches"] % EVERY == 0 and skip == 0:
            batch_again(pieces, winnow_of, first, column, users, *batch)

    def serving(now: int, until: int, addressed: Any, line: Any) -> int:
        name, change = RUNGS[met["calls"] % len(RUNGS)]
        met["calls"] += 1
        state = change(copied(addressed.value))
        again, its_line = Addressed(state), Addressed(copied(line.value))
        play = entry(serve, 0, 0, again, its_line)
        before = made(state)
        seconds = processor_seconds(lambda: play(now, until, again, its_line))
        pieces.add(name, seconds, made(state) - before)
        return int(served(now, until, addressed, line))

    winnow_of._pass = passing
    engine._serve = serving


def made(state: State) -> int:
    """Requests that have been made so far."""
    return int(state.control[Control.NEXT] - state.control[Control.UNMADE])


def batch_again(
    pieces: Sums, its: Any, first: int, column: int, users: Any, context: Any, seen: Any, quotas: Any, rate: Any, ad: Any,
    who: Any, passed: Any, asking: Any = None,
) -> None:  # fmt: skip
    """The steps of `Winnow._pass` alone, on a batch of users that has just been through it."""
    n, people, wanted = users.size, its._desk.value.people, its._wanted
    about, remembers = context or its._plain, seen or its._unseen
    rate, ad, who, passed = (np.zeros_like(array) for array in (rate, ad, who, passed))
    recall = first, users, about, quotas, its._desk
    whole = first, 0, column, users, about, remembers, quotas, its._desk, rate, ad, who, passed, its._said

    def gather() -> None:
        people[:n] = its._users.interests[users]
        wanted[:, :-1] = people[:, : wanted.shape[1] - 1]

    pieces.add("gather", processor_seconds(gather), n)
    steps = ("recall", recalled_alone, recall), ("rough", sorted_alone, (*recall, its._said)), ("fine", winnow, whole)
    for name, step, arguments in steps:
        work = partial(entry(step, *arguments), *arguments)
        product_again = partial(np.matmul, wanted, its._index, out=its._desk.value.scores)
        pieces.add("product", processor_seconds(product_again), n)  # each finds scores as fresh as they come
        pieces.add(name, processor_seconds(work), n)


@kernel(fastmath={"contract", "reassoc"})
def recalled_alone(first: Any, users: Any, context: Any, quotas: Any, desk: Any) -> None:
    """The first stage of `winnow`, of a batch that has been scored."""
    for j in range(users.size):
        tier = desk.tier[desk.segment[users[j]]]
        if quotas[tier, 0, 0] > 0:
            merge_channels(first + j, j, context.query[j], tier, desk)


@kernel(fastmath={"contract", "reassoc"})
def sorted_alone(first: Any, users: Any, context: Any, quotas: Any, desk: Any, said: Any) -> None:
    """The first two stages of `winnow`, at all levels of quotas."""
    for j in range(users.size):
        tier = desk.tier[desk.segment[users[j]]]
        if quotas[tier, 0, 0] == 0:
            continue
        recalled = merge_channels(first + j, j, context.query[j], tier, desk)
        rough_scores(recalled, j, desk, said)
        for level in range(quotas.shape[1]):
            if quotas[tier, level, 0] > 0:
                rough_sort(recalled, level, quotas[tier], desk.scratch)


def recall_roofline(world: World) -> dict[str, float]:
    """Microseconds a request for recall's product by BLAS, and for NumPy's partial selection of as many of its scores."""
    its = world._exchange.blocks.rating._winnow
    assert its is not None
    scores, kept = its._desk.value.scores.copy(), int(its._desk.value.channels[0, Channel.INDEX])
    with one_blas_thread():
        by_blas = best(lambda k: processor_seconds(lambda: np.matmul(its._wanted, its._index, out=scores)))
        by_numpy = best(lambda k: processor_seconds(lambda: np.argpartition(scores, -kept, axis=1)))
    return {"product": by_blas * 1e6 / len(scores), "selection": by_numpy * 1e6 / len(scores)}


def _listed(day: dict[str, float], pieces: dict[str, float], passes: float, line: dict[str, float]) -> list[Stage]:
    """The stages in the order in which a request goes through them; through the funnel so many times on average."""
    funnel = [
        Stage("funnel: gather", passes * pieces["gather"]),
        Stage("recall: scores", passes * pieces["product"], passes * line["product"]),
        Stage("recall: the best of them, other channels", passes * pieces["recall"], passes * line["selection"]),
        Stage("rough sort, all levels of quotas", passes * (pieces["rough"] - pieces["recall"])),
        Stage("fine sort, all levels of quotas", passes * (pieces["fine"] - pieces["rough"])),
    ]
    rungs = [pieces[name] for name, _ in RUNGS]
    queue = [Stage(name, cost) for (name, _), cost in zip(RUNGS, np.diff(rungs, prepend=0.0).tolist(), strict=True)]
    ticks = sorted(name for name in day if name.startswith("tick"))
    found = [Stage(name, day[name]) for name in ("who comes when", "what servers are asked")]
    found += [*funnel, Stage(f"{FUNNEL}: {LEFT}", day[FUNNEL] - sum(stage.cost for stage in funnel))]
    found.append(Stage("a block, around that", day["a block, around that"]))
    found += [*queue, Stage(f"{QUEUE}: {LEFT}", day[QUEUE] - sum(stage.cost for stage in queue))]
    return [*found, *(Stage(name, day[name]) for name in [*ticks, REST])]
