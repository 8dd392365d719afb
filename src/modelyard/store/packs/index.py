"""The index: which pack holds a chunk, a recipe. Derived from the packs, and rebuildable from them alone.

A segment is written after its pack and names what is in it. Small segments are merged as they grow in number, so a yard with a thousand registrations
has a handful of them. An entry counts only while its pack is there: whoever removes a pack need not find every segment that speaks of it. Where a segment
is damaged or lost, whoever misses a piece reads the tables of the packs that no segment speaks of (:meth:`Index.recover`), and goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from blake3 import blake3

from modelyard.core.errors import StoreUnreachable
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import pack, segment
from modelyard.store.packs.entry import Entry, Kind
from modelyard.store.packs.segment import Segment

FAN = 8
"""So many segments of about one size become one."""
ROUNDS = 20
"""So often the index is listed anew because others changed it meanwhile."""


class Index:
    """Reads the segments that are there; knows what this process has added since. Safe for threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._segments: dict[str, Segment] = {}
        self._packs: frozenset[str] | None = None
        self._sizes: dict[str, int] = {}
        self._recovered: dict[str, Segment] = {}
        self.damaged: dict[str, str] = {}
        """Segments that could not be read, and why; what they said is found again by :func:`modelyard.store.upkeep.rebuilding.rebuild`."""
        self.unreadable: dict[str, str] = {}
        """Packs of which no segment speaks and whose own table could not be read either, and why, as :meth:`recover` found them."""

    def refresh(self) -> None:
        """Reads what others have written since. Raises what the objects raise."""
        with self._lock:
            self._refresh()

    def recover(self) -> None:
        """Reads the tables of the packs that no readable segment speaks of, so that what is in them is found all the same. Nothing is written.

        Costs nothing where there are none. Such a pack may also be that of a writer at work, or of one that died.
        """
        with self._lock:
            if self._packs is None:
                self._refresh()
            for name in sorted(self._strays() - self._recovered.keys() - self.unreadable.keys()):
                try:
                    self._recovered[name] = _table_segment(self._objects, name)
                except FileNotFoundError:
                    continue
                except ValueError as error:
                    self.unreadable[name] = str(error)

    @property
    def strays(self) -> frozenset[str]:
        """The packs that no readable segment speaks of."""
        with self._lock:
            return self._strays()

    def find(self, kind: Kind, key: bytes) -> list[Entry]:
        """Every place where the piece lies, those that were recovered last; empty when it is nowhere."""
        packs, segments = self._state()
        return [entry for each in segments for entry in each.find(key) if entry.kind is kind and entry.pack in packs]

    def reaches(self, entry: Entry) -> bool:
        """Whether the pack is long enough to hold what the entry speaks of; one that was cut short is not."""
        size = self._sizes.get(entry.pack)
        return size is None or entry.offset + entry.stored <= size

    def entries(self) -> Iterator[Entry]:
        """Every entry whose pack is there, each once."""
        packs, segments = self._state()
        seen: set[tuple[str, int]] = set()
        for each in segments:
            for entry in each:
                if entry.pack in packs and (entry.pack, entry.offset) not in seen:
                    seen.add((entry.pack, entry.offset))
                    yield entry

    @property
    def packs(self) -> frozenset[str]:
        """The names of the packs that were there when this was last refreshed."""
        return self._state()[0]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that were there when this was last refreshed."""
        self._state()
        with self._lock:
            return tuple(self._segments.values())

    @property
    def recovered(self) -> frozenset[str]:
        """The packs that are known by their own tables only: :meth:`find` gives what is in them, and nothing new may count on it."""
        with self._lock:
            return frozenset(self._recovered)

    def add(self, entries: Iterable[Entry]) -> Segment:
        """Writes a segment with these entries, whose packs are durable; merges where there are many. Durable on return."""
        made = self.write(entries)
        with self._lock:
            self._segments[made.name] = made
            self._packs = (self._packs or frozenset()) | set(made.packs)
            self._forget_recovered()
            merge = _mergeable(list(self._segments.values()))
        if merge:
            self.replace(merge, lambda entry: True)
        return made

    def replace(self, old: Iterable[Segment], keep: Callable[[Entry], bool]) -> Segment | None:
        """Puts one segment, with those entries that ``keep`` lets through, in the place of several. Another reader finds either or both."""
        listed = list(old)
        entries = [entry for each in listed for entry in each if keep(entry)]
        made = self.write(entries) if entries else None
        for each in listed:
            if made is None or each.name != made.name:
                self._objects.delete(segment.PREFIX + each.name)
        with self._lock:
            for each in listed:
                self._segments.pop(each.name, None)
            if made is not None:
                self._segments[made.name] = made
            self._forget_recovered()
        return made

    def write(self, entries: Iterable[Entry]) -> Segment:
        """Writes a segment, without looking at the others."""
        data = segment.to_bytes(entries)
        name = blake3(data).hexdigest()
        self._objects.put(segment.PREFIX + name, [data])
        return segment.from_bytes(data, name)

    def _state(self) -> tuple[frozenset[str], tuple[Segment, ...]]:
        with self._lock:
            if self._packs is None:
                self._refresh()
            return self._packs or frozenset(), (*self._segments.values(), *self._recovered.values())

    def _strays(self) -> frozenset[str]:
        return (self._packs or frozenset()).difference(*(each.packs for each in self._segments.values()))

    def _forget_recovered(self) -> None:
        if self._recovered or self.unreadable:
            strays = self._strays()
            self._recovered = {name: each for name, each in self._recovered.items() if name in strays}
            self.unreadable = {name: why for name, why in self.unreadable.items() if name in strays}

    def _refresh(self) -> None:
        # packs first: a segment found afterwards may speak of a newer pack, which is then unknown for now, but never of one that is gone
        sizes = {info.key.removeprefix(pack.PREFIX): info.size for info in self._objects.list(pack.PREFIX)}
        for _ in range(ROUNDS):
            names = [info.key.removeprefix(segment.PREFIX) for info in self._objects.list(segment.PREFIX)]
            self.damaged = {}
            merged_away = [name for name in names if name not in self._segments and not self._load(name)]
            if not merged_away:
                break  # else list again, and keep what is known until all is
        else:
            raise StoreUnreachable(
                url=self._objects.url, problem="its index changed each time that it was read; try again"
            )
        for gone in self._segments.keys() - set(names):
            del self._segments[gone]
        self._packs, self._sizes = frozenset(sizes), sizes
        self.unreadable = {}
        self._forget_recovered()

    def _load(self, name: str) -> bool:
        try:
            self._segments[name] = segment.from_bytes(self._objects.get(segment.PREFIX + name), name)
        except FileNotFoundError:
            return False
        except ValueError as error:
            self.damaged[name] = str(error)
        return True


def _table_segment(objects: Objects, name: str) -> Segment:
    size = objects.size(pack.key_of(name))
    if size is None:
        raise FileNotFoundError(name)
    data = segment.to_bytes(pack.table_of(objects, name, size))
    return segment.from_bytes(data, blake3(data).hexdigest())


def _mergeable(segments: list[Segment]) -> list[Segment]:
    """The segments of the smallest size class that has grown full, together with all that are smaller; none when no class is full."""
    classes: dict[int, list[Segment]] = {}
    for each in segments:
        classes.setdefault(max(0, (len(each).bit_length() - 1) // 3), []).append(each)
    taken: list[Segment] = []
    for size in sorted(classes):
        taken += classes[size]
        if len(taken) >= FAN:
            return taken
    return []
