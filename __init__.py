"""AdArena: a discrete-event simulation of an ad market, in which learning agents take over one decision at a time."""

__version__ = "0.1.0"
