"""Tables of what was shown: ads and creatives, with clicks and rates, and how many users campaigns reached."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ...simulator.world import World
from ..audits.reach import MARKET, reach
from ..output.tables import plain_table

if TYPE_CHECKING:
    import pandas as pd

MOST = 12  # rows of their own; those of campaigns that were seen most


def ads_table(world: World) -> Table:
    """The ads of campaigns that have several."""
    assert world.ads is not None
    frame = world.ads.to_frame()
    frame = frame[frame.groupby("campaign", observed=True)["ad"].transform("size") > 1]
    out = plain_table(
        "Ads of campaigns with several",
        caption="Share: of its campaign's impressions. CTR: clicks an impression. Believed: what that was taken for at "
        "first, lowered as users tire, which the auction does not know and clicks are not charged by.",
        keys=2,
    )
    for column in ("campaign", "ad"):
        out.add_column(column, no_wrap=True)
    for column in ("impressions", "share", "clicks", "CTR", "believed"):
        out.add_column(column, justify="right", no_wrap=True)
    for _, ad in _most_seen(frame).iterrows():
        rates = [f"{ad['click_rate']:.2%}", f"{ad['believed_rate']:.2%}"] if ad["impressions"] else ["", ""]
        share = f"{ad['share']:.1%}" if ad["share"] == ad["share"] else ""
        out.add_row(ad["campaign"], ad["ad"], f"{ad['impressions']:,}", share, f"{ad['clicks']:,}", *rates)
    _rest(out, frame)
    return out


def creatives_table(world: World) -> Table:
    """What came of each creative, those seen most first."""
    assert world.creatives is not None
    frame = world.creatives.to_frame()
    frame["of_ad"] = frame.groupby(world.creatives.portfolio.ad)["impressions"].transform("sum")
    out = plain_table("Creatives", caption="Share: of its ad's impressions. CTR: clicks an impression.", keys=3)
    for column in ("campaign", "ad", "creative", "format"):
        out.add_column(column, no_wrap=True)
    for column in ("impressions", "share", "clicks", "CTR", "conv."):
        out.add_column(column, justify="right", no_wrap=True)
    for _, one in _most_seen(frame).iterrows():
        shown, total = one["impressions"], one["of_ad"]
        out.add_row(
            one["campaign"], one["ad"], one["creative"], one["format"], f"{shown:,}", f"{shown / total:.1%}" if total else "",
            f"{one['clicks']:,}", f"{one['clicks'] / shown:.2%}" if shown else "", f"{one['conversions']:,}",
        )  # fmt: skip
    _rest(out, frame)
    return out


def _most_seen(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows to show: those that were seen most, and of a campaign together, the one that was seen most first."""
    by_campaign = frame.groupby("campaign", observed=True)["impressions"].transform("sum")
    shown = frame.assign(seen=by_campaign).nlargest(MOST, "impressions", keep="first")
    return shown.sort_values(["seen", "campaign", "impressions"], ascending=[False, True, False], kind="stable")


def _rest(out: Table, frame: pd.DataFrame) -> None:
    """A closing line for what has no row of its own."""
    if len(frame) > MOST:
        left = frame["impressions"].sum() - _most_seen(frame)["impressions"].sum()
        cells = [f"{len(frame) - MOST:,} others", *[""] * (len(out.columns) - 1)]
        cells[next(n for n, column in enumerate(out.columns) if str(column.header) == "impressions")] = f"{left:,}"
        out.add_section()
        out.add_row(*cells)


def reach_table(folder: Path) -> Table:
    """Users reached and impressions a user by campaign, from the journal of the run."""
    frame = reach(folder)
    out = plain_table(
        "Reach and frequency, from the journal",
        caption="Reach: users who saw it, over all who made a request. Frequency: impressions a user who saw it.",
    )
    out.add_column("campaign", no_wrap=True)
    for column in ("impressions", "users", "reach", "frequency", "saw it once"):
        out.add_column(column, justify="right", no_wrap=True)

    def row(name: str, one: pd.Series[float]) -> None:
        cells = f"{one['reach']:.1%}", f"{one['frequency']:.2f}", f"{one['once']:.0%}"
        out.add_row(name, f"{one['impressions']:,.0f}", f"{one['users']:,.0f}", *cells)

    for name, one in frame[:-1].sort_values("impressions", ascending=False, kind="stable")[:MOST].iterrows():
        row(str(name), one)
    out.add_section()
    row(MARKET, frame.iloc[-1])
    return out
