"""Reports: what was found of a version after it was made. Scans and signatures; appended, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from modelyard.core.clock import from_micros, to_micros
from modelyard.registry.schema import reports
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import NewReport, VersionRow, lock

SCAN, SIGNATURE = "scan", "signature"


@dataclass(frozen=True)
class Report:
    """One report; ``summary`` is what gates and searches see, ``document`` the file digest of the whole in the store."""

    id: int
    kind: str
    tool: str
    summary: Mapping[str, Any]
    document: str | None
    time: datetime
    actor: str


_OF_VERSION = (
    select(reports)
    .where(reports.c.version_id == bindparam("of_version"), reports.c.kind == bindparam("of_kind"))
    .order_by(reports.c.id.desc())
)
_LATEST = _OF_VERSION.limit(1)


def add(tx: Transaction, version: VersionRow, new: NewReport) -> Report:
    """Appends a report on a version, with its ledger row. The bytes of its document are stored before."""
    lock(tx, version.model_id)
    when = to_micros(tx.now())
    facts = {**vars(new), "summary": dict(new.summary)}
    made = tx.connection.execute(
        insert(reports).returning(reports.c.id), {"version_id": version.id, "time": when, "actor": tx.actor, **facts}
    )
    tx.record("report.add", kind=version.kind, name=version.name, subject=version.reference, after=facts)
    return Report(made.scalar_one(), **facts, time=from_micros(when), actor=tx.actor)


def latest(connection: Connection, version_id: int, kind: str) -> Report | None:
    """The last report of a kind on a version."""
    row = connection.execute(_LATEST, {"of_version": version_id, "of_kind": kind}).first()
    return None if row is None else _report(row)


def of_version(connection: Connection, version_id: int, kind: str) -> list[Report]:
    """All reports of a kind on a version, the last one first."""
    return [_report(row) for row in connection.execute(_OF_VERSION, {"of_version": version_id, "of_kind": kind})]


def _report(row: Any) -> Report:
    return Report(row.id, row.kind, row.tool, row.summary, row.document, from_micros(row.time), row.actor)
