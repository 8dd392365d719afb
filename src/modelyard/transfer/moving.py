"""From a source into a yard: look at everything, show it, and only then write, some hundred versions at a time.

The bytes of a version are durable before its row is, under the lease of the store, as when it is registered. What is written at once is decided once
more within its transaction, so two transfers at the same time end as one after the other would. One that was cut off leaves whole versions; repeated, it
brings the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from modelyard.core.errors import CorruptBlob, MissingBlob, ModelyardError
from modelyard.registry.ledger import LedgerRow
from modelyard.store.progress import Progress
from modelyard.store.writing.arrival import Arrival
from modelyard.transfer import reading
from modelyard.transfer.bytes.carriage import Carriage, ReceiverDamaged
from modelyard.transfer.bytes.contents import files_of, reports_of
from modelyard.transfer.bytes.demand import Survey
from modelyard.transfer.holdings import Holdings
from modelyard.transfer.merging.decisions import Choices, Facts, ParcelPlan
from modelyard.transfer.merging.entries import PURGED
from modelyard.transfer.merging.history import new_rows
from modelyard.transfer.records import Input, Parcel, Policy, Report, Version, row_id
from modelyard.transfer.report import TransferReport
from modelyard.transfer.source import Source
from modelyard.transfer.writing import Writing, write_policies

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

AT_ONCE = 2000
"""So many versions, at most, are written in one transaction."""
ROWS_AT_ONCE = 20_000

Show = Callable[[TransferReport], None]


@dataclass
class _Load:
    """What is written in one transaction."""

    parcels: list[Parcel] = field(default_factory=list)
    rows: tuple[LedgerRow, ...] = ()
    last: bool = False

    @property
    def full(self) -> bool:
        versions = sum(len(parcel.versions) for parcel in self.parcels)
        return versions >= AT_ONCE or sum(len(parcel.rows) for parcel in self.parcels) >= ROWS_AT_ONCE


class Transfer:
    """One transfer; used once. ``action`` is what the ledger of the receiver calls it. Plans with :meth:`planned`, writes with :meth:`carry_out`."""

    def __init__(
        self, source: Source, workspace: Workspace, choices: Choices, *, action: str = "yard.import", note: bool = False
    ) -> None:
        self._source = source
        self._workspace = workspace
        self._choices = choices
        self._action = action
        self._noting = note  # also when nothing comes
        self._holdings = Holdings(workspace, source.yard, choices)
        self._links: list[tuple[int, Input]] = []
        self._came = {"versions": 0, "rows": 0}

    def planned(self, *, dry_run: bool = False) -> TransferReport:
        """What is to be done. Changes nothing. Raises Damaged for a source that does not hold together, and what it lacks."""
        examined = dry_run or self._source.is_examined
        with self._blamed(), self._workspace.store.probe() as probe:
            survey = Survey(self._source.store, probe, self._carriage(probe, None)) if examined else None
            report = self._looked_through(survey, dry_run)
            if self._holdings.is_held_up:  # by what may go as well: that is known only now that all parcels were seen
                report = self._looked_through(survey, dry_run)
        for rows in self._source.loose():
            with self._workspace.registry.read() as connection:
                new, conflicts = self._new_rows(connection, rows)
            report.rows += len(new)
            report.conflicts += conflicts
        if survey is not None:
            report.note(survey.demand)
            if survey.demand.missing and not report.conflicts:
                raise self._source.lacks(survey.demand)
        return report

    def _looked_through(self, survey: Survey | None, dry_run: bool) -> TransferReport:
        """What is decided of all parcels; each byte is counted once, however often this is done."""
        report = TransferReport(self._source.place, self._workspace.place, dry_run)
        for parcel in self._source.parcels():
            self._holdings.will_go(parcel)
            with self._workspace.registry.read() as connection:
                plan, _ = self._holdings.decide(connection, parcel)
            report.add(parcel.model, plan)
            if survey is not None:
                self._survey(survey, parcel, plan)
            else:
                report.raw += sum(version.size for version in plan.new if version.state != PURGED)
        return report

    def carry_out(self, report: TransferReport, progress: Progress | None = None) -> None:
        """Does it. Raises the first conflict, and then, as for any other error, everything that was written is whole."""
        _require_none(report.conflicts)
        for load in self._loads():
            self._carry(load, progress)
        report.links = [f"{link.told} in the role {link.role}" for _, link in self._links]

    def _carry(self, load: _Load, progress: Progress | None) -> None:
        with self._workspace.registry.read() as connection:
            plans = [self._holdings.decide(connection, parcel)[0] for parcel in load.parcels]
            rows, _ = self._new_rows(connection, load.rows)
            rules = self._new_policies(connection)
        noting = load.last and (self._noting or any(self._came.values()))
        linking = self._links or any(change.inputs for plan in plans for change in plan.changes)
        if all(plan.nothing for plan in plans) and not (rows or rules or noting or linking):
            return
        needed = [
            (f"{parcel.model.told}/{number}", version, reports)
            for parcel, plan in zip(load.parcels, plans, strict=True)
            for number, version, reports in _with_bytes(plan)
        ]
        if not needed:
            self._write(load)
            return
        with self._workspace.store.arrival() as arrival:
            carriage = self._carriage(arrival, progress)
            with self._blamed():
                for told, version, reports in needed:
                    for named in (
                        reports_of(reports, told) if version is None else files_of(version, told, carriage.document)
                    ):
                        carriage.bring(*named)
            arrival.commit()
            self._write(load)

    def _write(self, load: _Load) -> None:
        with self._workspace.registry.begin() as tx:
            writing = Writing(tx, self._source.yard, links=list(self._links))
            versions, changed = 0, False
            for parcel in load.parcels:
                plan, _ = self._holdings.decide(tx.connection, parcel)
                _require_none(plan.conflicts)
                writing.write(parcel, plan)
                versions += len(plan.new)
                changed = changed or not plan.nothing
            rows, conflicts = self._new_rows(tx.connection, load.rows)
            _require_none(conflicts)
            writing.append(rows)
            for row in rows if self._choices.policies else ():
                if row.action == "policy.remove" and row.name == "":  # of all models; what is there still is set below
                    write_policies(tx, row.kind, "", {row.subject.removeprefix("*@"): None})
            came = writing.finish()
            if load.last:
                for kind, policies in self._new_policies(tx.connection).items():
                    write_policies(tx, kind, "", policies)
                    changed = True
            before = any(self._came.values())
            self._came["versions"] += versions
            self._came["rows"] += came
            if load.last and (changed or came or before or self._noting):
                yard = self._source.yard
                facts = {**self._source.told(), **self._came, "aliases": self._choices.aliases}
                facts["policies"] = self._choices.policies
                tx.record(self._action, kind="yard", name=yard, subject=yard, after=facts)
        self._links = writing.links

    def _new_rows(
        self, connection: Connection, rows: tuple[LedgerRow, ...]
    ) -> tuple[tuple[LedgerRow, ...], list[ModelyardError]]:
        here, there = self._workspace.yard_id, self._source.yard
        known = reading.known_rows(connection, here, (row_id(row, there) for row in rows))
        return new_rows(rows, Facts(here, there, self._workspace.place, known=known))

    def _new_policies(self, connection: Connection) -> dict[Any, dict[str, Policy]]:
        found: dict[Any, dict[str, Policy]] = {}
        for kind, policies in self._source.policies().items():
            here = reading.policies(connection, self._workspace.registry.workspace, kind, "")
            new = {
                alias: policy
                for alias, policy in policies.items()
                if alias not in here
                or (here[alias].document != policy.document and policy.set_time > here[alias].set_time)
            }
            if new:
                found[kind] = new
        return found

    def _survey(self, survey: Survey, parcel: Parcel, plan: ParcelPlan) -> None:
        for number, version, reports in _with_bytes(plan):
            told = f"{parcel.model.told}/{number}"
            if version is not None:
                survey.version(version, told)
            else:
                survey.reports(reports, told)

    def _carriage(self, arrival: Arrival, progress: Progress | None) -> Carriage:
        return Carriage(self._source.store, arrival, self._workspace.store.pool, progress=progress)

    def _loads(self) -> Iterator[_Load]:
        """What is to be written, in order; the last one says so."""
        held: _Load | None = None
        for load in self._each_load():
            if held is not None:
                yield held
            held = load
        held = held or _Load()
        held.last = True
        yield held

    def _each_load(self) -> Iterator[_Load]:
        load = _Load()
        for parcel in self._source.parcels():
            load.parcels.append(parcel)
            if load.full:
                yield load
                load = _Load()
        if load.parcels:
            yield load
        for rows in self._source.loose():
            yield _Load(rows=rows)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Says of damaged bytes whose they are."""
        try:
            yield
        except ReceiverDamaged as error:
            raise error.error from None
        except (CorruptBlob, MissingBlob) as error:
            raise self._source.hurt(error) from error


def _with_bytes(plan: ParcelPlan) -> Iterator[tuple[int, Version | None, tuple[Report, ...]]]:
    """The numbers of the versions of which bytes are to come: all of a new version, of another only these reports."""
    for version in plan.new:
        if version.state != PURGED:
            yield version.number, version, ()
    for change in plan.changes:
        if change.reports:
            yield change.number, None, change.reports


def _require_none(conflicts: list[ModelyardError] | tuple[ModelyardError, ...]) -> None:
    if conflicts:
        first, more = conflicts[0], len(conflicts) - 1
        if "more" in first.facts and more:
            first.facts["more"] = f"; and {more} more: see them with --dry-run"
        raise first
