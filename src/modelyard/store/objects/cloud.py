"""Objects in a bucket (S3 and what speaks it, Google Cloud Storage, Azure Blob Storage), or in memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from modelyard.core.errors import StoreMissing, StoreUnreachable
from modelyard.store.objects.keys import folders_of, is_key, parts_of
from modelyard.store.objects.objects import ObjectInfo, Part
from modelyard.store.objects.ranges import Run, joined
from modelyard.store.objects.refusals import past_the_end, refusal

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

    Bucket = S3Store | GCSStore | AzureStore | MemoryStore

PIECE = 8 << 20
"""Objects of more bytes are sent in pieces of this size, which become visible together."""

AT_ONCE = 4
"""So many pieces are under way at the same time: few enough that on a slow line none of them is silent for too long."""


class CloudObjects:
    """The object ``packs/1f3a`` is ``<prefix>packs/1f3a`` in ``bucket``, a store of obstore; ``prefix`` is empty or ends with ``/``.

    The three clouds are strongly consistent: what a put has returned for, every later get and list sees. A put is durable when the bucket has
    acknowledged it; S3 refuses a body that does not match the checksum in its signature. What comes back is held against the length
    that the place gives for the object, and a shorter answer is StoreUnreachable: wrap it in :class:`Retrying` to ask again. obstore itself
    repeats single requests, so that one bad piece does not cost a whole object.

    Not for use in the child of a fork: the threads that move the bytes stay with the parent.
    """

    def __init__(self, bucket: Bucket, url: str, prefix: str = "") -> None:
        self._bucket = bucket
        self._url = url
        self._prefix = prefix

    @property
    def url(self) -> str:
        return self._url

    def put(self, key: str, parts: Sequence[Part]) -> None:
        path = self._path(key)
        views = [memoryview(part).cast("B") for part in parts if len(part)]
        pieces = sum(len(view) for view in views) > PIECE
        with self._asking(key, reading=False):
            self._bucket.put(path, views, use_multipart=pieces, chunk_size=PIECE, max_concurrency=AT_ONCE)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._asking(key):
            answer = self._bucket.get(path)
            size = answer.meta["size"]
            data = answer.bytes().to_bytes()
        self._full(key, 0, len(data), size)
        return data

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        path, runs = self._path(key), joined(ranges)
        brought = self._bring(key, path, runs) if runs else None
        if brought is None or any(len(part) != run.length for run, part in zip(runs, brought, strict=True)):
            # Does a range go past the end, or did not all of it come? Only the length of the object tells.
            size = self.size(key)
            if size is None:
                raise self._missing(key)
            for run, part in zip(runs, brought or (), strict=brought is not None):
                if len(part) > run.until(size).length:  # then the length itself did not come right
                    self._full(key, run.offset, run.until(size).length, len(part))
            runs = [run for run in (run.until(size) for run in runs) if run.length]
            brought = (self._bring(key, path, runs) if runs else None) or [memoryview(b"")] * len(runs)
            for run, part in zip(runs, brought, strict=True):
                self._full(key, run.offset, len(part), run.length)
        parts: list[Part] = [b""] * len(ranges)
        for run, part in zip(runs, brought, strict=True):
            for index in run.members:
                offset, length = ranges[index]
                parts[index] = part[max(0, offset - run.offset) : offset - run.offset + length]
        return parts

    def size(self, key: str) -> int | None:
        """As the contract says; of a bucket that is missing, the answer to this request does not tell, and so it is None."""
        path = self._path(key)
        try:
            with self._asking(key):
                return self._bucket.head(path)["size"]
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        below = self._prefix + "/".join(folders_of(prefix))
        found = []
        with self._asking(prefix, reading=False):
            for page in self._bucket.list(below.removesuffix("/") or None, chunk_size=1000):
                for entry in page:
                    path = entry["path"]
                    if path.startswith(self._prefix + prefix) and is_key(path[len(self._prefix) :]):
                        found.append(ObjectInfo(path[len(self._prefix) :], entry["size"], entry["last_modified"]))
        return iter(sorted(found, key=lambda info: info.key))  # not every bucket lists in order

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            with self._asking(key):
                self._bucket.delete(path)
        except FileNotFoundError:
            return

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        """None: an upload in pieces that was never finished is no object, and removing it is the bucket's business. Give the bucket a lifecycle
        rule that aborts incomplete multipart uploads after some days."""
        return ()

    def sweep(self, leftover: ObjectInfo) -> None:
        """There is nothing to sweep."""

    def _path(self, key: str) -> str:
        return self._prefix + "/".join(parts_of(key))

    def _bring(self, key: str, path: str, runs: Sequence[Run]) -> Sequence[memoryview] | None:
        """What the bucket sends for the runs, each in a request of its own; None when one starts past the end of the object."""
        from obstore.exceptions import BaseError

        starts, lengths = [run.offset for run in runs], [run.length for run in runs]
        with self._asking(key):
            try:
                # Joining by obstore itself dies of a panic when a range starts past the end (0.12.1).
                brought = self._bucket.get_ranges(path, starts=starts, lengths=lengths, coalesce=0)
            except BaseError as error:
                if past_the_end(str(error)):
                    return None
                raise
            return [memoryview(part) for part in brought]

    def _full(self, key: str, offset: int, found: int, due: int) -> None:
        if found != due:
            problem = f"{key} came back with {found} of {due} bytes at {offset}"
            raise StoreUnreachable(url=self.url, problem=problem)

    def _missing(self, key: str) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, "there is no object", f"{self.url}/{key}")

    @contextmanager
    def _asking(self, key: str, *, reading: bool = True) -> Iterator[None]:
        """Turns what obstore raises into what the contract says. Its dump of a request is not kept in the chain of the error."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except FileNotFoundError as error:
            told = refusal(self.url, str(error))
            if reading and not isinstance(told, StoreMissing):
                raise self._missing(key) from None
            raise told from None
        except BaseError as error:
            denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
            raise refusal(self.url, str(error), denied=denied) from None
