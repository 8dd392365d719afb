"""What can be seen of a server from outside: an id, a line of log and a measurement of every request."""

from __future__ import annotations

import json
import logging
import re
from time import perf_counter
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "x-request-id"
_USABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_log = logging.getLogger("modelyard.server.access")


class Telemetry:
    """Wraps an app. A request keeps its ``X-Request-Id`` where that is a plain word, and gets one otherwise."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._requests = Counter(
            "modelyard_http_requests_total", "Requests that were answered", labels, registry=registry
        )
        self._seconds = Histogram(
            "modelyard_http_request_seconds",
            "From the head of a request to the end of its answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._running = Gauge("modelyard_http_requests_running", "Requests being answered", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(REQUEST_ID.encode(), b"").decode("latin-1")
        mine = given if _USABLE.fullmatch(given) else uuid4().hex
        told = {"status": 500, "bytes": 0}

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID.encode(), mine.encode())]
            elif message["type"] == "http.response.body":
                told["bytes"] += len(message.get("body", b""))
            await send(message)

        started = perf_counter()
        self._running.inc()
        try:
            await self._app(scope, receive, telling)
        finally:
            self._running.dec()
            self._tell(scope, mine, told["status"], told["bytes"], perf_counter() - started)

    def _tell(self, scope: Scope, mine: str, status: int, sent: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        line = {
            "request": mine,
            "method": scope["method"],
            "path": scope["path"][:500],
            "route": route,
            "status": status,
            "bytes": sent,
            "ms": round(seconds * 1000, 2),
            "client": (scope.get("client") or ("",))[0],
        }
        _log.info("%s", json.dumps(line))


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
