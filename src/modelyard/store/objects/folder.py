"""Objects as files below one folder."""

from __future__ import annotations

import errno
import os
import stat
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from modelyard.core.errors import StoreForbidden, StoreUnreachable, YardUnwritable
from modelyard.store.objects.keys import TEMPORARY, folders_of, is_key, parts_of
from modelyard.store.objects.objects import ObjectInfo, Part

# O_NONBLOCK: a pipe that somebody planted must not hold us; a file does not mind.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BUFFER = 1 << 18
_MOST = 1 << 30  # bytes of one read: Linux brings at most 2 GiB - 4 KiB, macOS refuses 2 GiB


class FolderObjects:
    """The object ``packs/1f3a`` is the read-only file ``root/packs/1f3a``; half-written ones are in ``root/tmp``.

    A put is a new file, synced, renamed into place, and the folder synced: on return it survives a power cut (as far as the disk keeps what
    ``fsync`` promises). A deleted object may be back after a power cut. Nothing is made before the first put. Each part of a key is opened from
    the folder above it and no symbolic link is followed, so that nothing planted below ``root`` leads out of it; ``root`` itself may be a link.
    Files and folders get their rights from the umask; a file whose name is no key is none of ours.
    """

    def __init__(self, root: Path, *, folder_mode: int = 0o777) -> None:
        self.root = root.absolute()
        self._folder_mode = folder_mode
        self._settled: set[tuple[str, ...]] = set()  # folders whose entry in the folder above is durable
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return str(self.root)

    def put(self, key: str, parts: Sequence[Part]) -> None:
        *folders, name = parts_of(key)
        half = uuid.uuid4().hex
        with (
            self._writing(),
            self._folder(TEMPORARY, make=True) as temporary,
            self._folder(*folders, make=True) as home,
        ):
            try:
                _write(half, temporary, parts)
                os.rename(half, name, src_dir_fd=temporary, dst_dir_fd=home)
            except BaseException:
                with suppress(OSError):
                    os.unlink(half, dir_fd=temporary)
                raise
            os.fsync(home)

    def get(self, key: str) -> bytes:
        with self._reading(key), self._file(key) as (file, size):
            return _read(file, 0, size)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        if any(offset < 0 or length < 0 for offset, length in ranges):
            raise ValueError("a range of bytes has an offset and a length of at least 0")
        with self._reading(key), self._file(key) as (file, size):
            # The size bounds what is asked of the disk: a damaged index may ask for any length.
            return [_read(file, offset, min(length, size - offset)) for offset, length in ranges]

    def size(self, key: str) -> int | None:
        try:
            with self._reading(key), self._file(key) as (_, size):
                return size
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._below(folders_of(prefix))

    def delete(self, key: str) -> None:
        *folders, name = parts_of(key)
        self._remove(folders, name)

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        found = self._entries([TEMPORARY])
        return tuple(info for _, info in found if info is not None and info.modified < older_than)

    def sweep(self, leftover: ObjectInfo) -> None:
        folder, _, name = leftover.key.partition("/")
        if folder != TEMPORARY or not is_key(name) or "/" in name:
            raise ValueError(f"{leftover.key!r} is not the key of a leftover")
        self._remove([TEMPORARY], name)

    def _remove(self, folders: Sequence[str], name: str) -> None:
        with self._writing(), suppress(FileNotFoundError, NotADirectoryError), self._folder(*folders) as home:
            os.unlink(name, dir_fd=home)

    def _below(self, folders: Sequence[str]) -> Iterator[ObjectInfo]:
        for name, info in self._entries(folders):
            if info is not None:
                if is_key(info.key):
                    yield info
            elif folders or name != TEMPORARY:
                yield from self._below([*folders, name])

    def _entries(self, folders: Sequence[str]) -> Sequence[tuple[str, ObjectInfo | None]]:
        """The files and folders (without info) of one folder, in the order in which a listing by key meets them."""
        found: list[tuple[str, ObjectInfo | None]] = []
        try:
            with self._reading("/".join(folders)), self._folder(*folders) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # deleted since
                        facts = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(facts.st_mode):
                            found.append((entry.name, None))
                        elif stat.S_ISREG(facts.st_mode):
                            key = "/".join([*folders, entry.name])
                            modified = datetime.fromtimestamp(facts.st_mtime, UTC)
                            found.append((entry.name, ObjectInfo(key, facts.st_size, modified)))
        except FileNotFoundError:
            return ()
        # In keys "a.b" comes before "a/b", so a folder sorts with the stroke that follows it.
        return sorted(found, key=lambda entry: entry[0] if entry[1] else entry[0] + "/")

    @contextmanager
    def _file(self, key: str) -> Iterator[tuple[int, int]]:
        """A descriptor of the object, and its length in bytes."""
        *folders, name = parts_of(key)
        with self._folder(*folders) as home:
            file = os.open(name, _FILE, dir_fd=home)
        try:
            facts = os.fstat(file)
            if not stat.S_ISREG(facts.st_mode):
                raise FileNotFoundError(errno.ENOENT, "it is not a file", key)
            yield file, facts.st_size
        finally:
            os.close(file)

    @contextmanager
    def _folder(self, *names: str, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder ``root/names…``; with ``make``, missing ones are made, and all of them are durable."""
        if make and () not in self._settled:
            self._make_root()
        try:
            folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError as error:
            raise _NotAFolder(error.errno, "it is not a folder") from error
        try:
            for depth, name in enumerate(names, start=1):
                inner = self._make(folder, names[:depth]) if make else os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _make(self, above: int, names: tuple[str, ...]) -> int:
        try:
            folder = os.open(names[-1], _FOLDER, dir_fd=above)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(names[-1], self._folder_mode, dir_fd=above)
            with self._lock:
                self._settled.discard(names)
            folder = os.open(names[-1], _FOLDER, dir_fd=above)
        # Also a folder that was there: whoever made it may not have synced it yet.
        if names not in self._settled:
            try:
                os.fsync(above)
            except BaseException:
                os.close(folder)
                raise
            with self._lock:
                self._settled.add(names)
        return folder

    def _make_root(self) -> None:
        made = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]
        self.root.mkdir(self._folder_mode, parents=True, exist_ok=True)
        for folder in made or [self.root]:
            with suppress(PermissionError):  # a parent that we may not read is not ours to sync
                above = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(above)
                finally:
                    os.close(above)
        with self._lock:
            self._settled.add(())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise YardUnwritable(path=self.root, problem=error.strerror or str(error)) from error

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except _NotAFolder as error:
            raise StoreUnreachable(url=self.url, problem=error.strerror) from error
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(errno.ENOENT, "there is no object", f"{self.url}/{key}") from None
        except PermissionError as error:
            raise StoreForbidden(url=self.url, problem=f"{error.strerror} at {key}") from error
        except OSError as error:
            raise StoreUnreachable(url=self.url, problem=f"{error.strerror or error} at {key}") from error


class _NotAFolder(OSError):
    """The root itself is something else; an object below it is not just missing."""


def _write(name: str, folder: int, parts: Sequence[Part]) -> None:
    """Makes a read-only file of the concatenation of ``parts`` and syncs it; large parts go to the disk from where they lie."""
    with os.fdopen(os.open(name, _NEW, 0o444, dir_fd=folder), "wb", buffering=_BUFFER) as out:
        for part in parts:
            out.write(part)
        out.flush()
        os.fsync(out.fileno())


def _read(file: int, offset: int, length: int) -> bytes:
    """The bytes of a file at a place, fewer where it ends."""
    if length <= 0:
        return b""
    first = os.pread(file, min(length, _MOST), offset)
    if len(first) == length or not first:
        return first
    pieces, have = [first], len(first)
    while have < length and (piece := os.pread(file, min(length - have, _MOST), offset + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)
