"""What can become of a version, as a table, and what must be true for it.

::

    active ── archive ──> archived          archived versions are found by number, label and alias, but are not the latest
    archived ── restore ──> active
    active, archived ── delete ──> deleted  a tombstone: number, label and history stay, and for a while the bytes
    deleted ── restore ──> active
    deleted ── purge ──> purged             its bytes may go; there is no way back

A version that is referred to cannot be archived or deleted: an alias, a deployment, a replica that has it loaded, a rollout under way, or a
version that was made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from modelyard.core.clock import to_micros
from modelyard.core.errors import StateConflict, VersionInUse
from modelyard.core.names import Kind, ModelName
from modelyard.registry.referrers import referrers
from modelyard.registry.schema import models, versions
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow, lock, model_id, selection, to_version

TRANSITIONS = {
    ("active", "archive"): "archived",
    ("archived", "restore"): "active",
    ("active", "delete"): "deleted",
    ("archived", "delete"): "deleted",
    ("deleted", "restore"): "active",
    ("deleted", "purge"): "purged",
}
RESTORE_DAYS = 30
"""For so long after it was deleted the bytes of a version are kept; see :func:`purge`."""

_DONE = {"archive": "archived", "restore": "restored", "delete": "deleted", "purge": "purged"}
_NEEDS_NOBODY = ("archive", "delete")


def after(state: str, action: str, subject: str) -> str:
    """The state that an action leads to; the same state when it is there already. Raises StateConflict."""
    found = TRANSITIONS.get((state, action))
    if found is not None:
        return found
    if state in {end for (_, name), end in TRANSITIONS.items() if name == action}:
        return state
    possible = ", ".join(name for (start, name) in TRANSITIONS if start == state and name != "purge") or "nothing"
    raise StateConflict(subject=subject, state=state, action=_DONE[action], possible=possible)


def change(tx: Transaction, version: VersionRow, action: str, reason: str = "") -> str:
    """Archives, restores or deletes a version; its state then. Nothing is recorded when it is there already.

    Raises StateConflict, and VersionInUse naming who refers to it.
    """
    lock(tx, version.model_id)
    now = tx.execute(select(versions.c.state).where(versions.c.id == version.id)).scalar_one()
    state = after(now, action, f"{version.kind} {version.reference}")
    if state == now:
        return state
    if action in _NEEDS_NOBODY:
        require_unused(tx.connection, tx.workspace, version, _DONE[action])
    when = to_micros(tx.now())
    tx.execute(update(versions).where(versions.c.id == version.id).values(state=state, state_time=when))
    tx.record(
        f"version.{action}",
        kind=version.kind,
        name=version.name,
        subject=version.reference,
        before={"state": now},
        after={"state": state},
        reason=reason,
    )
    return state


def change_model(tx: Transaction, kind: Kind, name: ModelName, action: str, reason: str = "") -> list[VersionRow]:
    """The same for all versions of a name, and the name itself; the versions that changed.

    A name that was deleted keeps its counter for ever. Raises VersionInUse, naming who refers to any of them from outside, and then nothing
    has changed; ModelNotFound, StateConflict.
    """
    place = (models.c.workspace == tx.workspace, models.c.kind == kind, models.c.name == name)
    found = tx.execute(select(models.c.id, models.c.state).where(*place)).first()
    owner = model_id(tx.connection, tx.workspace, kind, name) if found is None or action != "restore" else found.id
    lock(tx, owner)
    now = tx.execute(select(models.c.state).where(models.c.id == owner)).scalar_one()
    state = after(now, action, f"{kind} {name!r}")
    starts = [start for (start, each) in TRANSITIONS if each == action]
    if action == "restore":  # what was deleted with the name, not what was deleted or archived before
        starts = [now]
    rows = [
        to_version(row)
        for row in tx.execute(
            selection().where(versions.c.model_id == owner, versions.c.state.in_(starts)).order_by(versions.c.number)
        )
    ]
    if action == "restore":
        since = tx.execute(select(models.c.state_time).where(models.c.id == owner)).scalar_one()
        rows = [row for row in rows if row.state_time is not None and to_micros(row.state_time) == since]
    if action in _NEEDS_NOBODY:
        require_unused_model(tx.connection, tx.workspace, rows, kind, name, _DONE[action])
    when = to_micros(tx.now())
    for row in rows:
        tx.execute(update(versions).where(versions.c.id == row.id).values(state=state, state_time=when))
        tx.record(
            f"version.{action}",
            kind=kind,
            name=name,
            subject=row.reference,
            before={"state": row.state},
            after={"state": state},
            reason=reason,
        )
    if state != now:
        tx.execute(update(models).where(models.c.id == owner).values(state=state, state_time=when))
        before, then = {"state": now}, {"state": state}
        tx.record(f"model.{action}", kind=kind, name=name, subject=name, before=before, after=then, reason=reason)
    return rows


def due(connection: Connection, before: datetime) -> list[VersionRow]:
    """The versions of all workspaces that :func:`purge` would take."""
    gone = (versions.c.state == "deleted", versions.c.state_time <= to_micros(before))
    return [to_version(row) for row in connection.execute(selection().where(*gone).order_by(versions.c.id))]


def purge(tx: Transaction, before: datetime) -> list[VersionRow]:
    """Gives up the bytes of the versions that were deleted before an instant; which. The caller has begun alone."""
    rows = due(tx.connection, before)
    for row in rows:
        when = to_micros(tx.now())
        tx.execute(update(versions).where(versions.c.id == row.id).values(state="purged", state_time=when))
        tx.record(
            "version.purge",
            kind=row.kind,
            name=row.name,
            subject=row.reference,
            before={"state": "deleted", "digest": row.digest},
            after={"state": "purged"},
            reason=f"deleted before {before.isoformat()}",
        )
    return rows


def restore_until(deleted: datetime) -> datetime:
    """Until when a deleted version can surely be restored."""
    return deleted + timedelta(days=RESTORE_DAYS)


def require_unused(connection: Connection, workspace: str, version: VersionRow, done: str) -> None:
    """Raises VersionInUse with all that refer to the version."""
    _refuse(referrers(connection, workspace, version), f"{version.kind} {version.reference}", done)


def require_unused_model(
    connection: Connection, workspace: str, rows: Iterable[VersionRow], kind: Kind, name: ModelName, done: str
) -> None:
    """Raises VersionInUse with all that refer to any of the versions, but for versions that go with them."""
    listed = list(rows)
    together = {row.id for row in listed}
    found = [each for row in listed for each in referrers(connection, workspace, row, but=together)]
    _refuse(list(dict.fromkeys(found)), f"{kind} {name!r}", done)


def _refuse(found: list[str], subject: str, done: str) -> None:
    if found:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        then = "move or remove those first"
        raise VersionInUse(subject=subject, action=done, found=f"it is used by {shown}", then=then, referrers=found)
