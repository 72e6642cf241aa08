"""The command line: simulate a day, compare policies, replay a log, measure speed, check against theory."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from .benchmarks.output.tables import plain_console
from .benchmarks.suites import SUITES
from .simulator.core.errors import AdArenaError, MarketError

if TYPE_CHECKING:
    from .simulator.scenario.tree import Scenario

SuiteName = Annotated[Literal[*SUITES], tyro.conf.Positional]
Ray = Annotated[str | None, tyro.conf.arg(metavar="ADDRESS|local")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE ...")]
Seated = Annotated[tuple[str, ...], tyro.conf.arg(name="policy", metavar="SEAT=POLICY ...")]
console = plain_console()

DEMO_STEPS = 100_000  # a minute or two of training; what it takes to beat every classic is in the README


def simulate(
    scenario: str = "bidding",
    bidder: str = "pid",
    policies: Seated = (),
    engine: Literal["compiled", "events"] = "compiled",
    seed: int = 0,
    days: int | None = None,
    out: Path = Path("out/simulate"),
    figure: bool = True,
    journal: bool = False,
    settings: Settings = (),
) -> None:
    """Runs a market, prints its day and draws it.

    Args:
        scenario: a preset (bidding, bidding-small, bidding-tcpa, feed, overload, coldstart, search, leads, ...) or a YAML file.
        bidder: who bids for all campaigns, e.g. pid, dual:step=0.05 or mymodule:MyBidder.
        policies: who decides in other seats, e.g. compute=mpc or compute=mymodule:MyPolicy; by default nobody.
        engine: blocks in compiled code, or each request as a SimPy process.
        seed: the days that are lived through.
        days: how many; by default as the scenario says.
        out: folder for the pictures and the journal.
        figure: draw the day, and what else the market has: delivery, traffic tiers, users, leads.
        journal: log requests, impressions, events, features and candidates as Parquet (docs/journal.md).
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .benchmarks import simulating

    market, seated = _scenario(scenario, settings, days), simulating.seated(bidder, policies)
    folder = _folder(out) if figure or journal else out
    simulating.command(console, market, seated, seed, engine, folder, figure, journal)


def bench(
    suite: SuiteName,
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    seeds: int = 20,
    skip: int = 0,
    reference: str | None = None,
    rivals: str | None = None,
    jobs: int = 1,
    ray: Ray = None,
    fresh: bool = False,
    out: Path = Path("out/bench"),
    settings: Settings = (),
) -> None:
    """Compares policies on the same test days, beside hindsight; writes results, figures and a report.

    Run again after it was stopped, it goes on where it was: out/results.sqlite keeps what has been measured.

    Args:
        suite: which decision is compared.
        policies: by name, with settings (dual:step=0.05), your own (mymodule:MyBidder), trained (agent:FOLDER), or
            @FILE of `adarena tune`; LABEL=POLICY gives one a shorter name, LABEL=POLICY+POLICY takes the mean of several. A
            path that exists is taken whole, whatever is in it; elsewhere a + joins only where a policy follows it, and a
            label holds no colon. Write ./@x.py:MyBidder for a file whose name begins with @. By default those of the suite
            (bidding: truthful random fixed mcpc lin dual pid).
        scenario: a preset or a YAML file; by default the suite's (bidding: bidding-small).
        seeds: how many days.
        skip: how many test days to leave out before them, such as those that an earlier comparison has looked at.
        reference: the policy against which differences are taken; by default the suite's (bidding: fixed).
        rivals: who decides for all others, a mix of the suite, by default its first (bidding: mixed, pid, fixed or dual).
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        fresh: measure anew what an earlier run has measured.
        out: folder for the files.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .benchmarks import commands as comparing
    from .benchmarks.comparison.workers import hired
    from .benchmarks.suites import suite as named

    seat = named(suite)
    market, folder = _scenario(seat.scenario if scenario is None else scenario, settings), _folder(out)
    with hired(jobs, ray) as crew:
        terms = comparing.Terms(rivals, crew, _command(), skip, fresh)
        comparing.compare(console, seat, market, policies, seeds, reference, folder, terms)


def tune(
    suite: SuiteName,
    out: Path,
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    configurations: int = 60,
    days: int = 64,
    rivals: str | None = None,
    jobs: int = 1,
    ray: Ray = None,
    fresh: bool = False,
    settings: Settings = (),
) -> None:
    """Tunes policies by random search on training days, names the best by validation days; writes YAML for `bench`.

    Run again after it was stopped, it goes on where it was.

    Args:
        suite: which decision is tuned.
        out: the file; `adarena bench SUITE --policies @FILE` reads it.
        policies: by name or your own, by default those of the suite (bidding: pid dual fixed); what is searched stands in
            their class as SPACE.
        scenario: a preset or a YAML file; by default the suite's (bidding: bidding-small).
        configurations: how many are tried for each policy.
        days: how many training days, and as many for validation.
        rivals: who decides for all others, a mix of the suite, by default its first (bidding: mixed, pid, fixed or dual).
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        fresh: measure anew what an earlier run has measured.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .benchmarks import commands as comparing
    from .benchmarks.comparison.workers import hired
    from .benchmarks.suites import suite as named

    seat = named(suite)
    _folder(out.parent)
    market = _scenario(seat.scenario if scenario is None else scenario, settings)
    with hired(jobs, ray) as crew:
        terms = comparing.Terms(rivals, crew, _command(), fresh=fresh)
        comparing.tune(console, seat, market, policies, configurations, days, out, terms)


def train(
    environment: Annotated[str, tyro.conf.Positional] = "AdArena/Bidding-v0",
    algo: Literal["ppo", "sac", "es", "pi"] = "ppo",
    timesteps: int = 200_000,
    seed: int = 0,
    seeds: tuple[int, ...] = (),
    out: Path = Path("out/train"),
    jobs: int = 1,
    ray: Ray = None,
    resume: bool = False,
    fresh: bool = False,
    checkpoint_every: int | None = None,
    env: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE ...")] = (),
    settings: Settings = (),
) -> None:
    """Trains an agent; `adarena bench bidding --policies pid agent:OUT` then compares it.

    Writes agent.zip, checkpoints, learning curves as CSV, and for TensorBoard where that is installed. Ctrl-C and SIGTERM
    leave a checkpoint; a second one ends at once.

    Args:
        environment: a Gymnasium environment.
        algo: the algorithm.
        timesteps: how many steps, rounded up to whole rollouts.
        seed: of networks, exploration and the days that are met; the same seed gives the same agent.
        seeds: several of them instead: an agent for each, in OUT-SEED.
        out: folder for the files.
        jobs: processes that share several seeds.
        ray: share them on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        resume: go on from the last checkpoint in that folder.
        fresh: begin anew in a folder that holds a run, which is deleted.
        checkpoint_every: steps between two checkpoints; by default about a minute.
        env: arguments of the environment, e.g. scenario=tiny reward=tcpa.
        settings: fields of the algorithm to change, e.g. learning_rate=0.001.
    """
    from .benchmarks import training
    from .benchmarks.comparison.workers import hired

    terms = training.Terms(resume, fresh, checkpoint_every)
    plan = training.planned(environment, algo, timesteps, seed, out, env, settings, terms)
    if not seeds:
        if jobs != 1 or ray is not None:
            raise MarketError("one training is not shared: name several seeds, as in --seeds 0 1 2")
        training.command(console, plan, _resuming())
        return
    if seed:
        raise MarketError(f"one names a seed, or several: not both --seed {seed} and --seeds")
    with hired(jobs, ray) as crew:
        training.together(console, plan, seeds, crew, _resuming())


def replay(
    log: Annotated[Path, tyro.conf.Positional],
    history: Path | None = None,
    episode: int = 1000,
    budget_fraction: float = 1 / 32,
    ticks: int | None = None,
    bidders: tuple[str, ...] = ("mcpc", "lin:base_bid=10"),
    json_: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Bids on a log of past auctions, as a price taker.

    A log has a row per auction, say a CSV that begins `click,price,rate` and goes on `0,0.0787,0.012`: click (0 or 1; may be
    missing), price (what won the auction, in any money, whole or with up to six decimals, an impression or a thousand), rate
    (the predicted click rate, 0 to 1), perhaps time (never falling). What is printed is in the same money.

    Args:
        log: Parquet, CSV or whitespace text with such columns (text without a header: click, price, rate), or the folder of a
            journal that `adarena simulate --journal` wrote.
        history: an earlier log, or JSON with imp_train, clk_train, cost_train (whole numbers, in the log's money) and perhaps
            price_counter_train, auctions by price from 0 up; by default the log itself.
        episode: auctions an episode; the budget is renewed with each.
        budget_fraction: budget of an episode as a share of what all its auctions cost at the historic mean price.
        ticks: decisions an episode; by default 10.
        bidders: who bids, e.g. mcpc, lin:base_bid=10, pid or mymodule:MyBidder.
        json_: print JSON.
    """
    from .benchmarks.audits import replaying

    terms = {"episode": episode, "budget_fraction": budget_fraction, "ticks": ticks}
    replaying.command(console, log, history, bidders, json_, terms)


def speed(
    json_: Annotated[bool, tyro.conf.arg(name="json")] = False,
    quick: bool = False,
    stages: bool = False,
    billion: bool = False,
    curves: bool = False,
    ray: Ray = None,
    out: Path = Path("out/speed"),
) -> None:
    """Measures speed: processor time, best of several, fresh data, one core. docs/speed.md holds what it found.

    Args:
        json_: print JSON.
        quick: only the whole loop and its roofline, not the long sweeps.
        stages: where the time of an auction goes, and of a request of `feed`, beside the roofline.
        billion: 10^9 auctions of `bidding` on all cores, some of whose days are then played again by themselves.
        curves: speed over campaigns, slots and cores, as tables and picture.
        ray: have --billion played on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        out: folder for the picture of --curves.
    """
    from .benchmarks.speed import commands

    asked = {"quick": quick, "stages": stages, "billion": billion, "curves": curves}
    commands.command(console, asked, json_, _folder(out) if curves else out, ray)


def theory(json_: Annotated[bool, tyro.conf.arg(name="json")] = False) -> None:
    """Checks the market against what is known in closed form; fails if a check does.

    Args:
        json_: print JSON.
    """
    from .benchmarks import theory as checks

    raise SystemExit(checks.command(console, json_))


def quotas(
    scenario: str = "feed",
    ladder: tuple[int, ...] = (),
    requests: int = 10_000,
    seed: int = 0,
    out: Path = Path("out/quotas"),
    settings: Settings = (),
) -> None:
    """Plays one day under larger and larger quotas of recall: what they bring in recall and in revenue, as table and picture.

    Args:
        scenario: a preset with a funnel (feed, overload, coldstart) or a YAML file.
        ladder: quotas to play, rising; by default 25, 50, 100, ..., 3,200.
        requests: of the day that is played at each.
        seed: the day.
        out: folder for the picture.
        settings: fields of the scenario to change, e.g. users.count=50000.
    """
    from .benchmarks.audits import quotas as bought

    bought.command(console, _scenario(scenario, settings), ladder or bought.LADDER, requests, seed, _folder(out))


def scale(
    scenario: str = "bidding-small",
    bidder: str = "pid",
    shards: tuple[int, ...] = (),
    days: int = 20,
    ray: Ray = None,
    out: Path = Path("out/scale"),
    settings: Settings = (),
) -> None:
    """Splits a market's users over shards: how far spend and value are off, what a call costs, as table and picture.

    Args:
        scenario: a preset without servers and sessions (bidding, bidding-small, bidding-tcpa, tiny) or a YAML file.
        bidder: who bids for all campaigns.
        shards: how many, rising; by default 2 4 8 16.
        days: how many are played for each.
        ray: time calls to shards there too: a Ray cluster at HOST:PORT, or "local" on this machine.
        out: folder for the picture.
        settings: fields of the scenario to change, e.g. traffic.requests_per_day=500000.
    """
    from .benchmarks.speed import scale as split

    split.command(console, _scenario(scenario, settings), bidder, days, shards or split.LADDER, ray, _folder(out))


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
        from .benchmarks.rankers import commands

        commands.eda(console, self.log, _folder(self.out))


@dataclass
class RankTrain:
    """Trains a ranker on the first part of a log; `adarena rank eval OUT --log DIR` judges it on the last.

    Args:
        model: lr, fm, ffm, deepfm, dcn, din, transformer, esmm, shared-bottom, mmoe, ple, position, cold, two-tower
            or multimodal.
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
    settings: Settings = ()

    def run(self) -> None:
        from .benchmarks.rankers import commands

        plan = commands.settings_of(self.model, self.seed, self.settings)
        commands.learn(console, self.log, plan, _folder(self.out), self.resume, self.fresh, _resuming(("rank", "train")))


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
        from .benchmarks.rankers import commands, judging

        terms = judging.Terms((self.train, self.valid), self.calibrate, self.by, self.trees)
        commands.evaluate(console, self.runs, self.log, _folder(self.out), terms)


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
        from .benchmarks.rankers import commands, labelling

        budget = labelling.Budget(self.impressions, self.first, self.step, self.rounds, self.apart, self.seeds)
        commands.label(console, self.log, _folder(self.out), budget)


def rank(
    what: Annotated[
        Annotated[Eda, tyro.conf.subcommand("eda", prefix_name=False)]
        | Annotated[RankTrain, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[RankEval, tyro.conf.subcommand("eval", prefix_name=False)]
        | Annotated[RankLabel, tyro.conf.subcommand("label", prefix_name=False)],
        tyro.conf.arg(name=""),
    ],
) -> None:
    """Rankers learned from a journal: explores a log (eda), trains one (train), judges it (eval), pays for labels (label)."""
    what.run()


def servers(
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    servers: tuple[int, ...] = (),
    seeds: int = 20,
    skip: int = 0,
    reference: str | None = None,
    jobs: int = 1,
    ray: Ray = None,
    fresh: bool = False,
    out: Path = Path("out/servers"),
    settings: Settings = (),
) -> None:
    """Plays policies of the compute seat with fewer and more servers: revenue, and how many servers do for the same.

    Of fewer or more servers as large a share fails as the scenario has it, in whole servers. Run again after it was stopped,
    it goes on where it was: out/results.sqlite keeps what has been measured.

    Args:
        policies: as `adarena bench` takes them; by default those of the compute suite.
        scenario: a preset with servers and a funnel or a YAML file; by default the compute suite's.
        servers: how many, rising, the scenario's own number among them; by default from half to twice that.
        seeds: how many days.
        skip: how many test days to leave out before them, such as those that an earlier comparison has looked at.
        reference: the policy whose revenue with the planned servers others are to earn; by default the suite's.
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        fresh: measure anew what an earlier run has measured.
        out: folder for the files.
        settings: fields of the scenario to change, e.g. traffic.requests_per_day=24000.
    """
    from .benchmarks import servers_report
    from .benchmarks.commands import Terms
    from .benchmarks.comparison.workers import hired
    from .benchmarks.suites import suite as named

    market = _scenario(named("compute").scenario if scenario is None else scenario, settings)
    folder = _folder(out)
    with hired(jobs, ray) as crew:
        terms = Terms(None, crew, _command(), skip, fresh)
        servers_report.command(console, market, policies, servers, seeds, reference, folder, terms)


def mixes(
    suite: SuiteName = "bidding",
    policies: tuple[str, ...] = (),
    rivals: tuple[str, ...] = (),
    scenario: str | None = None,
    seeds: int = 100,
    skip: int = 0,
    reference: str | None = None,
    jobs: int = 1,
    ray: Ray = None,
    fresh: bool = False,
    out: Path = Path("out/mixes"),
    settings: Settings = (),
) -> None:
    """Plays policies against crowd after crowd on the same test days, without yardsticks: who is robust.

    Run again after it was stopped, it goes on where it was: out/results.sqlite keeps what has been measured.

    Args:
        suite: whose seat is handed round, and whose mixes the crowds are: bidding, ...
        policies: as `adarena bench` takes them; by default those of the suite.
        rivals: mixes of the suite that hold all other places, by turns; by default all of them.
        scenario: a preset or a YAML file; by default the suite's.
        seeds: how many days.
        skip: how many test days to leave out before them, such as those that an earlier comparison has looked at.
        reference: the policy that others are held against; by default the suite's.
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        fresh: measure anew what an earlier run has measured.
        out: folder for the files.
        settings: fields of the scenario to change, e.g. traffic.requests_per_day=24000.
    """
    from .benchmarks import mixes as crowds
    from .benchmarks.commands import Terms
    from .benchmarks.comparison.workers import hired
    from .benchmarks.suites import suite as named

    one = named(suite)
    market = _scenario(one.scenario if scenario is None else scenario, settings)
    folder = _folder(out)
    with hired(jobs, ray) as crew:
        terms = Terms(None, crew, _command(), skip, fresh)
        crowds.command(console, one, market, policies, rivals, seeds, reference, folder, terms)


def abtest(
    policies: tuple[str, ...] = ("shadow", "usual"),
    scenario: str = "allocation-small",
    seeds: int = 8,
    skip: int = 0,
    out: Path = Path("out/abtest"),
    settings: Settings = (),
) -> None:
    """Tries one policy of pages against another on half of the users each, and tells what is true: what all users would bring.

    Args:
        policies: the new one and the one it would replace: name, name:field=value, or label=policy.
        scenario: a preset with pages or a YAML file.
        seeds: test worlds, each of which is played three times.
        skip: test worlds that are left out before them.
        out: folder for abtest.json.
        settings: fields of the scenario to change, e.g. demand.budget_share=0.3.
    """
    from .benchmarks import abtest as experiment

    experiment.command(console, _scenario(scenario, settings), policies, seeds, skip, _folder(out))


def realism(out: Path = Path("out/realism")) -> None:
    """Holds the presets against published figures of real markets: a table, and a picture.

    Args:
        out: folder for the picture.
    """
    from .benchmarks.audits import realism as facts

    facts.command(console, _folder(out))


def warm(scenario: tuple[str, ...] = (), jobs: int | None = None) -> None:
    """Compiles beforehand what markets need, in several processes, so that later runs start at once.

    Args:
        scenario: presets or YAML files; by default all presets, and what environments, suites and replays need.
        jobs: processes that share the work; by default one for each processor.
    """
    from .benchmarks import warming

    warming.command(console, scenario, jobs)


def demo(out: Path = Path("out/demo")) -> None:
    """Trains a small agent, compares it with bidders on a small market over 20 days, and draws one day of the large one.

    Args:
        out: folder for the files.
    """
    from .benchmarks.suites import suite as named

    agent = out / "agent"
    train(timesteps=DEMO_STEPS, out=agent, resume=(agent / "checkpoint.pt").exists())
    bench("bidding", policies=(*named("bidding").compared, f"ppo=agent:{agent}"), jobs=2, out=out)
    simulate(out=out)


MACHINE = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # what becomes of a write when the machine fails
COMMANDS = {
    "simulate": simulate,
    "bench": bench,
    "tune": tune,
    "train": train,
    "replay": replay,
    "speed": speed,
    "theory": theory,
    "quotas": quotas,
    "scale": scale,
    "rank": rank,
    "servers": servers,
    "mixes": mixes,
    "abtest": abtest,
    "realism": realism,
    "warm": warm,
    "demo": demo,
}


def _scenario(name: str, settings: tuple[str, ...], days: int | None = None) -> Scenario:
    from .simulator.scenario.tree import Scenario

    changes = [*settings, *([f"days={days}"] if days is not None else [])]
    market = Scenario.named(name)
    return market.override(changes) if changes else market


def _command() -> str:
    """The command line as it was given."""
    return shlex.join(["adarena", *sys.argv[1:]])


def _resuming(command: tuple[str, ...] = ("train",)) -> str:
    """The command line that goes on with a training; other commands that train go on by themselves."""
    words = [word for word in sys.argv[1:] if word not in ("--fresh", "--resume")]
    return shlex.join(["adarena", *words, *(["--resume"] if tuple(words[: len(command)]) == command else [])])


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MarketError(f"cannot write to {str(path)!r}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise MarketError(f"cannot write to {str(path)!r}: it is read-only")
    return path


def main() -> None:
    """Runs a command; an error of the user's is one sentence on standard error and exit status 2."""
    from .benchmarks.output.stopping import status, terminable

    try:
        with terminable():
            tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="adarena",
                description="A market of ads in a box: simulate it, hand its seats to policies, compare them.",
            )
    except AdArenaError as error:
        print(f"adarena: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        print(f"adarena: {str(stop) or 'stopped'}", file=sys.stderr)
        raise SystemExit(status(stop)) from None
    except OSError as error:
        if error.errno not in MACHINE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else what is left to print fails again at the end
        if error.errno != errno.EPIPE:  # a reader who has seen enough, such as `head`, is no fault
            print(f"adarena: the output cannot be written: {os.strerror(error.errno)}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
