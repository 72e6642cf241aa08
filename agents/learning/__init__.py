"""Learning: observations from views, training with Stable-Baselines3, saved agents, and how one of them takes a seat.

Environments are reached only through `gymnasium.make`. Importing this package imports neither torch nor Stable-Baselines3.
"""
