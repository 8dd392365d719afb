"""An S3 server on the loopback, for the objects and whatever lies above them."""

import os
import urllib.request
import uuid
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer
from unreliable_proxy import UnreliableProxy, unreliable_proxy


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, int]]:
    """An S3 server with the bucket ``models``."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = urllib.request.Request(
        f"http://{host}:{port}/models",
        method="PUT",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"},
    )
    with urllib.request.urlopen(made) as answer:  # noqa: S310 - our own server on the loopback
        assert answer.status == 200
    yield host, port
    server.stop()


@pytest.fixture
def s3(s3_server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place in the bucket; the environment names the server and dummy credentials."""
    for variable in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*s3_server))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-show-this")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://models/{uuid.uuid4().hex}"


@pytest.fixture
def proxy(s3_server: tuple[str, int], s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreliableProxy]:
    """An unreliable proxy, which the environment names in place of the server."""
    with unreliable_proxy(s3_server) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made
