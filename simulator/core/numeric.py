"""Numbers that users hand over, of whatever type: a whole number as an int, a finite one as a float, or None for anything else.

Python's own, NumPy's of every width, fractions and decimals are numbers; truth values and texts are none, but for texts that a
person writes for a large number: see `amount`.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
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


THOUSANDS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
_AMOUNT = re.compile(r"([-+]?(?:\d[\d_,]*)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)([kKMG]?)")


def amount(text: str) -> int | float | None:
    """The number that such a text as 250, 1e6, 10k, 2.5M or 1,000,000 stands for, exactly, an int if it is whole; else None."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        exact = Fraction(found[1].replace(",", "").replace("_", "")) * THOUSANDS[found[2]]
    except ValueError:  # no digit in it
        return None
    return exact.numerator if exact.denominator == 1 else real(exact)
