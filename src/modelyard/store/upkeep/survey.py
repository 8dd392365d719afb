"""What `gc` and `compact` look at before they decide, and the form of what they decide: a plan, with a reason for every pack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from modelyard.core.errors import CollectionRefused
from modelyard.store.objects.objects import ObjectInfo
from modelyard.store.packs import Entry
from modelyard.store.store import Store
from modelyard.store.upkeep.demand import demand
from modelyard.store.upkeep.inventory import Inventory, Piece, Shelf, piece_of, take_inventory
from modelyard.store.upkeep.reachability import ReadRoots, reach
from modelyard.store.writing import leases
from modelyard.store.writing.leases import Lease, Mark

Action = Literal["remove", "rewrite", "index", "keep", "finish"]
"""``finish`` is for packs that an earlier run has condemned."""


@dataclass(frozen=True)
class Verdict:
    """What is to become of a pack, and why; ``carried`` are bytes that must be written anew before it goes; ``full`` when all in it is needed."""

    pack: str
    size: int
    action: Action
    reason: str
    carried: int = 0
    full: bool = False

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Plan:
    """What is to be done. ``merge`` is the number of index segments that become one, 0 where they stay; ``writers`` are at work now;
    ``dead`` are leases and ``leftovers`` half-written objects of writers that died."""

    verdicts: tuple[Verdict, ...] = ()
    merge: int = 0
    writers: tuple[str, ...] = ()
    dead: int = 0
    leftovers: int = 0
    unreadable: tuple[str, ...] = ()

    def packs(self, *actions: Action) -> frozenset[str]:
        """The packs to which one of these is to be done."""
        return frozenset(verdict.pack for verdict in self.verdicts if verdict.action in actions)

    @property
    def freed(self) -> int:
        """Bytes that go, less those that are written anew."""
        return sum(v.size - v.carried for v in self.verdicts if v.action in ("remove", "rewrite"))

    @property
    def carried(self) -> int:
        """Bytes that are written anew."""
        return sum(v.carried for v in self.verdicts if v.action == "rewrite")

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.packs("remove", "rewrite", "index", "finish") or self.merge or self.dead or self.leftovers)

    def to_json(self) -> dict[str, Any]:
        told = {**vars(self), "verdicts": [verdict.to_json() for verdict in self.verdicts]}
        return {**told, "freed": self.freed, "carried": self.carried}


@dataclass(frozen=True)
class Survey:
    """The state of a store at one moment."""

    inventory: Inventory
    live: frozenset[Piece]
    marks: tuple[Mark, ...]
    leases: tuple[Lease, ...]
    segments: int
    leftovers: tuple[ObjectInfo, ...] = ()

    @property
    def condemned(self) -> frozenset[str]:
        return frozenset(mark.pack for mark in self.marks)

    @property
    def open(self) -> list[Shelf]:
        """The packs about which something may be decided: neither condemned already, nor as young as a writer that is at work, whose it may be."""
        began = min((lease.began for lease in self.leases if not lease.dead), default=None)
        return [
            shelf
            for shelf in self.inventory.shelves.values()
            if shelf.name not in self.condemned and (began is None or shelf.modified < began)
        ]


def survey(store: Store, roots: ReadRoots, now: datetime) -> Survey:
    """Looks, and writes nothing. ``now`` decides only what is shown: before anything is removed, the clock of the store is asked.

    Raises CollectionRefused where something that is referred to cannot be followed to its end, and what ``roots`` and the objects raise.
    """
    marks = tuple(leases.marks(store.objects))
    inventory, live = follow(store, roots)
    return Survey(
        inventory,
        live,
        marks,
        tuple(leases.leases(store.objects, now)),
        len(store.index.segments),
        tuple(store.objects.leftovers(now - leases.STALE)),
    )


def follow(store: Store, roots: ReadRoots, known: Inventory | None = None) -> tuple[Inventory, frozenset[Piece]]:
    """What is there, and what of it is referred to. The roots are read first: what they need is there by then. Raises as :func:`survey` does."""
    wanted = roots()
    inventory = take_inventory(store.objects, store.index, known)
    found = reach(store.files, inventory, wanted)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more like it)" if len(found.problems) > 1 else ""
        raise CollectionRefused(problem=found.problems[0].split(";")[0] + more)
    if found.missing:
        raise CollectionRefused(problem=f"{len(found.missing)} pieces that versions need are in no pack")
    return inventory, found.live


def settle_on(
    found: Survey, chosen: Iterable[str], is_worth: Callable[[Shelf, list[Entry]], bool]
) -> tuple[frozenset[str], dict[str, list[Entry]]]:
    """Of the packs ``chosen`` to go, those for which it pays, given what must be carried over from each: the fewer go, the more must stay, so this is
    asked until nothing changes. With it, what is carried over from each."""
    leaving = frozenset(chosen)
    while True:
        needed = demand(found.inventory, found.live, leaving, found.condemned)
        carried: dict[str, list[Entry]] = {name: [] for name in leaving}
        for entry in needed.carried:
            carried[entry.pack].append(entry)
        worth = frozenset(name for name in leaving if is_worth(found.inventory.shelves[name], carried[name]))
        if worth == leaving:
            return leaving, carried
        leaving = worth


def plan_of(found: Survey, verdicts: Iterable[Verdict], merge: int = 0) -> Plan:
    """The plan with these verdicts, and with what every plan has: packs that were condemned earlier, dead leases, leftovers."""
    earlier = [
        Verdict(mark.pack, shelf.size, "finish", _waiting(mark, found.leases))
        for mark in found.marks
        if (shelf := found.inventory.shelves.get(mark.pack)) is not None
    ]
    gone = [
        Verdict(mark.pack, 0, "finish", "it is gone already, its mark is not")
        for mark in found.marks
        if mark.pack not in found.inventory.shelves
    ]
    return Plan(
        (*verdicts, *earlier, *gone),
        merge,
        tuple(lease.holder for lease in found.leases if not lease.dead),
        sum(lease.dead for lease in found.leases),
        len(found.leftovers),
        tuple(sorted(found.inventory.unreadable)),
    )


def held_pieces(found: Survey) -> set[Piece]:
    """All that is referred to, with everything that any copy of it stands on."""
    return found.inventory.standing_on(found.live)


def counted(shelf: Shelf, held: set[Piece]) -> int:
    """How many of the pieces in a pack are held."""
    return sum(piece_of(entry) in held for entry in shelf.entries)


def _waiting(mark: Mark, writers: Iterable[Lease]) -> str:
    waits = [lease.holder for lease in writers if mark.waits_for(lease)]
    return "condemned earlier" + (f"; it waits for {', '.join(waits)}" if waits else "")
