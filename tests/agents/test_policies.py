"""What every policy that the package names must keep, in whatever seat it sits."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from adarena.agents.catalogue import SEATS, base, describe, make_policy, policies
from adarena.agents.parameters import space_of
from adarena.benchmarks.suites import suite
from adarena.simulator import Scenario, World
from adarena.simulator.seats.seat import Open


@cache
def first_world(seat: str) -> World:
    """The market of a seat's suite, before anything is decided in it."""
    # Plans of some bidders take seconds a campaign, of which there are few here.
    world = World(Scenario.preset("tiny" if seat == "bidding" else suite(seat).scenario), {seat: Open()})
    world.until_asked()
    return world


def first_view(seat: str) -> Any:
    """What a policy that holds all of a seat sees at first, as a copy of its own."""
    return copy.deepcopy(first_world(seat).look(seat))


every_policy = pytest.mark.parametrize(("seat", "name"), [(seat, name) for seat in SEATS for name in sorted(policies(seat))])


def arrays(thing: Any) -> Iterator[np.ndarray]:
    """Every array in a view or a decision, however deep."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, tuple | list):
        for part in thing:
            yield from arrays(part)


def test_every_seat_has_policies() -> None:
    assert all(policies(seat) for seat in SEATS)


@every_policy
def test_it_is_built_by_its_name_and_described_by_it(seat: str, name: str) -> None:
    made = make_policy(seat, name)
    assert type(made) is policies(seat)[name]
    assert isinstance(made, base(seat))
    assert describe(seat, made) == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert type(made).__doc__


@every_policy
def test_every_corner_of_its_space_is_allowed_and_described(seat: str, name: str) -> None:
    for field, span in space_of(make_policy(seat, name)).items():
        for share in (0.0, 0.5, 1.0):
            made = make_policy(seat, f"{name}:{field}={span.at(share)}")
            assert getattr(made, field) == span.at(share)
            assert make_policy(seat, describe(seat, made)) == made


@every_policy
def test_it_decides_the_same_from_the_same_view_and_leaves_the_view_alone(seat: str, name: str) -> None:
    decisions = []
    for policy in (make_policy(seat, name),) * 2 + (make_policy(seat, name),):  # again, and another
        seen = first_view(seat)
        before = [array.tobytes() for array in arrays(seen)]
        policy.start(seen, np.random.default_rng(0))
        decision = policy.decide(seen)
        assert [array.tobytes() for array in arrays(seen)] == before
        decisions.append((type(decision), [array.tobytes() for array in arrays(decision)]))
    assert decisions[0] == decisions[1] == decisions[2]
    assert before


@every_policy
def test_its_fields_can_be_written(seat: str, name: str) -> None:
    """On a command line, that is: of a plain type, with a default."""
    made = make_policy(seat, name)
    assert dataclasses.is_dataclass(made)
    for field in dataclasses.fields(made):
        if field.init:
            assert make_policy(seat, f"{name}:{field.name}={getattr(made, field.name)}") == made
