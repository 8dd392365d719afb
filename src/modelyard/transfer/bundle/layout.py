"""Where what lies in a bundle: head, members, index, signatures, foot. Format: ``docs/formats/bundle.md``.

Every byte of the file is accounted for: the members fill it from the head to the index without a gap, the index has the SHA-256 of each, and the
foot has those of the index and of the signatures. A member's name is a key in this file and never a path on a disk.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from modelyard.core.digests import canonical_json

MAGIC = b"MYBNDL"
VERSION = 1
HEAD = MAGIC + bytes([VERSION, 0])
FOOT = struct.Struct("<QQ32s32s8s")
"""Bytes of the index, bytes of the signatures, SHA-256 of each, and the head again."""

INDEX_LIMIT = 256 * 1024 * 1024
SIGNATURES_LIMIT = 1024 * 1024
MEMBER_LIMIT = 256 * 1024 * 1024
"""No member is larger, as it lies there and decompressed: a reader holds one in memory."""

_NAME = re.compile(r"records/[0-9]{6}|packs/[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """``size`` bytes of the file with this SHA-256; decompressed they are ``length`` bytes."""

    name: str
    size: int
    sha256: str
    length: int

    def to_json(self) -> dict[str, Any]:
        return vars(self)


@dataclass(frozen=True)
class Index:
    """``header`` says what the bundle is, ``members`` what is in it, in the order in which it lies there."""

    header: Mapping[str, Any]
    members: tuple[Member, ...]
    starts: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = accumulate((member.size for member in self.members), initial=len(HEAD))
        object.__setattr__(self, "starts", dict(zip((member.name for member in self.members), starts, strict=False)))

    @property
    def end(self) -> int:
        """Where the members end in the file."""
        return len(HEAD) + sum(member.size for member in self.members)

    def to_bytes(self) -> bytes:
        members = [member.to_json() for member in self.members]
        return canonical_json({"format": VERSION, "header": dict(self.header), "members": members})

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """The inverse of :meth:`to_bytes`; raises ``ValueError`` for anything that it would not have written."""
        document = parsed(data, "the index")
        if not isinstance(document, dict) or document.keys() != {"format", "header", "members"}:
            raise ValueError("the index is not one of a bundle")
        if document["format"] != VERSION or type(document["format"]) is not int:
            raise ValueError(f"the index says format {document['format']!r}")
        if not isinstance(document["header"], dict) or not isinstance(document["members"], list):
            raise ValueError("the index has no header, or no members")
        members = tuple(_member(each) for each in document["members"])
        if len({member.name for member in members}) != len(members):
            raise ValueError("the index names a member twice")
        return cls(document["header"], members)


def parsed(data: bytes, what: str) -> Any:
    """The value of canonical JSON. Raises ``ValueError`` for other bytes, also for those of the same value written otherwise."""
    try:
        value = json.loads(data)
        if canonical_json(value) != data:
            raise ValueError("it is not canonical")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be read: {error}") from None
    return value


def foot(index: bytes, signatures: bytes, digests: Iterable[bytes]) -> bytes:
    """The last bytes of a bundle."""
    return FOOT.pack(len(index), len(signatures), *digests, HEAD)


def _member(value: Any) -> Member:
    if not isinstance(value, dict) or value.keys() != {"name", "size", "sha256", "length"}:
        raise ValueError("a member in the index is not described as one")
    name, sha256 = value["name"], value["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"no member of a bundle can be called {str(name)[:80]!r}")
    if not isinstance(sha256, str) or not _HEX.fullmatch(sha256):
        raise ValueError(f"member {name} has no SHA-256")
    for number in (value["size"], value["length"]):
        if type(number) is not int or not 0 <= number <= MEMBER_LIMIT:
            raise ValueError(f"member {name} cannot have {str(number)[:40]} bytes")
    return Member(name, value["size"], sha256, value["length"])
