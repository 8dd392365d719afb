"""Versions of models and of data sets: found by a filter, or named as everywhere."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from modelyard.client.entry import Entry
from modelyard.client.workspace import Workspace
from modelyard.core.errors import InvalidFilter
from modelyard.core.names import AliasName, Kind, LabelName, ModelName
from modelyard.core.references import Alias, Label, Latest, Number, Reference, Selector
from modelyard.registry.search.finding import read
from modelyard.server.api import pages
from modelyard.server.documents import whole
from modelyard.server.queries import Query


def search(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of versions of all names that meet ``filter``."""
    return pages.found(workspace, pages.asked(request), pages.versions_of(kind))


def of_name(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """A page of the versions of one name, the newest first. Raises ModelNotFound."""
    query, of = pages.asked(request), pages.versions_of(kind)
    name = ModelName(request.path_params["name"])
    workspace.registry.require(kind, name)
    mine, theirs = f"name = '{name}'", query.text("filter")
    if not theirs.strip():
        return pages.found(workspace, query, of, mine)
    read(of, theirs)  # by itself, so that it stays within its parentheses
    try:
        return pages.found(workspace, query, of, f"{mine} and ({theirs})")
    except InvalidFilter:
        workspace.search(theirs, of=of, limit=1)  # so that the mistake is shown where they made it
        raise


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
