"""Reads the body of a request: bounded, of the right type, and as JSON that holds only what JSON can say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from modelyard.core.errors import BodyTooLarge, InvalidBody, InvalidRequest, UnsupportedContent
from modelyard.serving.records import EARLIEST, LATEST, plausible

# Above this the event loop would stand still for milliseconds while it parses.
_LARGE = 256 * 1024
ID_LIMIT = 256


async def read_body(request: Request, limit: int) -> bytes:
    """The bytes, at most ``limit`` of them; raises :class:`BodyTooLarge` without reading on, :class:`UnsupportedContent`."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedContent(field="the content encoding", found=encoding, expected="the body as it is")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLarge(limit=limit)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(limit=limit)
        pieces.append(piece)
    return b"".join(pieces)


def content_type(request: Request) -> str:
    """The media type in lower case without its parameters; empty when the client names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object. Raises :class:`UnsupportedContent`, :class:`BodyTooLarge`, :class:`InvalidBody`."""
    found = content_type(request)
    if found not in ("", "application/json") and not found.endswith("+json"):
        raise UnsupportedContent(field="the content type", found=found, expected="application/json")
    body = await read_body(request, limit)
    return await run_in_threadpool(parse_object, body) if len(body) > _LARGE else parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. NaN, which Python writes for a missing number, counts as ``null``."""
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        text = "it is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise InvalidBody(expected="JSON", problem=text) from None
    if not isinstance(document, dict):
        raise InvalidBody(expected="a JSON object", problem=f"it is {_noun(document)}")
    return document


def _constant(text: str) -> None:
    if text != "NaN":
        raise ValueError(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_constant)


def _noun(value: Any) -> str:
    nouns = {list: "a list", str: "text", bool: "true or false", type(None): "null", dict: "an object"}
    return nouns.get(type(value), "a number")


def only_keys(document: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raises :class:`InvalidRequest` for a key that would be ignored: it is a slip of the pen."""
    for key in document:
        if key not in known:
            raise InvalidRequest(problem=f"{where} has an unknown field {key[:60]!r}; known are {', '.join(known)}")


def text_of(value: Any, field: str) -> str:
    """Text of 1 to 256 characters; raises :class:`InvalidRequest`."""
    if not isinstance(value, str) or not 0 < len(value) <= ID_LIMIT:
        raise InvalidRequest(problem=f"{field!r} must be text of 1 to {ID_LIMIT} characters")
    return value


def ids_of(value: Any, field: str = "ids") -> tuple[str, ...]:
    """A list of texts, or of integers, which become text; raises :class:`InvalidRequest`."""
    if not isinstance(value, list) or not value:
        raise InvalidRequest(problem=f"{field!r} must be a list with one id for each row")
    return tuple(text_of(str(item) if type(item) is int else item, f"{field}[{i}]") for i, item in enumerate(value))


def time_of(value: Any, field: str) -> datetime:
    """An ISO 8601 instant that is :func:`plausible`; without a zone it is UTC, as in the data. Raises :class:`InvalidRequest`."""
    try:
        when = datetime.fromisoformat(value)
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        raise InvalidRequest(problem=f"{field!r} must be a time such as 2026-03-01T12:00:00Z") from None
    if not plausible(when):
        raise InvalidRequest(
            problem=f"{field!r} is {value[:40]!r}; it must be from {EARLIEST.year} on and before {LATEST.year}"
        )
    return when
