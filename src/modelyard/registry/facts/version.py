"""The facts of a version, as gates see them.

====================================  ============================================================================================
``name number label digest flavor``   what it is; ``size`` in bytes, ``files``, ``description``, ``created_by``, ``created_time``
``tags.x``, ``properties.x``          text
``inputs.training``                   the data sets that it was made from, by role
``metrics.x``                         the last value
``measured_on["flights/3"].x``        the last value on that data set
``provenance.git.dirty`` …            the whole provenance document
``scan.verdict``, ``scan.issues`` …   of the last safety scan
``signatures.count``                  of these bytes, as they were kept; ``keys`` are the fingerprints
``approvals.count``                   persons who approve it for this alias; ``actors``, ``rejections``
``signature.compatible``              whether callers of the alias can go on unchanged; ``problems``, ``inputs.x``, ``outputs.x``
``drift.score``                       of live traffic; ``drifted``, ``alerts``, ``rows``, ``end``, ``quality.x``
``alias.…``                           all of these of the version that the alias points to now
====================================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from modelyard.core.names import LabelName, stored
from modelyard.registry import schema, versions
from modelyard.registry.facts import compatibility
from modelyard.registry.facts.documents import Documents
from modelyard.registry.facts.lazy import Facts, Lookup
from modelyard.registry.facts.monitored import drift_of
from modelyard.registry.policies.decisions import Decision, persons, standing
from modelyard.registry.versions import VersionRow


def facts_of(connection: Connection, workspace: str, version: VersionRow, documents: Documents) -> Facts:
    """Everything known of a version by itself."""
    lookups: dict[str, Lookup] = {
        "label": lambda: None if version.label is None else stored(LabelName, version.label),
        "description": lambda: version.description,
        "tags": lambda: versions.dictionary(connection, schema.tags, version.id),
        "properties": lambda: versions.dictionary(connection, schema.properties, version.id),
        "metrics": lambda: versions.measured(connection, version.id),
        "measured_on": lambda: measured_on(connection, version),
        "scan": lambda: (summaries(connection, version, "scan") or [{}])[-1],
        "signatures": lambda: signatures(summaries(connection, version, "signature"), version.digest),
        "provenance": lambda: (documents.read(version.provenance) if version.provenance else None) or {},
        "signature": lambda: columns(version, documents),
        "drift": lambda: drift_of(connection, workspace, version.name, version.number),
    }
    return Facts({**fixed(connection, version), **lookups})


def facts_of_move(
    connection: Connection,
    workspace: str,
    version: VersionRow,
    pointed: VersionRow | None,
    decisions: Sequence[Decision],
    now: datetime,
    documents: Documents,
) -> Facts:
    """The facts of a version that is to take the place of the one that an alias points to."""
    current = None if pointed is None else facts_of(connection, workspace, pointed, documents)
    told: dict[str, Lookup] = {
        "approvals": lambda: approvals_of(decisions, version.digest, now),
        "signature": lambda: compatible(version, pointed, documents),
        "alias": lambda: current,
    }
    return facts_of(connection, workspace, version, documents).with_facts(told)


def fixed(connection: Connection, version: VersionRow) -> dict[str, Lookup]:
    """The facts of a version that never change."""
    return {
        "name": lambda: str(version.name),
        "number": lambda: version.number,
        "digest": lambda: version.digest,
        "flavor": lambda: version.flavor,
        "size": lambda: version.size,
        "files": lambda: version.files,
        "created_by": lambda: version.created_by,
        "created_time": lambda: version.created_time,
        "inputs": lambda: _inputs(connection, version),
    }


def compatible(version: VersionRow, pointed: VersionRow | None, documents: Documents) -> Mapping[str, Any]:
    """The signature of a version, held against that of the version which an alias points to."""
    mine = signature_document(version, documents)
    theirs = None if pointed is None else signature_document(pointed, documents)
    return compatibility.facts_of(mine, theirs, first=pointed is None)


def columns(version: VersionRow, documents: Documents) -> Mapping[str, Any]:
    """The signature of a version, held against no other."""
    return compatibility.facts_of(signature_document(version, documents), None, first=False)


def signature_document(version: VersionRow, documents: Documents) -> Mapping[str, Any] | None:
    """What its manifest says of the columns that it takes and gives."""
    manifest = documents.read(version.digest) or {}
    found: Mapping[str, Any] | None = (manifest.get("facts") or {}).get("signature")
    return found


def approvals_of(decisions: Sequence[Decision], digest: str, now: datetime) -> dict[str, Any]:
    """Who is for it and who is against it, whether or not a policy would count them."""
    said = standing(decisions, digest, now)
    good = persons([decision for decision in said if decision.word == "approve"])
    bad = [decision for decision in said if decision.word == "reject"]
    return {
        "count": len(good),
        "actors": [decision.actor for decision in good],
        "rejections": len(bad),
        "rejected_by": [decision.actor for decision in bad],
    }


def measured_on(connection: Connection, version: VersionRow, until: int | None = None) -> dict[str, dict[str, float]]:
    """The last value of each metric by data set; those measured ``until`` then, in microseconds."""
    table = schema.metrics.c
    query = select(table.dataset, table.key, table.value).where(
        table.version_id == version.id, table.dataset.is_not(None)
    )
    if until is not None:
        query = query.where(table.time <= until)
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(query.order_by(table.id)):
        found.setdefault(row.dataset, {})[row.key] = row.value
    return found


def summaries(
    connection: Connection, version: VersionRow, kind: str, until: int | None = None
) -> list[Mapping[str, Any]]:
    """What the reports of a kind say, the oldest first; those made ``until`` then, in microseconds."""
    table = schema.reports.c
    query = select(table.summary).where(table.version_id == version.id, table.kind == kind).order_by(table.id)
    return list(connection.execute(query if until is None else query.where(table.time <= until)).scalars())


def signatures(found: Sequence[Mapping[str, Any]], digest: str) -> Mapping[str, Any]:
    """How many signatures of these bytes were kept, and the fingerprints of their keys. Whether they hold is for those to say who have the keys."""
    mine = [each for each in found if each.get("digest") == digest]
    return {"count": len(mine), "keys": list(dict.fromkeys(str(each.get("key")) for each in mine))}


def _inputs(connection: Connection, version: VersionRow) -> dict[str, frozenset[str]]:
    listed = versions.inputs_of(connection, version.id)
    return {role: frozenset(row.reference for each, row in listed if each == role) for role, _ in listed}
