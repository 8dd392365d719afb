"""Packs out of a store, so that no byte is lost that a version needs: neither by a registration meanwhile, nor by another `gc`, nor by `kill -9`.

1. For `compact`: what is needed of the packs that are to go is carried over into new packs, durable and indexed.
2. The packs are marked as condemned. A writer that begins from now on does not count on them.
3. Every writer that began before is waited for, or else the packs stay condemned and the next run goes on. Writers that died are passed over.
4. Only now it is asked again what is referred to. What turns out to be needed and is in no pack that stays is carried over: a mark is never taken
   back, so that what another run decides meanwhile on the same marks stays true.
5. The packs are deleted, then the index forgets them, then the marks go.

Killed after any step, the next run finds the marks and goes on from there; a step that is done twice does no harm, and neither do two runs at once:
each counts only on packs that nobody had condemned after its own marks were there to be seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from modelyard.store.packs.pack import key_of
from modelyard.store.progress import Advance, Progress
from modelyard.store.store import Store
from modelyard.store.upkeep.demand import Sound, demand
from modelyard.store.upkeep.inventory import Inventory, Piece, take_inventory
from modelyard.store.upkeep.reachability import ReadRoots
from modelyard.store.upkeep.survey import Plan, follow
from modelyard.store.upkeep.transfer import Soundness, carry_over
from modelyard.store.writing import leases
from modelyard.store.writing.leases import Lease

PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two looks at the writers that are waited for."""


@dataclass(frozen=True)
class Outcome:
    """What was done, in names of packs and in bytes. ``waiting`` packs are condemned and will go in a later run, after the writers ``writers``;
    ``damaged`` ones hold something that is needed and cannot be read from anywhere, so they stay."""

    removed: tuple[str, ...] = ()
    freed: int = 0
    written: tuple[str, ...] = ()
    carried: int = 0
    indexed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    merged: int = 0
    leases: int = 0
    leftovers: int = 0

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def carry_out(
    store: Store, plan: Plan, roots: ReadRoots, *, wait: float = 0.0, progress: Progress | None = None
) -> Outcome:
    """Does what was planned, and what an earlier run left undone; waits up to ``wait`` seconds for writers that may count on condemned packs.

    Raises CollectionRefused, YardUnwritable and what else the objects raise; whatever was done until then is safe, and the next run goes on.
    """
    return _Run(store, roots, progress).carry_out(plan, wait)


@dataclass
class _Run:
    store: Store
    roots: ReadRoots
    progress: Progress | None
    soundness: Soundness = field(init=False)
    inventory: Inventory = field(init=False)
    done: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.soundness = Soundness(self.store)

    def carry_out(self, plan: Plan, wait: float) -> Outcome:
        objects = self.store.objects
        self.inventory = take_inventory(objects, self.store.index)
        self._index(plan.packs("index"))
        leaving = plan.packs("remove", "rewrite") & self.inventory.shelves.keys()
        if leaving & plan.packs("rewrite"):
            leaving -= self._rewrite(leaving)
        leases.condemn(objects, leaving)
        ready, later, writers = self._wait(wait)
        self.done = replace(self.done, waiting=tuple(sorted(later)), writers=writers)
        if ready:
            self._remove(ready, later)
        self._forget(ready, plan.merge > 0)
        self._sweep()
        return self.done

    def _index(self, packs: Iterable[str]) -> None:
        """Makes known to the index what only the packs themselves knew."""
        for name in sorted(packs):
            shelf = self.inventory.shelves.get(name)
            if shelf is not None and not shelf.indexed:
                self.store.index.add(shelf.entries)
                self.done = replace(self.done, indexed=(*self.done.indexed, name))

    def _rewrite(self, leaving: frozenset[str]) -> frozenset[str]:
        """Carries over before the marks are there, so that a writer that begins after them finds the pieces. Gives the packs that must stay."""
        with leases.held(self.store.objects) as lease:  # these new packs are nobody's garbage

            def said(step: Advance) -> None:
                lease.renew()
                if self.progress is not None:
                    self.progress(step)

            self.inventory, live = follow(self.store, self.roots, self.inventory)
            condemned = leases.condemned(self.store.objects)
            return self._carry(live, leaving & self.inventory.shelves.keys(), condemned, said)

    def _wait(self, seconds: float) -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
        """The condemned packs on which no writer counts any more, those on which one may, and these writers."""
        deadline, pause = time.monotonic() + seconds, PAUSE
        while True:
            marks = leases.marks(self.store.objects)  # all of them, whoever put them there
            writers = self._writers()
            waits = {mark.pack: [lease.holder for lease in writers if mark.waits_for(lease)] for mark in marks}
            ready = frozenset(pack for pack, holders in waits.items() if not holders)
            left = deadline - time.monotonic()
            if len(ready) == len(marks) or left <= 0:
                holders = {holder for listed in waits.values() for holder in listed}
                return ready, frozenset(waits.keys() - ready), tuple(sorted(holders))
            time.sleep(min(pause, left))
            pause = min(LONGEST_PAUSE, 1.5 * pause)

    def _writers(self) -> list[Lease]:
        """The writers that may be at work. The leases of those that died go first, so that one that was only asleep finds out."""
        if not any(True for _ in self.store.objects.list(leases.PREFIX)):
            return []
        found = leases.leases(self.store.objects, leases.clock(self.store.objects))
        for lease in found:
            if lease.dead:
                self.store.objects.delete(lease.key)
                self.done = replace(self.done, leases=self.done.leases + 1)
        return [lease for lease in found if not lease.dead]

    def _remove(self, ready: frozenset[str], later: frozenset[str]) -> None:
        self.inventory, live = follow(self.store, self.roots, self.inventory)
        there = ready & self.inventory.shelves.keys()
        stay = self._carry(live, there, later, self.progress)
        self.done = replace(self.done, damaged=tuple(sorted(stay)))
        gone = sorted(there - stay)
        with ThreadPoolExecutor(leases.AT_ONCE) as pool:
            list(pool.map(lambda name: self.store.objects.delete(key_of(name)), gone))
        freed = sum(self.inventory.shelves[name].size for name in gone)
        self.done = replace(self.done, removed=tuple(gone), freed=freed)

    def _carry(
        self, live: frozenset[Piece], leaving: frozenset[str], going: frozenset[str], said: Progress | None
    ) -> frozenset[str]:
        """Copies what is needed of the packs until nothing of them is. Gives those that hold what is needed and cannot be read."""
        while True:
            needed = demand(self.inventory, live, leaving, going - leaving, self._sound(leaving))
            if not needed.carried:
                return frozenset(entry.pack for entry in needed.lost)
            made = carry_over(self.store, self.inventory, needed.carried, self.soundness, said)
            self.soundness.trust(shelf.name for shelf in made)
            known = self.inventory.shelves | {shelf.name: shelf for shelf in made}
            self.inventory = replace(self.inventory, shelves=known)
            self.done = replace(
                self.done,
                written=(*self.done.written, *(shelf.name for shelf in made)),
                carried=self.done.carried + sum(shelf.size for shelf in made),
            )

    def _sound(self, leaving: frozenset[str]) -> Sound:
        return lambda entry: self.soundness.believed(entry) if entry.pack in leaving else self.soundness.of(entry)

    def _forget(self, ready: frozenset[str], merge: bool) -> None:
        """Takes packs that are gone out of the index, then removes their marks."""
        objects, index = self.store.objects, self.store.index
        index.refresh()
        spoken = {pack for segment in index.segments for pack in segment.packs}
        gone = frozenset(name for name in (spoken - index.packs) | ready if objects.size(key_of(name)) is None)
        old = [segment for segment in index.segments if merge or gone & set(segment.packs)]
        if old and (gone & spoken or len(old) > 1):
            index.replace(old, lambda entry: entry.pack not in gone)
            self.done = replace(self.done, merged=len(old))
        if gone & ready:
            leases.clock(objects)  # a put: on journaling file systems the deletes before it now survive a power cut
            leases.unmark(objects, gone & ready)

    def _sweep(self) -> None:
        objects = self.store.objects
        old = objects.leftovers(leases.clock(objects) - leases.STALE)
        for leftover in old:
            objects.sweep(leftover)
        self.done = replace(self.done, leftovers=len(old))
