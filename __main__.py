"""The command line: simulate a day, compare policies, replay a log, measure speed, check against theory."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from .simulator.errors import AdArenaError, MarketError

if TYPE_CHECKING:
    from .simulator.scenario import Scenario

Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE ...")]
console = Console(width=None if sys.stdout.isatty() else 110)

BENCH_POLICIES = ("truthful", "random", "fixed", "mcpc", "lin", "dual", "pid")


def simulate(
    scenario: str = "bidding",
    bidder: str = "pid",
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
        scenario: a preset (bidding, bidding-small, tiny, uniform) or a YAML file.
        bidder: who bids for all campaigns, e.g. pid, dual:step=0.05 or mymodule:MyBidder.
        engine: blocks in compiled code, or each request as a SimPy process.
        seed: the days that are lived through.
        days: how many; by default as the scenario says.
        out: folder for the picture and the journal.
        figure: draw the day.
        journal: log requests, impressions and events as Parquet.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .agents.catalogue import make_bidder
    from .benchmarks import report
    from .benchmarks.progress import progress
    from .simulator.world import World

    market = _scenario(scenario, settings, days)
    policy = make_bidder(bidder)
    folder = _folder(out) if figure or journal else out
    world = World(market, {"bid": policy}, seed=seed, engine=engine, journal=folder / "journal" if journal else None)
    ticks = market.days * market.ticks_per_day
    with progress(f"{market.name}, {engine}", ticks) as advance:
        for tick in range(ticks):
            world.run((tick + 1) * market.tick_us)
            advance()
    console.print(report.day_table(world))
    if journal:
        console.print(f"journal: {folder / 'journal'}", soft_wrap=True)
    if figure:
        from .benchmarks import plots

        console.print(f"figure: {plots.save(plots.day(world), folder / 'day.png')}", soft_wrap=True)


def bench(
    suite: Annotated[Literal["bidding"], tyro.conf.Positional],
    policies: tuple[str, ...] = BENCH_POLICIES,
    scenario: str = "bidding-small",
    seeds: int = 20,
    reference: str = "fixed",
    out: Path = Path("out/bench"),
    settings: Settings = (),
) -> None:
    """Compares policies on the same days, beside hindsight; writes summary.json and figures.

    Args:
        suite: which decision is compared.
        policies: bidders by name, with settings (dual:step=0.05), or your own (mymodule:MyBidder).
        scenario: a preset or a YAML file.
        seeds: how many days.
        reference: the policy against which differences are taken.
        out: folder for the files.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .agents.catalogue import make_bidder
    from .benchmarks import plots, report
    from .benchmarks.progress import progress
    from .benchmarks.suites import bidding

    market = _scenario(scenario, settings)
    names = tuple(dict.fromkeys((*policies, reference)))
    if seeds < 1:
        raise MarketError(f"a comparison needs at least one seed, not {seeds}")
    bidders = {name: make_bidder(name) for name in names}
    folder = _folder(out)
    with progress(f"{suite} on {market.name}", bidding.steps(names, seeds)) as advance:
        results = bidding.run(market, bidders, seeds, advance)
    found = report.estimates(results, reference)
    console.print(report.comparison_table(results, found, reference))
    forecast = bidding.forecast(market)
    written = [
        report.write_json(folder / "summary.json", report.summary(results, found, reference)),
        *(plots.save(plots.comparison(results), folder / f"bidders.{kind}") for kind in ("png", "svg")),
        *(plots.save(plots.spending(results, forecast), folder / f"spending.{kind}") for kind in ("png", "svg")),
    ]
    console.print("written: " + ", ".join(str(path) for path in written), soft_wrap=True)


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

    Args:
        log: Parquet, CSV or whitespace text with columns click, price, rate, perhaps time.
        history: an earlier log, or JSON with a price histogram, impressions, clicks and cost; by default the log itself.
        episode: auctions an episode; the budget is renewed with each.
        budget_fraction: budget of an episode as a share of what all its auctions cost at the historic mean price.
        ticks: decisions an episode; by default 10.
        bidders: who bids, e.g. mcpc, lin:base_bid=10, pid or mymodule:MyBidder.
        json_: print JSON.
    """
    from .benchmarks import replaying

    terms = {"episode": episode, "budget_fraction": budget_fraction, "ticks": ticks}
    replaying.command(console, log, history, bidders, json_, terms)


def speed(
    json_: Annotated[bool, tyro.conf.arg(name="json")] = False,
    quick: bool = False,
) -> None:
    """Measures speed: processor time, best of several, fresh data, one core.

    Args:
        json_: print JSON.
        quick: only the whole loop and its roofline, not the long sweeps.
    """
    from .benchmarks import throughput
    from .benchmarks.progress import progress

    with progress("measuring", len(throughput.measures(quick))) as advance:
        found = throughput.run(quick, advance)
    if json_:
        print(json.dumps(throughput.to_json(found), indent=2))
    else:
        console.print(throughput.table(found))


def theory(json_: Annotated[bool, tyro.conf.arg(name="json")] = False) -> None:
    """Checks the market against what is known in closed form; fails if a check does.

    Args:
        json_: print JSON.
    """
    from .benchmarks import theory as checks

    raise SystemExit(checks.command(console, json_))


def demo(out: Path = Path("out/demo")) -> None:
    """Compares the bidders on a small market over 20 days, and draws one day of the large one.

    Args:
        out: folder for the files.
    """
    bench("bidding", out=out)
    simulate(out=out)


COMMANDS = {"simulate": simulate, "bench": bench, "replay": replay, "speed": speed, "theory": theory, "demo": demo}


def _scenario(name: str, settings: tuple[str, ...], days: int | None = None) -> Scenario:
    from .simulator.scenario import Scenario

    changes = [*settings, *([f"days={days}"] if days is not None else [])]
    market = Scenario.named(name)
    return market.override(changes) if changes else market


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
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="adarena",
            description="A market of ads in a box: simulate it, hand its seats to policies, compare them.",
        )
    except AdArenaError as error:
        print(f"adarena: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
