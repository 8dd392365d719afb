"""New chunks into packs: each distinct one once, encoded by several threads, in the order in which they came.

A pack is durable before the index speaks of it, and the index before :meth:`Writer.commit` returns. A writer that dies leaves packs that nothing refers to;
the next attempt finds the chunks of those that the index speaks of already, and goes on from there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from modelyard.store.codecs import Codec, Element
from modelyard.store.codecs.codec import Bytes
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import Entry, Index, Kind, Pack, PackBuilder
from modelyard.store.packs.pack import TARGET
from modelyard.store.reading.reader import Reader
from modelyard.store.writing.encoding import Encoded, encoded, encoded_together

IN_FLIGHT = 24 * 1024 * 1024
"""Bytes of chunks that wait to be encoded or are; with the packs under way this bounds the memory of a writer."""
INLINE = 16 * 1024
"""A chunk smaller than this is encoded at once: handing it to another thread costs more."""

TOGETHER = 1024 * 1024
"""Neighbouring chunks that nobody knows are encoded together until they have so many bytes."""


@dataclass
class Written:
    """What a writer has put into the store, in bytes: ``raw`` of new chunks, ``stored`` for them."""

    raw: int = 0
    stored: int = 0
    chunks: int = 0


class Writer:
    """One writer, used from one thread; any number of them may write one store. Packs named in ``ignored`` count as gone."""

    def __init__(
        self, objects: Objects, index: Index, reader: Reader, pool: Executor, ignored: frozenset[str] = frozenset()
    ) -> None:
        self._objects = objects
        self._index = index
        self._reader = reader
        self._pool = pool
        self._ignored = ignored
        self._uploader = ThreadPoolExecutor(2, thread_name_prefix="modelyard-pack")
        self._builder = PackBuilder()
        self._together: list[tuple[bytes, Bytes]] = []
        self._together_size = 0
        self._encoding: deque[tuple[list[tuple[bytes, int]], Future[list[Encoded]] | list[Encoded]]] = deque()
        self._uploading: deque[Future[Pack]] = deque()
        self._in_flight = 0
        self._new: set[bytes] = set()
        self._segments: set[str] = set()
        self.written = Written()
        self.on_stored: Callable[[int], None] = lambda _bytes: None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, future in self._encoding:
            if isinstance(future, Future):
                future.cancel()
        for upload in self._uploading:
            upload.cancel()
        self._uploader.shutdown(wait=True)

    def has(self, kind: Kind, key: bytes) -> bool:
        """Whether the piece is in the store, or on its way there by this writer."""
        return key in self._new or self.find(kind, key) is not None

    def find(self, kind: Kind, key: bytes) -> Entry | None:
        """A place where the piece lies and will stay."""
        entries = self._index.find(kind, key)
        recovered = self._index.recovered if entries else frozenset()
        for entry in entries:
            if entry.pack in self._ignored or entry.pack in recovered:
                continue
            if self._index.reaches(entry):  # what was cut off is written anew
                return entry
        return None

    def put_chunk(self, key: bytes, raw: Bytes, element: Element | None, previous: bytes | None) -> None:
        """Takes in a chunk that the store does not have (see :meth:`has`). ``previous`` is the chunk that stood there before, if any."""
        self._new.add(key)
        self._in_flight += len(raw)
        if element is None and previous is None and len(raw) >= INLINE:
            self._together.append((key, raw))
            self._together_size += len(raw)
            if self._together_size >= TOGETHER:
                self._encode_together()
        else:
            self._encode_together()
            arguments = (raw, element, previous, self._chunk, self._reader)
            if len(raw) < INLINE:
                made: Future[list[Encoded]] | list[Encoded] = [encoded(*arguments)]
            else:
                made = self._pool.submit(lambda: [encoded(*arguments)])
            self._encoding.append(([(key, len(raw))], made))
        while self._encoding and (self._in_flight > IN_FLIGHT or _is_done(self._encoding[0][1])):
            self._take()

    def _encode_together(self) -> None:
        if self._together:
            made = self._pool.submit(encoded_together, [raw for _, raw in self._together])
            self._encoding.append(([(key, len(raw)) for key, raw in self._together], made))
            self._together, self._together_size = [], 0

    def put_stored(self, piece: Entry, stored: Bytes) -> None:
        """Takes in a chunk in the form in which it is to be kept, which the caller has decoded and verified. What it stands on is in the store for
        good, or was put before."""
        self._finish_encoding()
        self._new.add(piece.key)
        self._builder.add(
            piece.kind,
            piece.key,
            piece.codec,
            stored,
            piece.length,
            base=piece.base,
            depth=piece.depth,
            rank=piece.rank,
        )
        self._count(piece.length, len(stored))
        if self._builder.size >= TARGET:
            self._close_pack()

    def put_recipe(self, key: bytes, data: bytes) -> None:
        """Takes in a recipe that the store does not have. A reader that finds it finds its chunks: they are in this pack or in an earlier one."""
        self._finish_encoding()
        self._new.add(key)
        self._builder.add(Kind.RECIPE, key, Codec.RAW, data, len(data))
        self._count(0, len(data))

    def commit(self) -> None:
        """Returns when everything put so far survives a power cut and is found by others."""
        self._finish_encoding()
        self._close_pack()
        while self._uploading:
            self._finish_upload()
        own = [segment for segment in self._index.segments if segment.name in self._segments]
        # one for each pack, so that an attempt that is cut off has not been for nothing; together they read faster
        if len(own) > 1:
            self._index.replace(own, lambda _entry: True)
        self._segments.clear()

    def _chunk(self, key: bytes) -> Entry | None:
        return self.find(Kind.CHUNK, key)

    def _finish_encoding(self) -> None:
        self._encode_together()
        while self._encoding:
            self._take()

    def _take(self) -> None:
        pieces, made = self._encoding.popleft()
        for (key, length), done in zip(pieces, made.result() if isinstance(made, Future) else made, strict=True):
            self._in_flight -= length
            self._builder.add(
                Kind.CHUNK,
                key,
                done.codec,
                done.stored,
                length,
                base=done.base,
                depth=done.depth,
                rank=done.rank,
            )
            self._count(length, len(done.stored))
            if self._builder.size >= TARGET:
                self._close_pack()

    def _count(self, raw: int, stored: int) -> None:
        self.written.raw += raw
        self.written.stored += stored
        self.written.chunks += 1
        self.on_stored(stored)

    def _close_pack(self) -> None:
        if not len(self._builder):
            return
        self._uploading.append(self._uploader.submit(self._upload, self._builder))
        self._builder = PackBuilder()
        while len(self._uploading) > 2:
            self._finish_upload()

    def _upload(self, builder: PackBuilder) -> Pack:
        pack = builder.finish()
        self._objects.put(pack.key, pack.parts)
        return pack

    def _finish_upload(self) -> None:
        self._segments.add(self._index.add(self._uploading.popleft().result().entries).name)


def _is_done(made: Future[list[Encoded]] | list[Encoded]) -> bool:
    return not isinstance(made, Future) or made.done()


def workers() -> int:
    """Threads that encode and decode: one a core."""
    return max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2)
