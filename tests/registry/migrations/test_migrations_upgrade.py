"""Every schema that there was comes to the newest, whole or not at all; what cannot be understood is said so."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select, text

from modelyard import Workspace
from modelyard.core.errors import CorruptYard, DatabaseHalfMigrated, SchemaTooNew, SchemaTooOld
from modelyard.core.references import Reference
from modelyard.registry import Database, schema
from modelyard.registry.ledger import broken_rows
from modelyard.registry.migrations.revision import NEWEST, REVISIONS
from modelyard.registry.migrations.upgrade import configuration, missing, upgrade

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A yard with the first schema: see the kept sample."""
    folder = tmp_path / "old" / ".modelyard"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / "registry-0001.db", folder / "registry.db")
    (folder / "yard.toml").write_text('format = 2\nid = "1f0a"\n')
    return folder


def shape(connection: Connection) -> dict[str, object]:
    """Tables, columns, keys and indexes."""
    found = inspect(connection)
    return {
        name: (
            sorted((c["name"], c["nullable"], str(c["default"])) for c in found.get_columns(name)),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"] or "", tuple(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(name)),
            sorted(tuple(u["column_names"]) for u in found.get_unique_constraints(name)),
            sorted((tuple(f["constrained_columns"]), f["referred_table"]) for f in found.get_foreign_keys(name)),
        )
        for name in sorted(found.get_table_names())
        if not name.startswith("sqlite_")
    }


def test_an_upgraded_database_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    upgrade(Database(old / "registry.db"))
    new = Database(tmp_path / "new.db")
    new.create()
    with Database(old / "registry.db").read() as upgraded, new.read() as made:
        assert shape(upgraded) == shape(made)


def test_there_is_a_kept_sample_of_every_schema_but_the_newest() -> None:
    assert {path.stem.removeprefix("registry-") for path in SAMPLES.glob("registry-*.db")} == set(REVISIONS[:-1])


def test_our_list_of_revisions_is_the_one_of_alembic(tmp_path: Path) -> None:
    from alembic.script import ScriptDirectory

    database = Database(tmp_path / "registry.db")
    database.create()
    with database.read() as connection:
        script = ScriptDirectory.from_config(configuration(connection))
    assert tuple(reversed([each.revision for each in script.walk_revisions()])) == REVISIONS
    assert script.get_current_head() == NEWEST


def test_everything_is_there_after_an_upgrade(old: Path) -> None:
    done = upgrade(Database(old / "registry.db"))
    assert (done.found, done.steps) == ("0001", ("0002",))
    ws = Workspace(old, actor="ana", create=False)
    second = ws.registry.version("model", Reference.parse("fraud/2"))
    assert ws.registry.tags(second) == {"type": "classification", "büro": 'ja "x"', "reviewed": "yes"}
    assert ws.registry.properties(second) == {"built": "1", "late": "1"}
    assert ws.registry.metrics(second) == {"auc": 0.94, "loss": 1e-7}
    assert [m.value for m in ws.registry.measurements(second, "auc")] == [0.91, 0.95, 0.94]
    assert ws.registry.version("model", Reference.parse("fraud/3")).state == "archived"
    assert ws.model("fraud@production").version == 1
    assert ws.gates("fraud", "production") == ["metrics.auc >= 0.9", 'tags.type == "classification"']
    with ws.registry.read() as connection:
        labelled = select(schema.versions.c.label).where(schema.versions.c.label_order.is_not(None))
        labels = connection.execute(labelled.order_by(schema.versions.c.label_order)).scalars().all()
    assert labels == ["nightly", "1.0.0", "1.10.0", "2024.3"]


def test_the_chain_of_an_upgraded_ledger_verifies_and_goes_on(old: Path) -> None:
    database = Database(old / "registry.db")
    with sqlite3.connect(old / "registry.db") as connection:
        hashes = connection.execute("SELECT sequence, hash FROM ledger ORDER BY sequence").fetchall()
    upgrade(database)
    with database.read() as connection:
        assert list(broken_rows(connection)) == []
        assert [
            tuple(r) for r in connection.execute(text("SELECT sequence, hash FROM ledger ORDER BY sequence"))
        ] == hashes
    ws = Workspace(old, actor="ana", create=False)
    ws.registry.set_tags(ws.model("fraud/1").row, {"after": "upgrade"})
    assert ws.registry.check_ledger() == (len(hashes) + 1, [])


def test_an_old_database_is_opened_only_after_an_upgrade(old: Path) -> None:
    with pytest.raises(SchemaTooOld, match="run: modelyard upgrade"):
        Workspace(old)
    upgrade(Database(old / "registry.db"))
    assert Workspace(old).models() == ["fraud"]


def test_a_copy_is_kept_and_is_what_was_there(old: Path) -> None:
    before = sqlite3.connect(old / "registry.db").execute("SELECT count(*), max(hash) FROM ledger").fetchall()
    kept = upgrade(Database(old / "registry.db")).copy
    assert kept == old / "registry.db.before-0002"
    assert sqlite3.connect(kept).execute("SELECT count(*), max(hash) FROM ledger").fetchall() == before


def test_a_second_upgrade_changes_nothing(old: Path) -> None:
    upgrade(Database(old / "registry.db"))
    before = (old / "registry.db").read_bytes()
    assert upgrade(Database(old / "registry.db")).steps == ()
    assert (old / "registry.db").read_bytes() == before


def test_an_upgrade_that_fails_leaves_what_was_there(old: Path) -> None:
    with sqlite3.connect(old / "registry.db") as connection:  # a row that the upgrade cannot understand
        connection.execute("UPDATE ledger SET after = '{' WHERE sequence = 3")
    before = sqlite3.connect(old / "registry.db").execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(DatabaseHalfMigrated, match="the database is not of one schema: the upgrade was undone"):
        upgrade(Database(old / "registry.db"))
    assert (
        sqlite3.connect(old / "registry.db").execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
        == before
    )


def test_a_newer_schema_is_refused_with_what_to_install(make_yard: Callable[[], Workspace]) -> None:
    ws = make_yard()
    with ws.registry.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    with pytest.raises(
        SchemaTooNew, match="has schema 0009, and this modelyard works with schema 0002; install a newer"
    ):
        Workspace(ws.url)
    with pytest.raises(SchemaTooNew):
        upgrade(ws.registry.database)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("DROP TABLE alembic_version", "tables of a newer schema"),
        ("DELETE FROM alembic_version", "0 revisions"),
        ("INSERT INTO alembic_version VALUES ('0001')", "2 revisions"),
    ],
)
def test_a_half_migrated_database_is_recognised(make_yard: Callable[[], Workspace], harm: str, told: str) -> None:
    ws = make_yard()
    with ws.registry.begin() as tx:
        tx.execute(text(harm))
    with pytest.raises(DatabaseHalfMigrated, match=told):
        Workspace(ws.url)


def test_columns_that_are_missing_are_named(make_yard: Callable[[], Workspace]) -> None:
    ws = make_yard()
    with ws.registry.begin() as tx:
        tx.execute(text("DROP TABLE deliveries"))
        tx.execute(text("ALTER TABLE versions DROP COLUMN lineage"))
        assert missing(tx.connection) == ["table deliveries", "column versions.lineage"]
    assert "the database lacks the column versions.lineage" in " ".join(ws.check().problems)
    with pytest.raises(
        DatabaseHalfMigrated, match=r"says revision 0002 and lacks table deliveries, column versions\.lineage"
    ):
        upgrade(ws.registry.database)


def test_a_database_without_tables_is_no_yard(tmp_path: Path) -> None:
    folder = tmp_path / ".modelyard"
    folder.mkdir()
    (folder / "yard.toml").write_text('format = 2\nid = "1f0a"\n')
    (folder / "registry.db").touch()
    with pytest.raises(CorruptYard, match="no such table"):
        Workspace(tmp_path)
