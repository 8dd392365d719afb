# ruff: noqa: S608 - statements are made of the words of this file
"""What a search asks of the databases: an index for each clause that has one, and no row that was shown already."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import search_databases
from search_databases import Opened
from sqlalchemy import Connection, event, text

from modelyard.registry.search import find, ways

opened = search_databases.opened
VERSIONS = 20_000


@contextmanager
def noted(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run meanwhile, with their values."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        found.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    yield found
    event.remove(connection, "before_cursor_execute", note)


def plan(connection: Connection, subject: Any, wanted: str, order: Any) -> str:
    """How the rows of the second page are come by."""
    first = find(connection, "default", subject, wanted, order, 10)
    with noted(connection) as statements:
        find(connection, "default", subject, wanted, order, 10, first.next_token)
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    lines = []
    for statement, values in statements:
        assert "OFFSET" not in statement.replace("LIMIT ? OFFSET ?", "") or connection.dialect.name != "sqlite"
        lines += [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values)]
    return "\n".join(lines)


COUNTING = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {VERSIONS}) "
MODEL = "(SELECT min(id) FROM models) + (CASE WHEN i % 2 = 0 THEN 0 ELSE i % 40 END)"
FILL = {
    "models(workspace, kind, name, next_number, state, created_time, created_by, description, card)": (
        COUNTING + "SELECT 'default', 'model', 'model-' || CAST(i AS TEXT), 1000000, 'active', 0, 'ana', '', '' FROM n WHERE i <= 40"
    ),
    "versions(id, model_id, number, label, digest, flavor, size, files, state, created_time, created_by, description, card)": (
        f"{COUNTING} SELECT i, {MODEL}, i, CASE WHEN i % 50 = 0 THEN CAST(i AS TEXT) END, "
        "'d' || CAST(i AS TEXT), 'f', 1, 1, 'active', i, 'ana', '', '' FROM n"
    ),
    "tags(version_id, model_id, number, key, value, head)": (
        "SELECT id, model_id, number, 'type', CAST(id % 3 AS TEXT), CAST(id % 3 AS TEXT) FROM versions"
    ),
    "metrics(version_id, model_id, key, value, time, current)": (
        "SELECT id, model_id, 'auc', id % 997, 0, 1 FROM versions"
    ),
    "ledger(sequence, time, actor, action, workspace, kind, name, subject, reason, previous, hash, happened)": (
        COUNTING + "SELECT i, i, 'ana', CASE WHEN i % 100 = 0 THEN 'alias.move' ELSE 'version.register' END, 'default', 'model', "
        "'model-' || CAST(i % 40 AS TEXT), 'model-' || CAST(i % 40 AS TEXT) || '/' || CAST(i AS TEXT), '', '', '', i FROM n"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(opened: Opened) -> Iterator[Connection]:
    """A yard with many versions of a few models, all with tags, metrics and ledger rows."""
    with opened() as connection:
        for table, rows in FILL.items():
            connection.execute(text(f"INSERT INTO {table} {rows}"))
        if connection.dialect.name == "postgresql":  # SQLite has to do without statistics
            connection.execute(text("ANALYZE"))
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # so few rows are else read from end to end
        yield connection


CASES = [
    ("versions", "tags.type = '1'", (), "tags_value"),
    ("versions", "tags.type = 'none'", (), "tags_value"),
    ("versions", "tags.type = '1' and flavor = 'f' and not archived", (), "tags_value"),
    ("versions", "name = 'model-1' and tags.type = '1'", (), "tags_of_model"),
    ("versions", "name = 'model-1'", (), "versions_model_id_number_key|autoindex_versions"),
    ("versions", "name = 'model-1'", "metrics.auc desc", "metrics_of_model"),
    ("versions", "name = 'model-1' and metrics.auc > 3", "metrics.auc", "metrics_of_model"),
    ("versions", "metrics.auc > 990", "metrics.auc desc", "metrics_value"),
    ("versions", "", "metrics.auc desc", "metrics_value"),
    ("versions", "created_time >= 3 and created_time < 9", (), "versions_created"),
    ("versions", "", "created_time", "versions_created"),
    ("versions", "digest = 'd77'", (), "versions_digest"),
    ("versions", "alias = 'production'", (), "aliases"),
    ("versions", "name = 'model-1' and label = '100'", (), "versions_label"),
    ("versions", "name = 'model-1' and number = 100", (), "versions_model_id_number_key|autoindex_versions"),
    ("versions", "state = 'archived'", (), "versions_gone"),
    ("versions", "", (), "versions_pkey|INTEGER PRIMARY KEY|SCAN versions"),
    ("models", "", (), "models_workspace_kind_name_key|autoindex_models"),
    ("models", "tags.a = 'x'", (), "model_tags_value"),
    ("ledger", "", (), "ledger_pkey|INTEGER PRIMARY KEY|SCAN ledger"),
    ("ledger", "subject = 'model-1/1'", (), "ledger_subject"),
    ("ledger", "name = 'model-1'", (), "ledger_name"),
    ("ledger", "action = 'alias.move'", (), "ledger_action"),
    ("ledger", "time >= 5", "time desc", "ledger_pkey|INTEGER PRIMARY KEY"),
]  # fmt: skip
IN_ORDER = {("versions", ""): "versions", ("ledger", ""): "ledger", ("versions", "alias = 'production'"): "way"}
"""What is walked from the newest on and ends with the page; and the aliases, which are few."""


def walked(connection: Connection, found: str) -> set[str]:
    """The tables that are read from end to end."""
    if connection.dialect.name == "postgresql":
        return set(re.findall(r"Seq Scan on (\w+)", found))
    return {
        table
        for table, how in re.findall(r"SCAN (?!anon|span|CONSTANT)(\w+)(.*)", found)
        if " INDEX" not in how or table == "way"
    }


@pytest.mark.parametrize(("subject", "wanted", "order", "index"), CASES)
def test_an_index_answers(filled: Connection, subject: Any, wanted: str, order: Any, index: str) -> None:
    found = plan(filled, subject, wanted, order)
    assert re.search(index, found), found
    assert walked(filled, found) <= {IN_ORDER.get((subject, wanted), "")}, found


BROAD = [case for case in CASES if case[1].startswith(("tags.type = '1'", "name =", "metrics", "created_time"))]


@pytest.mark.parametrize(("subject", "wanted", "order", "index"), BROAD)
def test_an_index_answers_what_very_many_rows_meet(
    filled: Connection,
    monkeypatch: pytest.MonkeyPatch,
    subject: Any,
    wanted: str,
    order: Any,
    index: str,
) -> None:
    monkeypatch.setattr(ways, "NARROW", 0)
    found = plan(filled, subject, wanted, order)
    assert re.search(index, found), found
    assert walked(filled, found) <= {""}, found


@pytest.mark.parametrize(
    ("wanted", "order"),
    [("tags.type = '1'", ()), ("name = 'model-1' and tags.type = '1'", ()), ("name = 'model-1'", ()), ("", ()), ("", "metrics.auc"), ("name = 'model-1'", "metrics.auc desc"), ("", "created_time")],
)  # fmt: skip
def test_rows_that_an_index_has_in_order_are_not_sorted(filled: Connection, wanted: str, order: Any) -> None:
    found = plan(filled, "versions", wanted, order)
    assert "TEMP B-TREE" not in found, found
    assert not re.search(r"^\s*->\s+Sort\b|^Sort\b", found, re.MULTILINE) or "Incremental" in found, found
