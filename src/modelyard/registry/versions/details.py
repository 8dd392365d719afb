"""What belongs to many versions, by as many queries as there are kinds of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from modelyard.registry.schema import aliases, inputs, metrics, models, properties, tags, versions
from modelyard.registry.versions.row import VersionRow

BATCH = 500
"""So many ids are asked for at a time."""


@dataclass
class Details:
    """Of one version, as it is now: what is said of it, which aliases point there, and what it was made from, by role and reference."""

    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    inputs: list[tuple[str, str]] = field(default_factory=list)


def details(connection: Connection, rows: Sequence[VersionRow]) -> list[Details]:
    """Those of each version, in their order."""
    found = {row.id: Details() for row in rows}
    for ids in _batches(list(found)):
        for table, name in ((tags, "tags"), (properties, "properties")):
            query = select(table.c.version_id, table.c.key, table.c.value).where(table.c.version_id.in_(ids))
            for row_id, key, value in connection.execute(query.order_by(table.c.version_id, table.c.key)):
                getattr(found[row_id], name)[key] = value
        measured = select(metrics.c.version_id, metrics.c.key, metrics.c.value)
        measured = measured.where(metrics.c.version_id.in_(ids), metrics.c.current == 1)
        for row_id, key, value in connection.execute(measured.order_by(metrics.c.version_id, metrics.c.key)):
            found[row_id].metrics[key] = value
        made = select(inputs.c.version_id, inputs.c.role, models.c.name, versions.c.number)
        made = made.join(versions, versions.c.id == inputs.c.input_version_id)
        made = made.join(models, models.c.id == versions.c.model_id).where(inputs.c.version_id.in_(ids))
        for row_id, role, name, number in connection.execute(made.order_by(inputs.c.version_id, inputs.c.role)):
            found[row_id].inputs.append((role, f"{name}/{number}"))
    places = {(row.model_id, row.number): row.id for row in rows}
    for owners in _batches(sorted({row.model_id for row in rows})):
        pointed = select(aliases.c.model_id, aliases.c.number, aliases.c.name).where(aliases.c.model_id.in_(owners))
        for owner, number, name in connection.execute(pointed.order_by(aliases.c.name)):
            if (owner, number) in places:
                found[places[owner, number]].aliases.append(name)
    return [found[row.id] for row in rows]


def _batches(ids: Sequence[int]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
