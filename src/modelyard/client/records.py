"""Whether what the database says holds together: its own pages, the ledger's chain, and the present rows against the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from modelyard.registry import schema

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


def examine_records(workspace: Workspace) -> tuple[int, list[str]]:
    """How many rows the ledger has, and what is wrong, in sentences."""
    problems: list[str] = []
    with workspace.registry.read() as connection:
        integrity = connection.execute(text("PRAGMA integrity_check")).scalar()
        if integrity != "ok":
            problems.append(f"registry.db is damaged: {integrity}")
        stray = connection.execute(
            select(schema.models.c.name, schema.aliases.c.name.label("alias"), schema.aliases.c.number)
            .join(schema.models, schema.aliases.c.model_id == schema.models.c.id)
            .outerjoin(
                schema.versions,
                (schema.versions.c.model_id == schema.models.c.id)
                & (schema.versions.c.number == schema.aliases.c.number),
            )
            .where(schema.versions.c.id.is_(None))
        )
        problems += [f"{row.name}@{row.alias} points at version {row.number}, which does not exist" for row in stray]
    count, broken = workspace.registry.check_ledger()
    return count, [*problems, *broken, *_against_ledger(workspace)]


def _against_ledger(workspace: Workspace) -> Iterator[str]:
    """Where the present rows do not say what the ledger says that they must: somebody changed them past the registry."""
    table, models = schema.versions.c, schema.models.c
    with workspace.registry.read() as connection:
        rows = connection.execute(
            select(models.kind, models.name, table.number, table.digest, table.provenance).join(
                schema.models, table.model_id == models.id
            )
        ).all()
        present = {(row.kind, f"{row.name}/{row.number}"): (row.digest, row.provenance) for row in rows}
        pointers = connection.execute(
            select(models.kind, models.name, schema.aliases.c.name.label("alias"), schema.aliases.c.number).join(
                schema.models, schema.aliases.c.model_id == models.id
            )
        ).all()
    moved: dict[tuple[str, str], int] = {}
    for entry in workspace.registry.history():  # newest first
        key = (entry.kind, entry.subject)
        if entry.action in ("alias.move", "alias.rollback"):
            moved.setdefault(key, entry.after["version"])
        elif entry.action == "version.register":
            registered = (entry.after["digest"], entry.after["provenance"])
            if key not in present:
                yield f"{entry.kind} {entry.subject} was registered (ledger row {entry.sequence}) and is missing"
            elif present[key] != registered:
                yield f"{entry.kind} {entry.subject} is not what was registered in ledger row {entry.sequence}"
    for row in pointers:
        subject = f"{row.name}@{row.alias}"
        if moved.get((row.kind, subject)) != row.number:
            yield f"{subject} points at version {row.number}, which the ledger does not say"
