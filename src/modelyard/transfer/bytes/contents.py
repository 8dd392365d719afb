"""Which files a version is made of: its manifest, the files in that, the reference profile, the provenance and what is attached to it, its reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, InvalidDigest
from modelyard.store import Manifest
from modelyard.transfer.records import Report, Version

Read = Callable[[Digest, str], bytes]
"""The verified bytes of a small file, given with its name for people."""


class Named(NamedTuple):
    """A stored file, and what a person calls it."""

    digest: Digest
    file: str


def files_of(version: Version, told: str, read: Read) -> Iterator[Named]:
    """The files of a version that ``told`` names for people; the documents that name others are read when it is their turn.

    Raises CorruptBlob for a document that does not agree with what the version says, and what ``read`` raises.
    """
    manifest = _manifest(version, told, read)
    yield Named(Digest(version.digest), f"the manifest of {told}")
    for file in manifest.files:
        yield Named(file.digest, f"{told}: {file.path}")
    if profile := manifest.facts.get("profile"):
        yield Named(_digest(profile, told), f"the reference profile of {told}")
    if version.provenance is not None:
        provenance = Named(Digest(version.provenance), f"the provenance of {told}")
        document = read(*provenance)
        yield provenance
        for name, digest in attachments(document, told):
            yield Named(digest, f"{name} of {told}")
    yield from reports_of(version.reports, told)


def reports_of(reports: Iterable[Report], told: str) -> Iterator[Named]:
    """The documents of reports."""
    for report in reports:
        if report.document is not None:
            yield Named(_digest(report.document, told), f"the {report.kind} report of {told}")


def _manifest(version: Version, told: str, read: Read) -> Manifest:
    manifest = Manifest.from_bytes(read(Digest(version.digest), f"the manifest of {told}"))
    flavor = manifest.facts.get("flavor")
    found = (manifest.size, len(manifest.files), flavor.get("name") if isinstance(flavor, dict) else None)
    said = (version.size, version.files, version.flavor)
    if found != said:
        words = "{} bytes in {} files of flavor {}"
        raise CorruptBlob(
            file=f"the manifest of {told}", offset=0, expected=words.format(*said), found=words.format(*found)
        )
    return manifest


def attachments(document: bytes, told: str) -> Iterator[tuple[str, Digest]]:
    """What is attached to the provenance of a version, by name. Raises CorruptBlob."""
    try:
        listed: dict[str, Any] = json.loads(document).get("attachments", {})
        for name, each in listed.items():
            yield name, Digest(each["digest"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptBlob(
            file=f"the provenance of {told}", offset=0, expected="a list of attachments", found=error
        ) from None


def _digest(text: Any, told: str) -> Digest:
    try:
        return Digest(text)
    except InvalidDigest as error:
        raise CorruptBlob(file=f"a document of {told}", offset=0, expected="a digest", found=error) from None
