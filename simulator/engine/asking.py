"""Decisions by request: what whoever allocates ads to pages is shown of each of them, and how an answer becomes a page."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..core.rules import call_row_rule, pointer_to
from ..delivery.auction import campaign_of
from ..delivery.winnow import campaign_in_row
from ..requests.sessions import strain
from .answers import BY_CHANCE, LEFT_OPEN, NOBODY_ASKED, draw_by
from .selling import price_of
from .state import Control

LEAST_PAY = 1e-9  # currency, where logarithms are taken


class Column(IntEnum):
    """What is shown of a page before it is allocated; prices of ads follow from PAYS on, best first."""

    DAY = 0  # from 0 on
    ELAPSED = 1  # share of the day
    PAGE = 2  # place of the request in its session, from 0 on
    BOREDOM = 3  # of the user in this session, now
    SATISFACTION = 4  # of the user
    CONTENT = 5  # what the organic items of the page are worth; 1 on average
    HINT = 6  # what is known beforehand of the log of the user's leave_rate, standard normal
    LEVEL = 7  # mean log of the best ad's price over the user's pages so far; of this page's if it is the first
    SESSIONS = 8  # before this one
    PAGES = 9  # before this one
    ADS = 10  # seen before this page
    LAST_LENGTH = 11  # pages of the session before
    AWAY = 12  # days since the user's last page before this session; 0 in the first
    ADS_HERE = 13  # seen in this session
    LAST_ADS = 14  # seen on the page before, in this session
    BORNE = 15  # boredom ^ power that the user has borne and stayed, over all pages so far
    ENDED = 16  # that at which earlier sessions ended, summed
    BORNE_HERE = 17  # as BORNE, in this session
    PAYS = 18  # from here on: expected charge for the r-th ad once seen, currency, if as many as may are shown


class Known(IntEnum):
    """Columns of Asking.known: what is remembered of a user."""

    LEVEL = 0  # sum of logs
    SESSIONS = 1
    PAGES = 2
    ADS = 3
    LAST_LENGTH = 4
    AWAY = 5
    ADS_HERE = 6
    LAST_ADS = 7
    BORNE = 8
    ENDED = 9
    BORNE_HERE = 10
    PAGES_HERE = 11
    STRAIN = 12  # at the end of the last page
    LAST_US = 13  # when that was
    SESSION = 14  # its number


@spelt_out
def remembers_pages(state: Any) -> Any:
    """Whether is kept what users have had, for whoever decides page by page."""
    return state.asking.known.size > 0


@inlined
def meet(j: Any, now: Any, state: Any) -> None:
    """Takes note that the user of column j has come to another page."""
    known, session = state.asking.known[state.block.users[j]], np.float64(state.block.session[j])
    if known[Known.PAGES] > 0 and session == known[Known.SESSION]:
        known[Known.BORNE] += known[Known.STRAIN]
        known[Known.BORNE_HERE] += known[Known.STRAIN]
        return
    if known[Known.PAGES] > 0:
        known[Known.SESSIONS] += 1.0
        known[Known.ENDED] += known[Known.STRAIN]
        known[Known.LAST_LENGTH] = known[Known.PAGES_HERE]
        known[Known.AWAY] = (now - known[Known.LAST_US]) / state.asking.day_us
    known[Known.SESSION] = session
    known[Known.ADS_HERE] = known[Known.LAST_ADS] = known[Known.BORNE_HERE] = known[Known.PAGES_HERE] = 0.0


@inlined
def show(j: Any, now: Any, state: Any) -> None:
    """Fills in what is shown of the page in column j."""
    asking, visits, user = state.asking, state.visits, state.block.users[j]
    view, known, lane, full = asking.shown, asking.known[user], j % LANES, len(state.pages.depth) - 1
    depth = state.pages.depth[full]
    for rank in range(view.size - Column.PAYS):
        winner, pays = state.bids.top[rank, lane], 0.0
        if winner != 0:
            row = campaign_of(winner)
            k = campaign_in_row(row, j, state)
            pays = price_of(j, rank, row, k, depth, state.pages.marginal[full], state)[1] / 1e6
        view[Column.PAYS + rank] = pays
    view[Column.DAY] = now // asking.day_us
    view[Column.ELAPSED] = (now % asking.day_us) / asking.day_us
    view[Column.PAGE] = state.block.page[j]
    view[Column.BOREDOM] = visits.boredom[state.block.session[j] & (visits.gone.size - 1)]
    view[Column.SATISFACTION] = visits.satisfaction[user]
    view[Column.CONTENT] = state.block.content[j]
    view[Column.HINT] = asking.hint[user] if asking.hint.size > 0 else 0.0
    pages = known[Known.PAGES]
    view[Column.LEVEL] = known[Known.LEVEL] / pages if pages > 0 else math.log(max(view[Column.PAYS], LEAST_PAY))
    view[Column.SESSIONS] = known[Known.SESSIONS]
    view[Column.PAGES] = pages
    view[Column.ADS] = known[Known.ADS]
    view[Column.LAST_LENGTH] = known[Known.LAST_LENGTH]
    view[Column.AWAY] = known[Known.AWAY]
    view[Column.ADS_HERE] = known[Known.ADS_HERE]
    view[Column.LAST_ADS] = known[Known.LAST_ADS]
    view[Column.BORNE] = known[Known.BORNE]
    view[Column.ENDED] = known[Known.ENDED]
    view[Column.BORNE_HERE] = known[Known.BORNE_HERE]


@inlined
def remember_page(j: Any, now: Any, ads: Any, state: Any) -> None:
    """Takes note of a page with so many ads seen, once its user has had it."""
    asking, visits, user = state.asking, state.visits, state.block.users[j]
    if asking.address[asking.bucket[user]] == NOBODY_ASKED:
        return
    known = asking.known[user]
    known[Known.LEVEL] += math.log(max(asking.shown[Column.PAYS], LEAST_PAY))
    known[Known.PAGES] += 1.0
    known[Known.PAGES_HERE] += 1.0
    known[Known.ADS] += ads
    known[Known.ADS_HERE] += ads
    known[Known.LAST_ADS] = ads
    known[Known.LAST_US] = now
    known[Known.STRAIN] = strain(visits.boredom[state.block.session[j] & (visits.gone.size - 1)], visits.power)


@kernel()
def choose_pattern(i: Any, j: Any, now: Any, answered: Any, state: Any) -> Any:
    """The pattern of the page of request i, in column j; LEFT_OPEN if whoever runs the world must say it and has not."""
    asking, pages = state.asking, state.pages
    bucket = asking.bucket[state.block.users[j]]
    address = asking.address[bucket]
    if address == NOBODY_ASKED:
        chosen = draw_by(asking.chance[bucket], uniform(state.keys[Stream.ALLOCATION], i, 0))
    elif answered:
        chosen = draw_by(asking.answer, uniform(state.keys[Stream.ALLOCATION], i, 0))
    else:
        meet(j, now, state)
        show(j, now, state)
        if address == LEFT_OPEN:
            return np.int64(LEFT_OPEN)
        memory, user = asking.memory[bucket], state.block.users[j]
        own = memory[2] + 8 * memory[3] * user
        view, answer, sizes = pointer_to(asking.shown, 0), pointer_to(asking.answer, 0), (asking.shown.size, asking.answer.size)
        chosen = call_row_rule(address, view, sizes[0], answer, sizes[1], memory[0], memory[1], own, memory[3])
        if chosen == BY_CHANCE:
            chosen = draw_by(asking.answer, uniform(state.keys[Stream.ALLOCATION], i, 0))
    if not 0 <= chosen < pages.depth.size:
        state.control[Control.FAULT] = -1 - bucket
        return np.int64(pages.usual)
    return np.int64(chosen)
