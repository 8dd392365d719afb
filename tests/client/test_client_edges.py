"""Two yards, racing loaders, emptied caches, planted folders: what belongs together stays together."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from modelyard import Dataset, Workspace, errors, model_registry
from modelyard.client import cache as cache_module
from modelyard.client.cache import Cache
from modelyard.store.packs import Kind


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights" * 100)
    return path


def test_versions_of_two_yards_are_never_mixed_up(tmp_path: Path, file: Path) -> None:
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    theirs = one.snapshot(file, name="zzz")
    two.snapshot(file, name="d")
    with pytest.raises(errors.InvalidReference, match="it is of the yard at"):
        two.register("fraud", file, datasets=[theirs])
    assert one.register("m", file) != two.register("m", file)
    assert one.model("m") == Workspace(tmp_path / "one").model("m")


def test_a_data_set_may_be_named_once_or_twice_and_alone(ws: Workspace, file: Path) -> None:
    ws.snapshot(file, name="d")
    assert ws.register("a", file, datasets="d/1").inputs == [("training", "d/1")]
    assert ws.register("b", file, datasets=["d/1", "d/1"]).inputs == [("training", "d/1")]
    assert Dataset(ws, "d").reference == "d/1"
    assert Dataset(ws, "d", version=1) == ws.dataset("d/1")


def test_damaged_bytes_are_had_again_from_the_file_that_was_registered(ws: Workspace, file: Path) -> None:
    first = ws.register("fraud", file)
    key, _ = ws.store.files.recipe(first.manifest.files[0].digest, "x").chunks[0]
    (entry,) = ws.store.index.find(Kind.CHUNK, key)
    pack = ws.root / "store" / "packs" / entry.pack
    good = pack.read_bytes()
    pack.chmod(stat.S_IRUSR | stat.S_IWUSR)
    pack.write_bytes(good[: entry.offset] + bytes([good[entry.offset] ^ 1]) + good[entry.offset + 1 :])
    again = ws.register("fraud", file)  # the store counts on what it has, and does not know yet that it is damaged
    for model in (first, again):
        with pytest.raises(errors.CorruptBlob):
            model.path()
    assert ws.repair(file).whole
    assert again.path().read_bytes() == first.path().read_bytes() == file.read_bytes()


def test_an_emptied_or_removed_cache_entry_heals(ws: Workspace, file: Path) -> None:
    model = ws.register("fraud", file)
    model.path().unlink()
    assert model.path().read_bytes() == file.read_bytes()
    shutil.rmtree(model.path().parent)
    assert model.path().read_bytes() == file.read_bytes()


def test_who_loads_second_leaves_the_folder_of_the_first_in_place(
    ws: Workspace, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ws.register("fraud", file)
    faster = Cache(ws.root / "cache", ws.store)
    real = cache_module.check_out

    def slow(files: object, manifest: object, target: Path, **options: object) -> None:
        real(files, manifest, target, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(cache_module, "check_out", real)
        first.append(faster.folder(model.manifest).stat().st_ino)

    first: list[int] = []
    monkeypatch.setattr(cache_module, "check_out", slow)
    folder = ws.cache.folder(model.manifest)
    assert folder.stat().st_ino == first[0], "the folder that somebody may be reading from was moved away"
    assert [path.name for path in (ws.root / "cache" / "versions").iterdir() if path.is_dir()] == [folder.name]


def test_a_planted_folder_is_not_used_as_the_cache_of_a_read_only_yard(
    ws: Workspace, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"modelyard-cache-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    model = ws.register("fraud", file)
    (tmp_path / "occupied").write_text("a cache cannot be made here")
    cache = Cache(tmp_path / "occupied" / "cache", ws.store)
    folder = cache.folder(model.manifest)
    assert planted not in folder.parents
    assert (folder / "weights.bin").read_bytes() == file.read_bytes()
    assert stat.S_IMODE(folder.parents[1].stat().st_mode) == 0o700


def test_a_refused_download_makes_no_folder_outside_of_its_target(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "er" / "x").write_text("1")
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "outside")
    with pytest.raises(errors.PathUnusable):
        ws.register("fraud", tmp_path / "tree").download(tmp_path / "out")
    assert list((tmp_path / "outside").iterdir()) == []


def test_damage_beside_the_files_is_found_too(ws: Workspace, file: Path) -> None:
    model = ws.register("fraud", file, reference_data={"x": range(10)})
    profile = model.manifest.facts["profile"]
    (entry,) = ws.store.index.find(Kind.RECIPE, bytes.fromhex(profile[7:]))
    keep = [other for other in ws.store.index.entries() if other != entry]
    ws.store.index.replace(ws.store.index.segments, lambda other: other in keep)
    (problem,) = ws.check().problems
    assert "fraud/1" in problem
    assert "the reference profile" in problem


def test_reference_data_gives_a_signature_to_files_too(ws: Workspace, file: Path) -> None:
    signature = ws.register("fraud", file, reference_data={"x": [1.5, 2.5]}).signature
    assert signature is not None
    assert [field.name for field in signature.inputs] == ["x"]


def test_what_is_not_text_is_refused_as_a_description_and_as_a_tag(ws: Workspace, file: Path) -> None:
    for arguments in ({"description": "\ud800"}, {"description": 5}, {"tags": {"a": "\ud800"}}):
        with pytest.raises(errors.InvalidInput):
            ws.register("fraud", file, **arguments)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInput, match="needs its files"):
        model_registry.register("fraud", tags={"a": "1"})
    assert ws.models() == []


def test_a_user_without_a_name_has_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert Workspace(tmp_path).actor == f"uid-{os.getuid()}"
