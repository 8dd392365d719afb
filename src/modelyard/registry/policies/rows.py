"""Policies in the database: of an alias of one model, or of that alias of all models (whose name is empty)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.errors import PolicyNotFound
from modelyard.core.names import AliasName, Kind
from modelyard.registry.policies.policy import Policy, Rule
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import policies
from modelyard.registry.transaction import Recorded, Transaction

ALL_MODELS = ""
"""In place of a model's name."""


@dataclass(frozen=True)
class PolicyRow:
    """A policy as the database holds it."""

    kind: str
    name: str
    alias: str
    document: Mapping[str, Any]
    set_time: datetime
    set_by: str

    @property
    def subject(self) -> str:
        return subject_of(self.name, self.alias)

    @property
    def policy(self) -> Policy:
        """Raises InvalidPolicy for what this release does not understand: then nothing passes."""
        return Policy.from_json(self.document, f"the policy of {self.subject} in this yard")

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "model": self.name or None,
            "alias": self.alias,
            "policy": dict(self.document),
            "digest": self.policy.digest,
            "set_time": to_text(self.set_time),
            "set_by": self.set_by,
        }


def subject_of(name: str, alias: str) -> str:
    """What a policy is of: ``fraud@production``, or ``*@production`` for all models."""
    return f"{name or '*'}@{alias}"


_RULES = Prepared(
    select(policies.c.name, policies.c.document)
    .where(
        policies.c.workspace == bindparam("of_workspace"),
        policies.c.kind == bindparam("of_kind"),
        policies.c.alias == bindparam("of_alias"),
        or_(policies.c.name == "", policies.c.name == bindparam("of_name")),
    )
    .order_by(policies.c.name)
)


def rules(connection: Connection, workspace: str, kind: Kind, name: str, alias: str) -> tuple[Rule, ...]:
    """The policies that a move of an alias must meet, that of all models first. Raises InvalidPolicy."""
    place = {"of_workspace": workspace, "of_kind": kind, "of_name": name, "of_alias": alias}
    found = _RULES.all(connection, place)
    return tuple(Rule(subject_of(of, alias), _policy(of, alias, json.loads(document))) for of, document in found)


def of_alias(connection: Connection, workspace: str, kind: Kind, name: str, alias: str) -> Policy | None:
    """The policy of just this alias of this model (or of all models), or None. Raises InvalidPolicy."""
    query = select(policies.c.document).where(*_place(workspace, kind, name, alias))
    document = connection.execute(query).scalar()
    return None if document is None else _policy(name, alias, document)


def listing(connection: Connection, workspace: str, kind: Kind, *, name: str | None = None) -> list[PolicyRow]:
    """All policies, or those that a model must meet, by name and alias."""
    query = select(policies).where(policies.c.workspace == workspace, policies.c.kind == kind)
    if name is not None:
        query = query.where(policies.c.name.in_((ALL_MODELS, name)))
    found = connection.execute(query.order_by(policies.c.name, policies.c.alias))
    return [
        PolicyRow(row.kind, row.name, row.alias, row.document, from_micros(row.set_time), row.set_by) for row in found
    ]


def put(tx: Transaction, kind: Kind, name: str, alias: AliasName, policy: Policy, reason: str = "") -> Recorded | None:
    """Replaces the policy of an alias; the ledger keeps what it was and what it is. None when it says that already. One that says nothing takes
    the policy away. Raises InvalidPolicy. The caller has begun alone."""
    policy = Policy.from_json(policy.to_json(), f"the policy of {subject_of(name, alias)}")
    before = of_alias(tx.connection, tx.workspace, kind, name, alias)
    if (before or Policy()) == policy:
        return None
    if policy == Policy():
        return remove(tx, kind, name, alias, reason)
    place = _place(tx.workspace, kind, name, alias)
    values = {"document": policy.to_json(), "set_time": to_micros(tx.now()), "set_by": tx.actor}
    if before is None:
        tx.execute(insert(policies).values(workspace=tx.workspace, kind=kind, name=name, alias=alias, **values))
    else:
        tx.execute(update(policies).where(*place).values(**values))
    return tx.record(
        "policy.set",
        kind=kind,
        name=name,
        subject=subject_of(name, alias),
        before=None if before is None else before.to_json(),
        after=policy.to_json(),
        reason=reason,
        evidence={"digest": policy.digest},
    )


def remove(tx: Transaction, kind: Kind, name: str, alias: AliasName, reason: str = "") -> Recorded:
    """Takes the policy of an alias away. Raises PolicyNotFound. The caller has begun alone."""
    place = _place(tx.workspace, kind, name, alias)
    before = tx.execute(select(policies.c.document).where(*place)).scalar()
    if before is None:
        known = ", ".join(row.subject for row in listing(tx.connection, tx.workspace, kind)[:20]) or "none"
        raise PolicyNotFound(subject=subject_of(name, alias), found=known)
    tx.execute(delete(policies).where(*place))
    subject = subject_of(name, alias)
    return tx.record("policy.remove", kind=kind, name=name, subject=subject, before=before, reason=reason)


def _policy(name: str, alias: str, document: Mapping[str, Any]) -> Policy:
    return Policy.from_json(document, f"the policy of {subject_of(name, alias)} in this yard")


def _place(workspace: str, kind: str, name: str, alias: str) -> tuple[Any, ...]:
    table = policies.c
    return (table.workspace == workspace, table.kind == kind, table.name == name, table.alias == alias)
