"""What may be added to a version later: tags (mutable, a key at a time), properties (write-once a key), metrics (appended)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.errors import InvalidInput, InvalidMetric, PropertyExists, VersionLabelled
from modelyard.core.names import Kind, LabelName, ModelName
from modelyard.core.tags import is_text
from modelyard.registry.labels import order
from modelyard.registry.schema import metrics, model_tags, models, properties, tags, versions
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow, dictionary, lock, model_id, pair, require_free_label


@dataclass(frozen=True)
class Measurement:
    """One value of a metric: at which step of training, on which data set, and when it was logged."""

    key: str
    value: float
    step: int | None
    dataset: str | None
    time: datetime


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """The metrics as floats. Raises InvalidMetric for what is not a finite number or has no name."""
    checked = {}
    for key, value in values.items():
        if not isinstance(key, str) or not key or not key.isprintable():
            raise InvalidMetric(key=key, value=value)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InvalidMetric(key=key, value=value) from None
        if not math.isfinite(number):
            raise InvalidMetric(key=key, value=value)
        checked[key] = number
    return checked


def set_tags(tx: Transaction, version: VersionRow, wanted: Mapping[str, str], reason: str = "") -> None:
    """Sets these keys and leaves the others; a ledger row only when something changes."""
    lock(tx, version.model_id)
    before = dictionary(tx.connection, tags, version.id)
    changed = {key: value for key, value in wanted.items() if before.get(key) != value}
    new = [key for key in changed if key not in before]
    for key, value in changed.items():
        if key in before:
            place = (tags.c.version_id == version.id, tags.c.key == key)
            tx.execute(update(tags).where(*place).values(**pair(key, value)))
    if new:
        owner = {"version_id": version.id, "model_id": version.model_id, "number": version.number}
        tx.connection.execute(insert(tags), [{**owner, **pair(key, changed[key])} for key in new])
    if changed:
        _record(tx, "tags.set", version, {key: before.get(key) for key in changed}, changed, reason)


def remove_tags(tx: Transaction, version: VersionRow, keys: Iterable[str], reason: str = "") -> None:
    """Removes these keys; one that is not there is no error."""
    lock(tx, version.model_id)
    before = dictionary(tx.connection, tags, version.id)
    gone = {key: before[key] for key in keys if key in before}
    if gone:
        tx.execute(delete(tags).where(tags.c.version_id == version.id, tags.c.key.in_(gone)))
        _record(tx, "tags.remove", version, gone, None, reason)


def add_properties(tx: Transaction, version: VersionRow, wanted: Mapping[str, str]) -> None:
    """Adds these keys, all or none. Raises PropertyExists for a key that has a value already, even the same one."""
    lock(tx, version.model_id)
    before = dictionary(tx.connection, properties, version.id)
    for key, value in wanted.items():
        if key in before:
            raise PropertyExists(reference=version.reference, key=key, value=before[key])
        tx.execute(insert(properties).values(version_id=version.id, **pair(key, value)))
    if wanted:
        _record(tx, "properties.add", version, None, dict(wanted))


def add_metrics(
    tx: Transaction,
    version: VersionRow,
    values: Mapping[str, float],
    *,
    step: int | None = None,
    dataset: str | None = None,
) -> None:
    """Appends these measurements, made at a ``step`` of training and on a ``dataset`` (a reference) where these are given; the last value of a key is its current one."""
    checked = finite(values)
    if not checked:
        return
    lock(tx, version.model_id)
    mine = (metrics.c.version_id == version.id, metrics.c.current == 1, metrics.c.key.in_(list(checked)))
    found = tx.connection.execute(select(metrics.c.key, metrics.c.value).where(*mine))
    before = {row.key: row.value for row in found}
    if before:
        tx.execute(update(metrics).where(*mine).values(current=0))
    row: dict[str, Any] = {
        "version_id": version.id,
        "model_id": version.model_id,
        "time": to_micros(tx.now()),
        "current": 1,
    }
    row |= {"step": step, "dataset": dataset}
    tx.connection.execute(insert(metrics), [{**row, "key": k, "value": v} for k, v in checked.items()])
    where = {name: value for name, value in (("step", step), ("dataset", dataset)) if value is not None}
    _record(tx, "metrics.log", version, before or None, checked, evidence=where or None)


def measurements(connection: Connection, version: VersionRow, key: str | None = None) -> list[Measurement]:
    """All that was measured of a version, in the order in which it was logged."""
    table = metrics.c
    query = select(table.key, table.value, table.step, table.dataset, table.time).where(table.version_id == version.id)
    if key is not None:
        query = query.where(table.key == key)
    found = connection.execute(query.order_by(table.id))
    return [Measurement(row.key, row.value, row.step, row.dataset, from_micros(row.time)) for row in found]


def describe(
    tx: Transaction, version: VersionRow, *, description: str | None = None, card: str | None = None, reason: str = ""
) -> None:
    """Replaces the description, the model card (Markdown), or both; None leaves it. A ledger row only when something changes."""
    lock(tx, version.model_id)
    here = versions.c.id == version.id
    _describe(tx, versions, here, version.kind, version.name, version.reference, description, card, reason)


def describe_model(
    tx: Transaction,
    kind: Kind,
    name: ModelName,
    *,
    description: str | None = None,
    card: str | None = None,
    reason: str = "",
) -> None:
    """The same for the model as a whole. Raises ModelNotFound."""
    owner = model_id(tx.connection, tx.workspace, kind, name)
    lock(tx, owner)
    _describe(tx, models, models.c.id == owner, kind, name, name, description, card, reason)


def set_label(tx: Transaction, version: VersionRow, label: LabelName, reason: str = "") -> None:
    """Gives a version its label, once: a label never comes to mean another version. Raises LabelTaken, VersionLabelled."""
    lock(tx, version.model_id)
    here = versions.c.id == version.id
    now = tx.execute(select(versions.c.label).where(here)).scalar_one()
    if now == label:
        return
    if now is not None:
        raise VersionLabelled(reference=version.reference, label=now, asked=label)
    require_free_label(tx.connection, version.kind, version.name, version.model_id, label)
    tx.execute(update(versions).where(here).values(label=label, label_order=order(label)))
    _record(tx, "version.label", version, None, {"label": label}, reason)


def tag_model(tx: Transaction, kind: Kind, name: ModelName, wanted: Mapping[str, str | None]) -> dict[str, str]:
    """Sets these tags of the model as a whole, removes those whose value is None, and leaves the others; those that it has then. Raises ModelNotFound."""
    owner = model_id(tx.connection, tx.workspace, kind, name)
    lock(tx, owner)
    before = model_dictionary(tx.connection, owner)
    changed = {key: value for key, value in wanted.items() if before.get(key) != value}
    if not changed:
        return before
    tx.execute(delete(model_tags).where(model_tags.c.model_id == owner, model_tags.c.key.in_(list(changed))))
    new = [{"model_id": owner, **pair(key, value)} for key, value in changed.items() if value is not None]
    if new:
        tx.connection.execute(insert(model_tags), new)
    then = {key: before.get(key) for key in changed}
    tx.record("model.tag", kind=kind, name=name, subject=name, before=then, after=changed)
    return model_dictionary(tx.connection, owner)


def model_dictionary(connection: Connection, owner: int) -> dict[str, str]:
    """The tags of a model as a whole."""
    query = select(model_tags.c.key, model_tags.c.value).where(model_tags.c.model_id == owner)
    return {row.key: row.value for row in connection.execute(query.order_by(model_tags.c.key))}


def _describe(
    tx: Transaction,
    table: Table,
    here: ColumnElement[bool],
    kind: Kind,
    name: str,
    subject: str,
    description: str | None,
    card: str | None,
    reason: str,
) -> None:
    asked = {"description": description, "card": card}
    for what, text in asked.items():
        if text is not None and not (isinstance(text, str) and is_text(text)):
            raise InvalidInput(message=f"a {what} is text, and {text!r} is not")
    found = tx.execute(select(table.c.description, table.c.card).where(here)).one()._mapping
    changed = {what: text for what, text in asked.items() if text is not None and found[what] != text}
    if not changed:
        return
    tx.execute(update(table).where(here).values(**changed))
    action = "model.describe" if table is models else "version.describe"
    then = {what: found[what] for what in changed}
    tx.record(action, kind=kind, name=name, subject=subject, before=then, after=changed, reason=reason)


def _record(
    tx: Transaction,
    action: str,
    version: VersionRow,
    before: object,
    after: object,
    reason: str = "",
    evidence: object = None,
) -> None:
    tx.record(
        action,
        kind=version.kind,
        name=version.name,
        subject=version.reference,
        before=before,
        after=after,
        reason=reason,
        evidence=evidence,
    )
