"""Time comes in as an argument. Instants are aware ``datetime`` in UTC; in the database they are integer microseconds."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from modelyard.core.errors import InvalidDuration, InvalidTime

_UNITS = {
    1: ("s", "sec", "second", "seconds"),
    60: ("m", "min", "minute", "minutes"),
    3600: ("h", "hour", "hours"),
    86400: ("d", "day", "days"),
    604800: ("w", "week", "weeks"),
}
_SECONDS = {word: seconds for seconds, words in _UNITS.items() for word in words}
_AGO = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,6}})?)\s*({'|'.join(_SECONDS)})\s+ago")
_LENGTH = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,6}})?)\s*({'|'.join(_SECONDS)})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Whatever knows the time. Called often; must never go to the network."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after about so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def to_micros(when: datetime) -> int:
    """Microseconds since 1970 of an aware instant; exact."""
    return (when - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """The inverse of :func:`to_micros`."""
    return EPOCH + timedelta(microseconds=micros)


def to_text(when: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``, microseconds only when there are any."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_when(text: datetime | date | str, now: datetime) -> datetime:
    """An instant from what a person writes; a time without a zone is in the local zone of this machine.

    Raises :class:`InvalidTime`.
    """
    if isinstance(text, datetime):
        return text.astimezone(UTC)
    if isinstance(text, date):
        return datetime(text.year, text.month, text.day).astimezone(UTC)
    if not isinstance(text, str):
        raise InvalidTime(text=text)
    word = text.strip().lower()
    if word == "now":
        return now
    try:
        if ago := _AGO.fullmatch(word):
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidTime(text=text) from None


def parse_duration(text: str) -> timedelta:
    """A length of time, such as ``30d``; more than nothing. Raises :class:`InvalidDuration`.

    >>> parse_duration("90 min")
    datetime.timedelta(seconds=5400)
    """
    found = _LENGTH.fullmatch(text.strip().lower()) if isinstance(text, str) and text.isascii() else None
    try:
        length = timedelta(seconds=float(found[1]) * _SECONDS[found[2]]) if found else timedelta(0)
    except OverflowError:
        length = timedelta(0)
    if length <= timedelta(0):
        raise InvalidDuration(text=text if not isinstance(text, str) or len(text) <= 60 else text[:57] + "...")
    return length
