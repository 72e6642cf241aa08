"""What learning needs beside the package: PyTorch and Stable-Baselines3, which `pip install 'adarena[rl]'` brings."""

from __future__ import annotations

import importlib.util
import sys

from ...simulator.core.errors import PolicyError

LEARNING = ("torch", "stable_baselines3")


def missing(names: tuple[str, ...] = LEARNING) -> list[str]:
    """Those of some modules that are not installed."""
    return [name for name in names if name not in sys.modules and not _found(name)]


def needed(what: str) -> None:
    """Raises `PolicyError` that names the extra, if what is needed for something is not installed."""
    if absent := missing():
        verb = "is" if len(absent) == 1 else "are"
        raise PolicyError(f"{what} needs {' and '.join(absent)}, which {verb} not installed: pip install 'adarena[rl]'")


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # by a finder that refuses it
        return False
