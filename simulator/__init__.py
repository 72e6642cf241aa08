"""The market itself: scenario, world, auctions, money. Imports nothing of the other folders."""

from .books.journal import Logs
from .core.errors import AdArenaError, InvariantError, LogError, MarketError, PolicyError, ScenarioError
from .core.rules import Rule, rule
from .scenario.tree import Scenario
from .seats.bidding.decisions import BidPolicy, ChunkBids, Multiplier, RequestFunction, RequestRule, Requests
from .seats.bidding.view import BidView
from .seats.roster import Asked
from .seats.seat import Open, Policy
from .world import World

__all__ = [
    "AdArenaError", "Asked", "BidPolicy", "BidView", "ChunkBids", "InvariantError", "LogError", "Logs", "MarketError",
    "Multiplier", "Open", "Policy", "PolicyError", "RequestFunction", "RequestRule", "Requests", "Rule", "Scenario",
    "ScenarioError", "World", "rule",
]  # fmt: skip
