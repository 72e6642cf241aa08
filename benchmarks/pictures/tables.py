"""The table of a day."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.money import MICRO
from ...simulator.engine.state import Count
from ...simulator.population.campaigns import demand_weather
from ...simulator.response.visits import Visit
from ...simulator.scenario.demand import Campaign
from ...simulator.world import World
from ..output.tables import plain_table

# What campaigns may aim at: the columns of what they reached and of their target, and what the first of these is.
AIMS = {
    "target_cpa": ("CPA", "target CPA", "CPA: spent for a conversion that was reported."),
    "target_roas": ("ROAS", "target ROAS", "ROAS: value of the conversions that were reported, for a unit of spend."),
}

MOST_NAMED = 3  # in a sentence
VALUES = (
    "Money in currency; price: mean of an impression. Conv.: all that come in time, reported by now or not. Expected: value of "
    "its impressions by their true rates; realised: of those conversions."
)


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def requests_of(world: World) -> str:
    """How many requests were made, how many were to be expected by now and, where users come in sessions, were planned."""
    expected = np.tile(world.forecast, world.scenario.days)[: world.ledger.closed].sum() * world.scenario.expected_requests
    said = [f"{counted(world.played, 'request')} made", f"{expected:,.0f} expected"]
    if world.visits is not None:
        planned = int(world.visits.counts[: world.visits.closed, Visit.PLANNED].sum())
        said.append(f"{planned:,} planned")
    return ", ".join(said)


def worth(world: World) -> Floats:
    """What a conversion of each campaign was worth in each closed tick, currency, (ticks, campaigns): a judge's number."""
    scenario, table = world.scenario, world.campaigns
    factors = np.concatenate([demand_weather(scenario, table, world.seed, day) for day in range(scenario.days)])
    for event in world.events:
        if event.what == "scale_value" and event.amount is not None:
            factors[event.time_us // scenario.tick_us :, event.campaign] *= event.amount
    value: Floats = table.value * factors[: world.ledger.closed]
    return value


def budget_of(world: World, k: int) -> float | None:
    """What a campaign may spend on the days on which it has a flight, with what was topped up, currency; None: unlimited."""
    daily, day_us = world.campaigns.listed[k].budget_per_day, world.scenario.day_us
    own = [event for event in world.events if event.campaign == k]
    total = 0.0
    for day in range(world.scenario.days):
        today = [event for event in own if event.time_us // day_us == day]
        for event in today:
            if event.what == "set_budget":
                daily = event.amount
        if daily is None:
            return None
        total += daily * bool(world.campaigns.active(day)[k])
        total += sum(event.amount or 0.0 for event in today if event.what == "top_up")
    return total


def day_table(world: World, most: int = 12) -> Table:
    """The campaigns of a run, those who spent most first, and a closing line for the whole market.

    Where campaigns have targets, what a conversion cost them, or what they got for their money, stands beside these.
    """
    ledger, table = world.ledger, world.campaigns
    clicks = ledger.counts[: ledger.closed, Count.CLICKS].sum(axis=0)
    impressions, conversions = ledger.impressions().sum(axis=0), ledger.attributed().sum(axis=0)
    spend, value = ledger.spend().sum(axis=0), ledger.value().sum(axis=0)
    realised = (ledger.attributed() * worth(world)).sum(axis=0)
    aims = [aim for aim in AIMS if any(campaign.objective == aim for campaign in table.listed)]
    out = plain_table(
        f"{world.scenario.name}, seed {world.seed}: {requests_of(world)}",
        caption=" ".join([VALUES, *(AIMS[aim][2] for aim in aims), *_written_off(world)]),
    )
    targets = [name for aim in aims for name in AIMS[aim][:2]]
    owners = world.scenario.demand.kind == "listed"  # else each campaign has one of its own, named after it
    for column in ("campaign", *["advertiser"][: int(owners)]):
        out.add_column(column, no_wrap=True)
    for column in ("budget", "spent", "impressions", "clicks", "conv.", "expected", "realised", "price", *targets):
        out.add_column(column, justify="right", no_wrap=True)

    def row(name: str, budget: str, k: Any) -> None:
        shown = [f"{int(number[k].sum()):,}" for number in (impressions, clicks, conversions)]
        price = spend[k].sum() / max(impressions[k].sum(), 1)
        reached = [text for aim in aims for text in _aimed(aim, [table.listed[one] for one in k], spend[k], conversions[k])]
        owner = [table.advertiser[k[0]] if k.size == 1 else ""][: int(owners)]
        out.add_row(
            name,
            *owner,
            budget,
            f"{spend[k].sum():,.2f}",
            *shown,
            f"{value[k].sum():,.2f}",
            f"{realised[k].sum():,.2f}",
            f"{price:.4f}",
            *reached,
        )

    order = np.argsort(-spend, kind="stable")
    for k in order[:most]:
        budget = budget_of(world, int(k))
        row(table.names[k], "unlimited" if budget is None else f"{budget:,.2f}", np.array([k]))
    if len(order) > most:
        row(f"{len(order) - most:,} others", "", order[most:])
    out.add_section()
    row("market", "", order)
    return out


def _written_off(world: World) -> list[str]:
    """What campaigns owed for conversions beyond their budgets, in a sentence, if there is any."""
    lost = world.ledger.counts[: world.ledger.closed, Count.WRITTEN_OFF].sum(axis=0) / MICRO
    order = [int(k) for k in np.argsort(-lost, kind="stable")[:MOST_NAMED] if lost[k] > 0]
    named = ", ".join(f"{world.campaigns.names[k]} {lost[k]:,.2f}" for k in order)
    return [f"Written off, owed for conversions beyond budgets: {lost.sum():,.2f} ({named})."] if order else []


def _aimed(aim: str, campaigns: list[Campaign], spend: Floats, conversions: Integers) -> tuple[str, str]:
    """What was reached of an aim, and the target if it is one campaign's; nothing for campaigns that aim at something else."""
    if any(campaign.objective != aim for campaign in campaigns) or spend.sum() <= 0:
        return "", ""
    got = conversions @ np.array([campaign.value_per_conversion for campaign in campaigns])
    if aim == "target_cpa":
        reached = f"{spend.sum() / conversions.sum():,.2f}" if conversions.sum() else "none"
    else:
        reached = f"{got / spend.sum():,.2f}"
    return reached, f"{getattr(campaigns[0], aim):,.2f}" if len(campaigns) == 1 else ""
