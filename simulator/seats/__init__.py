"""Seats: what the holder of a decision sees, and what it may decide."""
