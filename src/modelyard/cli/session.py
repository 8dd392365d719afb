"""What every command shares: the workspace that was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.core.clock import SystemClock
from modelyard.core.errors import ModelyardError

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

INTERRUPTED = 130
"""The exit code of ^C, as shells say it."""


class Interrupted(ModelyardError):
    """^C where something goes on without this process: says what."""

    exit_code = INTERRUPTED
    sentence = "interrupted; {goes_on}"


_chosen: list[str | None] = [None]


def choose_yard(path: str | None) -> None:
    """Remembers ``--yard`` for the command that follows."""
    _chosen[0] = path


def chosen_yard() -> str | None:
    """What ``--yard`` said."""
    return _chosen[0]


def database_asked() -> str | None:
    """The URL of a database that MODELYARD_URL names; None for a folder, or nothing."""
    url = os.environ.get("MODELYARD_URL", "")
    return url if url.startswith(("postgresql://", "postgres://")) else None


def workspace(*, create: bool = False) -> Workspace:
    """The workspace; commands that only look never make a yard. Raises YardNotFound, and InvalidConfig where the project here is consulted."""
    from modelyard.client import yard
    from modelyard.client.workspace import Workspace as WorkspaceClass

    where, why = place()
    if create and yard.create(where, SystemClock()):
        print(f"made a yard at {where} ({why})", file=sys.stderr)  # noqa: T201 - said beside the result, not in it
    return WorkspaceClass(where, create=False)


def place() -> tuple[Path | str, str]:
    """The yard of every command, whether or not it exists, and why this one: ``--yard``, else ``MODELYARD_URL``, else ``[yard] path`` of the
    project here, else as :func:`modelyard.client.yard.locate` finds it."""
    from modelyard.client import yard
    from modelyard.pipelines.config import find_project

    here = Path.cwd()
    if _chosen[0] is None and not os.environ.get("MODELYARD_URL"):
        project = find_project(here)
        if project is not None and project.yard is not None:
            return yard.locate(project.yard, {}, here)[0], f"named by {project.path}"
    return yard.locate(_chosen[0], os.environ, here)
