"""Shards as actors of Ray, on this machine or others; one call an actor and stretch, all at once."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from ..core.errors import MarketError
from ..scenario.tree import Scenario
from .shard import Orders, Report, Shard, code


def installed() -> Any:
    """The module `ray`. Raises `MarketError` if there is none."""
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MarketError("work on other machines needs the package ray: pip install 'adarena[ray]'") from None


class Actors:
    """Shards on the Ray that this process has started or joined; `Sharded(8, places=Actors)`.

    An actor that dies takes what its users remember with it, so that ends the run: with the same seed it can be played again.

    Raises:
        MarketError: if Ray is not installed, or not started, or its workers run other code.
    """

    def __init__(self, scenario: Scenario, seed: int, shards: int) -> None:
        self._ray = installed()
        if not self._ray.is_initialized():
            raise MarketError("shards on Ray need it started or joined first: ray.init()")
        made = self._ray.remote(Shard)
        self._shards = [made.remote(scenario, seed, shards, number) for number in range(shards)]
        if other := set(self._had([shard.code.remote() for shard in self._shards])) - {code()}:
            raise MarketError(f"shards run other code than this process, {', '.join(other)}: install the same adarena on all")

    def play(self, orders: Sequence[Orders]) -> list[Report]:
        """As `Places` do."""
        return self._had([shard.play.remote(one) for shard, one in zip(self._shards, orders, strict=True)])

    def _had(self, waiting: list[Any]) -> list[Any]:
        """What calls come to, once all are over."""
        errors = self._ray.exceptions
        try:
            found: list[Any] = self._ray.get(waiting)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise MarketError(f"a shard has died, and what its users remember with it ({type(error).__name__})") from None
        return found
