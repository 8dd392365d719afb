"""All files that a yard has promised to keep, and whose they are: manifests, the files in them, provenance, its attachments, reference profiles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelyard.client.promises import Promise, promised_in_ledger, promises
from modelyard.core.digests import Digest, is_digest
from modelyard.core.errors import Damaged
from modelyard.store import Manifest

if TYPE_CHECKING:
    from modelyard.client.seat import Seat

MANIFEST, PROVENANCE, PROFILE, REPORT = "the manifest", "the provenance", "the reference profile", "a report"

Read = Callable[[Digest, str], bytes]
"""The bytes of a small file, given with its name for people; raises Damaged."""


@dataclass(frozen=True)
class Version:
    """A version, archived ones too: ``model fraud/3``, the digests of its manifest, its provenance and the reports on it."""

    told: str
    digest: Digest
    provenance: Digest | None
    documents: tuple[Digest, ...] = ()


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


def versions(workspace: Seat) -> tuple[Version, ...]:
    """All versions of the yard, by kind, name and number."""
    return _valid(promises(workspace))


def kept(workspace: Seat, read: Read) -> Kept:
    """Everything that the versions of the yard refer to, and those that the ledger says were registered; ``read`` reads the documents that say so."""
    found = Kept(versions(workspace))
    manifests: dict[Digest, Manifest | None] = {}
    documents: dict[Digest, list[tuple[str, Digest, int | None]]] = {}
    known = {(version.told, version.digest, version.provenance) for version in found.versions}
    unlisted = [
        version
        for version in _valid(promised_in_ledger(workspace))
        if (version.told, version.digest, version.provenance) not in known
    ]
    for version in dict.fromkeys((*found.versions, *unlisted)):
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
        for document in version.documents:
            found.add(document, version.told, REPORT)
    return found


def _valid(found: Iterable[Promise]) -> tuple[Version, ...]:
    """Without one whose digest is none, which the comparison with the ledger tells of."""
    return tuple(
        Version(
            promise.told,
            Digest(promise.digest),
            Digest(promise.provenance) if promise.provenance else None,
            tuple(Digest(document) for document in promise.documents if is_digest(document)),
        )
        for promise in found
        if is_digest(promise.digest) and (not promise.provenance or is_digest(promise.provenance))
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
