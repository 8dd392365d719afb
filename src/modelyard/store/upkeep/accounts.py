"""What each version really costs, and what was saved: bytes in packs, shared out among those that need them.

A stored piece that one version alone needs is its *own*: so much would go with it. A piece that several need is split evenly among them, so that what
the versions cost adds up to what is needed in all, in whatever order they came. A version needs what its files, its manifest and its provenance are put
together from, and whatever these pieces are differences from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.digests import Digest
from modelyard.store.codecs import Codec
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs import segment as segments
from modelyard.store.packs.pack import PREFIX
from modelyard.store.store import Store
from modelyard.store.upkeep.inventory import Inventory, Piece, below, founded, take_inventory
from modelyard.store.upkeep.reachability import Roots, recipes_of


@dataclass(frozen=True)
class Account:
    """One version, in bytes: ``raw`` of its files as they are outside, ``own`` that nobody else needs, ``share`` with its part of what it needs
    together with others. ``codecs`` counts its chunks by how they are kept; ``missing`` are pieces that are nowhere."""

    name: str
    raw: int
    own: int
    share: float
    codecs: Mapping[str, int]
    depths: Mapping[int, int]
    missing: int = 0

    @property
    def chunks(self) -> int:
        return sum(self.codecs.values())

    @property
    def differences(self) -> int:
        """How many of the chunks are kept as the difference from another."""
        return sum(count for depth, count in self.depths.items() if depth)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "share": round(self.share), "chunks": self.chunks, "differences": self.differences}


@dataclass(frozen=True)
class Accounts:
    """All versions, and the store as a whole, in bytes: ``packs`` and ``index`` on disk; of these ``needed`` by versions, ``spare`` copies of what
    is needed, and ``garbage`` that nobody refers to. The rest is tables. ``depths`` counts the needed chunks by how many others each stands on."""

    versions: tuple[Account, ...]
    packs: int
    pack_bytes: int
    segments: int
    index_bytes: int
    needed: int
    spare: int
    garbage: int
    depths: Mapping[int, int]
    codecs: Mapping[str, int]
    problems: tuple[str, ...] = field(default=())

    @property
    def raw(self) -> int:
        return sum(version.raw for version in self.versions)

    @property
    def kept(self) -> int:
        """Bytes on disk."""
        return self.pack_bytes + self.index_bytes

    def to_json(self) -> dict[str, Any]:
        told = {**vars(self), "versions": [version.to_json() for version in self.versions]}
        return {**told, "raw": self.raw, "kept": self.kept, "problems": list(self.problems)}


def accounts(store: Store, versions: Sequence[tuple[str, int, Roots]], problems: Iterable[str] = ()) -> Accounts:
    """Reckons over versions, each given by a name, its raw bytes and its files. Reads the index and each recipe once.

    ``problems`` are those that the caller has met already. Raises what the objects raise.
    """
    inventory = take_inventory(store.objects, store.index)
    told = list(problems)
    home = founded(entry for shelf in inventory.shelves.values() for entry in shelf.entries)
    needs = _Needs(store, home, {digest for *_, roots in versions for digest in roots.files | roots.manifests}, told)
    users = Counter(piece for *_, roots in versions for piece in needs.of(roots))
    listed = tuple(_account(name, raw, needs.of(roots), users, home) for name, raw, roots in versions)
    needed = [home[piece] for piece in users if piece in home]
    spare, garbage = _unneeded(inventory, users, home)
    packs = [info.size for info in store.objects.list(PREFIX)]
    index = [info.size for info in store.objects.list(segments.PREFIX)]
    return Accounts(
        versions=listed,
        packs=len(packs),
        pack_bytes=sum(packs),
        segments=len(index),
        index_bytes=sum(index),
        needed=sum(entry.stored for entry in needed),
        spare=spare,
        garbage=garbage,
        depths=_depths(needed),
        codecs=_codecs(needed),
        problems=tuple(told),
    )


class _Needs:
    """The pieces of versions, with all that these stand on."""

    def __init__(
        self, store: Store, home: Mapping[Piece, Entry], digests: Iterable[Digest], problems: list[str]
    ) -> None:
        self._home = home
        self._pieces: dict[Digest, tuple[Piece, ...]] = {}
        for digest, recipe in recipes_of(store.files, digests, problems):
            own = (Kind.RECIPE, bytes.fromhex(digest.hex))
            self._pieces[digest] = (own, *((Kind.CHUNK, key) for key, _ in recipe.chunks))

    def of(self, roots: Roots) -> set[Piece]:
        found: set[Piece] = set()
        waiting = [piece for digest in roots.files | roots.manifests for piece in self._pieces.get(digest, ())]
        while waiting:
            piece = waiting.pop()
            if piece not in found:
                found.add(piece)
                entry = self._home.get(piece)
                if entry is not None:
                    waiting += below(entry)
        return found


def _account(name: str, raw: int, needed: set[Piece], users: Counter[Piece], home: Mapping[Piece, Entry]) -> Account:
    entries = [home[piece] for piece in needed if piece in home]
    own = sum(entry.stored for entry in entries if users[entry.kind, entry.key] == 1)
    share = sum(entry.stored / users[entry.kind, entry.key] for entry in entries)
    return Account(name, raw, own, share, _codecs(entries), _depths(entries), len(needed) - len(entries))


def _unneeded(inventory: Inventory, users: Counter[Piece], home: Mapping[Piece, Entry]) -> tuple[int, int]:
    """Bytes of second copies, and of what nobody needs."""
    spare = garbage = 0
    for shelf in inventory.shelves.values():
        for entry in shelf.entries:
            if (entry.kind, entry.key) not in users:
                garbage += entry.stored
            elif home.get((entry.kind, entry.key)) is not entry:
                spare += entry.stored
    return spare, garbage


def _codecs(entries: Iterable[Entry]) -> dict[str, int]:
    counted = Counter(entry.codec for entry in entries if entry.kind is Kind.CHUNK)
    return {codec.name.lower(): counted[codec] for codec in Codec if counted[codec]}


def _depths(entries: Iterable[Entry]) -> dict[int, int]:
    return dict(sorted(Counter(entry.depth for entry in entries if entry.kind is Kind.CHUNK).items()))
