"""``init``, ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.output import AsJson, say, show_json
from modelyard.cli.session import chosen_yard, workspace


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("check")(check)


def init(
    path: Annotated[Path | None, typer.Argument(help="The folder to make it in; here by default.")] = None,
) -> None:
    """Make a yard in a folder. Where there is one already, nothing changes.

    Example: modelyard init
    """
    from modelyard.client import yard
    from modelyard.core.clock import SystemClock

    root, _ = yard.locate(path or chosen_yard() or Path.cwd(), {}, Path.cwd())
    made = yard.create(root, SystemClock())
    yard.open_yard(root)
    say(f"made a yard at {root}" if made else f"there is a yard at {root} already; nothing changed")
    if made:
        say("next: modelyard register NAME PATH")


def check(
    read: Annotated[
        bool, typer.Option("--read", help="Read and verify every stored byte, not only what is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for damage: the database, the ledger's chain, the bytes of every version. Exit code 1 when there is any.

    Example: modelyard check --read
    """
    found = workspace()
    report = found.check(read=read)
    if as_json:
        show_json(report.to_json())
    else:
        for problem in report.problems:
            say(f"damaged: {problem}")
        depth = "every byte read" if read else "presence and length; --read verifies every byte"
        say(f"{report.versions} versions ({depth}), {report.ledger_rows} ledger rows, {len(report.problems)} problems")
        if report.leftovers:
            say(f"{report.leftovers} half-written files of writers that were cut off; harmless")
    if not report.whole:
        raise typer.Exit(1)
