"""Memory of worlds that are over: given back by the bytes they hold, however few objects they are."""

from __future__ import annotations

import gc
import weakref

import pytest

from adarena.simulator import Scenario, World
from adarena.simulator.core import garbage

TINY = Scenario.preset("tiny")


def alive(worlds: int) -> int:
    """How many of so many worlds, made and forgotten one after another, are still there; none frees rings but ourselves."""
    gc.collect()
    gc.disable()
    try:
        made = [weakref.ref(World(TINY)) for _ in range(worlds)]
        return sum(one() is not None for one in made)
    finally:
        gc.enable()
        gc.collect()


def test_worlds_that_are_over_go_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    size = World(TINY)._exchange.addressed.size
    assert size > 50_000
    monkeypatch.setattr(garbage, "_made", 0)
    monkeypatch.setattr(garbage, "MOST", int(3.5 * size))
    assert alive(20) <= 4
    monkeypatch.setattr(garbage, "_made", 0)
    monkeypatch.setattr(garbage, "MOST", 1000 * size)
    assert alive(20) == 20  # so it is this, and nothing else, that lets them go
