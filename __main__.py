"""The command line: simulate a day, compare policies, replay a log, measure speed, check against theory."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import tyro

from . import __version__
from .benchmarks.cli.checking import realism, results, speed, theory, warm
from .benchmarks.cli.comparing import abtest, bench, mixes, servers, tune, whatif
from .benchmarks.cli.live import live
from .benchmarks.cli.overview import overview
from .benchmarks.cli.playing import quotas, replay, scale, simulate
from .benchmarks.cli.ranking import rank
from .benchmarks.cli.telling import list_, scenario
from .benchmarks.cli.terminal import console
from .benchmarks.cli.training import evaluate, train
from .benchmarks.cli.words import flowing, understood
from .simulator.core.errors import AdArenaError

DEMO_STEPS = 100_000  # a minute or two of training; what it takes to beat every classic is in the README


def demo(out: Path = Path("out/demo")) -> None:
    """Trains a small agent, compares it with bidders on a small market over 20 days, and draws one day of the large one.

    Args:
        out: folder for the files.
    """
    from .benchmarks.suites import suite as named

    agent, policies = out / "agent", named("bidding").compared
    _say(
        f"1 of 3: an agent learns to bid for a campaign of bidding-small, in {DEMO_STEPS:,} decisions. Its mean return is 1 "
        "where a day brings the campaign as much value as an expected day does."
    )
    train(timesteps=DEMO_STEPS, out=agent, resume=(agent / "checkpoint.pt").exists())
    _say(f"\n2 of 3: the agent and {len(policies)} bidders that need no training each play the same 20 days for one campaign.")
    bench("bidding", policies=(*policies, f"ppo=agent:{agent}"), jobs=2, out=out)
    _say("\n3 of 3: a day of the larger market bidding, where PID controllers bid for all campaigns.")
    simulate(out=out)
    _say(f"\nOpen {out / 'report.html'} and {out / 'day.png'}.")
    _say("What the numbers mean: docs/seats/bidding.md#what-make-demo-prints")


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


LEARNING = {"torch", "stable_baselines3", "sklearn"}  # what the extra `rl` brings; simulating needs none of it
MACHINE = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # what becomes of a write when the machine fails
GROUPS = {  # of commands, in the order in which one meets them
    "To begin with": {"demo": demo, "list": list_, "scenario": scenario},
    "Play a market": {"simulate": simulate, "live": live, "whatif": whatif, "abtest": abtest, "replay": replay},
    "Compare policies": {"bench": bench, "tune": tune, "mixes": mixes, "servers": servers},
    "Learn": {"train": train, "evaluate": evaluate, "rank": rank},
    "Size a market": {"quotas": quotas, "scale": scale},
    "Check": {"theory": theory, "realism": realism, "speed": speed, "results": results, "warm": warm},
}
COMMANDS = {name: flowing(command) for group in GROUPS.values() for name, command in group.items()}


def main() -> None:
    """Runs a command; an error of the user's is one sentence on standard error and exit status 2."""
    from .benchmarks.output.stopping import status, terminable

    try:
        words = understood(sys.argv[1:], COMMANDS)
        if words == ["--version"]:
            print(f"adarena {__version__}")
            return
        if words in ([], ["-h"], ["--help"]):
            overview(GROUPS)
            return
        with terminable():
            tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                args=words,
                prog="adarena",
                description="A market of ads in a box: simulate it, hand its seats to policies, compare them.",
            )
    except AdArenaError as error:
        print(f"adarena: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        print(f"adarena: {str(stop) or 'stopped'}", file=sys.stderr)
        raise SystemExit(status(stop)) from None
    except ModuleNotFoundError as error:
        if (absent := (error.name or "").partition(".")[0]) not in LEARNING:
            raise
        print(f"adarena: this needs {absent}, which is not installed: pip install 'adarena[rl]'", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in MACHINE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else what is left to print fails again at the end
        if error.errno != errno.EPIPE:  # a reader who has seen enough, such as `head`, is no fault
            print(f"adarena: the output cannot be written: {os.strerror(error.errno)}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
