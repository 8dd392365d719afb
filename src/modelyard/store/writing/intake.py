"""Files, trees and manifests into a store: one registration, from the first byte to the moment when all of it survives a power cut."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged, PathUnusable
from modelyard.store.codecs import Element
from modelyard.store.layouts import layout_of
from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.packs import Kind
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.files import FileDigest, Files
from modelyard.store.reading.hashing import Hashing
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.cuts import Name, by_content, pieces_of
from modelyard.store.writing.earlier import EarlierFile
from modelyard.store.writing.leases import Holding
from modelyard.store.writing.tree import TreeFile, tree_of
from modelyard.store.writing.writer import Writer, Written

_BLOCK = 1024 * 1024

Cut = tuple[bytes | memoryview, Name | None, Element | None]


class Intake:
    """Puts files into a store for one registration; used from one thread. What it put is durable after :meth:`commit`."""

    def __init__(self, writer: Writer, files: Files, lease: Holding, progress: Progress | None = None) -> None:
        self._writer = writer
        self._files = files
        self._lease = lease
        self._progress = progress or (lambda _advance: None)
        self._unreadable: set[Digest] = set()  # files whose recipe is there and damaged: it is written anew
        writer.on_stored = lambda stored: self._progress(Advance(0, stored=stored))

    @property
    def written(self) -> Written:
        """What this registration has added to the store so far."""
        return self._writer.written

    def put_tree(self, path: Path, earlier: Sequence[Manifest] = ()) -> tuple[ManifestFile, ...]:
        """Keeps the file at ``path`` or every file below it. ``earlier`` are versions that it may resemble, the likeliest first.

        Raises PathMissing, PathEmpty, PathUnusable, YardUnwritable, StoreUnreachable.
        """
        return tuple(self._put_tree_file(file, earlier) for file in tree_of(path))

    def put_bytes(self, data: bytes) -> FileDigest:
        """Keeps a small document."""
        return self._put(io.BytesIO(data), len(data), _Earlier(self._files, ()), lambda _advance: None)

    def put_manifest(self, kind: str, files: Iterable[ManifestFile], facts: dict[str, Any]) -> Manifest:
        """Keeps the manifest of files that were put."""
        manifest = Manifest(kind, tuple(sorted(files, key=lambda f: f.path)), facts)
        self.put_bytes(manifest.to_bytes())
        return manifest

    def commit(self) -> None:
        """Returns when everything put so far survives a power cut. Raises RegistrationOvertaken."""
        self._writer.commit()
        self._lease.confirm()

    def _put_tree_file(self, file: TreeFile, earlier: Sequence[Manifest]) -> ManifestFile:
        counterparts = _counterparts(file, earlier)
        try:
            with _opened(file.source) as source:
                before = os.fstat(source.fileno())
                kept = self._known(source, before.st_size, counterparts)
                if kept is None:
                    kept = self._put(source, before.st_size, _Earlier(self._files, counterparts), self._progress)
                after = os.fstat(source.fileno())
        except OSError as error:
            raise PathUnusable(path=file.source, problem=error.strerror) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or kept.size != after.st_size:
            raise PathUnusable(
                path=file.source, problem="it changed while it was being read; try again when it is at rest"
            )
        return ManifestFile(file.name, kept.size, kept.digest)

    def _known(self, source: BufferedReader, size: int, counterparts: Sequence[ManifestFile]) -> FileDigest | None:
        """The identity of a file that an earlier version has as it is: then it need only be hashed, not cut."""
        alike = {file.digest for file in counterparts if file.size == size and self._begins_like(source, file)}
        if not alike:
            return None
        sha = hashlib.sha256()
        source.seek(0)
        while block := source.read(_BLOCK):
            sha.update(block)
            self._lease.renew()
        found = Digest("sha256:" + sha.hexdigest())
        source.seek(0)
        if found not in alike or not self._whole(found):
            return None
        self._progress(Advance(size, known=size))
        return FileDigest(found, size)

    def _begins_like(self, source: BinaryIO, file: ManifestFile) -> bool:
        """Whether a few chunks of the file are those of an earlier one: tells cheaply that it has changed, as most have that are registered."""
        try:
            recipe = self._files.recipe(file.digest, file.path)
        except Damaged:
            self._unreadable.add(file.digest)
            return False
        last = len(recipe.chunks) - 1
        for number in {0, last // 3, last // 2, last} if recipe.chunks else ():
            key, length = recipe.chunks[number]
            source.seek(recipe.starts[number])
            if blake3(_exactly(source.read, length)).digest() != key:
                source.seek(0)
                return False
        return True

    def _whole(self, digest: Digest) -> bool:
        """Whether the recipe and all its chunks are there and will stay."""
        if not self._writer.has(Kind.RECIPE, bytes.fromhex(digest.hex)):
            return False
        try:
            recipe = self._files.recipe(digest, digest)
        except Damaged:
            self._unreadable.add(digest)
            return False
        return all(self._writer.has(Kind.CHUNK, key) for key, _ in recipe.chunks)

    def _put(self, source: BinaryIO, size: int, earlier: _Earlier, said: Progress) -> FileDigest:
        with Hashing() as sha:
            recipe = Recipe(tuple(self._put_chunks(source, size, sha, earlier, said)))
            name = sha.digest()
        digest = Digest("sha256:" + name.hex())
        if digest in self._unreadable or not self._writer.has(Kind.RECIPE, name):
            self._writer.put_recipe(name, recipe.to_bytes())
        return FileDigest(digest, recipe.size)

    def _put_chunks(
        self, source: BinaryIO, size: int, sha: Hashing, earlier: _Earlier, said: Progress
    ) -> Iterator[tuple[bytes, int]]:
        for raw, name, element in chunks_of(source, size):
            sha.update(raw)
            key = blake3(raw).digest()
            known = self._writer.has(Kind.CHUNK, key)
            if known:
                if name is None:
                    earlier.saw(key)
            else:
                self._writer.put_chunk(key, raw, element, earlier.counterpart(name, len(raw)))
            said(Advance(len(raw), known=len(raw) if known else 0))
            self._lease.renew()
            yield key, len(raw)


class _Earlier:
    """The earlier versions of a file, read only when a chunk is new."""

    def __init__(self, files: Files, counterparts: Sequence[ManifestFile]) -> None:
        self._files = files
        self._counterparts = counterparts
        self._read: list[EarlierFile] | None = None
        self._seen: list[bytes] = []

    def saw(self, key: bytes) -> None:
        if self._read is None:
            if self._counterparts:
                self._seen.append(key)
            return
        for file in self._read:
            file.saw(key)

    def counterpart(self, name: Name | None, length: int) -> bytes | None:
        if self._read is None:
            self._read = list(self._open())
            for key in self._seen:
                for file in self._read:
                    file.saw(key)
        found = [file.unnamed() if name is None else file.named(name, length) for file in self._read]
        return next((key for key in found if key is not None), None)

    def _open(self) -> Iterator[EarlierFile]:
        for counterpart in self._counterparts:
            try:
                recipe = self._files.recipe(counterpart.digest, counterpart.path)
                yield EarlierFile(recipe, self._files.layout(recipe, counterpart.path))
            except Damaged:  # what cannot be read is no help, and no reason not to keep the new version
                continue


def chunks_of(source: BinaryIO, size: int) -> Iterator[Cut]:
    """The chunks of a file of ``size`` bytes, with what the layout knows of each."""

    def read_at(offset: int, length: int) -> bytes:
        source.seek(offset)
        return _exactly(source.read, min(length, max(0, size - offset)))

    layout = layout_of(read_at, size)
    source.seek(0)
    for piece in pieces_of(layout, size):
        if piece.name is not None:
            yield _exactly(source.read, piece.length), piece.name, piece.element
        else:
            for chunk in by_content(_bounded(source.read, piece.length)):
                yield chunk, None, None


def _opened(path: Path) -> BufferedReader:
    """The file at ``path``. What has come into its place since the tree was listed is refused: a pipe would hold us, a device has no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PathUnusable(path=path, problem="it is neither a file nor a folder")
    return os.fdopen(descriptor, "rb")


def _exactly(read: Callable[[int], bytes], length: int) -> bytes:
    """Up to ``length`` bytes, fewer only at the end, however little each read gives."""
    data = read(length)
    if len(data) == length:
        return data
    parts, missing = [data], length - len(data)
    while missing and parts[-1]:
        parts.append(read(missing))
        missing -= len(parts[-1])
    return b"".join(parts)


def _bounded(read: Callable[[int], bytes], length: int) -> Callable[[int], bytes]:
    left = length

    def take(wanted: int) -> bytes:
        nonlocal left
        data = read(min(wanted, left))
        left -= len(data)
        return data

    return take


def _counterparts(file: TreeFile, earlier: Sequence[Manifest]) -> list[ManifestFile]:
    """The same file in earlier versions: of the same path, or, where a version is a single file, that one whatever it was called."""
    found: list[ManifestFile] = []
    for manifest in earlier:
        same = manifest.file(file.name)
        if same is None and len(manifest.files) == 1:
            same = manifest.files[0]
        if same is not None:
            found.append(same)
    return found
