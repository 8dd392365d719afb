"""The yard of the tests of policies, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from policies_yard import People

from modelyard import Workspace


@pytest.fixture
def people(make_yard: Callable[..., Workspace], tmp_path: Path) -> Iterator[People]:
    """A new yard and who works in it."""
    made = People(make_yard, tmp_path)
    yield made
    made.close()
