"""Environments for Gymnasium: a market in which one seat is left open."""
