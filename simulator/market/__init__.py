"""A market is built: who is there, and what a day should bring."""

from .market import Market, build

__all__ = ["Market", "build"]
