"""Tags as a dict, a list of keys, or a list of pairs: one meaning everywhere.

Written, a bare key is a tag with an empty value. Asked for, a bare key matches any version that has the tag, and a pair
matches the versions that have it with just that value. Several conditions must all hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.core.errors import InvalidTag

Tags = Mapping[str, str] | Iterable[str | tuple[str, str] | list[str]]

KEY_LIMIT = 250
VALUE_LIMIT = 8000


def tags_to_write(tags: Tags | None, what: str = "tag") -> dict[str, str]:
    """What to store; raises :class:`InvalidTag` for a key or a value that is not text.

    >>> tags_to_write(["nightly", ("type", "classification")])
    {'nightly': '', 'type': 'classification'}
    """
    return {key: value or "" for key, value in _pairs(tags, what)}


def tags_to_match(tags: Tags | None, what: str = "tag") -> dict[str, str | None]:
    """What to ask for: ``None`` stands for any value.

    >>> tags_to_match(["nightly", ("type", "classification")])
    {'nightly': None, 'type': 'classification'}
    """
    return dict(_pairs(tags, what))


def matches(wanted: Mapping[str, str | None], found: Mapping[str, str]) -> bool:
    """Whether all conditions hold. A missing tag never matches."""
    return all(key in found and value in (None, found[key]) for key, value in wanted.items())


def _pairs(tags: Any, what: str) -> Iterable[tuple[str, str | None]]:
    if tags is None:
        return
    if isinstance(tags, str | bytes):
        raise InvalidTag(what=what, key=tags, problem="one piece of text is neither a dict nor a list")
    if isinstance(tags, Mapping):
        items: Iterable[Any] = tags.items()
    elif isinstance(tags, Iterable):
        items = tags
    else:
        raise InvalidTag(what=what, key=tags, problem=f"a {type(tags).__name__} is neither a dict nor a list")
    for item in items:
        if isinstance(item, str):
            yield _key(item, what), None
        elif isinstance(item, tuple | list) and len(item) == 2:
            yield _key(item[0], what), _value(item[0], item[1], what)
        else:
            raise InvalidTag(what=what, key=item, problem="it is neither a key nor a pair of key and value")


def is_text(value: str) -> bool:
    """Whether the value can be written down everywhere: a lone surrogate cannot, and PostgreSQL has no text with a zero character."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(key: Any, what: str) -> str:
    if not isinstance(key, str):
        raise InvalidTag(what=what, key=key, problem=f"the key is a {type(key).__name__}, not text")
    if not key or len(key) > KEY_LIMIT or not key.isprintable() or key != key.strip() or "=" in key:
        problem = f"a key is 1 to {KEY_LIMIT} printable characters without '=' or outer spaces"
        raise InvalidTag(what=what, key=key[:60], problem=problem)
    return key


def _value(key: Any, value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidTag(what=what, key=key, problem=f"the value {value!r} is a {type(value).__name__}, not text")
    if not is_text(value):
        raise InvalidTag(what=what, key=key, problem="the value is not valid Unicode text")
    if len(value) > VALUE_LIMIT:
        raise InvalidTag(
            what=what, key=key, problem=f"the value has {len(value)} characters, {VALUE_LIMIT} are the most"
        )
    return value
