"""Policies compared: rows in a store, statistics, tables, figures, a page."""
