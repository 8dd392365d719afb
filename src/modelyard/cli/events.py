"""``watch``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.ledger import change_text
from modelyard.cli.output import say, time_text
from modelyard.cli.session import INTERRUPTED, workspace

if TYPE_CHECKING:
    from modelyard.events.reading import After
    from modelyard.registry import LedgerRow

Where = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="Only such rows: \"action = 'alias.move'\"; as in search.")
]


def add_to(app: typer.Typer) -> None:
    app.command("watch")(watch)


def watch(
    subject: Annotated[str | None, typer.Argument(help="A name, name/3 or name@alias; everything without it.")] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="N|start|now", help="From after ledger row N. Without it: now, or with --no-follow the start."
        ),
    ] = None,
    where: Where = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more, or end with what is there.")
    ] = True,
    limit: Annotated[int | None, typer.Option(min=1, max=2**31, help="End after so many rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line, for machines.")] = False,
) -> None:
    """Print every change as it happens, one ledger row a line, until ^C. To go on later, give the number of the last row to --after.

    Example: modelyard watch fraud@production --after 41 --json
    """
    rows = workspace().watch(subject, after=_cursor(after, follow), filter=where, timeout=None if follow else 0.0)
    left = limit
    try:
        for row in rows:
            say(json.dumps(row.to_json(), ensure_ascii=False) if as_json else line(row))
            if left is not None:
                left -= 1
                if not left:
                    return
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def line(row: LedgerRow) -> str:
    """A ledger row on one line."""
    told = [str(row.sequence), time_text(row.time), row.actor, row.action, row.subject, change_text(row)]
    text = "  ".join(part for part in told if part) + (f"  ({row.reason})" if row.reason else "")
    return "".join(c if c.isprintable() else " " for c in text)


def _cursor(after: str | None, follow: bool) -> After:
    if after is None:
        return "now" if follow else "start"
    if after == "now":
        return "now"
    if after == "start":
        return "start"
    if after.isascii() and after.isdigit() and len(after) < 19:
        return int(after)
    raise typer.BadParameter(f"--after is the number of a ledger row, start or now, not {after!r}")
