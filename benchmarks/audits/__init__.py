"""The market held against its own truth and against published figures."""
