"""Writers that die: at every boundary of a write, at any instant, on a full disk. What was acknowledged is there and equal, and the yard is whole."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from faulty_objects import Died, FaultyObjects

from modelyard import Workspace
from modelyard.core.errors import StoreUnreachable, YardUnwritable
from modelyard.store import Manifest, ManifestFile, Store
from modelyard.store.objects import FolderObjects, Objects, open_objects
from modelyard.store.packs import Kind
from modelyard.store.packs import pack as packs

BOUNDARIES, INSTANTS = 150, 50
"""Rounds in which the writer dies at its first, second, third … step, and rounds in which it dies at some instant."""

# One interpreter for all rounds: a start takes longer than a registration. Nothing of the yard is opened before the fork.
REGISTER_AND_DIE = """
import itertools, json, os, random, signal, sys, time
from pathlib import Path

import numpy

from modelyard import Workspace
from modelyard.registry import Registry
from modelyard.store.writing import writer
from modelyard.store.objects import folder

root, work, boundaries, instants = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def die_at(last):
    steps = itertools.count()

    def step(spoil=lambda: None):
        if next(steps) == last:
            spoil()
            os.kill(os.getpid(), signal.SIGKILL)

    def between(home, name):
        do = getattr(home, name)

        def stepwise(*args, **kwargs):
            step()
            done = do(*args, **kwargs)
            step()
            return done

        setattr(home, name, stepwise)

    def write(name, home, parts, do=folder._write):
        whole = b"".join(parts)
        step(lambda: do(name, home, []))
        step(lambda: do(name, home, [whole[: len(whole) // 2]]))
        do(name, home, parts)
        step()

    folder._write = write
    for name in ("rename", "fsync", "unlink", "mkdir", "link"):
        between(os, name)
    between(Registry, "create_version")


def content(seed):
    chosen = random.Random(seed)
    weights = numpy.random.default_rng(7).standard_normal(15_000).astype("<f4")
    weights += numpy.random.default_rng(chosen.randrange(2**32)).standard_normal(15_000).astype("<f4") * numpy.float32(1e-4)
    noise = random.Random(8).randbytes(40_000)
    at = chosen.randrange(40_000)
    array = numpy.lib.format.magic(1, 0) + (118).to_bytes(2, "little")
    array += b"{'descr': '<f4', 'fortran_order': False, 'shape': (15000,), }".ljust(117) + b"\\n"
    return {"weights.npy": array + weights.tobytes(), "vocabulary.bin": noise[:at] + chosen.randbytes(9) + noise[at:]}


def register_forever(attempt, said):
    ws = Workspace(root, actor="ana")
    for number in itertools.count():
        seed = f"{attempt}-{number}"
        source = work / seed
        source.mkdir(parents=True)
        for name, data in content(seed).items():
            (source / name).write_bytes(data)
        made = ws.register(f"model-{attempt % 3}", source, tags={"seed": seed})
        os.write(said, json.dumps([made.name, made.version, seed]).encode() + b"\\n")


warm = Workspace(work / "warm")  # what a process does only once, it does here
warm.register("warm", sys.executable)
warm.close()
warm.store.pool.shutdown()  # no thread is left that a fork would lose
chosen = random.Random(5)
for attempt in range(boundaries + instants):
    reader, said = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            if attempt % 2:
                writer.TARGET = 20_000
            if attempt < boundaries:
                die_at(attempt)
            register_forever(attempt, said)
        finally:
            os._exit(1)
    os.close(said)
    if attempt >= boundaries:
        time.sleep(0.01 + chosen.random() * 0.12)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader) as acknowledged:
        lines = acknowledged.read().splitlines()
    _, status = os.waitpid(child, 0)
    print(json.dumps([status, [json.loads(line) for line in lines if line.endswith("]")]]))
"""


@pytest.mark.slow
def test_200_kill_9_at_every_boundary_and_at_any_instant_leave_a_whole_yard_and_every_acknowledged_version(
    tmp_path: Path,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", REGISTER_AND_DIE, tmp_path / "yard", tmp_path / "work", str(BOUNDARIES), str(INSTANTS)],
        cwd=tmp_path,  # no repository, whose state is looked at for every version
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # threads do not come along into a fork
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    rounds = [json.loads(line) for line in run.stdout.splitlines()]
    assert [status for status, _ in rounds] == [signal.SIGKILL] * (BOUNDARIES + INSTANTS), run.stderr
    acknowledged = {(name, number): seed for _, made in rounds for name, number, seed in made}
    assert len(acknowledged) > 100

    ws = Workspace(tmp_path / "yard", create=False)
    report = ws.check(read=True)
    assert report.problems == ()
    assert report.leftovers > 20, "hardly any writer died in the middle of a write"
    rows = ws.registry.versions("model")
    assert len(acknowledged) <= len(rows) <= len(acknowledged) + len(rounds)  # at most one a round was not acknowledged
    for name in {row.name for row in rows}:
        numbers = [row.number for row in rows if row.name == name]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert {(row.name, row.number) for row in rows} >= acknowledged.keys()
    collected = ws.gc()
    assert collected.outcome is not None
    assert collected.outcome.removed, "no writer that died left a pack behind"
    assert ws.gc(dry_run=True).plan.empty
    assert ws.check(read=True).problems == ()
    for row in rows:
        model = ws.model(f"{row.name}/{row.number}")
        seed = model.tags["seed"]
        assert acknowledged.get((row.name, row.number), seed) == seed
        source = tmp_path / "work" / seed
        assert {file.path: ws.store.read(file.digest) for file in model.manifest.files} == {
            path.name: path.read_bytes() for path in source.iterdir()
        }
    _is_sound(ws.store.objects)


def _is_sound(objects: Objects) -> None:
    """Every object there is as it was written, and the index speaks of nothing that is not there."""
    store = Store(objects)
    store.index.refresh()
    assert not store.index.damaged
    for name in store.index.packs:
        assert packs.is_whole(objects, name)
    bases = {entry.base for entry in store.index.entries() if entry.codec.has_base}
    assert all(store.index.find(Kind.CHUNK, base) for base in bases)
    for entry in store.index.entries():
        if entry.kind is Kind.CHUNK:
            store.reader.chunk(entry.key, entry.length)


class Versions:
    """Five versions of a small tree, made of the same weights that move a little."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[Path] = []
        seeded = random.Random(4)
        weights = np.random.default_rng(1).standard_normal((8, 7500)).astype("<f4")
        text = seeded.randbytes(60_000)
        for number in range(5):
            weights += np.random.default_rng(number).standard_normal((8, 7500)).astype("<f4") * np.float32(1e-3)
            at = seeded.randrange(len(text))
            text = text[:at] + b"inserted" + text[at:]
            path = folder / f"version{number}"
            path.mkdir(parents=True)
            for layer, values in enumerate(weights):
                np.save(path / f"layer{layer}.npy", values)
            (path / "text.bin").write_bytes(text)
            self.paths.append(path)

    def register(self, store: Store, number: int, earlier: list[Manifest]) -> tuple[Manifest, int]:
        """The manifest, and the bytes that were written for it."""
        with store.intake() as intake:
            files = intake.put_tree(self.paths[number], earlier)
            manifest = intake.put_manifest("model", files, {"number": number})
            intake.commit()
            return manifest, intake.written.stored

    def check(self, store: Store, number: int, manifest: Manifest) -> None:
        assert store.manifest(manifest.digest) == manifest
        assert {file.path: store.read(file.digest) for file in manifest.files} == {
            path.name: path.read_bytes() for path in self.paths[number].iterdir()
        }


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "sources")


@pytest.mark.parametrize("target", [20_000, 10**9], ids=["many packs", "one pack"])
def test_a_writer_that_dies_after_any_number_of_writes_loses_nothing_and_the_next_attempt_goes_on(
    versions: Versions, monkeypatch: pytest.MonkeyPatch, target: int
) -> None:
    monkeypatch.setattr("modelyard.store.writing.writer.TARGET", target)
    inner = open_objects("memory:")
    committed: list[Manifest] = []
    writes, deaths, saved = 0, 0, 0
    first, _ = versions.register(Store(inner), 0, [])
    committed.append(first)
    whole = versions.register(Store(open_objects("memory:")), 1, [])[1]
    while len(committed) < 4:
        number = len(committed)
        try:
            made, stored = versions.register(Store(FaultyObjects(inner, writes=writes)), number, committed[-1:])
        except Died:
            deaths += 1
            writes += 1
        else:
            committed.append(made)
            saved += stored < whole
            writes = 0
        for earlier, manifest in enumerate(committed):
            versions.check(Store(inner), earlier, manifest)
    assert deaths >= (20 if target < 10**9 else 9), "a registration has hardly any writes to die at"
    assert saved > 0 or target == 10**9, "what an attempt made durable was written again by the next"
    _is_sound(inner)
    for number, manifest in enumerate(committed):
        versions.check(Store(inner), number, manifest)


def test_a_second_attempt_uses_what_the_first_made_durable(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.store.writing.writer.TARGET", 20_000)
    _, whole = versions.register(Store(open_objects("memory:")), 0, [])
    second: list[int] = []
    for writes in range(200):
        inner = open_objects("memory:")
        try:
            versions.register(Store(FaultyObjects(inner, writes=writes)), 0, [])
        except Died:
            manifest, stored = versions.register(Store(inner), 0, [])
            versions.check(Store(inner), 0, manifest)
            second.append(stored)
        else:
            break
    assert second[0] == whole
    assert second[-1] == 0, "all was durable, and some was written again"
    assert len(set(second)) > 5
    assert max(second) == whole


def test_errors_of_the_place_in_the_middle_leave_the_same_store_object_usable(versions: Versions) -> None:
    inner = open_objects("memory:")
    faulty = FaultyObjects(inner, seed=3, errors=0.0)
    store = Store(faulty)
    committed = [versions.register(store, 0, [])[0]]
    failures = 0
    while len(committed) < 5:
        faulty.errors = 0.12 if failures < 40 else 0.0
        try:
            committed.append(versions.register(store, len(committed), committed[-1:])[0])
        except StoreUnreachable:
            failures += 1
        faulty.errors = 0.0
        for number, manifest in enumerate(committed):
            versions.check(store, number, manifest)
    assert failures
    _is_sound(inner)


def keep(store: Store, path: Path) -> tuple[ManifestFile, int]:
    """The file, and how many of its bytes were new."""
    with store.intake() as intake:
        (file,) = intake.put_tree(path)
        intake.commit()
        return file, intake.written.raw


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_in_the_middle_of_a_pack_loses_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelyard.store.writing.writer.TARGET", 300_000)
    big = tmp_path / "big"
    big.write_bytes(random.Random(1).randbytes(3_000_000))
    with small_disk(tmp_path / "disk", "3m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_000_000))
        store = Store(disk / "store")
        kept = [versions.register(store, 0, [])[0]]
        for _ in range(2):
            with pytest.raises(YardUnwritable, match="No space left"):
                keep(store, big)
            assert not list((disk / "store" / "tmp").iterdir()), "half a pack takes up the room that is left"
            for reader in (store, Store(disk / "store")):
                versions.check(reader, 0, kept[0])
            _is_sound(FolderObjects(disk / "store"))
        ballast.unlink()
        room = sum(path.stat().st_size for path in (disk / "store").rglob("*") if path.is_file())
        assert 1_000_000 < room < 2_300_000, "nothing of the attempt was durable"
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        file, written = keep(store, big)
        assert written < 2_200_000, "what was durable was written again"
        assert Store(disk / "store").read(file.digest) == big.read_bytes()
        kept.append(versions.register(store, 1, kept)[0])
        for number, manifest in enumerate(kept):
            versions.check(Store(disk / "store"), number, manifest)
        _is_sound(FolderObjects(disk / "store"))
