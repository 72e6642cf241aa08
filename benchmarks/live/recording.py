"""What was done to a world, and when: kept, written as YAML or as a Python script, and played again to the same books."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...agents.catalogue import make_policy
from ...simulator.core.errors import MarketError, suggest
from ...simulator.core.yaml_text import read_yaml, write_yaml
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from .relay import Relay, relays

# What may be done, as methods of `World` (but for `hand`) and what each takes; and in a word or two, for marks in charts.
ACTIONS: dict[str, tuple[str, ...]] = {
    "set_budget": ("campaign", "amount"),
    "top_up": ("campaign", "amount"),
    "pause": ("campaign",),
    "launch": ("campaign",),
    "surge": ("factor",),
    "fail_servers": ("servers",),
    "repair_servers": ("servers",),
    "hand": ("seat", "policy"),
}
WORDS: dict[str, Callable[..., str]] = {
    "set_budget": lambda campaign, amount: f"{campaign} budget {'unlimited' if amount is None else f'{amount:,g}'}",
    "top_up": lambda campaign, amount: f"{campaign} +{amount:,g}",
    "pause": lambda campaign: f"{campaign} paused",
    "launch": lambda campaign: f"{campaign} launched",
    "surge": lambda factor: f"traffic x {factor:.3g}",
    "fail_servers": lambda servers: f"{servers} server{'' if servers == 1 else 's'} down",
    "repair_servers": lambda servers: f"{servers} server{'' if servers == 1 else 's'} back",
    "hand": lambda seat, policy: f"{seat}: {policy}",
}


class Action(NamedTuple):
    """Something done to a world at a time, microseconds since the start: the end of a tick, the next one being open."""

    at_us: int
    do: str  # of ACTIONS
    what: dict[str, Any]  # by the names there

    @classmethod
    def read(cls, at_us: int, do: Any, what: Any) -> Action:
        """An action from what somebody sends. Raises `MarketError` if it is none; values are the world's to judge."""
        if not isinstance(do, str) or do not in ACTIONS:
            raise MarketError(f"there is no action {do!r}{suggest(str(do), ACTIONS)}")
        if not isinstance(what, Mapping) or set(what) != set(ACTIONS[do]):
            raise MarketError(f"{do} takes {' and '.join(ACTIONS[do])}, not {what!r}")
        return cls(at_us, do, {name: what[name] for name in ACTIONS[do]})

    @property
    def words(self) -> str:
        """What was done, in a few words."""
        return WORDS[self.do](**self.what)


class Driven:
    """A world whose seats may change hands; `policies` names their holders, as the catalogue reads them.

    Raises:
        MarketError, PolicyError: as `World` and `make_policy` do.
    """

    def __init__(self, scenario: Scenario, policies: Mapping[str, str], seed: int) -> None:
        self.relays: dict[str, Relay] = relays(scenario, {seat: make_policy(seat, text) for seat, text in policies.items()})
        self.world = World(scenario, self.relays, seed=seed)

    def do(self, action: Action) -> None:
        """Does it now. Raises `MarketError` or `PolicyError`, having changed nothing, if it cannot be done."""
        if action.do != "hand":
            getattr(self.world, action.do)(**action.what)
            return
        seat = action.what["seat"]
        if not isinstance(seat, str) or seat not in self.relays:
            raise MarketError(f"this market has no seat {seat!r} to hand over: it has {', '.join(self.relays)}")
        self.relays[seat].hand(make_policy(seat, action.what["policy"]))


class Recording(NamedTuple):
    """A world from its start, and what was done to it, in the order in which it was."""

    scenario: Scenario
    seed: int
    policies: dict[str, str]  # who held which seat at the start
    actions: tuple[Action, ...]

    def play(self, until: int | None = None) -> World:
        """The world, run again to a time in microseconds or (None) to its end, with all that was done to it by then."""
        driven = Driven(self.scenario, self.policies, self.seed)
        for action in self.actions:
            if until is not None and action.at_us > until:
                break
            driven.world.run(action.at_us)
            driven.do(action)
        driven.world.run(until)
        return driven.world

    def to_yaml(self) -> str:
        """A document that `from_yaml` turns into an equal recording."""
        actions = [{"at_us": action.at_us, "do": action.do, **action.what} for action in self.actions]
        tree = {
            "seed": self.seed, "policies": self.policies, "actions": actions, "scenario": self.scenario.model_dump(mode="json"),
        }  # fmt: skip
        return write_yaml(tree, default_flow_style=None)

    @classmethod
    def from_yaml(cls, text: str) -> Recording:
        """Reads what `to_yaml` writes. Raises `ScenarioError` or `MarketError` if it is something else."""
        tree = read_yaml(text.encode())
        wanted = {"seed", "policies", "actions", "scenario"}
        if not isinstance(tree, Mapping) or set(tree) != wanted:
            raise MarketError(f"a recording has the fields {', '.join(sorted(wanted))} and no others")
        actions = []
        for given in tree["actions"]:
            what = {name: value for name, value in given.items() if name not in ("at_us", "do")}
            actions.append(Action.read(given["at_us"], given["do"], what))
        return cls(Scenario.from_tree(tree["scenario"]), tree["seed"], dict(tree["policies"]), tuple(actions))

    def to_python(self) -> str:
        """A script that plays the day again; after it `world` has the same books."""
        held = ", ".join(f"{seat!r}: make_policy({seat!r}, {text!r})" for seat, text in self.policies.items())
        lines = [
            '"""A day as it was driven from the live page."""',
            "",
            "import json",
            "",
            "from adarena import Scenario, World",
            "from adarena.agents.catalogue import make_policy",
            "from adarena.benchmarks.live.relay import relays",
            "",
            f"scenario = Scenario.from_tree(json.loads({json.dumps(self.scenario.model_dump(mode='json'))!r}))",
            f"seats = relays(scenario, {{{held}}})",
            f"world = World(scenario, seats, seed={self.seed})",
            *(line for action in self.actions for line in _lines(action)),
            "world.run()",
        ]
        return "\n".join(lines) + "\n"


def _lines(action: Action) -> tuple[str, str]:
    """An action in Python."""
    what = action.what
    if action.do == "hand":
        done = f"seats[{what['seat']!r}].hand(make_policy({what['seat']!r}, {what['policy']!r}))"
    else:
        done = f"world.{action.do}({', '.join(f'{name}={value!r}' for name, value in what.items())})"
    return f"world.run({action.at_us})", done
