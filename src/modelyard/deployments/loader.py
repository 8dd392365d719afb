"""Loads versions in the background, so that neither predictions nor heartbeats wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.client.workspace import Workspace
from modelyard.core.errors import Locked, Unavailable
from modelyard.core.names import ModelName
from modelyard.core.references import Number, Reference
from modelyard.serving.routes import Served

_log = logging.getLogger(__name__)
ATTEMPTS = 3


def load(workspace: Workspace, name: ModelName, number: int, trust: bool) -> Served:
    """A version, verified and ready to answer. Raises what its bytes, its flavor and the trust policy raise."""
    model = workspace.model(Reference(name, Number(number)))
    predictor = model.predictor(trust=True if trust else None)
    return Served(str(name), number, str(model.digest), model.signature, predictor.predict)


@dataclass
class _Attempt:
    """What is known of a version that is wanted and not loaded."""

    future: Future[Served] | None = None
    problem: str = ""
    tries: int = 0
    again: datetime | None = None


class Loader:
    """The versions that are loaded, being loaded, or could not be.

    A machine that says no (:class:`Unavailable`, :class:`Locked`, ``OSError``) is asked up to :data:`ATTEMPTS` times before it counts as a problem; anything else
    is one at once. Whatever failed is tried again, ever more rarely, as long as it is wanted.
    """

    def __init__(self, read: Callable[[int], Served], first_delay: float = 1.0) -> None:
        self._read = read
        self._delay = first_delay
        self._loaded: dict[int, Served] = {}
        self._attempts: dict[int, _Attempt] = {}
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="load")

    def want(self, numbers: set[int], now: datetime) -> None:
        """Begins to load what is missing, and takes in what has arrived. Returns at once."""
        for number in numbers - self._loaded.keys():
            self._advance(number, self._attempts.setdefault(number, _Attempt()), now)
        for number in self._attempts.keys() - numbers:
            del self._attempts[number]

    def keep(self, numbers: set[int]) -> None:
        """Lets all other versions go."""
        for number in self._loaded.keys() - numbers:
            del self._loaded[number]

    def get(self, number: int | None) -> Served | None:
        """The version, if it is loaded."""
        return None if number is None else self._loaded.get(number)

    def problem(self, number: int | None) -> str:
        """Why a version that is wanted is not there; empty when it is there, or still on its way."""
        attempt = self._attempts.get(number) if number is not None else None
        return attempt.problem if attempt else ""

    def close(self) -> None:
        """Begins no more loading; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _advance(self, number: int, attempt: _Attempt, now: datetime) -> None:
        if attempt.future is None:
            if attempt.again is None or now >= attempt.again:
                attempt.future = self._executor.submit(self._read, number)
            return
        if not attempt.future.done():
            return
        error = attempt.future.exception()
        if error is None:
            self._loaded[number] = attempt.future.result()
            del self._attempts[number]
            return
        attempt.future = None
        attempt.tries += 1
        attempt.again = now + timedelta(seconds=min(300.0, self._delay * 2**attempt.tries))
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _log.warning("version %d cannot be loaded (attempt %d): %s", number, attempt.tries, told)
        if attempt.tries >= ATTEMPTS or not isinstance(error, Unavailable | Locked | OSError):
            attempt.problem = told.splitlines()[0][:1000]
