"""A bundle being written: a stream of members, then what says what they are. The file has its name only once it is whole and durable."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from modelyard.core.digests import canonical_json
from modelyard.core.errors import Locked, TargetExists, TargetUnwritable
from modelyard.transfer.bundle.layout import HEAD, MEMBER_LIMIT, Index, Member, foot

Sign = Callable[[str], Mapping[str, Any]]
"""Signs the identity of a bundle; what it gives is written down."""

_BUFFER = 1024 * 1024


class BundleWriter:
    """Writes ``path`` by way of ``path.part``, which a writer that was killed leaves behind and the next one writes anew.

    Raises TargetExists for a file that is there, unless ``exist_ok``; Locked while another process writes the same bundle; TargetUnwritable.
    """

    def __init__(self, path: Path, *, exist_ok: bool = False) -> None:
        self.path = path
        self._half = path.with_name(path.name + ".part")
        if os.path.lexists(path) and not (exist_ok and path.is_file()):
            raise TargetExists(path=path)
        self._members: list[Member] = []
        self._named = False
        with _writing(path):
            self._out = self._open()
            self._out.write(HEAD)

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._named:  # the lock is still ours, so the file is too
            with suppress(OSError):
                self._half.unlink()
            with suppress(OSError):  # what is still in its buffer may not fit on the disk either
                self._out.close()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._out.tell()

    def add(self, name: str, parts: Iterable[bytes | bytearray | memoryview], length: int | None = None) -> None:
        """Adds a member; ``length`` is that of what it decompresses to, if it is compressed."""
        sha, size = hashlib.sha256(), 0
        with _writing(self.path):
            for part in parts:
                sha.update(part)
                self._out.write(part)
                size += len(part)
        if max(size, length or 0) > MEMBER_LIMIT:
            raise ValueError(f"member {name} has more than {MEMBER_LIMIT} bytes")
        self._members.append(Member(name, size, sha.hexdigest(), size if length is None else length))

    def finish(self, header: Mapping[str, Any], sign: Sign | None = None) -> str:
        """Closes the bundle and gives it its name; its identity, which is the SHA-256 of its index."""
        index = Index(header, tuple(self._members)).to_bytes()
        name = hashlib.sha256(index)
        signatures = canonical_json([] if sign is None else [dict(sign(name.hexdigest()))])
        with _writing(self.path):
            self._out.write(index)
            self._out.write(signatures)
            self._out.write(foot(index, signatures, (name.digest(), hashlib.sha256(signatures).digest())))
            self._out.flush()
            os.fsync(self._out.fileno())
            self._half.replace(self.path)
            self._named = True
            self._out.close()
            _sync(self.path.parent)
        return name.hexdigest()

    def _open(self) -> BinaryIO:
        while True:
            descriptor = os.open(self._half, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            out = os.fdopen(descriptor, "r+b", buffering=_BUFFER)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, self._half):
                    out.truncate()
                    return out
            except BlockingIOError:
                out.close()
                raise Locked(what=f"the bundle {self.path}", holder="another process is writing it") from None
            out.close()  # the one who had it has finished meanwhile, and given it its name


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetUnwritable(path=path, problem=error.strerror or error) from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
