"""The HTTP surface of one replica, on Starlette."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from modelyard.core.errors import (
    InvalidRequest,
    MethodNotAllowed,
    ModelyardError,
    NotFound,
    NotReady,
    Overloaded,
    RouteNotFound,
    UnsupportedContent,
    VersionNotServed,
)
from modelyard.serving.bodies import content_type, ids_of, only_keys, read_body, read_json, text_of
from modelyard.serving.engine import Engine
from modelyard.serving.json_bytes import JSONBytes
from modelyard.serving.problems import internal_problem, problem_of
from modelyard.serving.protocols import mlflow, open_inference
from modelyard.serving.records import LabelRecord, is_label
from modelyard.serving.requests import Prediction

BODY_LIMIT = 16 * 2**20

_log = logging.getLogger(__name__)
_Handler = Callable[[Request], Awaitable[Response]]


def create_app(engine: Engine, body_limit: int = BODY_LIMIT) -> Starlette:
    """The app that answers for ``engine``. Requests larger than ``body_limit`` bytes are refused."""
    surface = _Surface(engine, body_limit)
    model = "/v2/models/{name}"
    pinned = model + "/versions/{number}"
    routes: list[tuple[str, str, _Handler]] = [
        # routes are tried in order: the two that are asked most come first
        ("POST", model + "/infer", surface.infer),
        ("POST", "/invocations", surface.invocations),
        ("GET", "/", surface.root),
        ("GET", "/health", surface.alive),
        ("GET", "/ready", surface.ready),
        ("GET", "/metrics", surface.metrics),
        ("GET", "/v2", surface.server_metadata),
        ("GET", "/v2/health/live", surface.alive),
        ("GET", "/v2/health/ready", surface.ready),
        ("GET", model, surface.model_metadata),
        ("GET", model + "/ready", surface.model_ready),
        ("POST", model + "/labels", surface.labels),
        ("GET", pinned, surface.model_metadata),
        ("GET", pinned + "/ready", surface.model_ready),
        ("POST", pinned + "/infer", surface.infer),
        ("GET", "/ping", surface.ready),
        ("GET", "/version", surface.version),
    ]
    return Starlette(
        routes=[Route(path, surface.answering(handler), methods=[method]) for method, path, handler in routes],
        exception_handlers={HTTPException: _http_problem},
    )


class _Surface:
    """One method a route; errors become problems in :meth:`answering`."""

    def __init__(self, engine: Engine, body_limit: int) -> None:
        self._engine = engine
        self._body_limit = body_limit

    def answering(self, handler: _Handler) -> _Handler:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except ModelyardError as error:
                return problem_of(error)
            except ClientDisconnect:  # nobody is left to be told
                return Response(status_code=400)
            except Exception:  # noqa: BLE001
                _log.exception("request %s %s failed", request.method, request.url.path)
                return internal_problem()

        return answer

    async def root(self, request: Request) -> Response:
        routes = self._engine.routes
        loaded = [
            {"role": role, "model": served.name, "version": served.number, "digest": served.digest}
            for role, served in routes.loaded
        ]
        return JSONBytes(
            {
                "deployment": self._engine.deployment,
                "replica": self._engine.replica,
                "ready": self._engine.ready,
                "weight": routes.weight,
                "loaded": loaded,
            }
        )

    async def alive(self, request: Request) -> Response:
        return JSONBytes({"live": True})

    async def ready(self, request: Request) -> Response:
        if not self._engine.ready:
            raise NotReady
        return JSONBytes({"ready": True})

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(self._engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def version(self, request: Request) -> Response:
        return PlainTextResponse(_version())

    async def server_metadata(self, request: Request) -> Response:
        return JSONBytes(open_inference.server_metadata(_version()))

    async def model_metadata(self, request: Request) -> Response:
        name, number = self._asked(request)
        return JSONBytes(open_inference.model_metadata(self._engine.routes, self._engine.find(name, number)[1]))

    async def model_ready(self, request: Request) -> Response:
        name, number = self._asked(request)
        return JSONBytes({"name": self._engine.find(name, number)[1].name, "ready": True})

    async def infer(self, request: Request) -> Response:
        with _Refusals(self._engine):
            name, number = self._asked(request)
            self._engine.find(name, number)
            if "inference-header-content-length" in request.headers:
                raise UnsupportedContent(field="the content type", found="binary tensors", expected="tensors as JSON")
            document = await read_json(request, self._body_limit)
            wanted = open_inference.wanted_outputs(document)
            asked = open_inference.decode(document, _new_id(request), number)
        prediction = await self._engine.predict(asked)
        return JSONBytes(open_inference.encode(prediction, wanted), headers=_headers(prediction))

    async def invocations(self, request: Request) -> Response:
        with _Refusals(self._engine):
            stable = self._engine.routes.stable
            if stable is None:
                raise NotReady
            if content_type(request) == "text/csv":
                body = await read_body(request, self._body_limit)
                asked = mlflow.decode_csv(body, _new_id(request), stable.signature)
            else:
                document = await read_json(request, self._body_limit)
                asked = mlflow.decode(document, _new_id(request), stable.signature)
        prediction = await self._engine.predict(asked)
        return JSONBytes(mlflow.encode(prediction), headers=_headers(prediction))

    async def labels(self, request: Request) -> Response:
        name, _ = self._asked(request)
        self._engine.find(name)
        document = await read_json(request, self._body_limit)
        only_keys(document, ("ids", "values"), "the request")
        ids, values = ids_of(document.get("ids")), document.get("values")
        if not isinstance(values, list) or len(values) != len(ids):
            found = f"{len(values)} of them" if isinstance(values, list) else "no list"
            raise InvalidRequest(
                problem=f"'values' must be a list with one value for each of {len(ids)} ids; it is {found}"
            )
        for i, value in enumerate(values):
            if not is_label(value):
                raise InvalidRequest(problem=f"'values[{i}]' must be a finite number, text, true or false")
        recorder = self._engine.recorder
        record = LabelRecord(self._engine.clock.now(), ids, tuple(values))
        if recorder is None:
            raise NotFound(message="this replica keeps no traffic log, so it has nowhere to put labels")
        if not recorder.labels(record):
            raise Overloaded(waiting="too many", reference=name, retry_after=1)
        self._engine.metrics.labelled(len(ids))
        return JSONBytes({"accepted": len(ids)}, 202)

    @staticmethod
    def _asked(request: Request) -> tuple[str, int | None]:
        name = request.path_params["name"]
        text = request.path_params.get("number")
        if text is None:
            return name, None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise VersionNotServed(name=name, asked=text[:60], found="versions are numbers such as 3")
        return name, int(text)


class _Refusals:
    """Counts what is refused before a version is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModelyardError):
            self._engine.metrics.refused(error.http_status)


def _new_id(request: Request) -> Callable[[], str]:
    """The id of a request that gives none in its body: its ``X-Request-Id``, else a new one."""
    given = request.headers.get("x-request-id")
    return (lambda: text_of(given, "X-Request-Id")) if given else (lambda: uuid4().hex)


def _headers(prediction: Prediction) -> dict[str, str]:
    return {
        "X-Modelyard-Version": str(prediction.served.number),
        "X-Modelyard-Digest": prediction.served.digest,
        "X-Modelyard-Role": prediction.role,
        # printable ASCII only: a header cannot say more
        "X-Modelyard-Request": prediction.request
        if prediction.request.isascii() and prediction.request.isprintable()
        else "",
    }


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: nothing at this path, or not with this method."""
    path = request.url.path[:200]
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return problem_of(MethodNotAllowed(path=path, method=request.method, allowed=allowed))
    return problem_of(RouteNotFound(path=path))


@cache
def _version() -> str:
    try:
        return version("modelyard")
    except PackageNotFoundError:
        return "unknown"
