"""The cache that processes share: a version is brought once, and what somebody has touched is seen."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace, errors
from modelyard.client import placement
from modelyard.store.reading.reader import Reader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "weights.bin").write_bytes(os.urandom(300_000))
    (tmp_path / "model" / "deep" / "vocabulary.txt").write_text("a\nb\n")
    return tmp_path / "model"


class Silence:
    """A store that must not be asked for chunks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        monkeypatch.setattr(Reader, "stream", self._stream)

    def _stream(self, *_arguments: Any) -> Any:
        self.asked += 1
        raise AssertionError("the store was read")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_version_that_is_there_is_not_read_again_by_this_process_or_another(
    ws: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ws.register("fraud", folder)
    manifest, path = model.manifest, model.path()
    assert _files(path) == _files(folder)
    Silence(monkeypatch)
    assert ws.cache.folder(manifest) == path
    monkeypatch.undo()
    code = (
        "import sys; from modelyard import Workspace\n"
        "ws = Workspace(sys.argv[1]); m = ws.model('fraud'); manifest = m.manifest\n"
        "from modelyard.store.reading.reader import Reader; Reader.stream = None\n"
        "print(ws.cache.folder(manifest))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ws.root)], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == path


@pytest.mark.parametrize("harm", ["flip", "truncate", "replace", "remove", "plant", "link"])
def test_an_entry_that_somebody_touched_heals_itself(ws: Workspace, folder: Path, harm: str) -> None:
    model = ws.register("fraud", folder)
    weights = model.path() / "weights.bin"
    assert not weights.stat().st_mode & stat.S_IWUSR
    good = weights.read_bytes()
    if harm in ("flip", "truncate"):
        weights.chmod(0o644)
        with weights.open("r+b") as out:
            out.write(bytes([good[0] ^ 1]))
            if harm == "truncate":
                out.truncate(1000)
    elif harm == "plant":
        weights.with_name("planted.py").write_text("import os")
    else:
        weights.unlink()
        if harm == "replace":
            weights.write_bytes(b"x" * len(good))
        if harm == "link":
            weights.symlink_to("/dev/zero")
    assert _files(model.path()) == _files(folder)


def test_a_change_that_keeps_the_times_is_seen_as_well(ws: Workspace, folder: Path) -> None:
    model = ws.register("fraud", folder)
    weights = model.path() / "weights.bin"
    before = weights.stat()
    weights.chmod(0o644)
    with weights.open("r+b") as out:
        out.write(b"changed")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (model.path() / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()


def test_what_was_verified_before_the_machine_started_is_verified_again(ws: Workspace, folder: Path) -> None:
    model = ws.register("fraud", folder)
    path = model.path()
    notes = path.with_name(path.name + ".json")
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "boot": "another"}))
    assert ws.cache.held(model.manifest) == (path, False)
    assert model.path() == path
    assert ws.cache.held(model.manifest) == (path, True)


def test_verification_at_every_use_can_be_asked_for(
    ws: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_CACHE_VERIFY", "always")
    model = Workspace(ws.root).register("fraud", folder)
    read: list[Path] = []
    real = type(model.workspace.store).verify_tree
    monkeypatch.setattr(
        type(model.workspace.store), "verify_tree", lambda store, *rest: read.append(rest[1]) or real(store, *rest)
    )
    for _ in range(3):  # the first brings it in, verified
        model.path()
    assert len(read) == 2


def test_versions_share_the_files_that_are_equal(ws: Workspace, folder: Path) -> None:
    first = ws.register("fraud", folder).path()
    (folder / "deep" / "vocabulary.txt").write_text("c\n")
    second = ws.register("fraud", folder).path()
    assert (first / "weights.bin").samefile(second / "weights.bin")
    assert _files(second) == _files(folder)


def test_linked_files_cost_nothing_the_second_time_and_are_read_only(
    ws: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ws.register("fraud", folder)
    one = Path(model.download(tmp_path / "one", link=True))
    manifest = model.manifest
    Silence(monkeypatch)
    monkeypatch.setattr(type(model), "manifest", property(lambda _self: manifest))
    two = Path(model.download(tmp_path / "two", link=True))
    again = Path(model.download(tmp_path / "two", link=True, exist_ok=True))
    assert two == again
    assert (one / "weights.bin").samefile(two / "weights.bin")
    assert _files(two) == _files(folder)
    assert not (two / "weights.bin").stat().st_mode & 0o222
    with pytest.raises(errors.TargetExists):
        model.download(tmp_path / "two", link=True)


def test_a_copy_from_the_cache_is_the_users_own_and_a_damaged_cache_file_does_not_get_into_it(
    ws: Workspace, folder: Path, tmp_path: Path
) -> None:
    model = ws.register("fraud", folder)
    cached = model.path() / "weights.bin"
    out = Path(model.download(tmp_path / "one")) / "weights.bin"
    assert not out.samefile(cached)
    out.write_bytes(b"mine")
    cached.chmod(0o644)
    with cached.open("r+b") as file:
        file.write(b"decayed")
    assert _files(Path(model.download(tmp_path / "two"))) == _files(folder)


def test_where_the_file_system_clones_files_are_cloned(
    ws: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned: list[int] = []

    def ioctl(out: int, request: int, source: int) -> None:
        assert request == 0x40049409
        os.write(out, os.pread(source, 1 << 20, 0))
        cloned.append(out)

    model = ws.register("fraud", folder)
    model.path()
    monkeypatch.setattr(placement.fcntl, "ioctl", ioctl)
    assert _files(Path(model.download(tmp_path / "out"))) == _files(folder)
    assert len(cloned) == 2
