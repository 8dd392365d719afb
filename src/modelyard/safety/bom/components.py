"""The components of a BOM: files, data, libraries, and what a version was trained from."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from modelyard.core.digests import Digest
from modelyard.safety.bom.subject import Source, Subject

LICENSES = frozenset(
    {
        "AFL-3.0",
        "AGPL-3.0-only",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "EPL-2.0",
        "EUPL-1.2",
        "GPL-2.0-only",
        "GPL-3.0-only",
        "ISC",
        "LGPL-3.0-only",
        "MIT",
        "MPL-2.0",
        "ODbL-1.0",
        "Unlicense",
        "Zlib",
    }
)
"""Identifiers of SPDX that models are given; any other license stands by its name."""

_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)")


def hashes(digest: str) -> list[dict[str, str]]:
    """The SHA-256 as CycloneDX writes it."""
    return [{"alg": "SHA-256", "content": Digest(digest).hex}]


def files(subject: Subject) -> list[dict[str, Any]]:
    """Each file with its hash and size."""
    return [
        {
            "type": "file",
            "bom-ref": f"{subject.reference}#{quote(file.path)}",
            "name": file.path,
            "hashes": hashes(file.digest),
            "properties": [{"name": "modelyard:size", "value": str(file.size)}],
        }
        for file in subject.manifest.files
    ]


def data(subject: Subject) -> list[dict[str, Any]]:
    """The data sets that it was made from, each once, with all their roles."""
    found: dict[tuple[str, int], list[Source]] = {}
    for source in subject.sources:
        if source.kind == "dataset":
            found.setdefault((source.name, source.number), []).append(source)
    return [
        {
            "type": "data",
            "bom-ref": f"dataset:{name}/{number}",
            "name": name,
            "version": str(number),
            "hashes": hashes(listed[0].digest),
            "data": [{"type": "dataset", "name": f"{name}/{number}"}],
            "properties": [{"name": "modelyard:role", "value": role} for role in sorted({one.role for one in listed})],
        }
        for (name, number), listed in sorted(found.items())
    ]


def libraries(subject: Subject) -> list[dict[str, Any]]:
    """The distributions that were installed when it was made, in the order of their names; one a name."""
    listed = (subject.provenance.get("environment") or {}).get("distributions") or []
    found = {entry["name"]: _library(entry) for entry in listed}
    return [found[name] for name in sorted(found)]


def _library(entry: Mapping[str, Any]) -> dict[str, Any]:
    name, version = entry["name"], entry["version"]
    purl = f"pkg:pypi/{quote(name)}@{quote(version, safe='')}"
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    url = as_url(entry.get("url"))
    if url is not None:
        comment = f"commit {entry['commit']}" if entry.get("commit") else None
        reference = {"type": "vcs" if entry.get("commit") else "distribution", "url": url}
        component["externalReferences"] = [reference | ({"comment": comment} if comment else {})]
    return component


def pedigree(subject: Subject) -> dict[str, Any]:
    """The model that it was trained from, and the commit of the code that did it."""
    bases = [source for source in subject.sources if source.kind == "model"]
    git = subject.provenance.get("git") or {}
    found: dict[str, Any] = {}
    if bases:
        found["ancestors"] = [
            {
                "type": "machine-learning-model",
                "name": one.name,
                "version": str(one.number),
                "hashes": hashes(one.digest),
            }
            for one in bases
        ]
    if git.get("commit"):
        url = as_url(git.get("remote"))
        found["commits"] = [{"uid": git["commit"], **({"url": url} if url else {})}]
        if git.get("dirty"):
            found["notes"] = "There were uncommitted changes; they are kept with the version."
    return found


def references(subject: Subject) -> Iterator[dict[str, Any]]:
    """Where the code and the build are, and the documents of the yard on this version, by what they are."""
    git, build = subject.provenance.get("git") or {}, subject.provenance.get("build") or {}
    if url := as_url(git.get("remote")):
        yield {"type": "vcs", "url": url, **({"comment": f"commit {git['commit']}"} if git.get("commit") else {})}
    if url := as_url(build.get("url")):
        number = f" {build['number']}" if build.get("number") else ""
        yield {"type": "build-system", "url": url, "comment": f"{build.get('system')}{number}"}
    for kind, digest, comment in subject.reports:
        found = {"signature": "digital-signature", "scan": "static-analysis-report"}.get(kind, "other")
        yield {"type": found, "url": named_information(digest), "comment": comment, "hashes": hashes(digest)}


def license_of(subject: Subject) -> list[dict[str, Any]]:
    """The license that a property or a tag names."""
    said = subject.said("license", "licence")
    if said is None:
        return []
    known = {name.lower(): name for name in LICENSES}
    if said.lower() in known:
        return [{"license": {"id": known[said.lower()]}}]
    return [{"license": {"name": said}}]


def named_information(digest: str) -> str:
    """A name for bytes by what they are (RFC 6920).

    >>> named_information("sha256:" + "00" * 32)
    'ni:///sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(Digest(digest).hex)).rstrip(b"=").decode()


def as_url(text: object) -> str | None:
    """A remote of git, or another address, as a URL; None for a path on somebody's disk.

    >>> as_url("git@example.com:team/fraud.git")
    'ssh://git@example.com/team/fraud.git'
    >>> as_url("/home/ana/fraud")
    """
    if not isinstance(text, str) or not text or text.startswith(("/", ".", "file:")):
        return None
    if "://" not in text:
        found = _SCP.fullmatch(text)
        if found is None:
            return None
        user = text.partition("@")[0] + "@" if "@" in text.partition(":")[0] else ""
        text = f"ssh://{user}{found[1]}/{found[2]}"
    return quote(text, safe=":/?#[]@!$&'()*+,;=%~-._")
