"""`report.html`: a comparison on one page that needs nothing else, on paper, on a desk and in a hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ...agents.bidding.rivals import MIXES
from ...simulator.core.arrays import Floats
from ..output.figures import encoded
from . import plots
from .report import few, ranked, standing, written
from .statistics import FEWEST, Estimate
from .store import code_version

if TYPE_CHECKING:
    from ..suites.bidding import Results


Found = Mapping[str, Mapping[str, Estimate]]
YARDSTICKS = {
    "Static hindsight": "The best constant multiplier of that very day, found by playing the day again and again with the "
    "rivals reacting: that with the best score, which is the value unless a campaign wants something else. "
    "It knows the future but cannot adapt, so it is a yardstick and no bound: an adaptive policy may exceed it.",
    "Clairvoyant bound": "A linear programme that knows every request of the day, given the rivals' bids as they were in the "
    "policy's own run. No policy can exceed it in that run. The share is that of the sums over all days.",
    "Interquartile mean (IQM)": "The mean of the middle half of the days, less swayed by a single wild one.",
    "Paired difference": "The share of static hindsight minus that of the reference on the same days, with the same users, "
    "requests and luck (common random numbers).",
    "95% interval": "Where the mean over such days lies, by Student's t for days in strata, the campaign in the seat, with a "
    f"correction for skewness. It takes {FEWEST} days: intervals on fewer promise more than they hold.",
    "Pacing error": "The mean distance, over the day, of cumulative spend from the forecast curve of traffic, as a share of "
    "the budget.",
}
OVERSPEND = "Money spent beyond the budget; the market never lets a campaign do so, so it is 0 by construction."
SCORE = (
    "By the campaign's objective: value; under a target CPA or ROAS, value times the square of (what it may cost / what it "
    "cost) where it cost more; where utility is wanted, value less spend. The column is its share of the frontier bound: the "
    "most score that can be had, given the rivals' bids of the policy's own run."
)
ABOVE_TARGET = "The share of spend beyond what the target allows for the expected conversions."


def page(results: Results, found: Found, reference: str, forecast: Floats, command: str) -> str:
    """The whole page. No part of it is asked for over a network."""
    style = files(__package__).joinpath("page.css").read_text()
    title = f"Bidding on {results.scenario.name}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<link rel="icon" href="data:,">
<title>{escape(title)} · AdArena</title>
<style>
{style}</style>
</head>
<body>
<header>
<p class="house">AdArena</p>
<h1>{escape(title)}</h1>
<p class="lead">{_lead(results, found, reference)}</p>
</header>
<main>
<section aria-labelledby="policies">
<h2 id="policies">Policies</h2>
{_table(results, found, reference)}
</section>
<section aria-labelledby="days">
<h2 id="days">Day by day</h2>
{_figure(plots.comparison(results), plots.comparison(results, narrow=True), _said(results, found))}
{_figure(plots.spending(results, forecast), plots.spending(results, forecast, narrow=True), SPENDING)}
</section>
<section aria-labelledby="yardsticks">
<h2 id="yardsticks">What the numbers mean</h2>
<dl>
{_terms(_yardsticks(results))}
</dl>
</section>
<section aria-labelledby="origin">
<h2 id="origin">How it was made</h2>
<pre><code>{escape(command)}</code></pre>
<dl class="facts">
{_terms(_facts(results, reference))}
</dl>
</section>
</main>
</body>
</html>
"""


SPENDING = "How the budget was spent on the first days, against the forecast's curve of traffic; of the policies the best few."


def _lead(results: Results, found: Found, reference: str) -> str:
    best, size, days = ranked(found)[0], len(results.runs), len(results.cases)
    share, campaigns = found[best]["share_of_static_hindsight"].mean, len({case.campaign for case in results.cases})
    said = (
        f"{size} policies, {days} test days, the seats of {campaigns} campaigns whose budgets bind. "
        f"<strong>{escape(best)}</strong> has the largest mean share of static hindsight, {share:.1%}, "
        f"{escape(standing(results))}"
    )
    if best == reference:
        return said + " It is the reference."
    gain = written(found[best]["difference_to_reference"], "+")
    return said + f" Against the reference <strong>{escape(reference)}</strong>: {_number(gain)}, paired."


def _number(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _table(results: Results, found: Found, reference: str) -> str:
    cpa = results.limits_cpa
    names = ("of static hindsight", "IQM", f"minus {reference}", "of clairvoyant bound", "value a day", "budget spent")
    heads = [*names, *(("score",) if results.scored else ()), "above target" if cpa else "overspent", "pacing error"]
    shown = "".join(f'<th scope="col" role="columnheader">{escape(head)}</th>' for head in ("policy", *heads))
    rows = []
    for name in ranked(found):
        m = found[name]
        cells = [
            _interval(m["share_of_static_hindsight"]),
            _interval(m["iqm_share_of_static_hindsight"]),
            "reference" if name == reference else _interval(m["difference_to_reference"], "+"),
            _interval(m["share_of_clairvoyant_bound"]),
            f"{m['value'].mean:,.1f}",
            f"{m['spend_share'].mean:.1%}",
            *([_interval(m["score_share_of_frontier_bound"])] if results.scored else []),
            f"{m['cpa_excess'].mean:.1%}" if cpa else f"{m['budget_violation'].mean:.2f}",
            f"{m['pacing_error'].mean:.1%}",
        ]
        data = "".join(
            f'<td role="cell" data-label="{escape(head)}"><span>{cell}</span></td>'
            for head, cell in zip(heads, cells, strict=True)
        )
        kind = ' class="reference"' if name == reference else ""
        rows.append(f'<tr role="row"{kind}><th scope="row" role="rowheader">{escape(name)}</th>{data}</tr>')
    told = f"no intervals, which take {FEWEST} days" if few(results) else "means with 95% intervals"
    return (
        f'<table role="table">\n<caption>Largest mean first; {told}. Money in the market\'s currency.</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{shown}</tr></thead>\n<tbody role="rowgroup">\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table>"
    )


def _interval(estimate: Estimate, sign: str = "") -> str:
    mean, *interval = (_number(format(number, f"{sign}.3f")) for number in (estimate.mean, *(estimate.interval or ())))
    return f"{mean} <small>{' to '.join(interval)}</small>" if interval else mean


def _said(results: Results, found: Found) -> str:
    shares = ", ".join(f"{name} {found[name]['share_of_static_hindsight'].mean:.1%}" for name in ranked(found))
    measured = "Score" if results.scored else "Value"
    return f"{measured} as a share of static hindsight, and pacing error, day by day. Means: {shares}."


def _figure(wide: Figure, narrow: Figure, caption: str) -> str:
    """A picture in two shapes, of which the reader's width picks one."""
    return (
        f'<figure>\n<picture><source media="(max-width: 720px)" srcset="{_inlined(narrow)}">'
        f'<img src="{_inlined(wide)}" alt="{escape(caption)}"></picture>\n<figcaption>{escape(caption)}</figcaption>\n</figure>'
    )


def _inlined(figure: Figure) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(encoded(figure, "svg")).decode()


def _yardsticks(results: Results) -> dict[str, str]:
    score = {"Score": SCORE} if results.scored else {}
    return YARDSTICKS | score | ({"Above target": ABOVE_TARGET} if results.limits_cpa else {"Overspent": OVERSPEND})


def _facts(results: Results, reference: str) -> dict[str, str]:
    seeds = [case.seed for case in results.cases]
    meant = {name: spec for name, spec in results.policies.items() if name != spec}
    kinds = ", ".join(kind.__name__ for kind in MIXES[results.rivals])
    return {
        "Scenario": f"{results.scenario.name}, digest {results.scenario.digest}",
        "Test seeds": f"{min(seeds)} to {max(seeds)}",
        "Campaigns in the seat": ", ".join(str(k) for k in dict.fromkeys(case.campaign for case in results.cases)),
        "Rivals": f"{results.rivals}: {kinds}, dealt in turn within each vertical",
        "Reference": reference,
        **({"Policies": "; ".join(f"{name} = {spec}" for name, spec in meant.items())} if meant else {}),
        "Code": code_version(),
    }


def _terms(said: Mapping[str, str]) -> str:
    return "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in said.items())
