"""What whoever ranks ads sees: what campaigns bid and were told, and what has come of each ad so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...population.content import AdContent
from ...response.beliefs import Posterior
from ..bidding.view import BidView


class Seen(NamedTuple):
    """What has come of each ad in the run so far; arrays (A,)."""

    shown: Integers  # impressions
    clicks: Integers
    expected: (
        Floats  # clicks that the platform's first belief and users' fatigue let expect, whatever model has stood at the auction
    )


class Users(NamedTuple):
    """How users in sessions take it."""

    planned: int  # requests they would have made so far, were there no ads
    made: int
    satisfaction: float  # now, 1 without ads: mean over users, by how often each comes


class Totals(NamedTuple):
    """What has come of all ads in the run so far; money in currency."""

    requests: int
    impressions: int
    clicks: int
    spend: float
    believed_value: float  # of impressions to their campaigns, as the platform expected it


class Facts(NamedTuple):
    """What is known of users and campaigns, and does not change; U users, K campaigns."""

    segment: Integers  # (U,)
    vertical: Integers  # (K,)
    content: AdContent | None  # what ads look like; None: nobody tells


class RankingView(NamedTuple):
    """What a policy sees at the start of a tick, before campaigns decide; K campaigns, A ads, money in currency."""

    told: BidView  # what campaigns are told, all K of them
    days: int  # of the run
    totals: Totals
    click_bid: Floats  # (K,) for a click, as paced; NaN where bids come by request, 0 where a campaign takes no part
    campaign: Integers  # (A,) of each ad
    new: NDArray[np.bool_]  # (A,) without a history
    typical: Floats  # (A,) click rate of each ad for an average user, as the platform believed it at first
    seen: Seen
    posterior: Posterior  # (A,) how many times as often an ad is clicked as believed at first
    correction: Floats  # (A,) factors on the odds first believed, in force
    squashing: float  # in force, as are the following
    cost: float
    optimism: float
    thompson: bool
    users: Users | None  # None: requests come by themselves
    facts: Facts
