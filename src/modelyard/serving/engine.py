"""Answers requests with the versions that are loaded; swaps them under load; never lets a canary cost a user an error."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Condition
from typing import Any

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import (
    InvalidRequest,
    ModelNotServed,
    ModelyardError,
    NotReady,
    Overloaded,
    PredictionFailed,
    VersionNotServed,
)
from modelyard.serving.batching import Crash, Lane, QueueFull
from modelyard.serving.metrics import Metrics
from modelyard.serving.records import PredictionRecord, Recorder
from modelyard.serving.requests import Prediction, PredictionRequest, fit
from modelyard.serving.routes import Role, Routes, Served
from modelyard.serving.values import json_columns

__all__ = ["Engine", "Prediction", "PredictionRequest", "Role", "Routes", "Served"]

_WORKERS = 8  # lanes that can run at once; a thread is made only when a lane needs it


class Engine:
    """The loaded versions of one replica, and the traffic between them.

    ``predict`` runs on an event loop; everything else may be called from any thread. ``candidate_timeout`` is how many
    seconds a canary may take before the stable version answers instead.
    """

    def __init__(
        self,
        deployment: str = "",
        replica: str = "",
        *,
        recorder: Recorder | None = None,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        queue_limit: int = 1024,
        batch_rows: int = 4096,
        candidate_timeout: float = 30.0,
    ) -> None:
        self.deployment = deployment
        self.replica = replica
        self.recorder = recorder
        self.metrics = metrics or Metrics()
        self.clock = clock or SystemClock()
        self._queue_limit = queue_limit
        self._batch_rows = batch_rows
        self._candidate_timeout = candidate_timeout
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="predict")
        self._changed = Condition()  # guards all below
        self._routes = Routes()
        self._swaps = 0
        self._pins: Counter[tuple[str, int, str]] = Counter()
        self._requests = 0
        self._lanes: dict[tuple[str, int, str], Lane] = {}
        self.metrics.watch(
            routes=lambda: self._routes,
            swaps=lambda: self._swaps,
            in_flight=lambda: self._requests,
            dropped=lambda: int(getattr(self.recorder, "dropped", 0)),
        )

    @property
    def routes(self) -> Routes:
        """What answers now."""
        return self._routes

    @property
    def ready(self) -> bool:
        """Whether a stable version is loaded."""
        return self._routes.stable is not None

    def set_routes(self, routes: Routes) -> None:
        """From now on requests go this way. Those in flight finish on the version that they started with."""
        with self._changed:
            if [(role, served.key) for role, served in routes.loaded] != [
                (role, served.key) for role, served in self._routes.loaded
            ]:
                self._swaps += 1
            self._routes = routes
            self._retire()

    def drain(self, digest: str, timeout: float) -> bool:
        """Waits until no request in flight uses a version of this digest; ``False`` if some still do after ``timeout`` s.

        A digest that the routes still name keeps getting requests: take it out of the routes first.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_use(digest), timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Lets what runs finish, then closes the recorder. No prediction is possible afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: not any(lane.busy for lane in self._lanes.values()), timeout)
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self.recorder is not None:
            self.recorder.close()

    def find(self, name: str, number: int | None = None) -> tuple[Role, Served]:
        """The loaded version of that name, the stable one unless a number is given.

        Raises :class:`NotReady`, :class:`ModelNotServed` or :class:`VersionNotServed`.
        """
        return _find(self._routes, name, number)

    async def predict(self, request: PredictionRequest) -> Prediction:
        """The answer of the version that the routing key, or the number asked for, points to.

        Raises :class:`InvalidRequest` when the request does not fit the signature, :class:`PredictionFailed` when the version failed
        on it, :class:`Overloaded` when too many wait, :class:`NotReady` when nothing is loaded.
        """
        arrived, started = self.clock.now(), time.perf_counter()
        role, served, stable = self._pin(request)
        ask = _Ask(request, request.event_time or arrived, arrived, started)
        try:
            if role == "canary" and request.number is None:
                try:
                    return await asyncio.wait_for(self._answer(ask, role, served), self._candidate_timeout)
                except (ModelyardError, TimeoutError) as error:
                    return await self._make_good(ask, served, stable, error)
            return await self._answer(ask, role, served)
        except PredictionFailed as error:
            # a canary's failure was made good: unless a number was asked for, only the stable version's comes this far
            at_fault: tuple[Role, Served] = ("stable", stable) if request.number is None else (role, served)
            self._log_failure(ask, *at_fault, error)
            raise
        except ModelyardError as error:
            self.metrics.refused(error.http_status)
            raise
        finally:
            self._unpin(served, stable)

    async def _make_good(
        self, ask: _Ask, candidate: Served, stable: Served, error: ModelyardError | TimeoutError
    ) -> Prediction:
        """The stable version's answer where the candidate had none. The candidate's failure is logged against it."""
        if isinstance(error, InvalidRequest):
            fit(stable, ask.request)  # when neither version takes it, it is the client's fault, not the candidate's
        self._log_failure(ask, "canary", candidate, error)
        ask.started = time.perf_counter()
        return await self._answer(ask, "stable", stable)

    async def _answer(self, ask: _Ask, role: Role, served: Served) -> Prediction:
        fitted = fit(served, ask.request)
        # before the model sees the arrays: it may write into them
        inputs = json_columns(fitted.columns) if self.recorder is not None else {}
        try:
            outputs = await self._lane(served).run(fitted.columns, fitted.rows)
        except QueueFull:
            raise Overloaded(waiting=self._queue_limit, reference=served.reference, retry_after=1) from None
        except Crash as crash:
            raise PredictionFailed(reference=served.reference, problem=str(crash)) from crash
        seconds = time.perf_counter() - ask.started
        self.metrics.answered(role, str(served.number), 200, fitted.rows, seconds)
        values = json_columns(outputs)
        if self.recorder is not None:
            self.recorder.prediction(self._record(ask, role, served, fitted.ids, inputs, values, 200, None))
        return Prediction(ask.request.id, served, role, outputs, values)

    def _log_failure(self, ask: _Ask, role: Role, served: Served, error: ModelyardError | TimeoutError) -> None:
        if isinstance(error, ModelyardError):
            status, text = error.http_status, str(error)
        else:
            status, text = 504, f"{served.reference} took longer than {self._candidate_timeout:g} s"
        self.metrics.answered(role, str(served.number), status, 0, time.perf_counter() - ask.started)
        if self.recorder is None:
            return
        try:
            fitted = fit(served, ask.request)
            inputs, ids = json_columns(fitted.columns), fitted.ids
        except InvalidRequest:  # the candidate's signature does not take what the stable one takes
            inputs, ids = {}, ask.request.ids or ()
        self.recorder.prediction(self._record(ask, role, served, ids, inputs, {}, status, text))

    def _record(
        self,
        ask: _Ask,
        role: Role,
        served: Served,
        ids: tuple[str, ...],
        inputs: dict[str, list[Any]],
        outputs: dict[str, list[Any]],
        status: int,
        error: str | None,
    ) -> PredictionRecord:
        return PredictionRecord(
            request=ask.request.id,
            ids=ids,
            time=ask.arrived,
            event_time=ask.event_time,
            deployment=self.deployment,
            replica=self.replica,
            version=served.number,
            role=role,
            inputs=inputs,
            outputs=outputs,
            latency_ms=1000 * (time.perf_counter() - ask.started),
            status=status,
            error=error,
        )

    def _pin(self, request: PredictionRequest) -> tuple[Role, Served, Served]:
        """Who answers, and who makes good. One locked step, so that a drain cannot fall between look and hold."""
        with self._changed:
            routes = self._routes
            stable = routes.stable
            if stable is None:
                self.metrics.refused(503)
                raise NotReady
            if request.number is not None:
                role, served = _find(routes, stable.name, request.number)
            else:
                role = routes.side(request.routing_key or request.id)
                served = routes.candidate if role == "canary" and routes.candidate is not None else stable
            self._requests += 1
            self._pins[served.key] += 1
            self._pins[stable.key] += 1
            return role, served, stable

    def _unpin(self, served: Served, stable: Served) -> None:
        with self._changed:
            self._requests -= 1
            for key in (served.key, stable.key):
                self._pins[key] -= 1
                if not self._pins[key]:
                    del self._pins[key]
            self._retire()

    def _lane(self, served: Served) -> Lane:
        lane = self._lanes.get(served.key)
        if lane is None:
            with self._changed:
                lane = self._lanes.setdefault(
                    served.key,
                    Lane(
                        served.predict,
                        self._executor,
                        queue_limit=self._queue_limit,
                        batch_rows=self._batch_rows,
                        idle=self._idle,
                        observe=self.metrics.batch,
                    ),
                )
        return lane

    def _idle(self) -> None:
        with self._changed:
            self._retire()

    def _in_use(self, digest: str) -> bool:
        pinned = any(key[2] == digest for key in self._pins)
        return pinned or any(key[2] == digest and lane.busy for key, lane in self._lanes.items())

    def _retire(self) -> None:
        """Lets go of versions that nobody routes to or waits for, so that their memory comes back."""
        live = {served.key for _, served in self._routes.loaded}
        for key in [k for k, lane in self._lanes.items() if k not in live and k not in self._pins and not lane.busy]:
            del self._lanes[key]
        self._changed.notify_all()


@dataclass(slots=True)
class _Ask:
    """One request on its way: when it came, what it speaks of, and since when the present version has it."""

    request: PredictionRequest
    event_time: datetime
    arrived: datetime
    started: float


def _find(routes: Routes, name: str, number: int | None) -> tuple[Role, Served]:
    if not routes.loaded:
        raise NotReady
    named = [(role, served) for role, served in routes.loaded if served.name == name]
    if not named:
        served_here = sorted({served.name for _, served in routes.loaded})
        raise ModelNotServed(name=name, found=f"{', '.join(served_here)} is")
    for role, served in named:
        if number is None or served.number == number:
            return role, served
    raise VersionNotServed(name=name, asked=number, found=", ".join(str(served.number) for _, served in named))
