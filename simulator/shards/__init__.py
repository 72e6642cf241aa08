"""One market over many places: users split by hash, one call a shard and tick, budgets reconciled in between."""

from .engine import Sharded

__all__ = ["Sharded"]
