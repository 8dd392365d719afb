"""The grammar of keys: the same in a folder, in a bucket and in memory, so that a store can move from one to another."""

from __future__ import annotations

import re

TEMPORARY = "tmp"
"""The first part that no key may have: half-written objects lie there."""

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_KEY = re.compile(rf"(?!{TEMPORARY}/){_PART}(?:/{_PART})*")


def is_key(text: str) -> bool:
    """Whether ``text`` is a key: parts of ``A-Z a-z 0-9 . _ -`` that do not start with a dot or a dash, joined by ``/``."""
    return _KEY.fullmatch(text) is not None and text != TEMPORARY


def parts_of(key: str) -> list[str]:
    """The parts of a key. Raises ValueError for what is none: absolute, empty, with ``..``, or below the temporary folder.

    >>> parts_of("packs/1f3a")
    ['packs', '1f3a']
    """
    if not is_key(key):
        raise ValueError(f"{key!r} is not the key of an object")
    return key.split("/")


def folders_of(prefix: str) -> list[str]:
    """The parts of a prefix, which is empty or ends with ``/``. Raises ValueError.

    >>> folders_of("packs/ab/"), folders_of("")
    (['packs', 'ab'], [])
    """
    if prefix == "":
        return []
    if not prefix.endswith("/"):
        raise ValueError(f"{prefix!r} is not a prefix of keys: it must end with '/'")
    return parts_of(prefix[:-1])
