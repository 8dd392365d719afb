"""Tables for people: Markdown, with columns that line up in a terminal too."""

from __future__ import annotations

import os
from collections.abc import Sequence


def show(
    title: str, load: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    """Prints one table under its title, with the load that the machine had before, which says how far times may be trusted."""
    print(f"\n## {title}\n{load}\n")
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    for note in notes:
        print(note)
    print(flush=True)


def load() -> str:
    """What else the machine does: the load average of the last minute, to be taken before a measurement begins."""
    return f"load average before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits or so: ``0.034``, ``2.51``, ``33.7``, ``412``; a dash for what was not measured."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}{unit}"
