"""What a long operation says while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Advance:
    """Just done: ``done`` bytes of the user's files; of these, ``known`` were in the store already; ``stored`` bytes went into it for the rest."""

    done: int
    known: int = 0
    stored: int = 0


Progress = Callable[[Advance], None]
"""Called from the thread of the caller, for every few MiB or more often."""
