"""``init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.output import say
from modelyard.cli.session import chosen_yard


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    path: Annotated[Path | None, typer.Argument(help="The folder to make it in; here by default.")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the bytes go: s3://bucket/prefix, gs://…, az://…, a folder."),
    ] = None,
) -> None:
    """Make a yard in a folder. Where there is one already, nothing changes.

    Example: modelyard init --store s3://models/team
    """
    from modelyard.client import yard
    from modelyard.core.clock import SystemClock

    root, _ = yard.locate(path or chosen_yard() or Path.cwd(), {}, Path.cwd())
    made = yard.create(root, SystemClock(), store)
    yard.open_yard(root, store)
    say(f"made a yard at {root}" if made else f"there is a yard at {root} already; nothing changed")
    if made:
        say("next: modelyard register NAME PATH")
