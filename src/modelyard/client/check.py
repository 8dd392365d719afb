"""Whether a yard is whole: the database, the ledger's chain, and the bytes of every version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.registry import schema
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
    rows = workspace.registry.versions("model") + workspace.registry.versions("dataset")
    seen: dict[str, list[Finding]] = {}
    for row in rows:
        if row.digest not in seen:
            seen[row.digest] = list(examine(workspace.store, Digest(row.digest), read=read))
        problems += [f"{row.kind} {row.reference}: {found.file}: {found.problem}" for found in seen[row.digest]]
        if row.provenance:
            try:
                workspace.store.read(Digest(row.provenance), "the provenance")
            except Damaged as error:
                problems.append(f"{row.kind} {row.reference}: {error}")
    temporary = workspace.store.root / "tmp"
    leftovers = sum(1 for _ in temporary.iterdir()) if temporary.is_dir() else 0
    return CheckReport(len(rows), count, leftovers, tuple(problems), read)
