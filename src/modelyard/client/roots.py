"""All stored files that the versions of a yard refer to: what `gc` must leave, and what `stats` counts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelyard.client.promises import Promise, promised_in_ledger, promises
from modelyard.core.digests import Digest
from modelyard.core.errors import CollectionRefused, Damaged, InvalidDigest
from modelyard.store import Manifest
from modelyard.store.upkeep.reachability import Roots, read_all

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


@dataclass(frozen=True)
class Identity:
    """What a version is, where it came from, and what was found of it: the digests of its manifest, its provenance and the reports on it."""

    digest: Digest
    provenance: Digest | None
    documents: tuple[Digest, ...] = ()


def roots(workspace: Seat, but: Collection[str] = ()) -> Roots:
    """Every stored file that any version refers to: those in the database, archived and deleted ones too, and those that the ledger says were registered.

    The versions called ``but`` are left out. Raises CollectionRefused where this cannot be known.
    """
    everyone = {
        _identity(promise)
        for promise in (*promises(workspace), *promised_in_ledger(workspace))
        if promise.told not in but
    }
    problems: list[str] = []
    found = roots_of(workspace, everyone, problems)
    if problems:
        raise CollectionRefused(problem=problems[0].split(";")[0])
    return Roots(files=frozenset().union(*(each.files for each in found.values())))


def versions(workspace: Seat) -> list[tuple[str, int, Identity]]:
    """Each version of the yard with what a person calls it and its bytes, models before data sets. Raises CollectionRefused for a row that names no digest."""
    return [(promise.told, promise.size, _identity(promise)) for promise in promises(workspace)]


def roots_of(workspace: Seat, identities: Iterable[Identity], problems: list[str]) -> Mapping[Identity, Roots]:
    """The stored files of each version: its manifest, the files in it, the reference profile, the provenance and its attachments, and reports. What cannot be
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
        named = {each.digest, *within.get(each.digest, ()), *each.documents}
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


def _identity(promise: Promise) -> Identity:
    try:
        return Identity(
            Digest(promise.digest),
            Digest(promise.provenance) if promise.provenance else None,
            tuple(Digest(document) for document in promise.documents),
        )
    except InvalidDigest as error:
        raise CollectionRefused(problem=f"the database says of {promise.told} what is no digest: {error}") from error
