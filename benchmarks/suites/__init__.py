"""Suites: what is compared in each seat, on which market, with which yardsticks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...simulator.core.errors import MarketError, suggest

if TYPE_CHECKING:
    from ..comparison.suite import Suite

# What each command-line name stands for: a module of this folder, and the suite in it. Imported only when it is used.
SUITES: dict[str, str] = {
    "allocation": "allocation:ALLOCATION",
    "auction": "auction:AUCTION",
    "bidding": "bidding:BIDDING",
    "compute": "compute:COMPUTE",
    "creative": "creative:CREATIVE",
    "market": "market:MARKET",
    "pacing": "pacing:PACING",
    "ranking": "ranking:RANKING",
}


def suite(name: str) -> Suite[Any]:
    """The suite of a name. Raises `MarketError` if there is none."""
    if name not in SUITES:
        raise MarketError(f"there is no suite {name!r}{suggest(name, SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    found: Suite[Any] = getattr(importlib.import_module(f".{module}", __package__), attribute)
    return found
