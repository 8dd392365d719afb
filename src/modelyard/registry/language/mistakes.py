"""What is wrong with an expression, and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.core.errors import InvalidInput


class Mistake(Exception):
    """``problem`` at ``column``, counted from 1. It never leaves the rooms that read expressions: see :func:`told_as`."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem


@contextmanager
def told_as(error: type[InvalidInput], expression: str) -> Iterator[None]:
    """Turns a mistake within the block into ``error``, with the facts ``expression``, ``column`` and ``problem``."""
    try:
        yield
    except Mistake as mistake:
        raise error(expression=expression, column=mistake.column, problem=mistake.problem) from None
