"""`compact`: which packs are better written anew. A pure rule; :mod:`modelyard.store.upkeep.removal` acts on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.store.packs import Entry
from modelyard.store.upkeep.inventory import Piece, Shelf, piece_of
from modelyard.store.upkeep.survey import Action, Plan, Survey, Verdict, held_pieces, plan_of, settle_on


@dataclass(frozen=True)
class Thresholds:
    """A pack of which less than ``share`` (0…1) of the bytes is needed is written anew; so are packs of fewer than ``small`` bytes once there are
    ``many`` of them."""

    share: float = 0.8
    small: int = 4 * 1024 * 1024
    many: int = 8


def plan_compaction(found: Survey, thresholds: Thresholds = Thresholds()) -> Plan:
    """Condemns what `gc` would, packs that are mostly unused, and small ones; all index segments become one.

    Where a piece lies in several packs, the fullest of them counts as its home. After it has been carried out, a second plan is empty.
    """
    needed = _homes(found, held_pieces(found))
    small = {shelf.name for shelf in found.open if shelf.size < thresholds.small}
    tiny = small if len(small) >= thresholds.many else set()
    chosen = [
        shelf.name
        for shelf in found.open
        if not shelf.indexed or shelf.name in tiny or share_of(needed[shelf.name], shelf) < thresholds.share
    ]

    def is_worth(shelf: Shelf, carried: list[Entry]) -> bool:
        return shelf.name in tiny or share_of(carried, shelf) < thresholds.share

    leaving, carried = settle_on(found, chosen, is_worth)
    merge = found.segments if found.segments > 1 or any(carried[name] for name in leaving) else 0
    return plan_of(found, _verdicts(found, leaving, carried, tiny, needed), merge)


def share_of(entries: list[Entry], shelf: Shelf) -> float:
    """The share (0…1) that some of its pieces have in the bytes of a pack."""
    return sum(entry.stored for entry in entries) / max(1, shelf.stored)


def _homes(found: Survey, held: set[Piece]) -> dict[str, list[Entry]]:
    """What is needed in each pack, every piece in one of them only."""
    everywhere = {
        shelf.name: [entry for entry in shelf.entries if piece_of(entry) in held]
        for shelf in found.inventory.shelves.values()
    }
    full = {name: share_of(entries, found.inventory.shelves[name]) for name, entries in everywhere.items()}
    home: dict[Piece, Entry] = {}
    for name in sorted(everywhere.keys() - found.condemned, key=lambda name: (-full[name], name)):
        for entry in everywhere[name]:
            home.setdefault(piece_of(entry), entry)
    return {name: [e for e in entries if home.get(piece_of(e)) is e] for name, entries in everywhere.items()}


def _verdicts(
    found: Survey,
    leaving: frozenset[str],
    carried: dict[str, list[Entry]],
    tiny: set[str],
    needed: dict[str, list[Entry]],
) -> Iterator[Verdict]:
    open_now = {shelf.name for shelf in found.open}
    for shelf in found.inventory.shelves.values():
        if shelf.name in leaving:
            size = sum(entry.stored for entry in carried[shelf.name])
            if not size:
                yield Verdict(
                    shelf.name, shelf.size, "remove", "nothing in it is needed, or all of it is elsewhere too"
                )
            else:
                share = share_of(carried[shelf.name], shelf)
                why = f"{share:.0%} of its bytes are needed" if share < 1 or shelf.name not in tiny else "it is small"
                yield Verdict(shelf.name, shelf.size, "rewrite", why, size)
        elif shelf.name in open_now:
            action: Action = "keep" if shelf.indexed else "index"
            share = share_of(needed[shelf.name], shelf)
            why = f"{share:.0%} of its bytes are needed"
            yield Verdict(shelf.name, shelf.size, action, why, full=len(needed[shelf.name]) == len(shelf.entries))
        elif shelf.name not in found.condemned:
            yield Verdict(shelf.name, shelf.size, "keep", "it is as young as a writer that is at work")
