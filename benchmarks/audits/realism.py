"""The presets beside what is published of real markets: rates, delays, the course of a day, prices, fatigue, watching.

Each figure is measured on a market as it is played and read from its books and its journal; each range is a published number,
with room for how much such numbers differ. Nothing here was fitted by this code, and nothing is read from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from ...agents.bidding.pid import PID
from ...simulator import Scenario, World
from ...simulator.core.arrays import Floats
from ...simulator.population.users import new_users, request_shares
from ..output.figures import save
from ..output.progress import progress
from ..output.tables import plain_table, verdict

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


HOUR_S = 3600.0
HEAVIEST = ("bidding", "ranking-small")  # whose users ask one by one, many requests and few users
WAKING_MINUTES = 16 * 60.0
# Per cent of conversions reported by so many hours: a third within one, half within a day, seven in eight after two weeks.
CHAPELLE = {1.0: 0.35, 24.0: 0.50, 14 * 24.0: 0.87}
# Click rates at exposures 1, 2, 3 and 5 of one user to one campaign, over that at the first; Criteo's attribution log.
CRITEO = {1: 1.0, 2: 0.847, 3: 0.787, 5: 0.729}
# Winning prices of iPinYou's nine campaigns, training days: mean, standard deviation, p10, p50, p90.
IPINYOU = (
    (68.9, 53.5, 17, 60, 147), (93.1, 74.4, 16, 70, 201), (89.6, 76.9, 12, 63, 204), (89.3, 73.6, 19, 66, 201),
    (63.0, 60.7, 6, 41, 153), (92.4, 63.9, 20, 77, 199), (76.9, 61.2, 20, 67, 169), (81.1, 57.6, 21, 76, 168),
    (79.2, 58.0, 20, 73, 168),
)  # fmt: skip


class Fact(NamedTuple):
    """One figure of a preset beside what is published."""

    name: str
    preset: str
    measured: float
    low: float
    high: float
    source: str

    @property
    def holds(self) -> bool:
        """Whether the preset lies in the range."""
        return self.low <= self.measured <= self.high


class Realism(NamedTuple):
    """The facts, and what the picture shows of them."""

    facts: list[Fact]
    hours: Floats  # (24,) requests by hour over the mean, on days without weather
    delays_h: Floats  # delays of conversions, hours
    price: Floats  # prices over their campaign's median
    tired: dict[int, float]  # true click rate by exposure, over the first


def command(console: Console, folder: Path) -> None:
    """Measures, prints a table and draws it into the folder."""
    with progress("presets", STEPS) as advance:
        found = measure(advance)
    console.print(table(found))
    console.print(f"figure: {save(picture(found), folder / 'realism.png')}", soft_wrap=True)


def measure(advance: Callable[[], None] | None = None) -> Realism:
    """Plays the presets and reads them; `advance()` is called after each of `STEPS` runs."""
    found: list[Fact] = []

    def done(*facts: Fact) -> None:
        found.extend(facts)
        if advance is not None:
            advance()

    small = "bidding-small"
    calm = {"traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "traffic.surge_probability": 0.0}
    world, _ = _played(small, {"days": 10, **calm})
    hours = world.ledger.requests().reshape(-1, 24, world.scenario.ticks_per_day // 24).sum(axis=(0, 2)).astype(np.float64)
    hours /= hours.mean()
    done(
        Fact("busiest hour over the mean", small, hours.max(), 1.55, 1.8, "AuctionNet 1.69, Avito 1.76"),
        Fact("busiest hour over the quietest", small, hours.max() / hours.min(), 9.0, 12.0, "AuctionNet 11.0, Avito 9.3"),
    )
    world, shown = _played(small, {"days": 20})
    delays = (shown["report_us"] - shown["time_us"])[shown["converted"]].to_numpy() / 1e6 / HOUR_S
    price = shown["price"] / shown.groupby("campaign")["price"].transform("median")
    by_campaign = shown.groupby("campaign")["price"]
    steep = (by_campaign.quantile(0.9) / by_campaign.quantile(0.5)).median()
    spread = (by_campaign.std() / by_campaign.mean()).median()
    ratios = [p90 / p50 for *_, p50, p90 in IPINYOU]
    spreads = [sd / mean for mean, sd, *_ in IPINYOU]
    done(
        *(
            Fact(f"conversions within {_span(h)}", small, float((delays <= h).mean()), s - 0.05, s + 0.05, "Chapelle 2014")
            for h, s in CHAPELLE.items()
        ),
        Fact("price, p90 over median of a campaign", small, steep, min(ratios), max(ratios), "iPinYou, 9 campaigns"),
        Fact("price, deviation over mean of a campaign", small, spread, min(spreads), max(spreads), "iPinYou, 9 campaigns"),
    )
    for preset in HEAVIEST:
        market = Scenario.preset(preset)
        people = new_users(market.users, market.market_seed, market.ticks_per_day)
        busiest = float(request_shares(people).max()) * market.traffic.requests_per_day
        found.append(Fact("requests a day of the busiest user", preset, busiest, 0.0, WAKING_MINUTES, "one a minute awake"))
    world, shown = _played("feed", requests=True)
    assert world.scenario.sessions is not None
    watched = world.ledger.requests().sum() * world.scenario.sessions.videos / shown.attrs["user_days"]
    longest = shown.attrs["busiest"] * world.scenario.sessions.videos * world.scenario.sessions.video_s / HOUR_S
    tired = _fatigue(shown)
    clicks, impressions = _clicks(world)
    done(
        Fact("videos a user and day", "feed", watched, 340.0, 420.0, "KuaiRand 378 and 381"),
        Fact("hours of the busiest of a million users", "feed", longest, 6.0, 24.0, "a day has 24"),
        *(
            Fact(f"click rate at exposure {n} over the first", "feed", tired[n], m - 0.03, m + 0.03, "Criteo, within users")
            for n, m in CRITEO.items()
            if n > 1
        ),
        Fact("click rate of ads in the feed", "feed", clicks / impressions, 0.0044, 0.0065, "LinkedIn sponsored content"),
    )
    world, _ = _played("leads")
    frame = world.ledger.to_frame()
    clicks, impressions = _clicks(world)
    leads, spend = frame["conversions"].sum(), frame["spend"].sum()
    done(
        Fact("click rate of lead ads", "leads", clicks / impressions, 0.02, 0.031, "Facebook lead ads 2024: 2.53%"),
        Fact("leads a click", "leads", leads / clicks, 0.07, 0.105, "Facebook lead ads 2024: 8.78%"),
        Fact("cost of a click", "leads", spend / clicks, 1.5, 2.3, "Facebook lead ads 2024: $1.88"),
        Fact("cost of a lead", "leads", spend / leads, 17.5, 26.5, "Facebook lead ads 2024: $21.98"),
    )
    return Realism(found, hours, delays, price.to_numpy(), tired)


STEPS = 4


def _played(preset: str, changes: dict[str, Any] | None = None, requests: bool = False) -> tuple[World, pd.DataFrame]:
    """A preset's world after its last day under PID, and its impressions with their true rates."""
    import pandas as pd

    with TemporaryDirectory() as folder:
        world = World(Scenario.preset(preset).override(changes or {}), {"bidding": PID()}, journal=folder)
        world.run()
        shown = pd.read_parquet(Path(folder) / "impressions.parquet")
        shown["true_rate"] = pd.read_parquet(Path(folder) / "truth.parquet")["true_rate"]
        if requests:
            by_user = pd.read_parquet(Path(folder) / "requests.parquet", columns=["user"])["user"].value_counts()
            shown.attrs |= {"user_days": len(by_user), "busiest": int(by_user.max())}
    return world, shown


def _clicks(world: World) -> tuple[int, int]:
    frame = world.ledger.to_frame()
    return int(frame["clicks"].sum()), int(frame["impressions"].sum())


def _fatigue(shown: pd.DataFrame) -> dict[int, float]:
    """Mean true click rate of a user at the n-th exposure to an ad over that at the first, by n."""
    of_pair = shown.groupby(["user", "ad"])["true_rate"]
    exposure, first = of_pair.cumcount() + 1, of_pair.transform("first")
    return {n: float((shown["true_rate"] / first)[exposure == n].mean()) for n in range(1, 7)}


def _span(hours: float) -> str:
    return f"{hours / 24:g} days" if hours > 24 else "a day" if hours == 24 else "an hour"


def table(found: Realism) -> Table:
    """A row per fact."""
    out = plain_table("The presets beside what is published")
    for column in ("figure", "preset", "measured", "range", "", "published"):
        out.add_column(column, justify="right" if column in ("measured", "range") else "left")
    for fact in found.facts:
        told = verdict("in it" if fact.holds else "outside", fact.holds)
        out.add_row(fact.name, fact.preset, f"{fact.measured:.3g}", f"{fact.low:.3g} to {fact.high:.3g}", told, fact.source)
    return out


def picture(found: Realism) -> Figure:
    """The course of a day, delays, prices and fatigue, each with its published points."""
    from matplotlib.ticker import PercentFormatter

    from ...simulator.core.look import style
    from ...simulator.scenario.presets import DAY
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(16, 3.9), layout="constrained")
        axes = figure.subplots(1, 4)
        published = {"color": "#e08a4f", "zorder": 3}
        day, delay, price, tired = axes
        day.step(np.arange(25), np.append(found.hours, found.hours[-1]), where="post", color="#4c72b0", label="bidding-small")
        auctionnet = np.array(DAY).reshape(24, 2).sum(axis=1)
        day.plot(np.arange(24) + 0.5, auctionnet / auctionnet.mean(), "o", markersize=4, label="AuctionNet", **published)
        day.set(title="Requests by hour, over the mean", xlabel="hour of the day", xticks=range(0, 25, 6), ylim=(0, None))
        hours = np.sort(found.delays_h)
        delay.plot(hours, np.arange(1, hours.size + 1) / hours.size, color="#4c72b0", label="bidding-small")
        delay.plot(list(CHAPELLE), list(CHAPELLE.values()), "o", label="Chapelle 2014", **published)
        delay.set(
            xscale="log", xlim=(0.005, 30 * 24), ylim=(0, 1), title="Conversions reported by then", xlabel="since the click"
        )
        delay.set_xticks([1 / 60, 1, 24, 24 * 14], ["1 min", "1 h", "1 day", "14 days"])
        delay.minorticks_off()
        delay.yaxis.set_major_formatter(PercentFormatter(1.0))
        grid = np.linspace(0, 4, 200)
        price.plot(grid, np.searchsorted(np.sort(found.price), grid) / found.price.size, color="#4c72b0", label="bidding-small")
        points = [(p / p50, share) for _, _, p10, p50, p90 in IPINYOU for p, share in ((p10, 0.1), (p90, 0.9))]
        price.plot(*zip(*points, strict=True), "o", markersize=4, label="iPinYou, p10 and p90", **published)
        price.set(title="Prices below", xlabel="times the campaign's median", ylim=(0, 1.02), xlim=(0, 4))
        price.yaxis.set_major_formatter(PercentFormatter(1.0))
        tired.plot(list(found.tired), list(found.tired.values()), "o-", color="#4c72b0", label="feed")
        tired.plot(list(CRITEO), list(CRITEO.values()), "o", label="Criteo", **published)
        tired.set(title="Click rate over the first", xlabel="exposures to the ad", ylim=(0.5, 1.05), xticks=list(found.tired))
        for axis, place in zip(axes, ("lower right", "lower right", "lower right", "upper right"), strict=True):
            axis.legend(loc=place, frameon=False)
    return figure
