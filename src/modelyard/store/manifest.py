"""The manifest: the canonical list of what a version is. Its digest is the digest of the version.

Equal content gives an equal manifest, whoever registers it and whenever: where the version came from is kept beside it, not in it
(``docs/decisions/digest-of-a-version.md``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from modelyard.core.digests import Digest, canonical_json
from modelyard.core.errors import CorruptBlob

MANIFEST_FORMAT = 1


@dataclass(frozen=True)
class ManifestFile:
    """One file: a relative path with ``/``, its size in bytes and its SHA-256."""

    path: str
    size: int
    digest: Digest


@dataclass(frozen=True)
class Manifest:
    """``files`` sorted by path; ``facts`` whatever else identifies the version (flavor, signature, profile), JSON-able."""

    kind: str
    files: tuple[ManifestFile, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def file(self, path: str) -> ManifestFile | None:
        """The file at a path."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, ManifestFile]:
        return {file.path: file for file in self.files}

    def to_bytes(self) -> bytes:
        files = [{"path": f.path, "size": f.size, "digest": f.digest} for f in sorted(self.files, key=lambda f: f.path)]
        return canonical_json({"format": MANIFEST_FORMAT, "kind": self.kind, "files": files, "facts": self.facts})

    @property
    def digest(self) -> Digest:
        return Digest.of(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The inverse of :meth:`to_bytes`. Raises CorruptBlob for a form it does not know or a path that would leave its folder."""
        try:
            document = json.loads(data)
            if document["format"] != MANIFEST_FORMAT:
                raise ValueError(f"format {document['format']}")
            files = tuple(
                ManifestFile(_safe(f["path"]), _size(f["size"]), Digest(f["digest"])) for f in document["files"]
            )
            if len({file.path for file in files}) != len(files):
                raise ValueError("it lists a path twice")
            kind, facts = document["kind"], document["facts"]
            if not isinstance(kind, str) or not isinstance(facts, dict):
                raise ValueError("its kind is not text, or its facts are no object")
            return cls(kind, files, facts)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:  # the last for brackets in brackets in brackets
            raise CorruptBlob(file="a manifest", offset=0, expected="a manifest of format 1", found=error) from error


def _safe(path: str) -> str:
    path.encode()  # half a character, which JSON can spell, is in no path
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or str(PurePosixPath(path)) != path:
        raise ValueError(f"path {path!r} leaves its folder")
    return path


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a number of bytes")
    return value
