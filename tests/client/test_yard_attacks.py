"""A yard that is damaged, of another format, on a disk that cannot be written, or hit by kill -9 in the middle of a registration."""

import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from modelyard import Workspace, errors
from modelyard.store.packs import Kind

REGISTER_FOREVER = """
import os, sys
from pathlib import Path
from modelyard import Workspace
ws = Workspace(sys.argv[1])
Path(sys.argv[2]).mkdir(exist_ok=True)
while True:
    file = Path(sys.argv[2]) / "model.bin"
    data = os.urandom(200_000)
    file.write_bytes(data)
    made = ws.register("fraud", file, tags={"first": data[:8].hex()})
    print(made.version, data[:8].hex(), flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_any_instant_leaves_a_whole_yard_and_every_acknowledged_version(tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    Workspace(tmp_path)
    seeded = random.Random(1)
    for attempt in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", REGISTER_FOREVER, str(tmp_path), str(tmp_path / f"work{attempt}")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            number, first = line.split()
            acknowledged[int(number)] = first
            if seeded.random() < 0.3:
                time.sleep(seeded.random() * 0.03)
                child.send_signal(signal.SIGKILL)
                break
        rest = child.stdout.read()
        child.wait()
        child.stdout.close()
        for line in rest.splitlines():
            if len(line.split()) == 2:
                acknowledged[int(line.split()[0])] = line.split()[1]
    ws = Workspace(tmp_path)
    report = ws.check(read=True)
    assert report.problems == ()
    numbers = [row.number for row in ws.registry.versions("model")]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(acknowledged) >= 8
    for number, first in acknowledged.items():
        model = ws.model(f"fraud/{number}")
        assert model.tags["first"] == first
        assert model.path().read_bytes()[:8].hex() == first


def test_a_yard_of_a_newer_format_is_refused_with_what_to_install(ws: Workspace) -> None:
    marker = ws.root / "yard.toml"
    marker.write_text(marker.read_text().replace("format = 2", "format = 3"))
    with pytest.raises(errors.YardTooNew, match="pip install -U modelyard"):
        Workspace(ws.root)


def test_a_yard_from_before_the_first_release_is_refused_with_what_to_do(ws: Workspace) -> None:
    marker = ws.root / "yard.toml"
    marker.write_text(marker.read_text().replace("format = 2", "format = 1"))
    with pytest.raises(errors.YardTooOld, match="register them in a new yard"):
        Workspace(ws.root)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("yard.toml", b"\xff\xfe", "yard.toml"),
        ("yard.toml", b"format = 'x'", "lacks its format"),
        ("yard.toml", b"format = ", "cannot be read"),
        ("registry.db", b"garbage" * 1000, "not a database"),
        ("registry.db", b"", "no such table"),
        ("registry.db", None, "registry.db is missing"),
    ],
)
def test_a_damaged_yard_is_named_as_such(
    ws: Workspace, tmp_path: Path, file: str, content: bytes | None, told: str
) -> None:
    ws.close()
    for side in ("-wal", "-shm"):
        (ws.root / f"registry.db{side}").unlink(missing_ok=True)
    (ws.root / file).unlink()
    if content is not None:
        (ws.root / file).write_bytes(content)
    with pytest.raises(errors.CorruptYard, match=told):
        Workspace(ws.root).models()


def test_damaged_model_bytes_are_refused_on_load_and_named_by_check(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(os.urandom(100_000))
    model = ws.register("fraud", file)
    key, _ = ws.store.files.recipe(model.manifest.files[0].digest, "x").chunks[0]
    (entry,) = ws.store.index.find(Kind.CHUNK, key)
    pack = ws.root / "store" / "packs" / entry.pack
    good, position = pack.read_bytes(), entry.offset + 500
    pack.chmod(stat.S_IRUSR | stat.S_IWUSR)
    pack.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    with pytest.raises(errors.CorruptBlob, match=r"weights\.bin are damaged at offset 0"):
        model.path()
    with pytest.raises(errors.CorruptBlob):
        model.download(tmp_path / "out")
    assert ws.check().whole
    (problem,) = ws.check(read=True).problems
    assert "model fraud/1: weights.bin" in problem


def test_a_damaged_cache_entry_heals_itself(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"weights")
    model = ws.register("fraud", file)
    model.path().write_bytes(b"w3ights")
    assert model.path().read_bytes() == b"weights"
    model.path().with_name("planted").write_text("x")
    assert [path.name for path in model.path().parent.iterdir()] == ["weights.bin"]


def test_eight_threads_may_make_and_fill_one_yard(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(os.urandom(50_000))
    made: list[int] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            made.append(Workspace(tmp_path / "yard").register("fraud", file).version)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(made) == list(range(1, 9))
    assert Workspace(tmp_path / "yard").check(read=True).whole


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small or a read-only disk")
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_is_one_clear_error_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        ws = Workspace(disk)
        small = tmp_path / "small"
        small.write_bytes(b"small")
        first = ws.register("fraud", small)
        big = tmp_path / "big"
        big.write_bytes(os.urandom(8_000_000))
        ws.close()
        if kind == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            ws = Workspace(disk)
        with pytest.raises(errors.YardUnwritable, match="cannot be written"):
            ws.register("fraud", big)
        assert ws.model("fraud") == first
        assert ws.model("fraud").path().read_bytes() == b"small"
        assert ws.check(read=True).whole
        ws.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
