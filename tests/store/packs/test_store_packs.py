"""Packs and the index: what is written is found, the index can be had again from the packs, and a pack that is gone counts no more."""

import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.store.codecs import Codec
from modelyard.store.objects import FolderObjects, Objects, open_objects
from modelyard.store.packs import Entry, Index, Kind, PackBuilder, segment
from modelyard.store.packs import pack as packs


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return FolderObjects(tmp_path / "store") if request.param == "folder" else open_objects("memory:")


def _pack(objects: Objects, *pieces: bytes) -> tuple[Entry, ...]:
    builder = PackBuilder()
    for piece in pieces:
        builder.add(Kind.CHUNK, blake3(piece).digest(), Codec.RAW, piece, len(piece))
    made = builder.finish()
    objects.put(made.key, made.parts)
    return made.entries


def test_the_name_of_a_pack_is_the_digest_of_its_bytes_and_its_table_says_what_is_in_it(objects: Objects) -> None:
    entries = _pack(objects, b"first", b"", b"third" * 1000)
    data = objects.get(packs.key_of(entries[0].pack))
    assert blake3(data).hexdigest() == entries[0].pack
    assert packs.table_of(objects, entries[0].pack, len(data)) == entries
    assert [data[entry.offset : entry.offset + entry.stored] for entry in entries] == [b"first", b"", b"third" * 1000]
    assert packs.is_whole(objects, entries[0].pack)


def test_a_pack_that_is_cut_short_or_changed_anywhere_is_seen(objects: Objects) -> None:
    entries = _pack(objects, b"some", b"pieces")
    name = entries[0].pack
    good = objects.get(packs.key_of(name))
    for position in range(len(good)):
        objects.put(packs.key_of(name), [good[:position], bytes([good[position] ^ 4]), good[position + 1 :]])
        assert not packs.is_whole(objects, name)
        objects.put(packs.key_of(name), [good[:position]])
        assert not packs.is_whole(objects, name)
        with pytest.raises(ValueError, match=r"pack|table|bytes"):
            packs.table_of(objects, name, position)


def test_every_piece_is_found_by_its_digest_and_nothing_else_is(objects: Objects) -> None:
    pieces = [str(number).encode() for number in range(3000)]
    index = Index(objects)
    for start in range(0, 3000, 100):
        index.add(_pack(objects, *pieces[start : start + 100]))
    for reader in (index, Index(objects)):
        for piece in pieces:
            (entry,) = reader.find(Kind.CHUNK, blake3(piece).digest())
            assert objects.get_ranges(packs.key_of(entry.pack), [(entry.offset, entry.stored)]) == [piece]
        assert reader.find(Kind.RECIPE, blake3(b"7").digest()) == []
        assert reader.find(Kind.CHUNK, blake3(b"absent").digest()) == []
        assert sum(1 for _ in reader.entries()) == 3000


def test_a_thousand_registrations_leave_a_handful_of_segments(objects: Objects) -> None:
    index = Index(objects)
    for number in range(300):
        index.add(_pack(objects, b"%d" % number, b"x%d" % number))
    assert len(list(objects.list(segment.PREFIX))) <= 24
    again = Index(objects)
    assert all(again.find(Kind.CHUNK, blake3(b"%d" % number).digest()) for number in range(300))


def test_an_entry_counts_only_while_its_pack_is_there(objects: Objects) -> None:
    index = Index(objects)
    entries = _pack(objects, b"here", b"too")
    index.add(entries)
    objects.delete(packs.key_of(entries[0].pack))
    assert Index(objects).find(Kind.CHUNK, entries[0].key) == []
    index.refresh()
    assert index.find(Kind.CHUNK, entries[0].key) == []


def test_two_that_merge_at_once_lose_nothing(objects: Objects) -> None:
    made = [_pack(objects, b"%d" % number) for number in range(12)]
    first = Index(objects)
    for entries in made:
        first.write(entries)
    one, two = Index(objects), Index(objects)
    one.refresh()
    two.refresh()
    one.replace(one.segments[:8], lambda _entry: True)
    two.replace(two.segments[4:], lambda _entry: True)
    again = Index(objects)
    assert all(again.find(Kind.CHUNK, entries[0].key) for entries in made)


def test_a_damaged_segment_is_named_and_the_others_are_read(objects: Objects) -> None:
    index = Index(objects)
    kept, lost = _pack(objects, b"kept"), _pack(objects, b"lost")
    index.write(kept)
    bad = index.write(lost)
    objects.put(segment.PREFIX + bad.name, [b"garbage"])
    again = Index(objects)
    assert again.find(Kind.CHUNK, kept[0].key)
    assert list(again.damaged) == [bad.name]


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=32, max_size=32),
        *(st.integers(0, 2**32 - 1) for _ in range(3)),
        st.sampled_from(list(Kind)),
        st.sampled_from(list(Codec)),
        st.integers(0, 255),
        st.integers(0, 255),
        st.sampled_from(["ab" * 32, "cd" * 32]),
    ),
    max_size=30,
)


@settings(max_examples=100)
@given(ENTRIES, st.integers(0, 100))
def test_a_segment_comes_back_equal_whatever_the_order_it_was_given_in(entries: list[Entry], seed: int) -> None:
    data = segment.to_bytes(entries)
    shuffled = list(entries)
    random.Random(seed).shuffle(shuffled)
    assert segment.to_bytes(shuffled) == data
    read = segment.from_bytes(data, blake3(data).hexdigest())
    assert set(read) == set(entries)
    for entry in entries:
        assert entry in set(read.find(entry.key))


def test_a_segment_that_was_edited_is_refused() -> None:
    data = segment.to_bytes([])
    name = blake3(data).hexdigest()
    for position in range(len(data)):
        with pytest.raises(ValueError, match="damaged"):
            segment.from_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :], name)
