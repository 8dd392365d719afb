"""The bytes of a version: verified while they are sent, whole or a part, and the same for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from modelyard.client.workspace import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import FileNotInVersion, RangeNotSatisfiable
from modelyard.core.names import Kind
from modelyard.server.api.versions import found
from modelyard.server.queries import Query
from modelyard.store import ManifestFile

PIECE = 4 * 2**20
"""So much of a range is held at a time."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def content(workspace: Workspace, request: Request, kind: Kind) -> Response:
    """The file at ``path``. Its ETag is its SHA-256; a damaged chunk ends the answer before its end, so that no wrong byte is taken for right."""
    Query(request, ())
    entry = found(workspace, request, kind)
    path = request.path_params["path"]
    files = {each.path: each for each in entry.manifest.files}
    if path not in files:
        listed = ", ".join(list(files)[:5]) + (" …" if len(files) > 5 else "")
        raise FileNotInVersion(kind=kind, reference=entry.reference, path=path[:200], found=f"it has {listed}")
    file = files[path]
    digest = Digest(str(file.digest))
    headers = {
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment",
        "X-Modelyard-Version": str(entry.version),
        "X-Modelyard-Digest": entry.digest,
    }
    if headers["ETag"] in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    part = _part(request, file, headers["ETag"])
    if part is None:
        headers["Content-Length"] = str(file.size)
        body = () if request.method == "HEAD" else _opened(workspace.store.files.iterate(digest, path))
        return StreamingResponse(body, headers=headers, media_type="application/octet-stream")
    first, end = part
    headers |= {"Content-Length": str(end - first), "Content-Range": f"bytes {first}-{end - 1}/{file.size}"}
    pieces = () if request.method == "HEAD" else _opened(_pieces(workspace, digest, path, first, end))
    return StreamingResponse(pieces, 206, headers=headers, media_type="application/octet-stream")


def _part(request: Request, file: ManifestFile, tag: str) -> tuple[int, int] | None:
    """Which bytes are asked for, the end excluded; None for all of them. Several parts at once, and other units, are answered with the whole."""
    asked = request.headers.get("range")
    if asked is None or not asked.startswith("bytes=") or "," in asked:
        return None
    if request.headers.get("if-range", tag) != tag:
        return None
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        raise RangeNotSatisfiable(asked=asked[:100], file=file.path, size=file.size)
    if not match[1]:
        first, end = max(0, file.size - int(match[2])), file.size
    else:
        first, end = int(match[1]), min(file.size, int(match[2]) + 1 if match[2] else file.size)
    if first >= end:
        raise RangeNotSatisfiable(asked=asked[:100], file=file.path, size=file.size)
    return first, end


def _pieces(workspace: Workspace, digest: Digest, path: str, first: int, end: int) -> Iterator[bytes]:
    recipe = workspace.store.files.recipe(digest, path)
    for start in range(first, end, PIECE):
        yield workspace.store.files.read_range(recipe, path, start, min(PIECE, end - start))


def _opened(chunks: Iterator[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """The same chunks, the first one read at once: what cannot be read at all is an error with a status, not an answer that breaks off."""
    first = next(chunks, b"")

    def all_of_them() -> Iterator[bytes]:
        yield bytes(first)
        for chunk in chunks:
            yield bytes(chunk)

    return all_of_them()


def _tags(header: str) -> list[str]:
    return [each.strip().removeprefix("W/") for each in header.split(",")]
