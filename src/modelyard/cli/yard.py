"""``init``, ``upgrade``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.output import AsJson, say, show_json
from modelyard.cli.session import chosen_yard, database_asked, place


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("upgrade")(upgrade)


def init(
    path: Annotated[Path | None, typer.Argument(help="The folder to make it in; here by default.")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the bytes go: s3://bucket/prefix, gs://…, az://…, a folder."),
    ] = None,
) -> None:
    """Make a yard in a folder, or in the database that --yard or MODELYARD_URL names. Where there is one already, nothing changes.

    Example: modelyard init --store s3://models/team
    """
    from modelyard.client import yard
    from modelyard.core.clock import SystemClock

    asked = path or chosen_yard() or database_asked() or Path.cwd()
    where, _ = yard.locate(asked, {}, Path.cwd())
    made = yard.create(where, SystemClock(), store)
    found = yard.open_yard(where, store)
    say(f"made a yard at {found.place}" if made else f"there is a yard at {found.place} already; nothing changed")
    if made:
        say("next: modelyard register NAME PATH")


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database of a yard to the schema of this release, in one transaction; a SQLite file is copied first.

    Example: modelyard upgrade --dry-run
    """
    from modelyard.client import yard

    where, _ = place()
    done = yard.upgrade_yard(where, dry_run=dry_run)
    if as_json:
        show_json(
            {"found": done.found, "steps": list(done.steps), "copy": None if done.copy is None else str(done.copy)}
        )
    elif not done.steps:
        say(f"the database has schema {done.found}, the newest; nothing to do")
    else:
        say(f"schema {done.found} {'would go' if dry_run else 'went'} to {done.steps[-1]}")
        if done.copy is not None:
            say(f"what was there before is in {done.copy}")
