"""`gc`: which packs hold nothing that anybody needs. A pure rule; :mod:`modelyard.store.upkeep.removal` acts on it."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.store.upkeep.inventory import Piece, Shelf
from modelyard.store.upkeep.survey import Plan, Survey, Verdict, counted, held_pieces, plan_of, settle_on


def plan_collection(found: Survey) -> Plan:
    """Condemns the packs in which no piece is needed. A pack with one that is stays as it is: `compact` makes it smaller.

    A pack that the index does not know, from a writer that died between the two, goes as well unless it holds the only copy of something.
    """
    held = held_pieces(found)
    chosen = [shelf.name for shelf in found.open if not shelf.indexed or not counted(shelf, held)]
    leaving, _ = settle_on(found, chosen, lambda _shelf, carried: not carried)
    return plan_of(found, _verdicts(found, held, leaving))


def _verdicts(found: Survey, held: set[Piece], leaving: frozenset[str]) -> Iterator[Verdict]:
    open_now = {shelf.name for shelf in found.open}
    for shelf in found.inventory.shelves.values():
        if shelf.name in leaving:
            yield Verdict(shelf.name, shelf.size, "remove", _why_gone(shelf))
        elif shelf.name in open_now and not shelf.indexed:
            yield Verdict(
                shelf.name,
                shelf.size,
                "index",
                "the index does not know it, and it has the only copy of what is needed",
            )
        elif shelf.name in open_now:
            live = counted(shelf, held)
            yield Verdict(shelf.name, shelf.size, "keep", _why_kept(shelf, live), full=live == len(shelf.entries))
        elif shelf.name not in found.condemned:
            yield Verdict(shelf.name, shelf.size, "keep", "it is as young as a writer that is at work")


def _why_gone(shelf: Shelf) -> str:
    if shelf.indexed:
        return f"nothing in it is referred to (pieces: {len(shelf.entries)})"
    return (
        f"of a writer that died: the index does not know it, and nothing in it is missed (pieces: {len(shelf.entries)})"
    )


def _why_kept(shelf: Shelf, live: int) -> str:
    if not live:
        return "what other packs hold stands on it"
    return f"{live} of {len(shelf.entries)} pieces are needed"
