"""What was true at an instant, and who made true what is: answers out of the ledger.

Rows are taken by when the change *happened*, so that a yard that took its history over from another one answers as that one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from modelyard.core.clock import to_micros
from modelyard.core.names import Kind, ModelName
from modelyard.registry import ledger
from modelyard.registry.aliases import MOVES, REMOVAL
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.schema import ledger as table


@dataclass(frozen=True)
class Blame:
    """A field of a version or a model, its value, and the ledger row that made it so."""

    field: str
    value: Any
    row: LedgerRow


def facts(rows: Iterable[LedgerRow]) -> dict[str, Blame]:
    """What is said of one version after these changes to it, oldest first: tags, properties, metrics, label, description, card, state."""
    found: dict[str, Blame] = {}
    for row in rows:
        for field, value in _changes(row):
            if value is None:
                found.pop(field, None)
            else:
                found[field] = Blame(field, value, row)
    return found


def of_version(
    connection: Connection, workspace: str, kind: Kind, reference: str, when: datetime | None = None
) -> dict[str, Blame]:
    """The fields of ``name/number``, now or at an instant: ``tags.type``, ``metrics.auc``, ``state`` …"""
    conditions = [table.c.workspace == workspace, table.c.kind == kind, table.c.subject == reference]
    if when is not None:
        conditions.append(table.c.happened <= to_micros(when))
    return facts(ledger.rows(connection, *conditions, newest_first=False, as_happened=True))


def aliases(
    connection: Connection, workspace: str, kind: Kind, name: ModelName, when: datetime | None = None
) -> dict[str, Blame]:
    """Where the aliases of a model pointed, now or at an instant: a number each."""
    conditions = [
        table.c.workspace == workspace,
        table.c.kind == kind,
        table.c.name == name,
        table.c.action.in_((*MOVES, REMOVAL)),
    ]
    if when is not None:
        conditions.append(table.c.happened <= to_micros(when))
    found: dict[str, Blame] = {}
    for row in ledger.rows(connection, *conditions, newest_first=False, as_happened=True):
        alias = row.subject.rpartition("@")[2]
        if row.action == REMOVAL:
            found.pop(alias, None)
        else:
            found[alias] = Blame(f"@{alias}", row.after["version"], row)
    return dict(sorted(found.items()))


def deployments(connection: Connection, workspace: str, when: datetime) -> dict[str, dict[str, Any]]:
    """What was wanted of each deployment at an instant: its ``model``, ``alias``, ``state`` and ``config`` as far as the ledger tells."""
    made = (table.c.workspace == workspace, table.c.kind == "deployment", table.c.happened <= to_micros(when))
    found: dict[str, dict[str, Any]] = {}
    rows = ledger.rows(connection, *made, table.c.action.like("deployment.%"), newest_first=False, as_happened=True)
    for row in rows:
        known = found.setdefault(row.name, {"name": row.name})
        if row.action == "deployment.configure":
            known |= {"config": row.after, "alias": row.after["alias"]}
        else:
            known |= {"state": "running", **row.after} if row.action == "deployment.create" else row.after
        known |= {"since": row.happened, "sequence": row.sequence}
    return found


def _changes(row: LedgerRow) -> Iterable[tuple[str, Any]]:
    """The fields that a row sets; None where it takes one away."""
    after = row.after if isinstance(row.after, Mapping) else {}
    match row.action:
        case "version.register":
            yield "digest", after.get("digest")
            yield "label", after.get("label")
            yield "description", after.get("description")
            for group in ("tags", "properties", "metrics"):
                yield from _group(group, after.get(group) or {})
            yield "state", "active"
        case "tags.set":
            yield from _group("tags", after)
        case "tags.remove":
            yield from ((f"tags.{key}", None) for key in row.before or {})
        case "properties.add":
            yield from _group("properties", after)
        case "metrics.log":
            yield from _group("metrics", after)
        case "version.describe" | "version.label":
            yield from after.items()
        case "version.archive" | "version.restore" | "version.delete" | "version.purge":
            yield "state", after.get("state")


def _group(group: str, values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((f"{group}.{key}", value) for key, value in values.items())
