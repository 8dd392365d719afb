"""Where versions come from: another yard, or a bundle. Nothing that it says is believed until it has been held against its digest or its hash."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, or_, select

from modelyard.core.errors import CorruptYard, Damaged, MissingBlob
from modelyard.core.names import Kind
from modelyard.registry import ledger, schema
from modelyard.registry.ledger import LedgerRow
from modelyard.store import Store
from modelyard.transfer import reading
from modelyard.transfer.bytes.demand import Demand
from modelyard.transfer.merging.history import require_form, require_sound
from modelyard.transfer.records import REGISTERED, Parcel, Policy, Version
from modelyard.transfer.selection import Chosen, Name, Selection

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

PARCEL = 200
"""So many versions of a model are read, decided on and written at once."""


@dataclass(frozen=True)
class Head:
    """How far the ledger of a yard went when it was read."""

    sequence: int
    hash: str


class Source(Protocol):
    """What an implementer owes. ``yard`` is the id of the yard that the versions come from, ``place`` what a person calls it, ``head`` where its
    ledger ended; ``store`` has the bytes, if need be only those that the receiver has not."""

    @property
    def yard(self) -> str: ...

    @property
    def place(self) -> str: ...

    @property
    def head(self) -> Head: ...

    @property
    def store(self) -> Store: ...

    def parcels(self) -> Iterator[Parcel]:
        """What is to move, sound, each time anew: data sets before models, of each name first the versions that its aliases point at. Raises Damaged."""
        ...

    def loose(self) -> Iterator[tuple[LedgerRow, ...]]:
        """Ledger rows that move along and are of no model or data set, in their order, sound. Raises Damaged."""
        ...

    def policies(self) -> Mapping[Kind, Mapping[str, Policy]]:
        """The rules for all models that move along, by alias."""
        ...

    @property
    def is_examined(self) -> bool:
        """Whether all bytes are to be looked for before anything is written."""
        ...

    def lacks(self, demand: Demand) -> Exception:
        """The error to raise where bytes are missing that the receiver lacks."""
        ...

    def hurt(self, error: Damaged) -> Exception:
        """The error to raise for bytes of this source that cannot be read."""
        ...

    def told(self) -> Mapping[str, Any]:
        """What the ledger of the receiver is to say of where this came from."""
        ...


class YardSource:
    """A yard, or what is chosen of it. With ``history``, (after, until), the rows of deployments between these sequences move too."""

    def __init__(
        self,
        workspace: Workspace,
        chosen: Selection,
        *,
        rules: bool = False,
        history: tuple[int, int] | None = None,
        head: Head | None = None,
    ) -> None:
        self._workspace = workspace
        self._chosen = chosen
        self._rules = rules
        self._history = history
        self._connection: Connection | None = None
        self.yard = workspace.yard_id
        self.place = workspace.place
        self.store = workspace.store
        self.head = head or head_of(workspace)

    @property
    def chosen(self) -> Selection:
        return self._chosen

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within the block everything is as it is at one instant; without, each parcel by itself is."""
        with self._workspace.registry.read() as connection:
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None

    def parcels(self) -> Iterator[Parcel]:
        for name, chosen in self._chosen.items():
            yield from self._parcels(name, chosen)

    def loose(self) -> Iterator[tuple[LedgerRow, ...]]:
        if self._history is None:
            return
        after, until = self._history
        table = schema.ledger.c
        kinds = table.kind.not_in(("model", "dataset", "yard"))
        place = (table.workspace == self._workspace.registry.workspace, or_(kinds, table.name == ""))
        while after < until:
            with self._read() as connection:
                found = ledger.rows(
                    connection,
                    *place,
                    table.kind != "yard",
                    table.sequence > after,
                    table.sequence <= until,
                    newest_first=False,
                    limit=1000,
                )
            if not found:
                return
            after = found[-1].sequence
            require_sound(found, self.yard)
            kept = tuple(row for row in found if self._rules or not row.action.startswith(reading.RULES))
            if kept:
                yield kept

    def policies(self) -> Mapping[Kind, Mapping[str, Policy]]:
        if self._history is None or not self._rules:
            return {}
        kinds: tuple[Kind, ...] = ("model", "dataset")
        with self._read() as connection:
            return {kind: reading.policies(connection, self._workspace.registry.workspace, kind, "") for kind in kinds}

    is_examined = False

    def lacks(self, demand: Demand) -> Exception:
        return MissingBlob(file=demand.first, digest=f"{demand.missing} pieces")

    def hurt(self, error: Damaged) -> Exception:
        return error

    def told(self) -> Mapping[str, Any]:
        return {"sequence": self.head.sequence, "hash": self.head.hash}

    def _parcels(self, name: Name, chosen: Chosen) -> Iterator[Parcel]:
        left = sorted(chosen.numbers)
        with self._read() as connection:
            targets = _targets(connection, self._workspace.registry.workspace, name, chosen)
            first = sorted({*targets, *left[:PARCEL]} if len(targets) <= PARCEL else targets)
            yield self._parcel(connection, name, first, chosen.aliases, leading=True)
        rest = [number for number in left if number not in set(first)]
        for batch in reading.batches(rest, PARCEL):
            with self._read() as connection:
                found = self._parcel(connection, name, batch, (), leading=False)
            yield found

    def _parcel(
        self, connection: Connection, name: Name, numbers: list[int], aliases: Collection[str], *, leading: bool
    ) -> Parcel:
        kind, word = name
        workspace = self._workspace.registry.workspace
        found = reading.parcel(connection, workspace, kind, word, numbers, aliases, leading=leading, rules=self._rules)
        if found is None:
            raise CorruptYard(path=self.place, problem=f"{kind} {word} is no longer there")
        require_sound(found.rows, self.yard)
        try:
            require_coherent(found)
        except ValueError as error:
            raise CorruptYard(path=self.place, problem=str(error)) from None
        return found

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        if self._connection is not None:
            yield self._connection
        else:
            with self._workspace.registry.read() as connection:
                yield connection


def head_of(workspace: Workspace) -> Head:
    """Where the ledger of a yard ends."""
    with workspace.registry.read() as connection:
        return Head(*ledger.head(connection))


def require_coherent(parcel: Parcel) -> None:
    """Raises ``ValueError`` where a version is not what its own ledger rows say was registered under its number, where an alias points at a version
    that does not come with it, and where the next number was given already."""
    registered: dict[str, LedgerRow] = {}
    for row in parcel.rows:
        require_form(row)
        if row.action == REGISTERED and registered.setdefault(row.subject, row) is not row:
            raise ValueError(f"{parcel.model.kind} {row.subject} was registered twice, the ledger says")
    for version in parcel.versions:
        reference = f"{parcel.model.name}/{version.number}"
        told = registered[reference].after if reference in registered else {}
        if not told or (told.get("digest"), told.get("provenance")) != version.identity or not _same(told, version):
            raise ValueError(f"{parcel.model.kind} {reference} is not what the ledger says was registered")
    numbers = {version.number for version in parcel.versions}
    for name, alias in parcel.aliases.items():
        if alias is not None and alias.number not in numbers:
            raise ValueError(f"{parcel.model.name}@{name} points at version {alias.number}, which is not there")
    if numbers and max(numbers) >= parcel.model.next_number:
        raise ValueError(
            f"the next number of {parcel.model.told} is {parcel.model.next_number}, which was given already"
        )


def _same(told: dict[str, object], version: Version) -> bool:
    return told.get("version") == version.number and told.get("label") in (None, version.label)


def _targets(connection: Connection, workspace: str, name: Name, chosen: Chosen) -> list[int]:
    """The versions that the aliases that move point at now."""
    models, aliases = schema.models.c, schema.aliases.c
    query = (
        select(aliases.number)
        .join(schema.models, aliases.model_id == models.id)
        .where(models.workspace == workspace, models.kind == name[0], models.name == name[1])
        .where(aliases.name.in_(sorted(chosen.aliases)))
    )
    return list(connection.execute(query).scalars()) if chosen.aliases else []
