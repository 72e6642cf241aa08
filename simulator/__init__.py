"""The market itself: scenario, world, auctions, money. Imports nothing of the other folders."""

from .errors import AdArenaError, InvariantError, LogError, MarketError, PolicyError, ScenarioError
from .journal import Logs
from .rules import Rule, rule
from .scenario import Scenario
from .seats import BidPolicy, BidView, ChunkBids, Multiplier, RequestRule, Requests
from .world import World

__all__ = [
    "AdArenaError", "BidPolicy", "BidView", "ChunkBids", "InvariantError", "LogError", "Logs", "MarketError", "Multiplier",
    "PolicyError", "RequestRule", "Requests", "Rule", "Scenario", "ScenarioError", "World", "rule",
]  # fmt: skip
