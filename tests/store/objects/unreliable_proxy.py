"""An HTTP proxy on the loopback that spoils the requests that a test tells it to."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from modelyard.store.objects import Patience

QUICK = Patience(attempts=5, total=6, first=0.005, longest=0.02, connect=1, silence=0.25)
"""What suits a server on the loopback: it outlives any plan of four faults."""

ERROR = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>planted</Message></Error>'
ANSWERS = {
    "500": (500, ERROR % b"InternalError"),
    "503": (503, ERROR % b"SlowDown"),
    "403": (403, ERROR % b"AccessDenied"),
    "expired": (400, ERROR % b"ExpiredToken"),
}


class UnreliableProxy(ThreadingHTTPServer):
    """Each fault of ``plan`` spoils one request, in the order they come; ``None`` lets one through. Then all go through.

    ``500`` ``503`` ``403`` ``expired``: such an answer, the request is not passed on · ``reset``: the connection is reset before an answer ·
    ``lost``: the same after the request was passed on · ``cut``: the body ends in the middle · ``lie``: the body of a GET and its Content-Length are
    cut in half · ``stall``: nothing comes for some seconds · ``hang``: the body stops in the middle, and the connection stays open.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.plan: deque[str | None] = deque()
        self.always: str | None = None
        self.seen: list[tuple[str, str]] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, method: str, path: str) -> str | None:
        with self.lock:
            self.seen.append((method, path))
            return self.plan.popleft() if self.plan else self.always

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The other side went away, which is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnreliableProxy
    timeout: ClassVar[float] = 20

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault(self.command, self.path)
        if fault in ANSWERS:
            status, answer = ANSWERS[fault]
            self._answer(status, {"Content-Type": "application/xml"}, answer)
            return
        if fault == "stall":
            self.server.closing.wait(5)
        if fault in {"stall", "reset"}:
            self._reset()
            return
        status, headers, answer = self._passed_on(body)
        if fault == "lost":
            self._reset()
            return
        if fault == "lie" and self.command == "GET":
            answer = answer[: len(answer) // 2]
            headers["Content-Length"] = str(len(answer))
        half = fault in {"cut", "hang"}
        self._answer(status, headers, answer, len(answer) // 2 if half else None)
        if fault == "hang":
            self.server.closing.wait(5)
        self.close_connection = self.close_connection or half

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815 - the names that http.server asks for

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=20)
        try:
            upstream.request(self.command, self.path, body or None, dict(self.headers))
            answer = upstream.getresponse()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in {"connection", "transfer-encoding"}
            }
            return answer.status, headers, answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
            self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
        """Silent."""


@contextmanager
def unreliable_proxy(upstream: tuple[str, int]) -> Iterator[UnreliableProxy]:
    """A proxy in front of ``upstream`` while the block runs."""
    proxy = UnreliableProxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
