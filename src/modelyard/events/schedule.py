"""When an attempt that failed is made again: pure rules, over about a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 5.0
FACTOR = 3.0
LONGEST_SECONDS = 6 * 3600.0
ATTEMPTS = 12
"""After so many the delivery has failed: 5 s, 15 s, 45 s … 3 h, 6 h, 6 h, 6 h make some 22 hours."""
SPREAD = 0.2
"""A wait is longer or shorter by up to this part of it, so that receivers that come back are not asked by all at once."""
LONGEST_ASKED_SECONDS = 24 * 3600.0
"""A receiver may ask for no longer wait than this."""


def delay(attempts: int, uniform: Callable[[], float]) -> float:
    """Seconds to wait after attempt number ``attempts`` (from 1) failed; ``uniform`` gives a random number from 0 to 1.

    >>> [delay(n, lambda: 0.5) for n in (1, 2, 3, 9, 500)]
    [5.0, 15.0, 45.0, 21600.0, 21600.0]
    """
    planned = min(LONGEST_SECONDS, FIRST_SECONDS * FACTOR ** min(attempts - 1, 20))
    return planned * (1 - SPREAD + 2 * SPREAD * uniform())


def next_wait(attempts: int, asked: float | None, uniform: Callable[[], float]) -> float | None:
    """Seconds until the next attempt, at least as long as the receiver ``asked``; None when there is none any more.

    >>> next_wait(1, 600, lambda: 0.5), next_wait(1, 10**9, lambda: 0.5), next_wait(12, None, lambda: 0.5)
    (600, 86400.0, None)
    """
    if attempts >= ATTEMPTS:
        return None
    return max(delay(attempts, uniform), min(asked or 0.0, LONGEST_ASKED_SECONDS))


def asked_wait(header: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3: seconds, or a date); None for none, or nonsense.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> [asked_wait(text, noon) for text in ("120", "Sun, 01 Mar 2026 12:01:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", "soon", None)]
    [120.0, 60.0, 0.0, None, None]
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        return None
    return max(0.0, (when - now).total_seconds())
