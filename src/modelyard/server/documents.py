"""The documents of the API: what is told of a version, a model, a page of them."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from modelyard.client.entry import Entry
from modelyard.client.listing import documents
from modelyard.registry.search import Page


class Document(Response):
    """A response of JSON."""

    media_type = "application/json"

    def __init__(self, document: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        super().__init__(text.encode(errors="replace"), status_code, headers)


def page(found: Page[Any]) -> Document:
    """A page: ``items``, and ``next_page_token`` where there is more."""
    entries = [each for each in found if isinstance(each, Entry)]
    items = documents(entries) if entries else [each.to_json() for each in found]
    document: dict[str, Any] = {"items": items}
    if found.next_token is not None:
        document["next_page_token"] = found.next_token
    return Document(document)


def whole(entry: Entry) -> Document:
    """All that is known of a version: its facts, files and provenance. Its ETag is the digest of all that can never change, and of what can."""
    files = [{"path": each.path, "size": each.size, "digest": str(each.digest)} for each in entry.manifest.files]
    return Document({**entry.to_json(), "files": files, "provenance": entry.provenance})
