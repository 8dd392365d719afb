"""Where a file is cut into chunks. One rule today: every four MiB. The recipe of a file names its chunks, so a wiser rule
(by tensor, by content) may replace this one without a change to anything that reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

CHUNK_SIZE = 4 * 1024 * 1024


def chunks_of(source: BinaryIO) -> Iterator[bytes]:
    """The chunks of a stream in order; their concatenation is the stream. However the stream delivers, the cuts are the same."""
    while True:
        parts: list[bytes] = []
        missing = CHUNK_SIZE
        while missing and (part := source.read(missing)):
            parts.append(part)
            missing -= len(part)
        if parts:
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        if missing:
            return
