"""The documents of the API: what is told of a version, and of a page of whatever was found."""

from __future__ import annotations

from typing import Any

from modelyard.client.entry import Entry
from modelyard.client.listing import documents
from modelyard.registry.search import Page
from modelyard.serving.json_bytes import JSONBytes


def page(found: Page[Any]) -> JSONBytes:
    """A page: ``items``, and ``next_page_token`` where there is more."""
    entries = [each for each in found if isinstance(each, Entry)]
    items = documents(entries) if entries else [each.to_json() for each in found]
    document: dict[str, Any] = {"items": items}
    if found.next_token is not None:
        document["next_page_token"] = found.next_token
    return JSONBytes(document)


def whole(entry: Entry) -> JSONBytes:
    """All that is known of a version: its facts, files and provenance."""
    files = [{"path": each.path, "size": each.size, "digest": str(each.digest)} for each in entry.manifest.files]
    return JSONBytes({**entry.to_json(), "files": files, "provenance": entry.provenance})
