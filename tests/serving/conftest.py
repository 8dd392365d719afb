from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_doubles import Memory, served
from starlette.testclient import TestClient

from modelyard.serving.app import create_app
from modelyard.serving.engine import Engine, Routes


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def engine(memory: Memory) -> Iterator[Engine]:
    engine = Engine("flights-live", "r1", recorder=memory, candidate_timeout=0.2)
    engine.set_routes(Routes(served(1)))
    yield engine
    engine.close(timeout=1)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(engine, body_limit=10_000)) as client:
        yield client
