"""`report.html`: a comparison on one page that needs nothing else, on paper, on a desk and in a hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from matplotlib.figure import Figure

from ..output.figures import encoded
from . import plots
from .details import facts, pair_by_pair, unit_by_unit
from .markup import Html, minus, number, section, table
from .report import Found, few, first, head, ranked, sign, standing, written
from .statistics import FEWEST, Estimate
from .suite import Metric, Results, Shown


def page(results: Results, found: Found, reference: str, command: str) -> str:
    """The whole page. No part of it is asked for over a network."""
    style = files(__package__).joinpath("page.css").read_text()
    title = f"{results.suite.name.capitalize()} on {results.scenario.name}"
    made = f'<pre><code>{escape(command)}</code></pre>\n<dl class="facts">\n{_terms(facts(results, reference))}\n</dl>'
    parts = (
        section("policies", "Policies", _table(results, found, reference)),
        pair_by_pair(results),
        section("days", "Day by day", _figures(results, found)),
        unit_by_unit(results),
        section("yardsticks", "What the numbers mean", f"<dl>\n{_terms(_explained(results))}\n</dl>"),
        section("origin", "How it was made", made),
    )
    body = "\n".join(part for part in parts if part)
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
{body}
</main>
</body>
</html>
"""


def _lead(results: Results, found: Found, reference: str) -> str:
    suite, best = results.suite, ranked(found)[0]
    units = len({case.unit for case in results.cases})
    played = results.played.replace(" days", " test days")
    said = (
        f"{len(results.runs)} policies, {played}, the seats of {units} {suite.eligible}. "
        f"<strong>{escape(best)}</strong> has the largest mean share of {suite.yardstick}, {first(found[best]).mean:.1%}, "
        f"{escape(standing(results))}"
    )
    if best == reference:
        return said + " It is the reference."
    gains = [found[best][metric.name] for metric in suite.metrics if metric.how == "difference"]
    if not gains:
        return said
    return said + f" Against the reference <strong>{escape(reference)}</strong>: {minus(written(gains[0], '+'))}, paired."


def _table(results: Results, found: Found, reference: str) -> str:
    metrics = [(metric, metric.page) for metric in results.suite.shown(results) if metric.page is not None]
    rows = [
        (name, *(_cell(metric, shown, found[name][metric.name], name == reference) for metric, shown in metrics))
        for name in ranked(found)
    ]
    told = f"no intervals, which take {FEWEST} days" if few(results) else "means with 95% intervals"
    heads = ("policy", *(head(metric, shown, reference) for metric, shown in metrics))
    return table(f"Largest mean first; {told}. Money in the market's currency.", heads, rows, marked=reference)


def _cell(metric: Metric, shown: Shown, estimate: Estimate, is_reference: bool) -> str:
    if metric.how == "difference" and is_reference:
        return "reference"
    form = sign(metric) + shown.form
    if not shown.interval or estimate.interval is None:
        return number(estimate.mean, form)
    low, high = (number(end, form) for end in estimate.interval)
    return Html(f"{number(estimate.mean, form)} <small>{low} to {high}</small>")


def _figures(results: Results, found: Found) -> str:
    drawn = [_figure(plots.comparison(results), plots.comparison(results, narrow=True), _said(results, found))]
    if (curve := results.suite.curve) is not None:
        drawn.append(_figure(plots.curves(results, curve), plots.curves(results, curve, narrow=True), curve.says))
    if (frontier := results.suite.frontier) is not None:
        wide, narrow = (plots.frontier(results, found, frontier, shape) for shape in (False, True))
        drawn.append(_figure(wide, narrow, frontier.says))
    return "\n".join(drawn)


def _said(results: Results, found: Found) -> str:
    shares = ", ".join(f"{name} {first(found[name]).mean:.1%}" for name in ranked(found))
    own, *others = (metric.panel.title for metric in results.suite.shown(results) if metric.panel is not None)
    return f"{', and '.join([own, *(title.lower() for title in others)])}, day by day. Means: {shares}."


def _figure(wide: Figure, narrow: Figure, caption: str) -> str:
    """A picture in two shapes, of which the reader's width picks one."""
    return (
        f'<figure>\n<picture><source media="(max-width: 720px)" srcset="{_inlined(narrow)}">'
        f'<img src="{_inlined(wide)}" alt="{escape(caption)}"></picture>\n<figcaption>{escape(caption)}</figcaption>\n</figure>'
    )


def _inlined(figure: Figure) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(encoded(figure, "svg")).decode()


def _explained(results: Results) -> dict[str, str]:
    """What the suite says of its metrics, and what an interval is."""
    said = {metric.term: metric.says for metric in results.suite.shown(results) if metric.term}
    interval = (
        f"Where the mean over such days lies, by Student's t for days in strata, the {results.suite.unit} in the seat, with a "
        f"correction for skewness. It takes {FEWEST} days: intervals on fewer promise more than they hold."
    )
    lacking = results.suite.lacking(results.scenario)
    return said | ({"What is missing": lacking} if lacking else {}) | {"95% interval": interval}


def _terms(said: Mapping[str, str]) -> str:
    return "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in said.items())
