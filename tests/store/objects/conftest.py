"""Places for objects: a folder, memory, an S3 server on the loopback, and a faulty one behind retries."""

import random
from pathlib import Path

import pytest
from faulty_objects import FaultyObjects
from unreliable_proxy import QUICK

from modelyard.store.objects import FolderObjects, Objects, Patience, Retrying, open_objects


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
