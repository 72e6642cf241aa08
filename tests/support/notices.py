"""What a command says of the machine rather than of its work, which depends on what was compiled before."""

from __future__ import annotations

SLOW = ("adarena: compiling ", "adarena: setting up ")


def besides_compiling(errors: str) -> str:
    """What is said on standard error, but for the lines that tell what takes long."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.startswith(SLOW))
