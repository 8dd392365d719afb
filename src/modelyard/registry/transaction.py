"""A write transaction that knows who acts: whatever changes a row also records it, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from modelyard.core.clock import to_micros
from modelyard.core.errors import InvalidInput
from modelyard.core.tags import is_text
from modelyard.registry import ledger
from modelyard.registry.ledger import LedgerRow


@dataclass
class Recorded:
    """A ledger row that is to be written when the transaction ends; ``row`` is to be asked for after that."""

    written: ledger.Written | None = None

    @property
    def row(self) -> LedgerRow | None:
        return None if self.written is None else ledger.read(self.written)


@dataclass
class Transaction:
    """Open until its ``with`` block ends; then everything in it is there, or nothing."""

    connection: Connection
    workspace: str
    actor: str
    now: Callable[[], datetime]
    _changes: list[dict[str, Any]] = field(default_factory=list)
    _recorded: list[Recorded] = field(default_factory=list)

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
        origin: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> Recorded:
        """Notes a change for the ledger; ``before``, ``after`` and ``evidence`` are JSON-able.

        ``origin`` and ``actor`` are those of a change that was made in another yard: see :func:`modelyard.registry.ledger.append`. The rows are
        written when the block ends, because whoever writes one holds up all other writers until the transaction is over.
        """
        if not isinstance(reason, str) or not is_text(reason):
            raise InvalidInput(message=f"a reason is text, and {reason!r} is not")
        self._changes.append(
            {
                "actor": self.actor if actor is None else actor,
                "action": action,
                "workspace": self.workspace,
                "kind": kind,
                "name": name,
                "subject": subject,
                "before": before,
                "after": after,
                "reason": reason,
                "evidence": evidence,
                "origin": origin,
            }
        )
        self._recorded.append(Recorded())
        return self._recorded[-1]

    def flush(self) -> None:
        """Writes the rows that were noted. Raises InvalidInput for what is not JSON."""
        written = ledger.append(self.connection, to_micros(self.now()), self._changes)
        for recorded, row in zip(self._recorded, written, strict=True):
            recorded.written = row
        self._changes, self._recorded = [], []
