"""A micro-batcher without a timer: a batch is whatever queued while the last one ran.

At low load a request runs at once, alone; at high load batches grow by themselves. There is one lane a version; a lane runs one
batch at a time in a worker thread, so a slow candidate holds up nobody but its own requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.serving.routes import Predict

Columns = Mapping[str, NDArray[Any]]
Outcome = dict[str, NDArray[Any]] | BaseException


class QueueFull(Exception):
    """As many requests wait in the lane as may."""


@dataclass(slots=True)
class _Waiting:
    columns: Columns
    rows: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[dict[str, NDArray[Any]]]


class Lane:
    """The queue in front of one version.

    ``queue_limit`` bounds the requests that wait, ``batch_rows`` the rows of one batch (a larger single request runs
    alone); ``idle`` is called, from any thread, each time the lane has run dry.
    """

    def __init__(
        self,
        predict: Predict,
        executor: Executor,
        *,
        queue_limit: int,
        batch_rows: int,
        idle: Callable[[], None] = lambda: None,
        observe: Callable[[int, int], None] = lambda requests, rows: None,
    ) -> None:
        self._predict = predict
        self._executor = executor
        self._queue_limit = queue_limit
        self._batch_rows = batch_rows
        self._idle = idle
        self._observe = observe
        self._lock = Lock()
        self._queue: deque[_Waiting] = deque()
        self._scheduled = False
        self._running = False

    @property
    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._running or bool(self._queue)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def run(self, columns: Columns, rows: int) -> dict[str, NDArray[Any]]:
        """The outputs for these rows. Raises what the version raised on them, or :class:`QueueFull` at once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, NDArray[Any]]] = loop.create_future()
        with self._lock:
            if len(self._queue) >= self._queue_limit:
                raise QueueFull
            self._queue.append(_Waiting(columns, rows, loop, future))
            start = not (self._running or self._scheduled)
            self._scheduled = self._scheduled or start
        if start:
            # Not now but at the end of this turn of the loop: requests that arrived together share the first batch.
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        with self._lock:
            self._scheduled = False
            if self._running or not self._queue:
                return
            self._running = True
        try:
            self._executor.submit(self._work)
        except RuntimeError as closed:  # the engine is closed
            with self._lock:
                self._running = False
            self._deliver([(waiting, closed) for waiting in self._take(everything=True)])

    def _work(self) -> None:
        while batch := self._take():
            outcomes = run_batch(self._predict, [waiting.columns for waiting in batch], [w.rows for w in batch])
            self._observe(len(batch), sum(waiting.rows for waiting in batch))
            self._deliver(list(zip(batch, outcomes, strict=True)))
            del batch, outcomes  # an idle lane must not keep the last rows alive
        self._idle()

    def _take(self, everything: bool = False) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        with self._lock:
            while self._queue and (everything or not batch or rows + self._queue[0].rows <= self._batch_rows):
                waiting = self._queue.popleft()
                if not waiting.future.cancelled():  # nobody waits for it any more
                    batch.append(waiting)
                    rows += waiting.rows
            if not batch:
                self._running = False
        return batch

    @staticmethod
    def _deliver(results: list[tuple[_Waiting, Outcome]]) -> None:
        """Wake each event loop once, however many of its requests the batch held."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Outcome]]] = {}
        for result in results:
            by_loop.setdefault(result[0].loop, []).append(result)
        for loop, mine in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, mine)
            except RuntimeError:  # the loop is closed: nobody is left to be told
                continue


def _resolve(results: list[tuple[_Waiting, Outcome]]) -> None:
    for waiting, outcome in results:
        if waiting.future.done():
            continue
        if isinstance(outcome, BaseException):
            waiting.future.set_exception(Crash.of(outcome))
        else:
            waiting.future.set_result(outcome)


class Crash(Exception):
    """Whatever a version raised, as an ordinary exception: a future cannot carry ``StopIteration`` or ``SystemExit``."""

    @classmethod
    def of(cls, error: BaseException) -> Crash:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        crash = cls(text if len(text) <= 500 else text[:499] + "…")
        crash.__cause__ = error
        return crash


def run_batch(predict: Predict, requests: Sequence[Columns], rows: Sequence[int]) -> list[Outcome]:
    """One outcome a request, in order: its own outputs, or the error that its own rows caused.

    Requests of the same columns run as one call. When that call fails, each of its requests runs alone, so a bad row
    fails the request that brought it and none beside it.
    """
    outcomes: list[Outcome | None] = [None] * len(requests)
    alike: dict[tuple[Any, ...], list[int]] = {}
    for i, columns in enumerate(requests):
        alike.setdefault(tuple((name, column.dtype.kind) for name, column in columns.items()), []).append(i)
    for members in alike.values():
        found: list[Outcome] | None = None
        if len(members) > 1:
            found = _together(predict, [requests[i] for i in members], [rows[i] for i in members])
        if found is None:
            found = [_alone(predict, requests[i], rows[i]) for i in members]
        for i, outcome in zip(members, found, strict=True):
            outcomes[i] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def _together(predict: Predict, requests: list[Columns], rows: list[int]) -> list[Outcome] | None:
    try:
        merged = {name: np.concatenate([columns[name] for columns in requests]) for name in requests[0]}
        outputs = _checked(predict(merged), sum(rows))
    except BaseException:  # noqa: BLE001
        # Model code: SystemExit and the panics of Rust extensions are no Exception, and must not end the worker.
        return None
    ends = np.cumsum(rows).tolist()
    return [
        {name: values[end - n : end] for name, values in outputs.items()} for end, n in zip(ends, rows, strict=True)
    ]


def _alone(predict: Predict, columns: Columns, rows: int) -> Outcome:
    try:
        return _checked(predict(columns), rows)
    except BaseException as error:  # noqa: BLE001
        return error


def _checked(outputs: Any, rows: int) -> dict[str, NDArray[Any]]:
    if not isinstance(outputs, Mapping):
        raise TypeError(f"it answered with a {type(outputs).__name__} instead of named columns")
    columns = {str(name): np.asarray(values) for name, values in outputs.items()}
    for name, values in columns.items():
        if values.ndim == 0 or len(values) != rows:
            raise ValueError(f"its output {name!r} has the shape {values.shape} for {rows} rows")
    return columns
