"""Digests that explain themselves: ``sha256:<64 hex>``, the algorithm that OCI, Hugging Face and OpenSSF signing use."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from modelyard.core.errors import InvalidDigest

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


class Digest(str):
    """The digest of a file or a manifest; ``Digest(str(d)) == d``; raises :class:`InvalidDigest`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:
        if not is_digest(text):
            raise InvalidDigest(text=text)
        return str.__new__(cls, text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of the bytes themselves."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def hex(self) -> str:
        return self[7:]

    @property
    def short(self) -> str:
        """Twelve hexadecimal digits, for people."""
        return self[7:19]


def is_digest(text: object) -> bool:
    """Whether :class:`Digest` takes it."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def canonical_json(value: Any) -> bytes:
    """The one byte string for a JSON value: sorted keys, no spaces, UTF-8, no NaN. Equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
