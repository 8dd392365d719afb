"""The tree of commands. Each module holds one group and imports what it needs only when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from modelyard.cli import (
    aliases,
    approvals,
    bundle,
    data,
    demo,
    deployment,
    difference,
    events,
    health,
    ledger,
    lifecycle,
    monitor,
    pipeline,
    policies,
    safety,
    search,
    server,
    transfer,
    upkeep,
    versions,
    webhooks,
    yard,
)
from modelyard.cli.sections import Sections, add_sections
from modelyard.cli.session import choose_yard

HELP = """Every version of every model: where it came from, what is in production, and when it goes wrong.

A version is written name/3 (number), name:1.0 (label), name@production (alias) or name (the latest).
The yard is found by itself: --yard, else MODELYARD_URL, else [yard] path in the modelyard.toml of this project,
else the nearest .modelyard/ upward, else ~/.modelyard.

Exit codes: 0 done; 1 understood, but no (not found, conflict, refused, damaged); 2 the call is wrong; 130 interrupted.
"""

SECTIONS = {
    "First steps": (demo,),
    "Versions": (versions, search, difference, lifecycle),
    "Aliases and their rules": (aliases, policies, approvals),
    "History": (ledger, events, webhooks),
    "Trust": (safety,),
    "Data, pipelines and production": (data, pipeline, deployment, monitor),
    "The yard and its health": (yard, health, upkeep),
    "From yard to yard": (server, transfer, bundle),
}


def build() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="modelyard",
        cls=Sections,
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )

    @app.callback()
    def everywhere(
        yard_path: Annotated[str | None, typer.Option("--yard", metavar="PATH", help="The yard to use.")] = None,
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
        ] = False,
    ) -> None:
        choose_yard(yard_path)

    add_sections(app, SECTIONS)
    return app


def _version(asked: bool) -> None:
    if asked:
        from modelyard import __version__

        typer.echo(f"modelyard {__version__}")
        raise typer.Exit
