"""The command that explores a log, trains rankers on it and judges them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from . import terminal


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
        from ..rankers import commands

        commands.eda(terminal.console, self.log, terminal.folder(self.out))


@dataclass
class RankTrain:
    """Trains a ranker on the first part of a log; `adarena rank eval OUT --log DIR` judges it on the last.

    Args:
        model: lr, fm, ffm, deepfm, dcn, din, transformer, esmm, shared-bottom, mmoe, ple, position or two-tower.
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


def rank(
    what: Annotated[
        Annotated[Eda, tyro.conf.subcommand("eda", prefix_name=False)]
        | Annotated[RankTrain, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[RankEval, tyro.conf.subcommand("eval", prefix_name=False)],
        tyro.conf.arg(name=""),
    ],
) -> None:
    """Rankers learned from a journal: explores a log (eda), trains a model (train), judges it beside the truth (eval)."""
    what.run()
