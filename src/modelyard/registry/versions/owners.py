"""The rows of names: found, made with the first version, held while something of theirs changes."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, CursorResult, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from modelyard.core.clock import to_micros
from modelyard.core.errors import ModelDeleted, ModelNotFound
from modelyard.core.names import Kind, ModelName
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import models
from modelyard.registry.transaction import Transaction

_PLACE = (
    models.c.workspace == bindparam("of_workspace"),
    models.c.kind == bindparam("of_kind"),
    models.c.name == bindparam("of_name"),
)
_OWNER = Prepared(select(models.c.id, models.c.state).where(*_PLACE))
_LOCK = Prepared(select(models.c.id).where(models.c.id == bindparam("owner")).with_for_update(key_share=True))
_TAKE = Prepared(
    update(models)
    .where(*_PLACE, models.c.state != "deleted")
    .values(next_number=models.c.next_number + 1)
    .returning(models.c.id, models.c.next_number)
)


def model_id(connection: Connection, workspace: str, kind: Kind, name: ModelName) -> int:
    """The row of a registered name. Raises ModelNotFound, with the closest name there is."""
    found = _OWNER.first(connection, {"of_workspace": workspace, "of_kind": kind, "of_name": name})
    if found is not None and found[1] != "deleted":
        return int(found[0])
    if found is not None:
        raise ModelDeleted(kind=kind, name=name, flag=" --dataset" if kind == "dataset" else "")
    conditions = (models.c.workspace == workspace, models.c.kind == kind)
    names = connection.execute(select(models.c.name).where(*conditions).limit(10_000)).scalars().all()
    close = get_close_matches(name, names, 1)
    closest = f"; did you mean {close[0]!r}?" if close else ""
    raise ModelNotFound(kind=kind, name=name, closest=closest, flag=" --datasets" if kind == "dataset" else "")


def claim(tx: Transaction, kind: Kind, name: ModelName) -> int:
    """The row of a name, made when it is new, and locked. A deleted name comes back with its counter, so that no number is used twice."""
    place = (models.c.workspace == tx.workspace, models.c.kind == kind, models.c.name == name)
    query = select(models.c.id, models.c.state).where(*place).with_for_update(key_share=True)
    found = tx.execute(query).first()
    if found is None:
        facts = {"workspace": tx.workspace, "kind": kind, "name": name, "next_number": 1}
        facts |= {"created_time": to_micros(tx.now()), "created_by": tx.actor, "state": "active"}
        if tx.connection.dialect.name == "sqlite":
            row_id = _new_id(tx.execute(insert(models).values(**facts)))
        else:
            made = tx.execute(
                pg_insert(models).values(**facts).on_conflict_do_nothing().returning(models.c.id)
            ).scalar()
            if made is None:  # another was faster; its row can be read once it has committed
                return claim(tx, kind, name)
            row_id = int(made)
        tx.record("model.create", kind=kind, name=name, subject=name, after={"name": name})
        return row_id
    if found.state == "deleted":
        back = {"state": "active", "state_time": to_micros(tx.now())}
        tx.execute(update(models).where(models.c.id == found.id).values(**back))
        tx.record("model.create", kind=kind, name=name, subject=name, before={"state": "deleted"}, after={"name": name})
    return int(found.id)


def next_number(tx: Transaction, kind: Kind, name: ModelName) -> tuple[int, int]:
    """The model and its next number, taken; the counter only ever goes up, whatever becomes of the versions."""
    place = {"of_workspace": tx.workspace, "of_kind": kind, "of_name": name}
    found = _TAKE.first(tx.connection, place)
    if found is None:
        claim(tx, kind, name)
        found = _TAKE.first(tx.connection, place)
    owner, following = found
    return int(owner), int(following) - 1


def _new_id(result: CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - a single-row insert has one
    return int(key[0])


def lock(tx: Transaction, owner: int) -> None:
    """Holds the row of a model until the transaction ends: what is read of the model from here on stays true. One model a transaction, or :meth:`Registry.begin` alone."""
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        _LOCK.first(tx.connection, {"owner": owner})
