"""The store of a yard: trees of files in, manifests out, verified trees back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from modelyard.core.digests import Digest
from modelyard.core.errors import PathEmpty, PathMissing, PathUnusable
from modelyard.store.manifest import Manifest
from modelyard.store.objects import FolderObjects, open_objects
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import Index
from modelyard.store.progress import Progress
from modelyard.store.reading.checkout import check_out, require_free
from modelyard.store.reading.contents import Contents
from modelyard.store.reading.files import Files
from modelyard.store.reading.hashing import sha256_of
from modelyard.store.reading.reader import Reader
from modelyard.store.tensors.tensors import Tensors
from modelyard.store.writing import leases
from modelyard.store.writing.arrival import Arrival
from modelyard.store.writing.intake import Intake
from modelyard.store.writing.tree import tree_of
from modelyard.store.writing.writer import Writer, workers

FAR = 8
"""Requests at a time to a store that is not a folder."""


class Store:
    """Content-addressed files and manifests in one place, given by path, URL or as :class:`Objects`. Safe for any number of writers at once."""

    def __init__(self, place: str | Path | Objects) -> None:
        self.objects = open_objects(place) if isinstance(place, str | Path) else place
        # a thread a core where the bytes are near; where they are far, as many as it takes to keep the line busy
        threads = workers() if isinstance(self.objects, FolderObjects) else max(FAR, workers())
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="modelyard-store")
        self.index = Index(self.objects)
        self.reader = Reader(self.objects, self.index, self.pool, ahead=threads + 2)
        self.files = Files(self.index, self.reader)
        self.contents = Contents(self.files)

    @contextmanager
    def intake(self, progress: Progress | None = None) -> Iterator[Intake]:
        """For one registration. What is put counts only once it is referred to before the block ends: until then `gc` leaves it alone.

        Raises YardUnwritable, StoreUnreachable.
        """
        with leases.held(self.objects) as lease:
            ignored = leases.condemned(self.objects)  # after the lease is there, and before anything is looked up
            self.index.refresh()
            with Writer(self.objects, self.index, self.reader, self.pool, ignored) as writer:
                yield Intake(writer, self.files, lease, progress)

    @contextmanager
    def arrival(self) -> Iterator[Arrival]:
        """As :meth:`intake`, for pieces that come from another store as they are kept there."""
        with leases.held(self.objects) as lease:
            yield from self._arrival(lease)

    @contextmanager
    def probe(self) -> Iterator[Arrival]:
        """What :meth:`arrival` would find here. Nothing may be given to it, and nothing is written."""
        yield from self._arrival(None)

    def _arrival(self, lease: leases.Holding | None) -> Iterator[Arrival]:
        ignored = leases.condemned(self.objects)
        self.index.refresh()
        with Writer(self.objects, self.index, self.reader, self.pool, ignored) as writer:
            near = isinstance(self.objects, FolderObjects)
            yield Arrival(writer, self.index, self.files, self.reader, lease, is_near=near)

    def manifest(self, digest: Digest) -> Manifest:
        """The manifest with this digest, verified. Raises MissingBlob or CorruptBlob."""
        return Manifest.from_bytes(self.files.read(digest, f"manifest {digest}"))

    def read(self, digest: Digest, file: str = "") -> bytes:
        """All bytes of a stored file, verified."""
        return self.files.read(digest, file or digest)

    def tensors(self, manifest: Manifest) -> Tensors:
        """The tensors of the files of a manifest, each read by itself; no file is opened yet."""
        return Tensors(self.files, self.contents, manifest)

    def materialize(
        self,
        manifest: Manifest,
        target: Path,
        *,
        replace: bool = False,
        placed: Collection[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Writes the files of a manifest below ``target``; see :func:`modelyard.store.reading.checkout.check_out`.

        Raises TargetExists before anything is written when a file is in the way and ``replace`` is False.
        """
        if not replace:
            require_free(manifest, target)
        check_out(self.files, manifest, target, placed=placed, progress=progress)

    def verify_tree(self, manifest: Manifest, folder: Path) -> bool:
        """Whether ``folder`` holds just these files with just these bytes; reads all of them."""
        try:
            found = {file.name: file.source for file in tree_of(folder)}
            if found.keys() != {file.path for file in manifest.files}:
                return False
            return all(sha256_of(found[file.path]) == file.digest for file in manifest.files)
        except (PathUnusable, PathEmpty, PathMissing, OSError):
            return False
