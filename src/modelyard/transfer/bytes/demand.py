"""What of the bytes would have to travel, and whether all of it can be had: asked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelyard.core.digests import Digest
from modelyard.core.errors import MissingBlob
from modelyard.store import Store
from modelyard.store.packs import Kind
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.arrival import Arrival
from modelyard.transfer.bytes.carriage import Carriage
from modelyard.transfer.bytes.contents import Named, files_of, reports_of
from modelyard.transfer.records import Report, Version


@dataclass
class Demand:
    """``raw`` bytes of files that the receiver lacks; for them ``chunks`` chunks travel, which are ``stored`` bytes as they are kept at their
    origin. ``missing`` chunks and files are on neither side, ``first`` is where the first of them belongs."""

    raw: int = 0
    chunks: int = 0
    stored: int = 0
    missing: int = 0
    first: str = ""

    def lacks(self, file: str) -> None:
        """Notes something that nobody has."""
        self.missing += 1
        self.first = self.first or file


@dataclass
class Survey:
    """Looks through versions, one after the other; a chunk that many share is counted once."""

    source: Store
    sink: Arrival
    carriage: Carriage
    demand: Demand = field(default_factory=Demand)
    _seen: set[bytes] = field(default_factory=set)
    _files: set[Digest] = field(default_factory=set)

    def version(self, version: Version, told: str) -> None:
        """All files of a version. Raises Damaged for what is there and cannot be read."""
        try:
            self._look(files_of(version, told, self.carriage.read))
        except MissingBlob as error:
            self.demand.lacks(str(error.file))

    def reports(self, reports: Iterable[Report], told: str) -> None:
        """The documents of reports."""
        self._look(reports_of(reports, told))

    def _look(self, files: Iterable[Named]) -> None:
        for digest, file in files:
            if digest in self._files or self.sink.is_whole(digest):
                continue
            self._files.add(digest)
            recipe = self._recipe(digest)
            if recipe is None:
                self.demand.lacks(file)
                continue
            self.demand.raw += recipe.size
            for key, _ in recipe.chunks:
                self._chunk(key, file)

    def _recipe(self, digest: Digest) -> Recipe | None:
        try:
            return self.source.files.recipe(digest, digest)
        except MissingBlob:
            return self.sink.recipe(digest)

    def _chunk(self, key: bytes, file: str) -> None:
        if key in self._seen:
            return
        self._seen.add(key)
        if self.sink.depth(key) is not None:
            return
        entry = min(self.source.index.find(Kind.CHUNK, key), key=lambda each: each.depth, default=None)
        if entry is None:
            self.demand.lacks(file)
            return
        self.demand.chunks += 1
        self.demand.stored += entry.stored
        below = entry
        for _ in range(64):
            if not below.codec.has_base or self.sink.depth(below.base) is not None:
                return
            found = min(self.source.index.find(Kind.CHUNK, below.base), key=lambda each: each.depth, default=None)
            if found is None:
                break
            below = found
        self.demand.lacks(file)
