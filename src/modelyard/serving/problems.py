"""Every error over HTTP is a problem document (RFC 9457): what kind, which status, one sentence, and the facts."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import Response

from modelyard.core.errors import ModelyardError

MEDIA_TYPE = "application/problem+json"


class ProblemResponse(Response):
    """A response of the type ``application/problem+json``."""

    media_type = MEDIA_TYPE


def problem_of(error: ModelyardError) -> ProblemResponse:
    """The problem document of one of our errors; ``Retry-After`` where waiting helps."""
    name = type(error).__name__
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name).split()
    headers = {}
    if error.http_status == 503:
        headers["Retry-After"] = str(error.facts.get("retry_after", 1))
    if error.http_status == 405:
        headers["Allow"] = str(error.facts["allowed"])
    document = {
        "type": "urn:modelyard:problem:" + "-".join(words).lower(),
        "title": " ".join(words).capitalize(),
        "status": error.http_status,
        "detail": str(error),
        "error": name,
        "facts": {key: _fact(value) for key, value in error.facts.items()},
    }
    return ProblemResponse(json.dumps(document).encode(), error.http_status, headers)


def internal_problem(who: str = "the replica") -> ProblemResponse:
    """What a client sees of a fault of our own: no more than that there is one, and ``who`` has it."""
    document = {
        "type": "urn:modelyard:problem:internal-error",
        "title": "Internal error",
        "status": 500,
        "detail": f"{who} failed on this request; its log says why",
        "error": "InternalError",
        "facts": {},
    }
    return ProblemResponse(json.dumps(document).encode(), 500)


def _fact(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
