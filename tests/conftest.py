"""Every test has a home, a clean environment and a folder of its own."""

import os
import signal
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.registry import Database
from postgres_server import PostgresServer

CI_WORDS = (
    "CI",
    "BUILD",
    "GITHUB",
    "GITLAB",
    "CIRCLE",
    "JENKINS",
    "BITBUCKET",
    "TRAVIS",
    "TEAMCITY",
    "BUILDKITE",
    "SYSTEM_",
    "TF_",
)


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background of a shell: the processes of tests would ignore ^C too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in list(os.environ):
        if name.startswith(("MODELYARD_", *CI_WORDS)):
            monkeypatch.delenv(name)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A new yard in the test's folder."""
    return Workspace(tmp_path / "yard", actor="ana")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own; ``new_database()`` gives the URL of an empty database."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def _with_tables(postgres: PostgresServer) -> str:
    """A database with our tables, to copy."""
    url = postgres.new_database()
    database = Database(url)
    database.create()
    database.close()
    return url.partition("?")[0].rpartition("/")[2]


MakeYard = Callable[..., Workspace]


@pytest.fixture(params=["sqlite", "postgresql"])
def make_yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeYard]:
    """Makes new yards on either database: ``make_yard("name", actor="ben")``. Its ``url`` opens one again."""
    made: list[Workspace] = []

    def make(name: str = "yard", **options: object) -> Workspace:
        options = {"actor": "ana", **options}
        if request.param == "sqlite":
            made.append(Workspace(tmp_path / name, **options))
        else:
            server, template = request.getfixturevalue("postgres"), request.getfixturevalue("_with_tables")
            url = server.new_database(template=template)
            made.append(Workspace(url, store=str(tmp_path / f"{name}-store"), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def any_ws(make_yard: MakeYard) -> Workspace:
    """A new yard on SQLite, and one on PostgreSQL."""
    return make_yard()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, int]]:
    """An S3 server with the bucket ``models``."""
    from moto.server import ThreadedMotoServer

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
