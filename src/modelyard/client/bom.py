"""The BOM of a version: what the yard knows of it, gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.registry import reports
from modelyard.safety.bom import Measured, Source, Subject, document

if TYPE_CHECKING:
    from modelyard.client.entry import Entry


def bom(entry: Entry) -> dict[str, Any]:
    """A CycloneDX ML-BOM, JSON-able. Raises CorruptBlob, MissingBlob where the manifest or the provenance cannot be read."""
    from modelyard import __version__

    registry = entry.workspace.registry
    last = {(one.key, one.dataset): one.value for one in entry.measurements()}
    return document(
        Subject(
            kind=entry.row.kind,
            name=entry.name,
            number=entry.version,
            digest=entry.digest,
            manifest=entry.manifest,
            created_time=entry.created_time,
            created_by=entry.created_by,
            label=entry.label,
            description=entry.description,
            card=entry.card,
            tags=entry.tags,
            properties=entry.properties,
            provenance=entry.provenance,
            sources=tuple(
                Source(role, row.kind, row.name, row.number, row.digest) for role, row in registry.inputs(entry.row)
            ),
            metrics=tuple(Measured(key, value, dataset) for (key, dataset), value in last.items()),
            reports=tuple(_reports(entry)),
            tool_version=__version__,
        )
    )


def _reports(entry: Entry) -> list[tuple[str, str, str]]:
    """The last scan, and every signature."""
    with entry.workspace.registry.read() as connection:
        scan = reports.latest(connection, entry.row.id, reports.SCAN)
        signed = reports.of_version(connection, entry.row.id, reports.SIGNATURE)
    found = [] if scan is None else [(scan, f"{scan.tool}: {scan.summary.get('verdict')}")]
    found += [(one, f"{one.tool}: by key {one.summary.get('key')}") for one in reversed(signed)]
    return [(report.kind, report.document, comment) for report, comment in found if report.document is not None]
