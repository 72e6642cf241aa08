"""What `adarena evaluate` does: an agent on days it has not learned from, beside the best classic of its suite."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..agents.catalogue import make_policy
from ..agents.learning.learned import environment_class
from ..agents.learning.saved import Actor, agent_file, load_agent
from ..agents.learning.validating import acting, episodes
from ..agents.splits import Split
from ..agents.zoo import PREFIX
from ..simulator.core.arrays import Floats
from ..simulator.core.disk import write
from ..simulator.core.errors import MarketError
from ..simulator.core.yaml_text import read_yaml
from ..simulator.scenario.tree import Scenario
from .comparison import statistics
from .comparison.measuring import attempt, chosen_mix
from .comparison.statistics import Estimate
from .comparison.suite import Suite
from .output.progress import progress
from .output.tables import plain_table
from .suites import suite as named

AGENT = "agent"


@dataclass(frozen=True)
class Evaluation:
    """What was found of an agent and of those beside it, by label; the first is the agent, the second the best classic."""

    policies: Mapping[str, str]  # what each label stands for
    scores: Mapping[str, Estimate]
    minus: Mapping[str, Estimate]  # the agent's score less that of each other, paired by day
    over: Mapping[str, Estimate]  # and over it, sum over sum, where no score is negative
    returns: Estimate  # of episodes of the agent's environment

    @property
    def verdict(self) -> str:
        """Whether the agent is better than the best classic."""
        classic = list(self.policies)[1]
        interval = self.minus[classic].interval
        if interval is None or interval.low <= 0 <= interval.high:
            return f"not to be told apart from {classic}"
        return f"{'better' if interval.low > 0 else 'worse'} than {classic}"


def suite_of(agent: Actor, name: str) -> Suite[Any]:
    """The suite in which agents of an environment are compared."""
    kind = environment_class(agent.card.environment, name)
    return named(kind.suite or kind.seat)


def best_classic(suite: Suite[Any]) -> tuple[str, str]:
    """The label and text of the tuned policy that was best on validation days; the suite's reference where none was tuned."""
    file = files(f"{__package__}.suites").joinpath(f"{suite.name}-small.yaml")
    if not file.is_file():
        return suite.reference, suite.reference
    best = max(read_yaml(file.read_bytes())["policies"], key=lambda one: one["validation"])
    return best["name"], best["chosen"]


def evaluate(
    name: str, scenario: Scenario | None, days: int, split: Split, skip: int,
    heard: Callable[[Suite[Any], Scenario, int], Any],
) -> Evaluation:  # fmt: skip
    """An agent, the best classic and the suite's reference on the same days.

    Args:
        name: of the agent: its file or folder, or `zoo:NAME`.
        scenario: the market; None: what it was trained on, or the suite's.
        days: how many.
        split: whose.
        skip: how many of those to leave out before.
        heard: called with the suite, the market and the number of runs; a context in which one calls what it gives after each.

    Raises:
        PolicyError: if there is no such agent.
        MarketError: if its seat is not in the market, or there are not so many days.
    """
    agent = load_agent(name)
    suite = suite_of(agent, name)
    trained_on = agent.card.environment_settings.get("scenario", suite.scenario)
    market = _market(trained_on) if scenario is None else scenario
    cases = suite.cases(market, days, split, skip)
    (best, text), mix = best_classic(suite), chosen_mix(suite, None)
    texts = {AGENT: name if name.startswith(PREFIX) else f"agent:{agent_file(name)}", best: text}
    if suite.reference not in (best, text):
        texts[suite.reference] = suite.reference
    scores: dict[str, Floats] = {}
    with heard(suite, market, len(texts) * len(cases)) as advance:
        for label, spec in texts.items():
            found = []
            for case in cases:
                found.append(attempt(suite, market, case, make_policy(suite.seat, spec), mix).score)
                advance()
            scores[label] = np.array(found)
        changes = {} if scenario is None else {"scenario": scenario}
        settings = {**agent.card.environment_settings, **changes}
        returns = episodes(agent.card.environment, settings, acting(agent), cases[0].seed, days)
    groups = statistics.strata([case.unit for case in cases])
    return Evaluation(
        texts,
        {label: statistics.mean(values, groups) for label, values in scores.items()},
        {label: statistics.mean(scores[AGENT] - values, groups) for label, values in scores.items() if label != AGENT},
        {
            label: statistics.ratio(scores[AGENT], values, groups)
            for label, values in scores.items()
            if label != AGENT and values.min() >= 0 and values.sum() > 0
        },
        statistics.mean(returns, statistics.strata([0] * len(returns))),
    )


def _market(given: Any) -> Scenario:
    return Scenario.named(given) if isinstance(given, str) else Scenario.from_tree(given)


def command(
    console: Console, name: str, scenario: Scenario | None, days: int, split: Split, skip: int, out: Path | None, words: str
) -> None:
    """Evaluates an agent, prints what was found, and writes it as JSON."""
    if days < 2:
        raise MarketError(f"an agent is judged on at least 2 days, not {days}")
    found = evaluate(
        name, scenario, days, split, skip, lambda suite, market, runs: progress(f"{suite.name} on {market.name}", runs)
    )
    table = plain_table(
        f"{name} on {days} {split} days",
        caption="Means and 95% intervals; paired by day where two are compared. A tuned classic was tuned on training "
        "days, and is the best of its suite by validation days.",
    )
    for column in ("policy", "score [95%]", "agent minus it [95%]", "agent over it [95%]"):
        table.add_column(column, justify="left" if column == "policy" else "right", no_wrap=column != "policy")
    for label, score in found.scores.items():
        table.add_row(
            label,
            told(score),
            *(told(held[label], sign) if label in held else "" for held, sign in ((found.minus, "+"), (found.over, ""))),
        )
    console.print(table)
    console.print(f"return of an episode: {told(found.returns)}; the agent is {found.verdict}", highlight=False)
    if out is not None:
        write(out, json.dumps(as_json(found, words), indent=2) + "\n")
        console.print(f"written: {out}", soft_wrap=True)


def told(estimate: Estimate, sign: str = "") -> str:
    """An estimate with its interval, if it has one."""
    form = f"{sign},.3f" if abs(estimate.mean) < 100 else f"{sign},.1f"
    if estimate.interval is None:
        return format(estimate.mean, form)
    return f"{estimate.mean:{form}} [{estimate.interval.low:{form}}, {estimate.interval.high:{form}}]"


def as_json(found: Evaluation, words: str) -> dict[str, Any]:
    """What was found, as a file holds it."""

    def plain(estimate: Estimate) -> dict[str, Any]:
        return {"mean": estimate.mean, "interval": None if estimate.interval is None else list(estimate.interval)}

    others = {label: text for label, text in found.policies.items() if label != AGENT}
    return {
        "command": shlex.join(shlex.split(words)),
        "verdict": found.verdict,
        "score": plain(found.scores[AGENT]),
        "return": plain(found.returns),
        "beside": {
            label: {
                "policy": text,
                "score": plain(found.scores[label]),
                "agent_minus_it": plain(found.minus[label]),
                "agent_over_it": plain(found.over[label]) if label in found.over else None,
            }
            for label, text in others.items()
        },
    }
