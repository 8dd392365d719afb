"""The ledger: every change, found by a filter, and its head."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.workspace import Workspace
from modelyard.registry import ledger
from modelyard.registry.search import PAGE_SIZE
from modelyard.server.api.models import SEARCH
from modelyard.server.documents import Document, page
from modelyard.server.queries import Query


def rows(workspace: Workspace, request: Request) -> Response:
    """A page of ledger rows that meet ``filter``, the newest first."""
    query = Query(request, SEARCH, ("order_by",))
    found = workspace.search(
        query.text("filter"),
        of="ledger",
        order_by=query.texts("order_by"),
        limit=query.whole("page_size", PAGE_SIZE),
        page_token=query.maybe("page_token"),
    )
    return page(found)


def head(workspace: Workspace, request: Request) -> Response:
    """Sequence and hash of the last row: to be noted elsewhere, so that a rewritten history shows."""
    Query(request, ())
    with workspace.registry.read() as connection:
        sequence, digest = ledger.head(connection)
    return Document({"yard": workspace.yard_id, "sequence": sequence, "hash": digest})
