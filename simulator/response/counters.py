"""What was known when a request was served: counts of what users and ads had seen and done before, for training sets.

The kernel writes them beside the journal's rows; a request's own impressions count only afterwards, so that nothing comes from
the future. Categories are hashed by name and value, so that one table of weights can serve all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Integers
from ..core.compiled import inlined, spelt_out

# What a row holds, as of the request: impressions and clicks of its user and of the ad, and since when its user has seen none
# (microseconds, -1: never saw one).
COUNTERS = ("user_shown", "user_clicked", "ad_shown", "ad_clicked", "user_idle_us")


class Counters(NamedTuple):
    """Counts so far; U users, A ads, n rows as many as the journal has. No arrays where nobody asks for them."""

    user_shown: Integers  # (U,)
    user_clicked: Integers  # (U,)
    user_last: Integers  # (U,) time of the last impression, -1: none
    ad_shown: Integers  # (A,)
    ad_clicked: Integers  # (A,)
    rows: Integers  # (n, COUNTERS)


def new_counters(users: int = 0, ads: int = 0) -> Counters:
    """Nothing has happened yet."""
    return Counters(
        user_shown=np.zeros(users, np.int64), user_clicked=np.zeros(users, np.int64), user_last=np.full(users, -1),
        ad_shown=np.zeros(ads, np.int64), ad_clicked=np.zeros(ads, np.int64), rows=np.zeros((0, len(COUNTERS)), np.int64),
    )  # fmt: skip


@spelt_out
def keeps_history(state: Any) -> Any:
    """Whether a training set is written."""
    return state.history.rows.shape[0] > 0


@inlined
def note_history(row: Any, user: Any, a: Any, now: Any, history: Any) -> None:
    """Writes what is known before an impression of ad a."""
    line, last = history.rows[row], history.user_last[user]
    line[0], line[1] = history.user_shown[user], history.user_clicked[user]
    line[2], line[3] = history.ad_shown[a], history.ad_clicked[a]
    line[4] = now - last if last >= 0 else -1


@inlined
def count_history(user: Any, a: Any, clicked: Any, now: Any, history: Any) -> None:
    """Counts an impression that is over."""
    history.user_shown[user] += 1
    history.user_clicked[user] += clicked
    history.user_last[user] = now
    history.ad_shown[a] += 1
    history.ad_clicked[a] += clicked
