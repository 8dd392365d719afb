"""The past of a yard: its ledger, who set what, and what was true at an instant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.client.seat import Seat, When, kind_of
from modelyard.core.errors import FieldNotFound
from modelyard.core.names import Kind
from modelyard.core.references import Alias, Latest, Number, Reference
from modelyard.registry import LedgerRow
from modelyard.registry.past import Blame


class History(Seat):
    """The part of a workspace that tells what was."""

    def history(
        self, subject: str | None = None, *, kind: str | None = None, limit: int | None = None
    ) -> list[LedgerRow]:
        """Ledger rows, newest first: of everything, of a name, of one version (``fraud/3``) or of one alias (``fraud@production``)."""
        if subject is None:
            return self.registry.history(kind=kind, limit=limit)
        reference = Reference.parse(subject)
        row_kind: Kind = "dataset" if kind == "dataset" else "model"
        if isinstance(reference.selector, Latest):
            found = self.registry.history(kind=kind, name=reference.name, limit=limit)
            if not found:
                self.registry.require(row_kind, reference.name)
            return found
        if isinstance(reference.selector, Alias):  # also one that is no more
            found = self.registry.history(kind=row_kind, subject=str(reference), limit=limit)
            if not found:
                self.registry.version(row_kind, reference)
            return found
        if isinstance(reference.selector, Number):  # also one that was deleted
            row = self.registry.any_version(row_kind, reference.name, reference.selector.value)
        else:
            row = self.registry.version(row_kind, reference)
        return self.registry.history(kind=row_kind, subject=row.reference, limit=limit)

    def blame(
        self, reference: str | Reference, field: str | None = None, *, at: When | None = None, dataset: bool = False
    ) -> list[Blame]:
        """Who set what is said of a version, an alias, or the aliases of a name, now or at an instant: each with the ledger row that did it.

        ``field`` picks one, such as ``tags.type`` or ``metrics.auc``. Raises FieldNotFound, and what :meth:`Workspace.model` raises.
        """
        parsed, kind = Reference.parse(reference), kind_of(dataset)
        when = None if at is None else self.when(at)
        if isinstance(parsed.selector, Latest | Alias):
            wanted = parsed.selector.value if isinstance(parsed.selector, Alias) else None
            if wanted is not None and when is None:
                self.registry.version(kind, parsed)
            found = self.registry.aliases_then(kind, parsed.name, when)
            return [blame for alias, blame in found.items() if wanted in (None, alias)]
        row = (
            self.registry.any_version(kind, parsed.name, parsed.selector.value)
            if isinstance(parsed.selector, Number)
            else self.registry.version(kind, parsed)
        )
        facts = self.registry.facts_then(row, when)
        if field is None:
            return [facts[name] for name in sorted(facts)]
        if field not in facts:
            raise FieldNotFound(reference=row.reference, field=field, found=", ".join(sorted(facts)) or "nothing")
        return [facts[field]]

    def deployments_at(self, at: When) -> dict[str, dict[str, Any]]:
        """What was wanted of each deployment at an instant: model, alias, state and config, since when and by which ledger row."""
        return self.registry.deployments_then(self.when(at))

    def ledger_head(self, *, key: str | Path | None = None, password: str | None = None) -> dict[str, Any]:
        """The last row of the ledger, to be kept elsewhere; signed where a private ``key`` is given. See :func:`modelyard.client.heads.head`."""
        from modelyard.client.heads import head

        return head(self, key=key, password=password)

    def require_head(self, noted: str | Path | Mapping[str, Any], *, key: str | Path | None = None) -> int:
        """That the ledger still goes on from a head that was noted. Raises LedgerRewritten, SignatureInvalid, InvalidHead."""
        from modelyard.client.heads import require_head

        return require_head(self, noted, key=key)
