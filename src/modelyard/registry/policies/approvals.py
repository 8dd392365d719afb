"""Approvals and rejections in the database: given for the bytes of a version and for one alias, never changed, at most withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.errors import DecisionNotFound, DecisionRefused, InvalidInput
from modelyard.core.names import AliasName
from modelyard.core.tags import is_text
from modelyard.registry.policies.actors import listed, person
from modelyard.registry.policies.decisions import Decision, Word
from modelyard.registry.policies.rows import rules
from modelyard.registry.schema import approvals
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow, lock

ACTIONS: Mapping[Word, str] = {"approve": "approval.give", "reject": "approval.reject"}
WITHDRAWAL = "approval.withdraw"


def give(
    tx: Transaction,
    version: VersionRow,
    alias: AliasName,
    word: Word,
    *,
    reason: str = "",
    expires: timedelta | None = None,
) -> Decision:
    """Keeps that the actor approves or rejects these bytes for an alias; an approval counts until it ``expires``.

    Raises DecisionRefused for one that could not count by the policies of the alias, InvalidInput.
    """
    if not isinstance(reason, str) or not is_text(reason):
        raise InvalidInput(message="a reason is text")
    lock(tx, version.model_id)
    _require_weight(tx, version, alias, word)
    now = tx.now()
    ends = None if expires is None else _end(now, expires)
    values = {
        "model_id": version.model_id,
        "number": version.number,
        "digest": version.digest,
        "alias": alias,
        "decision": word,
        "reason": reason,
        "actor": tx.actor,
        "time": to_micros(now),
        "expires": None if ends is None else to_micros(ends),
    }
    made = tx.execute(insert(approvals).values(**values)).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert has one
    decision = Decision(
        int(made[0]), version.number, version.digest, str(alias), word, tx.actor, reason, _stored(now), ends
    )
    told = {"id": decision.id, "alias": str(alias), "digest": version.digest, "time": to_text(decision.time)}
    told |= {} if ends is None else {"expires": to_text(ends)}
    tx.record(ACTIONS[word], kind=version.kind, name=version.name, subject=version.reference, after=told, reason=reason)
    return decision


def withdraw(tx: Transaction, version: VersionRow, alias: AliasName, *, reason: str = "") -> list[Decision]:
    """Takes back all that the actor has said of a version for an alias; what that was. Raises DecisionNotFound."""
    lock(tx, version.model_id)
    mine = [
        decision
        for decision in of_version(tx.connection, version.model_id, version.number, alias)
        if decision.actor == tx.actor and decision.withdrawn is None
    ]
    if not mine:
        raise DecisionNotFound(actor=tx.actor, reference=version.reference, alias=alias)
    ids = [decision.id for decision in mine]
    tx.execute(update(approvals).where(approvals.c.id.in_(ids)).values(withdrawn=to_micros(tx.now())))
    before = {"alias": str(alias), "decisions": {str(decision.id): decision.word for decision in mine}}
    tx.record(WITHDRAWAL, kind=version.kind, name=version.name, subject=version.reference, before=before, reason=reason)
    return mine


def of_version(connection: Connection, model_id: int, number: int, alias: str | None = None) -> list[Decision]:
    """All that was said of a version (for one alias), the oldest first, withdrawn and expired ones too."""
    query = select(approvals).where(approvals.c.model_id == model_id, approvals.c.number == number)
    if alias is not None:
        query = query.where(approvals.c.alias == alias)
    return [_decision(row._mapping) for row in connection.execute(query.order_by(approvals.c.id))]


def _require_weight(tx: Transaction, version: VersionRow, alias: AliasName, word: Word) -> None:
    """An approval that no policy would count is told at once, not when the alias is to move."""
    for rule in rules(tx.connection, tx.workspace, version.kind, version.name, alias):
        policy, problem = rule.policy, ""
        if policy.approvers and not listed(policy.approvers, tx.actor):
            problem = f"approvers are {', '.join(policy.approvers)}"
        elif word == "approve" and policy.separate_author and person(tx.actor) == person(version.created_by):
            problem = f"{version.created_by} registered it, and author and approver must differ"
        if problem:
            told = f"{problem} (policy of {rule.subject})"
            raise DecisionRefused(actor=tx.actor, decision=word, reference=version.reference, alias=alias, problem=told)


def _end(now: datetime, length: timedelta) -> datetime:
    try:
        return _stored(now + length)
    except OverflowError:
        raise InvalidInput(message=f"an approval cannot expire after {length.days} days; leave the end out") from None


def _stored(when: datetime) -> datetime:
    return from_micros(to_micros(when))


def _decision(row: Mapping[Any, Any]) -> Decision:
    return Decision(
        row["id"],
        row["number"],
        row["digest"],
        row["alias"],
        row["decision"],
        row["actor"],
        row["reason"],
        from_micros(row["time"]),
        None if row["expires"] is None else from_micros(row["expires"]),
        None if row["withdrawn"] is None else from_micros(row["withdrawn"]),
    )
