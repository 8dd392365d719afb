"""A bundle as what versions come from. It may be from anybody and hurt in any way: everything in it is held against a digest or a hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from modelyard.core.errors import BundleIncomplete, Damaged
from modelyard.core.names import Kind
from modelyard.registry import schema
from modelyard.registry.ledger import LedgerRow
from modelyard.store import Store
from modelyard.transfer.bundle import records
from modelyard.transfer.bundle.header import Header, Need, header_from_json
from modelyard.transfer.bundle.objects import store_of
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bytes.demand import Demand
from modelyard.transfer.merging.entries import PURGED
from modelyard.transfer.merging.history import require_sound
from modelyard.transfer.records import Parcel, Policy
from modelyard.transfer.source import Head, require_coherent

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


class BundleSource:
    """See :class:`modelyard.transfer.source.Source`. ``receiver`` is the yard that it is imported into; ``signed_by`` a key that was checked.

    Raises BundleDamaged.
    """

    is_examined = True

    def __init__(self, bundle: BundleFile, receiver: Workspace | None = None, signed_by: str | None = None) -> None:
        self._bundle = bundle
        self._receiver = receiver
        self._signed_by = signed_by
        try:
            self.header: Header = header_from_json(bundle.header)
        except ValueError as error:
            raise bundle.damaged(f"what it says of itself cannot be read: {error}") from None
        self._workspace = self.header.workspace if receiver is None else receiver.registry.workspace
        self.yard = self.header.yard
        self.place = str(bundle.path)
        self.head = Head(self.header.sequence, self.header.hash)

    @cached_property
    def store(self) -> Store:
        return store_of(self._bundle)

    def parcels(self) -> Iterator[Parcel]:
        for parcel in records.parcels(self._bundle):
            require_sound(parcel.rows, self.yard)
            try:
                if any(row.workspace != self._workspace for row in parcel.rows):
                    raise ValueError(f"a ledger row is not of the workspace {self._workspace}")
                require_coherent(parcel)
            except ValueError as error:
                raise self._bundle.damaged(str(error)) from None
            yield parcel

    def loose(self) -> Iterator[tuple[LedgerRow, ...]]:
        return iter(())

    def policies(self) -> Mapping[Kind, Mapping[str, Policy]]:
        return {}

    def lacks(self, demand: Demand) -> Exception:
        if not self.header.is_incremental:
            return self._bundle.damaged(f"{demand.missing} pieces of {demand.first} and others are not in it")
        needs = [need.told for need in self.header.needs if not self._has(need)] or ["what it names as its base"]
        shown = ", ".join(needs[:5]) + (f" and {len(needs) - 5} more" if len(needs) > 5 else "")
        since = "".join(f" (bundle {each.name}, {each.id[:12]})" for each in self.header.since)
        return BundleIncomplete(
            path=self._bundle.path, chunks=demand.missing, needs=shown, since=since, versions=needs, first=demand.first
        )

    def hurt(self, error: Damaged) -> Exception:
        return self._bundle.damaged(str(error))

    def told(self) -> Mapping[str, Any]:
        signed = {} if self._signed_by is None else {"signed_by": self._signed_by}
        return {"sequence": self.head.sequence, "hash": self.head.hash, "bundle": self._bundle.id, **signed}

    def _has(self, need: Need) -> bool:
        if self._receiver is None:
            return False
        models, versions = schema.models.c, schema.versions.c
        query = (
            select(versions.id)
            .join(schema.models, versions.model_id == models.id)
            .where(models.workspace == self._receiver.registry.workspace, models.kind == need.kind)
            .where(models.name == need.name, versions.digest == need.digest, versions.state != PURGED)
        )
        with self._receiver.registry.read() as connection:
            return connection.execute(query).first() is not None
