"""Random search over a policy's declared space: all configurations on the same training days, the best by validation days.

Bergstra & Bengio (JMLR 2012). Configurations are compared under common random numbers. The few best of training and the
policy as it was given meet again on validation days, and the best there is named. Test days are never seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...agents.catalogue import describe, make_policy
from ...agents.parameters import space_of
from ...agents.splits import Split, seeds
from ...simulator.core.errors import MarketError, PolicyError
from ...simulator.core.yaml_text import read_yaml, write_yaml
from ...simulator.scenario.tree import Scenario
from . import measuring
from .store import Store, code_version
from .suite import Suite
from .workers import HERE, Crew

FINALISTS = 6  # configurations that meet again on validation days, beside the policy as given
MOST = 100_000  # configurations of a policy
DIGITS = 4  # of a searched value: what is written is what was tried


class Tuned(NamedTuple):
    """What the search made of one policy: the chosen text, and mean scores of it and of the policy as given."""

    given: str
    chosen: str
    configurations: int
    training: float
    validation: float
    given_training: float
    given_validation: float


def metric(suite: Suite[Any]) -> str:
    """What a search looks at, in words: the suite's first metric."""
    first = suite.metrics[0]
    return f"{first.how} over cases of {first.of} over that of {suite.yardstick} ({first.of}: {suite.numbers[first.of]})"


def configurations(seat: str, spec: str, count: int, seed: int = 0) -> list[str]:
    """The texts that are tried: the policy as given, then `count` drawn from its space; without a space only the first.

    The draws depend on the policy's text and on `seed` alone. Raises `MarketError` for a count below 1 or above `MOST`.
    """
    if not 1 <= count <= MOST:
        raise MarketError(f"a search needs at least one configuration and at most {MOST:,}, not {count}")
    policy = make_policy(seat, spec)
    space = space_of(policy)
    if not space:
        return [spec]
    entropy = int.from_bytes(hashlib.blake2b(spec.encode(), digest_size=8).digest())
    dice = np.random.default_rng([seed, entropy])
    shares = dice.random((count, len(space)))
    drawn = [
        _with(seat, policy, {field: _short(span.at(float(u))) for (field, span), u in zip(space.items(), row, strict=True)})
        for row in shares
    ]
    return list(dict.fromkeys([spec, *drawn]))


def _with(seat: str, policy: Any, values: dict[str, Any]) -> str:
    return describe(seat, dataclasses.replace(policy, **values))


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def steps(seat: str, specs: Sequence[str], count: int, days: int) -> int:
    """How many steps `tune` takes: rows to be measured, static hindsight among them."""
    tried = [len(configurations(seat, spec, count)) for spec in specs]
    return days * (2 + sum(n + (min(n - 1, FINALISTS) + 1) for n in tried))


def tune(
    suite: Suite[Any],
    scenario: Scenario,
    specs: Sequence[str],
    count: int,
    days: int,
    store: Store,
    *,
    mix: str | None = None,
    crew: Crew = HERE,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Tuned]:
    """Searches the space of each policy, on `days` training days and as many validation days.

    Raises:
        MarketError: if `count` is below 1 or above `MOST`, or there are not so many days.
    """

    def scores(tried: Sequence[str], split: Split) -> dict[str, float]:
        return measuring.shares(suite, scenario, tried, days, split, advance, mix=mix, crew=crew, store=store)

    out = {}
    for spec in specs:
        tried = configurations(suite.seat, spec, count)
        training = scores(tried, "train")
        # The earlier of two that score the same: what comes out depends on nothing but the numbers.
        order = sorted(tried, key=lambda one: -training[one])
        finalists = list(dict.fromkeys([*[one for one in order if one != spec][:FINALISTS], spec]))
        validation = scores(finalists, "validation")
        chosen = max(finalists, key=lambda one: validation[one])
        out[spec] = Tuned(spec, chosen, len(tried), training[chosen], validation[chosen], training[spec], validation[spec])
    return out


def to_yaml(
    suite: Suite[Any], found: Mapping[str, Tuned], scenario: Scenario, mix: str, days: int, count: int, command: str
) -> str:
    """The file that `bench --policies @FILE` reads: what was chosen, and all that is needed to choose it again."""
    spans = {split: [whole[0], whole[-1]] for split in ("train", "validation") if (whole := seeds(split, days))}
    content = {
        "command": command,
        "suite": suite.seat,
        "scenario": {"name": scenario.name, "digest": scenario.digest},
        "rivals": mix,
        "code": code_version(),
        "seeds": spans,
        "configurations": count,
        "metric": metric(suite),
        "policies": [
            {
                "name": f"{one.given} (tuned)" if one.chosen != one.given else one.given,
                **{key: round(value, 6) if isinstance(value, float) else value for key, value in one._asdict().items()},
            }
            for one in found.values()
        ],
    }
    return write_yaml(content)


def read(seat: str, path: Path) -> dict[str, str]:
    """What a file written by `to_yaml` names: for each label the text that the catalogue reads.

    Raises:
        PolicyError: if there is no such file, it is something else, or its policies sit in another seat.
    """
    try:
        content = read_yaml(path.read_bytes())
    except OSError as error:
        raise PolicyError(f"cannot read the tuned policies {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise PolicyError(f"{str(path)!r} is not as `adarena tune` writes it: {error}") from None
    if isinstance(content, dict) and content.get("suite", seat) != seat:
        raise PolicyError(f"{str(path)!r} holds policies that were tuned in the suite {content['suite']!r}, not in {seat!r}")
    listed = content.get("policies") if isinstance(content, dict) else None
    policies: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else ():
        name, chosen = (one.get(key) if isinstance(one, dict) else None for key in ("name", "chosen"))
        if not isinstance(name, str) or not isinstance(chosen, str):
            raise PolicyError(f"{str(path)!r}: each of its policies has a name and a chosen text, unlike {one!r}")
        if name in policies:
            raise PolicyError(f"{str(path)!r} names {name!r} twice")
        policies[name] = chosen
    if not policies:
        raise PolicyError(f"{str(path)!r} holds no tuned policies: it is written by `adarena tune`")
    return policies
