"""The facts of a version as they were at an earlier change of the ledger; what nobody can know any more stays unknown, and is told.

Tags, properties, metrics, description and approvals come out of the ledger, what never changes out of the store, reports by their time. Live traffic is
measured again when labels come in late, so what a window said then is known only while it was not measured since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from modelyard.core.clock import to_micros
from modelyard.core.names import LabelName, stored
from modelyard.registry import ledger, past
from modelyard.registry.facts.documents import Documents
from modelyard.registry.facts.lazy import Facts, Lookup, Unknowable
from modelyard.registry.facts.monitored import measured_windows, summary
from modelyard.registry.facts.version import (
    approvals_of,
    columns,
    compatible,
    fixed,
    measured_on,
    signatures,
    summaries,
)
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.policies.decisions import Decision
from modelyard.registry.schema import ledger as table
from modelyard.registry.versions import VersionRow

Note = Callable[[str], None]
"""Called with the name of a fact that was asked for and cannot be known."""


@dataclass(frozen=True)
class Moment:
    """Just before a row of the ledger: what came before it there, and had happened."""

    sequence: int
    happened: datetime

    def after(self, row: LedgerRow) -> bool:
        """Whether a row came before this moment."""
        return row.sequence < self.sequence and row.happened <= self.happened


@dataclass
class Histories:
    """The ledger rows of versions, each read once."""

    connection: Connection
    workspace: str
    _known: dict[tuple[str, str], list[LedgerRow]] = field(default_factory=dict)

    def of(self, version: VersionRow, moment: Moment) -> list[LedgerRow]:
        """What was done to a version before a moment, the oldest first."""
        key = (version.kind, version.reference)
        if key not in self._known:
            mine = (
                table.c.workspace == self.workspace,
                table.c.kind == version.kind,
                table.c.subject == version.reference,
            )
            self._known[key] = ledger.rows(self.connection, *mine, newest_first=False, as_happened=True)
        return [row for row in self._known[key] if moment.after(row)]


def facts_of_past_move(
    histories: Histories,
    version: VersionRow,
    pointed: VersionRow | None,
    decisions: Sequence[Decision],
    moment: Moment,
    documents: Documents,
    note: Note,
) -> Facts:
    """The counterpart of :func:`modelyard.registry.facts.version.facts_of_move` for a move of the past."""

    def signature() -> Mapping[str, Any]:
        known = all(documents.read(each.digest) is not None for each in (version, pointed) if each is not None)
        return compatible(version, pointed, documents) if known else Unknowable("signature", note)

    current = None
    if pointed is not None:
        current = _facts(histories, pointed, moment, documents, lambda name: note(f"alias.{name}"))
    told: dict[str, Lookup] = {
        "approvals": lambda: approvals_of(decisions, version.digest, moment.happened),
        "signature": signature,
        "alias": lambda: current,
    }
    return _facts(histories, version, moment, documents, note).with_facts(told)


def _facts(histories: Histories, version: VersionRow, moment: Moment, documents: Documents, note: Note) -> Facts:
    connection, micros = histories.connection, to_micros(moment.happened)
    said: list[dict[str, past.Blame]] = []

    def then(name: str) -> Any:
        if not said:
            said.append(past.facts(histories.of(version, moment)))
        return said[0][name].value if name in said[0] else None

    def group(name: str) -> Lookup:
        def found() -> dict[str, Any]:
            then("state")
            start = len(name) + 1
            return {key[start:]: blame.value for key, blame in said[0].items() if key.startswith(f"{name}.")}

        return found

    def document(name: str, digest: str | None) -> Any:
        found = documents.read(digest) if digest else {}
        return Unknowable(name, note) if found is None else found

    def signature() -> Any:
        if documents.read(version.digest) is None:
            return Unknowable("signature", note)
        return columns(version, documents)

    return Facts(
        {
            **fixed(connection, version),
            "label": lambda: None if (label := then("label")) is None else stored(LabelName, label),
            "description": lambda: then("description") or "",
            "tags": group("tags"),
            "properties": group("properties"),
            "metrics": group("metrics"),
            "measured_on": lambda: measured_on(connection, version, micros),
            "scan": lambda: (summaries(connection, version, "scan", micros) or [{}])[-1],
            "signatures": lambda: signatures(summaries(connection, version, "signature", micros), version.digest),
            "provenance": lambda: document("provenance", version.provenance),
            "signature": signature,
            "drift": lambda: _drift(histories, version, moment, note),
        }
    )


def _drift(histories: Histories, version: VersionRow, moment: Moment, note: Note) -> Mapping[str, Any]:
    micros = to_micros(moment.happened)
    found = measured_windows(histories.connection, histories.workspace, version.name, version.number, micros)
    if any(window["measured_time"] > micros for listed in found.values() for window in listed):
        return Unknowable("drift", note)
    if not found:
        return {}
    return {**summary(found.values()), "alerts": _firing(histories, list(found), version.number, moment)}


def _firing(histories: Histories, deployments: Sequence[str], number: int, moment: Moment) -> int:
    """How many alerts about the version had fired and not resolved."""
    mine = (
        table.c.workspace == histories.workspace,
        table.c.kind == "deployment",
        table.c.name.in_(deployments),
        table.c.action.in_(("alert.fire", "alert.resolve")),
    )
    state: dict[tuple[str, str, str], bool] = {}
    for row in ledger.rows(histories.connection, *mine, newest_first=False, as_happened=True):
        if moment.after(row) and (row.evidence or {}).get("version") == number:
            state[row.name, row.after["rule"], row.after["subject"]] = row.action == "alert.fire"
    return sum(state.values())
