"""Whether a yard is whole: the database, the ledger's chain, and the bytes of every version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.registry import VersionRow, schema
from modelyard.store.check import Finding, examine

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


@dataclass(frozen=True)
class CheckReport:
    """What was looked at, and what is wrong: sentences that name the versions that are hurt."""

    versions: int
    ledger_rows: int
    leftovers: int  # half-written files of writers that died; harmless
    problems: tuple[str, ...]
    read: bool

    @property
    def whole(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "problems": list(self.problems), "whole": self.whole}


def check(workspace: Workspace, *, read: bool) -> CheckReport:
    """Looks at everything; reads every byte only when asked to."""
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
    problems += broken
    problems += _against_ledger(workspace)
    rows = workspace.registry.versions("model") + workspace.registry.versions("dataset")
    seen: dict[str, list[Finding]] = {}
    for row in rows:
        if row.digest not in seen:
            seen[row.digest] = list(examine(workspace.store, Digest(row.digest), read=read))
        problems += [f"{row.kind} {row.reference}: {found.file}: {found.problem}" for found in seen[row.digest]]
        problems += [f"{row.kind} {row.reference}: {problem}" for problem in _beside(workspace, row)]
    temporary = workspace.store.root / "tmp"
    leftovers = sum(1 for _ in temporary.iterdir()) if temporary.is_dir() else 0
    return CheckReport(len(rows), count, leftovers, tuple(problems), read)


def _beside(workspace: Workspace, row: VersionRow) -> Iterator[str]:
    """What is wrong with what is kept beside the files: the provenance, its attachments, the reference profile."""
    try:
        if row.provenance:
            document = json.loads(workspace.store.read(Digest(row.provenance), "the provenance"))
            for name, kept in document.get("attachments", {}).items():
                workspace.store.read(Digest(kept["digest"]), name)
        if profile := workspace.store.manifest(Digest(row.digest)).facts.get("profile"):
            workspace.store.read(Digest(profile), "the reference profile")
    except Damaged as error:
        yield str(error)


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
