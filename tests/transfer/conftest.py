"""Yards on SQLite, quick to make; what depends on the database is tested with ``make_yard`` of the tests above, on both."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transfer_yards import StepClock, fill

from modelyard import Workspace
from modelyard.transfer import create_bundle


@pytest.fixture
def yard(tmp_path: Path) -> Callable[..., Workspace]:
    """Makes new yards: ``yard("name", actor="ben")``."""

    def make(name: str, **options: object) -> Workspace:
        return Workspace(tmp_path / name, **{"actor": "ana", **options})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def sample_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of everything in a full yard, for tests that only read it."""
    folder = tmp_path_factory.mktemp("sample")
    ws = fill(Workspace(folder / "yard", actor="ana", clock=StepClock()), folder / "files")
    create_bundle(ws, folder / "sample.myb", everything=True)
    ws.close()
    return folder / "sample.myb"


@pytest.fixture
def full(yard: Callable[..., Workspace], tmp_path: Path) -> Workspace:
    """A yard with something of everything."""
    return fill(yard("full", clock=StepClock()), tmp_path / "files")
