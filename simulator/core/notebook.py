"""How things show themselves in a notebook, and times of day in words."""

from __future__ import annotations

from html import escape


def titled(title: str, body: str) -> str:
    """HTML with a line of plain text above it."""
    return f"<div><strong>{escape(title)}</strong>{body}</div>"


def clock_time(since_us: int) -> str:
    """A time since midnight in microseconds, as a clock shows it: 20:05, or 20:05:30 where seconds count."""
    minutes, seconds = divmod(since_us // 1_000_000, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}" + (f":{seconds:02d}" if seconds else "")
