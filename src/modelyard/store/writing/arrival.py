"""Pieces that come from another store, taken in as they are kept there: not encoded again, so a difference travels as one."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Index, Kind
from modelyard.store.reading.files import Files
from modelyard.store.reading.reader import Reader, Wanted
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.ancestry import DEEPEST
from modelyard.store.writing.leases import Holding
from modelyard.store.writing.writer import Writer, Written


class Arrival:
    """Takes pieces into a store; used from one thread, but for :meth:`read`. What it took is durable after :meth:`commit`.

    ``is_near``: reading from this store costs no request over a network. Without a ``lease`` it may only be asked.
    """

    checks_files = True
    """Whoever brings a file holds it against its digest before its recipe is taken: later writers will count on the recipe."""

    def __init__(
        self, writer: Writer, index: Index, files: Files, reader: Reader, lease: Holding | None, *, is_near: bool
    ) -> None:
        self.is_near = is_near
        self._writer = writer
        self._index = index
        self._files = files
        self._reader = reader
        self._lease = lease
        self._depths: dict[bytes, int | None] = {}
        self._whole: set[Digest] = set()
        self._unreadable: set[Digest] = set()  # files whose recipe is here and damaged: it is written anew

    @property
    def written(self) -> Written:
        """What was added to the store so far."""
        return self._writer.written

    def depth(self, key: bytes) -> int | None:
        """How many chunks must be decoded before this one, if it and all that it stands on is here and will stay; None where it is not."""
        if key not in self._depths:
            self._depths[key] = None  # a chain that leads back to itself is no way to read a chunk
            self._depths[key] = self._found_depth(key)
            if self._depths[key] is None:
                del self._depths[key]
        return self._depths.get(key)

    def can_carry(self, key: bytes) -> bool:
        """Whether the chunk is here, and another may be kept as the difference from it."""
        depth = self.depth(key)
        return depth is not None and depth < DEEPEST

    def is_whole(self, digest: Digest) -> bool:
        """Whether the file can be read from here: its recipe and all its chunks are here and will stay."""
        if digest in self._whole:
            return True
        if not self._writer.has(Kind.RECIPE, bytes.fromhex(digest.hex)):
            return False
        try:
            recipe = self._files.recipe(digest, digest)
        except Damaged:
            self._unreadable.add(digest)
            return False
        if all(self.depth(key) is not None for key, _ in recipe.chunks):
            self._whole.add(digest)
        return digest in self._whole

    def recipe(self, digest: Digest) -> Recipe | None:
        """The recipe of a file, if it is here and was not put just now."""
        if self._writer.find(Kind.RECIPE, bytes.fromhex(digest.hex)) is None:
            return None
        try:
            return self._files.recipe(digest, digest)
        except Damaged:
            return None

    def is_readable(self, key: bytes) -> bool:
        """Whether :meth:`read` can give the chunk: it is here, and not still on its way."""
        return bool(self._index.find(Kind.CHUNK, key))

    def read(self, wanted: Sequence[Wanted]) -> list[Bytes]:
        """The bytes of chunks that are here, verified; may be called from any thread. Raises MissingBlob, CorruptBlob."""
        return self._reader.read(wanted)

    def take(self, piece: Entry, stored: Bytes) -> None:
        """Takes a chunk that is not here, verified by the caller; what it stands on has a :meth:`depth` already."""
        self._depths[piece.key] = piece.depth
        self._writer.put_stored(piece, stored)

    def finish_file(self, digest: Digest, recipe: Recipe) -> None:
        """Takes the recipe of a file whose bytes the caller has held against its digest, and whose chunks are all here."""
        key = bytes.fromhex(digest.hex)
        if digest in self._unreadable or not self._writer.has(Kind.RECIPE, key):
            self._writer.put_recipe(key, recipe.to_bytes())
        self._whole.add(digest)

    def renew(self) -> None:
        """Says that this writer is still there; call it as often as you like. Raises RegistrationOvertaken."""
        if self._lease is not None:
            self._lease.renew()

    def commit(self) -> None:
        """Returns when everything taken so far survives a power cut. Raises RegistrationOvertaken."""
        self._writer.commit()
        if self._lease is not None:
            self._lease.confirm()

    def _found_depth(self, key: bytes) -> int | None:
        entry = self._writer.find(Kind.CHUNK, key)
        if entry is None:
            return None
        if not entry.codec.has_base:
            return 0
        below = self.depth(entry.base)
        return None if below is None else below + 1
