"""The command of rankers: explores a log, trains on it, judges, pays for labels; `studying` holds those that play markets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from . import terminal
from .studying import RankLoop, RankRecall, RankScaling


@dataclass
class Eda:
    """What is in a log: label rates and their drift, vocabularies, position bias, delays, leaks; as tables and picture.

    Args:
        log: the folder of a journal that `adarena simulate --journal` wrote.
        out: folder for eda.json and the picture.
    """

    log: Path
    out: Path = Path("out/rank")

    def run(self) -> None:
        from ..rankers import exploring

        exploring.command(terminal.console, self.log, terminal.folder(self.out))


@dataclass
class RankTrain:
    """Trains a ranker on the first part of a log; `adarena rank eval OUT --log DIR` judges it on the last.

    Args:
        model: bias, lr, fm, ffm, deepfm, dcn, din, transformer, esmm, shared-bottom, mmoe, ple, position, cold, two-tower
            or multimodal; see `adarena list models`.
        log: the folder of a journal that `adarena simulate --journal` wrote.
        out: folder for ranker.zip, its checkpoint and its curve.
        seed: of weights, order and which negatives are kept.
        resume: go on from the checkpoint in that folder.
        fresh: begin anew in a folder that holds a run, which is deleted.
        settings: of training (learning_rate, batch, epochs, kept, chain=clicked,converted, ...) or of the model (k=16).
    """

    model: Annotated[str, tyro.conf.Positional]
    log: Path
    out: Path = Path("out/rank")
    seed: int = 0
    resume: bool = False
    fresh: bool = False
    settings: terminal.Settings = ()

    def run(self) -> None:
        from ..rankers import commands

        plan = commands.settings_of(self.model, self.seed, self.settings)
        again = terminal.resuming(("rank", "train"))
        commands.learn(terminal.console, self.log, plan, terminal.folder(self.out), self.resume, self.fresh, again)


@dataclass
class RankEval:
    """Judges rankers on the last part of a log: AUC, GAUC, log loss, normalised entropy, PCOC, ECE, beside the truth.

    Args:
        runs: folders of trainings, or files of rankers.
        log: the folder of a journal.
        out: folder for eval.json and the picture.
        train, valid: shares of the log that are left out of the test, the second for calibration.
        calibrate: isotonic, platt or temperature, fitted on the validation part.
        by: a feature, such as segment, each value of which has a calibration of its own.
        trees: also grow LightGBM's trees on the training part, which is held in memory (extra `trees`).
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    log: Path
    out: Path = Path("out/rank")
    train: float = 0.8
    valid: float = 0.1
    calibrate: Literal["isotonic", "platt", "temperature"] | None = None
    by: str = ""
    trees: bool = False

    def run(self) -> None:
        from ..rankers import commands, judging

        terms = judging.Terms((self.train, self.valid), self.calibrate, self.by, self.trees)
        commands.evaluate(terminal.console, self.runs, self.log, terminal.folder(self.out), terms)


@dataclass
class RankLabel:
    """What labels of new ads teach where impressions are few: at random, where least is known, where most may be hoped for.

    Args:
        log: the folder of a journal that tells what ads look like, best of a market that shows them at random.
        out: folder for label.json and the picture.
        impressions: of an ad, that make its label.
        first: ads labelled at random to begin with.
        step: ads labelled in each round.
        rounds: of them.
        apart: share of the ads that are kept apart, and judged.
        seeds: repetitions, each with other ads kept apart and other first labels.
    """

    log: Path
    out: Path = Path("out/rank")
    impressions: int = 20
    first: int = 10
    step: int = 10
    rounds: int = 12
    apart: float = 0.5
    seeds: int = 20

    def run(self) -> None:
        from ..rankers import commands, labelling

        budget = labelling.Budget(self.impressions, self.first, self.step, self.rounds, self.apart, self.seeds)
        commands.label(terminal.console, self.log, terminal.folder(self.out), budget)


def rank(
    what: Annotated[
        Annotated[Eda, tyro.conf.subcommand("eda", prefix_name=False)]
        | Annotated[RankTrain, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[RankEval, tyro.conf.subcommand("eval", prefix_name=False)]
        | Annotated[RankLabel, tyro.conf.subcommand("label", prefix_name=False)]
        | Annotated[RankLoop, tyro.conf.subcommand("loop", prefix_name=False)]
        | Annotated[RankRecall, tyro.conf.subcommand("recall", prefix_name=False)]
        | Annotated[RankScaling, tyro.conf.subcommand("scaling", prefix_name=False)],
        tyro.conf.arg(name=""),
    ],
) -> None:
    """Rankers learned from a journal: explores a log (eda), trains (train) and judges them (eval), and more."""
    what.run()
