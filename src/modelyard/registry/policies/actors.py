"""Names of actors: who is meant by a rule, and which names are one person.

A name is as it was given: before there is a server that knows its callers, nobody has proved who they are. Rights are given narrowly (every
character counts), persons are told apart widely (``Ana`` and ``ana`` are one), so that a doubt never lets a version through.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

ANY = "*"


def matches(pattern: str, actor: str) -> bool:
    """Whether a pattern means an actor: ``*`` stands for any characters, also none; all else for itself, case included.

    >>> matches("ci-*", "ci-nightly"), matches("ci-*", "CI-nightly"), matches("[a-z]*", "ana")
    (True, False, False)
    """
    first, *rest = pattern.split(ANY)
    if not rest:
        return pattern == actor
    *middle, last = rest
    if len(actor) < len(first) + len(last) or not actor.startswith(first) or not actor.endswith(last):
        return False
    place, end = len(first), len(actor) - len(last)
    for part in middle:  # the first place that fits is as good as any: linear, whatever the pattern
        found = actor.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def listed(patterns: Iterable[str], actor: str) -> bool:
    """Whether one of the patterns means the actor."""
    return any(matches(pattern, actor) for pattern in patterns)


def person(actor: str) -> str:
    """The same for names that differ only in case, in outer spaces, or in the form of their Unicode.

    >>> person(" Ana") == person("ana")
    True
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", actor).casefold()).strip()
