"""What is wrong with stored files, with the packs that they lie in, and with the index that finds them. Looks, and changes nothing.

Two questions are kept apart. *Can every file be read?* Each is: a piece that is hurt in one pack is read from another that has it too. *Is every
object as it was written?* The name of a pack and of a segment is the BLAKE3 of its bytes, so one flipped bit anywhere in it is seen, also where no
file needs it: in a table, in a piece that nothing refers to, in one of two copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged, MissingBlob
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs import pack as packs
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.files import Files
from modelyard.store.reading.reader import Reader, Wanted
from modelyard.store.reading.recipe import Recipe
from modelyard.store.store import Store
from modelyard.store.upkeep.presence import Presence, places_of

TOGETHER = 256
"""So many files are read in one stream."""
STEP = 16
"""So many chunks of a damaged file are read at once, to find those that are hurt."""


@dataclass(frozen=True)
class Wound:
    """A stretch of a stored file that cannot be read: one chunk, or with ``chunk`` None the recipe and so all of the file."""

    digest: Digest
    offset: int
    length: int
    chunk: bytes | None
    missing: bool
    packs: tuple[str, ...]
    """The packs in which it lies, or lay, with all that it stands on."""


@dataclass(frozen=True)
class PackDamage:
    """A pack whose bytes are not those that were written; ``hurt`` are those of its pieces that cannot be read from it."""

    name: str
    problem: str
    entries: tuple[Entry, ...]
    hurt: tuple[Entry, ...]


@dataclass(frozen=True)
class Examination:
    """What was found. ``strays`` are packs that files need and that no readable segment speaks of; ``unreadable`` are packs of which nobody
    knows what is in them; ``segments`` are those of the index that are damaged."""

    packs: int
    wounds: tuple[Wound, ...]
    segments: Mapping[str, str]
    strays: tuple[str, ...]
    unreadable: Mapping[str, str]
    damage: tuple[PackDamage, ...]


def examination(
    store: Store, sizes: Mapping[Digest, int | None], *, read: bool, progress: Progress | None = None
) -> Examination:
    """Looks at files, given with their sizes where those are known, and at what they lie in. With ``read`` all bytes of all packs and of all
    files are read and verified, else only presence and length. Raises what the objects raise."""
    store.index.refresh()
    store.index.recover()
    segments, unknown = dict(store.index.damaged), dict(store.index.unreadable)
    said = progress or (lambda _advance: None)
    presence = Presence(store)
    wounds = list(_absent(store, presence, sizes))
    damage: tuple[PackDamage, ...] = ()
    if read:
        found = list(unreadable(store, sizes, said))
        told = {wound.digest for wound in found}
        wounds = found + [wound for wound in wounds if wound.digest not in told]
        damage = tuple(damaged_packs(store, said))
    return Examination(
        len(store.index.packs),
        tuple(wounds),
        segments,
        tuple(sorted(presence.strays)),
        unknown,
        damage,
    )


def recipes_of(files: Files, digests: Iterable[Digest]) -> Iterator[tuple[Digest, Recipe | Damaged]]:
    """The recipe of each file, or why it cannot be read; many with one request."""
    for group in _grouped(digests):
        try:
            yield from zip(group, list(files.recipes((digest, digest) for digest in group)), strict=True)
        except Damaged:
            yield from ((digest, _recipe(files, digest)) for digest in group)


def _recipe(files: Files, digest: Digest) -> Recipe | Damaged:
    try:
        return files.recipe(digest, digest)
    except Damaged as error:
        return error


def damaged_packs(store: Store, said: Progress) -> Iterator[PackDamage]:
    """Reads all of every pack."""
    names = sorted(store.index.packs)
    problems: dict[str, str] = {}
    for name, (size, problem) in zip(names, store.pool.map(lambda name: _problem(store, name), names), strict=True):
        said(Advance(size))
        if problem:
            problems[name] = problem
    if not problems:
        return
    inside: dict[str, list[Entry]] = {name: [] for name in problems}
    for entry in store.index.entries():
        if entry.pack in inside:
            inside[entry.pack].append(entry)
    for name, entries in inside.items():
        hurt = tuple(entry for entry in entries if not is_readable(store, entry))
        yield PackDamage(name, problems[name], tuple(entries), hurt)


def is_readable(store: Store, entry: Entry) -> bool:
    """Whether a piece can be read from just this place, though what it stands on may be read from any."""
    if entry.kind is Kind.CHUNK:
        return store.reader.verified(entry)
    try:
        Recipe.from_bytes(bytes(store.objects.get_ranges(packs.key_of(entry.pack), [(entry.offset, entry.stored)])[0]))
    except (ValueError, FileNotFoundError):
        return False
    return True


def _problem(store: Store, name: str) -> tuple[int, str]:
    """The length of a pack, and what is wrong with it, if anything."""
    try:
        size = store.objects.size(packs.key_of(name))
        if size is None or packs.is_whole(store.objects, name):
            return size or 0, ""
    except FileNotFoundError:  # removed since, as it may be; a file that needs it says so
        return 0, ""
    try:
        packs.table_of(store.objects, name, size)
    except (ValueError, FileNotFoundError):
        return size, "it is cut short, or its end is damaged"
    return size, "some of its bytes are damaged"


def _absent(store: Store, presence: Presence, sizes: Mapping[Digest, int | None]) -> Iterator[Wound]:
    for digest, recipe in recipes_of(store.files, sizes):
        size = sizes[digest]
        if isinstance(recipe, Damaged):
            yield _headless(store, digest, size, recipe)
            continue
        presence.recipe(digest)
        if size is not None and recipe.size != size:
            yield _headless(store, digest, size, None)
        for number, (key, length) in enumerate(recipe.chunks):
            if not presence.of(key):
                yield _wound(store, digest, recipe.starts[number], length, key)


def unreadable(store: Store, sizes: Mapping[Digest, int | None], said: Progress) -> Iterator[Wound]:
    """Reads all of these files; what of them cannot be read."""
    for group in _grouped(sizes):
        try:
            for _, chunk in store.files.iterate_all([(digest, digest) for digest in group]):
                said(Advance(len(chunk)))
        except Damaged:
            for digest in group:
                yield from _wounds_of(store, digest, sizes[digest])
            continue


def _wounds_of(store: Store, digest: Digest, size: int | None) -> Iterator[Wound]:
    """What cannot be read of one file, chunk by chunk."""
    recipe = _recipe(store.files, digest)
    if isinstance(recipe, Damaged):
        yield _headless(store, digest, size, recipe)
        return
    wanted = [Wanted(key, length, digest, recipe.starts[n]) for n, (key, length) in enumerate(recipe.chunks)]
    hurt = False
    for start in range(0, len(wanted), STEP):
        for one in _hurt(store.reader, wanted[start : start + STEP]):
            hurt = True
            yield _wound(store, digest, one.offset, one.length, one.key)
    if not hurt:
        try:
            for _ in store.files.iterate(digest, digest):
                pass
        except Damaged as error:  # whole chunks that do not make the file: its recipe says so falsely
            yield _headless(store, digest, recipe.size, error)


def _hurt(reader: Reader, wanted: Sequence[Wanted]) -> Iterator[Wanted]:
    try:
        reader.read(wanted)
    except Damaged:
        if len(wanted) == 1:
            yield wanted[0]
            return
        middle = len(wanted) // 2
        yield from _hurt(reader, wanted[:middle])
        yield from _hurt(reader, wanted[middle:])


def _wound(store: Store, digest: Digest, offset: int, length: int, key: bytes) -> Wound:
    found = {entry.pack for entry in places_of(store.index, Kind.CHUNK, key)}
    missing = not any(entry.key == key for entry in store.index.find(Kind.CHUNK, key))
    return Wound(digest, offset, length, key, missing, tuple(sorted(found)))


def _headless(store: Store, digest: Digest, size: int | None, error: Damaged | None) -> Wound:
    found = {entry.pack for entry in places_of(store.index, Kind.RECIPE, bytes.fromhex(digest.hex))}
    return Wound(digest, 0, size or 0, None, isinstance(error, MissingBlob), tuple(sorted(found)))


def _grouped(digests: Iterable[Digest]) -> Iterator[list[Digest]]:
    listed = iter(digests)
    while group := list(islice(listed, TOGETHER)):
        yield group
