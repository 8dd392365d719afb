"""The registry of a yard in one object: what the rooms above call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from modelyard.core.clock import Clock, to_text
from modelyard.core.digests import Digest
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, Kind, ModelName
from modelyard.core.references import Alias, Number, Reference
from modelyard.registry import aliases, ledger, notes, schema, versions
from modelyard.registry.aliases import AliasMove, Facts
from modelyard.registry.database import Database
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import NewVersion, VersionRow

NO_FILTER: Mapping[str, str | None] = {}


class Registry:
    """One workspace of a yard, as one actor sees it. Safe for threads; each call is one transaction."""

    def __init__(
        self, database: Database, *, workspace: str, actor: str, clock: Clock, read_file: Callable[[Digest], bytes]
    ) -> None:
        self.database = database
        self.workspace = workspace
        self.actor = actor
        self.clock = clock
        self._read_file = read_file

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which every query sees the same instant."""
        with self.database.read() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A write transaction that commits at the end, with :meth:`Transaction.record` for its ledger rows."""
        with self.database.write() as connection:
            yield Transaction(connection, self.workspace, self.actor, self.clock.now)

    # --- versions ---

    def create_version(self, new: NewVersion) -> VersionRow:
        """Commits a version whose bytes are stored; its number, row and ledger entry in one transaction."""
        with self.begin() as tx:
            return versions.create(tx, new)

    def version(
        self, kind: Kind, reference: Reference, wanted: Mapping[str, str | None] = NO_FILTER, at: datetime | None = None
    ) -> VersionRow:
        """The version that is meant, now or (for an alias) at an instant. See :func:`versions.find`."""
        with self.read() as connection:
            if at is not None:
                if not isinstance(reference.selector, Alias):
                    problem = "only an alias points elsewhere at another time; write name@alias"
                    raise InvalidReference(reference=str(reference), problem=problem)
                versions.model_id(connection, self.workspace, kind, reference.name)
                number = aliases.number_at(
                    connection, self.workspace, kind, reference.name, reference.selector.value, at
                )
                reference = Reference(reference.name, Number(number))
            return versions.find(connection, self.workspace, kind, reference, wanted)

    def versions(self, kind: Kind, **conditions: Any) -> list[VersionRow]:
        """Many versions; see :func:`versions.listing`."""
        with self.read() as connection:
            return versions.listing(connection, self.workspace, kind, **conditions)

    def names(self, kind: Kind) -> list[str]:
        """The registered names, sorted."""
        query = select(schema.models.c.name).where(
            schema.models.c.workspace == self.workspace, schema.models.c.kind == kind
        )
        with self.read() as connection:
            return list(connection.execute(query.order_by(schema.models.c.name)).scalars())

    def require(self, kind: Kind, name: ModelName) -> None:
        """Raises ModelNotFound when nothing of that name was ever registered."""
        with self.read() as connection:
            versions.model_id(connection, self.workspace, kind, name)

    def claim(self, kind: Kind, name: ModelName) -> None:
        """Makes a name known before its first version; a name that is known stays as it is."""
        with self.begin() as tx:
            versions.claim(tx, kind, name)

    def tags(self, version: VersionRow) -> dict[str, str]:
        with self.read() as connection:
            return versions.dictionary(connection, schema.tags, version.id)

    def properties(self, version: VersionRow) -> dict[str, str]:
        with self.read() as connection:
            return versions.dictionary(connection, schema.properties, version.id)

    def metrics(self, version: VersionRow) -> dict[str, float]:
        with self.read() as connection:
            return versions.measured(connection, version.id)

    def inputs(self, version: VersionRow) -> list[tuple[str, VersionRow]]:
        with self.read() as connection:
            return versions.inputs_of(connection, version.id)

    def set_tags(self, version: VersionRow, wanted: Mapping[str, str]) -> None:
        with self.begin() as tx:
            notes.set_tags(tx, version, wanted)

    def remove_tags(self, version: VersionRow, keys: Iterable[str]) -> None:
        with self.begin() as tx:
            notes.remove_tags(tx, version, keys)

    def add_properties(self, version: VersionRow, wanted: Mapping[str, str]) -> None:
        with self.begin() as tx:
            notes.add_properties(tx, version, wanted)

    def add_metrics(self, version: VersionRow, values: Mapping[str, float]) -> None:
        with self.begin() as tx:
            notes.add_metrics(tx, version, values)

    # --- aliases ---

    def aliases(self, kind: Kind, name: ModelName) -> dict[str, int]:
        """Where each alias of a model points."""
        with self.read() as connection:
            return versions.aliases_of(connection, versions.model_id(connection, self.workspace, kind, name))

    def move_alias(
        self,
        kind: Kind,
        reference: Reference,
        alias: AliasName,
        *,
        expected: int | None = None,
        reason: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> AliasMove:
        """Points an alias at a version, through its gates. See :func:`aliases.move`."""
        with self.begin() as tx:
            version = versions.find(tx.connection, self.workspace, kind, reference, NO_FILTER)
            facts = self._facts_reader(tx.connection, kind, version)
            return aliases.move(tx, version, alias, expected=expected, reason=reason, evidence=evidence, facts=facts)

    def roll_back_alias(
        self,
        kind: Kind,
        name: ModelName,
        alias: AliasName,
        *,
        to: int | None = None,
        expected: int | None = None,
        reason: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> AliasMove:
        """Points an alias back at the version before, or at ``to``. Gates do not hold up a retreat: what is gone back to was let through once.

        Raises NoEarlierVersion, AliasMoved, VersionNotFound.
        """
        with self.begin() as tx:
            versions.find(tx.connection, self.workspace, kind, Reference(name, Alias(alias)), NO_FILTER)
            before = aliases.trail(tx.connection, self.workspace, kind, name, alias)
            number = aliases.earlier(tx.connection, self.workspace, kind, name, alias) if to is None else to
            version = versions.find(tx.connection, self.workspace, kind, Reference(name, Number(number)), NO_FILTER)
            return aliases.move(
                tx,
                version,
                alias,
                expected=expected,
                reason=reason,
                evidence=evidence,
                facts=self._facts_reader(tx.connection, kind, version),
                action="alias.rollback",
                check_gates=number not in before,
            )

    def set_gates(self, kind: Kind, name: ModelName, alias: AliasName, expressions: list[str]) -> None:
        """Replaces the gates of an alias; the model is made when there is none yet, so that its first version meets them."""
        with self.begin() as tx:
            owner = versions.claim(tx, kind, name)
            aliases.set_gates(tx, kind, name, owner, alias, expressions)

    def gates(self, kind: Kind, name: ModelName, alias: AliasName) -> list[str]:
        with self.read() as connection:
            owner = versions.model_id(connection, self.workspace, kind, name)
            return aliases.gates_of(connection, owner, alias)

    # --- history ---

    def history(
        self,
        *,
        kind: str | None = None,
        name: str | None = None,
        subject: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerRow]:
        """Ledger rows of this workspace, newest first."""
        table = schema.ledger.c
        asked = {table.kind: kind, table.name: name, table.subject: subject}
        conditions = [column == value for column, value in asked.items() if value is not None]
        with self.read() as connection:
            return ledger.rows(connection, table.workspace == self.workspace, *conditions, limit=limit)

    def check_ledger(self) -> tuple[int, list[str]]:
        """How many rows the ledger has, and what is wrong with its chain."""
        with self.read() as connection:
            count = connection.execute(select(func.count()).select_from(schema.ledger)).scalar_one()
            return count, list(ledger.broken_rows(connection))

    def facts(self, connection: Connection, version: VersionRow) -> dict[str, Any]:
        """Everything known of a version, as gates see it."""
        provenance = json.loads(self._read_file(Digest(version.provenance))) if version.provenance else {}
        return {
            "name": version.name,
            "number": version.number,
            "label": version.label,
            "digest": version.digest,
            "flavor": version.flavor,
            "size": version.size,
            "created_by": version.created_by,
            "created_time": to_text(version.created_time),
            "tags": versions.dictionary(connection, schema.tags, version.id),
            "properties": versions.dictionary(connection, schema.properties, version.id),
            "metrics": versions.measured(connection, version.id),
            "provenance": provenance,
        }

    def _facts_reader(self, connection: Connection, kind: Kind, version: VersionRow) -> Facts:
        def facts(number: int) -> Mapping[str, Any]:
            reference = Reference(version.name, Number(number))
            return self.facts(connection, versions.find(connection, self.workspace, kind, reference, NO_FILTER))

        return facts
