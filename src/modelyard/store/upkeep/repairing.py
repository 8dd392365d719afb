"""What is hurt, made whole again where anything still has the bytes; nothing that may be the only copy is ever removed, however damaged.

A damaged pack is written anew: its whole pieces as they are, its hurt ones from another copy, another store, the cache, or a file. The new pack, read
back, and the index are durable before the damaged one goes. A pack with a piece in it that a version needs and nobody else has stays as it is.

A writer that began earlier may be counting on a hurt piece that no version needs yet. So the packs where there are such pieces are condemned first
(see :mod:`modelyard.store.writing.leases`), and when another writer is at work then, they stay for the next repair or `gc`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs import pack as packs
from modelyard.store.progress import Progress
from modelyard.store.store import Store
from modelyard.store.upkeep import rebuilding
from modelyard.store.upkeep.check import Examination, Wound, recipes_of
from modelyard.store.upkeep.mender import Mender
from modelyard.store.upkeep.presence import places_of
from modelyard.store.upkeep.rewriting import Rewriting
from modelyard.store.upkeep.sources import Place
from modelyard.store.writing import leases

HERE = "another copy in this store"


@dataclass(frozen=True)
class PackRepair:
    """What becomes of a damaged pack: ``whole`` entries are copied as they lie there, ``fresh`` are written from what a source gave, ``spared``
    are in another pack too, ``given_up`` are hurt and needed by no version. While anything is ``lost`` the pack stays, and does not go."""

    name: str
    problem: str
    whole: tuple[Entry, ...] = field(repr=False)
    fresh: tuple[Entry, ...] = field(repr=False)
    spared: tuple[Entry, ...] = field(repr=False)
    given_up: tuple[Entry, ...] = field(repr=False)
    lost: tuple[Entry, ...] = field(repr=False)
    goes: bool

    @property
    def known(self) -> bool:
        """Whether anything is known of what is in it."""
        return bool(self.whole or self.fresh or self.spared or self.given_up or self.lost)

    @property
    def is_waited_for(self) -> bool:
        """Whether it may go only while no other writer is at work."""
        return bool(self.given_up) or not self.known


@dataclass(frozen=True)
class Repair:
    """``healed`` are the wounds that close, and from where; ``open`` those that stay. ``chunks`` and ``recipes`` are written anew."""

    healed: tuple[tuple[Wound, str], ...]
    open: tuple[Wound, ...]
    packs: tuple[PackRepair, ...]
    chunks: tuple[bytes, ...]
    recipes: tuple[Digest, ...]
    index: bool
    """Whether the index is written anew."""

    @property
    def nothing(self) -> bool:
        return not (self.healed or self.open or self.packs or self.index)


def plan(
    store: Store,
    mender: Mender,
    found: Examination,
    sizes: Mapping[Digest, int | None],
    paths: Mapping[Digest, tuple[str, ...]],
) -> Repair:
    """What can be done about what :func:`modelyard.store.upkeep.check.examination` found. ``sizes`` and ``paths`` are of all files. Changes nothing."""

    def place(digest: Digest) -> Place:
        return Place(digest, sizes.get(digest), paths.get(digest, ()))

    _note_places(store, mender, found, [place(digest) for digest in sizes])
    healed: list[tuple[Wound, str]] = []
    still: list[Wound] = []
    for wound in found.wounds:
        giver = (
            _giver_of_file(store, mender, place(wound.digest))
            if wound.chunk is None
            else _giver(store, mender, wound.chunk)
        )
        if giver is None:
            still.append(wound)
        else:
            healed.append((wound, giver))
    needed = set(_needed(store, still))
    leaving = leases.condemned(store.objects) | {pack.name for pack in found.damage}
    repairs: list[PackRepair] = []
    for pack in found.damage:
        fates: dict[str, list[Entry]] = {fate: [] for fate in ("whole", "fresh", "spared", "given_up", "lost")}
        for entry in pack.entries:
            fates[_fate(store, mender, entry, leaving, needed, place)].append(entry)
        # of a pack of which nothing is known, all that is known is whether any version lacks anything
        goes = not fates["lost"] and (bool(pack.entries) or not still)
        listed = {fate: tuple(entries) for fate, entries in fates.items()}
        repairs.append(PackRepair(pack.name, pack.problem, **listed, goes=goes))
    fresh = [entry for each in repairs for entry in each.fresh]
    return Repair(
        tuple(healed),
        tuple(still),
        tuple(repairs),
        tuple(sorted({entry.key for entry in fresh if entry.kind is Kind.CHUNK} | mender.chunks.keys())),
        tuple(sorted({_file(entry) for entry in fresh if entry.kind is Kind.RECIPE} | mender.recipes.keys())),
        bool(found.segments or found.strays),
    )


def repair(
    store: Store, mender: Mender, planned: Repair, lease: leases.Holding, *, sole: bool, said: Progress
) -> list[str]:
    """Does what was planned, under a lease that is held since before the plan; the names of the packs that went. With ``sole`` no other yard keeps
    its bytes here.

    Raises YardUnwritable, StoreUnreachable, RegistrationOvertaken; then nothing has gone that is not there anew.
    """
    waited_for = [pack.name for pack in planned.packs if pack.goes and pack.is_waited_for]
    alone = sole and (not waited_for or _alone(store, waited_for))
    going = [pack for pack in planned.packs if pack.goes and (alone or not pack.is_waited_for)]
    anew = Rewriting(store, mender, said)
    for pack in going:
        for entry in pack.whole:
            anew.copy(entry)
    for key in planned.chunks:
        anew.chunk(key)
    for digest in planned.recipes:
        anew.recipe(digest)
    written = anew.commit()
    lease.confirm()
    gone = [pack.name for pack in going if written.issuperset(map(_piece, (*pack.whole, *pack.fresh)))]
    for name in gone:
        store.objects.delete(packs.key_of(name))
    if gone or written or planned.index:
        rebuilding.rebuild(store, rebuilding.plan(store))
    leases.unmark(store.objects, {*gone} & {*waited_for})
    return gone


def _alone(store: Store, condemned: Sequence[str]) -> bool:
    """Marks the packs, for a mark is never taken back; whether no writer but this one may count on them."""
    leases.condemn(store.objects, condemned)
    found = leases.leases(store.objects, leases.clock(store.objects))
    marks = [mark for mark in leases.marks(store.objects) if mark.pack in condemned]
    return sum(any(mark.waits_for(lease) for mark in marks) for lease in found) <= 1


def _note_places(store: Store, mender: Mender, found: Examination, files: Sequence[Place]) -> None:
    """Tells the mender in which files the pieces stand that may have to be had from files."""
    asked = {entry.key for pack in found.damage for entry in pack.hurt if entry.kind is Kind.CHUNK}
    asked |= {wound.chunk for wound in found.wounds if wound.chunk is not None}
    wanted = asked | {entry.key for key in asked for entry in places_of(store.index, Kind.CHUNK, key)}
    if not wanted and not found.wounds:
        return
    by_digest = {file.digest: file for file in files}
    for digest, known in recipes_of(store.files, by_digest):
        file = by_digest[digest]
        recipe = mender.recipe(file) if isinstance(known, Damaged) else known
        if recipe is None:
            continue
        for number, (key, length) in enumerate(recipe.chunks):
            if key in wanted or file.digest in mender.recipes:
                place = Place(file.digest, recipe.size, file.paths, recipe.starts[number], length)
                mender.add_place(key, place)


def _giver(store: Store, mender: Mender, key: bytes) -> str | None:
    """Who gives a chunk, or what it stands on; None where nobody can."""
    if mender.chunk(key) is None:
        return None
    below = {key, *(entry.key for entry in places_of(store.index, Kind.CHUNK, key))}
    givers = {mender.chunks[each].name for each in below if each in mender.chunks}
    return ", ".join(sorted(givers)) or HERE


def _giver_of_file(store: Store, mender: Mender, place: Place) -> str | None:
    """Who gives a recipe, and the chunks that it names and the store has not."""
    recipe = mender.recipe(place)
    if recipe is None or place.digest not in mender.recipes:
        return None
    givers = {mender.recipes[place.digest][1].name}
    for key, length in recipe.chunks:
        with suppress(Damaged):
            store.reader.chunk(key, length)
            continue
        giver = _giver(store, mender, key)
        if giver is None:
            return None
        givers.add(giver)
    return ", ".join(sorted(givers))


def _needed(store: Store, wounds: Iterable[Wound]) -> Iterator[tuple[Kind, bytes]]:
    """The pieces that some version lacks, with all that they stood on."""
    for wound in wounds:
        piece = (Kind.RECIPE, _key(wound.digest)) if wound.chunk is None else (Kind.CHUNK, wound.chunk)
        yield piece
        yield from map(_piece, places_of(store.index, *piece))


def _fate(
    store: Store,
    mender: Mender,
    entry: Entry,
    leaving: frozenset[str],
    needed: set[tuple[Kind, bytes]],
    place: Callable[[Digest], Place],
) -> str:
    """What becomes of a piece of a damaged pack, by the name of its field in :class:`PackRepair`."""
    fate = _first_fate(store, mender, entry, leaving, place)
    if fate is None:
        mender.look_again()  # another process may have moved what it stands on
        fate = _first_fate(store, mender, entry, leaving, place)
    return fate or ("lost" if _piece(entry) in needed else "given_up")


def _first_fate(
    store: Store, mender: Mender, entry: Entry, leaving: frozenset[str], place: Callable[[Digest], Place]
) -> str | None:
    others = [other for other in store.index.find(entry.kind, entry.key) if other.pack not in leaving]
    if any(mender.decoded(other, mender.stored(other)) is not None for other in others):
        return "spared"
    if mender.decoded(entry, mender.stored(entry)) is not None:
        return "whole"
    found = mender.chunk(entry.key) if entry.kind is Kind.CHUNK else mender.recipe(place(_file(entry)))
    return None if found is None else "fresh"


def _piece(entry: Entry) -> tuple[Kind, bytes]:
    return entry.kind, entry.key


def _file(entry: Entry) -> Digest:
    return Digest(f"sha256:{entry.key.hex()}")


def _key(digest: Digest) -> bytes:
    return bytes.fromhex(digest.hex)
