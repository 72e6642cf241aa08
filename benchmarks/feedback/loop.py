"""The feedback loop: logs, trainings and test worlds, each a step that is kept, so that a loop goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...agents.hindsight.ranking import Knows
from ...agents.rankers.logs import Log
from ...agents.rankers.metrics import auc
from ...agents.rankers.ranker import NAME, load_ranker
from ...agents.rankers.seated import Seated
from ...agents.rankers.training import CHECKPOINT, train
from ...agents.ranking.dealt import DealtRates
from ...agents.ranking.ecpm import ECPM
from ...agents.ranking.goal import left
from ...simulator.books.journal import Logs
from ...simulator.core.arrays import Floats
from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError
from ...simulator.delivery.queue import Served
from ...simulator.engine.state import Count
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.world import World
from ..rankers.judging import bent
from .pairs import Pairs, knows
from .plan import Plan

PLAN = "loop.json"
BELIEF, TRUTH = "what the market believed", "the truth"
NUMBERS = ("value", "left", "revenue", "requests", "borne", "clicks", "server_s")
Numbers = Mapping[str, float]


class Round(NamedTuple):
    """One ranker of a loop, or what the market believed; S test worlds."""

    share: float  # of requests that explore in logs
    number: int  # 0: what the market believed
    log: Numbers  # of the log that it made: `NUMBERS`, and what was predicted over what came
    offline: Numbers  # on the last part of the log that it learned from; empty for round 0
    pairs: Numbers  # over all pairs; empty where the truth is of more than pairs
    market: Mapping[str, Floats]  # `NUMBERS` in the test worlds, (S,)


class Found(NamedTuple):
    """All that a loop has found."""

    plan: Plan
    rounds: tuple[Round, ...]  # by share, in order
    truth: Mapping[str, Floats]  # `NUMBERS` of the ranker that knows, (S,); empty where nobody can


def run(plan: Plan, out: Path, fresh: bool = False, advance: Callable[[], None] = lambda: None) -> Found:
    """Runs what is left of a loop in a folder; `advance` is called after each of `steps(plan)` steps.

    Raises:
        MarketError: if the folder holds another loop, and `fresh` does not have it deleted.
    """
    _open(plan, out, fresh)

    def kept(path: Path, step: Callable[[], Numbers]) -> Numbers:
        """What a step has found, if it was done, else what it finds now."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, json.dumps(dict(step())))
        advance()
        numbers: Numbers = json.loads(path.read_text())
        return numbers

    def judged(folder: Path, policy: Callable[[int], RankingPolicy]) -> Mapping[str, Floats]:
        """`NUMBERS` in all test worlds."""
        worlds = [(folder / f"world-{seed}.json", seed) for seed in plan.test_seeds]
        rows = [kept(path, partial(_tested, plan.scenario, policy, seed)) for path, seed in worlds]
        return {key: np.array([row[key] for row in rows]) for key in NUMBERS}

    believed = judged(out / "belief", lambda _: ECPM())
    known = knows(plan.scenario)
    truth: Mapping[str, Floats] = {}
    if known:
        truth = judged(out / "truth", partial(Knows, plan.scenario, weights=Weights(1.0)))
    rounds = []
    for share, number in product(plan.shares, range(plan.rounds + 1)):
        folder, before = (out / f"explored-{share:g}" / f"round-{n}" for n in (number, number - 1))
        offline: Numbers = {}
        if number:
            offline = kept(folder / "offline.json", partial(_learned, plan, folder, before))
        log = kept(folder / "log.json", partial(_logged, plan, share, number, folder))
        pairs = kept(folder / "pairs.json", partial(_of_pairs, plan, number, folder)) if known else {}
        market = judged(folder, partial(_seated, plan, folder, 0.0)) if number else believed
        rounds.append(Round(share, number, log, offline, pairs, market))
    return Found(plan, tuple(rounds), truth)


def steps(plan: Plan) -> int:
    """How many there are: worlds of the belief, the truth and each ranker; logs, trainings, judgements."""
    known, shares = knows(plan.scenario), len(plan.shares)
    return (1 + known + shares * plan.rounds) * plan.seeds + shares * (plan.rounds + (1 + known) * (plan.rounds + 1))


def _open(plan: Plan, out: Path, fresh: bool) -> None:
    """Makes the folder that of this loop."""
    told, path = plan.told(), out / PLAN
    if path.exists() and path.read_text() != told and not fresh:
        raise MarketError(f"{str(out)!r} holds another loop: take another folder, or begin anew (fresh)")
    if fresh and path.exists():
        for folder in (out / "belief", out / "truth", *out.glob("explored-*")):
            shutil.rmtree(folder, ignore_errors=True)
    write(path, told)


def _learned(plan: Plan, folder: Path, before: Path) -> Numbers:
    """Trains the ranker of a round on the log of the one before; how good it is on that log's last part."""
    log = Log(before / "journal")
    begin = str(before) if plan.warm and (before / NAME).exists() else ""
    settings = dataclasses.replace(plan.settings, begin=begin)
    ranker = train(log, settings, folder, resume=(folder / CHECKPOINT).exists())
    _, valid, test = log.split(settings.train, settings.valid)
    own = ranker.card.schema
    if plan.method is not None:
        ranker = bent(ranker, log.whole(own, valid, ranker.card.chain), plan.method, plan.by)
        ranker.save(folder / NAME)
    found = log.whole(own, test, ranker.card.chain)
    rates, came = ranker.predicted(found)[:, 0], found.labels[:, 0]
    told = {"auc": auc(rates, came), "pcoc": float(rates.sum() / came.sum()), "belief_auc": auc(found.believed, came)}
    return told | {"belief_pcoc": float(found.believed.sum() / came.sum()), "truth_auc": auc(found.truth, came)}


def _logged(plan: Plan, share: float, number: int, folder: Path) -> Numbers:
    """Has the ranker of a round, or the platform, make the log from which the next one learns."""
    seed = plan.log_seed(number)
    policy = _seated(plan, folder, share, seed) if number else DealtRates(share=share)
    numbers = _played(plan.log_scenario, policy, seed, folder / "journal")
    believed = sum(float(chunk["believed_rate"].sum()) for chunk in Log(folder / "journal").chunks(("believed_rate",)))
    return {**numbers, "pcoc": believed / numbers["clicks"]}


def _of_pairs(plan: Plan, number: int, folder: Path) -> Numbers:
    """How good the ranker of a round is over all pairs."""
    return Pairs(plan.log_scenario, plan.log_seed(number)).judge(load_ranker(folder) if number else None)


def _seated(plan: Plan, folder: Path, share: float, _: int) -> RankingPolicy:
    return Seated(path=str(folder), stage=plan.stage, explored=share)


def _tested(scenario: Scenario, policy: Callable[[int], RankingPolicy], seed: int) -> Numbers:
    return _played(scenario, policy(seed), seed)


def _played(scenario: Scenario, policy: RankingPolicy, seed: int, journal: Path | None = None) -> Numbers:
    """`NUMBERS` of a world."""
    world = World(scenario, {"ranking": policy}, seed=seed, journal=None if journal is None else Logs(journal, features=True))
    world.run()
    counts = world.ledger.counts[: world.ledger.closed].sum(axis=(0, 2))
    work = 0 if world.serving is None else int(world.serving.counts[:, Served.WORK_US].sum())
    return {
        "value": float(world.ledger.value().sum()),
        "left": left(world),
        "revenue": float(world.ledger.spend().sum()),
        "requests": int(world.played),
        "borne": int(counts[Count.IMPRESSIONS] - counts[Count.CLICKS]),
        "clicks": int(counts[Count.CLICKS]),
        "server_s": work / 1e6,
    }
