"""AdArena: a discrete-event simulation of an ad market, in which learning agents take over one decision at a time."""

from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register, registry

if TYPE_CHECKING:
    from .agents.learning.agent import Agent
    from .benchmarks.pictures.all import draw
    from .simulator import Scenario, World

__version__ = "0.1.0"
__all__ = ["ENVIRONMENTS", "VECTORS", "Agent", "Scenario", "World", "draw"]

ENVIRONMENTS = {
    "AdArena/Allocation-v0": "adarena.envs.allocation:AllocationEnv",
    "AdArena/Auction-v0": "adarena.envs.auction:AuctionEnv",
    "AdArena/Bidding-v0": "adarena.envs.bidding:BiddingEnv",
    "AdArena/Compute-v0": "adarena.envs.compute:ComputeEnv",
    "AdArena/Creative-v0": "adarena.envs.creative:CreativeEnv",
    "AdArena/Market-v0": "adarena.envs.market:MarketEnv",
    "AdArena/Pacing-v0": "adarena.envs.pacing:PacingEnv",
    "AdArena/Ranking-v0": "adarena.envs.ranking:RankingEnv",
}

VECTORS = {  # those that have one of their own
    "AdArena/Allocation-v0": "adarena.envs.side_by_side:AllocationVectorEnv",
    "AdArena/Creative-v0": "adarena.envs.side_by_side:CreativeVectorEnv",
}

for _name, _entry in ENVIRONMENTS.items():
    if _name not in registry:  # a second import under another name must not complain
        _many = VECTORS.get(_name) or "adarena.envs.vector:" + _entry.partition(":")[2].removesuffix("Env") + "VectorEnv"
        register(id=_name, entry_point=_entry, vector_entry_point=_many)


def __getattr__(name: str) -> Any:
    """Imported when they are asked for: who makes an environment by its name needs neither market, agents nor pictures yet."""
    if name in ("Scenario", "World"):
        from . import simulator

        return getattr(simulator, name)
    if name == "Agent":
        from .agents.learning.agent import Agent

        return Agent
    if name == "draw":
        from .benchmarks.pictures.all import draw

        return draw
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "Agent", "Scenario", "World", "draw"]
