"""Where things are: the root of the package, and data shared beside the repository that some tests need."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ADARENA_SHARED", ROOT.resolve().parent / "shared"))
