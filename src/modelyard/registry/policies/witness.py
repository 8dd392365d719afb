"""Whether policies and approvals are what the ledger says that they are; else somebody has changed them past the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from modelyard.core.clock import from_micros, to_text
from modelyard.registry import ledger
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.policies.approvals import ACTIONS, WITHDRAWAL
from modelyard.registry.policies.rows import subject_of
from modelyard.registry.schema import approvals, models, policies
from modelyard.registry.schema import ledger as table

GATES = "gates.set"
"""How the ledger told of gates before there were policies: ``after`` is the list of them."""


def examine(connection: Connection, workspace: str) -> Iterator[str]:
    """What is wrong, one sentence each."""
    yield from _policies(connection, workspace)
    yield from _approvals(connection, workspace)


def _policies(connection: Connection, workspace: str) -> Iterator[str]:
    told: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in _rows(connection, workspace, "policy.set", "policy.remove", GATES):
        told.setdefault((row.kind, row.subject), []).append(row)
    query = select(policies.c.kind, policies.c.name, policies.c.alias, policies.c.document)
    for found in connection.execute(query.where(policies.c.workspace == workspace)).all():
        subject = subject_of(found.name, found.alias)
        rows = told.pop((found.kind, subject), [])
        if any(row.origin for row in rows):  # of two yards' policies the one that was set later holds
            fits = any(_document(row) == found.document for row in rows)
        else:
            fits = bool(rows) and _document(rows[-1]) == found.document
        if not fits:
            yield f"the policy of {subject} is not what the ledger says"
    for (_, subject), rows in told.items():
        if _document(rows[-1]) and not any(row.origin for row in rows):
            yield f"the policy of {subject} was set in ledger row {rows[-1].sequence} and is gone without a row"


def _approvals(connection: Connection, workspace: str) -> Iterator[str]:
    told: dict[tuple[Any, ...], bool] = {}
    for row in _rows(connection, workspace, *ACTIONS.values(), WITHDRAWAL):
        said = row.before if row.action == WITHDRAWAL else row.after
        whose = (row.kind, row.subject, said["alias"], row.actor)
        if row.action == WITHDRAWAL:
            told |= {key: True for key in told if key[:4] == whose}
        else:
            told[(*whose, row.action, said["digest"], said["time"], said.get("expires"))] = False
    query = select(approvals, models.c.kind, models.c.name).join(models, approvals.c.model_id == models.c.id)
    for found in connection.execute(query.where(models.c.workspace == workspace).order_by(approvals.c.id)).mappings():
        key, subject = _key(found), f"{found['name']}/{found['number']}"
        what = f"{found['decision']} {found['id']} of {subject} for {found['alias']} by {found['actor']}"
        if key not in told:
            yield f"{what} is in no row of the ledger"
        elif told[key] != (found["withdrawn"] is not None):
            says = "was withdrawn" if told[key] else "was not withdrawn"
            yield f"the ledger says that {what} {says}"


def _key(found: Mapping[Any, Any]) -> tuple[Any, ...]:
    subject = f"{found['name']}/{found['number']}"
    ends = None if found["expires"] is None else to_text(from_micros(found["expires"]))
    action = ACTIONS.get(found["decision"], found["decision"])
    whose = (found["kind"], subject, found["alias"], found["actor"])
    return (*whose, action, found["digest"], to_text(from_micros(found["time"])), ends)


def _document(row: LedgerRow) -> Any:
    if row.action == GATES:
        return {"gates": row.after} if row.after else None
    return row.after


def _rows(connection: Connection, workspace: str, *actions: str) -> list[LedgerRow]:
    mine = (table.c.workspace == workspace, table.c.action.in_(actions))
    return ledger.rows(connection, *mine, newest_first=False)
