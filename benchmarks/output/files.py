"""What is written for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...simulator.core.disk import write


def as_json(content: Any) -> str:
    """JSON as it stands in a file."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> Path:
    """Writes JSON. Raises `MarketError` if it cannot be written."""
    return write(path, as_json(content))
