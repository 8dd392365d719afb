"""What may be added to a version later: tags (mutable, a key at a time), properties (write-once a key), metrics (appended)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, insert, select, update

from modelyard.core.clock import to_micros
from modelyard.core.errors import InvalidMetric, PropertyExists
from modelyard.registry.schema import metrics, properties, tags
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow, dictionary


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


def set_tags(tx: Transaction, version: VersionRow, wanted: Mapping[str, str]) -> None:
    """Sets these keys and leaves the others; a ledger row only when something changes."""
    before = dictionary(tx.connection, tags, version.id)
    changed = {key: value for key, value in wanted.items() if before.get(key) != value}
    for key, value in changed.items():
        if key in before:
            place = (tags.c.version_id == version.id, tags.c.key == key)
            tx.execute(update(tags).where(*place).values(value=value))
        else:
            tx.execute(insert(tags).values(version_id=version.id, key=key, value=value))
    if changed:
        _record(tx, "tags.set", version, {key: before.get(key) for key in changed}, changed)


def remove_tags(tx: Transaction, version: VersionRow, keys: Iterable[str]) -> None:
    """Removes these keys; one that is not there is no error."""
    before = dictionary(tx.connection, tags, version.id)
    gone = {key: before[key] for key in keys if key in before}
    if gone:
        tx.execute(delete(tags).where(tags.c.version_id == version.id, tags.c.key.in_(gone)))
        _record(tx, "tags.remove", version, gone, None)


def add_properties(tx: Transaction, version: VersionRow, wanted: Mapping[str, str]) -> None:
    """Adds these keys, all or none. Raises PropertyExists for a key that has a value already, even the same one."""
    before = dictionary(tx.connection, properties, version.id)
    for key, value in wanted.items():
        if key in before:
            raise PropertyExists(reference=version.reference, key=key, value=before[key])
        tx.execute(insert(properties).values(version_id=version.id, key=key, value=value))
    if wanted:
        _record(tx, "properties.add", version, None, dict(wanted))


def add_metrics(tx: Transaction, version: VersionRow, values: Mapping[str, float]) -> None:
    """Appends these measurements; the last value of a key is its current one."""
    checked = finite(values)
    if not checked:
        return
    query = select(metrics.c.key, metrics.c.value).where(metrics.c.version_id == version.id).order_by(metrics.c.id)
    before = {key: value for key, value in tx.connection.execute(query) if key in checked}
    when = to_micros(tx.now())
    tx.connection.execute(
        insert(metrics), [{"version_id": version.id, "key": k, "value": v, "time": when} for k, v in checked.items()]
    )
    _record(tx, "metrics.log", version, before or None, checked)


def _record(tx: Transaction, action: str, version: VersionRow, before: object, after: object) -> None:
    tx.record(action, kind=version.kind, name=version.name, subject=version.reference, before=before, after=after)
