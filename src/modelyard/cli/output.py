"""How results look: tables for people, JSON for machines, a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from modelyard.store import Advance

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def say(text: str) -> None:
    """A line for people, on stdout."""
    typer.echo(text)


def show_json(value: Any) -> None:
    """A JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table as wide as the terminal; ``empty`` is said when there are no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in RIGHT else "left")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


RIGHT = frozenset(
    {"version", "size", "bytes", "rows", "files", "#", "value", "threshold"}
    | {"raw", "own", "share", "of raw", "chunks", "differences"}
)


def show_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Pairs of name and value, aligned; pairs without a value are left out."""
    told = [(name, value) for name, value in facts if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in told), default=0)
    for name, value in told:
        lines = str(value).splitlines() or [""]
        say(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            say(f"{'':<{width}}  {line}")


def bytes_text(size: float) -> str:
    """A size for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def time_text(when: datetime) -> str:
    """An instant to the second, in UTC as in the JSON documents and in the windows of monitoring, and marked so.

    >>> time_text(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    '2026-03-01 12:30:00Z'
    """
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def age_text(when: datetime) -> str:
    """How long ago an instant was."""
    seconds = max(0.0, (datetime.now(UTC) - when).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def pairs_text(pairs: dict[str, Any]) -> str:
    """A dictionary on one line."""
    return " ".join(f"{key}={value}" if value != "" else key for key, value in pairs.items())


@contextmanager
def progress(verb: str, total: int | Callable[[], int | None] | None) -> Iterator[Callable[[Advance], None] | None]:
    """A bar of bytes on stderr while a terminal looks on, with how much of them the yard had already; None, and silence, when none does.

    A ``total`` that costs something to find out is given as a function, which is asked only for a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn(verb),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(verb, total=total() if callable(total) else total, told="")
        known = stored = 0

        def advance(step: Advance) -> None:
            nonlocal known, stored
            known, stored = known + step.known, stored + step.stored
            told = [f"{bytes_text(known)} already there"] if known else []
            if stored:
                told.append(f"{bytes_text(stored)} stored")
            bar.update(task, advance=step.done, told=", ".join(told))

        yield advance
