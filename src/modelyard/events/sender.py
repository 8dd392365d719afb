"""One attempt to hand a message to a receiver over HTTP, in bounded time and memory, and only to an address that may be sent to.

The host name is resolved once, each of its addresses is checked, and the connection goes to one that was checked: a name that changes its mind
between two look-ups gains nothing. Redirects are not followed, proxies of the environment are not used, and of the answer no more is read than is
kept. ``http.client`` is enough for that, and lets the address be chosen.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from modelyard.events.address import Ip, Target, refusal, target
from modelyard.events.schedule import asked_wait

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
KEPT_CHARACTERS = 500
READ_BYTES = 4 * KEPT_CHARACTERS
GONE = 410


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: the status, when one came, and what was wrong in a sentence; ``asked`` are the seconds that the receiver wants us to wait."""

    status: int | None = None
    problem: str = ""
    asked: float | None = None
    seconds: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more."""
        return self.status == GONE


class Sends(Protocol):
    """Whoever hands messages over. Never raises for what a receiver or a network does; returns within about half a minute."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One attempt."""
        ...


def resolve(host: str, port: int) -> list[Ip]:
    """All addresses of a host, in the order of the system. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))


class Sender:
    """Sends over HTTP and HTTPS; certificates are verified, against those that the system trusts (or ``SSL_CERT_FILE``). Safe for threads."""

    def __init__(
        self,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        resolve: Callable[[str, int], list[Ip]] = resolve,
    ) -> None:
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._resolve = resolve

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See :class:`Sends`."""
        began = time.monotonic()
        place = target(url, insecure=True)  # whether plain http is allowed was asked when the webhook was added
        try:
            answer = self._attempt(place, headers, body)
        except ssl.SSLError as error:
            answer = Answer(problem=f"no secure connection to {place.origin}: {_reason(error)}")
        except (TimeoutError, _TooLate):
            answer = Answer(problem=f"no answer from {place.origin} in time")
        except (OSError, http.client.HTTPException, ValueError) as error:
            answer = Answer(problem=f"no answer from {place.origin}: {_reason(error)}")
        return Answer(answer.status, answer.problem[:KEPT_CHARACTERS], answer.asked, time.monotonic() - began)

    def _attempt(self, place: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        addresses = self._resolve(place.host, place.port)
        for address in addresses:
            if why := refusal(address, place.scheme):
                return Answer(problem=f"nothing was sent to {place.host}: {why}")
        with _Deadline(self._total_seconds) as deadline:
            connection = _Connection(place, addresses, self._connect_seconds, self._total_seconds, deadline)
            try:
                connection.request("POST", place.path, body, {"Host": place.authority, **headers})
                with connection.getresponse() as response:
                    if deadline.passed:  # its head was cut, and still looks like one
                        raise TimeoutError
                    if 200 <= response.status < 300:
                        return Answer(response.status)  # whatever else it says, it has what was sent
                    asked = asked_wait(response.getheader("Retry-After"), datetime.now(UTC))
                    return Answer(response.status, _told(response), asked)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if deadline.passed:
                    raise _TooLate from error
                raise
            finally:
                connection.close()


class _TooLate(Exception):
    """The whole attempt took longer than it may, however the parts of it did."""


class _Deadline:
    """Cuts a connection when the time is over: a receiver that sends a byte now and then never lets a timeout of the socket pass."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._line: socket.socket | None = None
        self._guard = threading.Lock()
        self.passed = False

    def watch(self, line: socket.socket) -> None:
        """From here on this connection is cut. Raises TimeoutError when it is too late already."""
        with self._guard:
            if self.passed:
                raise TimeoutError
            self._drop()
            # A second handle on the same connection: the first one goes to TLS, which must not be touched from another thread.
            self._line = line.dup()

    def _cut(self) -> None:
        with self._guard:
            self.passed = True
            if self._line is not None:
                with suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._guard:
            self._drop()


class _Connection(http.client.HTTPConnection):
    """To addresses that are known, with TLS where the scheme says so; the name is still what the certificate is checked for."""

    def __init__(
        self, place: Target, addresses: list[Ip], connect_seconds: float, total_seconds: float, deadline: _Deadline
    ) -> None:
        super().__init__(place.host, place.port)
        self._place = place
        self._addresses = addresses
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._deadline = deadline

    def connect(self) -> None:
        """The first address that takes a connection. Raises OSError."""
        problem: OSError = OSError("the host has no address")
        for address in self._addresses:
            if self._deadline.passed:
                raise TimeoutError
            try:
                line = socket.create_connection((str(address), self._place.port), self._connect_seconds)
            except OSError as error:
                problem = error
                continue
            try:
                self._deadline.watch(line)
                line.settimeout(self._total_seconds)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._place.scheme == "https":
                    context = ssl.create_default_context()
                    line = context.wrap_socket(line, server_hostname=self._place.host)
            except BaseException:
                line.close()
                raise
            self.sock = line
            return
        raise problem


def _told(response: http.client.HTTPResponse) -> str:
    """A refusal in one line: what the receiver wrote is kept as far as it came and is text."""
    try:
        body = response.read(READ_BYTES)
    except (OSError, http.client.HTTPException, ValueError):
        body = b""
    line = f"it answered {response.status} {_line(response.reason or '')[:60]}".rstrip()
    if 300 <= response.status < 400:
        line += ", and redirects are not followed"
    text = _line(body.decode(errors="replace"))
    return f"{line}: {text}" if text else line


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, socket.gaierror):
        return f"its name is not known ({error.strerror})"
    if isinstance(error, http.client.HTTPException):
        return f"what it said is not HTTP ({type(error).__name__})"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(said).split()) or type(error).__name__
