"""``snapshot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli import pairs
from modelyard.cli.output import AsJson, progress, say, show_json
from modelyard.cli.session import workspace
from modelyard.cli.versions import TagOption, size_of


def add_to(app: typer.Typer) -> None:
    app.command("snapshot")(snapshot)


def snapshot(
    path: Annotated[Path, typer.Argument(help="The file or folder of data.")],
    name: Annotated[str, typer.Option(help="The name of the data set; made by its first version.")],
    tag: TagOption = None,
    label: Annotated[str | None, typer.Option(help="A free version name, unique in the data set.")] = None,
    description: Annotated[str, typer.Option(help="What it is, in a sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a file or folder of data as the next version of a data set.

    Example: modelyard snapshot data/ --name flights
    """
    found = workspace(create=True)
    with progress("snapshot", lambda: size_of(path)) as bar:
        made = found.snapshot(path, name, tags=pairs.tags(tag), label=label, description=description, progress=bar)
    if as_json:
        show_json(made.to_json())
    else:
        say(f"{made.reference} {made.digest}")
