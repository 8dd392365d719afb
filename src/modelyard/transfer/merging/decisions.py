"""What is to be done, and why: the answer of the rules, which whoever writes carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.errors import ModelyardError
from modelyard.registry.ledger import LedgerRow
from modelyard.transfer.records import Alias, Approval, Input, Metric, Policy, Report, RowId, Version


@dataclass(frozen=True)
class Choices:
    """What the user decides beforehand. ``keep_mine`` and ``take_theirs`` are for what was changed on both sides; ``copy`` means that this yard is
    to be a copy of that one, as for a mirror: then a rule that both have protects nothing from it."""

    aliases: bool = True
    policies: bool = False
    keep_mine: bool = False
    take_theirs: bool = False
    copy: bool = False


@dataclass(frozen=True)
class Facts:
    """What the yard that is written says beside its own parcel. ``here`` and ``there`` are the ids of the yards, ``place`` is this one for people.

    ``labels`` are the numbers of the labels that come; ``known`` the first hashes of the rows that come and are here, ``needed`` what each version
    that is to go is used by; ``protected`` the documents of the rules that protect an alias here.
    """

    here: str
    there: str
    place: str
    labels: Mapping[str, int] = field(default_factory=dict)
    known: Mapping[RowId, str] = field(default_factory=dict)
    needed: Mapping[int, list[str]] = field(default_factory=dict)
    protected: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionChange:
    """What of a version that is here already is to be changed. A tag with the value None is removed. ``settles``, a state there and the one here: a row
    of this yard must say that it stays, because by the rows that come it would not."""

    number: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    reports: tuple[Report, ...] = ()
    inputs: tuple[Input, ...] = ()
    settles: tuple[str, str] | None = None

    @property
    def nothing(self) -> bool:
        return not (
            self.columns or self.tags or self.properties or self.metrics or self.reports or self.settles
        )  # a missing input may stay missing: the version that it was made from need not be here


@dataclass(frozen=True)
class AliasChange:
    """An alias goes from version ``before`` to ``after``; None is nowhere. ``settles``: a row of this yard must say so, because by the rows that
    come it would be elsewhere."""

    name: str
    before: Alias | None
    after: Alias | None
    settles: str | None = None


@dataclass(frozen=True)
class ParcelPlan:
    """``new`` versions are made, ``changes`` are made to those that are here, ``rows`` are appended. a policy of None is taken away; ``conflicts`` are what
    stands in the way: with any of them nothing may be written."""

    create_model: bool = False
    model_columns: Mapping[str, Any] = field(default_factory=dict)
    model_tags: Mapping[str, str | None] = field(default_factory=dict)
    new: tuple[Version, ...] = ()
    changes: tuple[VersionChange, ...] = ()
    aliases: tuple[AliasChange, ...] = ()
    policies: Mapping[str, Policy | None] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    rows: tuple[LedgerRow, ...] = ()
    conflicts: tuple[ModelyardError, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the yard stays as it is."""
        return not (
            self.create_model
            or self.model_columns
            or self.model_tags
            or self.new
            or any(not change.nothing for change in self.changes)
            or self.aliases
            or self.policies
            or self.approvals
            or self.rows
        )
