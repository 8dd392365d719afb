"""A write transaction that knows who acts: whatever changes a row also records it, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from modelyard.registry import ledger
from modelyard.registry.ledger import LedgerRow


@dataclass(frozen=True)
class Transaction:
    """Open until its ``with`` block ends; then everything in it is there, or nothing."""

    connection: Connection
    workspace: str
    actor: str
    now: Callable[[], datetime]

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Runs a statement."""
        return self.connection.execute(statement)

    def record(
        self,
        action: str,
        *,
        kind: str,
        name: str,
        subject: str,
        before: Any = None,
        after: Any = None,
        reason: str = "",
        evidence: Any = None,
    ) -> LedgerRow:
        """Appends the ledger row of a change; ``before``, ``after`` and ``evidence`` are JSON-able."""
        return ledger.append(
            self.connection,
            self.now(),
            actor=self.actor,
            action=action,
            workspace=self.workspace,
            kind=kind,
            name=name,
            subject=subject,
            before=before,
            after=after,
            reason=reason,
            evidence=evidence,
        )
