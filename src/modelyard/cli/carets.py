"""Pointing at the place of a mistake in what was typed."""

from __future__ import annotations

from modelyard.core.errors import InvalidFilter, InvalidOrder, ModelyardError

WIDTH = 100
"""So many characters of a long expression are shown."""


def pointed(error: ModelyardError) -> list[str]:
    """The expression, and below it a caret under the column of the mistake; nothing for an error that has none.

    >>> print(*pointed(InvalidFilter(expression="a = = 1", column=5, problem="")), sep=chr(10))
      a = = 1
          ^
    """
    if not isinstance(error, InvalidFilter | InvalidOrder):
        return []
    text = "".join(c if c.isprintable() else " " for c in error.expression)
    place = error.column - 1
    start = max(0, min(place - WIDTH // 2, len(text) - WIDTH))
    before, after = "…" if start else "", "…" if len(text) > start + WIDTH else ""
    return [f"  {before}{text[start : start + WIDTH]}{after}", f"  {' ' * (len(before) + place - start)}^"]
