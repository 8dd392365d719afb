"""Models and data sets: the names of a yard, and where their aliases point."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.workspace import Workspace
from modelyard.core.clock import to_text
from modelyard.core.names import Kind, ModelName
from modelyard.server.api import pages
from modelyard.server.queries import Query
from modelyard.serving.json_bytes import JSONBytes


def names(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of names that meet ``filter``, in ``order_by``; see docs/search.md."""
    return pages.found(workspace, pages.asked(request), "models" if kind == "model" else "datasets")


def one(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """One name: its tags, its card and its aliases."""
    Query(request, ())
    name = ModelName(request.path_params["name"])
    registry = workspace.registry
    return JSONBytes(
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
        return JSONBytes({"aliases": workspace.registry.aliases(kind, name)})
    then = workspace.when(at)
    found = workspace.registry.aliases_then(kind, name, then)
    pointed = {alias: blame.value for alias, blame in found.items() if blame.value is not None}
    return JSONBytes({"aliases": pointed, "at": to_text(then)})
