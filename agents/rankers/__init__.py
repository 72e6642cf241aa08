"""Ranking models learned from a market's own logs: what they see, how they are trained, judged, calibrated and kept."""
