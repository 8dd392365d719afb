"""Where a lost piece may be had again: another store that has it too, and files that have its bytes. Nothing from them is believed: what they give is
held against the digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs import pack as packs
from modelyard.store.reading.hashing import sha256_of
from modelyard.store.reading.recipe import Recipe
from modelyard.store.store import Store
from modelyard.store.writing.intake import chunks_of


@dataclass(frozen=True)
class Place:
    """``length`` bytes at ``offset`` of the file ``digest``, which is of ``size`` bytes and which some versions have at ``paths``."""

    digest: Digest
    size: int | None
    paths: tuple[str, ...]
    offset: int = 0
    length: int = 0


class Source(Protocol):
    """What an implementer owes: the very bytes or None, each time anew; an error only where the source cannot be asked at all."""

    @property
    def name(self) -> str:
        """For people, such as ``the cache``."""
        ...

    def chunk(self, key: bytes, places: Sequence[Place]) -> Bytes | None:
        """The bytes of the chunk, verified."""
        ...

    def recipe(self, place: Place) -> Recipe | None:
        """A recipe of the file."""
        ...

    def stored(self, entry: Entry) -> Bytes | None:
        """The stored bytes of an entry that is alike in all but its place, not verified."""
        ...


class OtherStore:
    """Another store."""

    def __init__(self, store: Store) -> None:
        self.name = store.objects.url
        self._store = store
        store.index.refresh()
        store.index.recover()

    def chunk(self, key: bytes, places: Sequence[Place]) -> Bytes | None:
        found = self._store.index.find(Kind.CHUNK, key)
        with suppress(Damaged):
            return self._store.reader.chunk(key, found[0].length) if found else None
        return None

    def recipe(self, place: Place) -> Recipe | None:
        with suppress(Damaged):
            return self._store.files.recipe(place.digest, place.digest)
        return None

    def stored(self, entry: Entry) -> Bytes | None:
        for other in self._store.index.find(entry.kind, entry.key):
            if other._replace(pack=entry.pack, offset=entry.offset) == entry:
                with suppress(FileNotFoundError):
                    return self._store.objects.get_ranges(packs.key_of(other.pack), [(other.offset, other.stored)])[0]
        return None


class LocalFiles:
    """Files on this machine; ``candidates`` says which of them may be the file of a place."""

    def __init__(self, name: str, candidates: Callable[[Place], Iterable[Path]]) -> None:
        self.name = name
        self._candidates = candidates

    def chunk(self, key: bytes, places: Sequence[Place]) -> Bytes | None:
        for place in places:
            for path in self._candidates(place):
                with suppress(OSError), path.open("rb") as file:
                    file.seek(place.offset)
                    raw = file.read(place.length)
                    if blake3(raw).digest() == key:
                        return raw
        return None

    def recipe(self, place: Place) -> Recipe | None:
        for path in self._candidates(place):
            with suppress(OSError):
                size = path.stat().st_size
                if place.size in (None, size) and sha256_of(path) == place.digest:
                    with path.open("rb") as file:
                        return Recipe(tuple((blake3(raw).digest(), len(raw)) for raw, _, _ in chunks_of(file, size)))
        return None

    def stored(self, entry: Entry) -> Bytes | None:
        return None


def one_file(path: Path) -> LocalFiles:
    """A file that the user gives, whatever it is called."""
    return LocalFiles(str(path), lambda _place: [path])


def folder(root: Path) -> LocalFiles:
    """A folder that the user gives: files at the paths that they have in a version, of the same name, or of the same size."""
    files = [Path(above, name) for above, _, names in os.walk(root) for name in names if Path(above, name).is_file()]
    by_name: dict[str, list[Path]] = {}
    by_size: dict[int, list[Path]] = {}
    for path in files:
        by_name.setdefault(path.name, []).append(path)
        by_size.setdefault(path.stat().st_size, []).append(path)

    def candidates(place: Place) -> Iterator[Path]:
        exact = [root / path for path in place.paths if (root / path).is_file()]
        named = [path for each in place.paths for path in by_name.get(Path(each).name, ())]
        sized = [] if place.size is None else by_size.get(place.size, [])
        yield from dict.fromkeys([*exact, *named, *sized])

    return LocalFiles(str(root), candidates)


def cache(root: Path) -> LocalFiles:
    """The verified files of versions that were used here (``modelyard.client.cache`` has their layout)."""

    def candidates(place: Place) -> Iterator[Path]:
        yield root / "files" / place.digest.hex[:2] / place.digest.hex
        versions = root / "versions"
        if versions.is_dir():
            for version in sorted(versions.iterdir()):
                yield from (version / path for path in place.paths)

    return LocalFiles("the cache", candidates)
