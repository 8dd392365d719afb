"""The packs of a bundle as the objects of a store, so that whatever reads a store reads a bundle. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from modelyard.store import Store
from modelyard.store.objects import ObjectInfo, Part
from modelyard.store.packs import Kind
from modelyard.store.packs import pack as packs
from modelyard.store.packs.entry import SIZE
from modelyard.transfer.bundle.layout import MEMBER_LIMIT, Member
from modelyard.transfer.bundle.reading import BundleFile

LONGEST = 16 * 1024 * 1024
"""Bytes of the longest chunk that is believed; ours have up to 1 MiB."""
_WRITTEN = datetime(1970, 1, 1, tzinfo=UTC)


class BundleObjects:
    """See :class:`modelyard.store.objects.Objects`; nothing is ever put or deleted."""

    def __init__(self, bundle: BundleFile) -> None:
        self._bundle = bundle
        self._members = {member.name: member for member in bundle.members(packs.PREFIX)}

    @property
    def url(self) -> str:
        return str(self._bundle.path)

    def put(self, key: str, parts: Sequence[Part]) -> None:
        raise NotImplementedError("a bundle is written once")

    def get(self, key: str) -> bytes:
        member = self._member(key)
        return self._bundle.read_at(member, 0, member.size)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        member = self._member(key)
        return [self._bundle.read_at(member, offset, length) for offset, length in ranges]

    def size(self, key: str) -> int | None:
        member = self._members.get(key)
        return None if member is None else member.size

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        listed = sorted(name for name in self._members if name.startswith(prefix))
        return iter([ObjectInfo(name, self._members[name].size, _WRITTEN) for name in listed])

    def delete(self, key: str) -> None:
        raise NotImplementedError("a bundle is written once")

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        return ()

    def sweep(self, leftover: ObjectInfo) -> None:
        raise NotImplementedError("a bundle has no leftovers")

    def _member(self, key: str) -> Member:
        found = self._members.get(key)
        if found is None:
            raise FileNotFoundError(key)
        return found


def store_of(bundle: BundleFile) -> Store:
    """The store that a bundle is. Raises BundleDamaged where a pack cannot be what it says, before anything of that size is made in memory."""
    objects = BundleObjects(bundle)
    for member in bundle.members(packs.PREFIX):
        try:
            count = packs.count_of(bundle.read_at(member, member.size - packs.FOOT_SIZE, packs.FOOT_SIZE))
        except ValueError as error:
            raise bundle.damaged(f"{member.name}: {error}") from None
        if count * SIZE > MEMBER_LIMIT:
            raise bundle.damaged(f"{member.name} says that it has {count} pieces")
    store = Store(objects)
    store.index.recover()
    for name, problem in store.index.unreadable.items():
        raise bundle.damaged(f"{packs.key_of(name)}: {problem}")
    for entry in store.index.entries():
        if entry.length > LONGEST or entry.stored > LONGEST:
            raise bundle.damaged(f"{packs.key_of(entry.pack)} has a piece of {max(entry.length, entry.stored)} bytes")
        if entry.kind is Kind.RECIPE and entry.codec.has_base:
            raise bundle.damaged(f"{packs.key_of(entry.pack)} has the list of a file's chunks as a difference")
    return store
