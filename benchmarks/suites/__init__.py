"""Suites: what is compared, on which market, with which yardsticks."""
