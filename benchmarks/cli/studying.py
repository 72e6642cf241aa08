"""Commands of rankers that play markets of their own: the feedback loop, recall by semantic ids, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from . import terminal

if TYPE_CHECKING:
    from ...simulator.scenario.tree import Scenario


@dataclass
class RankLoop:
    """The feedback loop: rankers that learn, one after the other, from the logs which the ones before made; in the market.

    Run again after it was stopped, it goes on where it was.

    Args:
        model: as `adarena rank train` has it.
        scenario: a preset, or a YAML file; the market in which rankers are judged, and that makes logs of more days.
        days: how long a log lasts.
        rounds: how many rankers are trained one after the other.
        explored: shares of the requests in which the makers of logs explore; a loop for each.
        warm: a ranker goes on from the weights of the one before, and so has learned from all logs so far.
        calibrate: isotonic, platt or temperature, fitted on each log's validation part.
        by: a feature, such as segment, each value of which has a calibration of its own.
        stage: of the funnel, in which rankers stand: recall, rough, fine, which is the auction, or all.
        seeds: how many test worlds, which all rankers have alike.
        skip: how many test seeds to leave out before them.
        first: seed of the first log, a training seed; the other rounds have those that follow.
        seed: of weights and order.
        fresh: begin anew in a folder that holds a loop, which is deleted.
        out: folder for logs, rankers, result.json and loop.png.
        learning: settings of training or of the model, e.g. prior=belief learning_rate=0.003.
        settings: fields of the scenario to change, e.g. rates.belief_noise=0.8.
    """

    model: Annotated[str, tyro.conf.Positional]
    scenario: str = "bidding-small"
    days: int = 6
    rounds: int = 3
    explored: tuple[float, ...] = (0.0,)
    warm: bool = False
    calibrate: Literal["isotonic", "platt", "temperature"] | None = None
    by: str = ""
    stage: Literal["recall", "rough", "fine", "all"] = "fine"
    seeds: int = 8
    skip: int = 0
    first: int = 700_000
    seed: int = 0
    fresh: bool = False
    out: Path = Path("out/loop")
    learning: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SETTING=VALUE ...")] = ()
    settings: terminal.Settings = ()

    def run(self) -> None:
        from ..feedback import commands, plan

        learned = commands.learning(self.model, self.seed, self.learning)
        market = terminal.scenario(self.scenario, self.settings)
        loop = plan.Plan(
            market, self.days, learned, self.rounds, self.explored, self.warm, self.calibrate, self.by, self.stage, self.seeds,
            self.skip, self.first,
        )  # fmt: skip
        commands.run(terminal.console, loop, terminal.folder(self.out), self.fresh, terminal.resuming())


@dataclass
class RankRecall:
    """Two towers beside generative retrieval by semantic ids: recall of what users click, of all ads, beside the truth.

    Args:
        scenario: as `adarena rank scaling` takes it.
        seeds: of weights and order.
        length: impressions of a user, of which the last eight are asked for.
        users: how many.
        out: folder for the journal and recall.json.
        settings: fields of the scenario to change.
    """

    scenario: str | None = None
    seeds: int = 3
    length: int = 64
    users: int = 5_000
    out: Path = Path("out/scaling")
    settings: terminal.Settings = ()

    def run(self) -> None:
        from ..scaling import commands

        market, folder = _behaviour(self.scenario, self.settings), terminal.folder(self.out)
        commands.recall(terminal.console, market, self.seeds, self.length, self.users, folder)


@dataclass
class RankScaling:
    """Loss of models of behaviour over compute, data and parameters, beside floors that are known: a market is played first.

    Run again after it was stopped, it goes on where it was. A GPU is used where torch has one.

    Args:
        scenario: a preset or a YAML file with one impression a request; by default thirty days of `bidding-small` with eight
            dimensions of taste, a hundred ads and one slot.
        sizes: models, WIDTHxLAYERS each.
        seeds: of weights and of the order of users.
        tokens: impressions that each is trained on; it is judged at a sixteenth, an eighth, ... of them as well.
        length: impressions of a user.
        tested: users who are held out.
        jobs: processes that share the work.
        fresh: train anew what an earlier run has trained.
        out: folder for the journal, the runs, scaling.json and the picture.
        settings: fields of the scenario to change, e.g. users.dimensions=4.
    """

    scenario: str | None = None
    sizes: tuple[str, ...] = ("8x1", "16x1", "32x2", "64x3", "128x5")
    seeds: int = 3
    tokens: int = 1_200_000
    length: int = 64
    tested: int = 1_000
    jobs: int = 1
    fresh: bool = False
    out: Path = Path("out/scaling")
    settings: terminal.Settings = ()

    def run(self) -> None:
        from ..comparison.workers import hired
        from ..scaling import commands

        market = _behaviour(self.scenario, self.settings)
        terms = commands.Terms(self.sizes, self.seeds, self.tokens, self.length, self.tested)
        with hired(self.jobs, None) as crew:
            commands.command(terminal.console, market, terms, crew, self.fresh, terminal.folder(self.out))


def _behaviour(name: str | None, settings: tuple[str, ...]) -> Scenario:
    """The market of sequences of behaviour, or another by name."""
    from ..scaling import sequences

    market = sequences.market() if name is None else terminal.scenario(name, ())
    return market.override([*settings]) if settings else market
