"""Reach and frequency, from the journal of a run: how many users a campaign was seen by, and how often by each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...simulator.core.errors import MarketError

if TYPE_CHECKING:
    import pandas as pd

MARKET = "market"  # the row of all campaigns together


def reach(folder: str | Path) -> pd.DataFrame:
    """A row per campaign that was seen, by name, and a last one for the market.

    Columns: impressions, users (who saw it), frequency (impressions a user who saw it), reach (users who saw it over all who
    made a request), once (share of its users who saw it once).

    Raises:
        MarketError: if the folder holds no journal.
    """
    import pandas as pd

    folder = Path(folder)
    try:
        shown = pd.read_parquet(folder / "impressions.parquet", columns=["campaign", "user"])
        people = pd.read_parquet(folder / "requests.parquet", columns=["user"])["user"].nunique()
        names = pd.read_parquet(folder / "campaigns.parquet", columns=["name"])["name"].tolist()
    except OSError:
        raise MarketError(f"{str(folder)!r} holds no journal of this version, from which reach could be read") from None

    def told(times: pd.Series[int]) -> dict[str, float]:
        total, users = int(times.sum()), len(times)
        return {
            "impressions": total, "users": users, "frequency": total / max(users, 1), "reach": users / max(people, 1),
            "once": float((times == 1).mean()) if users else 0.0,
        }  # fmt: skip

    seen = shown.groupby("campaign")["user"].value_counts()
    there = seen.index.get_level_values(0).unique()
    rows = [*(told(seen.loc[k]) for k in there), told(shown["user"].value_counts())]
    return pd.DataFrame(rows, index=[*(names[k] for k in there), MARKET]).astype({"impressions": int, "users": int})
