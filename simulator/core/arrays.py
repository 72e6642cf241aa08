"""Arrays by what is in them, and how many requests compiled code takes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Integers = NDArray[np.int64]
Integers32 = NDArray[np.int32]
Keys = NDArray[np.uint64]
CHUNK = 1024  # requests scored together, a multiple of LANES
LANES = 64  # requests that are selected for side by side
