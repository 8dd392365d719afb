"""Versions of models and of data sets: found by a filter, or named as everywhere."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.entry import Entry
from modelyard.client.workspace import Workspace
from modelyard.core.names import AliasName, Kind, LabelName, ModelName
from modelyard.core.references import Alias, Label, Latest, Number, Reference, Selector
from modelyard.registry.search import PAGE_SIZE, Page
from modelyard.server.api.models import SEARCH
from modelyard.server.documents import page, whole
from modelyard.server.queries import Query


def search(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of versions of all names that meet ``filter``."""
    query = Query(request, SEARCH, ("order_by",))
    return _page(workspace, kind, query, query.text("filter"))


def of_name(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of the versions of one name, the newest first. Raises ModelNotFound."""
    query = Query(request, SEARCH, ("order_by",))
    name = ModelName(request.path_params["name"])
    workspace.registry.require(kind, name)
    mine, asked = f"name = '{name}'", query.text("filter")
    if asked.strip():
        _found(
            workspace, kind, asked, limit=1
        )  # by itself, so that it stays within its parentheses, and a mistake is shown where they made it
        mine = f"{mine} and ({asked})"
    return _page(workspace, kind, query, mine)


def one(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """One version: all facts, files and provenance; with ``at``, as it was then."""
    query = Query(request, ("at",))
    return whole(found(workspace, request, kind, query.maybe("at")))


def resolve(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """The version that a ``reference`` means, written as everywhere: fraud, fraud/3, fraud:1.0, fraud@production."""
    query = Query(request, ("reference", "at"))
    reference, at = query.required("reference"), query.maybe("at")
    entry: Entry = workspace.model(reference, at=at) if kind == "model" else workspace.dataset(reference, at=at)
    return whole(entry)


def found(workspace: Workspace, request: Request, kind: Kind, at: str | None = None) -> Entry:
    """The version that the path names: by number, ``latest``, label or alias."""
    reference = Reference(ModelName(request.path_params["name"]), _selector(request))
    entry: Entry = workspace.model(reference, at=at) if kind == "model" else workspace.dataset(reference, at=at)
    return entry


def _selector(request: Request) -> Selector:
    given = request.path_params
    if "alias" in given:
        return Alias(AliasName(given["alias"]))
    if "label" in given:
        return Label(LabelName(given["label"]))
    if given["number"] == "latest":
        return Latest()
    written = Reference.parse(f"{given['name']}/{given['number']}")  # which says what is wrong with another number
    assert isinstance(written.selector, Number)  # noqa: S101 - nothing else is written with a slash
    return written.selector


def _page(workspace: Workspace, kind: Kind, query: Query, filter: str) -> Response:  # noqa: A002 - its name everywhere
    size, token = query.whole("page_size", PAGE_SIZE), query.maybe("page_token")
    return page(_found(workspace, kind, filter, order_by=query.texts("order_by"), limit=size, page_token=token))


def _found(workspace: Workspace, kind: Kind, filter: str, **more: Any) -> Page[Any]:  # noqa: A002
    return workspace.search(filter, of="versions" if kind == "model" else "dataset_versions", **more)
