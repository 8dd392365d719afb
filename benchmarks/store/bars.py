"""The bars that the store was built to, and the list of what was met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.store import tables

KEPT = {"ft_bf16": 14.0, "ft_fp32": 37.0, "last_fp32": 12.5, "same_fp32": 8.5, "v1pct": 11.6}
"""Kept bytes after ten versions, at most this many % of raw."""
APPENDS = {"appends_csv": 1.3}
"""Kept bytes after fifty appends, at most this many times the last snapshot."""
REGISTER_DELTA = 200.0
"""MB/s of raw bytes, at least."""
GET = 300.0
"""MB/s, at least."""
OLDEST_TO_NEWEST = 2.0
"""How many times slower one of oldest and newest may be than the other."""
GET_AGAIN = 50.0
"""ms, at most."""
REGISTER_AGAIN = 50.0
"""ms, at most, beside the time to hash."""
MEMORY = 512.0
"""MiB, at most."""
ONE_TENSOR = 100.0
"""ms, at most."""


def at_most(value: float, bar: float) -> bool:
    """Whether a measurement is within a bar from above."""
    return value <= bar


def at_least(value: float, bar: float) -> bool:
    """Whether a measurement is within a bar from below."""
    return value >= bar


@dataclass
class Bars:
    """Every bar that a run could measure, with what was measured, in the order of measuring."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    load: str = field(default_factory=tables.load)

    def hold(
        self, measure: str, value: float | None, rule: Callable[[float, float], bool], bar: float | None, unit: str
    ) -> str:
        """Notes one measurement against its bar; the word for it."""
        word = "not measured" if value is None or bar is None else "met" if rule(value, bar) else "NOT met"
        wanted = ("at most " if rule is at_most else "at least ") + tables.number(bar, unit)
        self.rows.append((measure, tables.number(value, unit), wanted, word))
        return word

    def show(self) -> None:
        """Prints the list."""
        met = sum(row[3] == "met" for row in self.rows)
        tables.show(f"Bars: {met} of {len(self.rows)} met", self.load, ("measure", "measured", "bar", ""), self.rows)
