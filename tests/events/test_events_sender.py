"""One attempt over HTTP, against receivers that behave and receivers that do not."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from receivers import Receiver, bare, closed_port, reset

from modelyard.events.sender import KEPT_CHARACTERS, Answer, Sender, resolve

HEADERS = {"Content-Type": "application/json", "webhook-id": "a_b_1"}
BODY = b'{"name":"fraud"}'
Resolve = Callable[[str, int], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]


def send(url: str, **options: object) -> Answer:
    return Sender(**{"connect_seconds": 2.0, "total_seconds": 5.0, **options}).send(url, HEADERS, BODY)  # type: ignore[arg-type]


def at(*addresses: str) -> Resolve:
    return lambda _host, _port: [ipaddress.ip_address(address) for address in addresses]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_message_is_posted_as_it_is(receiver: Receiver, status: int) -> None:
    receiver.reply = lambda _: (status, {}, b"")
    answer = send(receiver.url + "?a=b")
    assert (answer.taken, answer.status, answer.problem) == (True, status, "")
    (got,) = receiver.got
    assert (got.path, got.body) == ("/hook?a=b", BODY)
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["webhook-id"] == "a_b_1"
    assert got.headers["Host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_a_refusal_is_told_with_what_the_receiver_said(receiver: Receiver, status: int) -> None:
    receiver.reply = lambda _: (status, {}, "kaputt:\n\tträger \x1b[31mnicht da\x00".encode())
    answer = send(receiver.url)
    assert not answer.taken
    assert answer.status == status
    assert answer.problem.startswith(f"it answered {status}")
    assert answer.problem.endswith("kaputt: träger [31mnicht da")
    assert answer.gone is (status == 410)


def test_no_more_than_the_beginning_of_an_answer_is_kept(receiver: Receiver) -> None:
    receiver.reply = lambda _: (500, {}, b"x" * 10_000_000)
    assert len(send(receiver.url).problem) == KEPT_CHARACTERS


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    other = Receiver()
    try:
        for status in (301, 302, 303, 307, 308):
            receiver.reply = lambda _, status=status: (status, {"Location": other.url}, b"")  # type: ignore[misc]
            answer = send(receiver.url)
            assert (answer.taken, answer.status) == (False, status)
            assert "redirects are not followed" in answer.problem
        assert other.got == []
    finally:
        other.close()


@pytest.mark.parametrize(("asked", "seconds"), [("120", 120.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)])
def test_how_long_the_receiver_wants_us_to_wait_is_told(receiver: Receiver, asked: str, seconds: float | None) -> None:
    receiver.reply = lambda _: (429, {"Retry-After": asked}, b"")
    assert send(receiver.url).asked == seconds


def _says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda line: line.sendall(data)


def _drips(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 O")
    for _ in range(10_000):
        line.sendall(b"K")
        time.sleep(0.02)


def _drips_headers(line: socket.socket) -> None:
    for number in range(10_000):
        line.sendall(b"X-%d: y\r\n" % number if number else b"HTTP/1.1 200 OK\r\n")
        time.sleep(0.02)


def _continues(line: socket.socket) -> None:
    for _ in range(500_000):
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _is_silent(line: socket.socket) -> None:
    line.recv(1)  # until the other side goes


@pytest.mark.parametrize(
    ("behave", "problem"),
    [
        (reset, "no answer from http://127.0.0.1"),
        (lambda _line: None, "no answer from http://127.0.0.1"),
        (_says(b"220 mail.example ESMTP\r\n"), "is not HTTP"),
        (_says(b"\x15\x03\x01\x00\x02\x02\x50" * 50), "is not HTTP"),
        (_says(b"HTTP/1.1 999999 what\r\n\r\n"), "is not HTTP"),
        (_says(b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 100_000 + b"\r\n\r\n"), "is not HTTP"),
        (_says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), "is not HTTP"),
        (_drips, "in time"),
        (_drips_headers, "in time"),
        (_continues, "in time"),
        (_is_silent, "in time"),
    ],
)
def test_a_receiver_that_does_not_answer_is_a_problem_and_not_an_error(
    behave: Callable[[socket.socket], None], problem: str
) -> None:
    with bare(behave) as url:
        answer = send(url, total_seconds=0.5)
    assert (answer.taken, answer.status) == (False, None)
    assert problem in answer.problem


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_without_end_is_not_read(status: int) -> None:
    sent = []
    over = threading.Event()

    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 %d X\r\n\r\n" % status)
        try:
            while True:
                sent.append(line.send(b"y" * 65536))
        finally:
            over.set()

    with bare(flood) as url:
        answer = send(url)
        assert over.wait(10), "the connection is closed"
    assert answer.status == status
    assert len(answer.problem) <= KEPT_CHARACTERS
    assert sum(sent) < 20_000_000, "no more than the system takes for a connection"


def test_a_body_that_never_ends_does_not_turn_taken_into_refused() -> None:
    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            line.recv(1)

    with bare(drip) as url:
        assert send(url).taken


def test_a_port_that_nobody_listens_on_is_a_problem() -> None:
    assert "refused" in send(f"http://127.0.0.1:{closed_port()}/").problem


def test_a_name_that_is_not_known_is_a_problem() -> None:
    def unknown(_host: str, _port: int) -> list[ipaddress.IPv4Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert "its name is not known" in send("https://hooks.example.com/", resolve=unknown).problem


@pytest.mark.parametrize(
    ("scheme", "addresses"),
    [
        ("https", ["169.254.169.254"]),
        ("https", ["127.0.0.1", "169.254.169.254"]),
        ("http", ["::ffff:169.254.169.254"]),
        ("http", ["8.8.8.8"]),
        ("http", ["127.0.0.1", "8.8.8.8"]),
    ],
)
def test_nothing_is_sent_to_a_name_with_an_address_that_is_refused(
    receiver: Receiver, scheme: str, addresses: list[str]
) -> None:
    answer = send(f"{scheme}://hooks.example.com:{receiver.port}/", resolve=at(*addresses))
    assert answer.problem.startswith("nothing was sent to hooks.example.com")
    assert receiver.got == []


def test_the_connection_goes_to_the_address_that_was_checked_and_the_name_is_looked_up_once(receiver: Receiver) -> None:
    asked = []

    def changing(host: str, port: int) -> list[ipaddress.IPv4Address]:
        asked.append((host, port))
        return [ipaddress.IPv4Address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    url = f"http://hooks.example.com:{receiver.port}/x"
    assert send(url, resolve=changing).taken
    assert asked == [("hooks.example.com", receiver.port)]
    assert receiver.got[0].headers["Host"] == f"hooks.example.com:{receiver.port}"


def test_the_next_address_of_a_host_is_tried_when_one_takes_no_connection(receiver: Receiver) -> None:
    assert send(f"http://hooks.example.com:{receiver.port}/", resolve=at("127.0.0.2", "127.0.0.1")).taken


def test_a_host_without_an_address_is_a_problem() -> None:
    assert "no address" in send("http://hooks.example.com/", resolve=at()).problem


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert send(receiver.url).taken


def test_the_system_resolves_this_machine() -> None:
    assert all(address.is_loopback for address in resolve("localhost", 80))


# --- TLS ---


def _certificate(folder: Path, *names: x509.GeneralName) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a receiver")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return certificate, private


def _secure(folder: Path) -> tuple[Receiver, Path]:
    certificate, private = _certificate(folder, x509.DNSName("hooks.example.com"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return Receiver(context=context), certificate


def test_a_certificate_must_be_trusted_and_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, certificate = _secure(tmp_path)
    right, wrong = (f"https://{host}:{receiver.port}/" for host in ("hooks.example.com", "other.example.com"))
    here = {"resolve": at("127.0.0.1")}
    try:
        assert "no secure connection" in send(right, **here).problem
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "other.example.com" in send(wrong, **here).problem
        assert "127.0.0.1" in send(receiver.url).problem
        assert receiver.got == []
        assert send(right, **here).taken
        assert len(receiver.got) == 1
    finally:
        receiver.close()


def test_a_handshake_that_hangs_ends_in_time() -> None:
    with bare(lambda line: None) as url, socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "in time" in send(f"https://localhost:{port}/", resolve=at("127.0.0.1"), total_seconds=0.3).problem
        assert send(url.replace("http:", "https:"), total_seconds=0.3).problem
