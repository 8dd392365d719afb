"""Receivers of webhooks: a well-behaved one that remembers, and bare sockets for those that are not."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from modelyard import verify_webhook


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, dict[str, str], bytes]
OK: Reply = (200, {}, b"")


class Receiver:
    """An HTTP server on this machine. ``reply`` says what it answers; ``got`` are the requests that it had, in their order."""

    def __init__(
        self, reply: Callable[[Request], Reply] = lambda _request: OK, context: ssl.SSLContext | None = None
    ) -> None:
        self.reply = reply
        self.got: list[Request] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender died on the way: nothing has arrived
                    return
                request = Request(self.path, dict(self.headers.items()), body)
                receiver.got.append(request)
                status, headers, said = receiver.reply(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # what a client cuts off is no matter
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def sequences(self) -> list[int]:
        return [request.document["sequence"] for request in self.got]

    def genuine(self, secret: str, now: float | None = None) -> list[Any]:
        """The documents that came, each verified."""
        return [verify_webhook(secret, request.headers, request.body, now=now) for request in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def bare(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that hands each connection, with the request read, to a function; the function's end closes it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(line: socket.socket) -> None:
        with line, suppress(OSError):
            if _reads_request(line):
                behave(line)

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listening.accept()
                threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _reads_request(line: socket.socket) -> bool:
    """Whether a whole request came; what is not read when a connection is closed resets it."""
    data = b""
    while found := line.recv(65536):
        data += found
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) == int(re.findall(rb"(?i)content-length: *([0-9]+)", head)[0]):
            return True
    return False


def reset(line: socket.socket) -> None:
    """Ends a connection as a crashed peer does."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
