"""Stored pieces from one pack into another, as they are: not decoded, so nothing is lost of what a codec did, and nothing is hurt on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from blake3 import blake3

from modelyard.store.packs import Entry, PackBuilder
from modelyard.store.packs.pack import TARGET, is_whole, key_of
from modelyard.store.progress import Advance, Progress
from modelyard.store.store import Store
from modelyard.store.upkeep.check import is_readable
from modelyard.store.upkeep.inventory import Inventory, Shelf

AHEAD = 3
"""So many packs are read ahead; each is up to some 36 MiB."""


class Soundness:
    """Which copies are as they were written: those in a pack whose bytes are those of its name, and of the others those that decode. Remembers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._whole: dict[str, bool] = {}
        self._entries: dict[Entry, bool] = {}

    def trust(self, packs: Iterable[str]) -> None:
        """These packs were written just now, by us."""
        self._whole.update((pack, True) for pack in packs)

    def note(self, pack: str, whole: bool) -> None:
        """What somebody who read all of the pack found."""
        self._whole[pack] = whole

    def of(self, entry: Entry) -> bool:
        """Reads all of the pack, once. Raises what the objects raise."""
        if entry.pack not in self._whole:
            try:
                self._whole[entry.pack] = is_whole(self._store.objects, entry.pack)
            except FileNotFoundError:
                self._whole[entry.pack] = False
        return self._whole[entry.pack] or self.alone(entry)

    def alone(self, entry: Entry) -> bool:
        """Whether this piece of a damaged pack is sound all the same."""
        if entry not in self._entries:
            self._entries[entry] = is_readable(self._store, entry)
        return self._entries[entry]

    def believed(self, entry: Entry) -> bool:
        """As :meth:`of`, but a pack that nobody has read yet counts as whole: whoever copies from it finds out."""
        return self._whole.get(entry.pack, True) or self.alone(entry)


def carry_over(
    store: Store, inventory: Inventory, entries: Iterable[Entry], soundness: Soundness, progress: Progress | None = None
) -> tuple[Shelf, ...]:
    """Copies pieces into new packs, which are durable and indexed on return. A piece that is not sound is left out, and ``soundness`` knows then.

    Pieces of the same age stay together. Each old pack is read once, whole. Raises what the objects raise.
    """
    by_pack: dict[str, list[Entry]] = {}
    for entry in entries:
        by_pack.setdefault(entry.pack, []).append(entry)
    said = progress or (lambda _advance: None)
    builder = PackBuilder()
    made: list[Shelf] = []
    names = sorted(by_pack, key=lambda name: (inventory.shelves[name].modified, name))
    for name, data in _read(store, names):
        soundness.note(name, blake3(data).hexdigest() == name)
        for entry in sorted(by_pack[name], key=lambda entry: entry.offset):
            if not soundness.believed(entry):
                continue
            stored = bytes(data[entry.offset : entry.offset + entry.stored])  # a view would hold on to the whole pack
            builder.add(
                entry.kind,
                entry.key,
                entry.codec,
                stored,
                entry.length,
                base=entry.base,
                depth=entry.depth,
                rank=entry.rank,
            )
            said(Advance(entry.stored, stored=entry.stored))
            if builder.size >= TARGET:
                made.append(_put(store, builder, inventory.shelves[name]))
                builder = PackBuilder()
    if len(builder):
        made.append(_put(store, builder, inventory.shelves[name]))
    return tuple(made)


def _read(store: Store, names: list[str]) -> Iterator[tuple[str, memoryview]]:
    """The bytes of each pack, none of one that is gone; the next few are on their way meanwhile."""

    def bytes_of(name: str) -> memoryview:
        try:
            return memoryview(store.objects.get(key_of(name)))
        except FileNotFoundError:
            return memoryview(b"")

    with ThreadPoolExecutor(AHEAD, thread_name_prefix="modelyard-carry") as pool:
        coming: deque[tuple[str, Future[memoryview]]] = deque()
        try:
            for name in names:
                coming.append((name, pool.submit(bytes_of, name)))
                if len(coming) > AHEAD:
                    first, future = coming.popleft()
                    yield first, future.result()
            while coming:
                first, future = coming.popleft()
                yield first, future.result()
        finally:
            for _, future in coming:
                future.cancel()


def _put(store: Store, builder: PackBuilder, like: Shelf) -> Shelf:
    pack = builder.finish()
    store.objects.put(pack.key, pack.parts)
    store.index.add(pack.entries)
    return Shelf(pack.name, sum(len(part) for part in pack.parts), like.modified, pack.entries)
