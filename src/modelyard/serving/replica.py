"""One serving process: an engine behind a listener."""

from __future__ import annotations

from typing import Any

from modelyard.core.errors import ReplicaFailed
from modelyard.serving.engine import Engine
from modelyard.serving.listener import Listener


class Replica(Listener):
    """Serves ``app`` for an engine, and closes the engine, and with it the traffic log, when it has ended."""

    def __init__(self, engine: Engine, app: Any, host: str = "127.0.0.1", port: int = 0, grace: float = 30.0) -> None:
        super().__init__(app, host, port, ended=engine.close, grace=grace)
        self._deployment = engine.deployment

    def start(self, timeout: float = 30.0) -> None:
        """Serves from a thread of its own; returns when requests are answered. Raises :class:`ReplicaFailed`."""
        try:
            super().start(timeout)
        except TimeoutError as error:
            raise ReplicaFailed(name=self._deployment, problem=str(error), log="its log") from None
