"""``server``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from modelyard.cli.output import say
from modelyard.cli.session import workspace


def add_to(app: typer.Typer) -> None:
    app.command("server")(server)


def server(
    host: Annotated[str, typer.Option(help="The address to listen on, of this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any that is free, and says which.")] = 5000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Answer also where a proxy passes this host on; may be repeated."),
    ] = None,
) -> None:
    """Answer for the yard over HTTP, until ^C: /api/v1 for reading, /health, /ready, /version, /metrics. Every request is a line of JSON on stderr.

    Example: modelyard server --port 5000
    """
    import logging

    from modelyard.core.extras import needing

    with needing("modelyard server", "serve"):
        from modelyard.server import serve

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    found = workspace()
    serve(found, host, port, allowed_hosts=allow_host or (), ready=lambda url: say(f"{found.place} at {url}"))
