"""A yard in PostgreSQL: how it is made and found, and what a database that says no is told as."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from modelyard import Workspace
from modelyard.core.errors import (
    DatabaseUnreachable,
    InvalidDatabaseUrl,
    Locked,
    StoreDiffers,
    StoreNeeded,
    UnsupportedUrl,
    YardNotFound,
    YardTooNew,
)
from modelyard.core.names import ModelName
from modelyard.registry import Database, schema
from modelyard.registry.database import postgres as rules
from postgres_server import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def ws(url: str, tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(url, store=str(tmp_path / "store"), actor="ana")
    yield made
    made.close()


def test_a_new_yard_needs_a_store_and_keeps_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(YardNotFound, match="modelyard init --store URL"):
        Workspace(url, create=False)
    with pytest.raises(StoreNeeded, match="give a store, such as s3://bucket/prefix"):
        Workspace(url)
    first = Workspace(url, store=str(tmp_path / "store"))
    again = Workspace(url)
    assert (again.yard_id, again.store.objects.url) == (first.yard_id, first.store.objects.url)
    with pytest.raises(StoreDiffers):
        Workspace(url, store=str(tmp_path / "other"))
    first.close()
    again.close()


def test_files_of_this_machine_lie_in_the_state_folder_of_the_user(ws: Workspace) -> None:
    assert ws.root == Path.home() / ".local" / "state" / "modelyard" / ws.yard_id


def test_the_same_yard_on_another_machine_has_everything(
    ws: Workspace, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.txt").write_text("hello")
    ws.register("fraud", tmp_path / "m.txt")
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    there = Workspace(url, create=False, actor="ben")
    assert Path(there.model("fraud").path()).read_text() == "hello"
    there.close()


def test_a_store_of_a_newer_format_is_refused(ws: Workspace, url: str) -> None:
    with ws.registry.begin() as tx:
        tx.execute(text("UPDATE yards SET format = 99"))
    with pytest.raises(YardTooNew):
        Workspace(url)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("postgresql://", "it does not name a database"),
        ("postgresql://ana:geheim@host:port/x", "is not the URL of a database"),
        ("postgresql://ana:geheim@[::1/x", "is not the URL of a database"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(bad: str, told: str) -> None:
    with pytest.raises(InvalidDatabaseUrl, match=told) as caught:
        Workspace(bad)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("bad", ["mysql://ana@host/x", "sqlite:///x", "https://example.org"])
def test_another_kind_of_url_is_refused_with_what_there_is(bad: str) -> None:
    with pytest.raises(UnsupportedUrl, match="use a folder, or postgresql"):
        Workspace(bad)


@pytest.mark.parametrize("where", ["ana:geheim@127.0.0.1:1/x", "ana@127.0.0.1:1/x?password=geheim"])
def test_a_server_that_does_not_answer_is_named_without_the_password(where: str) -> None:
    with pytest.raises(DatabaseUnreachable, match=r"postgresql://ana@127\.0\.0\.1:1/x") as caught:
        Workspace(f"postgresql://{where}")
    assert "geheim" not in str(caught.value)


def test_a_database_that_is_not_there_is_said_so(url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="does not exist"):
        Workspace(url.replace("yard_", "nope_"))


def test_a_connection_that_was_cut_while_it_was_idle_is_replaced(ws: Workspace, postgres: PostgresServer) -> None:
    for _ in range(3):
        assert ws.models() == []
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'modelyard'")


def test_a_transaction_that_was_cut_leaves_nothing(ws: Workspace, postgres: PostgresServer) -> None:
    def write() -> None:
        with ws.registry.begin() as tx:
            tx.record("model.tag", kind="model", name="x", subject="x")
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'modelyard'")

    with pytest.raises(DatabaseUnreachable):
        write()
    assert ws.registry.check_ledger() == (0, [])


def test_a_writer_that_holds_the_yard_too_long_is_told(
    ws: Workspace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LOCK_SECONDS", 1)
    other = Workspace(url, create=False)
    with ws.registry.begin(), pytest.raises(Locked, match="another writer held it"):
        other.tag_model("fraud", {"a": "b"})
    other.close()


def test_readers_do_not_wait_for_a_writer(ws: Workspace) -> None:
    with ws.registry.begin() as tx:
        tx.record("model.tag", kind="model", name="x", subject="x")
        tx.flush()
        assert ws.history() == []
    assert len(ws.history()) == 1


def test_two_makers_at_once_make_one_yard(url: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Workspace(url, store=str(tmp_path / "store")), range(8)))
    assert len({each.yard_id for each in made}) == 1
    for each in made:
        each.close()
    database = Database(url)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.yards)).scalar_one() == 1
    database.close()


def test_text_orders_by_its_bytes_whatever_the_collation(ws: Workspace) -> None:
    names = ["a", "B", "C", "a-b", "aB", "Zz"]
    for name in names:
        ws.registry.claim("model", ModelName(name))
    assert ws.models() == sorted(names)
