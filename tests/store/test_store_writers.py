"""Many writers in one store at the same time, as threads and as processes, in a folder and in a bucket: all that they put is there and equal."""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faulty_objects import Died, FaultyObjects

from modelyard.core.digests import Digest
from modelyard.core.errors import StoreUnreachable
from modelyard.store import Manifest, Store
from modelyard.store.codecs import Codec
from modelyard.store.objects import ObjectInfo, Objects, open_objects
from modelyard.store.packs import Index, Kind, PackBuilder, segment


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "folder" else str(request.getfixturevalue("s3"))


def sources(folder: Path, writers: int, versions: int, *, same: bool) -> list[list[Path]]:
    """For each writer its line of versions; all lines begin with the same version, and are the same throughout if so wanted."""
    lines: list[list[Path]] = []
    for writer in range(writers):
        line: list[Path] = []
        for number in range(versions):
            seed = 0 if same or number == 0 else writer
            path = folder / f"{seed}-{number}"
            if not path.exists():
                path.mkdir(parents=True)
                weights = np.random.default_rng(1).standard_normal(20_000).astype("<f4")
                weights += np.random.default_rng([seed, number]).standard_normal(20_000).astype("<f4") * np.float32(
                    1e-4
                )
                np.save(path / "weights.npy", weights)
                text = random.Random(2).randbytes(80_000)
                at = random.Random(f"{seed}-{number}").randrange(80_000)
                (path / "text.bin").write_bytes(text[:at] + b"%d-%d" % (seed, number) + text[at:])
            line.append(path)
        lines.append(line)
    return lines


def register(store: Store, line: list[Path]) -> list[Manifest]:
    made: list[Manifest] = []
    for path in line:
        with store.intake() as intake:
            made.append(intake.put_manifest("model", intake.put_tree(path, made[-1:]), {}))
            intake.commit()
    return made


# Each writer is the child of a fork: eight starts of an interpreter take longer than what is tested.
REGISTER_AT_ONCE = """
import json, os, sys
from pathlib import Path

import numpy
import pyfastcdc
from modelyard.store import Store

place, lines = sys.argv[1], json.loads(sys.argv[2])
gate, opened = os.pipe()
children = []
for line in lines:
    reader, said = os.pipe()
    child = os.fork()
    if not child:
        try:
            store, made = Store(place), []
            os.read(gate, 1)
            for path in line:
                with store.intake() as intake:
                    made.append(intake.put_manifest("model", intake.put_tree(Path(path), made[-1:]), {}))
                    intake.commit()
            os.write(said, json.dumps([manifest.digest for manifest in made]).encode())
        except BaseException as error:
            os.write(said, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(said)
    children.append((child, reader))
os.write(opened, b"." * len(children))
for child, reader in children:
    with os.fdopen(reader) as told:
        print(told.read())
    os.waitpid(child, 0)
"""


def agree(place: str, lines: list[list[Path]], made: list[list[str]]) -> None:
    """Every version of every writer comes back equal from a store opened afresh."""
    store = Store(place)
    for line, digests in zip(lines, made, strict=True):
        assert len(digests) == len(line)
        for path, digest in zip(line, digests, strict=True):
            manifest = store.manifest(Digest(digest))
            assert {file.path: store.read(file.digest) for file in manifest.files} == {
                each.name: each.read_bytes() for each in path.iterdir()
            }


def is_tidy(place: str, writers: int) -> None:
    """Nothing is there more often than there were writers, the index knows all packs and none that is not there, and no lease is left."""
    store = Store(place)
    store.index.refresh()
    assert not store.index.damaged
    assert {pack for segment in store.index.segments for pack in segment.packs} == store.index.packs
    entries = list(store.index.entries())
    copies = Counter((entry.kind, entry.key) for entry in entries)
    assert max(copies.values()) <= writers
    assert all(store.index.find(Kind.CHUNK, entry.base) for entry in entries if entry.codec.has_base)
    assert list(store.objects.list("leases/")) == []
    for entry in entries:
        if entry.kind is Kind.CHUNK:
            assert store.reader.verified(entry)


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False], ids=["same versions", "different versions"])
@pytest.mark.parametrize(
    ("place", "writers", "versions"),
    [("folder", 2, 4), ("folder", 8, 4), ("s3", 2, 3), ("s3", 8, 2)],
    indirect=["place"],
)
def test_processes_that_write_at_once_lose_nothing(
    place: str, tmp_path: Path, writers: int, versions: int, same: bool
) -> None:
    lines = sources(tmp_path / "sources", writers, versions, same=same)
    listed = json.dumps([[str(path) for path in line] for line in lines])
    run = subprocess.run(
        [sys.executable, "-c", REGISTER_AT_ONCE, place, listed],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # threads do not come along into a fork
        capture_output=True,
        text=True,
        check=True,
    )
    made = [json.loads(line) for line in run.stdout.splitlines()]
    agree(place, lines, made)
    assert (len({tuple(digests) for digests in made}) == 1) == same
    is_tidy(place, writers)


@pytest.mark.parametrize("same", [True, False], ids=["same versions", "different versions"])
@pytest.mark.parametrize(
    ("place", "stores", "writers", "versions"),
    [
        ("folder", "one store", 2, 4),
        ("folder", "one store", 8, 4),
        ("folder", "a store each", 2, 4),
        ("folder", "a store each", 8, 4),
        ("s3", "one store", 2, 2),
        ("s3", "a store each", 8, 2),
    ],
    indirect=["place"],
)
def test_threads_that_write_at_once_lose_nothing(
    place: str, tmp_path: Path, stores: str, writers: int, versions: int, same: bool
) -> None:
    lines = sources(tmp_path / "sources", writers, versions, same=same)
    shared = Store(place)
    gate = threading.Barrier(writers)
    made: dict[int, list[str]] = {}
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            store = shared if stores == "one store" else Store(place)
            gate.wait()
            made[number] = [manifest.digest for manifest in register(store, lines[number])]
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    agree(place, lines, [made[number] for number in range(writers)])
    is_tidy(place, writers)


def test_readers_at_work_while_segments_are_merged_miss_nothing(tmp_path: Path) -> None:
    """Eight registrations make a merge, which takes away segments that another has just listed."""
    store = Store(tmp_path / "store")
    ended = threading.Event()
    known: list[tuple[Digest, bytes]] = []
    failed: list[BaseException] = []

    def read() -> None:
        seeded = random.Random(1)
        while not ended.is_set():
            if known:
                digest, data = seeded.choice(known)
                try:
                    assert Store(tmp_path / "store").read(digest) == data
                except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                    failed.append(error)
                    return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(40):
        data = b"%d" % number * 100
        with store.intake() as intake:
            kept = intake.put_bytes(data)
            intake.commit()
        known.append((kept.digest, data))
    ended.set()
    for reader in readers:
        reader.join()
    assert failed == []


def test_a_writer_that_saw_nothing_of_another_and_dies_hurts_only_itself(tmp_path: Path) -> None:
    inner = open_objects("memory:")
    first, second = sources(tmp_path / "sources", 1, 2, same=True)[0]
    one, two = Store(inner), Store(FaultyObjects(inner, writes=2))
    with one.intake() as intake:
        manifest = intake.put_manifest("model", intake.put_tree(first), {})
        with pytest.raises(Died):
            register(two, [first, second])
        intake.commit()
    assert {file.path: Store(inner).read(file.digest) for file in manifest.files} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }


class Merging:
    """Objects in which, just after each of the first listings, another merges the segment away that has not been read yet."""

    def __init__(self, objects: Objects, times: int) -> None:
        self._objects = objects
        self.times = times
        self._made = ""

    def __getattr__(self, name: str) -> object:
        return getattr(self._objects, name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        found = list(self._objects.list(prefix))
        if prefix == segment.PREFIX and self.times:
            self.times -= 1
            other = Index(self._objects)
            newest_first = sorted(other.segments, key=lambda each: (each.name != self._made, each.name))
            made = other.replace(newest_first[:2], lambda _entry: True)
            self._made = made.name if made else ""
        return iter(found)


@pytest.mark.parametrize("times", [1, 7, 15])
def test_an_index_that_others_merge_while_it_is_read_is_read_whole(times: int) -> None:
    inner = open_objects("memory:")
    writer = Index(inner)
    keys = [bytes([number]) * 32 for number in range(20)]
    for key in keys:
        builder = PackBuilder()
        builder.add(Kind.CHUNK, key, Codec.RAW, key, 32)
        pack = builder.finish()
        inner.put(pack.key, pack.parts)
        writer.write(pack.entries)
    reader = Index(Merging(inner, times))  # type: ignore[arg-type]
    assert all(reader.find(Kind.CHUNK, key) for key in keys)
    assert not reader.damaged


def test_an_index_that_never_stands_still_is_an_error_and_not_an_empty_index() -> None:
    inner = open_objects("memory:")
    writer = Index(inner)
    for number in range(100):
        builder = PackBuilder()
        builder.add(Kind.CHUNK, bytes([number]) * 32, Codec.RAW, b"x", 1)
        pack = builder.finish()
        inner.put(pack.key, pack.parts)
        writer.write(pack.entries)
    with pytest.raises(StoreUnreachable, match="its index changed"):
        Index(Merging(inner, 90)).find(Kind.CHUNK, bytes(32))  # type: ignore[arg-type]


def test_an_index_whose_reading_was_cut_off_is_read_again_and_not_taken_for_whole() -> None:
    inner = open_objects("memory:")
    builder = PackBuilder()
    builder.add(Kind.CHUNK, bytes(32), Codec.RAW, b"x", 1)
    pack = builder.finish()
    inner.put(pack.key, pack.parts)
    Index(inner).add(pack.entries)
    for seed in range(20):
        faulty = FaultyObjects(inner, seed=seed, errors=0.5)
        index = Index(faulty)
        with suppress(StoreUnreachable):
            index.refresh()
        faulty.errors = 0.0
        assert index.find(Kind.CHUNK, bytes(32)), seed
