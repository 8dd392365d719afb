"""One socket, an HTTP server on it, and an orderly end."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread, current_thread, main_thread
from time import monotonic, sleep
from typing import Any

import uvicorn

from modelyard.core.errors import AddressUnusable, PortInUse


class Listener:
    """Answers with ``app`` at ``host`` and ``port``; port 0 takes any free port, and ``url`` says which.

    The address is taken at once, so that :class:`PortInUse` (or :class:`AddressUnusable`) comes before anything is loaded. Requests that
    come before :meth:`run` or :meth:`start` wait. SIGTERM, SIGINT and :meth:`stop` finish the requests in flight, for at
    most ``grace`` seconds; ``ended`` is called then, once.
    """

    def __init__(
        self, app: Any, host: str, port: int, *, ended: Callable[[], None] = lambda: None, grace: float = 30.0
    ) -> None:
        self._when_ended = ended
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(grace)),
            # longer than the pools of common clients keep a connection, so that they close it and not we under their request
            timeout_keep_alive=75,
        )
        self._server = _Server(config)
        self._thread: Thread | None = None
        self._lock = Lock()
        self._running = False
        self._ended = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self) -> None:
        """Serves until it is stopped; SIGTERM and SIGINT stop it when this is the main thread. Returns at once when it was stopped before."""
        with self._lock:
            if self._ended:
                return
            self._running = True
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._end()

    def start(self, timeout: float = 30.0) -> None:
        """Serves from a thread of its own; returns when requests are answered. Raises TimeoutError when they are not."""
        self._thread = Thread(target=self.run, name="listener", daemon=True)
        self._thread.start()
        until = monotonic() + timeout
        while not self._server.started:
            if monotonic() > until or not self._thread.is_alive():
                self.stop()
                raise TimeoutError("the server did not start")
            sleep(0.002)

    def stop(self, timeout: float = 30.0) -> None:
        """Asks for an orderly end, and waits for it if :meth:`start` began it. Callable from any thread, more than once."""
        self._server.should_exit = True
        thread = self._thread
        if thread is not None and thread is not current_thread():
            thread.join(timeout)
        elif thread is None and not self._running:  # never served: let the address go
            self._end()

    def _end(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        with suppress(OSError):
            self._socket.close()
        self._when_ended()


class _Server(uvicorn.Server):
    """Uvicorn raises the signal again when it has shut down, which would end the process before the log is flushed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if current_thread() is not main_thread():
            yield
            return
        handled = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def require_free(host: str, port: int) -> None:
    """Raises PortInUse or AddressUnusable when nobody could answer there now; port 0 is always free."""
    _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:  # the C library would cut it to sixteen bits in silence
        raise AddressUnusable(host=host, port=port, problem="a port is a number from 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as problem:
        raise AddressUnusable(host=host, port=port, problem=_reason(problem)) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # listening, not only bound: with SO_REUSEADDR two processes can bind one port as long as neither listens
        listener.listen(2048)
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            raise PortInUse(port=port, host=host) from None
        raise AddressUnusable(host=host, port=port, problem=_reason(problem)) from None
    listener.set_inheritable(False)
    return listener


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "strerror", None) or problem)
