"""What a yard says of its versions, apart from their bytes: the values that move from one yard to another, exactly as the tables have them.

Times are integer microseconds since 1970 in UTC, as in the database. A :class:`Parcel` is a model with some of its versions: it is read, decided
on and written as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.names import Kind
from modelyard.registry.ledger import LedgerRow

REGISTERED = "version.register"


@dataclass(frozen=True)
class Metric:
    key: str
    value: float
    step: int | None
    dataset: str | None
    time: int
    current: int = field(
        default=0, compare=False
    )  # 1 for the last value of its key: what it is among others, not what was measured


@dataclass(frozen=True)
class Report:
    kind: str
    tool: str
    summary: Any
    document: str | None
    time: int
    actor: str


@dataclass(frozen=True)
class Input:
    """A version that another was made from, and in which role."""

    role: str
    kind: Kind
    name: str
    number: int

    @property
    def told(self) -> str:
        return f"{self.kind} {self.name}/{self.number}"


@dataclass(frozen=True)
class Approval:
    number: int
    digest: str
    alias: str
    decision: str
    reason: str
    actor: str
    time: int
    expires: int | None
    withdrawn: int | None

    @property
    def identity(self) -> tuple[object, ...]:
        """What it is, whatever becomes of it."""
        return (self.number, self.digest, self.alias, self.decision, self.reason, self.actor, self.time, self.expires)


@dataclass(frozen=True)
class Alias:
    number: int
    moved_time: int
    moved_by: str


@dataclass(frozen=True)
class Policy:
    document: Any
    set_time: int
    set_by: str


@dataclass(frozen=True)
class Model:
    """A name, without its versions."""

    kind: Kind
    name: str
    next_number: int
    description: str
    card: str
    state: str
    state_time: int | None
    created_time: int
    created_by: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Version:
    number: int
    label: str | None
    digest: str
    provenance: str | None
    lineage: Any
    flavor: str
    size: int
    files: int
    description: str
    card: str
    state: str
    state_time: int | None
    created_time: int
    created_by: str
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    reports: tuple[Report, ...] = ()
    inputs: tuple[Input, ...] = ()

    @property
    def identity(self) -> tuple[str, str | None]:
        """Equal for the same registration: what the version is, and where it came from."""
        return (self.digest, self.provenance)


@dataclass(frozen=True)
class Parcel:
    """A model, some of its versions, its aliases as far as they move along (None for one that was there and points nowhere now), and the ledger
    rows of all of that, in the order of their yard. ``protection`` are the rules that a move of each of these aliases had to meet."""

    model: Model
    versions: tuple[Version, ...] = ()
    aliases: Mapping[str, Alias | None] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    protection: Mapping[str, Any] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    rows: tuple[LedgerRow, ...] = ()

    @property
    def by_number(self) -> dict[int, Version]:
        return {version.number: version for version in self.versions}


@dataclass(frozen=True, order=True)
class RowId:
    """A ledger row wherever it is: the yard where the change was made, and the sequence that it has there."""

    yard: str
    sequence: int


def row_id(row: LedgerRow, yard: str) -> RowId:
    """The identity of a row that is in the ledger of ``yard``."""
    return RowId(yard, row.sequence) if row.origin is None else RowId(row.origin["yard"], row.origin["sequence"])


def first_hash(row: LedgerRow) -> str:
    """The hash that the row has where it was first written."""
    return row.hash if row.origin is None else str(row.origin["hash"])
