"""The books of a run, and its logs."""
