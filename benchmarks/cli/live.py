"""The command that lets one watch: a market in a browser, as it runs."""

from __future__ import annotations

from typing import Annotated

import tyro

from . import terminal

Offers = Annotated[tuple[str, ...], tyro.conf.arg(name="offer", metavar="SEAT=POLICY ...")]


def live(
    scenario: str = "bidding",
    bidder: str = "pid",
    policies: terminal.Seated = (),
    offers: Offers = (),
    seed: int = 0,
    days: terminal.AmountOrNone = None,
    speed: float = 2.0,
    twin: bool = True,
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str | None = None,
    settings: terminal.Settings = (),
) -> None:
    """Runs a market in a browser: watch the day, change budgets, traffic, servers and policies, beside the day left as it was.

    Only this machine reaches it, unless another host is given: then only by an address that holds a token.

    Args:
        scenario: a preset (bidding, bidding-small, feed, overload, compute-small, ...) or a YAML file.
        bidder: who bids for all campaigns, e.g. pid, dual:step=0.05 or mymodule:MyBidder.
        policies: who decides in other seats, e.g. compute=mpc or compute=mymodule:MyPolicy; by default nobody.
        offers: policies of your own or agents that the page may put into a seat, beside those of this package.
        seed: the days that are lived through.
        days: how many; by default as the scenario says.
        speed: ticks a second, as far as the machine plays them.
        twin: play a second world of the same seed beside it, to which nothing is done.
        host: address to listen on; any but this machine's own needs the token.
        port: of that address; 0: any that is free.
        token: at least 16 letters and digits; by default one is made where it is needed.
        settings: fields of the scenario to change, e.g. ticks_per_day=288.
    """
    from ..live import command

    market = terminal.scenario(scenario, settings, days)
    command.command(terminal.console, market, bidder, policies, offers, seed, speed, twin, (host, port), token)
