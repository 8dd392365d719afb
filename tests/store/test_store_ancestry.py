"""What a changed chunk is the difference from: never more than two steps from a root, and near to what came before."""

from modelyard.store.codecs import Codec
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.writing.ancestry import DEEPEST, LEAVES, Parent, parent_of


def _grow(versions: int) -> tuple[list[Entry], list[int | None]]:
    """A line of versions, each made from the one before, and the number that each is the difference from."""
    entries: list[Entry] = []
    parents: list[int | None] = []
    by_key: dict[bytes, Entry] = {}
    for number in range(versions):
        parent = parent_of(entries[-1], by_key.get) if entries else None
        key = number.to_bytes(32, "big")
        if parent is None:
            entry = Entry(key, NO_BASE, 0, 1, 1, Kind.CHUNK, Codec.PLANES, 0, 0, "")
        else:
            above = parent.entry
            entry = Entry(key, above.key, 0, 1, 1, Kind.CHUNK, Codec.DIFFERENCE, above.depth + 1, parent.rank, "")
        entries.append(entry)
        by_key[key] = entry
        parents.append(None if parent is None else int.from_bytes(parent.entry.key, "big"))
    return entries, parents


def test_the_line_of_versions_is_as_the_description_draws_it() -> None:
    entries, parents = _grow(10)
    assert [entry.depth for entry in entries] == [0, 1, 2, 2, 1, 2, 2, 1, 2, 2]
    assert parents == [None, 0, 1, 1, 0, 4, 4, 0, 7, 7]


def test_no_version_of_a_long_line_is_deeper_than_allowed_nor_far_from_its_parent() -> None:
    entries, parents = _grow(500)
    assert max(entry.depth for entry in entries) == DEEPEST
    for number, (entry, parent) in enumerate(zip(entries, parents, strict=True)):
        if entry.depth == DEEPEST:
            assert parent is not None
            assert number - parent <= LEAVES


def test_a_chain_that_cannot_be_followed_has_no_parent() -> None:
    entries, _ = _grow(3)
    assert parent_of(entries[2], lambda _key: None) is None
    assert parent_of(entries[0], lambda _key: None) == Parent(entries[0], 0, entries[0])
