"""Parcels as JSON, and back: the records of a bundle. What comes back is what the tables can hold, or ``ValueError``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any

from modelyard.core.clock import from_micros, to_micros
from modelyard.registry.ledger import LedgerRow
from modelyard.transfer.bundle import values
from modelyard.transfer.records import Alias, Approval, Input, Metric, Model, Parcel, Policy, Report, Version

_WORD, _NAME, _KEY, _TEXT = values.text(64, least=1), values.text(255), values.text(250, least=1), values.text()
_KIND = values.one_of("model", "dataset")
_TAGS = values.mapped(_KEY, _TEXT)
_FLAG = values.integer(0, 1)
_STATE_TIME = values.optional(values.time)

_METRIC = values.made(
    Metric,
    {
        "key": _KEY, "value": values.number, "step": values.optional(values.integer(-(2**63), 2**63 - 1)),
        "dataset": values.optional(values.text(400)), "time": values.time, "current": _FLAG,
    },
)  # fmt: skip
_REPORT = values.made(
    Report,
    {
        "kind": values.text(32, least=1), "tool": values.text(128), "summary": values.document,
        "document": values.optional(values.digest), "time": values.time, "actor": _NAME,
    },
)  # fmt: skip
_INPUT = values.made(
    Input, {"role": values.text(64), "kind": _KIND, "name": values.model_name, "number": values.version_number}
)
_APPROVAL = values.made(
    Approval,
    {
        "number": values.version_number, "digest": values.digest, "alias": values.alias_name,
        "decision": values.one_of("approve", "reject"), "reason": _TEXT, "actor": _NAME, "time": values.time,
        "expires": values.optional(values.time), "withdrawn": values.optional(values.time),
    },
)  # fmt: skip
_ALIAS = values.made(Alias, {"number": values.version_number, "moved_time": values.time, "moved_by": _NAME})
_POLICY = values.made(Policy, {"document": values.document, "set_time": values.time, "set_by": _NAME})
_MODEL = values.made(
    Model,
    {
        "kind": _KIND, "name": values.model_name, "next_number": values.version_number, "description": _TEXT, "card": _TEXT,
        "state": values.one_of("active", "archived", "deleted"), "state_time": _STATE_TIME, "created_time": values.time,
        "created_by": _NAME, "tags": _TAGS,
    },
)  # fmt: skip
_VERSION = values.made(
    Version,
    {
        "number": values.version_number, "label": values.optional(values.label_name), "digest": values.digest,
        "provenance": values.optional(values.digest), "lineage": values.document, "flavor": _WORD, "size": values.size,
        "files": values.integer(0, values.NUMBER_LIMIT), "description": _TEXT, "card": _TEXT,
        "state": values.one_of("active", "archived", "deleted", "purged"), "state_time": _STATE_TIME,
        "created_time": values.time, "created_by": _NAME, "tags": _TAGS, "properties": _TAGS,
        "metrics": values.listed(_METRIC), "reports": values.listed(_REPORT), "inputs": values.listed(_INPUT),
    },
)  # fmt: skip
_ORIGIN = {
    "yard": _WORD, "sequence": values.sequence, "time": values.time, "previous": values.hash_text, "hash": values.hash_text
}  # fmt: skip
_ROW: Mapping[str, values.Check] = {
    "sequence": values.sequence, "time": values.time, "actor": _NAME, "action": _WORD, "workspace": _NAME,
    "kind": values.text(16, least=1), "name": _NAME, "subject": values.text(400), "before": values.document, "after": values.document,
    "reason": _TEXT, "evidence": values.document, "previous": values.hash_text, "hash": values.hash_text,
    "origin": values.optional(lambda value: values.fields(value, _ORIGIN)),
}  # fmt: skip


def row_to_json(row: LedgerRow) -> dict[str, Any]:
    """A ledger row as it is hashed; times are microseconds."""
    return {name: to_micros(row.time) if name == "time" else getattr(row, name) for name in _ROW}


def row_from_json(value: Any) -> LedgerRow:
    """The inverse of :func:`row_to_json`."""
    found = values.fields(value, _ROW)
    time = from_micros(found["time"])
    happened = time if found["origin"] is None else from_micros(found["origin"]["time"])
    return LedgerRow(**{**found, "time": time, "happened": happened})


_PARCEL = values.made(
    Parcel,
    {
        "model": _MODEL, "versions": values.listed(_VERSION), "aliases": values.mapped(values.alias_name, values.optional(_ALIAS)),
        "policies": values.mapped(values.alias_name, _POLICY), "protection": values.mapped(values.alias_name, values.document),
        "approvals": values.listed(_APPROVAL), "rows": values.listed(row_from_json),
    },
)  # fmt: skip


def parcel_to_json(parcel: Parcel) -> dict[str, Any]:
    """A parcel as a JSON object."""
    return {
        **{name: _plain(getattr(parcel, name)) for name in _of(parcel) if name != "rows"},
        "rows": [row_to_json(row) for row in parcel.rows],
    }


def parcel_from_json(value: Any) -> Parcel:
    """The inverse of :func:`parcel_to_json`. Raises ``ValueError``."""
    parcel = _PARCEL(value)
    for what, listed in (
        ("number", [version.number for version in parcel.versions]),
        ("label", [version.label for version in parcel.versions if version.label is not None]),
    ):
        if len(set(listed)) != len(listed):
            raise ValueError(f"{parcel.model.told} has a {what} twice")
    subjects = {parcel.model.name, *(f"{parcel.model.name}/{version.number}" for version in parcel.versions)}
    subjects |= {f"{parcel.model.name}@{alias}" for alias in parcel.aliases}
    for row in parcel.rows:
        if (row.kind, row.name) != (parcel.model.kind, parcel.model.name) or row.subject not in subjects:
            raise ValueError(f"ledger row {row.sequence} is of {row.kind} {row.subject}, not of what comes with it")
    return parcel


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _of(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _of(value: Any) -> list[str]:
    return [each.name for each in fields_of(value)]
