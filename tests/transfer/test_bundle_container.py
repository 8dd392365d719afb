"""The file of a bundle by itself: whole or refused, whatever was done to it."""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.digests import canonical_json
from modelyard.core.errors import (
    BundleDamaged,
    BundleTooNew,
    BundleUnreadable,
    Locked,
    NotABundle,
    PathMissing,
    TargetExists,
    TargetUnwritable,
)
from modelyard.store.codecs import zstandard
from modelyard.transfer.bundle.layout import FOOT, HEAD, MEMBER_LIMIT
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.writing import BundleWriter

EMPTY = hashlib.sha256(b"").hexdigest()
PACK = "packs/" + "ab" * 32
LINES = b'{"a":1}\n{"b":2}'


def made(path: Path, header: dict[str, Any] | None = None) -> Path:
    """A small bundle of two members."""
    with BundleWriter(path) as writer:
        writer.add("records/000001", [zstandard.compressed(LINES)], len(LINES))
        writer.add(PACK, [b"some", b" bytes"])
        writer.finish(header or {"yard": "a"})
    return path


def read_all(path: Path) -> None:
    """Everything that a reader may ask for."""
    with BundleFile(path) as bundle:
        bundle.verify()
        for member in bundle.members("records/"):
            bundle.decompressed(member)
        for member in bundle.members("packs/"):
            bundle.read(member)


def forged(
    path: Path, index: bytes, body: bytes = b"", signatures: bytes = b"[]", sizes: tuple[int, int] | None = None
) -> Path:
    """A file with the form of a bundle and whatever is in it."""
    told = sizes or (len(index), len(signatures))
    digests = hashlib.sha256(index).digest(), hashlib.sha256(signatures).digest()
    path.write_bytes(HEAD + body + index + signatures + FOOT.pack(*told, *digests, HEAD))
    return path


def index_of(*members: Any, **changes: Any) -> bytes:
    return canonical_json({"format": 1, "header": {}, "members": list(members), **changes})


def member(name: Any = "records/000001", size: Any = 0, sha256: Any = EMPTY, length: Any = 0) -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": sha256, "length": length}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with BundleFile(made(tmp_path / "f.myb", {"yard": "ü"})) as bundle:
        assert bundle.header == {"yard": "ü"}
        assert [each.name for each in bundle.index.members] == ["records/000001", PACK]
        assert bundle.decompressed(bundle.members("records/")[0]) == LINES
        assert bundle.read_at(bundle.members("packs/")[0], 2, 5) == b"me by"
        assert bundle.read_at(bundle.members("packs/")[0], 8, 5) == b"es"
        bundle.verify()


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    assert made(tmp_path / "a").read_bytes() == made(tmp_path / "b").read_bytes()


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = made(tmp_path / "f.myb").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises((BundleDamaged, NotABundle)):
            read_all(tmp_path / "cut")


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    whole = made(tmp_path / "f.myb").read_bytes()
    for place in range(len(whole)):
        for bit in (0, 3, 7):
            hurt = bytearray(whole)
            hurt[place] ^= 1 << bit
            (tmp_path / "hurt").write_bytes(hurt)
            with pytest.raises(BundleDamaged):
                read_all(tmp_path / "hurt")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_bytes_that_are_added_removed_or_exchanged_are_found(tmp_path: Path, data: st.DataObject) -> None:
    whole = (
        made(tmp_path / "g.myb").read_bytes()
        if not (tmp_path / "g.myb").exists()
        else (tmp_path / "g.myb").read_bytes()
    )
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    with_what = data.draw(st.binary(max_size=40))
    changed = whole[:start] + with_what + whole[end:]
    if changed == whole:
        return
    (tmp_path / "changed").write_bytes(changed)
    with pytest.raises((BundleDamaged, NotABundle, BundleTooNew)):
        read_all(tmp_path / "changed")


@pytest.mark.parametrize("content", [b"", b"MY", b"PK\x03\x04 a zip", b"x" * 5000, HEAD[:6]])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises((NotABundle, BundleDamaged)):
        BundleFile(tmp_path / "f")


def test_a_folder_a_pipe_and_nothing_are_no_bundles(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(NotABundle):
            BundleFile(path)
    for path in (tmp_path / "none", tmp_path / "none" / "f"):
        with pytest.raises(PathMissing):
            BundleFile(path)


def test_a_format_of_the_future_says_what_to_install(tmp_path: Path) -> None:
    future = b"MYBNDL\x02\x00"
    for content in (future + b"anything", future + b"x" * 300 + future):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(BundleTooNew, match="install a newer modelyard") as caught:
            BundleFile(tmp_path / "f")
        assert (caught.value.found, caught.value.known) == (2, 1)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "/etc/passwd", "records/../000001", "records/1", "records/0000001", "packs/ab", "packs/" + "AB" * 32, "link",
        "records/000001\0", "", "packs/" + "ab" * 32 + "/x", "C:\\x", 7, None, "index/" + "ab" * 32, "leases/x", "records\\000001",
    ],
)  # fmt: skip
def test_hostile_member_names_are_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(BundleDamaged, match="can be called"):
        BundleFile(forged(tmp_path / "f", index_of(member(name))))


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        (index_of(member(), member()), "twice"),
        (index_of(member(size=-1)), "cannot have -1 bytes"),
        (index_of(member(size=10**30)), "cannot have"),
        (index_of(member(length=MEMBER_LIMIT + 1)), "cannot have"),
        (index_of(member(size=True)), "cannot have"),
        (index_of(member(size=1.0)), "cannot have"),
        (index_of(member(size=5)), "its members take"),
        (index_of(member(sha256="x")), "no SHA-256"),
        (index_of({"name": "records/000001"}), "not described"),
        (index_of({**member(), "mode": 0o777}), "not described"),
        (index_of("records/000001"), "not described"),
        (index_of(members={}), "no members"),
        (index_of(header=[]), "no header"),
        (index_of(format=2), "says format 2"),
        (index_of(format=True), "says format True"),
        (index_of(more=1), "not one of a bundle"),
        (b"[]", "not one of a bundle"),
        (b"", "cannot be read"),
        (b'{"format": 1, "header": {}, "members": []}', "not canonical"),
        (b'{"format":1,"format":1,"header":{},"members":[]}', "not canonical"),
        (b'{"format":1,"header":{"a":NaN},"members":[]}', "cannot be read"),
        (b"[" * 100_000 + b"]" * 100_000, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"format":1,"header":{"a":"\\ud800"},"members":[]}', "cannot be read"),
    ],
)  # fmt: skip
def test_an_index_that_no_bundle_of_ours_has_is_refused(tmp_path: Path, index: bytes, problem: str) -> None:
    with pytest.raises(BundleDamaged, match=problem):
        BundleFile(forged(tmp_path / "f", index))


@pytest.mark.parametrize("sizes", [(2**63, 2), (0, 2), (40, 2**62), (40, 0), (10, 10), (2**64 - 1, 2**64 - 1)])
def test_sizes_that_lie_are_refused_before_anything_of_that_size_is_made(
    tmp_path: Path, sizes: tuple[int, int]
) -> None:
    with pytest.raises(BundleDamaged):
        BundleFile(forged(tmp_path / "f", index_of(), sizes=sizes))


@pytest.mark.parametrize("signatures", [b"{}", b"[1]", b"", b"[ ]", b"[" * 50_000])
def test_a_list_of_signatures_that_is_none_is_refused(tmp_path: Path, signatures: bytes) -> None:
    with pytest.raises(BundleDamaged):
        BundleFile(forged(tmp_path / "f", index_of(), signatures=signatures))


@pytest.mark.parametrize("length", [0, 10, 100 * 1024 * 1024, MEMBER_LIMIT])
def test_a_member_that_decompresses_to_another_length_is_refused(tmp_path: Path, length: int) -> None:
    bomb = zstandard.compressed(bytes(64 * 1024 * 1024))
    told = member(size=len(bomb), sha256=hashlib.sha256(bomb).hexdigest(), length=length)
    path = forged(tmp_path / "f", index_of(told), bomb)
    with pytest.raises(BundleDamaged):
        read_all(path)


def test_a_bundle_that_is_there_is_not_written_over_unasked(tmp_path: Path) -> None:
    path = made(tmp_path / "f.myb")
    before = path.read_bytes()
    with pytest.raises(TargetExists):
        BundleWriter(path)
    assert path.read_bytes() == before
    with BundleWriter(path, exist_ok=True) as writer:
        writer.finish({})
    assert path.read_bytes() != before
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TargetExists):
        BundleWriter(tmp_path / "link")


def test_a_bundle_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x" * 10_000_000
        raise KeyError

    with BundleWriter(tmp_path / "f.myb") as writer, pytest.raises(KeyError):
        writer.add(PACK, parts())
    assert list(tmp_path.iterdir()) == []


def test_what_a_writer_that_died_has_left_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "f.myb.part").write_bytes(b"x" * 10_000_000)
    made(tmp_path / "f.myb")
    read_all(tmp_path / "f.myb")
    assert [path.name for path in tmp_path.iterdir()] == ["f.myb"]


def test_two_writers_of_one_bundle_do_not_mix(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "f.myb") as writer:
        with pytest.raises(Locked):
            BundleWriter(tmp_path / "f.myb")
        writer.finish({})
    read_all(tmp_path / "f.myb")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetUnwritable):
        BundleWriter(tmp_path / "none" / "f.myb")
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetUnwritable):
        BundleWriter(tmp_path / "file" / "f.myb")


def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "f.myb")

    def fails(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    with BundleFile(path) as bundle:
        monkeypatch.setattr(os, "pread", fails)
        with pytest.raises(BundleUnreadable, match="Input/output error"):
            bundle.verify()


def test_the_foot_is_where_the_page_says(tmp_path: Path) -> None:
    whole = made(tmp_path / "f.myb").read_bytes()
    index, signatures, index_sha, signatures_sha, head = struct.unpack("<QQ32s32s8s", whole[-88:])
    at = len(whole) - 88 - signatures - index
    assert head == whole[:8] == HEAD
    assert hashlib.sha256(whole[at : at + index]).digest() == index_sha
    assert whole[at + index : -88] == b"[]"
    assert hashlib.sha256(b"[]").digest() == signatures_sha
