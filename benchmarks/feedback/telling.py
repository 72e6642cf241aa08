"""What a feedback loop has found, as tables, a file and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ..comparison import statistics
from ..comparison.statistics import Estimate
from ..output.tables import plain_table
from .loop import Found, Round

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def estimates(found: Found, each: Round) -> dict[str, Estimate]:
    """Over test worlds: value over that of the truth and the belief; revenue and what users bear, over the belief's."""
    groups = statistics.strata([0] * found.plan.seeds)
    belief, own = found.rounds[0].market, each.market
    out = {name: statistics.ratio(own[name], belief[name], groups) for name in ("value", "revenue", "borne")}
    if belief["left"].any():
        out["left"] = statistics.ratio(own["left"], belief["left"], groups)
    if found.truth:
        out["of_truth"] = statistics.ratio(own["value"], found.truth["value"], groups)
    if belief["server_s"].any():
        out["server_s"] = statistics.ratio(own["server_s"], belief["server_s"], groups)
    return out


def _said(one: Estimate) -> str:
    return f"{one.mean:.3f}" + ("" if one.interval is None else f" [{one.interval.low:.2f}, {one.interval.high:.2f}]")


def tables(found: Found) -> list[Table]:
    """How good rankers are on logs and over all pairs, and what they bring in the market; a row for each round."""
    plan = found.plan
    how = f"prior {plan.settings.prior}, {'warm, ' if plan.warm else ''}stage {plan.stage}"
    who = f"{plan.settings.model}, {how}, {plan.scenario.name}"
    offline = plain_table(
        f"{who}: {plan.rounds} rounds of {plan.days} days",
        "Log: the last part of the log that it learned from. Served: clicks predicted over those that came in the log that it "
        "made. All pairs: of users and ads, which only a judge knows.",
    )
    for column in ("expl.", "round", "log: AUC", "belief's", "over came", "served", "pairs: AUC", "corr.", "over true"):
        offline.add_column(column, justify="right", no_wrap=True)
    for each in found.rounds:
        log = [_number(each.offline, key, ".4f") for key in ("auc", "belief_auc")]
        pairs = [_number(each.pairs, key, ".3f") for key in ("all_auc", "all_correlation", "all_pcoc")]
        over = [_number(numbers, "pcoc", ".3f") for numbers in (each.offline, each.log)]
        offline.add_row(*_name(each), *log, *over, *pairs)
    same = f"Over what the belief brings in the same {plan.seeds} test worlds{_told(found)}."
    value = f"{same} Value: of impressions to advertisers. Log's value: currency, what exploring costs included."
    others = (
        f"{same} Borne: ads seen and not clicked, which users bear. Left: the worth of the visits that users so satisfied will "
        "still make."
    )
    first = _market(found, f"{who}: value in the market", value, {"value": "value", "of_truth": "over the truth's"}, log=True)
    names = {"revenue": "revenue", "borne": "borne", "left": "left", "server_s": "server time"}
    return [offline, first, _market(found, f"{who}: money, users, servers", others, names, log=False)]


def _told(found: Found) -> str:
    """What numbers of the market have in brackets, if they have: few worlds tell no interval."""
    return "" if found.plan.seeds < statistics.FEWEST else " [95%]"


def _market(found: Found, title: str, caption: str, names: Mapping[str, str], log: bool) -> Table:
    """Estimates by name, those that there are, and perhaps what logs were worth."""
    out = plain_table(title, caption)
    told = [estimates(found, each) for each in found.rounds]
    shown = {key: name for key, name in names.items() if key in told[0]}
    for column in ("expl.", "round", *shown.values(), *(["log's value"] if log else [])):
        out.add_column(column, justify="right", no_wrap=True)
    for each, its in zip(found.rounds, told, strict=True):
        made = [_number(each.log, "value", ",.0f")] if log else []
        out.add_row(*_name(each), *(_said(its[key]) for key in shown), *made)
    return out


def _name(each: Round) -> tuple[str, str]:
    return f"{each.share:.0%}", str(each.number) if each.number else "belief"


def _number(numbers: Mapping[str, float], name: str, form: str) -> str:
    return format(numbers[name], form) if name in numbers else ""


def to_json(found: Found) -> dict[str, Any]:
    """As a file holds it."""
    rows = []
    for each in found.rounds:
        told = {
            name: {"mean": one.mean, "interval": None if one.interval is None else list(one.interval)}
            for name, one in estimates(found, each).items()
        }
        worlds = {name: values.tolist() for name, values in each.market.items()}
        row = {"share": each.share, "round": each.number, "log": dict(each.log), "offline": _plain(each.offline)}
        rows.append({**row, "pairs": _plain(each.pairs), "estimates": told, "worlds": worlds})
    truth = {name: values.tolist() for name, values in found.truth.items()}
    return {"test_seeds": list(found.plan.test_seeds), "rounds": rows, "truth": truth}


def _plain(numbers: Any) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}


def picture(found: Found) -> Figure:
    """By round: AUC on the log and over all pairs, predicted over came, value over the belief's and over the truth's."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 8), layout="constrained")
        axes = figure.subplots(2, 2)
        for share in found.plan.shares:
            rounds = [each for each in found.rounds if each.share == share]
            learned, label = rounds[1:], f"{share:.0%} explored"
            number = [each.number for each in rounds]
            (line,) = axes[0, 0].plot(number[1:], [each.offline["auc"] for each in learned], marker="o", label=label)
            colour = line.get_color()
            axes[0, 0].plot(number[1:], [each.offline["belief_auc"] for each in learned], linestyle=":", color=colour)
            if rounds[0].pairs:
                axes[0, 1].plot(number, [each.pairs["all_auc"] for each in rounds], marker="o", color=colour, label=label)
            axes[1, 0].plot(number, [each.log["pcoc"] for each in rounds], marker="o", color=colour, label=label)
            told = [estimates(found, each)["value"] for each in rounds]
            mean = np.array([one.mean for one in told])
            axes[1, 1].plot(number, mean, marker="o", color=colour, label=label)
            if all(one.interval is not None for one in told):
                low, high = np.array([one.interval for one in told], np.float64).T
                axes[1, 1].fill_between(number, low, high, color=colour, alpha=0.15, linewidth=0)
        if found.truth:
            groups = statistics.strata([0] * found.plan.seeds)
            best = statistics.ratio(found.truth["value"], found.rounds[0].market["value"], groups).mean
            axes[1, 1].axhline(best, color=INK, linewidth=1, label="the truth")
        axes[1, 0].axhline(1.0, color="#888888", linewidth=1)
        axes[0, 0].set(title="AUC on the log it learned from (dots: the belief)", xlabel="round")
        axes[0, 1].set(title="AUC over all pairs of users and ads", xlabel="round")
        axes[1, 0].set(title="Predicted over came, in the log it made", xlabel="round")
        axes[1, 1].set(title=f"Value to advertisers, over the belief's{_told(found)}", xlabel="round")
        axes[1, 1].legend(frameon=False)
        for axis in axes.flat:
            axis.xaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(f"{found.plan.settings.model} on {found.plan.scenario.name}", x=0.01, ha="left", color=INK)
    return figure
