"""Where a page ends, as text for whoever asks for the next one.

A token says after which row to go on: the values that it was ordered by, and its id. It is bound to what was asked (workspace, subject, filter,
order), and carries the instant that ``'2h ago'`` was counted from, so that all pages answer the same question. It holds nothing secret and
proves nothing: who makes one by hand gets other rows of the same answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.digests import canonical_json
from modelyard.core.errors import InvalidPageToken
from modelyard.core.tags import is_text
from modelyard.registry.language.tokens import INTEGER_LIMIT
from modelyard.registry.search.orders import Key, KeyValue

_LENGTH_LIMIT = 100_000
_DECIMAL = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?")


@dataclass(frozen=True)
class Mark:
    """The last row of a page: the values of its keys, null where it has none, and its id."""

    now: datetime
    values: tuple[KeyValue, ...]
    id: int


def question(*asked: str | Sequence[str]) -> str:
    """What a token is bound to, shortened."""
    return hashlib.sha256(canonical_json(asked)).hexdigest()[:16]


def write(mark: Mark, bound: str) -> str:
    """The token: letters, digits, ``-`` and ``_``."""
    values = [{"n": format(value, "f")} if isinstance(value, Decimal) else value for value in mark.values]
    document = json.dumps([bound, to_micros(mark.now), mark.id, values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def read(token: Any, bound: str, keys: Sequence[Key]) -> Mark:
    """The inverse of :func:`write`. Raises InvalidPageToken for what is none, and for one of another question."""
    if not isinstance(token, str) or len(token) > _LENGTH_LIMIT or not re.fullmatch(r"[A-Za-z0-9_-]+", token):
        raise InvalidPageToken(token=str(token), problem="it is not one that was given out")
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        asked, now, row, values = found
        when = from_micros(now)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise InvalidPageToken(token=token, problem="it is not one that was given out") from None
    if asked != bound:
        raise InvalidPageToken(token=token, problem="it belongs to another search: another filter, order or workspace")
    if not _is_whole(row) or not isinstance(values, list) or len(values) != len(keys):
        raise InvalidPageToken(token=token, problem="it is not one that was given out")
    return Mark(when, tuple(_value(token, key, value) for key, value in zip(keys, values, strict=True)), row)


def _value(token: str, key: Key, value: Any) -> KeyValue:
    if value is None and key.nullable:
        return None
    if key.type == "text" and isinstance(value, str) and is_text(value):
        return value
    if key.type in ("whole", "any number") and _is_whole(value):
        return int(value)
    if key.type in ("number", "any number") and isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and math.isfinite(value):
            return value
    elif key.type == "any number" and isinstance(value, dict) and _DECIMAL.fullmatch(str(value.get("n"))):
        return Decimal(value["n"])
    raise InvalidPageToken(token=token, problem="it is not one that was given out")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_LIMIT
