"""Commands that play: a market, a log, a day under larger and larger quotas, a market split over shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from . import terminal


def simulate(
    scenario: str = "bidding",
    bidder: str = "pid",
    policies: terminal.Seated = (),
    engine: Literal["compiled", "events"] = "compiled",
    seed: int = 0,
    days: terminal.AmountOrNone = None,
    out: Path = Path("out/simulate"),
    figure: bool = True,
    journal: bool = False,
    settings: terminal.Settings = (),
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
    from .. import simulating

    market, seated = terminal.scenario(scenario, settings, days), simulating.seated(bidder, policies)
    folder = terminal.folder(out) if figure or journal else out
    simulating.command(terminal.console, market, seated, seed, engine, folder, figure, journal)


def replay(
    log: Annotated[Path, tyro.conf.Positional],
    history: Path | None = None,
    episode: terminal.Amount = 1000,
    budget_fraction: float = 1 / 32,
    ticks: terminal.AmountOrNone = None,
    bidders: tuple[str, ...] = ("mcpc", "lin"),
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
        bidders: who bids, e.g. mcpc, lin, lin:base_bid=10 (in the log's money), pid or mymodule:MyBidder.
        json_: print JSON.
    """
    from ..audits import replaying

    terms = {"episode": episode, "budget_fraction": budget_fraction, "ticks": ticks}
    replaying.command(terminal.console, log, history, bidders, json_, terms)


def quotas(
    scenario: str = "feed",
    ladder: tuple[int, ...] = (),
    requests: terminal.Amount = 10_000,
    seed: int = 0,
    out: Path = Path("out/quotas"),
    settings: terminal.Settings = (),
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
    from ..audits import quotas as bought

    bought.command(
        terminal.console, terminal.scenario(scenario, settings), ladder or bought.LADDER, requests, seed, terminal.folder(out)
    )


def scale(
    scenario: str = "bidding-small",
    bidder: str = "pid",
    shards: tuple[int, ...] = (),
    days: terminal.Amount = 20,
    ray: terminal.Ray = None,
    out: Path = Path("out/scale"),
    settings: terminal.Settings = (),
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
    from ..speed import scale as split

    split.command(
        terminal.console, terminal.scenario(scenario, settings), bidder, days, shards or split.LADDER, ray, terminal.folder(out)
    )
