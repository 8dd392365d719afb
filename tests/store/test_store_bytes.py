"""The store: what goes in comes out equal, and what is damaged is refused with file and offset, never returned."""

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.digests import Digest
from modelyard.core.errors import (
    CorruptBlob,
    Damaged,
    MissingBlob,
    PathEmpty,
    PathMissing,
    PathUnusable,
    TargetExists,
    YardUnwritable,
)
from modelyard.store import Manifest, Store
from modelyard.store.check import examine
from modelyard.store.chunker import CHUNK_SIZE, chunks_of
from modelyard.store.files import Recipe


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Dribble(io.RawIOBase):
    """A stream that delivers as little as it likes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._source, self._sizes = io.BytesIO(data), sizes

    def read(self, size: int = -1) -> bytes:
        step = self._sizes.pop(0) if self._sizes else size
        return self._source.read(min(size, step))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 * CHUNK_SIZE), st.lists(st.integers(1, CHUNK_SIZE), max_size=20))
def test_the_cuts_do_not_depend_on_how_the_stream_delivers(length: int, sizes: list[int]) -> None:
    data = bytes(length)
    whole = list(chunks_of(io.BytesIO(data)))
    assert list(chunks_of(Dribble(data, list(sizes)))) == whole  # type: ignore[arg-type]
    assert b"".join(whole) == data


@pytest.mark.parametrize("length", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE])
def test_bytes_of_every_length_come_back_equal(store: Store, length: int) -> None:
    data = os.urandom(length)
    kept = store.put_bytes(data)
    assert kept.digest == Digest.of(data)
    assert store.read(kept.digest) == data


def _tree(folder: Path) -> Path:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "model.bin").write_bytes(os.urandom(2 * CHUNK_SIZE + 17))
    (folder / "deep" / "er" / "names\nlike 'this'.txt").write_bytes(b"odd name")
    (folder / "empty").write_bytes(b"")
    return folder


def test_a_folder_comes_back_equal(store: Store, tmp_path: Path) -> None:
    source = _tree(tmp_path / "source")
    manifest = store.put_manifest("model", store.put_tree(source), {"x": 1})
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    store.materialize(store.manifest(manifest.digest), tmp_path / "out")
    found = {p.relative_to(tmp_path / "out"): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {p.relative_to(source): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert store.verify_tree(manifest, tmp_path / "out")


def test_equal_bytes_are_stored_once(store: Store, tmp_path: Path) -> None:
    source = _tree(tmp_path / "source")
    first = store.put_tree(source)
    before = sorted(p for p in store.root.rglob("*") if p.is_file())
    assert store.put_tree(source) == first
    assert sorted(p for p in store.root.rglob("*") if p.is_file()) == before


def test_one_flipped_bit_in_any_stored_object_is_refused_and_never_returned(store: Store, tmp_path: Path) -> None:
    source = _tree(tmp_path / "source")
    manifest = store.put_manifest("model", store.put_tree(source), {})
    objects = [p for p in store.root.rglob("*") if p.is_file()]
    assert len(objects) > 6
    for number, path in enumerate(objects):
        good = path.read_bytes()
        if not good:
            continue
        position = (number * 7919) % len(good)
        bad = bytearray(good)
        bad[position] ^= 1 << (number % 8)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        path.write_bytes(bad)
        assert list(examine(store, manifest.digest, read=True)), f"a flipped bit in {path} was not found"
        with pytest.raises(Damaged):
            store.materialize(store.manifest(manifest.digest), tmp_path / f"out{number}")
        path.write_bytes(good)
    assert not list(examine(store, manifest.digest, read=True))


def test_damage_is_named_by_file_and_offset(store: Store, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(os.urandom(3 * CHUNK_SIZE))
    files = store.put_tree(tmp_path / "weights")
    name, _ = store.files.recipe(files[0].digest, "weights").chunks[2]
    chunk = store.root / "chunks" / name[:2] / name
    chunk.chmod(0o600)
    chunk.write_bytes(bytes(CHUNK_SIZE))
    with pytest.raises(CorruptBlob, match=f"weights are damaged at offset {2 * CHUNK_SIZE}"):
        store.materialize(store.put_manifest("model", files, {}), tmp_path / "out")
    assert not (tmp_path / "out" / "weights").exists()
    assert not list((tmp_path / "out").iterdir()), "half a file was left behind"
    chunk.unlink()
    with pytest.raises(MissingBlob, match="weights"):
        store.read(files[0].digest, "weights")


def test_a_chunk_that_was_cut_short_is_written_anew_by_the_next_registration(store: Store) -> None:
    data = os.urandom(1000)
    kept = store.put_bytes(data)
    name, _ = store.files.recipe(kept.digest, "x").chunks[0]
    chunk = store.root / "chunks" / name[:2] / name
    chunk.chmod(0o600)
    chunk.write_bytes(data[:500])
    store.put_bytes(data)
    assert store.read(kept.digest) == data


def test_a_recipe_that_was_edited_is_refused() -> None:
    good = Recipe((("a" * 64, 5), ("b" * 64, 7))).to_bytes()
    assert Recipe.from_bytes(good).size == 12
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        with pytest.raises(ValueError, match=r"checksum|format"):
            Recipe.from_bytes(bytes(bad))


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "a/./b", "a\0b"])
def test_a_manifest_whose_path_leaves_its_folder_is_refused(path: str) -> None:
    evil = (
        Manifest("model", (), {})
        .to_bytes()
        .replace(
            b'"files":[]',
            b'"files":[{"digest":"sha256:%s","path":%s,"size":1}]'
            % (b"0" * 64, repr(path).replace("'", '"').replace("\\x00", "\\u0000").encode()),
        )
    )
    with pytest.raises(CorruptBlob):
        Manifest.from_bytes(evil)


def test_an_existing_file_is_not_overwritten_and_nothing_is_written_beside_it(store: Store, tmp_path: Path) -> None:
    manifest = store.put_manifest("model", store.put_tree(_tree(tmp_path / "source")), {})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.bin").write_text("mine")
    with pytest.raises(TargetExists):
        store.materialize(manifest, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["model.bin"]
    store.materialize(manifest, tmp_path / "out", replace=True)
    assert store.verify_tree(manifest, tmp_path / "out")


def test_a_link_planted_in_the_target_cannot_lead_the_bytes_elsewhere(store: Store, tmp_path: Path) -> None:
    manifest = store.put_manifest("model", store.put_tree(_tree(tmp_path / "source")), {})
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "outside")
    with pytest.raises(PathUnusable, match="leads out"):
        store.materialize(manifest, tmp_path / "out")
    assert not [p for p in (tmp_path / "outside").rglob("*") if p.is_file()]


def test_unusable_paths_are_refused_by_name(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PathMissing):
        store.put_tree(tmp_path / "nowhere")
    (tmp_path / "empty" / "also").mkdir(parents=True)
    with pytest.raises(PathEmpty):
        store.put_tree(tmp_path / "empty")
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "fifo")
    with pytest.raises(PathUnusable, match="neither a file nor a folder"):
        store.put_tree(tmp_path / "pipes")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "loop").symlink_to(tmp_path / "links")
    with pytest.raises(PathUnusable, match="link to a folder"):
        store.put_tree(tmp_path / "links")
    (tmp_path / "bytes").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "bytes") + b"/\xff\xfe")).write_text("x")
    with pytest.raises(PathUnusable, match="UTF-8"):
        store.put_tree(tmp_path / "bytes")
    assert not store.root.exists()


def test_what_keeps_versions_itself_is_not_part_of_what_is_kept(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in (".git", ".modelyard", "data/.git-annex"):
        (source / folder).mkdir(parents=True)
        (source / folder / "x").write_text("1")
    (source / ".modelyard" / "yard.toml").write_text("format = 1")
    (source / "model.bin").write_text("weights")
    assert [file.path for file in store.put_tree(source)] == ["data/.git-annex/x", "model.bin"]


def test_a_link_to_a_file_counts_as_the_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"weights")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "blob")
    (file,) = store.put_tree(tmp_path / "model")
    assert store.read(file.digest) == b"weights"


def test_a_file_that_changes_while_it_is_read_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(os.urandom(2 * CHUNK_SIZE))

    def grow(_done: int) -> None:
        with path.open("ab") as more:
            more.write(b"more")

    with pytest.raises(PathUnusable, match="changed while"):
        store.put_tree(path, grow)


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(YardUnwritable, match="cannot be written"):
        Store(tmp_path / "store").put_bytes(b"x")
