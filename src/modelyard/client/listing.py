"""Versions as documents: the facts that the database has of each, by the names of the attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelyard.core.clock import to_text
from modelyard.registry import VersionRow
from modelyard.registry.versions import Details

if TYPE_CHECKING:
    from modelyard.client.entry import Entry


def document(row: VersionRow, details: Details, state: str) -> dict[str, Any]:
    """Of one version."""
    return {
        "name": row.name,
        "version": row.number,
        "id": f"{row.name}:{row.number}",
        "reference": row.reference,
        "label": row.label,
        "aliases": details.aliases,
        "digest": row.digest,
        "flavor": row.flavor,
        "size": row.size,
        "state": state,
        "description": row.description,
        "tags": details.tags,
        "properties": details.properties,
        "metrics": details.metrics,
        "inputs": [{"role": role, "reference": reference} for role, reference in details.inputs],
        "created_by": row.created_by,
        "created_time": to_text(row.created_time),
    }


def documents(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Of versions of one yard that were just found, as they are now: a few queries for all of them, and nothing of their bytes."""
    if not entries:
        return []
    rows = [each.row for each in entries]
    found = entries[0].workspace.registry.details(rows)
    return [document(row, details, row.state) for row, details in zip(rows, found, strict=True)]
