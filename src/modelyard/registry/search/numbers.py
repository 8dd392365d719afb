"""Comparing a stored number with a written one, exactly: a whole number is never rounded to a float on the way, nor the other way round."""

from __future__ import annotations

import math

from modelyard.registry.language.tokens import INTEGER_LIMIT
from modelyard.registry.language.tree import Sign


def exact(sign: Sign, value: int | float, *, whole: bool) -> tuple[Sign, int | float] | bool:
    """The same comparison with a value of the kind that is stored, whole or float; or its answer, when that is the same for all stored numbers.

    >>> exact("<", 2.5, whole=True)
    ('<=', 2)
    >>> exact("=", 2.5, whole=True)
    False
    >>> exact(">", 2**53 + 1, whole=False)
    ('>=', 9007199254740994.0)
    """
    low, high = _between(value) if whole else _floats_around(value)
    if low == high:
        return sign, low
    if sign in ("=", "!="):
        return sign == "!="
    if sign in ("<", "<="):
        return ("<=", low) if math.isfinite(low) else False
    return (">=", high) if math.isfinite(high) else False


def _between(value: int | float) -> tuple[int | float, int | float]:
    """The stored whole numbers next to it: the highest that is not above, the lowest that is not below; infinite when there is none."""
    if value > INTEGER_LIMIT:
        return INTEGER_LIMIT, math.inf
    if value < -INTEGER_LIMIT:
        return -math.inf, -INTEGER_LIMIT
    return math.floor(value), math.ceil(value)


def _floats_around(value: int | float) -> tuple[float, float]:
    near = float(value)
    if near == value:
        return near, near
    return (near, math.nextafter(near, math.inf)) if near < value else (math.nextafter(near, -math.inf), near)
