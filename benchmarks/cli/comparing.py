"""Commands that compare policies: on the same days, tuned, with fewer servers, among other crowds, on halves of the users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from . import terminal


def bench(
    suite: terminal.SuiteName,
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    seeds: int = 20,
    skip: int = 0,
    reference: str | None = None,
    rivals: str | None = None,
    jobs: int = 1,
    ray: terminal.Ray = None,
    fresh: bool = False,
    out: Path = Path("out/bench"),
    settings: terminal.Settings = (),
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
    from .. import commands as comparing
    from ..comparison.workers import hired
    from ..suites import suite as named

    seat = named(suite)
    market, folder = terminal.scenario(seat.scenario if scenario is None else scenario, settings), terminal.folder(out)
    with hired(jobs, ray) as crew:
        terms = comparing.Terms(rivals, crew, terminal.command_line(), skip, fresh)
        comparing.compare(terminal.console, seat, market, policies, seeds, reference, folder, terms)


def tune(
    suite: terminal.SuiteName,
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    configurations: terminal.Amount = 60,
    days: terminal.Amount = 64,
    rivals: str | None = None,
    jobs: int = 1,
    ray: terminal.Ray = None,
    fresh: bool = False,
    out: Path | None = None,
    settings: terminal.Settings = (),
) -> None:
    """Tunes policies by random search on training days, names the best by validation days; writes YAML for `bench`.

    Run again after it was stopped, it goes on where it was.

    Args:
        suite: which decision is tuned.
        policies: by name or your own, by default those of the suite (bidding: pid dual fixed); what is searched stands in
            their class as SPACE.
        scenario: a preset or a YAML file; by default the suite's (bidding: bidding-small).
        configurations: how many are tried for each policy.
        days: how many training days, and as many for validation.
        rivals: who decides for all others, a mix of the suite, by default its first (bidding: mixed, pid, fixed or dual).
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        fresh: measure anew what an earlier run has measured.
        out: the file, which `adarena bench SUITE --policies @FILE` reads; by default out/tune/SUITE.yaml.
        settings: fields of the scenario to change, e.g. auction.slots=1.
    """
    from .. import commands as comparing
    from ..comparison.workers import hired
    from ..suites import suite as named

    seat, file = named(suite), Path(f"out/tune/{suite}.yaml") if out is None else out
    terminal.folder(file.parent)
    market = terminal.scenario(seat.scenario if scenario is None else scenario, settings)
    with hired(jobs, ray) as crew:
        terms = comparing.Terms(rivals, crew, terminal.command_line(), fresh=fresh)
        comparing.tune(terminal.console, seat, market, policies, configurations, days, file, terms)


def servers(
    policies: tuple[str, ...] = (),
    scenario: str | None = None,
    servers: tuple[int, ...] = (),
    seeds: int = 20,
    skip: int = 0,
    reference: str | None = None,
    jobs: int = 1,
    ray: terminal.Ray = None,
    fresh: bool = False,
    out: Path = Path("out/servers"),
    settings: terminal.Settings = (),
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
    from .. import servers_report
    from ..commands import Terms
    from ..comparison.workers import hired
    from ..suites import suite as named

    market = terminal.scenario(named("compute").scenario if scenario is None else scenario, settings)
    folder = terminal.folder(out)
    with hired(jobs, ray) as crew:
        terms = Terms(None, crew, terminal.command_line(), skip, fresh)
        servers_report.command(terminal.console, market, policies, servers, seeds, reference, folder, terms)


def mixes(
    suite: terminal.SuiteName = "bidding",
    policies: tuple[str, ...] = (),
    rivals: tuple[str, ...] = (),
    scenario: str | None = None,
    seeds: int = 100,
    skip: int = 0,
    reference: str | None = None,
    jobs: int = 1,
    ray: terminal.Ray = None,
    fresh: bool = False,
    out: Path = Path("out/mixes"),
    settings: terminal.Settings = (),
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
    from .. import mixes as crowds
    from ..commands import Terms
    from ..comparison.workers import hired
    from ..suites import suite as named

    one = named(suite)
    market = terminal.scenario(one.scenario if scenario is None else scenario, settings)
    folder = terminal.folder(out)
    with hired(jobs, ray) as crew:
        terms = Terms(None, crew, terminal.command_line(), skip, fresh)
        crowds.command(terminal.console, one, market, policies, rivals, seeds, reference, folder, terms)


def abtest(
    policies: tuple[str, ...] = ("shadow", "usual"),
    scenario: str = "allocation-small",
    seeds: int = 8,
    skip: int = 0,
    out: Path = Path("out/abtest"),
    settings: terminal.Settings = (),
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
    from .. import abtest as experiment

    experiment.command(terminal.console, terminal.scenario(scenario, settings), policies, seeds, skip, terminal.folder(out))


def whatif(
    scenario: str = "bidding-small",
    change: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE|FIELD=+20% ...")] = (),
    bidder: str = "pid",
    policies: terminal.Seated = (),
    seeds: int = 20,
    skip: int = 0,
    jobs: int = 1,
    ray: terminal.Ray = None,
    out: Path = Path("out/whatif"),
    settings: terminal.Settings = (),
) -> None:
    """Plays the same days twice, as a market is and as it would be: what a change brings, campaign by campaign.

    Where campaigns are drawn, budgets follow from what an expected day costs, and a change of that changes them too.

    Args:
        scenario: a preset or a YAML file.
        change: what would be otherwise, e.g. campaigns.bread.budget_per_day=+20% or auction.slots=2.
        bidder: who bids for all campaigns.
        policies: who decides in other seats, e.g. compute=mpc.
        seeds: how many days, or runs of several days.
        skip: how many test days to leave out before them.
        jobs: processes that share the work.
        ray: share it on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        out: folder for the file.
        settings: fields of the scenario that are set before and after, e.g. traffic.requests_per_day=24000.
    """
    from .. import whatif as changes
    from ..comparison.workers import hired

    market = terminal.scenario(scenario, settings)
    folder = terminal.folder(out)
    with hired(jobs, ray) as crew:
        changes.command(terminal.console, market, change, bidder, policies, seeds, skip, crew, folder)
