"""Pages of what a filter finds: the same parameters wherever something is searched."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.workspace import Workspace
from modelyard.core.names import Kind
from modelyard.registry.search import PAGE_SIZE, Subject
from modelyard.server.documents import page
from modelyard.server.queries import Query


def asked(request: Request) -> Query:
    """What a request asks of a search."""
    return Query(request, ("filter", "page_size", "page_token"), ("order_by",))


def found(workspace: Workspace, query: Query, of: Subject, filter: str | None = None) -> Response:  # noqa: A002 - its name everywhere
    """The page that is asked for; with ``filter`` in place of the one that the request has."""
    items = workspace.search(
        query.text("filter") if filter is None else filter,
        of=of,
        order_by=query.texts("order_by"),
        limit=query.whole("page_size", PAGE_SIZE),
        page_token=query.maybe("page_token"),
    )
    return page(items)


def versions_of(kind: Kind) -> Subject:
    """What is searched for versions of this kind."""
    return "versions" if kind == "model" else "dataset_versions"
