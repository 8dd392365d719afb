"""Whether an alias may move now: the facts out of the database, the verdict out of the policies, and the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from modelyard.core.errors import BreakGlassRefused, GateRefused, InvalidInput, PolicyRefused, RemovalRefused
from modelyard.core.names import AliasName, Kind
from modelyard.core.tags import is_text
from modelyard.registry import versions
from modelyard.registry.facts.documents import Documents
from modelyard.registry.facts.version import facts_of_move
from modelyard.registry.policies import approvals
from modelyard.registry.policies.policy import Rule
from modelyard.registry.policies.rows import rules, subject_of
from modelyard.registry.policies.verdict import Request, Verdict, judge, may_break_glass, removal
from modelyard.registry.versions import VersionRow


def hear(
    connection: Connection,
    workspace: str,
    version: VersionRow,
    alias: AliasName,
    current: int | None,
    *,
    mover: str,
    reason: str,
    now: datetime,
    documents: Documents,
    retreat: bool = False,
    policies: Sequence[Rule] | None = None,
) -> Verdict:
    """What the policies of an alias (or those given) say of moving it from version ``current`` to another. Raises InvalidPolicy."""
    found = rules(connection, workspace, version.kind, version.name, alias) if policies is None else tuple(policies)
    if not found:
        return Verdict()
    pointed = None
    if current is not None:
        pointed = versions.find_any(connection, workspace, version.kind, version.name, current)
    decisions = approvals.of_version(connection, version.model_id, version.number, alias)
    facts = facts_of_move(connection, workspace, version, pointed, decisions, now, documents)
    request = Request(mover, reason, version.created_by, version.digest, now, decisions, facts)
    return judge(found, request, retreat=retreat)


def require_passed(verdict: Verdict, version: VersionRow, alias: AliasName) -> None:
    """Raises PolicyRefused with every clause that does not hold, as GateRefused when one of them is a gate."""
    if verdict.passed:
        return
    kind = GateRefused if any(clause.part == "gate" for clause in verdict.failed) else PolicyRefused
    raise kind(
        reference=version.reference,
        alias=alias,
        failures=verdict.failures,
        clauses=[clause.to_json() for clause in verdict.failed],
    )


def require_glass(verdict: Verdict, actor: str, name: str, alias: AliasName) -> None:
    """Raises BreakGlassRefused unless the actor may move the alias past every policy that does not hold."""
    if problem := may_break_glass(verdict, actor):
        clauses = [clause.to_json() for clause in verdict.failed]
        raise BreakGlassRefused(actor=actor, subject=subject_of(name, alias), problem=problem, clauses=clauses)


def require_told(break_glass: str) -> str:
    """The reason for breaking the glass. Raises InvalidInput when there is none."""
    if not isinstance(break_glass, str) or not is_text(break_glass) or not break_glass.strip():
        raise InvalidInput(message="breaking the glass needs a reason, such as the number of the incident")
    return break_glass


def require_removable(
    connection: Connection, workspace: str, kind: Kind, name: str, alias: AliasName, *, actor: str, reason: str
) -> None:
    """Raises RemovalRefused when a policy does not let this actor take the alias away."""
    verdict = removal(rules(connection, workspace, kind, name, alias), actor, reason)
    if not verdict.passed:
        raise RemovalRefused(
            subject=subject_of(name, alias),
            failures=verdict.failures,
            clauses=[clause.to_json() for clause in verdict.failed],
        )
