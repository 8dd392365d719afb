"""A folder whose disk is full, read-only or forbidden, whose writer is killed, and in which somebody planted something."""

import errno
import os
import random
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core.errors import StoreForbidden, StoreUnreachable, YardUnwritable
from modelyard.store.objects import FolderObjects, ObjectInfo

TOMORROW = datetime.now(UTC) + timedelta(days=1)

# Starts a writer, kills it in the middle, and starts the next: one interpreter for all of them, because a start takes longer than a put.
PUT_AND_DIE = """
import os, random, signal, sys, time
from pathlib import Path
from modelyard.store.objects.folder import FolderObjects
seeded = random.Random(3)
for attempt in range(20):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        objects, number = FolderObjects(Path(sys.argv[1])), 0
        while True:
            body = os.urandom(8) * seeded.randrange(1, 40_000)
            key = f"packs/{attempt:02}/{number}-{len(body)}-{body[:8].hex()}"
            objects.put(key, [body[:3], body[3:]])
            os.write(writer, key.encode() + b"\\n")
            number += 1
    os.close(writer)
    with os.fdopen(reader, "rb") as acknowledged:
        print(acknowledged.readline().decode(), end="")
        time.sleep(seeded.random() * 0.05)
        os.kill(child, signal.SIGKILL)
        print(acknowledged.read().decode(), end="")
    os.waitpid(child, 0)
"""


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "yard" / "store")


def halves(objects: FolderObjects) -> list[str]:
    return [info.key for info in objects.leftovers(TOMORROW)]


def test_reading_makes_nothing(objects: FolderObjects) -> None:
    assert objects.size("packs/a") is None
    assert list(objects.list("")) == []
    assert list(objects.leftovers(TOMORROW)) == []
    objects.delete("packs/a")
    with pytest.raises(FileNotFoundError):
        objects.get("packs/a")
    assert not objects.root.parent.exists()


def test_an_object_is_a_read_only_file_with_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        FolderObjects(tmp_path / "store", folder_mode=0o770).put("packs/a", [b"a"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "store/packs/a").stat().st_mode) == 0o440
    assert stat.S_IMODE((tmp_path / "store/packs").stat().st_mode) == 0o750


def test_every_step_of_a_put_is_durable_before_the_next(
    objects: FolderObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def noted_sync(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink().relative_to(objects.root.parent.parent)
        steps.append("sync " + ("a half" if path.parent.name == "tmp" else str(path)))
        sync(file)

    def noted_rename(*names: str, **folders: int) -> None:
        steps.append("rename")
        rename(*names, **folders)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "rename", noted_rename)
    objects.put("packs/ab/1", [b"1"])
    assert set(steps[:2]) == {"sync yard", "sync ."}  # the root is new, and so is the folder above it
    made = ["sync yard/store", "sync yard/store", "sync yard/store/packs"]  # tmp, packs, ab
    assert steps[2:] == [*made, "sync a half", "rename", "sync yard/store/packs/ab"]
    steps.clear()
    objects.put("packs/ab/2", [b"2"])
    assert steps == ["sync a half", "rename", "sync yard/store/packs/ab"]
    steps.clear()
    FolderObjects(objects.root).put(
        "packs/ab/3", [b"3"]
    )  # another process may have made the folders and not synced them
    assert "sync yard/store/packs" in steps[: steps.index("rename")]
    (objects.root / "packs/ab").rename(objects.root / "gone")
    steps.clear()
    objects.put("packs/ab/4", [b"4"])
    assert "sync yard/store/packs" in steps[: steps.index("rename")]


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_step_that_fails_is_one_error_and_leaves_no_half(
    objects: FolderObjects, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    objects.put("packs/there", [b"there"])

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(YardUnwritable, match="Input/output error") as caught:
        objects.put("packs/new", [b"new"])
    assert caught.value.path == objects.root
    assert halves(objects) == []
    assert [info.key for info in objects.list("")] == ["packs/there"]


def test_a_put_that_is_interrupted_leaves_no_half(objects: FolderObjects) -> None:
    class Interrupted(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield b"x" * 1_000_000
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        objects.put("packs/new", Interrupted())
    assert halves(objects) == []
    assert list(objects.list("")) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small or a read-only disk")
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_is_one_error_and_loses_nothing(tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        objects = FolderObjects(disk / "store")
        objects.put("packs/small", [b"small"])
        if kind == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        problem = "No space left" if kind == "full" else "Read-only file system"
        for fresh in (objects, FolderObjects(disk / "store")):
            with pytest.raises(YardUnwritable, match=problem) as caught:
                fresh.put("packs/big", [os.urandom(700_000), os.urandom(700_000)])
            assert caught.value.path == disk / "store"
        assert halves(objects) == []
        assert [info.key for info in objects.list("")] == ["packs/small"]
        assert objects.get("packs/small") == b"small"
        if kind == "full":
            objects.put("packs/other", [os.urandom(700_000)])
        else:
            with pytest.raises(YardUnwritable, match=problem):
                objects.delete("packs/small")
            with pytest.raises(YardUnwritable, match=problem):
                FolderObjects(disk / "new").put("packs/a", [b"a"])
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_after_kill_9_every_listed_object_is_whole_and_every_acknowledged_one_is_listed(objects: FolderObjects) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PUT_AND_DIE, str(objects.root)], capture_output=True, text=True, check=True, timeout=60
    )
    listed = {info.key: info.size for info in objects.list("packs/")}
    assert len({key.split("/")[1] for key in listed}) == 20
    assert set(told.stdout.splitlines()) <= set(listed)
    for key, size in listed.items():
        _, length, first = key.rpartition("/")[2].split("-")
        body = objects.get(key)
        assert len(body) == size == int(length)
        assert body == bytes.fromhex(first) * (size // 8)
    assert len(halves(objects)) <= 20


def test_leftovers_are_told_by_age_and_swept_one_by_one(objects: FolderObjects) -> None:
    objects.put("packs/a", [b"a"])
    for name, age_s in (("old", 7200), ("new", 10)):
        half = objects.root / "tmp" / name
        half.write_bytes(b"half")
        os.utime(half, (half.stat().st_mtime - age_s,) * 2)
    assert [info.key for info in objects.list("")] == ["packs/a"]
    (old,) = objects.leftovers(datetime.now(UTC) - timedelta(hours=1))
    assert (old.key, old.size) == ("tmp/old", 4)
    objects.sweep(old)
    objects.sweep(old)
    assert halves(objects) == ["tmp/new"]


@pytest.mark.parametrize("key", ["packs/a", "tmp/", "tmp/../packs/a", "tmp/a/b", "/etc/passwd"])
def test_only_a_leftover_is_swept(objects: FolderObjects, key: str) -> None:
    objects.put("packs/a", [b"a"])
    with pytest.raises(ValueError, match="leftover"):
        objects.sweep(ObjectInfo(key, 1, TOMORROW))
    assert objects.get("packs/a") == b"a"


@pytest.mark.parametrize("planted", ["tmp", "packs", "packs/ab"])
def test_a_link_in_place_of_a_folder_is_not_followed(objects: FolderObjects, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    for name in ("ab/secret", "secret"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_bytes(b"secret")
    link = objects.root / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(outside, target_is_directory=True)
    before = sorted(outside.rglob("*"))
    with pytest.raises(YardUnwritable, match="Not a directory"):
        objects.put("packs/ab/new", [b"new"])
    if planted != "tmp":
        assert objects.size("packs/ab/secret") is None
        objects.delete("packs/ab/secret")
    assert list(objects.list("")) == []
    assert list(objects.leftovers(TOMORROW)) == []
    assert sorted(outside.rglob("*")) == before


def test_a_link_a_pipe_or_a_folder_in_place_of_an_object_is_no_object(objects: FolderObjects, tmp_path: Path) -> None:
    objects.put("packs/a", [b"a"])
    (tmp_path / "secret").write_bytes(b"secret")
    (objects.root / "packs/link").symlink_to(tmp_path / "secret")
    os.mkfifo(objects.root / "packs/pipe")
    (objects.root / "packs/folder").mkdir()
    (objects.root / "packs/.hidden").write_bytes(b"not ours")
    assert [info.key for info in objects.list("packs/")] == ["packs/a"]
    for key in ("packs/pipe", "packs/folder"):
        assert objects.size(key) is None
        with pytest.raises(FileNotFoundError):
            objects.get(key)
    with pytest.raises(StoreUnreachable, match="symbolic links"):
        objects.get("packs/link")
    objects.put("packs/link", [b"ours now"])
    assert objects.get("packs/link") == b"ours now"
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_root_that_is_a_link_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    FolderObjects(tmp_path / "store").put("packs/a", [b"a"])
    assert FolderObjects(tmp_path / "disk").get("packs/a") == b"a"


def test_a_file_where_the_folder_should_be_is_said_and_kept(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("notes")
    objects = FolderObjects(tmp_path / "store")
    with pytest.raises(YardUnwritable, match=r"cannot be written: (File exists|it is not a folder)"):
        objects.put("packs/a", [b"a"])
    for ask in (lambda: objects.get("packs/a"), lambda: objects.size("packs/a"), lambda: list(objects.list("packs/"))):
        with pytest.raises(StoreUnreachable, match="it is not a folder"):
            ask()
    assert (tmp_path / "store").read_text() == "notes"


def test_a_file_where_a_folder_of_keys_should_be_is_said_and_kept(objects: FolderObjects) -> None:
    objects.put("packs", [b"an object"])
    with pytest.raises(YardUnwritable, match="Not a directory"):
        objects.put("packs/a", [b"a"])
    assert objects.get("packs") == b"an object"
    assert halves(objects) == []


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything, so these tests put its rights aside."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_is_closed_to_us_is_denied_and_never_looks_empty() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        home = Path(made)
        home.chmod(0o755)
        objects = FolderObjects(home / "store")
        objects.put("packs/a", [b"a"])
        closed = objects.root / "packs"
        closed.chmod(0)
        try:
            with nobody():
                for ask in (
                    lambda: objects.get("packs/a"),
                    lambda: objects.size("packs/a"),
                    lambda: objects.get_ranges("packs/a", [(0, 1)]),
                    lambda: list(objects.list("packs/")),
                    lambda: list(objects.list("")),
                ):
                    with pytest.raises(StoreForbidden, match="Permission denied at packs"):
                        ask()
                for write in (lambda: objects.put("packs/b", [b"b"]), lambda: objects.delete("packs/a")):
                    with pytest.raises(YardUnwritable, match="Permission denied"):
                        write()
        finally:
            closed.chmod(0o755)
        assert objects.get("packs/a") == b"a"
        assert halves(objects) == []


def test_a_replaced_or_deleted_object_costs_no_descriptor(objects: FolderObjects) -> None:
    seeded = random.Random(1)
    objects.put("packs/a", [b"a"])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths
    for _ in range(20):
        objects.put(f"packs/{seeded.choice('abc')}", [b"x"])
        objects.get_ranges("packs/a", [(0, 1)])
        objects.delete(f"packs/{seeded.choice('bc')}")
        next(objects.list("packs/"))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
