"""Numbers that users hand over, of whatever type: a whole number as an int, a finite one as a float, or None for anything else.

Python's own, NumPy's of every width, fractions and decimals are numbers; truth values and texts are none.
"""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral, Real
from typing import Any


def whole(value: Any) -> int | None:
    """The int that a number is, however large; None if it is none, or not whole."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    if isinstance(value, Integral):
        return int(value)
    if real(value) is None:
        return None
    number = int(math.floor(value))  # noqa: RUF046  (NumPy's floor is no int)
    return number if number == value else None


def real(value: Any) -> float | None:
    """The float that a number is, or is next to; None if it is none, or not finite as a float."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):  # beyond floats; a signalling NaN
        return None
    return number if math.isfinite(number) else None
