"""What the store asks of the place where its bytes lie: a folder, a bucket, or memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Part = bytes | bytearray | memoryview


@dataclass(frozen=True)
class ObjectInfo:
    """An object that a listing found: its key, its length in bytes, and when it was written by the clock of the place."""

    key: str
    size: int
    modified: datetime


class Objects(Protocol):
    """Named objects, each written whole. What an implementer owes:

    A key is a relative path of safe ASCII parts, such as ``packs/1f3a…`` (the grammar is in ``keys.py``; the first part is never ``tmp``, and no
    key is a folder of another key); what is none raises ``ValueError``. Every method may be called from any thread, and other processes use the
    same place at the same time. Every operation may be repeated: whoever does not know whether it was done does it again. What cannot be done
    raises an error of ``core.errors`` that names the place (YardUnwritable, StoreUnreachable, StoreForbidden, StoreMissing), never an error of a
    library; only a missing object is ``FileNotFoundError``.
    """

    @property
    def url(self) -> str:
        """Where this is, for people; without secrets."""
        ...

    def put(self, key: str, parts: Sequence[Part]) -> None:
        """Keeps the concatenation of ``parts`` under ``key``, replacing what is there. Atomic: a reader, and whoever comes after a crash, sees
        the old object, none, or the new one whole. Durable on return."""
        ...

    def get(self, key: str) -> bytes:
        """All bytes of the object, as they lie there; the caller verifies. Raises FileNotFoundError."""
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        """The bytes at each ``(offset, length)``, in the order asked. A range that goes past the end comes back shorter, perhaps empty, and
        only such a range does; the caller verifies the bytes. Where a request costs time, neighbouring ranges are one request. Raises
        FileNotFoundError, also when no bytes are asked for."""
        ...

    def size(self, key: str) -> int | None:
        """The length of the object in bytes, or None when it is missing."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key starts with ``prefix`` (it ends with ``/``, or is empty for all), sorted by key; half-written ones are not among them."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object; nothing happens when it is missing."""
        ...

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        """What writers that died left half-written, last touched before ``older_than``; harmless, and for :meth:`sweep` to remove."""
        ...

    def sweep(self, leftover: ObjectInfo) -> None:
        """Removes one of :meth:`leftovers`; nothing happens when it is gone."""
        ...
