"""What came of each ad: books that are kept where somebody asks for them, since a walk is the faster for not counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine.exchange import Exchange
from ..population.creatives import ads_of

if TYPE_CHECKING:
    import pandas as pd


class AdBooks:
    """A row per ad: impressions and clicks since it was asked for them; see `World.count_ads`."""

    def __init__(self, exchange: Exchange) -> None:
        exchange.count_beliefs()
        self._exchange = exchange

    def to_frame(self) -> pd.DataFrame:
        """A row per ad; the index is its number, as in the journal.

        Columns: campaign, ad (names), impressions, clicks, click_rate (NaN without impressions), believed_rate (clicks that
        the platform's first belief and fatigue let expect, over impressions; NaN likewise), share (of its campaign's
        impressions; NaN where it has none).
        """
        import pandas as pd

        table, known = self._exchange.market.campaigns, self._exchange.state.beliefs
        shown = known.shown.copy()
        of_campaign = np.bincount(table.ad_campaign, shown, len(table.names))[table.ad_campaign]
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = known.clicks / shown, known.expected / shown, shown / of_campaign
        return pd.DataFrame(
            {
                "campaign": pd.Categorical.from_codes(table.ad_campaign, pd.Index(table.names)),
                "ad": [ad.name for ad in ads_of(table)],
                "impressions": shown,
                "clicks": known.clicks.copy(),
                **dict(zip(("click_rate", "believed_rate", "share"), rates, strict=True)),
            }
        )
