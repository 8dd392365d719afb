"""Decisions into the tables: what was decided of a parcel, within the transaction in which it was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Table, delete, insert, select, update

from modelyard.core.clock import to_micros
from modelyard.registry import schema
from modelyard.registry.labels import order
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import pair
from modelyard.transfer.merging.decisions import AliasChange, ParcelPlan, VersionChange
from modelyard.transfer.merging.entries import ACTIVE
from modelyard.transfer.merging.pointers import KEPT
from modelyard.transfer.reading import batches
from modelyard.transfer.records import Approval, Input, Metric, Model, Parcel, Policy, Report, RowId, Version, row_id


@dataclass
class Writing:
    """Writes the parcels of one transaction. ``links`` are inputs whose version was not there yet: they may be left for the next transaction."""

    tx: Transaction
    there: str
    links: list[tuple[int, Input]] = field(default_factory=list)
    _rows: dict[RowId, LedgerRow] = field(default_factory=dict)
    _settling: list[Callable[[], object]] = field(default_factory=list)

    def write(self, theirs: Parcel, plan: ParcelPlan) -> None:
        """Carries out a plan."""
        owner = self._model(theirs.model, plan)
        self._new(owner, plan.new)
        for change in plan.changes:
            self._change(owner, theirs.model, change)
        for alias in plan.aliases:
            self._alias(owner, theirs, alias)
        write_policies(self.tx, theirs.model.kind, theirs.model.name, plan.policies)
        self._approvals(owner, plan.approvals)
        self.append(plan.rows)

    def append(self, rows: Iterable[LedgerRow]) -> None:
        """Takes ledger rows that are to be appended; each once."""
        for row in rows:
            self._rows.setdefault(row_id(row, self.there), row)

    def finish(self) -> int:
        """Appends the ledger rows, in the order in which they were written there, and links what can be linked. How many came."""
        for row in sorted(self._rows.values(), key=lambda row: row.sequence):
            self.tx.record(
                row.action,
                kind=row.kind,
                name=row.name,
                subject=row.subject,
                before=row.before,
                after=row.after,
                reason=row.reason,
                evidence=row.evidence,
                origin=origin_of(row, self.there),
                actor=row.actor,
            )
        for settle in self._settling:
            settle()
        self.links = [link for link in self.links if not self._linked(*link)]
        return len(self._rows)

    def _model(self, model: Model, plan: ParcelPlan) -> int:
        table = schema.models
        place = (table.c.workspace == self.tx.workspace, table.c.kind == model.kind, table.c.name == model.name)
        if plan.create_model:
            facts = {key: value for key, value in vars(model).items() if key != "tags"}
            self.tx.execute(insert(table).values(workspace=self.tx.workspace, **facts))
        elif plan.model_columns:
            self.tx.execute(update(table).where(*place).values(**plan.model_columns))
        owner = int(self.tx.execute(select(table.c.id).where(*place)).scalar_one())
        tags = dict(model.tags) if plan.create_model else plan.model_tags
        self._replace(schema.model_tags, {"model_id": owner}, tags)
        return owner

    def _new(self, owner: int, versions: Sequence[Version]) -> None:
        plain = [name for name in Version.__dataclass_fields__ if name in schema.versions.c]
        for batch in batches(versions):
            self._insert(
                schema.versions,
                [
                    {
                        "model_id": owner,
                        "label_order": _order(each.label),
                        **{name: getattr(each, name) for name in plain},
                    }
                    for each in batch
                ],
            )
            query = select(schema.versions.c.number, schema.versions.c.id).where(
                schema.versions.c.model_id == owner, schema.versions.c.number.in_([each.number for each in batch])
            )
            ids = {row.number: row.id for row in self.tx.execute(query)}
            made = [(ids[each.number], each) for each in batch]
            both = [({"version_id": row, "model_id": owner}, each) for row, each in made]
            tags = [{**of, "number": each.number, **pair(k, v)} for of, each in both for k, v in each.tags.items()]
            self._insert(schema.tags, tags)
            self._insert(
                schema.properties,
                [{"version_id": row, **pair(k, v)} for row, each in made for k, v in each.properties.items()],
            )
            self._insert(schema.metrics, [{**of, **vars(metric)} for of, each in both for metric in each.metrics])
            self._reports((row, report) for row, each in made for report in each.reports)
            self.links += [(row, link) for row, each in made for link in each.inputs]

    def _change(self, owner: int, model: Model, change: VersionChange) -> None:
        if change.settles is not None:
            self._settling.append(partial(self._settle_state, model, change.number, *change.settles))
        if change.nothing and not change.inputs:
            return
        table = schema.versions
        place = (table.c.model_id == owner, table.c.number == change.number)
        row = int(self.tx.execute(select(table.c.id).where(*place)).scalar_one())
        columns = dict(change.columns)
        if "label" in columns:
            columns["label_order"] = _order(columns["label"])
        if columns:
            self.tx.execute(update(table).where(table.c.id == row).values(**columns))
        self._replace(schema.tags, {"version_id": row, "model_id": owner, "number": change.number}, change.tags)
        self._insert(schema.properties, [{"version_id": row, **pair(k, v)} for k, v in change.properties.items()])
        self._add_metrics({"version_id": row, "model_id": owner}, change.metrics)
        self._reports((row, report) for report in change.reports)
        self.links += [(row, link) for link in change.inputs]

    def _replace(self, table: Table, of: Mapping[str, int], tags: Mapping[str, str | None]) -> None:
        """Sets tags, and removes those whose value is None."""
        if not tags:
            return
        (column, row), *_ = of.items()
        self.tx.execute(delete(table).where(table.c[column] == row, table.c.key.in_(list(tags))))
        self._insert(table, [{**of, **pair(key, value)} for key, value in tags.items() if value is not None])

    def _add_metrics(self, of: Mapping[str, int], metrics: Sequence[Metric]) -> None:
        """Of each key, the value that was measured last becomes the current one; of those of one instant the greatest, as in every other yard."""
        if not metrics:
            return
        table = schema.metrics
        self._insert(table, [{**of, **vars(metric), "current": 0} for metric in metrics])
        for key in sorted({metric.key for metric in metrics}):
            mine = (table.c.version_id == of["version_id"], table.c.key == key)
            last = (
                select(table.c.id)
                .where(*mine)
                .order_by(table.c.time.desc(), table.c.value.desc(), table.c.id.desc())
                .limit(1)
            )
            newest = self.tx.execute(last).scalar_one()
            self.tx.execute(update(table).where(*mine, table.c.current == 1).values(current=0))
            self.tx.execute(update(table).where(table.c.id == newest).values(current=1))

    def _reports(self, reports: Iterable[tuple[int, Report]]) -> None:
        self._insert(schema.reports, [{"version_id": row, **vars(report)} for row, report in reports])

    def _alias(self, owner: int, theirs: Parcel, change: AliasChange) -> None:
        table = schema.aliases
        if change.settles is not None:
            self._settling.append(partial(self._settle_alias, theirs, change))
        if change.before is not None:
            self.tx.execute(delete(table).where(table.c.model_id == owner, table.c.name == change.name))
        if change.after is None:
            return
        self.tx.execute(insert(table).values(model_id=owner, name=change.name, **vars(change.after)))

    def _settle_state(self, model: Model, number: int, there: str, here: str) -> None:
        """Writes down that a version stays what it is here, although it is gone there."""
        self.tx.record(
            "version.restore" if here == ACTIVE else "version.archive",
            kind=model.kind,
            name=model.name,
            subject=f"{model.name}/{number}",
            before={"state": there},
            after={"state": here},
            reason=f"{there} in {self.there}; {KEPT}",
        )

    def _settle_alias(self, theirs: Parcel, change: AliasChange) -> None:
        """Writes down where an alias is now, where the rows that came would have it elsewhere."""
        name = theirs.model.name
        self.tx.record(
            "alias.remove" if change.after is None else "alias.move",
            kind=theirs.model.kind,
            name=name,
            subject=f"{name}@{change.name}",
            before=None if change.before is None else {"version": change.before.number},
            after=None
            if change.after is None
            else {"version": change.after.number, "digest": self._digest(theirs, change)},
            reason=f"moved in this yard and in {self.there}; {change.settles}",
        )

    def _digest(self, theirs: Parcel, change: AliasChange) -> str:
        models, versions = schema.models.c, schema.versions.c
        query = (
            select(versions.digest)
            .join(schema.models, versions.model_id == models.id)
            .where(models.workspace == self.tx.workspace, models.kind == theirs.model.kind)
            .where(models.name == theirs.model.name, versions.number == (change.after.number if change.after else 0))
        )
        return str(self.tx.execute(query).scalar_one())

    def _approvals(self, owner: int, approvals: Sequence[Approval]) -> None:
        table = schema.approvals
        for each in approvals:
            same = [table.c[name] == value for name, value in vars(each).items() if name != "withdrawn"]
            mine = (table.c.model_id == owner, *same)
            if not self.tx.execute(update(table).where(*mine).values(withdrawn=each.withdrawn)).rowcount:
                self.tx.execute(insert(table).values(model_id=owner, **vars(each)))

    def _linked(self, row: int, link: Input) -> bool:
        """Links a version with one that it was made from, if that is here."""
        models, versions = schema.models.c, schema.versions.c
        query = (
            select(versions.id)
            .join(schema.models, versions.model_id == models.id)
            .where(models.workspace == self.tx.workspace, models.kind == link.kind, models.name == link.name)
            .where(versions.number == link.number)
        )
        found = self.tx.execute(query).scalar()
        if found is None:
            return False
        facts = {"version_id": row, "role": link.role, "input_version_id": found}
        known = schema.inputs.c
        if self.tx.execute(select(known.role).where(*(known[name] == value for name, value in facts.items()))).first():
            return True
        self.tx.execute(insert(schema.inputs).values(**facts))
        return True

    def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.tx.connection.execute(insert(table), rows)


def write_policies(tx: Transaction, kind: str, name: str, policies: Mapping[str, Policy | None]) -> None:
    """Sets the rules of aliases of a model, of all models for an empty name; None takes one away."""
    table = schema.policies
    for alias, policy in policies.items():
        place = {"workspace": tx.workspace, "kind": kind, "name": name, "alias": alias}
        tx.execute(delete(table).where(*(table.c[key] == value for key, value in place.items())))
        if policy is not None:
            tx.execute(insert(table).values(**place, **vars(policy)))


def origin_of(row: LedgerRow, yard: str) -> Mapping[str, Any]:
    """Where a row of the ledger of ``yard`` was first written: there, or where it came from."""
    if row.origin is not None:
        return row.origin
    return {
        "yard": yard,
        "sequence": row.sequence,
        "time": to_micros(row.time),
        "previous": row.previous,
        "hash": row.hash,
    }


def _order(label: str | None) -> str | None:
    return None if label is None else order(label)
