"""Where the time of an auction goes: nanoseconds by stage, from stopwatches around the calls of a world as it runs.

The walk is one compiled call, so it is taken apart by what it is given: copies of its state in which nobody bids, nobody
reaches the reserve, no slot is seen, or clicks alone are charged. Each is the same code, and a stage is what one costs
more than the one before. The steps of scoring are each done again alone, on the users of a block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from ...agents.bidding.pid import PID
from ...simulator.core.addressed import Addressed
from ...simulator.core.arrays import CHUNK
from ...simulator.core.compiled import entry
from ...simulator.engine.engines import Compiled
from ...simulator.engine.state import Control, State
from ...simulator.engine.walk import ALL, walk
from ...simulator.population.campaigns import Billing
from ...simulator.population.rates import NOTHING, InterestRates
from ...simulator.population.scoring import rate_all
from ...simulator.requests.traffic import NEVER
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..output.tables import plain_table
from .account import Account, copied
from .roofline import roofline
from .stopwatch import processor_seconds

SCORING, WALK, REST = "scoring", "walk", "SimPy, and what lies between the calls"
LEFT = "not told apart"
REPEATS = 8
TURNS = 6  # of a day


class Stage(NamedTuple):
    """What a stage costs, and what the same costs where nothing else is done; None where nothing can be held beside it."""

    name: str
    cost: float
    roofline: float | None = None


class Stages(NamedTuple):
    """What a request of a scenario costs by stage, in a unit; `whole` is the same run without a stopwatch in it."""

    scenario: str
    unit: str
    stages: list[Stage]
    whole: float

    @property
    def total(self) -> float:
        """Of all stages."""
        return sum(stage.cost for stage in self.stages)


# In vivo


def watched(scenario: Scenario, seed: int) -> tuple[dict[str, float], float]:
    """Nanoseconds a request by stage, and of the same day without stopwatches.

    The two days are played by turns, a few hours each: a machine that is slow for a while is slow for both. Blocks of both are
    drawn step by step, as they are where somebody looks at them, since no stopwatch fits into what compiled code does alone.
    """
    world, alone = (step_by_step(scenario, seed) for _ in range(2))
    account, whole, turns = Account(), 0.0, np.linspace(0, scenario.ticks_per_day, TURNS + 1).astype(int)[1:]
    watch_ticks(account, world)
    blocks, engine = world._exchange.blocks, world._engine
    assert isinstance(engine, Compiled)
    account.watch(blocks.coming, "arrive", "who comes when")
    account.watch(blocks.rating._rates, "fill", SCORING)
    account.watch(blocks, "count_offered", "sums of what was offered")
    account.watch(blocks, "rate_next", "a block, around that")
    account.watch(world._exchange, "_cap_all", "caps of a block")
    account.watch(engine, "_walk", WALK)
    for tick in turns.tolist():
        with account.stage(REST):
            world.run(tick * scenario.tick_us)
        whole += processor_seconds(partial(alone.run, tick * scenario.tick_us))
    return {name: took * 1e9 / world.played for name, took in account.seconds.items()}, whole * 1e9 / alone.played


def step_by_step(scenario: Scenario, seed: int) -> World:
    """A world whose blocks are drawn step by step, since somebody looks at them."""
    world = World(scenario, {"bidding": PID()}, seed=seed)
    world._exchange.blocks.on_block.append(lambda: None)
    return world


def watch_ticks(account: Account, world: World) -> None:
    """Stopwatches around all that happens once in a tick."""
    for roster in world._rosters:
        account.watch(roster.seat, "views", "tick: views")
        account.watch(roster.seat, "apply", "tick: decisions applied")
        account.watch(roster.seat, "check", "tick: decisions applied")
        for holding in roster.holdings:
            account.watch(holding.policy, "decide", "tick: policies")
    account.watch(world._exchange, "open_tick", "tick: opened, bids refreshed")
    account.watch(world._exchange, "refresh", "tick: opened, bids refreshed")
    for books in world.books.values():
        account.watch(books, "close_tick", "tick: books")


# The walk and the scoring, taken apart


def nobody_bids(state: State) -> State:
    """No campaign takes part."""
    state.bids.live[:] = 0
    return state


def nobody_reaches_the_reserve(state: State) -> State:
    """All campaigns are looked at, and none is good enough."""
    state.bids.floor[:] = np.inf
    return state


def nothing_is_seen(state: State) -> State:
    """Slots are won that nobody sees."""
    state.block.slots_seen[:] = 0
    return state


def clicks_are_charged(state: State) -> State:
    """Ads are priced and shown, clicks drawn and followed up, and nothing but the few clicks is charged."""
    by_click = np.full_like(state.terms.billing, Billing.CPC)
    by_click.flags.writeable = state.terms.billing.flags.writeable
    return state._replace(terms=state.terms._replace(billing=by_click))


def all_of_it(state: State) -> State:
    """As it is."""
    return state


LADDER: tuple[tuple[str, Callable[[State], State]], ...] = (
    ("walk: from request to request", nobody_bids),
    ("walk: selection", nobody_reaches_the_reserve),
    ("walk: slots won, click rates fetched", nothing_is_seen),
    ("walk: prices, clicks, conversions", clicks_are_charged),
    ("walk: charges, budgets", all_of_it),
)


def taken_apart(scenario: Scenario, seed: int) -> dict[str, float]:
    """Nanoseconds a request of each rung of `LADDER`, and of each step of scoring alone, over the blocks of a day.

    A block is given to one rung only: whoever came second would find its click rates in the processor's cache.
    """
    world = step_by_step(scenario, seed)
    rates, found = world._exchange.blocks.rating._rates, defaultdict[str, list[float]](list)
    score, before = world._exchange.score, np.zeros(CHUNK, np.int64)

    def scored() -> None:
        score()
        state, number = world._exchange.state, len(found["gather"])
        steps = scoring_steps(rates, before) if isinstance(rates, InterestRates) else {}
        for name, step in steps.items():
            found[name].append(processor_seconds(step))
        before[:] = state.block.users
        name, change = LADDER[number % len(LADDER)]
        if state.block.times[-1] < NEVER:  # a full block
            found[name].append(walked(change(copied(state))))

    world._exchange.score = scored  # type: ignore[method-assign]
    world.run()
    return {name: float(np.median(took)) * 1e9 / CHUNK for name, took in found.items()}


def walked(state: State) -> float:
    """Processor seconds in which a block is walked to its end."""
    state.control[Control.DRAWER] = 0
    addressed = Addressed(state)
    walk_on = entry(walk, 0, 0, addressed)
    return processor_seconds(partial(walk_on, int(NEVER), ALL, addressed))


def scoring_steps(rates: InterestRates, users: Any) -> dict[str, Callable[[], Any]]:
    """What `InterestRates.fill` does where there is no ad, and all of it, for these users, into another array."""
    out = np.empty((len(rates._bias), CHUNK), np.float32)
    arrays = rates._ads, rates._bias, *NOTHING, rates._columns, out
    none = rates._ads[:0], rates._bias[:0], *NOTHING, rates._columns, out[:0]
    rate = entry(rate_all, users, rates._users, *arrays)
    return {"gather": partial(rate, users, rates._users, *none), "scoring": partial(rate, users, rates._users, *arrays)}


# Together


def stages(scenario: Scenario, repeats: int = REPEATS, advance: Callable[[], None] | None = None) -> Stages:
    """What an auction costs by stage, nanoseconds, beside the roofline; `advance()` is called after each of the repetitions.

    Everything is measured in each repetition, and the least of each counts: what else the machine does can only add to it.
    """
    watched(scenario, 0), taken_apart(scenario, 0)
    lines, days, parts = [], [], []
    for seed in range(1, repeats + 1):
        lines.append(roofline_of(scenario))
        days.append(watched(scenario, seed))
        parts.append(taken_apart(scenario, seed))
        if advance is not None:
            advance()
    watches, wholes = zip(*days, strict=True)
    return Stages(scenario.name, "ns", listed(_best(watches), _best(parts), _best(lines)), min(wholes))


def roofline_of(scenario: Scenario) -> dict[str, float]:
    """The roofline at the size of a scenario."""
    assert scenario.demand.kind == "drawn"
    return roofline(scenario.demand.campaigns, scenario.auction.slots, scenario.users.count, scenario.users.dimensions)


def _best(of_many: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: min(found[name] for found in of_many) for name in of_many[0]}


def listed(day: dict[str, float], parts: dict[str, float], line: dict[str, float]) -> list[Stage]:
    """The stages in the order in which an auction goes through them, and what is left of a call beside its parts."""
    product = line["product"] + line["bias"] + line["sigmoid"]
    steps = [
        Stage("scoring: gather, transposition", parts["gather"], line["gather"]),
        Stage("scoring: product, bias, sigmoid", parts["scoring"] - parts["gather"], product),
    ]
    reached = [parts[name] for name, _ in LADDER]
    rungs = [
        Stage(name, cost, line["selection"] if name == "walk: selection" else None)
        for (name, _), cost in zip(LADDER, np.diff(reached, prepend=0.0).tolist(), strict=True)
    ]
    inside = {SCORING: steps, WALK: rungs}
    order = ["who comes when", SCORING, "sums of what was offered", "a block, around that", "caps of a block", WALK]
    order += [*sorted(name for name in day if name.startswith("tick")), REST]
    found: list[Stage] = []
    for name in order:
        its = inside.get(name)
        if its is None:
            found.append(Stage(name, day[name]))
        else:
            found += [*its, Stage(f"{name}: {LEFT}", day[name] - sum(stage.cost for stage in its))]
    return found


def table(found: Stages) -> Table:
    """A row per stage."""
    out = plain_table(
        f"Stages of a request of {found.scenario}, {found.unit}",
        caption="Roofline: the same step where nothing else is done. Whole: the same days without a stopwatch.",
    )
    out.add_column("stage", no_wrap=True)
    for column in (found.unit, "share", "roofline", "over it"):
        out.add_column(column, justify="right")
    for name, cost, line in found.stages:
        beside = ("", "") if line is None else (f"{line:.1f}", f"{cost / line:.2f}")
        out.add_row(name, f"{cost:.1f}", f"{cost / found.total:.1%}", *beside)
    out.add_section()
    out.add_row("together", f"{found.total:.1f}", "100%", "", "")
    out.add_row("whole", f"{found.whole:.1f}", f"{found.whole / found.total:.1%}", "", "")
    return out


def to_json(found: Stages) -> dict[str, Any]:
    """The same for `--json`."""
    stages = [stage._asdict() for stage in found.stages]
    return {**found._asdict(), "stages": stages, "total": found.total}
