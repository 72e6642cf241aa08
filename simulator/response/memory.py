"""What users remember of ads: exposures that fade, and those of the day, for fatigue and for frequency caps.

A hash table (open addressing, linear probing) holds what each user has seen of each campaign with a cap, and of each ad, or
of its creatives where it has several. The kernel adds to it and never lets it grow: `Blocks` makes room for a block
beforehand, and forgets what has faded. Where users tire it also counts clicks by what was remembered, for judges.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.books import Books
from ..core.chance import mix
from ..core.compiled import inlined, kernel, spelt_out
from ..core.intrinsics import fetch
from ..population.campaigns import Campaigns
from ..scenario.tree import Scenario

if TYPE_CHECKING:
    import pandas as pd


FAINT = 1e-3  # exposures that count for less are forgotten when room is made
FREE = np.int64(-1)
EXPOSURES = 512  # columns of Memory.shown_counts: remembered exposures, rounded; the last for all beyond


class ShownCount(IntEnum):
    """Rows of Memory.shown_counts."""

    IMPRESSIONS = 0
    CLICKS = 1


class ShownSum(IntEnum):
    """Rows of Memory.shown_sums, over impressions."""

    FRESH = 0  # true click rate had it been the first sight
    WORN = 1  # true click rate as it was
    REMEMBERED = 2  # exposures that were remembered, times FRESH


class Memory(NamedTuple):
    """n places, a power of two, or none where users neither tire nor are protected by caps. K campaigns, A ads or creatives."""

    whose: Integers  # (n,) user x (K + A) + campaign, or + K + ad, or + K + creative; FREE
    shown: Floats  # (n,) exposures as they counted at `last`
    last: Integers  # (n,) time of the last one, microseconds
    today: Integers  # (n,) exposures on the day of `last`
    used: Integers  # (1,) places taken
    tire_of: int  # A: ads, or the creatives of those that have several
    cap: Integers  # (K,) most exposures a user and day, 0: any number; none at all: (0,)
    barred: Integers  # (K,) room to work in: the campaigns that a request may not show
    barred_live: NDArray[np.float32]  # (K,) and their bids
    barred_active: NDArray[np.bool_]
    shown_counts: Integers  # (len(ShownCount), EXPOSURES) of the whole run so far; without columns where nobody tires
    shown_sums: Floats  # (len(ShownSum), EXPOSURES)
    exponent: float
    fading: float  # rate at which exposures fade, 1 / microsecond
    day_us: int


def new_memory(scenario: Scenario, table: Campaigns, creatives: int | None) -> Memory:
    """An empty memory; without places where a market needs none. `creatives`: how many there are; None: ads are their own."""
    fatigue = scenario.fatigue
    cap = np.array([c.frequency_cap or 0 for c in table.listed], np.int64)
    capped = cap if cap.any() else np.zeros(0, np.int64)
    places = 0 if fatigue is None and capped.size == 0 else 1 << 14
    columns = 0 if fatigue is None else EXPOSURES
    return Memory(
        whose=np.full(places, FREE),
        shown=np.zeros(places),
        last=np.zeros(places, np.int64),
        today=np.zeros(places, np.int64),
        used=np.zeros(1, np.int64),
        tire_of=len(table.appeal) if creatives is None else creatives,
        cap=capped,
        barred=np.zeros(capped.size, np.int64),
        barred_live=np.zeros(capped.size, np.float32),
        barred_active=np.zeros(capped.size, np.bool_),
        shown_counts=np.zeros((len(ShownCount), columns), np.int64),
        shown_sums=np.zeros((len(ShownSum), columns)),
        exponent=0.0 if fatigue is None else fatigue.exponent,
        fading=0.0 if fatigue is None else math.log(2) / (fatigue.half_life_s * 1e6),
        day_us=scenario.day_us,
    )


def no_memory(campaigns: int) -> Memory:
    """That of a market in which nobody remembers anything."""
    none = np.zeros(0, np.int64)
    return Memory(
        none, np.zeros(0), none, none, np.zeros(1, np.int64), campaigns, none, none, np.zeros(0, np.float32),
        np.zeros(0, np.bool_), np.zeros((len(ShownCount), 0), np.int64), np.zeros((len(ShownSum), 0)), 0.0, 0.0, 1,
    )  # fmt: skip


def with_room_for_exposures(memory: Memory, more: int, now: int) -> Memory:
    """A memory with room for `more` new entries: itself, or a larger one from which what has faded is gone."""
    if memory.whose.size == 0 or 2 * (int(memory.used[0]) + more) <= memory.whose.size:
        return memory
    places = memory.whose.size
    alive = int(count_alive(memory, now))
    while 2 * (alive + more) > places // 2:  # so that room lasts
        places *= 2
    larger = memory._replace(
        whose=np.full(places, FREE), shown=np.zeros(places), last=np.zeros(places, np.int64),
        today=np.zeros(places, np.int64), used=np.zeros(1, np.int64),
    )  # fmt: skip
    remember_all(memory, larger, now)
    return larger


@inlined
def home_of(whose: Any, memory: Any) -> Any:
    """Where an entry would be if no other were in its way."""
    return np.int64(mix(np.uint64(whose)) & np.uint64(memory.whose.size - 1))


@inlined
def place_of(whose: Any, memory: Any) -> Any:
    """Where an entry is, or the free place where it would be."""
    known, place = memory.whose, home_of(whose, memory)
    while known[place] != whose and known[place] != FREE:
        place = (place + 1) & (known.size - 1)
    return place


@inlined
def faded_exposures(place: Any, now: Any, memory: Any) -> Any:
    """Exposures of an entry as they count now."""
    return memory.shown[place] * math.exp(-memory.fading * (now - memory.last[place]))


@inlined
def shown_today(user: Any, what: Any, width: Any, now: Any, memory: Any) -> Any:
    """How often a user has seen something on the day of `now`; `what` of `width` things to be remembered for each user."""
    place = place_of(user * width + what, memory)
    if memory.whose[place] == FREE or memory.last[place] // memory.day_us != now // memory.day_us:
        return np.int64(0)
    return memory.today[place]


@inlined
def has_seen_enough(user: Any, k: Any, campaigns: Any, now: Any, memory: Any) -> Any:
    """Whether a user has reached the cap of campaign k, of so many campaigns."""
    if memory.cap.size == 0 or memory.cap[k] == 0:
        return False
    return shown_today(user, k, campaigns + memory.tire_of, now, memory) >= memory.cap[k]


@inlined
def fetch_exposures(user: Any, k: Any, campaigns: Any, memory: Any) -> None:
    """Has what `has_seen_enough` will look up brought into the processor's cache: waiting for it took longer than the rest."""
    if memory.cap.size > 0:
        fetch(memory.whose, home_of(user * (campaigns + memory.tire_of) + k, memory))


@inlined
def remembered_exposures(user: Any, what: Any, width: Any, now: Any, memory: Any) -> Any:
    """Exposures of a user to something as they count now."""
    place = place_of(user * width + what, memory)
    return 0.0 if memory.whose[place] == FREE else faded_exposures(place, now, memory)


@inlined
def fatigue_factor(exposures: Any, memory: Any) -> Any:
    """How many times as likely a click is as on first sight: (1 + exposures)^-exponent."""
    return (1.0 + exposures) ** -memory.exponent


@spelt_out
def remembers(state: Any) -> Any:
    """Whether users remember ads at all: they tire, or caps protect them."""
    return state.memory.whose.size > 0


@spelt_out
def has_caps(state: Any) -> Any:
    """Whether a campaign has a frequency cap."""
    return state.memory.cap.size > 0


@spelt_out
def counts_fatigue(state: Any) -> Any:
    """Whether users tire, so that what they do is counted by what they remember."""
    return state.memory.shown_counts.size > 0


@spelt_out
def remember(k: Any, shown: Any, user: Any, now: Any, state: Any) -> Any:
    """Notes that a user sees an ad or a creative of campaign k; says how many exposures to it they remembered before."""
    memory, campaigns = state.memory, state.bids.live.size
    width, exposures = campaigns + memory.tire_of, 0.0
    if has_caps(state) and memory.cap[k] > 0:
        note_exposure(user, k, width, now, memory)
    if memory.exponent > 0:
        exposures = remembered_exposures(user, campaigns + shown, width, now, memory)
        note_exposure(user, campaigns + shown, width, now, memory)
    return exposures


@inlined
def count_shown(exposures: Any, fresh: Any, rate: Any, clicked: Any, memory: Any) -> None:
    """Counts an impression after so many exposures, of a true click rate that on first sight would have been `fresh`."""
    column = min(np.int64(exposures + 0.5), memory.shown_counts.shape[1] - 1)
    memory.shown_counts[ShownCount.IMPRESSIONS, column] += 1
    memory.shown_counts[ShownCount.CLICKS, column] += clicked
    memory.shown_sums[ShownSum.FRESH, column] += fresh
    memory.shown_sums[ShownSum.WORN, column] += rate
    memory.shown_sums[ShownSum.REMEMBERED, column] += exposures * fresh


@inlined
def note_exposure(user: Any, what: Any, width: Any, now: Any, memory: Any) -> None:
    """One exposure more."""
    place = place_of(user * width + what, memory)
    if memory.whose[place] == FREE:
        memory.whose[place] = user * width + what
        memory.shown[place], memory.today[place] = 0.0, 0
        memory.used[0] += 1
    elif memory.last[place] // memory.day_us != now // memory.day_us:
        memory.today[place] = 0
    memory.shown[place] = faded_exposures(place, now, memory) + 1.0
    memory.today[place] += 1
    memory.last[place] = now


@inlined
def still_matters(place: Any, now: Any, memory: Any) -> Any:
    """Whether an entry can still change anything: a campaign's on its day, that of an ad or creative until it has faded."""
    if memory.whose[place] == FREE:
        return False
    if memory.last[place] // memory.day_us == now // memory.day_us:
        return True
    of_campaign = memory.whose[place] % (memory.cap.size + memory.tire_of) < memory.cap.size
    return not of_campaign and faded_exposures(place, now, memory) >= FAINT


@kernel(nogil=True)
def count_alive(memory: Any, now: Any) -> Any:
    """How many entries can still change anything."""
    found = 0
    for place in range(memory.whose.size):
        found += still_matters(place, now, memory)
    return found


@kernel(nogil=True)
def remember_all(memory: Any, larger: Any, now: Any) -> None:
    """Puts all that still counts into another memory."""
    for place in range(memory.whose.size):
        if not still_matters(place, now, memory):
            continue
        free = place_of(memory.whose[place], larger)
        larger.whose[free], larger.shown[free] = memory.whose[place], memory.shown[place]
        larger.last[free], larger.today[free] = memory.last[place], memory.today[place]
        larger.used[0] += 1


class FatigueBooks(Books):
    """Impressions and clicks of a run so far by what users remembered of the ad: `counts` and `sums` of `Memory`.

    Who is shown an ad often is not anybody, and so a click rate by exposures alone does not tell fatigue from taste. Beside
    the clicks stand those that the same users would have made on first sight of the same ads: a judge's number.
    """

    def __init__(self, memory: Memory) -> None:
        self.counts, self.sums = memory.shown_counts, memory.shown_sums

    def to_frame(self) -> pd.DataFrame:
        """A row for each number of remembered exposures, rounded, up to the most there were, or 511 and more; the index.

        Columns: impressions, clicks; fresh_clicks (expected, had each been the first sight), expected_clicks (as it was),
        remembered (mean exposures remembered, by the weight of fresh_clicks; NaN without any).
        """
        import pandas as pd

        rows = int(np.flatnonzero(self.counts[ShownCount.IMPRESSIONS]).max(initial=-1)) + 1
        counts, sums = self.counts[:, :rows], self.sums[:, :rows]
        fresh = sums[ShownSum.FRESH]
        mean = np.divide(sums[ShownSum.REMEMBERED], fresh, out=np.full(rows, np.nan), where=fresh > 0)
        return pd.DataFrame(
            {
                "impressions": counts[ShownCount.IMPRESSIONS].copy(),
                "clicks": counts[ShownCount.CLICKS].copy(),
                "fresh_clicks": fresh.copy(),
                "expected_clicks": sums[ShownSum.WORN].copy(),
                "remembered": mean,
            },
            index=pd.RangeIndex(rows, name="exposures"),
        )
