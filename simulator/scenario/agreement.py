"""What the parts of a scenario must agree on: what one of them says has to be possible with all others."""

from __future__ import annotations

from collections import Counter

from .response import Interests
from .whole import Whole

LONGEST_US = 2**62  # times are 64-bit microseconds


def agree(scenario: Whole) -> None:
    """Raises `ValueError`, a sentence that names fields, if parts of a scenario contradict each other."""
    for check in (_surfaces, _time, _people, _interests, _learning, _rotation, _pages, _content, _creatives, _squashing):
        check(scenario)


def _time(scenario: Whole) -> None:
    if scenario.day_s * 1_000_000 % scenario.ticks_per_day:
        raise ValueError(f"ticks_per_day must divide the day's {scenario.day_s} s into whole microseconds")
    if scenario.horizon_us >= LONGEST_US:
        days, day_s = scenario.days, scenario.day_s
        raise ValueError(f"days of day_s seconds must come to less than 2^62 microseconds, not {days:,} of {day_s:,}")


def _people(scenario: Whole) -> None:
    if scenario.users.segments > scenario.users.count:
        raise ValueError("users.segments must not exceed users.count")
    known = set(scenario.users.tiers) or {0}
    funnel, worth = scenario.funnel, scenario.weather.tiers
    if unknown := {own.tier for own in funnel.tiers} - known if funnel is not None else set():
        there = ", ".join(map(str, sorted(known)))
        raise ValueError(f"funnel.tiers has quotas for tier {min(unknown)}, but users.tiers has only {there}")
    if worth is not None and len(worth.level) != (tiers := max(known) + 1):
        raise ValueError(f"weather.tiers.level must be of {tiers} tiers, as users.tiers are, not {len(worth.level)}")


def _interests(scenario: Whole) -> None:
    """What is found, or changed, by the tastes of users is only where they have tastes."""
    if (kind := scenario.rates.kind) == "interests":
        return
    organic, weather = scenario.response.organic, scenario.weather
    needing = {
        "a funnel needs": scenario.funnel is not None,
        "weather.tiers needs": weather.tiers is not None,
        "weather.request_sigma needs": weather.request_sigma is not None,
        "creatives need": scenario.creatives is not None,
        "content needs": scenario.content is not None,
        "response.organic.slope needs": organic is not None and bool(organic.slope),
        "search and surfaces need": scenario.search is not None or scenario.surfaces is not None,
    }
    for what, is_there in needing.items():
        if is_there:
            raise ValueError(f"{what} rates of kind interests, not {kind}")


def _learning(scenario: Whole) -> None:
    rates, funnel, serving = scenario.rates, scenario.funnel, scenario.serving
    if not isinstance(rates, Interests):
        return
    if rates.new_share is not None and funnel is not None and funnel.new_share:
        raise ValueError("rates.new_share and funnel.new_share say the same: give one of them")
    if rates.learning is None or serving is None:
        return
    if serving.deadline_s is None or serving.deadline_s * 1e6 > scenario.tick_us:
        raise ValueError(
            "rates.learning needs a serving.deadline_s of a tick at most: of who waits for longer it is not known what was "
            "believed on arrival"
        )


def _rotation(scenario: Whole) -> None:
    demand = scenario.demand
    each = [demand] if demand.kind == "drawn" else [c for a in demand.advertisers for c in a.campaigns]
    if scenario.funnel is not None and any(one.even_rotation for one in each):
        raise ValueError("even_rotation needs a market without a funnel, which finds ads and not campaigns")


def _pages(scenario: Whole) -> None:
    if scenario.pages is None:
        return
    if scenario.sessions is None:
        raise ValueError("pages need the part sessions: who looks at them, and what that does to him")
    if scenario.surfaces is not None:
        raise ValueError("pages have their places from auction.slots, so that there are no surfaces beside them")
    if (problem := scenario.pages.problem(scenario.auction.slots)) is not None:
        raise ValueError(problem)


def _content(scenario: Whole) -> None:
    if scenario.content is not None and scenario.content.dimensions <= (tastes := scenario.users.dimensions):
        raise ValueError(f"content.dimensions must be above users.dimensions, {tastes}, not {scenario.content.dimensions}")


def _creatives(scenario: Whole) -> None:
    if scenario.creatives is not None or scenario.demand.kind != "listed":
        return
    listed = (c.name for a in scenario.demand.advertisers for c in a.campaigns if any(ad.creatives for ad in c.ads))
    if (name := next(listed, None)) is not None:
        raise ValueError(f"campaign {name!r} lists creatives, which need a part creatives of the scenario")


def _squashing(scenario: Whole) -> None:
    rates = scenario.rates
    if rates.kind == "uniform" and rates.belief_noise and scenario.auction.squashing != 1:
        raise ValueError("auction.squashing other than 1 needs believed rates above zero, so no rates.belief_noise here")


def _surfaces(scenario: Whole) -> None:
    surfaces, slots = scenario.surfaces or (), scenario.auction.slots
    twice = [name for name, count in Counter(s.name for s in surfaces).items() if count > 1]
    if twice:
        raise ValueError(f"names of surfaces must differ, and {min(twice)!r} stands twice")
    if surfaces and (scenario.search is not None) != any(s.asks for s in surfaces):
        raise ValueError("surfaces where requests ask need the part search, and search such a surface")
    if scenario.funnel is not None and scenario.funnel.keyword_share > 0 and scenario.search is None:
        raise ValueError("funnel.keyword_share needs the part search: without queries no keyword matches")
    if surfaces and scenario.auction.exposure_draws != "cascade":
        raise ValueError("auction.exposure_draws is 'cascade' where surfaces say how their slots are seen")
    patience = None if scenario.serving is None else scenario.serving.deadline_s
    for surface in surfaces:
        if len(surface.exposure) > slots:
            raise ValueError(
                f"surface {surface.name!r} has {len(surface.exposure)} slots, more than the {slots} of auction.slots"
            )
        if surface.deadline_s is not None and (patience is None or surface.deadline_s > patience):
            raise ValueError(f"surface {surface.name!r} needs a deadline_s within serving.deadline_s")
