"""Fills a yard with very many versions by writing the rows themselves, as registrations would have written them, the ledger's chain too.

A registration a millisecond would take a quarter of an hour for a million. The rows follow the rules of the registry (``labels.order``,
``versions.pair``, the hash of the ledger), and ``check --ledger`` of the filled yard is one of the measurements.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.registry import spread
from benchmarks.registry.spread import Spread
from modelyard import Workspace
from modelyard.core.digests import canonical_json
from modelyard.registry import labels, ledger, schema, versions

BLOCK = 20_000
"""Versions that are written at a time."""
START = 1_735_689_600_000_000  # microseconds: 2025
STEP = 30_000_000  # one version every half minute
WHO = "ci"
FILLED = (schema.models, schema.versions, schema.tags, schema.metrics, schema.aliases, schema.ledger)
Rows = list[tuple[Any, ...]]


def fill(workspace: Workspace, plan: Spread) -> float:
    """Fills an empty yard and leaves it as a yard that grew: no statistics that the product would not take itself. Seconds."""
    started = time.perf_counter()
    url = workspace.url
    writer = _into_postgres if url.startswith("postgresql:") else _into_sqlite
    workspace.close()
    writer(url, Chain(), plan)
    return time.perf_counter() - started


class Chain:
    """The ledger while it grows."""

    def __init__(self) -> None:
        self.sequence, self.hash, self.time = 0, ledger.GENESIS, 0

    def row(self, action: str, name: str, subject: str, when: int, after: Mapping[str, Any]) -> tuple[Any, ...]:
        """The next row, with its hash."""
        self.sequence += 1
        row: dict[str, Any] = dict.fromkeys(columns(schema.ledger))
        row |= {"sequence": self.sequence, "time": when, "happened": when, "actor": WHO, "action": action}
        row |= {"workspace": "default", "kind": "model", "name": name, "subject": subject, "reason": ""}
        row |= {"after": canonical_json(after).decode(), "previous": self.hash}
        self.time, self.hash = when, ledger._hash(row)
        row["hash"] = self.hash
        return tuple(row.values())


def blocks(plan: Spread, chain: Chain) -> Iterator[dict[str, Rows]]:
    """The rows of every table, a block of versions at a time; the aliases, and where the ledger ends, come last."""
    rows: dict[str, Rows] = {table.name: [] for table in FILLED}
    numbers: dict[str, int] = {}
    ids = {name: row_id for row_id, name in enumerate(plan.names(), 1)}
    for index, name, number in plan.each():
        when = START + index * STEP
        if number == 1:
            rows["ledger"].append(chain.row("model.create", name, name, when, {"name": name}))
        numbers[name] = number
        _version(rows, chain, index, name, number, ids[name], when)
        if index % BLOCK == BLOCK - 1:
            yield rows
            rows = {table.name: [] for table in FILLED}
    last = START + plan.versions * STEP
    for name, count in numbers.items():
        facts = {"next_number": count + 1, "created_time": START, "created_by": WHO, "state": "active"}
        known = {"id": ids[name], "workspace": "default", "kind": "model", "name": name, "description": "", "card": ""}
        rows["models"].append(_tuple(schema.models, known | facts))
        for alias, number in spread.aliases(count).items():
            rows["aliases"].append((ids[name], alias, number, last, WHO))
            after = {"version": number, "digest": digest(ids[name], number)}
            rows["ledger"].append(chain.row("alias.move", name, f"{name}@{alias}", last, after))
    yield rows


def digest(owner: int, number: int) -> str:
    """Of the manifest of a version: any, but each its own."""
    return f"sha256:{hashlib.sha256(f'{owner}/{number}'.encode()).hexdigest()}"


def _version(rows: dict[str, Rows], chain: Chain, index: int, name: str, number: int, owner: int, when: int) -> None:
    row_id, label, tags, metrics = index + 1, spread.label(number), spread.tags(index), spread.metrics(index)
    made = digest(owner, number)
    provenance = f"sha256:{hashlib.sha256(made.encode()).hexdigest()}"
    commit = made[7:47]
    lineage = {"git": {"branch": "main", "commit": commit, "dirty": False}, "python": "3.11.7"}
    facts = {
        "id": row_id,
        "model_id": owner,
        "number": number,
        "label": label,
        "label_order": None if label is None else labels.order(label),
        "digest": made,
        "provenance": provenance,
        "lineage": canonical_json(lineage).decode(),
        "flavor": "sklearn",
        "size": 1_000_000 + index % 1000,
        "files": 3,
        "description": "",
        "card": "",
        "state": "active",
        "created_time": when,
        "created_by": WHO,
    }
    rows["versions"].append(_tuple(schema.versions, facts))
    for key, value in tags.items():
        place = {"version_id": row_id, "model_id": owner, "number": number}
        rows["tags"].append(_tuple(schema.tags, place | versions.pair(key, value)))
    for nth, (key, value) in enumerate(metrics.items(), 1):
        measured = {"id": 2 * index + nth, "version_id": row_id, "model_id": owner, "key": key, "value": value}
        rows["metrics"].append(_tuple(schema.metrics, measured | {"time": when, "current": 1}))
    after = {"version": number, "digest": made, "provenance": provenance, "label": label}
    after |= {"tags": tags, "properties": {}, "metrics": metrics}
    rows["ledger"].append(chain.row("version.register", name, f"{name}/{number}", when, after))


def columns(table: Any) -> list[str]:
    """The names of the columns, in their order."""
    return [column.name for column in table.columns]


def _tuple(table: Any, facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """In the order of the columns."""
    return tuple(facts.get(name) for name in columns(table))


def _into_sqlite(place: str, chain: Chain, plan: Spread) -> None:
    from sqlalchemy import create_engine

    path = Path(place) / "registry.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        raw: sqlite3.Connection = connection.connection.driver_connection
        raw.isolation_level = None
        for pragma in ("foreign_keys=OFF", "journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
            raw.execute(f"PRAGMA {pragma}")

        def write(table: Any, rows: Sequence[tuple[Any, ...]]) -> None:
            names = ", ".join(f'"{name}"' for name in columns(table))
            marks = ", ".join("?" * len(table.c))
            raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608 - our schema

        indexes = _without_indexes(lambda each: each.drop(connection))
        raw.execute("BEGIN")
        _write(write, chain, plan)
        raw.execute("UPDATE heads SET sequence = ?, hash = ?, time = ?", (chain.sequence, chain.hash, chain.time))
        raw.execute("COMMIT")
        for index in indexes:
            index.create(connection)
        raw.execute("PRAGMA journal_mode=WAL")
    engine.dispose()


def _into_postgres(url: str, chain: Chain, plan: Spread) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.begin() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("SET session_replication_role = replica")  # what refers to what is known to be there

        def write(table: Any, rows: Sequence[tuple[Any, ...]]) -> None:
            names = ", ".join(f'"{name}"' for name in columns(table))
            with raw.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        indexes = _without_indexes(lambda each: each.drop(connection))
        _write(write, chain, plan)
        raw.execute("UPDATE heads SET sequence = %s, hash = %s, time = %s", (chain.sequence, chain.hash, chain.time))
        for index in indexes:
            index.create(connection)
        for table in ("models", "versions", "metrics"):  # rows were given their numbers: the counters follow
            raw.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")  # noqa: S608
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")  # as PostgreSQL does by itself after a while
    engine.dispose()


def _without_indexes(drop: Callable[[Any], None]) -> list[Any]:
    """Drops what is quicker to build once all rows are there; gives it back to be made again."""
    indexes = [index for table in FILLED for index in table.indexes]
    for index in indexes:
        drop(index)
    return indexes


def _write(write: Callable[[Any, Sequence[tuple[Any, ...]]], None], chain: Chain, plan: Spread) -> None:
    for rows in blocks(plan, chain):
        for table in FILLED:
            if rows[table.name]:
                write(table, rows[table.name])
