"""Aliases: pointers that move by compare-and-set, through gates, each move one ledger row; and what they pointed to at any time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from modelyard.core.clock import to_micros
from modelyard.core.errors import AliasMoved, AliasNotFound, GateRefused, NoEarlierVersion
from modelyard.core.names import AliasName, Kind, ModelName
from modelyard.registry import ledger
from modelyard.registry.gates import GateResult, evaluate, parse
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.schema import aliases, gates
from modelyard.registry.schema import ledger as ledger_table
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow, alias_number

Facts = Callable[[int], Mapping[str, Any]]
"""Everything known of a version number, for gates: ``metrics``, ``tags``, ``provenance`` …"""


@dataclass(frozen=True)
class AliasMove:
    """What a move did: version numbers before and after, and its ledger row (None when it pointed there already)."""

    name: ModelName
    alias: AliasName
    before: int | None
    after: int
    row: LedgerRow | None
    gates: tuple[GateResult, ...] = ()


def move(
    tx: Transaction,
    version: VersionRow,
    alias: AliasName,
    *,
    expected: int | None,
    reason: str,
    evidence: Any,
    facts: Facts,
    action: str = "alias.move",
    check_gates: bool = True,
) -> AliasMove:
    """Points ``alias`` at ``version``. ``expected`` is where it must be now: a number, 0 for nowhere yet, None for anywhere. Raises AliasMoved when it is not where ``expected`` says, GateRefused when a gate does not hold."""
    current = alias_number(tx.connection, version.model_id, alias)
    if expected is not None and (current or 0) != expected:
        raise AliasMoved(
            name=version.name,
            alias=alias,
            current=f"version {current}" if current else "nothing",
            expected=f"version {expected}" if expected else "nothing",
        )
    results = _pass_gates(tx, version, alias, current, facts) if check_gates else ()
    if current == version.number:
        return AliasMove(version.name, alias, current, version.number, None, results)
    place = (aliases.c.model_id == version.model_id, aliases.c.name == alias)
    values = {"number": version.number, "moved_time": to_micros(tx.now()), "moved_by": tx.actor}
    if current is None:
        tx.execute(insert(aliases).values(model_id=version.model_id, name=alias, **values))
    else:
        tx.execute(update(aliases).where(*place).values(**values))
    proof = {**({"gates": [vars(result) for result in results]} if results else {}), **(evidence or {})}
    row = tx.record(
        action,
        kind=version.kind,
        name=version.name,
        subject=f"{version.name}@{alias}",
        before=None if current is None else {"version": current},
        after={"version": version.number, "digest": version.digest},
        reason=reason,
        evidence=proof or None,
    )
    return AliasMove(version.name, alias, current, version.number, row, results)


def trail(connection: Connection, workspace: str, kind: Kind, name: ModelName, alias: AliasName) -> list[int]:
    """The versions that a rollback would walk back through, the current one last.

    A move goes forward; a rollback takes back what came after its target. So after 1, 2, 3 and a rollback to 2, the trail is 1, 2,
    and the next rollback goes to 1, not to the bad 3.
    """
    steps: list[int] = []
    for row in _moves(connection, workspace, kind, name, alias, newest_first=False):
        number = row.after["version"]
        if row.action == "alias.rollback" and number in steps:
            while steps[-1] != number:
                steps.pop()
        else:
            steps.append(number)
    return steps


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
    newest = _moves(connection, workspace, kind, name, alias, ledger_table.c.time <= to_micros(when), limit=1)
    if not newest:
        raise AliasNotFound(kind=kind, name=name, alias=alias, found=f"none of that name at {when.isoformat()}")
    return int(newest[0].after["version"])


def set_gates(
    tx: Transaction, kind: Kind, name: ModelName, owner: int, alias: AliasName, expressions: list[str]
) -> None:
    """Replaces the gates of an alias; each is parsed first (InvalidGate). A ledger row only when they differ."""
    for expression in expressions:
        parse(expression)
    before = gates_of(tx.connection, owner, alias)
    if before == expressions:
        return
    tx.execute(delete(gates).where(gates.c.model_id == owner, gates.c.alias == alias))
    if expressions:
        tx.execute(insert(gates).values(model_id=owner, alias=alias, expressions=expressions))
    tx.record("gates.set", kind=kind, name=name, subject=f"{name}@{alias}", before=before, after=expressions)


def gates_of(connection: Connection, owner: int, alias: AliasName) -> list[str]:
    """The gate expressions of an alias."""
    query = select(gates.c.expressions).where(gates.c.model_id == owner, gates.c.alias == alias)
    return list(connection.execute(query).scalar() or [])


def _pass_gates(
    tx: Transaction, version: VersionRow, alias: AliasName, current: int | None, facts: Facts
) -> tuple[GateResult, ...]:
    expressions = gates_of(tx.connection, version.model_id, alias)
    if not expressions:
        return ()
    known = {**facts(version.number), "alias": facts(current) if current else None}
    results = tuple(evaluate(expression, known) for expression in expressions)
    failures = [result.explanation for result in results if not result.passed]
    if failures:
        raise GateRefused(reference=version.reference, alias=alias, failures="; ".join(failures))
    return results


def _moves(
    connection: Connection,
    workspace: str,
    kind: Kind,
    name: ModelName,
    alias: AliasName,
    *conditions: Any,
    newest_first: bool = True,
    limit: int | None = None,
) -> list[LedgerRow]:
    return ledger.rows(
        connection,
        ledger_table.c.workspace == workspace,
        ledger_table.c.kind == kind,
        ledger_table.c.subject == f"{name}@{alias}",
        ledger_table.c.action.in_(("alias.move", "alias.rollback")),
        *conditions,
        newest_first=newest_first,
        limit=limit,
    )
