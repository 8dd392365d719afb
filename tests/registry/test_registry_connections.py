"""Connections that stay open between transactions: whose they are, and when they are given up."""

import multiprocessing
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from modelyard import Workspace
from modelyard.core.names import ModelName
from modelyard.registry import Database
from modelyard.registry.database.database import IDLE


def _claims(ws: Workspace, prefix: str) -> None:
    for number in range(20):
        ws.registry.claim("model", ModelName(f"{prefix}-{number}"))


def test_a_fork_leaves_alone_what_its_parent_has_open(any_ws: Workspace) -> None:
    _claims(any_ws, "before")
    assert any_ws.registry.database._idle
    children = [
        multiprocessing.get_context("fork").Process(target=_claims, args=(any_ws, f"child{n}")) for n in range(2)
    ]
    for child in children:
        child.start()
    _claims(any_ws, "parent")
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert len(any_ws.models()) == 80
    assert not any_ws.check().problems


def test_many_threads_leave_few_connections_open(any_ws: Workspace) -> None:
    threads = [threading.Thread(target=_claims, args=(any_ws, f"t{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(any_ws.models()) == 240
    assert 1 <= len(any_ws.registry.database._idle) <= IDLE
    any_ws.close()
    assert not any_ws.registry.database._idle
    assert len(any_ws.models()) == 240


def test_what_failed_in_a_transaction_does_not_come_back_in_the_next(any_ws: Workspace) -> None:
    database = any_ws.registry.database

    def fail() -> None:
        with database.write() as connection:
            connection.execute(text("DELETE FROM heads"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM heads")).scalar() == 1


def test_nobody_hears_that_the_server_has_cut_connections_while_they_were_idle(any_ws: Workspace) -> None:
    if any_ws.registry.database.dialect == "sqlite":
        pytest.skip("a file cuts no connections")
    database = any_ws.registry.database
    barrier = threading.Barrier(4)

    def hold() -> None:
        with database.read():
            barrier.wait(30)

    for cut in range(2):
        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(database._idle) == 4
        other = Database(any_ws.url)
        with other.write() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
            )
        other.close()
        any_ws.registry.claim("model", ModelName(f"m{cut}"))
        assert len(any_ws.models()) == cut + 1


def test_a_yard_that_is_forgotten_has_nothing_open(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "yard")
    _claims(ws, "m")
    engine, idle = ws.registry.database._engine, ws.registry.database._idle
    pool = engine.pool
    del ws
    assert not idle
    assert pool.checkedout() == 0  # type: ignore[attr-defined]
