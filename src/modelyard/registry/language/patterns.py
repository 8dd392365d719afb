"""What ``like`` asks: ``%`` stands for any characters, also none, ``_`` for just one; after the escape character both stand for themselves.

Without ``escape`` there is no escape character: a backslash is a backslash. ``ilike`` takes the letters a to z for A to Z, and no others.
"""

from __future__ import annotations

from enum import Enum, auto
from string import ascii_lowercase, ascii_uppercase
from typing import TypeAlias


class Wild(Enum):
    """What stands in a pattern for something else."""

    MANY = auto()
    ONE = auto()


Part: TypeAlias = str | Wild
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


def parts(pattern: str, escape: str | None = None) -> tuple[Part, ...]:
    """The characters of a pattern, and what is wild in it.

    >>> parts("50!%_", "!")
    ('5', '0', '%', <Wild.ONE: 2>)
    """
    found: list[Part] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            found.append(next(characters, character))
        elif character == "%":
            if not found or found[-1] is not Wild.MANY:
                found.append(Wild.MANY)
        else:
            found.append(Wild.ONE if character == "_" else character)
    return tuple(found)


def fits(text: str, pattern: tuple[Part, ...], *, insensitive: bool = False) -> bool:
    """Whether the whole text is as the pattern says; in time of at most their lengths multiplied."""
    if insensitive:
        text = text.translate(_SMALL)
        pattern = tuple(part.translate(_SMALL) if isinstance(part, str) else part for part in pattern)
    place = at = 0
    back: tuple[int, int] | None = None  # where the last MANY is, and up to where in the text it reaches
    while place < len(text):
        if at < len(pattern) and pattern[at] is Wild.MANY:
            back, at = (at, place), at + 1
        elif at < len(pattern) and pattern[at] in (Wild.ONE, text[place]):
            place, at = place + 1, at + 1
        elif back is not None:
            back = (back[0], back[1] + 1)
            place, at = back[1], back[0] + 1
        else:
            return False
    return all(part is Wild.MANY for part in pattern[at:])
