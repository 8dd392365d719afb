"""Empty databases of both kinds, of which nothing that a test does stays."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection

from modelyard.registry import Database


class Opened(Protocol):
    """Opens a connection to an empty database; what is done on it is undone at its end."""

    def __call__(self) -> AbstractContextManager[Connection]: ...


class _Undone(Exception):
    pass


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    place: Any = tmp_path_factory.mktemp("search") / "yard.db"
    if request.param == "postgresql":
        place = request.getfixturevalue("postgres").new_database()
    database = Database(place)
    database.create()

    @contextmanager
    def connection() -> Iterator[Connection]:
        try:
            with database.write() as found:
                yield found
                raise _Undone
        except _Undone:
            pass

    yield connection
    database.close()
