"""What the numbers of a journal stand for: campaigns, ads and creatives by name, and which run it was."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from ... import __version__
from ..engine.exchange import Exchange
from ..population.creatives import ads_of, names_of
from ..scenario.creatives import FORMATS
from .schemas import ADS, CAMPAIGNS, CREATIVES

SCENARIO, RUN = "scenario.yaml", "run.json"
MARK = "# The scenario of the journal beside it"


def campaigns(exchange: Exchange) -> pa.Table:
    """A row per campaign: who it is, what it wants, what it may spend and is charged for."""
    table = exchange.market.campaigns
    columns = [
        range(len(table.names)), table.names, table.advertiser, table.vertical, table.target,
        *([getattr(campaign, name) for campaign in table.listed] for name in CAMPAIGNS.names[5:]),
    ]  # fmt: skip
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, CAMPAIGNS, strict=True)], schema=CAMPAIGNS)


def ads(exchange: Exchange) -> pa.Table:
    """A row per ad: its campaign and its name."""
    table = exchange.market.campaigns
    named = [ad.name for ad in ads_of(table)]
    return pa.table([np.arange(len(named)), table.ad_campaign, named], schema=ADS)


def creatives(exchange: Exchange) -> pa.Table:
    """A row per creative: its ad, name and format; none where an ad is its one creative."""
    table, portfolio = exchange.market.campaigns, exchange.market.creatives
    if portfolio is None:
        return CREATIVES.empty_table()
    shown = [FORMATS[number] for number in portfolio.format]
    return pa.table([np.arange(len(portfolio.ad)), portfolio.ad, names_of(table, portfolio), shown], schema=CREATIVES)


TABLES = {"campaigns": campaigns, "ads": ads, "creatives": creatives}


def texts(exchange: Exchange) -> dict[str, str]:
    """The scenario, as `Scenario.load` reads it, and which run of it this was."""
    scenario = exchange.scenario
    run = {"adarena": __version__, "seed": exchange.seed, "scenario": scenario.name, "digest": scenario.digest}
    return {SCENARIO: f"{MARK}.\n{scenario}", RUN: json.dumps(run, indent=2) + "\n"}


def is_ours(name: str, content: bytes) -> bool:
    """Whether a file of that name is what `texts` writes."""
    if name == SCENARIO:
        return content.startswith(MARK.encode())
    try:
        return set(json.loads(content)) == {"adarena", "seed", "scenario", "digest"}
    except (ValueError, TypeError):
        return False
