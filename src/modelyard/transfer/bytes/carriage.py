"""Files from one store into a sink: only the chunks that the receiver lacks, each in the form in which it is kept.

A difference travels as one wherever the receiver has, or gets, what it is the difference from. Where it does not, the chunk is kept as the difference
from a relative that the receiver has: from one that stood on the same. Only the first of a family is kept by itself. So a few versions out of many take
about what they took there, and the next ones only what has changed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, Damaged, MissingBlob
from modelyard.store.codecs import Codec, Element, encode, encode_against
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.reader import BATCH, Wanted
from modelyard.store.reading.recipe import Recipe
from modelyard.store.store import Store
from modelyard.store.writing.ancestry import DEEPEST, PAYS
from modelyard.transfer.bytes.origin import Loaded, Origin
from modelyard.transfer.bytes.sink import Sink

FAMILY_LIMIT = 1_000_000
"""Entries of an index that are looked through for relatives."""
_OF_NUMBERS = (Codec.PLANES, Codec.DIFFERENCE)


class ReceiverDamaged(Exception):
    """What the receiver has already cannot be read; ``error`` says what."""

    def __init__(self, error: Damaged) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class _Wish:
    """A chunk of a file on its way. ``known``: the receiver has it, or will before this one is taken. Else it is kept as it is kept at its
    origin, or, where that cannot be, ``anew``, then as the difference from ``against`` if there is one."""

    wanted: Wanted
    known: bool
    anew: bool = False
    against: bytes | None = None


@dataclass(frozen=True)
class _Made:
    """A chunk of a file as it arrives; ``raw`` is None where nobody needs it, ``stored`` where the receiver has it."""

    wish: _Wish
    raw: Bytes | None
    codec: Codec = Codec.RAW
    stored: Bytes | None = None
    base: bytes = NO_BASE
    rank: int = 0


class Carriage:
    """Brings files, one after the other, from ``source`` to ``sink``; used from one thread, works with several."""

    def __init__(self, source: Store, sink: Sink, pool: Executor, *, ahead: int = 4, progress: Progress | None = None):
        self._source = source
        self._sink = sink
        self._pool = pool
        self._ahead = ahead
        self._progress = progress or (lambda _advance: None)
        self._origin = Origin(source, self._from_sink)
        self._promised: dict[bytes, int] = {}  # chunks that were asked for, and how deep they will be at most
        self._siblings: dict[bytes, bytes] = {}  # what the receiver lacks, and who stands in for it
        self._family: dict[bytes, bytes] | None = None

    def bring(self, digest: Digest, file: str) -> None:
        """Sees to it that the receiver has the file; ``file`` is its name for people.

        Raises MissingBlob and CorruptBlob of the source, ReceiverDamaged, and what the objects of either side raise.
        """
        if not self._sink.is_whole(digest):
            for _ in self._carried(digest, file):
                pass

    def document(self, digest: Digest, file: str) -> bytes:
        """As :meth:`bring`, for a small file; its bytes, verified."""
        if self._sink.is_whole(digest):
            return self.read(digest, file)
        return b"".join(self._carried(digest, file, needed=True))

    def read(self, digest: Digest, file: str) -> bytes:
        """The bytes of a small file from wherever they can be had, verified."""
        recipe = self._recipe(digest, file)
        found = self._origin.load(
            [Wanted(key, n, file, at) for (key, n), at in zip(recipe.chunks, recipe.starts, strict=False)]
        )
        data = b"".join(each.raw for each in found)
        _require(digest, Digest.of(data), file)
        return data

    def _carried(self, digest: Digest, file: str, *, needed: bool = False) -> Iterator[Bytes]:
        recipe = self._recipe(digest, file)
        checks = self._sink.checks_files or needed
        sha = hashlib.sha256()
        for made in self._made(recipe, file, checks):
            wanted = made.wish.wanted
            if made.stored is not None:
                depth = self._take(made, made.stored)
                self._promised[wanted.key] = depth
                self._progress(Advance(wanted.length, stored=len(made.stored)))
            else:
                self._progress(Advance(wanted.length, known=wanted.length))
            self._sink.renew()
            if checks and made.raw is not None:
                sha.update(made.raw)
                yield made.raw
        if checks:
            _require(digest, Digest("sha256:" + sha.hexdigest()), file)
        self._sink.finish_file(digest, recipe)

    def _take(self, made: _Made, stored: Bytes) -> int:
        wanted = made.wish.wanted
        below = self._sink.depth(made.base) if made.codec.has_base else -1
        if below is None:  # it was promised and did not come
            raise CorruptBlob(
                file=wanted.file, offset=wanted.offset, expected=f"a base {made.base.hex()}", found="nothing"
            )
        self._sink.take(
            Entry(
                wanted.key, made.base, 0, len(stored), wanted.length, Kind.CHUNK, made.codec, below + 1, made.rank, ""
            ),
            stored,
        )
        return below + 1

    def _made(self, recipe: Recipe, file: str, checks: bool) -> Iterator[_Made]:
        waiting: deque[Future[list[_Made]]] = deque()
        try:
            for batch in self._batches(recipe, file, checks):
                waiting.append(self._pool.submit(self._make, batch, checks))
                if len(waiting) >= self._ahead:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _batches(self, recipe: Recipe, file: str, checks: bool) -> Iterator[list[_Wish]]:
        batch: list[_Wish] = []
        size = 0
        for (key, length), offset in zip(recipe.chunks, recipe.starts, strict=False):
            wish = self._wish(Wanted(key, length, file, offset))
            batch.append(wish)
            size += 0 if wish.known and not checks else length
            if size >= BATCH or len(batch) >= 256:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _wish(self, wanted: Wanted) -> _Wish:
        """Decides how a chunk is to travel, from the index alone."""
        if self._depth(wanted.key) is not None:
            return _Wish(wanted, known=True)
        entry = self._origin.entry(wanted.key)
        if entry is None or not entry.codec.has_base:
            self._promised[wanted.key] = 0
            return _Wish(wanted, known=False)
        below = self._depth(entry.base)
        if below is not None and below < DEEPEST:
            self._promised[wanted.key] = below + 1
            return _Wish(wanted, known=False)
        below_it = self._below(entry)
        relative = self._relative(below_it)
        if relative is None:
            self._siblings.update(dict.fromkeys(below_it, wanted.key))
        self._promised[wanted.key] = 0 if relative is None else (self._depth(relative) or 0) + 1
        return _Wish(wanted, known=False, anew=True, against=relative)

    def _relative(self, below: Sequence[bytes]) -> bytes | None:
        """What the receiver has, or gets, of the family of a chunk: one of those that it stands on, or another that stands on one of them."""
        for key in below:
            if self._sink.can_carry(key):
                return key
        found = next((self._siblings[key] for key in below if key in self._siblings), None)
        if found is None:
            family = self._family_of_receiver()
            found = next((family[key] for key in below if key in family), None)
        return found

    def _family_of_receiver(self) -> dict[bytes, bytes]:
        """For what chunks stand on, a chunk that stands on it and that the receiver has. Looks through the whole index, once; not through a huge one,
        where the time that it takes is worth more than the bytes that it saves."""
        if self._family is None:
            self._family = {}
            if sum(len(segment) for segment in self._source.index.segments) <= FAMILY_LIMIT:
                for entry in self._source.index.entries():
                    if entry.kind is Kind.CHUNK and entry.codec.has_base and self._sink.can_carry(entry.key):
                        for key in self._below(entry):
                            self._family.setdefault(key, entry.key)
        return self._family

    def _below(self, entry: Entry) -> list[bytes]:
        """What a chunk stands on, the nearest first."""
        below: list[bytes] = []
        at: Entry | None = entry
        while at is not None and at.codec.has_base and at.base not in below:
            below.append(at.base)
            at = self._origin.entry(at.base)
        return below

    def _depth(self, key: bytes) -> int | None:
        found = self._promised.get(key)
        return self._sink.depth(key) if found is None else found

    def _make(self, batch: list[_Wish], checks: bool) -> list[_Made]:
        """In a thread of the pool: reads, decodes and verifies, and encodes what has to be encoded anew."""
        known = [wish.wanted for wish in batch if wish.known and checks]
        raws = self._near(known)
        far = [one for one in (*(wish.wanted for wish in batch if not wish.known), *known) if one.key not in raws]
        loaded = dict(zip((one.key for one in far), self._origin.load(far), strict=True))
        made: list[_Made] = []
        for wish in batch:
            key = wish.wanted.key
            if not wish.known:
                made.append(self._formed(wish, loaded[key]))
            elif not checks:
                made.append(_Made(wish, None))
            else:
                made.append(_Made(wish, raws[key] if key in raws else loaded[key].raw))
        return made

    def _near(self, known: Sequence[Wanted]) -> dict[bytes, Bytes]:
        """Of chunks that the receiver has, those that need not be read from the source."""
        found: dict[bytes, Bytes] = {}
        asked: list[Wanted] = []
        for one in known:
            recalled = self._origin.recalled(one.key)
            if recalled is not None:
                found[one.key] = recalled
            elif self._sink.is_readable(one.key) and (self._sink.is_near or self._origin.entry(one.key) is None):
                asked.append(one)
        try:
            found.update(zip((one.key for one in asked), self._sink.read(asked) if asked else (), strict=True))
        except Damaged as error:
            raise ReceiverDamaged(error) from error
        return found

    def _formed(self, wish: _Wish, found: Loaded) -> _Made:
        entry, stored = found.entry, found.stored
        if entry is not None and stored is not None and not wish.anew:
            return _Made(wish, found.raw, entry.codec, stored, entry.base, entry.rank)
        of_numbers = stored is not None and len(stored) > 0 and entry is not None and entry.codec in _OF_NUMBERS
        element = Element(memoryview(stored)[0]) if of_numbers and stored is not None else None
        codec, alone = encode(found.raw, element)
        if wish.against is not None:
            base = self._bytes(wish.against)
            against = None if base is None else encode_against(found.raw, base, element)
            if against is not None and len(against[1]) < PAYS * len(alone):
                return _Made(wish, found.raw, against[0], against[1], wish.against)
        return _Made(wish, found.raw, codec, alone)

    def _bytes(self, key: bytes) -> Bytes | None:
        """The bytes of a chunk of the source, or None."""
        entry = self._origin.entry(key)
        try:
            return None if entry is None else self._origin.load([Wanted(key, entry.length, "", 0)])[0].raw
        except Damaged:
            return None

    def _from_sink(self, key: bytes, length: int) -> Bytes | None:
        try:
            return self._sink.read([Wanted(key, length, "", 0)])[0] if self._sink.is_readable(key) else None
        except Damaged:
            return None

    def _recipe(self, digest: Digest, file: str) -> Recipe:
        try:
            return self._source.files.recipe(digest, file)
        except MissingBlob:
            found = self._sink.recipe(digest)
            if found is None:
                raise
            return found


def _require(expected: Digest, found: Digest, file: str) -> None:
    if expected != found:
        raise CorruptBlob(file=file, offset=0, expected=expected, found=found)
