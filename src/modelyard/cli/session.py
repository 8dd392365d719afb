"""What every command shares: the workspace that was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.core.clock import SystemClock

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

_chosen: list[str | None] = [None]


def choose_yard(path: str | None) -> None:
    """Remembers ``--yard`` for the command that follows."""
    _chosen[0] = path


def chosen_yard() -> str | None:
    """What ``--yard`` said."""
    return _chosen[0]


def workspace(*, create: bool = False) -> Workspace:
    """The workspace; commands that only look never make a yard. Raises YardNotFound."""
    from modelyard.client import yard
    from modelyard.client.workspace import Workspace as WorkspaceClass

    if create:
        root, why = yard.locate(_chosen[0], os.environ, Path.cwd())
        if yard.create(root, SystemClock()):
            print(f"made a yard at {root} ({why})", file=sys.stderr)  # noqa: T201 - said beside the result, not in it
    return WorkspaceClass(_chosen[0], create=False)
