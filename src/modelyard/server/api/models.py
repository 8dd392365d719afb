"""Models and data sets: the names of a yard, and where their aliases point."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.workspace import Workspace
from modelyard.core.clock import to_text
from modelyard.core.names import Kind, ModelName
from modelyard.registry.search import PAGE_SIZE
from modelyard.server.documents import Document, page
from modelyard.server.queries import Query

SEARCH = ("filter", "page_size", "page_token")


def names(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of names that meet ``filter``, in ``order_by``; see docs/search.md."""
    query = Query(request, SEARCH, ("order_by",))
    found = workspace.search(
        query.text("filter"),
        of="models" if kind == "model" else "datasets",
        order_by=query.texts("order_by"),
        limit=query.whole("page_size", PAGE_SIZE),
        page_token=query.maybe("page_token"),
    )
    return page(found)


def one(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """One name: its tags, its card and its aliases."""
    Query(request, ())
    name = ModelName(request.path_params["name"])
    registry = workspace.registry
    return Document(
        {
            "name": name,
            "kind": kind,
            "tags": registry.model_tags(kind, name),
            "card": registry.model_card(kind, name),
            "aliases": registry.aliases(kind, name),
        }
    )


def aliases(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """Where the aliases of a name point; with ``at``, where they pointed then, and who had moved them there."""
    query = Query(request, ("at",))
    name = ModelName(request.path_params["name"])
    if (at := query.maybe("at")) is None:
        return Document({"aliases": workspace.registry.aliases(kind, name)})
    then = workspace.when(at)
    found = workspace.registry.aliases_then(kind, name, then)
    pointed = {alias: blame.value for alias, blame in found.items() if blame.value is not None}
    return Document({"aliases": pointed, "at": to_text(then)})
