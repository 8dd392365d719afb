"""What a value out of a bundle must be before anything is made of it: a bundle may have been written by anybody."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from modelyard.core.digests import Digest
from modelyard.core.names import AliasName, LabelName, ModelName
from modelyard.core.tags import is_text

Check = Callable[[Any], Any]
"""Gives the value back, or raises ``ValueError`` with what is the matter with it."""

Made = TypeVar("Made")

NUMBER_LIMIT = 2**31 - 1
SIZE_LIMIT = 2**63 - 1
TIME_LIMIT = 253_402_300_799_999_999  # microseconds to the end of the year 9999
TEXT_LIMIT = 16 * 1024 * 1024

_HASH = re.compile(r"[0-9a-f]{64}")


def fields(value: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
    """An object with just these fields, each checked."""
    if not isinstance(value, dict) or value.keys() != checks.keys():
        raise ValueError(f"an object does not have just the fields {', '.join(checks)}")
    found: dict[str, Any] = {}
    for name, check in checks.items():
        try:
            found[name] = check(value[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def made(form: Callable[..., Made], checks: Mapping[str, Check]) -> Callable[[Any], Made]:
    """A check that makes ``form`` of an object with these fields."""
    return lambda value: form(**fields(value, checks))


def listed(check: Callable[[Any], Made]) -> Callable[[Any], tuple[Made, ...]]:
    """A list of values."""

    def each(value: Any) -> tuple[Made, ...]:
        if not isinstance(value, list):
            raise ValueError("it is not a list")
        return tuple(check(one) for one in value)

    return each


def mapped(key: Check, check: Check) -> Callable[[Any], dict[str, Any]]:
    """An object with any keys."""

    def each(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        return {key(name): check(one) for name, one in value.items()}

    return each


def optional(check: Check) -> Check:
    """The value, or nothing."""
    return lambda value: None if value is None else check(value)


def text(limit: int = TEXT_LIMIT, *, least: int = 0) -> Check:
    """Text that every database can keep."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value) <= limit or not is_text(value):
            raise ValueError(f"it is not text of {least} to {limit} characters")
        return value

    return check


def integer(least: int, most: int) -> Check:
    """A whole number."""

    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"it is not a number from {least} to {most}")
        return value

    return check


def number(value: Any) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("it is not a finite number")
    return float(value)


def one_of(*words: str) -> Check:
    """One of some words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"it is not one of {', '.join(words)}")
        return value

    return check


def hash_text(value: Any) -> str:
    """The hash of a ledger row."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("it is not a hash")
    return value


def document(value: Any) -> Any:
    """Any JSON."""
    return value


def digest(value: Any) -> str:
    return str(Digest(value))


def model_name(value: Any) -> str:
    return str(ModelName(value))


def alias_name(value: Any) -> str:
    return str(AliasName(value))


def label_name(value: Any) -> str:
    return str(LabelName(value))


time = integer(0, TIME_LIMIT)
sequence = integer(1, SIZE_LIMIT)
version_number = integer(1, NUMBER_LIMIT)
size = integer(0, SIZE_LIMIT)
