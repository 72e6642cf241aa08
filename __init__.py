"""AdArena: a discrete-event simulation of an ad market, in which learning agents take over one decision at a time."""

from gymnasium.envs.registration import register, registry

__version__ = "0.1.0"

if "AdArena/Bidding-v0" not in registry:  # a second import under another name must not complain
    register(id="AdArena/Bidding-v0", entry_point="adarena.envs.bidding:BiddingEnv")
