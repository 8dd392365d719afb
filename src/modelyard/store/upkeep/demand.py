"""What of the packs that are to go must be kept elsewhere. A pure rule over an inventory.

What must stay readable: all that is referred to; and every piece in a pack that stays, also one that nobody refers to, because a writer may find it there
and count on it. So what any of these stands on must stay as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelyard.store.packs import Entry
from modelyard.store.upkeep.inventory import Inventory, Piece, below, founded

Sound = Callable[[Entry], bool]
"""Whether a copy is as it was written."""


@dataclass(frozen=True)
class Demand:
    """``carried`` are the copies to be carried over into new packs; ``lost`` are needed pieces of which the packs that are to go have a copy, and
    nobody has one that can be read."""

    carried: tuple[Entry, ...] = ()
    lost: tuple[Entry, ...] = ()

    def of(self, pack: str) -> list[Entry]:
        return [entry for entry in self.carried if entry.pack == pack]


def demand(
    inventory: Inventory,
    live: Iterable[Piece],
    leaving: frozenset[str],
    going: frozenset[str] = frozenset(),
    sound: Sound = lambda _entry: True,
) -> Demand:
    """What must be carried over before the packs ``leaving`` are removed. The packs ``going`` will be removed later, perhaps by somebody else: they are
    not counted on, but what is in them must stay readable until then.

    ``sound`` is asked only of copies of pieces that lie in ``leaving``: a copy that is hurt is as good as none.
    """
    shelves = inventory.shelves.values()
    inside = {(entry.kind, entry.key) for shelf in shelves if shelf.name in leaving for entry in shelf.entries}

    def usable(entry: Entry) -> bool:
        return (entry.kind, entry.key) not in inside or sound(entry)

    staying = [s for s in shelves if s.name not in leaving and s.name not in going]
    stays = founded(entry for shelf in staying for entry in shelf.entries if usable(entry))
    best = founded(
        entry
        for shelf in (*staying, *(shelf for shelf in shelves if shelf.name in leaving))
        for entry in shelf.entries
        if usable(entry)
    )
    waiting = [
        *live,
        *(piece for s in shelves if s.name not in leaving for entry in s.entries for piece in below(entry)),
    ]
    seen: set[Piece] = set()
    carried: list[Entry] = []
    lost: list[Entry] = []
    while waiting:
        piece = waiting.pop()
        if piece in seen or piece in stays:
            continue
        seen.add(piece)
        copy = best.get(piece)
        if copy is None:
            here = [entry for entry in inventory.copies(piece) if entry.pack in leaving]
            lost += here
            waiting += [under for entry in here for under in below(entry)]
            continue
        if copy.pack in leaving:
            carried.append(copy)
        waiting += below(copy)
    return Demand(tuple(carried), tuple(lost))
