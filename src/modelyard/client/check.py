"""Whether a yard is whole: the database, the ledger's chain, the bytes of every version, and every object of the store.

Damage that hurts no version is damage all the same: what made up for it is used up, and a disk that loses one bit loses the next. So it is among the
problems, marked as harmless, and it is the answer of a program that asks whether the yard is whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from modelyard.client.kept import Kept, kept
from modelyard.client.records import examine_records
from modelyard.core.digests import Digest
from modelyard.store import Progress
from modelyard.store.packs.pack import PREFIX
from modelyard.store.upkeep.check import Examination, PackDamage, Wound, examination
from modelyard.store.writing.leases import leases

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


@dataclass(frozen=True)
class Hurt:
    """A stretch of a file of a version that cannot be read; of a whole file where its recipe is what is hurt."""

    version: str
    file: str
    offset: int
    length: int
    problem: str


@dataclass(frozen=True)
class CheckReport:
    """What was looked at, and what is wrong: sentences that name the versions that are hurt."""

    versions: int
    ledger_rows: int
    leftovers: int  # half-written files of writers that died; harmless
    problems: tuple[str, ...]
    read: bool
    packs: int = 0
    hurt: tuple[Hurt, ...] = ()
    """What cannot be read, stretch by stretch; ``problems`` says the same in a sentence a file."""
    harmless: tuple[str, ...] = ()
    """Those of the problems that hurt no version."""
    notes: tuple[str, ...] = ()
    """What is no damage, and good to know."""

    @property
    def whole(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "problems": list(self.problems),
            "hurt": [vars(each) for each in self.hurt],
            "harmless": list(self.harmless),
            "notes": list(self.notes),
            "whole": self.whole,
        }


def check(workspace: Seat, *, read: bool, progress: Progress | None = None) -> CheckReport:
    """Looks at everything; reads every byte only when asked to."""
    store, now = workspace.store, workspace.clock.now()
    ledger_rows, problems = examine_records(workspace)
    files = kept(workspace, store.read)
    found = examination(store, files.sizes, read=read, progress=progress)
    hurt = tuple(hurts(files, found.wounds))
    harmless = tuple(_harmless(found))
    dead = [lease.holder for lease in leases(store.objects, now) if lease.dead]
    return CheckReport(
        versions=len(files.versions),
        ledger_rows=ledger_rows,
        leftovers=len(store.objects.leftovers(now)),
        problems=(*problems, *_sentences(hurt), *_malformed(files, found), *harmless),
        read=read,
        packs=found.packs,
        hurt=hurt,
        harmless=harmless,
        notes=tuple(_notes(found, sorted(store.index.strays), dead)),
    )


def bytes_to_read(workspace: Seat) -> int:
    """How much ``check`` reads when it reads everything: all packs, and every distinct file of all versions."""
    sizes = kept(workspace, workspace.store.read).sizes.values()
    return sum(size or 0 for size in sizes) + sum(info.size for info in workspace.store.objects.list(PREFIX))


def hurts(files: Kept, wounds: Sequence[Wound]) -> Iterator[Hurt]:
    """Which versions the wounds hurt, and where, in the order of the versions; neighbouring chunks are one stretch."""
    by_digest: dict[Digest, list[Wound]] = {}
    for wound in wounds:
        by_digest.setdefault(wound.digest, []).append(wound)
    found = [
        Hurt(version, file, *stretch)
        for digest, listed in by_digest.items()
        for stretch in _stretches(listed)
        for version, file in files.owners[digest]
    ]
    order = {version.told: number for number, version in enumerate(files.versions)}
    yield from sorted(found, key=lambda hurt: (order.get(hurt.version, len(order)), hurt.file, hurt.offset))


def _stretches(wounds: Sequence[Wound]) -> Iterator[tuple[int, int, str]]:
    held: list[Wound] = []
    for wound in sorted(wounds, key=lambda wound: wound.offset):
        if held and (
            wound.chunk is None
            or wound.missing != held[-1].missing
            or wound.offset != held[-1].offset + held[-1].length
        ):
            yield _stretch(held)
            held = []
        held.append(wound)
    if held:
        yield _stretch(held)


def _stretch(wounds: Sequence[Wound]) -> tuple[int, int, str]:
    offset, length = wounds[0].offset, sum(wound.length for wound in wounds)
    what = "missing" if wounds[0].missing else "damaged"
    packs = sorted({pack for wound in wounds for pack in wound.packs})
    shown = ", ".join(pack[:12] for pack in packs[:3]) + (" …" if len(packs) > 3 else "")
    where = f" (pack {shown})" if packs else ""
    if wounds[0].chunk is None:
        return offset, length, f"its recipe is {what}{where}, so nothing of it can be read"
    return offset, length, f"{length} bytes at offset {offset} are {what}{where}"


def _sentences(hurt: Sequence[Hurt]) -> Iterator[str]:
    for (version, file), each in groupby(hurt, lambda one: (one.version, one.file)):
        first, *more = each
        rest = f", and {sum(one.length for one in more)} bytes in {len(more)} more places" if more else ""
        yield f"{version}: {file}: {first.problem}{rest}"


def _malformed(files: Kept, found: Examination) -> Iterator[str]:
    """Documents whose bytes are those that were stored, and that still cannot be understood."""
    for digest in files.unreadable.keys() - {wound.digest for wound in found.wounds}:
        for version, file in files.owners[digest]:
            yield f"{version}: {file}: {files.unreadable[digest]}"


def _harmless(found: Examination) -> Iterator[str]:
    hurt = {pack for wound in found.wounds for pack in wound.packs}
    for pack in found.damage:
        if pack.name not in hurt:
            yield f"pack {pack.name[:12]}: {pack.problem}; harmless: {_why(pack)}; `modelyard repair` writes it anew"
    for name in sorted(found.unreadable.keys() - {pack.name for pack in found.damage}):
        yield f"pack {name[:12]}: the index does not speak of it and its own table is damaged, so nothing can be read from it"
    for name in sorted(found.segments):
        yield f"segment {name[:12]} of the index is damaged; harmless: the packs say the same; `modelyard rebuild-index` writes it anew"
    if found.strays and not found.segments:
        names = ", ".join(name[:12] for name in found.strays)
        yield f"a segment of the index is missing that spoke of pack {names}; harmless: the packs say the same; `modelyard rebuild-index` writes it anew"


def _why(pack: PackDamage) -> str:
    if not pack.entries:
        return "no version needs anything in it"
    if not pack.hurt:
        return f"all {len(pack.entries)} pieces in it are whole"
    return f"of the {len(pack.hurt)} hurt pieces in it (of {len(pack.entries)}) each is read from another pack, or no version needs it"


def _notes(found: Examination, strays: Sequence[str], dead: Sequence[str]) -> Iterator[str]:
    unneeded = [name for name in strays if name not in found.strays and name not in found.unreadable]
    if unneeded:
        yield f"{len(unneeded)} packs that the index does not speak of and no version needs: of a writer at work, or of one that was cut off"
    if dead:
        yield f"{len(dead)} writers died without saying so: {', '.join(dead[:3])}"
