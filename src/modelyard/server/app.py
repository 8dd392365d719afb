"""The HTTP surface of a yard: which path is answered by what."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from modelyard import __version__
from modelyard.client.workspace import Workspace
from modelyard.core.errors import EndpointNotFound, MethodNotAllowed, ModelyardError, YardNotReady
from modelyard.core.names import Kind
from modelyard.server.api import files, ledger, models, versions
from modelyard.server.hosts import require_known
from modelyard.server.queries import Query
from modelyard.server.telemetry import Telemetry
from modelyard.serving.json_bytes import JSONBytes
from modelyard.serving.problems import internal_problem, problem_of

API = "/api/v1"
_log = logging.getLogger(__name__)
_Handler = Callable[[Request], Response]


def create_app(workspace: Workspace, allowed_hosts: Collection[str] = ()) -> Starlette:
    """The app that answers for a yard, to requests for this machine or for one of ``allowed_hosts``. It keeps nothing between requests: any number of them may answer for one yard in PostgreSQL."""
    metrics, hosts = CollectorRegistry(), frozenset(host.lower() for host in allowed_hosts)
    surface = _Surface(workspace, metrics)
    routes: list[tuple[str, _Handler]] = [
        ("/", surface.root),
        ("/health", surface.health),
        ("/ready", surface.ready),
        ("/version", surface.version),
        ("/metrics", surface.metrics),
        (f"{API}/ledger", partial(ledger.rows, workspace)),
        (f"{API}/ledger/head", partial(ledger.head, workspace)),
        *_of_kind(workspace, "models", "model"),
        *_of_kind(workspace, "datasets", "dataset"),
    ]
    return Starlette(
        routes=[Route(path, _answering(handler, hosts), methods=["GET"]) for path, handler in routes],
        exception_handlers={HTTPException: _refused},
        middleware=[Middleware(Telemetry, registry=metrics)],
    )


def _of_kind(workspace: Workspace, plural: str, kind: Kind) -> list[tuple[str, _Handler]]:
    root, name = f"{API}/{plural}", f"{API}/{plural}/{{name}}"
    single = "model-versions" if kind == "model" else "dataset-versions"
    table: list[tuple[str, Callable[[Workspace, Request, Kind], Response]]] = [
        (f"{API}/{single}", versions.search),
        (f"{API}/{single}/resolve", versions.resolve),
        (root, models.names),
        (name, models.one),
        (f"{name}/aliases", models.aliases),
        (f"{name}/aliases/{{alias}}", versions.one),
        (f"{name}/labels/{{label}}", versions.one),
        (f"{name}/versions", versions.of_name),
        (f"{name}/versions/{{number}}", versions.one),
        (f"{name}/versions/{{number}}/files/{{path:path}}", files.content),
        (f"{name}/aliases/{{alias}}/files/{{path:path}}", files.content),
    ]
    return [(path, _bound(handler, workspace, kind)) for path, handler in table]


def _bound(handler: Callable[[Workspace, Request, Kind], Response], workspace: Workspace, kind: Kind) -> _Handler:
    return lambda request: handler(workspace, request, kind)


class _Surface:
    """What is told of the server itself."""

    def __init__(self, workspace: Workspace, metrics: CollectorRegistry) -> None:
        self._workspace = workspace
        self._metrics = metrics

    def root(self, request: Request) -> Response:
        """Where to go from here."""
        Query(request, ())
        return JSONBytes({"name": "modelyard", "version": __version__, "api": API, "yard": self._workspace.yard_id})

    def health(self, request: Request) -> Response:
        """Whether the process answers: it does."""
        Query(request, ())
        return JSONBytes({"status": "ok"})

    def ready(self, request: Request) -> Response:
        """Whether the yard can be read now. Raises YardNotReady."""
        Query(request, ())
        try:
            self._workspace.search(of="models", limit=1)
        except ModelyardError as error:
            raise YardNotReady(problem=str(error)) from error
        return JSONBytes({"status": "ready"})

    def version(self, request: Request) -> Response:
        Query(request, ())
        return JSONBytes({"version": __version__, "api": 1, "yard": self._workspace.yard_id})

    def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        Query(request, ())
        return Response(generate_latest(self._metrics), media_type=CONTENT_TYPE_LATEST)


def _answering(handler: _Handler, hosts: Collection[str]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            require_known(request, hosts)
            return await run_in_threadpool(handler, request)
        except ModelyardError as error:
            return problem_of(error)
        except Exception:  # noqa: BLE001 - whatever it is, the client hears only that there is one
            _log.exception("request %s %s failed", request.method, request.url.path)
            return internal_problem("the server")

    return answer


async def _refused(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: nothing at this path, or not with this method."""
    path = request.url.path[:200]
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "GET").split(", ")))
        return problem_of(MethodNotAllowed(path=path, method=request.method[:20], allowed=allowed))
    return problem_of(EndpointNotFound(path=path))
