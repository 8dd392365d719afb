"""The SHA-256 of files: on disk, and of those that go by."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from modelyard.core.digests import Digest

_ASIDE = 1024 * 1024
_BEHIND = 8


def sha256_of(path: Path) -> Digest:
    """The digest of a file on disk. Raises OSError."""
    with path.open("rb") as source:
        return Digest("sha256:" + hashlib.file_digest(source, "sha256").hexdigest())


class Hashing:
    """The SHA-256 of bytes that are given piece by piece, calculated beside the caller's own work: it takes its time, and knows only one order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._aside: ThreadPoolExecutor | None = None
        self._waiting: list[bytes | memoryview] = []
        self._bytes = 0
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Hashing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._aside is not None:
            self._aside.shutdown(wait=True, cancel_futures=True)

    def update(self, data: bytes | memoryview) -> None:
        """Takes the next piece, which must not change afterwards."""
        self._waiting.append(data)
        self._bytes += len(data)
        if self._bytes >= _ASIDE:
            if self._aside is None:
                self._aside = ThreadPoolExecutor(1, thread_name_prefix="modelyard-sha256")
            self._under_way.append(self._aside.submit(self._hash, self._waiting))
            self._waiting, self._bytes = [], 0
            if len(self._under_way) > _BEHIND:
                self._under_way.popleft().result()

    def digest(self) -> bytes:
        """The digest of all pieces so far."""
        while self._under_way:
            self._under_way.popleft().result()
        self._hash(self._waiting)
        self._waiting, self._bytes = [], 0
        return self._sha.digest()

    def _hash(self, pieces: list[bytes | memoryview]) -> None:
        for piece in pieces:
            self._sha.update(piece)
