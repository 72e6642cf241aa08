"""What the report tells beside its main table: policies pair by pair, each unit by itself, and where it all comes from."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from llvmlite import binding

from ...agents.catalogue import joined, make_policy
from ...agents.learning.learned import Learned
from ...agents.learning.saved import card_of
from ...agents.provenance.watching import digest
from .markup import folded, number, section, table
from .pairs import Pair, verdicts
from .report import compared, shares
from .store import code_version
from .suite import Detail, Results


def pair_by_pair(results: Results) -> str:
    """Who is ahead of whom beyond chance and who is tied, and behind a click every difference with its interval."""
    found = compared(results)
    if not found:
        return ""
    rows = [
        (name, ", ".join(ahead) or "nobody", ", ".join(tied) or "nobody") for name, (ahead, tied) in verdicts(found).items()
    ]
    told = "Ahead beyond chance, all pairs together at 95%; tied where chance may have made the difference."
    if found[0].interval is None:
        told = "Differences of means: the days are too few to tell chance from skill."
        return section("pairs", "Pair by pair", _differences(found, told))
    main = table(told, ("policy", "ahead of", "tied with"), rows, "words")
    return section("pairs", "Pair by pair", main + folded("All differences", _differences(found, "")))


def _differences(found: Sequence[Pair], told: str) -> str:
    rows = []
    for pair in found:
        interval = "" if pair.interval is None else " to ".join(number(end, "+.3f") for end in pair.interval)
        rows.append((f"{pair.ahead} over {pair.behind}", number(pair.by, "+.3f"), interval, "tie" if pair.tied else "ahead"))
    heads = ("pair", "difference", "95% together", "verdict")[: 4 if found[0].interval is not None else 2]
    return table(told, heads, [row[: len(heads)] for row in rows])


def unit_by_unit(results: Results) -> str:
    """What each policy made of each unit, such as a campaign; nothing in a suite that tells no details."""
    suite, scenario = results.suite, results.scenario
    if not suite.details:
        return ""
    by_case, parts = shares(results), []
    for unit in dict.fromkeys(case.unit for case in results.cases):
        places = [place for place, case in enumerate(results.cases) if case.unit == unit]
        own = {name: float(values[places].mean()) for name, values in by_case.items()}
        rows = [
            (name, number(share, ".3f"), *(_detail(results, name, places, detail) for detail in suite.details))
            for name, share in sorted(own.items(), key=lambda one: -one[1])
        ]
        days = f"{len(places)} day{'s' * (len(places) > 1)}"
        heads = ("policy", f"of {suite.yardstick}", *(detail.head for detail in suite.details))
        parts.append(folded(f"{suite.label(scenario, unit) or unit}, {days}", table("", heads, rows)))
    return section("units", f"By {suite.unit}", "\n".join(parts))


def _detail(results: Results, name: str, places: Sequence[int], detail: Detail) -> str:
    """The mean over the places, or the ratio of sums; a dash where there is nothing to divide by."""
    values = results.numbers(name, detail.of)[places]
    if detail.over is None:
        return number(float(values.mean()), detail.form)
    over = float(results.numbers(name, detail.over)[places].sum())
    return number(float(values.sum()) / over, detail.form) if over else "\N{EN DASH}"


def facts(results: Results, reference: str) -> dict[str, str]:
    """Where numbers come from: market, days, rivals, who policies are, what code and machine made them, and when."""
    suite, scenario, seeds = results.suite, results.scenario, [case.seed for case in results.cases]
    meant = {name: spec for name, spec in results.policies.items() if name != spec}
    units = dict.fromkeys(suite.label(scenario, case.unit) or str(case.unit) for case in results.cases)
    spent = sum(run.seconds for runs in results.runs.values() for run in runs)
    return {
        "Scenario": f"{scenario.name}, digest {scenario.digest}",
        "Test seeds": f"{min(seeds)} to {max(seeds)}",
        f"{suite.unit.capitalize()}s in the seat": ", ".join(units),
        "Rivals": f"{results.rivals}: {suite.mixes[results.rivals]}",
        "Reference": reference,
        **({"Policies": "; ".join(f"{name} = {spec}" for name, spec in meant.items())} if meant else {}),
        **agents(results),
        "Code": code_version(),
        "Made": (
            f"{datetime.datetime.now(datetime.UTC).date()} on {os.cpu_count()} cores of {binding.get_host_cpu_name()}; "
            f"{spent:,.0f} s of processor time in the policies' days, without yardsticks"
        ),
    }


def agents(results: Results) -> dict[str, str]:
    """How the trained agents among the policies were trained, and a digest of each file."""
    told = []
    for spec in dict.fromkeys(one for text in results.policies.values() for one in joined(results.suite.seat, text)):
        if isinstance(policy := make_policy(results.suite.seat, spec), Learned):
            card = card_of(policy.path)
            told.append(
                f"{spec}: {card.algorithm}, {card.timesteps:,} steps in {card.environment}, seed {card.seed}, AdArena "
                f"{card.version}, file {digest(Path(policy.path))}"
            )
    return {"Trained agents": "; ".join(told)} if told else {}
