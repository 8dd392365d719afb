"""The recipe of a file: its chunks in order. Kept under the SHA-256 of the file."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from blake3 import blake3

VERSION = 2
_HEAD = struct.Struct("<4sBxxxI")
_MAGIC = b"MYRC"
_LINE = struct.Struct("<32sI")


@dataclass(frozen=True)
class Recipe:
    """``chunks`` are pairs of BLAKE3 (32 bytes) and length in bytes; an empty file has none."""

    chunks: tuple[tuple[bytes, int], ...]

    @cached_property
    def starts(self) -> Sequence[int]:
        """Where each chunk starts in the file, and last its size."""
        return [0, *accumulate(length for _, length in self.chunks)]

    @property
    def size(self) -> int:
        return self.starts[-1]

    def at(self, offset: int) -> int:
        """The number of the chunk that holds the byte at ``offset``."""
        return bisect_right(self.starts, offset) - 1

    def to_bytes(self) -> bytes:
        """Head, lines, and the BLAKE3 of both, so that a flipped bit in the recipe itself is found."""
        body = _HEAD.pack(_MAGIC, VERSION, len(self.chunks)) + b"".join(_LINE.pack(*chunk) for chunk in self.chunks)
        return body + blake3(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Recipe:
        """The inverse of :meth:`to_bytes`; raises ``ValueError`` when the bytes are not as they were written."""
        body, check = data[:-32], data[-32:]
        if blake3(body).digest() != check:
            raise ValueError("recipe does not match its checksum")
        magic, version, count = _HEAD.unpack_from(body)
        if magic != _MAGIC or version != VERSION or len(body) != _HEAD.size + count * _LINE.size:
            raise ValueError(f"recipe has format {version}")
        return cls(tuple(_LINE.iter_unpack(body[_HEAD.size :])))
