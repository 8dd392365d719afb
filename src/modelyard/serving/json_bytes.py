"""The plain answers of every HTTP surface."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class JSONBytes(Response):
    """JSON, written by the standard library and refused where it would not be JSON."""

    media_type = "application/json"

    def __init__(self, document: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), status_code, headers)
