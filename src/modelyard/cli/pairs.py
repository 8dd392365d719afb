"""``key=value`` arguments."""

from __future__ import annotations

from collections.abc import Iterable

from modelyard.core.errors import InvalidMetric


def tags(arguments: Iterable[str] | None) -> list[str | tuple[str, str]]:
    """``key=value`` and bare ``key``; the value may hold ``=``."""
    return [(key, value) if sign else key for key, sign, value in (text.partition("=") for text in arguments or ())]


def metrics(arguments: Iterable[str] | None) -> dict[str, float]:
    """``name=number``. Raises InvalidMetric."""
    found = {}
    for text in arguments or ():
        key, _, value = text.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            raise InvalidMetric(key=key, value=value) from None
    return found
