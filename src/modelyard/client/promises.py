"""What the database says must be kept: one promise a version. A version that was purged is promised no more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from modelyard.registry import schema

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


@dataclass(frozen=True)
class Promise:
    """A version as the database holds it, deleted ones too while they can be restored: ``model fraud/3``, and digests as they stand there, right or not."""

    told: str
    size: int
    digest: str
    provenance: str | None
    documents: tuple[str, ...] = ()
    """Reports on the version: scans, signatures."""


def promises(workspace: Seat) -> list[Promise]:
    """Of each version, models before data sets."""
    models, table, reports = schema.models.c, schema.versions.c, schema.reports.c
    columns = (table.id, models.kind, models.name, table.number, table.digest, table.provenance, table.size)
    query = select(*columns).join(schema.models, table.model_id == models.id).where(table.state != "purged")
    attached = select(reports.version_id, reports.document).where(reports.document.is_not(None))
    documents: dict[int, list[str]] = defaultdict(list)
    with workspace.registry.read() as connection:
        rows = connection.execute(query.order_by(models.kind.desc(), models.name, table.number)).all()
        for found in connection.execute(attached):
            documents[found.version_id].append(found.document)
    return [
        Promise(
            f"{row.kind} {row.name}/{row.number}",
            row.size,
            row.digest,
            row.provenance,
            tuple(documents.get(row.id, ())),
        )
        for row in rows
    ]


def promised_in_ledger(workspace: Seat) -> list[Promise]:
    """Of each version that the ledger says was registered and does not say was purged: a row that somebody removed from the table is no reason to lose bytes."""
    table = schema.ledger.c
    registered = select(table.kind, table.workspace, table.subject, table.after).where(
        table.action == "version.register"
    )
    purged = select(table.kind, table.workspace, table.subject).where(table.action == "version.purge")
    with workspace.registry.read() as connection:
        gone = {tuple(row) for row in connection.execute(purged)}
        rows = connection.execute(registered.order_by(table.sequence)).all()
    return [
        Promise(
            f"{row.kind} {row.subject}",
            0,
            row.after["digest"],
            row.after.get("provenance"),
            tuple(report["document"] for report in row.after.get("reports", ()) if report.get("document")),
        )
        for row in rows
        if (row.kind, row.workspace, row.subject) not in gone
    ]
