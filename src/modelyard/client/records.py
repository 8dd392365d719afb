"""Whether what the database says holds together: its own pages, the ledger's chain, and the present rows against the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from modelyard.registry import schema
from modelyard.registry.aliases import MOVES, REMOVAL
from modelyard.registry.migrations.upgrade import missing
from modelyard.registry.policies import witness

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


def examine_records(workspace: Seat) -> tuple[int, list[str]]:
    """How many rows the ledger has, and what is wrong, in sentences."""
    problems: list[str] = []
    with workspace.registry.read() as connection:
        if connection.dialect.name == "sqlite":
            integrity = connection.execute(text("PRAGMA integrity_check")).scalar()
            if integrity != "ok":
                problems.append(f"registry.db is damaged: {integrity}")
        problems += [f"the database lacks the {each}" for each in missing(connection)]
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
        problems += witness.examine(connection, workspace.registry.workspace)
    count, broken = workspace.registry.check_ledger()
    return count, [*problems, *broken, *_against_ledger(workspace)]


def _told(workspace: Seat) -> Iterator[Any]:
    """The ledger rows that say where an alias points or what a version is, newest first, a few at a time."""
    told = schema.ledger.c
    actions = (*MOVES, REMOVAL, "version.register")
    query = (
        select(told.sequence, told.kind, told.subject, told.action, told.after)
        .where(told.workspace == workspace.registry.workspace, told.action.in_(actions))
        .order_by(told.sequence.desc())
        .execution_options(yield_per=5000)
    )
    with workspace.registry.read() as connection:
        yield from connection.execute(query)


def _against_ledger(workspace: Seat) -> Iterator[str]:
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
    moved: dict[tuple[str, str], int | None] = {}
    for entry in _told(workspace):
        key = (entry.kind, entry.subject)
        if entry.action in MOVES:
            moved.setdefault(key, entry.after["version"])
        elif entry.action == REMOVAL:
            moved.setdefault(key, None)
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
        moved.pop((row.kind, subject), None)
    for (kind, subject), number in moved.items():
        if number is not None:
            yield f"{subject} of a {kind} pointed at version {number}, and is gone without a ledger row"
