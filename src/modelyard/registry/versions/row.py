"""A version as the database holds it, and the query that finds such rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from modelyard.core.clock import from_micros
from modelyard.core.names import Kind, ModelName, stored
from modelyard.registry.schema import models, versions

GONE = ("deleted", "purged")
"""States of a version that is no more."""


@dataclass(frozen=True)
class VersionRow:
    """A version as the database holds it."""

    id: int
    model_id: int
    kind: Kind
    name: ModelName
    number: int
    label: str | None
    digest: str
    provenance: str | None
    flavor: str
    size: int
    files: int
    description: str
    state: str  # see registry.lifecycle
    state_time: datetime | None
    created_time: datetime
    created_by: str

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.number}"


COLUMNS = (
    "id", "model_id", "number", "label", "digest", "provenance", "flavor", "size", "files", "description", "state", "state_time", "created_time",
    "created_by",
)  # fmt: skip


def selection() -> Select[Any]:
    """A query whose rows :func:`to_version` understands; it joins the tables ``versions`` and ``models``."""
    columns = [versions.c[name] for name in COLUMNS]
    return select(*columns, models.c.kind, models.c.name).join(models, versions.c.model_id == models.c.id)


def to_version(row: Row[Any]) -> VersionRow:
    """What a row of :func:`selection` says; it may have more columns behind those."""
    facts = dict(zip((*COLUMNS, "kind", "name"), row, strict=False))
    facts["name"] = stored(ModelName, facts["name"])
    facts["created_time"] = from_micros(facts["created_time"])
    if facts["state_time"] is not None:
        facts["state_time"] = from_micros(facts["state_time"])
    return VersionRow(**facts)
