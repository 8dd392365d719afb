"""Trees of files: what goes in comes out equal, what cannot be kept is refused by name, and nothing leads out of the target."""

import json
import random
from pathlib import Path

import pytest

from modelyard.core.digests import Digest
from modelyard.core.errors import (
    CorruptBlob,
    Damaged,
    MissingBlob,
    PathEmpty,
    PathMissing,
    PathUnusable,
    TargetExists,
    TargetUnwritable,
    YardUnwritable,
)
from modelyard.store import Manifest, Store
from modelyard.store.packs import Kind
from modelyard.store.packs.pack import key_of
from modelyard.store.writing.cuts import LONGEST, PIECE, SHORTEST


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def keep(store: Store, path: Path, *earlier: Manifest, facts: dict[str, object] | None = None) -> Manifest:
    with store.intake() as intake:
        manifest = intake.put_manifest("model", intake.put_tree(path, earlier), facts or {})
        intake.commit()
    return manifest


def tree(folder: Path) -> Path:
    seeded = random.Random(1)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "model.bin").write_bytes(seeded.randbytes(2 * PIECE + 17))
    (folder / "deep" / "er" / "names\nlike 'this'.txt").write_bytes(b"odd name")
    (folder / "deep" / "-rf ~ $(x) ü 模型 \\ .part").write_bytes(b"odder name")
    (folder / ".hidden").write_bytes(b"kept too")
    (folder / ("n" * 255)).write_bytes(b"as long as a name can be")
    (folder / "copy.bin").write_bytes((folder / "model.bin").read_bytes())
    (folder / "empty").write_bytes(b"")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects_of(store: Store) -> dict[str, int]:
    return {info.key: info.size for info in store.objects.list("")}


@pytest.mark.parametrize(
    "length", [0, 1, 511, 512, SHORTEST - 1, SHORTEST, SHORTEST + 1, LONGEST, LONGEST + 1, PIECE, 8 * PIECE + 1]
)
def test_bytes_of_every_length_come_back_equal(store: Store, length: int) -> None:
    data = random.Random(length).randbytes(length)
    with store.intake() as intake:
        kept = intake.put_bytes(data)
        intake.commit()
    assert kept.digest == Digest.of(data)
    assert kept.size == length
    for reader in (store, Store(store.objects)):
        assert reader.read(kept.digest) == data


def test_a_folder_comes_back_equal(store: Store, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    manifest = keep(store, source, facts={"x": 1})
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    for number, reader in enumerate([store, Store(tmp_path / "store")]):
        out = tmp_path / f"out{number}"
        found = reader.manifest(manifest.digest)
        assert found == manifest
        reader.materialize(found, out)
        assert contents(out) == contents(source)
        assert reader.verify_tree(found, out)


def test_a_single_file_is_kept_under_its_own_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "model\n.bin").write_bytes(b"weights")
    manifest = keep(store, tmp_path / "model\n.bin")
    assert [file.path for file in manifest.files] == ["model\n.bin"]
    store.materialize(manifest, tmp_path / "out")
    assert contents(tmp_path / "out") == {"model\n.bin": b"weights"}


def test_equal_bytes_are_stored_once(store: Store, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    first = keep(store, source)
    before = objects_of(store)
    assert sum(before.values()) < 1.1 * (2 * PIECE + 17), "the copy in the tree was stored too"
    assert keep(store, source) == first
    assert keep(store, source, first) == first
    with Store(store.objects).intake() as intake:
        assert intake.put_tree(source) == first.files
        assert (intake.written.raw, intake.written.stored) == (0, 0)
        intake.commit()
    assert objects_of(store) == before


def test_a_tree_that_is_not_equal_is_seen(store: Store, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    manifest = keep(store, source)
    assert store.verify_tree(manifest, source)
    (source / "more").write_bytes(b"")
    assert not store.verify_tree(manifest, source)
    (source / "more").unlink()
    (source / "empty").write_bytes(b"x")
    assert not store.verify_tree(manifest, source)
    (source / "empty").unlink()
    assert not store.verify_tree(manifest, source)
    assert not store.verify_tree(manifest, tmp_path / "nowhere")


def test_what_was_never_committed_is_in_no_other_store(store: Store, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    with store.intake() as intake:
        intake.put_tree(tmp_path / "weights")
    assert objects_of(store) == {}


def _line(path: str) -> str:
    return f'{{"digest":"sha256:{"0" * 64}","path":{json.dumps(path)},"size":1}}'


def _listing(path: str) -> bytes:
    return Manifest("model", (), {}).to_bytes().replace(b'"files":[]', f'"files":[{_line(path)}]'.encode())


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../../x", "..", "", ".", "a//b", "a/./b", "a/", "a\0b", "\ud800", "a/\udc80"]
)
def test_a_manifest_whose_path_leaves_its_folder_or_is_no_path_is_refused(store: Store, path: str) -> None:
    with pytest.raises(CorruptBlob):
        Manifest.from_bytes(_listing(path))
    with store.intake() as intake:
        kept = intake.put_bytes(_listing(path))
        intake.commit()
    with pytest.raises(CorruptBlob):
        store.manifest(kept.digest)


@pytest.mark.parametrize("path", ["a\nb", "..a", "a..", "...", "a/..b/c", "ü", "\\", "C:\\x", "~", "a b", "\U0001f600"])
def test_a_manifest_may_name_whatever_stays_in_its_folder(path: str) -> None:
    assert [file.path for file in Manifest.from_bytes(_listing(path)).files] == [path]


def _edited(old: bytes, new: bytes) -> bytes:
    edited = _listing("a").replace(old, new)
    assert edited != _listing("a")
    return edited


NO_MANIFESTS = {
    "nothing": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "not text": b"\xff\xfe",
    "brackets in brackets": b"[" * 100_000,
    "another format": _edited(b'"format":1', b'"format":2'),
    "an endless size": _edited(b'"size":1', b'"size":1e999'),
    "a negative size": _edited(b'"size":1', b'"size":-1'),
    "a size that is text": _edited(b'"size":1', b'"size":"1"'),
    "a size with a point": _edited(b'"size":1', b'"size":1.5'),
    "a size that is no number": _edited(b'"size":1', b'"size":NaN'),
    "a size of ten thousand digits": _edited(b'"size":1', b'"size":' + b"9" * 10_000),
    "a digest of another kind": _edited(b"sha256:", b"sha1:"),
    "facts that are a list": _edited(b'"facts":{}', b'"facts":[]'),
    "a kind that is a number": _edited(b'"kind":"model"', b'"kind":7'),
    "a file that is null": _edited(b'"files":[', b'"files":[null,'),
    "a path that is a number": _edited(b'"path":"a"', b'"path":7'),
    "a path that is listed twice": _edited(b'"files":[', b'"files":[' + _line("a").encode() + b","),
}


@pytest.mark.parametrize("damaged", NO_MANIFESTS.values(), ids=NO_MANIFESTS)
def test_a_manifest_that_is_none_is_refused(damaged: bytes) -> None:
    with pytest.raises(CorruptBlob):
        Manifest.from_bytes(damaged)


def test_an_existing_file_is_not_overwritten_and_nothing_is_written_beside_it(store: Store, tmp_path: Path) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.bin").write_text("mine")
    with pytest.raises(TargetExists):
        store.materialize(manifest, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.bin"]
    assert (tmp_path / "out" / "model.bin").read_text() == "mine"
    store.materialize(manifest, tmp_path / "out", replace=True)
    assert store.verify_tree(manifest, tmp_path / "out")


def test_a_dangling_link_in_the_way_counts_as_a_file(store: Store, tmp_path: Path) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetExists):
        store.materialize(manifest, tmp_path / "out")
    store.materialize(manifest, tmp_path / "out", replace=True)
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "out" / "model.bin").is_symlink()
    assert store.verify_tree(manifest, tmp_path / "out")


def test_a_link_planted_in_the_target_cannot_lead_the_bytes_elsewhere(store: Store, tmp_path: Path) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "outside")
    for replace in (False, True):
        with pytest.raises(PathUnusable, match="leads out"):
            store.materialize(manifest, tmp_path / "out", replace=replace)
    assert not [path for path in (tmp_path / "outside").rglob("*") if path.is_file()]


@pytest.mark.parametrize("blocked", ["deep", "deep/er", "model.bin", "deep/er/names\nlike 'this'.txt"])
def test_a_file_where_a_folder_should_be_or_the_reverse_is_one_error_and_leaves_no_half(
    store: Store, tmp_path: Path, blocked: str
) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    place = tmp_path / "out" / blocked
    place.parent.mkdir(parents=True)
    if (tmp_path / "source" / blocked).is_dir():
        place.write_text("in the way")
    else:
        place.mkdir()
    with pytest.raises(TargetUnwritable, match="cannot be written"):
        store.materialize(manifest, tmp_path / "out", replace=True)
    assert not list((tmp_path / "out").rglob(".*.part"))


def test_what_was_interrupted_goes_on_where_it_was(store: Store, tmp_path: Path) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    out = tmp_path / "out"
    store.materialize(manifest, out)
    kept, before = out / "model.bin", (out / "model.bin").stat().st_ino
    (out / "copy.bin").write_bytes(b"half")
    (out / "empty").unlink()
    store.materialize(manifest, out, replace=True)
    assert store.verify_tree(manifest, out)
    assert kept.stat().st_ino == before, "a file that was there already was written again"


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_reader_that_is_interrupted_leaves_no_half_file(store: Store, tmp_path: Path, at: float) -> None:
    manifest = keep(store, tree(tmp_path / "source"))
    done = 0

    def interrupt(advance: object) -> None:
        nonlocal done
        done += advance.done  # type: ignore[attr-defined]
        if done > at * manifest.size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.materialize(manifest, tmp_path / "out", progress=interrupt)
    source = contents(tmp_path / "source")
    found = contents(tmp_path / "out")
    assert found.items() < source.items()


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    (tmp_path / "weights").write_bytes(b"weights")
    with pytest.raises(YardUnwritable, match="cannot be written"):
        keep(Store(tmp_path / "store"), tmp_path / "weights")


def test_unusable_paths_are_refused_by_name_before_anything_is_stored(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PathMissing, match="nowhere"):
        keep(store, tmp_path / "nowhere")
    (tmp_path / "empty" / "also").mkdir(parents=True)
    with pytest.raises(PathEmpty, match="empty"):
        keep(store, tmp_path / "empty")
    with pytest.raises(PathUnusable, match="null"):
        keep(store, tmp_path / "a\0b")
    with pytest.raises(PathUnusable, match="too long"):
        keep(store, tmp_path / ("x" * 300))
    assert objects_of(store) == {}


def test_what_keeps_versions_itself_is_not_part_of_what_is_kept(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in (".git", ".modelyard", "data/.git-annex"):
        (source / folder).mkdir(parents=True)
        (source / folder / "x").write_text("1")
    (source / ".modelyard" / "yard.toml").write_text("format = 2")
    (source / "model.bin").write_text("weights")
    assert [file.path for file in keep(store, source).files] == ["data/.git-annex/x", "model.bin"]


def test_a_link_to_a_file_counts_as_the_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"weights")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "blob")
    (file,) = keep(store, tmp_path / "model").files
    assert store.read(file.digest) == b"weights"


def test_a_tree_of_three_thousand_small_files_comes_back_equal_from_a_handful_of_objects(
    store: Store, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    for number in range(3000):
        folder = source / f"{number % 30}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(b"%d" % number * (number % 50))
    manifest = keep(store, source)
    assert len(objects_of(store)) <= 4
    Store(store.objects).materialize(manifest, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(source)


def _cut(store: Store, share: float) -> None:
    for info in store.objects.list("packs/"):
        store.objects.put(info.key, [store.objects.get(info.key)[: int(info.size * share)]])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.9])
@pytest.mark.parametrize("known", [True, False], ids=["as an earlier version", "as a new one"])
def test_what_was_cut_off_a_pack_is_written_anew_by_the_next_registration(
    store: Store, tmp_path: Path, share: float, known: bool
) -> None:
    source = tree(tmp_path / "source")
    manifest = keep(store, source)
    _cut(store, share)
    with pytest.raises(Damaged):
        Store(store.objects).materialize(manifest, tmp_path / "out0")
    again = Store(store.objects)
    assert keep(again, source, *([manifest] if known else [])) == manifest
    for number, reader in enumerate((again, Store(store.objects)), start=1):
        reader.materialize(reader.manifest(manifest.digest), tmp_path / f"out{number}")
        assert contents(tmp_path / f"out{number}") == contents(source)


def test_a_damaged_recipe_is_written_anew_by_the_next_registration_of_the_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(random.Random(1).randbytes(3 * PIECE))
    manifest = keep(store, tmp_path / "weights")
    (file,) = manifest.files
    (entry,) = store.index.find(Kind.RECIPE, bytes.fromhex(file.digest.hex))
    data = bytearray(store.objects.get(key_of(entry.pack)))
    data[entry.offset + 20] ^= 1
    store.objects.put(key_of(entry.pack), [data])
    with pytest.raises(CorruptBlob, match="weights are damaged"):
        Store(store.objects).materialize(manifest, tmp_path / "out")
    assert keep(Store(store.objects), tmp_path / "weights", manifest) == manifest
    Store(store.objects).materialize(manifest, tmp_path / "out")
    assert contents(tmp_path / "out") == {"weights": (tmp_path / "weights").read_bytes()}


def test_damage_is_named_by_file_and_offset_and_leaves_no_half_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(random.Random(1).randbytes(3 * PIECE))
    manifest = keep(store, tmp_path / "weights")
    recipe = store.files.recipe(manifest.files[0].digest, "weights")
    number = len(recipe.chunks) // 2
    (entry,) = store.index.find(Kind.CHUNK, recipe.chunks[number][0])
    data = bytearray(store.objects.get(key_of(entry.pack)))
    data[entry.offset + 100] ^= 1
    store.objects.put(key_of(entry.pack), [data])
    with pytest.raises(CorruptBlob, match=f"weights are damaged at offset {recipe.starts[number]}:"):
        store.materialize(manifest, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir()), "half a file was left behind"
    store.objects.delete(key_of(entry.pack))
    with pytest.raises(MissingBlob, match="weights"):
        Store(store.objects).read(manifest.files[0].digest, "weights")


def test_one_flipped_bit_in_any_object_is_harmless_or_refused_and_never_returned(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}").write_bytes(random.Random(number).randbytes(2000))
    manifests = [keep(store, source)]
    (source / "1").write_bytes((source / "1").read_bytes()[:1000] + b"changed")
    manifests.append(keep(store, source, manifests[0]))
    good = {info.key: store.objects.get(info.key) for info in store.objects.list("")}
    versions = [{file.path: store.read(file.digest) for file in manifest.files} for manifest in manifests]
    refused = 0
    for key, data in good.items():
        for bit in range(5, len(data) * 8, 331):
            bad = bytearray(data)
            bad[bit // 8] ^= 1 << bit % 8
            store.objects.put(key, [bad])
            reader = Store(store.objects)
            for manifest, expected in zip(manifests, versions, strict=True):
                try:
                    found = {file.path: reader.read(file.digest) for file in reader.manifest(manifest.digest).files}
                except Damaged:
                    refused += 1
                else:
                    assert found == expected
        store.objects.put(key, [data])
    assert refused > 20
    for manifest, expected in zip(manifests, versions, strict=True):
        assert {file.path: Store(store.objects).read(file.digest) for file in manifest.files} == expected
