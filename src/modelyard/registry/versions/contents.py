"""What belongs to a version and lies beside its row; and where aliases point."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from modelyard.core.names import AliasName
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import HEAD_LENGTH, aliases, metrics


def pair(key: str, value: str) -> dict[str, str]:
    """The columns of a tag or a property."""
    return {"key": key, "value": value, "head": value[:HEAD_LENGTH]}


def dictionary(connection: Connection, table: Any, row_id: int) -> dict[str, str]:
    """The tags or the properties of a version."""
    query = select(table.c.key, table.c.value).where(table.c.version_id == row_id).order_by(table.c.key)
    return {row.key: row.value for row in connection.execute(query)}


def measured(connection: Connection, row_id: int) -> dict[str, float]:
    """The metrics of a version: the last value of each key."""
    query = select(metrics.c.key, metrics.c.value).where(metrics.c.version_id == row_id, metrics.c.current == 1)
    return {row.key: row.value for row in connection.execute(query.order_by(metrics.c.key))}


def aliases_of(connection: Connection, owner: int) -> dict[str, int]:
    """Where the aliases of a model point."""
    query = select(aliases.c.name, aliases.c.number).where(aliases.c.model_id == owner).order_by(aliases.c.name)
    return {row.name: row.number for row in connection.execute(query)}


_ALIAS = Prepared(
    select(aliases.c.number).where(aliases.c.model_id == bindparam("owner"), aliases.c.name == bindparam("alias"))
)


def alias_number(connection: Connection, owner: int, alias: AliasName) -> int | None:
    """Where an alias points, or None."""
    found = _ALIAS.first(connection, {"owner": owner, "alias": alias})
    return None if found is None else int(found[0])
