"""All files that a yard has promised to keep, and whose they are: manifests, the files in them, provenance, its attachments, reference profiles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from modelyard.core.digests import Digest, is_digest
from modelyard.core.errors import Damaged
from modelyard.registry import schema
from modelyard.store import Manifest

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

MANIFEST, PROVENANCE, PROFILE = "the manifest", "the provenance", "the reference profile"

Read = Callable[[Digest, str], bytes]
"""The bytes of a small file, given with its name for people; raises Damaged."""


@dataclass(frozen=True)
class Version:
    """A version, archived ones too: ``model fraud/3``, the digests of its manifest and of its provenance."""

    told: str
    digest: Digest
    provenance: Digest | None


@dataclass
class Kept:
    """``sizes`` are the digests of all files with their sizes where they are known; ``owners`` the versions, and the names, that a file has."""

    versions: tuple[Version, ...] = ()
    sizes: dict[Digest, int | None] = field(default_factory=dict)
    owners: dict[Digest, list[tuple[str, str]]] = field(default_factory=dict)
    unreadable: dict[Digest, Damaged] = field(default_factory=dict)
    """Documents that name further files and cannot be read: what they name is not in ``sizes``."""

    def add(self, digest: Digest, owner: str, name: str, size: int | None = None) -> None:
        if self.sizes.get(digest) is None:
            self.sizes[digest] = size
        self.owners.setdefault(digest, []).append((owner, name))


def versions(workspace: Workspace) -> tuple[Version, ...]:
    """All versions of the yard, by kind, name and number."""
    models, table = schema.models.c, schema.versions.c
    query = select(models.kind, models.name, table.number, table.digest, table.provenance).join(
        schema.models, table.model_id == models.id
    )
    with workspace.registry.read() as connection:
        rows = connection.execute(query.order_by(models.kind.desc(), models.name, table.number)).all()
    return _valid((f"{row.kind} {row.name}/{row.number}", row.digest, row.provenance) for row in rows)


def kept(workspace: Workspace, read: Read) -> Kept:
    """Everything that the versions of the yard refer to, and those that the ledger says were registered; ``read`` reads the documents that say so."""
    found = Kept(versions(workspace))
    manifests: dict[Digest, Manifest | None] = {}
    documents: dict[Digest, list[tuple[str, Digest, int | None]]] = {}
    for version in dict.fromkeys((*found.versions, *_in_ledger(workspace))):
        found.add(version.digest, version.told, MANIFEST)
        if version.digest not in manifests:
            manifests[version.digest] = _manifest(found, read, version.digest)
        manifest = manifests[version.digest]
        if manifest is not None:
            for file in manifest.files:
                found.add(file.digest, version.told, file.path, file.size)
            if profile := manifest.facts.get("profile"):
                found.add(Digest(profile), version.told, PROFILE)
        if version.provenance is not None:
            found.add(version.provenance, version.told, PROVENANCE)
            if version.provenance not in documents:
                documents[version.provenance] = _attachments(found, read, version.provenance)
            for name, digest, size in documents[version.provenance]:
                found.add(digest, version.told, name, size)
    return found


def _in_ledger(workspace: Workspace) -> tuple[Version, ...]:
    table = schema.ledger.c
    query = select(table.kind, table.subject, table.after).where(table.action == "version.register")
    with workspace.registry.read() as connection:
        rows = connection.execute(query.order_by(table.sequence)).all()
    return _valid((f"{row.kind} {row.subject}", row.after["digest"], row.after.get("provenance")) for row in rows)


def _valid(rows: Iterable[tuple[str, str, str | None]]) -> tuple[Version, ...]:
    """Without a row whose digest is none, which the comparison with the ledger tells of."""
    return tuple(
        Version(told, Digest(digest), Digest(provenance) if provenance else None)
        for told, digest, provenance in rows
        if is_digest(digest) and (not provenance or is_digest(provenance))
    )


def _manifest(found: Kept, read: Read, digest: Digest) -> Manifest | None:
    try:
        return Manifest.from_bytes(read(digest, MANIFEST))
    except Damaged as error:
        found.unreadable[digest] = error
        return None


def _attachments(found: Kept, read: Read, digest: Digest) -> list[tuple[str, Digest, int | None]]:
    try:
        document = json.loads(read(digest, PROVENANCE))
    except Damaged as error:
        found.unreadable[digest] = error
        return []
    attached = document.get("attachments", {})
    return [(name, Digest(each["digest"]), each.get("size")) for name, each in attached.items()]
