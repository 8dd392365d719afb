"""Places for objects: a folder, memory, an S3 server on the loopback, and a faulty one behind retries."""

import os
import random
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_objects import FaultyObjects
from moto.server import ThreadedMotoServer
from unreliable_proxy import QUICK, UnreliableProxy, unreliable_proxy

from modelyard.store.objects import FolderObjects, Objects, Patience, Retrying, open_objects


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


@pytest.fixture(params=["folder", "memory", "s3", "faulty"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty place of each kind."""
    if request.param == "folder":
        return FolderObjects(tmp_path / "store")
    if request.param == "memory":
        return open_objects("memory:")
    if request.param == "s3":
        return open_objects(request.getfixturevalue("s3"), QUICK)
    faulty = FaultyObjects(open_objects("memory:"), seed=7, errors=0.2, short=0.2)
    chance = random.Random(7).random
    return Retrying(faulty, Patience(attempts=30, total=1e9), sleep=lambda _: None, chance=chance)
