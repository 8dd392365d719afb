"""The index anew from the packs: their own tables say what is in them, so all of ``index/`` may be lost and nothing is.

One segment is written with all entries, and then the segments that were there before are removed: whoever reads in between finds one or both. A writer
at work adds a segment of its own, which stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelyard.store.packs import Entry, segment
from modelyard.store.packs import pack as packs
from modelyard.store.store import Store
from modelyard.store.writing import leases


@dataclass(frozen=True)
class Rebuilding:
    """What the index will say. ``new`` entries are those that no readable segment had, ``gone`` those whose pack is no more or says otherwise;
    ``kept`` are entries of packs whose table is damaged, as the segments have them; ``unreadable`` are packs whose table is damaged, and why."""

    packs: int
    entries: tuple[Entry, ...] = field(repr=False)
    new: int
    gone: int
    kept: int
    unreadable: Mapping[str, str]
    lost: tuple[str, ...]
    """Packs of which nothing can be said: their table is damaged, and no segment speaks of them."""
    segments: tuple[str, ...]
    """The segments that are there now."""
    damaged: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether the index said anything else than the packs."""
        return bool(self.new or self.gone or self.damaged)


def plan(store: Store) -> Rebuilding:
    """Reads the table of every pack. Changes nothing."""
    before = tuple(info.key.removeprefix(segment.PREFIX) for info in store.objects.list(segment.PREFIX))
    store.index.refresh()
    said = {entry for each in store.index.segments for entry in each}
    by_pack: dict[str, list[Entry]] = {}
    for entry in said:
        by_pack.setdefault(entry.pack, []).append(entry)
    names = sorted(store.index.packs)
    entries: set[Entry] = set()
    unreadable: dict[str, str] = {}
    lost: list[str] = []
    kept = 0
    for name, found in zip(names, store.pool.map(lambda name: _table(store, name), names), strict=True):
        if isinstance(found, str):
            unreadable[name] = found
            known = by_pack.get(name, [])
            kept += len(known)
            entries.update(known)
            if not known:
                lost.append(name)
        else:
            entries.update(found)
    return Rebuilding(
        packs=len(names),
        entries=tuple(entries),
        new=len(entries - said),
        gone=len(said - entries),
        kept=kept,
        unreadable=unreadable,
        lost=tuple(lost),
        segments=before,
        damaged=dict(store.index.damaged),
    )


def rebuild(store: Store, planned: Rebuilding) -> None:
    """Writes what was planned. Raises YardUnwritable, StoreUnreachable; then the old segments are still there."""
    with leases.held(store.objects):
        written = store.index.write(planned.entries).name if planned.entries else ""
        for name in planned.segments:
            if name != written:
                store.objects.delete(segment.PREFIX + name)
        store.index.refresh()


def _table(store: Store, name: str) -> tuple[Entry, ...] | str:
    """The entries of a pack, or why they cannot be read."""
    try:
        size = store.objects.size(packs.key_of(name))
        return () if size is None else packs.table_of(store.objects, name, size)
    except FileNotFoundError:  # removed since
        return ()
    except ValueError as error:
        return str(error)
