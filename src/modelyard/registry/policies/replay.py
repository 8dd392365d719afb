"""What a policy would have said of the moves that were made: each is judged anew on what was known just before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from modelyard.core.errors import NotFound
from modelyard.core.names import AliasName, Kind, ModelName, stored
from modelyard.registry import ledger, versions
from modelyard.registry.aliases import MOVES, ROLLBACK, walk
from modelyard.registry.facts.documents import Documents
from modelyard.registry.facts.past import Histories, Moment, facts_of_past_move
from modelyard.registry.gates import GateResult, evaluate
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.policies.approvals import ACTIONS, WITHDRAWAL
from modelyard.registry.policies.decisions import Decision, Word
from modelyard.registry.policies.policy import Rule
from modelyard.registry.policies.verdict import Clause, Request, Verdict, judge
from modelyard.registry.schema import ledger as table
from modelyard.registry.versions import VersionRow

Rules = Callable[[str, str], Sequence[Rule]]
"""The policies that an alias of a model is to be judged by: called with their names."""

_WORDS: dict[str, Word] = {action: word for word, action in ACTIONS.items()}
_NEVER_UNKNOWN = re.compile(r"\b(has|missing)\s*\(|\bis\b", re.IGNORECASE)
"""What the language answers also for a fact that is unknown: right of what is not there, wrong of what nobody can know."""


@dataclass(frozen=True)
class Replayed:
    """A move of the past, and what the policies say of it. ``unknown`` are facts that they ask for and that nobody can know as of then."""

    row: LedgerRow
    verdict: Verdict
    unknown: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether it would not have been made. What is unknown never passes."""
        return not self.verdict.passed


class _Doubts:
    """Evaluates gates on facts of the past, and keeps which of them nobody can know."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._asked: list[str] = []

    def note(self, name: str) -> None:
        if name not in self._asked:
            self._asked.append(name)

    def evaluate(self, expression: str, facts: Mapping[str, Any], now: datetime) -> GateResult:
        """A gate that asks whether a fact is there which nobody can know has no answer, and does not hold."""
        self._asked = []
        result = evaluate(expression, facts, now)
        if not self._asked:
            return result
        self.all += [name for name in self._asked if name not in self.all]
        told = f"{result.explanation}; as of then nobody can know {', '.join(self._asked)}"
        return GateResult(expression, result.passed and not _NEVER_UNKNOWN.search(expression), told)


def replay(
    connection: Connection,
    workspace: str,
    kind: Kind,
    rules: Rules,
    documents: Documents,
    *,
    since: datetime | None = None,
    name: ModelName | None = None,
    alias: AliasName | None = None,
) -> list[Replayed]:
    """Judges the moves (of one alias) that were made since an instant, the oldest first; those of aliases without a policy are left out."""
    histories, trails = Histories(connection, workspace), dict[str, list[int]]()
    found = []
    for row in _moves(connection, workspace, kind, name, alias):
        steps = trails.setdefault(row.subject, [])
        retreat = row.action == ROLLBACK and row.after["version"] in steps
        walk(steps, row)
        policies = rules(row.name, row.subject.rpartition("@")[2])
        if policies and (since is None or row.happened >= since):
            found.append(_again(histories, kind, row, policies, documents, retreat))
    return found


def decisions_at(rows: Iterable[LedgerRow], alias: str, number: int) -> list[Decision]:
    """The approvals and rejections of a version for an alias after these changes to it, oldest first."""
    found: list[Decision] = []
    for row in rows:
        told = row.after if row.action in _WORDS else row.before if row.action == WITHDRAWAL else None
        if not isinstance(told, dict) or told.get("alias") != alias:
            continue
        if row.action == WITHDRAWAL:
            mine = [decision.actor == row.actor and decision.withdrawn is None for decision in found]
            found = [
                replace(each, withdrawn=row.happened) if gone else each for each, gone in zip(found, mine, strict=True)
            ]
            continue
        ends = told.get("expires")
        found.append(
            Decision(
                row.sequence,
                number,
                told["digest"],
                alias,
                _WORDS[row.action],
                row.actor,
                row.reason,
                datetime.fromisoformat(told["time"]),
                None if ends is None else datetime.fromisoformat(ends),
            )
        )
    return found


def _again(
    histories: Histories, kind: Kind, row: LedgerRow, policies: Sequence[Rule], documents: Documents, retreat: bool
) -> Replayed:
    model, alias, moment = row.name, row.subject.rpartition("@")[2], Moment(row.sequence, row.happened)
    version = _version(histories, kind, model, row.after["version"])
    pointed = None if row.before is None else _version(histories, kind, model, row.before["version"])
    if version is None or (row.before is not None and pointed is None):
        told = f"version {row.after['version']} or the one before it is no longer in this yard"
        return Replayed(row, Verdict((Clause(row.subject, "gate", "", False, told),), (), tuple(policies)), (told,))
    decisions = decisions_at(histories.of(version, moment), alias, version.number)
    doubts = _Doubts()
    facts = facts_of_past_move(histories, version, pointed, decisions, moment, documents, doubts.note)
    request = Request(row.actor, row.reason, version.created_by, version.digest, row.happened, decisions, facts)
    verdict = judge(policies, request, retreat=retreat, evaluation=doubts.evaluate)
    return Replayed(row, verdict, tuple(doubts.all))


def _version(histories: Histories, kind: Kind, name: str, number: int) -> VersionRow | None:
    try:
        return versions.find_any(histories.connection, histories.workspace, kind, stored(ModelName, name), number)
    except NotFound:
        return None


def _moves(
    connection: Connection, workspace: str, kind: Kind, name: ModelName | None, alias: AliasName | None
) -> list[LedgerRow]:
    conditions = [table.c.workspace == workspace, table.c.kind == kind, table.c.action.in_(MOVES)]
    if name is not None:
        conditions.append(table.c.name == name)
    if name is not None and alias is not None:
        conditions.append(table.c.subject == f"{name}@{alias}")
    return ledger.rows(connection, *conditions, newest_first=False, as_happened=True)
