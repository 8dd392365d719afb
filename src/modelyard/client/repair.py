"""Makes a yard whole again as far as anything still has the bytes: plans, shows, and does it; and writes the index anew from the packs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client import yard
from modelyard.client.check import Hurt, hurts
from modelyard.client.kept import Kept, kept
from modelyard.core.errors import NothingToRepairFrom, PathMissing, StoreShared
from modelyard.store import Advance, Progress, Store
from modelyard.store.packs import pack as packs
from modelyard.store.upkeep import rebuilding, repairing, sources
from modelyard.store.upkeep.check import examination, unreadable
from modelyard.store.upkeep.mender import Mender
from modelyard.store.upkeep.owners import require_sole
from modelyard.store.upkeep.repairing import PackRepair
from modelyard.store.upkeep.sources import Source
from modelyard.store.writing import leases

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


@dataclass(frozen=True)
class Healing:
    """A stretch of a file of a version that was hurt, and what gives its bytes again."""

    hurt: Hurt
    source: str


@dataclass(frozen=True)
class RepairReport:
    """What was, or with ``dry_run`` would be, done. ``hurt`` is what cannot be read after it, ``packs`` a sentence for each damaged pack."""

    dry_run: bool
    healed: tuple[Healing, ...]
    hurt: tuple[Hurt, ...]
    packs: tuple[str, ...]
    stays: tuple[str, ...]
    """The damaged packs that stay as they are."""
    index: bool
    """Whether the index was written anew because a part of it was damaged or missing."""
    asked: tuple[str, ...]
    """Where the bytes were looked for."""

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to repair."""
        return not (self.healed or self.hurt or self.packs or self.index)

    @property
    def whole(self) -> bool:
        """Whether nothing stays damaged."""
        return not (self.hurt or self.stays)

    def to_json(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry_run,
            "healed": [{**vars(each.hurt), "source": each.source} for each in self.healed],
            "hurt": [vars(each) for each in self.hurt],
            "packs": list(self.packs),
            "stays": list(self.stays),
            "index": self.index,
            "asked": list(self.asked),
            "nothing": self.nothing,
            "whole": self.whole,
        }


def repair(
    workspace: Seat, places: Sequence[str] = (), *, dry_run: bool = False, progress: Progress | None = None
) -> RepairReport:
    """Reads everything, and makes whole what is hurt; ``places`` are other yards, stores, folders and files to have the bytes from.

    Raises PathMissing, NothingToRepairFrom, what opening another yard raises, YardUnwritable, StoreUnreachable.
    """
    store = workspace.store
    asked = [source for place in places for source in _sources(workspace, place)]
    asked.append(sources.cache(workspace.root / "cache"))
    with nullcontext() if dry_run else leases.held(store.objects) as lease:

        def said(advance: Advance) -> None:
            if lease is not None:
                lease.renew()
            if progress is not None:
                progress(advance)

        store.index.refresh()
        store.index.recover()
        mender = Mender(store, asked)
        files = kept(workspace, mender.read)
        found = examination(store, files.sizes, read=True, progress=said)
        planned = repairing.plan(store, mender, found, files.sizes, _paths(files))
        gone = {pack.name for pack in planned.packs if pack.goes}
        still = planned.open
        if lease is not None and not planned.nothing:
            gone = set(repairing.repair(store, mender, planned, lease, sole=_is_sole(workspace), said=said))
            wounded = {wound.digest: files.sizes[wound.digest] for wound in found.wounds}
            still = tuple(unreadable(store, wounded, said))
    open_still = {(wound.digest, wound.chunk) for wound in still}
    healed = tuple(
        Healing(hurt, source)
        for wound, source in planned.healed
        if (wound.digest, wound.chunk) not in open_still
        for hurt in hurts(files, [wound])
    )
    return RepairReport(
        dry_run=dry_run,
        healed=healed,
        hurt=tuple(hurts(files, still)),
        packs=tuple(_sentence(pack, pack.name in gone, dry_run) for pack in planned.packs),
        stays=tuple(pack.name for pack in planned.packs if pack.name not in gone),
        index=planned.index,
        asked=tuple(source.name for source in asked),
    )


def rebuild_index(workspace: Seat, *, dry_run: bool = False) -> rebuilding.Rebuilding:
    """Writes the index anew from the tables of the packs; what it then says, and what was new and gone."""
    planned = rebuilding.plan(workspace.store)
    if not dry_run:
        rebuilding.rebuild(workspace.store, planned)
    return planned


def _is_sole(workspace: Seat) -> bool:
    """Whether what no version of this yard needs is needed by nobody."""
    try:
        require_sole(workspace.store.objects, workspace.yard_id)
    except StoreShared:
        return False
    return True


def _paths(files: Kept) -> dict[Any, tuple[str, ...]]:
    return {digest: tuple(dict.fromkeys(name for _, name in owners)) for digest, owners in files.owners.items()}


def _sources(workspace: Seat, place: str) -> list[Source]:
    """What the user points at: a store by its URL, a yard, a store, a folder or a file."""
    if "://" in place and not place.startswith("file://"):
        return [_store(Store(place), place)]
    path = Path(place.removeprefix("file://")).expanduser()
    if not path.exists():
        raise PathMissing(path=path)
    if path.is_file():
        return [sources.one_file(path)]
    root = yard.folder_of(path)
    if (root / "yard.toml").is_file():
        found: list[Source] = [] if root == path.absolute() else [sources.folder(path)]
        if (
            root.resolve() != workspace.root.resolve()
        ):  # a project is looked through as a folder too, also when this is its own yard
            found.append(_store(yard.store_at(root), place))
        return found
    if (path / packs.PREFIX).is_dir():
        return [_store(Store(path), place)]
    return [sources.folder(path)]


def _store(store: Store, place: str) -> Source:
    found = sources.OtherStore(store)
    if not store.index.packs:
        raise NothingToRepairFrom(place=place)
    return found


def _sentence(pack: PackRepair, goes: bool, dry_run: bool) -> str:
    counts = (
        (len(pack.whole), "copied as they are"),
        (len(pack.fresh), "recovered"),
        (len(pack.spared), "in another pack too"),
        (len(pack.given_up), "hurt and needed by no version"),
        (len(pack.lost), "lost"),
    )
    told = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing is known of what is in it"
    if goes:
        done = "it would be written anew" if dry_run else "written anew"
    elif pack.goes:
        done = "it stays while another writer or another yard may count on it; run modelyard repair again"
    else:
        done = "it stays as it is, because nothing else may have what it holds"
    return f"pack {pack.name[:12]}: {pack.problem}; pieces: {told}; {done}"
