"""All stored files that the versions of a yard refer to: what `gc` must leave, and what `stats` counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from modelyard.core.digests import Digest
from modelyard.core.errors import CollectionRefused, Damaged, InvalidDigest
from modelyard.registry import schema
from modelyard.store import Manifest
from modelyard.store.upkeep.reachability import Roots, read_all

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


@dataclass(frozen=True)
class Identity:
    """What a version is, and where it came from: the digests of its manifest and of its provenance."""

    digest: Digest
    provenance: Digest | None


def roots(workspace: Workspace) -> Roots:
    """Every stored file that any version refers to: those in the database, archived ones too, and those that the ledger says were registered.

    Raises CollectionRefused where this cannot be known.
    """
    everyone = {*(identity for _, _, identity in versions(workspace)), *_in_ledger(workspace)}
    problems: list[str] = []
    found = roots_of(workspace, everyone, problems)
    if problems:
        raise CollectionRefused(problem=problems[0].split(";")[0])
    return Roots(files=frozenset().union(*(each.files for each in found.values())))


def versions(workspace: Workspace) -> list[tuple[str, int, Identity]]:
    """Each version of the yard with what a person calls it and its bytes, models before data sets. Raises CollectionRefused for a row that names no digest."""
    models, table = schema.models.c, schema.versions.c
    query = select(models.kind, models.name, table.number, table.digest, table.provenance, table.size).join(
        schema.models, table.model_id == models.id
    )
    with workspace.registry.read() as connection:
        rows = connection.execute(query.order_by(models.kind.desc(), models.name, table.number)).all()
    return [
        (
            f"{row.kind} {row.name}/{row.number}",
            row.size,
            _identity(row.digest, row.provenance, f"{row.name}/{row.number}"),
        )
        for row in rows
    ]


def roots_of(workspace: Workspace, identities: Iterable[Identity], problems: list[str]) -> Mapping[Identity, Roots]:
    """The stored files of each version: its manifest, the files in it, the reference profile, the provenance and its attachments. What cannot be
    read is added to ``problems``, and what it names is then left out."""
    listed = set(identities)
    files = workspace.store.files
    within: dict[Digest, frozenset[Digest]] = {}
    for digest, content in read_all(files, {each.digest for each in listed}, "manifest", problems):
        within[digest] = _named_by_manifest(digest, content, problems)
    documents = {each.provenance for each in listed if each.provenance is not None}
    for digest, content in read_all(files, documents, "provenance", problems):
        within[digest] = _named_by_provenance(digest, content, problems)
    found: dict[Identity, Roots] = {}
    for each in listed:
        named = {each.digest, *within.get(each.digest, ())}
        if each.provenance is not None:
            named |= {each.provenance, *within.get(each.provenance, ())}
        found[each] = Roots(files=frozenset(named))
    return found


def _named_by_manifest(digest: Digest, content: bytes, problems: list[str]) -> frozenset[Digest]:
    try:
        manifest = Manifest.from_bytes(content)
        profile = manifest.facts.get("profile")
        return frozenset((*(file.digest for file in manifest.files), *([Digest(profile)] if profile else ())))
    except (Damaged, InvalidDigest) as error:
        problems.append(f"manifest {digest} cannot be understood: {error}")
        return frozenset()


def _named_by_provenance(digest: Digest, content: bytes, problems: list[str]) -> frozenset[Digest]:
    try:
        return frozenset(Digest(kept["digest"]) for kept in json.loads(content).get("attachments", {}).values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problems.append(f"provenance {digest} cannot be understood: {error}")
        return frozenset()


def _in_ledger(workspace: Workspace) -> list[Identity]:
    table = schema.ledger.c
    query = select(table.subject, table.after).where(table.action == "version.register")
    with workspace.registry.read() as connection:
        rows = connection.execute(query).all()
    return [_identity(row.after["digest"], row.after.get("provenance"), row.subject) for row in rows]


def _identity(digest: str, provenance: str | None, told: str) -> Identity:
    try:
        return Identity(Digest(digest), Digest(provenance) if provenance else None)
    except InvalidDigest as error:
        raise CollectionRefused(problem=f"the database says of {told} what is no digest: {error}") from error
