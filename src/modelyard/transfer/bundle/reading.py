"""A bundle on a disk, of which nothing is believed: what is read of it has been held against its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from modelyard.core.errors import BundleDamaged, BundleTooNew, BundleUnreadable, NotABundle, PathMissing
from modelyard.store.codecs import zstandard
from modelyard.transfer.bundle.layout import (
    FOOT,
    HEAD,
    INDEX_LIMIT,
    MAGIC,
    SIGNATURES_LIMIT,
    VERSION,
    Index,
    Member,
    parsed,
)

_STEP = 4 * 1024 * 1024


class BundleFile:
    """An open bundle whose index is sound: ``index`` says what is in it, ``id`` is the SHA-256 of that. Safe for threads.

    The members are checked when they are read. Raises PathMissing, NotABundle, BundleTooNew, BundleDamaged, BundleUnreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # O_NONBLOCK: a pipe must not hold us; a file does not mind
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise PathMissing(path=path) from None
        except OSError as error:
            raise BundleUnreadable(path=path, problem=error.strerror or error) from error
        try:
            self.index, self.id, self.signatures = self._opened()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> BundleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._file)

    @property
    def header(self) -> Mapping[str, Any]:
        return self.index.header

    @property
    def size(self) -> int:
        """Bytes of the file."""
        with self._reading():
            return os.fstat(self._file).st_size

    def members(self, folder: str) -> list[Member]:
        """The members below ``records/`` or ``packs/``, in the order in which they lie there."""
        return [member for member in self.index.members if member.name.startswith(folder)]

    def read(self, member: Member) -> bytes:
        """All bytes of a member, verified."""
        data = self.read_at(member, 0, member.size)
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise self.damaged(f"{member.name} is not what the index says")
        return data

    def decompressed(self, member: Member) -> bytes:
        """What a compressed member holds, verified; never more than its length in the index."""
        try:
            return zstandard.decompressed(self.read(member), member.length)
        except ValueError as error:
            raise self.damaged(f"{member.name}: {error}") from None

    def read_at(self, member: Member, offset: int, length: int) -> bytes:
        """Bytes of a member, fewer where it ends; the caller verifies."""
        return self._read(self.index.starts[member.name] + offset, max(0, min(length, member.size - offset)))

    def verify(self, progress: Callable[[int], None] = lambda _bytes: None) -> None:
        """Reads every byte and holds it against the index; ``progress`` hears of the bytes. Raises BundleDamaged."""
        for member in self.index.members:
            sha = hashlib.sha256()
            for at in range(0, member.size, _STEP):
                data = self.read_at(member, at, _STEP)
                sha.update(data)
                progress(len(data))
            if sha.hexdigest() != member.sha256:
                raise self.damaged(f"{member.name} is not what the index says")

    def damaged(self, problem: str) -> BundleDamaged:
        """The error that says so of this bundle."""
        return BundleDamaged(path=self.path, problem=problem)

    def _opened(self) -> tuple[Index, str, list[Any]]:
        with self._reading():
            facts = os.fstat(self._file)
        if not stat.S_ISREG(facts.st_mode):
            raise NotABundle(path=self.path, found="it is no file")
        size = facts.st_size
        head = self._read(0, min(len(HEAD), size))
        tail = self._read(size - FOOT.size, FOOT.size) if size >= len(HEAD) + FOOT.size else b""
        ends = tail[-len(HEAD) :]
        if head != HEAD and ends != HEAD:
            if not head.startswith(MAGIC):
                raise NotABundle(path=self.path, found="it does not begin as one")
            version = head[len(MAGIC)] if len(head) == len(HEAD) else 0
            if version > VERSION:  # where its end is may be another matter then
                raise BundleTooNew(path=self.path, found=version, known=VERSION)
        if head != HEAD:
            raise self.damaged("its first bytes are not those of a bundle")
        if ends != HEAD:
            raise self.damaged("it ends before its end: it was cut short, or never finished")
        index_size, signatures_size, index_sha, signatures_sha, _ = FOOT.unpack(tail)
        index_at = size - FOOT.size - signatures_size - index_size
        if index_size > INDEX_LIMIT or signatures_size > SIGNATURES_LIMIT or index_at < len(HEAD):
            raise self.damaged("its last bytes do not say where its index is")
        data = self._read(index_at, index_size)
        signed = self._read(index_at + index_size, signatures_size)
        if hashlib.sha256(data).digest() != index_sha:
            raise self.damaged("its index is not what its last bytes say")
        if hashlib.sha256(signed).digest() != signatures_sha:
            raise self.damaged("its signatures are not what its last bytes say")
        try:
            index = Index.from_bytes(data)
            signatures = parsed(signed, "the list of signatures")
        except ValueError as error:
            raise self.damaged(str(error)) from None
        if not isinstance(signatures, list) or any(not isinstance(each, dict) for each in signatures):
            raise self.damaged("its signatures are no list of signatures")
        if index.end != index_at:
            raise self.damaged(f"its members take {index.end} bytes, and {index_at} are there")
        return index, index_sha.hex(), signatures

    def _read(self, offset: int, length: int) -> bytes:
        """Exactly the bytes at a place of the file."""
        parts: list[bytes] = []
        while length > 0:
            with self._reading():
                part = os.pread(self._file, length, offset)
            if not part:
                raise self.damaged(f"it ends at byte {offset}")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BundleUnreadable(path=self.path, problem=error.strerror or error) from error
