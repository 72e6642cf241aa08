"""What whoever allocates pages is told: by page what its user has lived through, at ticks what came of it; no patience."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from allocating import COUNT, SMALL, Holder, played

from adarena.simulator import Open, Scenario, World
from adarena.simulator.engine.asking import Column
from adarena.simulator.engine.desk import bucket_of
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import Patterns


def recounted(pages: list[dict[str, Any]], scenario: Scenario) -> list[dict[Column, float]]:
    """What one user's pages should have been shown with, from when they were and what came of them."""
    sessions = scenario.sessions
    assert sessions is not None
    shown, level, number, ads, last = [], [], 0, 0, None
    here = {"ads": 0, "pages": 0, "borne": 0.0, "last": 0}
    borne = ended = length = away = boredom = strain = 0.0
    for page in pages:
        if last is None or page["session"] != last["session"]:
            if last is not None:
                number, ended, length = number + 1, ended + strain, here["pages"]
                away = (page["time"] - last["time"]) / scenario.day_us
            boredom, here = 0.0, {"ads": 0, "pages": 0, "borne": 0.0, "last": 0}
        else:
            borne, here["borne"] = borne + strain, here["borne"] + strain
            boredom *= sessions.boredom_kept
        shown.append(
            {
                Column.PAGE: page["page"], Column.BOREDOM: boredom, Column.SESSIONS: number, Column.PAGES: len(shown),
                Column.ADS: ads, Column.LAST_LENGTH: length, Column.AWAY: away, Column.ADS_HERE: here["ads"],
                Column.LAST_ADS: here["last"], Column.BORNE: borne, Column.ENDED: ended, Column.BORNE_HERE: here["borne"],
                Column.LEVEL: np.mean(level) if level else np.log(page["pays"]),
                Column.DAY: page["time"] // scenario.day_us, Column.ELAPSED: page["time"] % scenario.day_us / scenario.day_us,
            }
        )  # fmt: skip
        level.append(np.log(page["pays"]))
        boredom += page["bored"]
        strain = boredom**2
        ads += page["ads"]
        here = {"ads": here["ads"] + page["ads"], "pages": here["pages"] + 1, "borne": here["borne"], "last": page["ads"]}
        last = page
    return shown


def test_what_is_told_of_users_is_what_they_have_lived_through(tmp_path: Path) -> None:
    world, pages = World(SMALL, {"allocation": Open("request")}, seed=4, journal=tmp_path), list[dict[str, Any]]()
    exchange, dice = world._exchange, np.random.default_rng(0)
    while (asked := world.until_asked()) is not None:
        desk = exchange.desk
        assert desk is not None
        block, column = exchange.state.block, desk.column
        pages.append(
            {
                "request": int(exchange.state.control[0]), "user": int(block.users[column]),
                "session": int(block.session[column]),
                "page": int(block.page[column]), "time": int(block.times[column]), "view": asked.view,
                "pays": asked.view[Column.PAYS], "pattern": (pattern := int(dice.integers(COUNT))),
            }
        )  # fmt: skip
        world.answer(pattern)
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    ads, clicks = shown.groupby("request").size(), shown.groupby("request")["clicked"].sum()
    for page in pages:
        page["ads"] = int(ads.get(page["request"], 0))
        page["bored"] = page["ads"] - int(clicks.get(page["request"], 0))
    users = {page["user"] for page in pages}
    assert len(users) > 70
    checked = 0
    for user in users:
        own = [page for page in pages if page["user"] == user]
        starts = [
            page for last, page in zip([None, *own], own, strict=False) if last is None or last["session"] != page["session"]
        ]
        if any(page["page"] > 0 for page in starts):  # of one that began before the run, or in the middle of another
            continue
        for page, wanted in zip(own, recounted(own, SMALL), strict=True):
            for column, number in wanted.items():
                assert page["view"][column] == pytest.approx(number, abs=1e-9), (column, page)
            checked += 1
    assert checked > 500


def test_content_that_ads_displace_is_missed() -> None:
    """From one page to the next satisfaction moves by what could be seen: organic items down to some place."""
    world = World(SMALL.override({"sessions.ad_annoyance": 0.0}), {"allocation": Open("request")}, seed=4)
    exchange, last, checked = world._exchange, dict[int, tuple[Any, int]](), 0
    sessions, dice = SMALL.sessions, np.random.default_rng(1)
    assert sessions is not None
    relevance = 0.85 ** np.arange(5)
    relevance /= relevance @ (0.9 ** np.arange(1, 6))
    patterns = SMALL.pages.patterns(5)  # type: ignore[union-attr]
    while (asked := world.until_asked()) is not None:
        desk = exchange.desk
        assert desk is not None
        user = int(exchange.state.block.users[desk.column])
        if user in last:
            view, pattern = last[user]
            # The content of a page counts in full as it is made, and what of it was not seen is taken off.
            before, moved = view[Column.SATISFACTION], asked.view[Column.SATISFACTION]
            moved = (moved - sessions.satisfaction_rate * asked.view[Column.CONTENT]) / (1 - sessions.satisfaction_rate)
            share = 1 + (moved - before) / (sessions.satisfaction_rate * view[Column.CONTENT])
            organic = [place for place in range(5) if place not in patterns[pattern]]
            possible = [0.0, *np.cumsum(relevance[: len(organic)])]
            assert np.abs(np.array(possible) - share).min() < 1e-6
            checked += 1
        last[user] = asked.view, (pattern := int(dice.integers(COUNT)))
        world.answer(pattern)
    assert checked > 500


def test_what_is_told_at_ticks_is_what_its_buckets_did() -> None:
    holder = Holder(lambda _: Patterns(8))
    world = played(SMALL, dict.fromkeys(range(30), holder))
    assert world.pages is not None
    last, bucket = holder.seen[-1], bucket_of(SMALL, 80)
    assert last.users.sum() == (bucket < 30).sum()
    assert 0 < last.pages.sum() <= world.pages.users[bucket < 30, PageSum.PAGES].sum()
    assert last.ad_places.sum() == 2 * last.pages.sum()
    assert last.charged.sum() <= world.pages.users[bucket < 30, PageSum.CHARGED].sum()
    copied = copy.deepcopy(last)
    assert np.array_equal(copied.pages, last.pages)


def test_no_patience_is_told() -> None:
    """Two markets whose users differ in nothing but the rates at which they leave show the same first pages."""
    views = []
    for turned in (False, True):
        world = World(SMALL.override({"sessions.patience.hint": 0.0}), {"allocation": Open("request")}, seed=5)
        temper = world._exchange.market.temper
        assert temper is not None
        if turned:
            other = np.ascontiguousarray(temper.rate[::-1])
            other.flags.writeable = False
            world._exchange.addressed.replace("visits", own_rate=other)
        asked = world.until_asked()
        assert asked is not None
        views.append(asked.view)
    np.testing.assert_array_equal(*views)
