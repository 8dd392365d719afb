"""The ledger: every change, found by a filter, and its head."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.workspace import Workspace
from modelyard.registry import ledger
from modelyard.server.api import pages
from modelyard.server.queries import Query
from modelyard.serving.json_bytes import JSONBytes


def rows(workspace: Workspace, request: Request) -> Response:
    """A page of ledger rows that meet ``filter``, the newest first."""
    return pages.found(workspace, pages.asked(request), "ledger")


def head(workspace: Workspace, request: Request) -> Response:
    """Sequence and hash of the last row: to be noted elsewhere, so that a rewritten history shows."""
    Query(request, ())
    with workspace.registry.read() as connection:
        sequence, digest = ledger.head(connection)
    return JSONBytes({"yard": workspace.yard_id, "sequence": sequence, "hash": digest})
