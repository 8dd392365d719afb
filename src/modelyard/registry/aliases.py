"""Aliases: pointers that move by compare-and-set, through their policies, each move one ledger row; and what they pointed to at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from modelyard.core.clock import to_micros
from modelyard.core.errors import AliasMoved, AliasNotFound, InvalidInput, NoEarlierVersion, VersionArchived
from modelyard.core.names import AliasName, Kind, ModelName
from modelyard.registry import ledger
from modelyard.registry.facts.documents import Documents
from modelyard.registry.gates import GateResult
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.policies.admission import hear, require_glass, require_passed, require_removable, require_told
from modelyard.registry.policies.verdict import Verdict
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import aliases
from modelyard.registry.schema import ledger as ledger_table
from modelyard.registry.transaction import Recorded, Transaction
from modelyard.registry.versions import VersionRow, alias_number, lock

ROLLBACK = "alias.rollback"
BREAK_GLASS = "alias.break_glass"
MOVES = ("alias.move", ROLLBACK, BREAK_GLASS)
"""The actions in the ledger that point an alias at a version."""

REMOVAL = "alias.remove"

OURS = ("gates", "approvals", "policies", "broken")
"""What the evidence of a move tells of its policies; nobody else can say it."""


@dataclass(frozen=True)
class AliasMove:
    """What a move did: version numbers before and after (None for nowhere), what the policies said, and its ledger row (None when it pointed there already)."""

    name: ModelName
    alias: AliasName
    before: int | None
    after: int | None
    verdict: Verdict = field(default=Verdict(), repr=False)
    recorded: Recorded | None = field(default=None, repr=False, compare=False)

    @property
    def row(self) -> LedgerRow | None:
        return None if self.recorded is None else self.recorded.row

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """The gates that were looked at, each with the values that were found."""
        return self.verdict.gates

    @property
    def broke_glass(self) -> bool:
        """Whether it was moved although something did not hold: ``verdict.failed`` says what."""
        return not self.verdict.passed


_NEW: dict[str, Any] = {
    "number": bindparam("new_number"),
    "moved_time": bindparam("new_time"),
    "moved_by": bindparam("new_actor"),
}
_MAKE = Prepared(insert(aliases).values(model_id=bindparam("of_model"), name=bindparam("of_name"), **_NEW))
_MOVE = Prepared(
    update(aliases)
    .where(aliases.c.model_id == bindparam("of_model"), aliases.c.name == bindparam("of_name"))
    .values(**_NEW)
)


def move(
    tx: Transaction,
    version: VersionRow,
    alias: AliasName,
    *,
    expected: int | None,
    reason: str,
    evidence: Mapping[str, Any] | None,
    documents: Documents,
    action: str = "alias.move",
    retreat: bool = False,
    break_glass: str | None = None,
) -> AliasMove:
    """Points ``alias`` at ``version``. ``expected`` is where it must be now: a number, 0 for nowhere yet, None for anywhere.

    A ``retreat``, to where it was before, needs who may move it and a reason only. ``break_glass`` says why it must move although something does
    not hold. Raises AliasMoved when it is not where ``expected`` says, PolicyRefused (GateRefused when it is a gate) with all that does not hold,
    BreakGlassRefused, VersionArchived.
    """
    if taken := [key for key in OURS if key in (evidence or {})]:
        raise InvalidInput(message=f"the evidence of a move tells {taken[0]!r} by itself; give yours another name")
    why = reason if break_glass is None else "; ".join(filter(None, (reason, require_told(break_glass))))
    lock(tx, version.model_id)
    current = alias_number(tx.connection, version.model_id, alias)
    require_expected(version.name, alias, current, expected)
    if version.state != "active":
        raise VersionArchived(
            kind=version.kind, reference=version.reference, flag=" --dataset" if version.kind == "dataset" else ""
        )
    verdict = hear(
        tx.connection,
        tx.workspace,
        version,
        alias,
        current,
        mover=tx.actor,
        reason=why,
        now=tx.now(),
        documents=documents,
        retreat=retreat,
    )
    if break_glass is None:
        require_passed(verdict, version, alias)
    elif not verdict.passed:
        require_glass(verdict, tx.actor, version.name, alias)
        action = BREAK_GLASS
    if current == version.number:
        return AliasMove(version.name, alias, current, version.number, verdict)
    moved = {"new_number": version.number, "new_time": to_micros(tx.now()), "new_actor": tx.actor}
    place = {"of_model": version.model_id, "of_name": alias}
    (_MAKE if current is None else _MOVE).run(tx.connection, {**place, **moved})
    broken = {"broken": [clause.to_json() for clause in verdict.failed]} if verdict.failed else {}
    row = tx.record(
        action,
        kind=version.kind,
        name=version.name,
        subject=f"{version.name}@{alias}",
        before=None if current is None else {"version": current},
        after={"version": version.number, "digest": version.digest},
        reason=why,
        evidence={**(evidence or {}), **verdict.evidence(), **broken} or None,
    )
    return AliasMove(version.name, alias, current, version.number, verdict, row)


def require_expected(name: str, alias: AliasName, current: int | None, expected: int | None) -> None:
    """Raises AliasMoved, which carries the ``current_version`` (None for nowhere), when the alias is not where it is expected."""
    if expected is not None and (current or 0) != expected:
        raise AliasMoved(
            name=name,
            alias=alias,
            current=f"version {current}" if current else "nothing",
            expected=f"version {expected}" if expected else "nothing",
            current_version=current,
        )


def remove(
    tx: Transaction,
    kind: Kind,
    name: ModelName,
    owner: int,
    alias: AliasName,
    *,
    expected: int | None = None,
    reason: str = "",
) -> AliasMove:
    """Takes an alias away; its history stays. Raises AliasNotFound, AliasMoved, RemovalRefused when a policy protects it."""
    lock(tx, owner)
    current = alias_number(tx.connection, owner, alias)
    require_expected(name, alias, current, expected)
    if current is None:
        raise AliasNotFound(kind=kind, name=name, alias=alias, found="none of that name")
    require_removable(tx.connection, tx.workspace, kind, name, alias, actor=tx.actor, reason=reason)
    tx.execute(delete(aliases).where(aliases.c.model_id == owner, aliases.c.name == alias))
    subject = f"{name}@{alias}"
    row = tx.record(REMOVAL, kind=kind, name=name, subject=subject, before={"version": current}, reason=reason)
    return AliasMove(name, alias, current, None, recorded=row)


def trail(connection: Connection, workspace: str, kind: Kind, name: ModelName, alias: AliasName) -> list[int]:
    """The versions that a rollback would walk back through, the current one last.

    A move goes forward; a rollback takes back what came after its target. So after 1, 2, 3 and a rollback to 2, the trail is 1, 2,
    and the next rollback goes to 1, not to the bad 3.
    """
    steps: list[int] = []
    for row in _moves(connection, workspace, kind, name, alias, newest_first=False):
        walk(steps, row)
    return steps


def walk(steps: list[int], move: LedgerRow) -> None:
    """Takes the next move into a trail."""
    number = move.after["version"]
    if move.action == ROLLBACK and number in steps:
        while steps[-1] != number:
            steps.pop()
    else:
        steps.append(number)


def earlier(connection: Connection, workspace: str, kind: Kind, name: ModelName, alias: AliasName) -> int:
    """The version before the current one. Raises NoEarlierVersion."""
    steps = trail(connection, workspace, kind, name, alias)
    for number in reversed(steps[:-1]):
        if number != steps[-1]:
            return number
    found = f"it has only ever been at version {steps[0]}" if steps else "it has never pointed anywhere"
    raise NoEarlierVersion(name=name, alias=alias, found=found)


def number_at(
    connection: Connection, workspace: str, kind: Kind, name: ModelName, alias: AliasName, when: datetime
) -> int:
    """Where the alias pointed at an instant. Raises AliasNotFound when it pointed nowhere then."""
    actions = (*MOVES, REMOVAL)
    made = ledger_table.c.happened <= to_micros(when)
    newest = _moves(connection, workspace, kind, name, alias, made, limit=1, actions=actions)
    if not newest or newest[0].action == REMOVAL:
        raise AliasNotFound(kind=kind, name=name, alias=alias, found=f"none of that name at {when.isoformat()}")
    return int(newest[0].after["version"])


def _moves(
    connection: Connection,
    workspace: str,
    kind: Kind,
    name: ModelName,
    alias: AliasName,
    *conditions: Any,
    newest_first: bool = True,
    limit: int | None = None,
    actions: tuple[str, ...] = MOVES,
) -> list[LedgerRow]:
    return ledger.rows(
        connection,
        ledger_table.c.workspace == workspace,
        ledger_table.c.kind == kind,
        ledger_table.c.subject == f"{name}@{alias}",
        ledger_table.c.action.in_(actions),
        *conditions,
        newest_first=newest_first,
        limit=limit,
        as_happened=True,
    )
