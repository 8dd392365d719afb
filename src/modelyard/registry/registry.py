"""The registry of a yard in one object: what the rooms above call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from modelyard.core.clock import Clock, to_text
from modelyard.core.digests import Digest
from modelyard.core.errors import InvalidReference, VersionNotFound
from modelyard.core.names import AliasName, Kind, LabelName, ModelName
from modelyard.core.references import Alias, Latest, Number, Reference
from modelyard.registry import aliases, gates, ledger, lifecycle, notes, past, schema, versions
from modelyard.registry.aliases import AliasMove
from modelyard.registry.database import Database
from modelyard.registry.facts.documents import Documents, Found, with_documents
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.notes import Measurement
from modelyard.registry.past import Blame
from modelyard.registry.policies import rows
from modelyard.registry.policies.policy import Policy
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import Details, NewVersion, VersionRow

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
    def begin(self, *, alone: bool = True) -> Iterator[Transaction]:
        """A write transaction that commits at the end, with :meth:`Transaction.record` for its ledger rows.

        One that is not ``alone`` runs beside others in PostgreSQL: it changes one model, and locks it before it reads what it is about to
        change (:func:`modelyard.registry.versions.lock`).
        """
        with self.database.write(alone=alone) as connection:
            tx = Transaction(connection, self.workspace, self.actor, self.clock.now)
            yield tx
            tx.flush()

    def with_documents(self, action: Callable[[Documents], Found], *, bear_damage: bool = False) -> Found:
        """What an action returns that looks into documents of the store. See :func:`modelyard.registry.facts.documents.with_documents`."""
        return with_documents(self._read_file, action, bear_damage=bear_damage)

    # --- versions ---

    def create_version(self, new: NewVersion) -> VersionRow:
        """Commits a version whose bytes are stored; its number, row and ledger entry in one transaction."""
        with self.begin(alone=False) as tx:
            return versions.create(tx, new)

    def version(
        self, kind: Kind, reference: Reference, wanted: Mapping[str, str | None] = NO_FILTER, at: datetime | None = None
    ) -> VersionRow:
        """The version that is meant, now or (for an alias) at an instant. See :func:`versions.find`."""
        with self.read() as connection:
            if at is not None and isinstance(reference.selector, Latest):
                problem = "what was the latest then is not kept; write name@alias, name/3 or name:1.0"
                raise InvalidReference(reference=str(reference), problem=problem)
            if at is not None and isinstance(reference.selector, Alias):
                versions.model_id(connection, self.workspace, kind, reference.name)
                number = aliases.number_at(
                    connection, self.workspace, kind, reference.name, reference.selector.value, at
                )
                reference = Reference(reference.name, Number(number))
            found = versions.find(connection, self.workspace, kind, reference, wanted)
            if at is not None and found.created_time > at:
                then = f"none of that number at {to_text(at)}"
                raise VersionNotFound(kind=kind, name=found.name, asked=found.number, found=then)
            return found

    def versions(self, kind: Kind, **conditions: Any) -> list[VersionRow]:
        """Many versions; see :func:`versions.listing`."""
        with self.read() as connection:
            return versions.listing(connection, self.workspace, kind, **conditions)

    def any_version(self, kind: Kind, name: ModelName, number: int) -> VersionRow:
        """A version by its number, deleted ones too. Raises ModelNotFound, VersionNotFound."""
        with self.read() as connection:
            return versions.find_any(connection, self.workspace, kind, name, number)

    def names(self, kind: Kind) -> list[str]:
        """The names that are in use, sorted."""
        table = schema.models.c
        query = select(table.name).where(table.workspace == self.workspace, table.kind == kind, table.state == "active")
        with self.read() as connection:
            return list(connection.execute(query.order_by(table.name)).scalars())

    def require(self, kind: Kind, name: ModelName) -> None:
        """Raises ModelNotFound when nothing of that name was ever registered, ModelDeleted."""
        with self.read() as connection:
            versions.model_id(connection, self.workspace, kind, name)

    def claim(self, kind: Kind, name: ModelName) -> None:
        """Makes a name known before its first version; a name that is known stays as it is."""
        with self.begin(alone=False) as tx:
            versions.claim(tx, kind, name)

    # --- what is said of a version ---

    def tags(self, version: VersionRow) -> dict[str, str]:
        with self.read() as connection:
            return versions.dictionary(connection, schema.tags, version.id)

    def properties(self, version: VersionRow) -> dict[str, str]:
        with self.read() as connection:
            return versions.dictionary(connection, schema.properties, version.id)

    def metrics(self, version: VersionRow) -> dict[str, float]:
        with self.read() as connection:
            return versions.measured(connection, version.id)

    def measurements(self, version: VersionRow, key: str | None = None) -> list[Measurement]:
        with self.read() as connection:
            return notes.measurements(connection, version, key)

    def inputs(self, version: VersionRow) -> list[tuple[str, VersionRow]]:
        with self.read() as connection:
            return versions.inputs_of(connection, version.id)

    def details(self, rows: Sequence[VersionRow]) -> list[Details]:
        """What is said of many versions, of one instant."""
        with self.read() as connection:
            return versions.details(connection, rows)

    def card(self, version: VersionRow) -> str:
        """The model card, Markdown."""
        with self.read() as connection:
            query = select(schema.versions.c.card).where(schema.versions.c.id == version.id)
            return str(connection.execute(query).scalar_one())

    def model_card(self, kind: Kind, name: ModelName) -> str:
        """The model card of the model as a whole. Raises ModelNotFound."""
        with self.read() as connection:
            owner = versions.model_id(connection, self.workspace, kind, name)
            return str(connection.execute(select(schema.models.c.card).where(schema.models.c.id == owner)).scalar_one())

    def model_tags(self, kind: Kind, name: ModelName) -> dict[str, str]:
        """The tags of the model as a whole. Raises ModelNotFound."""
        with self.read() as connection:
            return notes.model_dictionary(connection, versions.model_id(connection, self.workspace, kind, name))

    def set_tags(self, version: VersionRow, wanted: Mapping[str, str], reason: str = "") -> None:
        with self.begin(alone=False) as tx:
            notes.set_tags(tx, version, wanted, reason)

    def remove_tags(self, version: VersionRow, keys: Iterable[str], reason: str = "") -> None:
        with self.begin(alone=False) as tx:
            notes.remove_tags(tx, version, keys, reason)

    def add_properties(self, version: VersionRow, wanted: Mapping[str, str]) -> None:
        with self.begin(alone=False) as tx:
            notes.add_properties(tx, version, wanted)

    def add_metrics(
        self, version: VersionRow, values: Mapping[str, float], *, step: int | None = None, dataset: str | None = None
    ) -> None:
        with self.begin(alone=False) as tx:
            notes.add_metrics(tx, version, values, step=step, dataset=dataset)

    def describe(self, version: VersionRow, *, description: str | None, card: str | None, reason: str = "") -> None:
        with self.begin(alone=False) as tx:
            notes.describe(tx, version, description=description, card=card, reason=reason)

    def describe_model(
        self, kind: Kind, name: ModelName, *, description: str | None, card: str | None, reason: str = ""
    ) -> None:
        with self.begin(alone=False) as tx:
            notes.describe_model(tx, kind, name, description=description, card=card, reason=reason)

    def tag_model(self, kind: Kind, name: ModelName, wanted: Mapping[str, str | None]) -> dict[str, str]:
        """Sets tags of a model as a whole, removes those that are None; those that it has then."""
        with self.begin(alone=False) as tx:
            return notes.tag_model(tx, kind, name, wanted)

    def set_label(self, version: VersionRow, label: LabelName, reason: str = "") -> None:
        with self.begin(alone=False) as tx:
            notes.set_label(tx, version, label, reason)

    # --- what becomes of a version ---

    def change_state(self, version: VersionRow, action: str, reason: str = "") -> str:
        """Archives, restores or deletes a version. See :func:`lifecycle.change`."""
        with self.begin() as tx:  # alone: nobody may come to refer to it meanwhile
            return lifecycle.change(tx, version, action, reason)

    def change_model_state(self, kind: Kind, name: ModelName, action: str, reason: str = "") -> list[VersionRow]:
        """The same for a whole name. See :func:`lifecycle.change_model`."""
        with self.begin() as tx:
            return lifecycle.change_model(tx, kind, name, action, reason)

    def purge(self, before: datetime) -> list[VersionRow]:
        """Gives up the bytes of the versions that were deleted before an instant. See :func:`lifecycle.purge`."""
        with self.begin() as tx:
            return lifecycle.purge(tx, before)

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
        break_glass: str | None = None,
    ) -> AliasMove:
        """Points an alias at a version, through its policies. See :func:`aliases.move`."""

        def moved(documents: Documents) -> AliasMove:
            with self.begin(alone=False) as tx:
                versions.lock(tx, versions.model_id(tx.connection, self.workspace, kind, reference.name))
                version = versions.find(tx.connection, self.workspace, kind, reference, NO_FILTER)
                return aliases.move(
                    tx,
                    version,
                    alias,
                    expected=expected,
                    reason=reason,
                    evidence=evidence,
                    documents=documents,
                    break_glass=break_glass,
                )

        return self.with_documents(moved, bear_damage=break_glass is not None)

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
        """Points an alias back at the version before, or at ``to``. Gates and approvals do not hold up a retreat: what is gone back to was let
        through once. Who may move the alias, and whether it takes a reason, holds as ever.

        Raises NoEarlierVersion, AliasMoved, VersionNotFound, PolicyRefused.
        """

        def moved(documents: Documents) -> AliasMove:
            with self.begin(alone=False) as tx:
                versions.lock(tx, versions.model_id(tx.connection, self.workspace, kind, name))
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
                    documents=documents,
                    action=aliases.ROLLBACK,
                    retreat=number in before,
                )

        return self.with_documents(moved)

    def remove_alias(
        self, kind: Kind, name: ModelName, alias: AliasName, *, expected: int | None = None, reason: str = ""
    ) -> AliasMove:
        """Takes an alias away. See :func:`aliases.remove`."""
        with self.begin(alone=False) as tx:
            owner = versions.model_id(tx.connection, self.workspace, kind, name)
            return aliases.remove(tx, kind, name, owner, alias, expected=expected, reason=reason)

    def set_gates(self, kind: Kind, name: ModelName, alias: AliasName, expressions: list[str]) -> None:
        """Replaces the gates of an alias and leaves the rest of its policy; the model is made when there is none yet, so that its first version
        meets them. Raises InvalidGate, InvalidPolicy."""
        for expression in expressions:
            gates.parse(expression)
        with self.begin() as tx:
            versions.claim(tx, kind, name)
            before = rows.of_alias(tx.connection, self.workspace, kind, name, alias) or Policy()
            rows.put(tx, kind, name, alias, replace(before, gates=tuple(dict.fromkeys(expressions))))

    def gates(self, kind: Kind, name: ModelName, alias: AliasName) -> list[str]:
        with self.read() as connection:
            versions.model_id(connection, self.workspace, kind, name)
            found = rows.of_alias(connection, self.workspace, kind, name, alias)
            return list(found.gates) if found else []

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

    def facts_then(self, version: VersionRow, when: datetime | None = None) -> dict[str, Blame]:
        """What is said of a version, now or at an instant, each with who said it. See :func:`past.of_version`."""
        with self.read() as connection:
            return past.of_version(connection, self.workspace, version.kind, version.reference, when)

    def aliases_then(self, kind: Kind, name: ModelName, when: datetime | None = None) -> dict[str, Blame]:
        """Where the aliases of a name pointed, now or at an instant. See :func:`past.aliases`."""
        with self.read() as connection:
            return past.aliases(connection, self.workspace, kind, name, when)

    def deployments_then(self, when: datetime) -> dict[str, dict[str, Any]]:
        """What was wanted of each deployment at an instant."""
        with self.read() as connection:
            return past.deployments(connection, self.workspace, when)

    def check_ledger(self) -> tuple[int, list[str]]:
        """How many rows the ledger has, and what is wrong with its chain."""
        with self.read() as connection:
            count = connection.execute(select(func.count()).select_from(schema.ledger)).scalar_one()
            return count, list(ledger.broken_rows(connection))
