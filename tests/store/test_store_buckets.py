"""A store in a bucket behind a line that fails: what was kept comes back equal, and what cannot be kept or brought is one clear error."""

import json
import os
import random
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unreliable_proxy import QUICK, UnreliableProxy

from modelyard import Workspace, errors
from modelyard.core.errors import StoreUnreachable
from modelyard.store import Advance, Manifest, Store
from modelyard.store.objects import open_objects
from modelyard.store.packs import Kind

PATIENT = replace(QUICK, attempts=15, total=60)
IMPATIENT = replace(QUICK, attempts=2, total=1)


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Five versions, each a small change of the one before."""
    weights = np.random.default_rng(1).standard_normal(60_000).astype("<f4")
    text = random.Random(1).randbytes(150_000)
    made: list[Path] = []
    for number in range(5):
        weights += np.random.default_rng(number).standard_normal(60_000).astype("<f4") * np.float32(1e-4)
        text = text[: 9999 * number] + b"inserted" + text[9999 * number :]
        path = tmp_path / f"source{number}"
        path.mkdir()
        np.save(path / "weights.npy", weights)
        (path / "text.bin").write_bytes(text)
        made.append(path)
    return made


def register(store: Store, source: Path, *earlier: Manifest) -> Manifest:
    with store.intake() as intake:
        manifest = intake.put_manifest("model", intake.put_tree(source, earlier), {})
        intake.commit()
    return manifest


def comes_back(store: Store, manifest: Manifest, source: Path) -> bool:
    """Whether the version is equal to the folder that it was made of."""
    return store.manifest(manifest.digest) == manifest and _brought(store, manifest) == _files(source)


def _brought(store: Store, manifest: Manifest) -> dict[str, bytes]:
    parts: dict[str, list[bytes]] = {file.path: [] for file in manifest.files}
    for number, part in store.files.iterate_all([(file.digest, file.path) for file in manifest.files]):
        parts[manifest.files[number].path].append(bytes(part))
    return {path: b"".join(listed) for path, listed in parts.items()}


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def is_sound(url: str) -> None:
    """The index speaks of nothing that is not there, and every copy of every piece can be read."""
    bucket, copy = open_objects(url), open_objects("memory:")
    for info in bucket.list(""):
        copy.put(info.key, [bucket.get(info.key)])
    store = Store(copy)
    store.index.refresh()
    assert not store.index.damaged
    assert {pack for segment in store.index.segments for pack in segment.packs} <= store.index.packs
    for entry in store.index.entries():
        assert entry.kind is not Kind.CHUNK or store.reader.verified(entry)


@pytest.mark.parametrize("faults", [["500", "503"], ["reset", "lost"], ["cut", "lie"]], ids=" and ".join)
def test_five_versions_outlive_a_line_that_spoils_every_fourth_request(
    proxy: UnreliableProxy, s3: str, sources: list[Path], faults: list[str]
) -> None:
    seeded = random.Random(9)
    spoiled = [seeded.choice(faults) if seeded.random() < 1 / 4 else None for _ in range(2000)]
    proxy.plan = deque(spoiled)
    store = Store(open_objects(s3, PATIENT))
    made: list[Manifest] = []
    for source in sources:
        made.append(register(store, source, *made[-1:]))
    afresh = Store(open_objects(s3, PATIENT))
    for manifest, source in zip(made, sources, strict=True):
        assert comes_back(afresh, manifest, source)
    used = spoiled[: len(spoiled) - len(proxy.plan)]
    assert all(used.count(fault) > 5 for fault in faults), "the line was hardly used"
    proxy.plan.clear()
    is_sound(s3)
    kept = sum(info.size for info in store.objects.list("packs/"))
    assert kept < 0.6 * sum(path.stat().st_size for source in sources for path in source.iterdir())
    assert list(store.objects.list("leases/")) == []


def test_a_line_that_goes_silent_now_and_then_is_outlived(proxy: UnreliableProxy, s3: str, sources: list[Path]) -> None:
    proxy.plan = deque((["hang"] + [None] * 6 + ["stall"] + [None] * 6) * 20)
    store = Store(open_objects(s3, replace(PATIENT, silence=0.1)))
    first = register(store, sources[0])
    second = register(store, sources[1], first)
    assert comes_back(store, first, sources[0])
    assert comes_back(store, second, sources[1])


def test_a_line_that_dies_after_any_number_of_requests_commits_nothing_half_and_the_next_attempt_succeeds(
    proxy: UnreliableProxy, s3: str, sources: list[Path]
) -> None:
    first = register(Store(s3), sources[0])
    kept: list[Manifest] = []
    alive = 0
    while not kept:
        proxy.plan, proxy.always = deque([None] * alive), ("503" if alive % 2 else "reset")
        proxy.seen.clear()
        with suppress(StoreUnreachable):
            kept.append(register(Store(open_objects(s3, IMPATIENT)), sources[1], first))
        requests = len(proxy.seen)
        proxy.plan, proxy.always = deque(), None
        # two attempts, three of obstore in each, for what failed and for the end of the lease
        assert requests <= alive + 2 * 3 * 2, "a dead line was asked on and on"
        alive += 3
    assert alive > 8, "a registration has hardly any requests to die at"
    assert register(Store(s3), sources[1], first) in kept
    assert comes_back(Store(s3), first, sources[0])
    assert comes_back(Store(s3), kept[0], sources[1])
    is_sound(s3)


def test_a_line_that_dies_when_all_is_committed_does_not_undo_it(
    proxy: UnreliableProxy, s3: str, sources: list[Path]
) -> None:
    store = Store(open_objects(s3, IMPATIENT))
    with store.intake() as intake:
        manifest = intake.put_manifest("model", intake.put_tree(sources[0]), {})
        intake.commit()
        proxy.always = "reset"
    proxy.always = None
    assert comes_back(Store(s3), manifest, sources[0])


def test_a_dead_server_is_one_clear_error_for_every_use_of_the_store(
    proxy: UnreliableProxy, s3: str, sources: list[Path], tmp_path: Path
) -> None:
    manifest = register(Store(s3), sources[0])
    proxy.always = "reset"
    store = Store(open_objects(s3, IMPATIENT))
    for use in (
        lambda: register(store, sources[1]),
        lambda: store.manifest(manifest.digest),
        lambda: store.read(manifest.files[0].digest),
        lambda: store.materialize(manifest, tmp_path / "out"),
    ):
        proxy.seen.clear()
        with pytest.raises(StoreUnreachable, match="cannot be reached") as caught:
            use()
        assert len(str(caught.value).splitlines()) == 1
        assert "do-not-show-this" not in str(caught.value)
        assert len(proxy.seen) <= 2 * 3 * 2
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    proxy.always = None
    assert comes_back(store, manifest, sources[0]), "the same store object does not recover"


@pytest.mark.parametrize("done", [1, 100_000, 200_000])
def test_a_reader_whose_server_dies_leaves_no_half_file(
    proxy: UnreliableProxy, s3: str, sources: list[Path], tmp_path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelyard.store.reading.reader.BATCH", 1)  # each chunk is asked for by itself
    monkeypatch.setattr("modelyard.store.writing.cuts.PIECE", 20_000)
    np.save(sources[0] / "z.npy", np.random.default_rng(9).standard_normal(200_000))  # far more than is read ahead
    store = Store(open_objects(s3, IMPATIENT))
    manifest = register(store, sources[0])
    brought = 0

    def die(advance: Advance) -> None:
        nonlocal brought
        brought += advance.done
        if brought >= done:
            proxy.always = "reset"

    out = tmp_path / "out"
    with pytest.raises(StoreUnreachable):
        store.materialize(manifest, out, progress=die)
    assert _files(out).items() < _files(sources[0]).items()
    proxy.always = None
    store.materialize(manifest, out, replace=True)
    assert store.verify_tree(manifest, out)


SEE = """
import json, sys
from modelyard import Workspace
ws = Workspace(sys.argv[1], create=False)
model = ws.model("fraud/2")
print(json.dumps([model.path().joinpath("text.bin").read_bytes()[:20].hex(), ws.check(read=True).problems]))
"""


@pytest.mark.slow
def test_a_yard_may_keep_its_bytes_in_a_bucket(s3: str, tmp_path: Path, sources: list[Path]) -> None:
    yard = tmp_path / "yard"
    ws = Workspace(yard, store=s3)
    first = ws.register("fraud", sources[0])
    second = ws.register("fraud", sources[1])
    assert first.path().joinpath("text.bin").read_bytes() == (sources[0] / "text.bin").read_bytes()
    second.download(tmp_path / "out")
    assert _files(tmp_path / "out") == _files(sources[1])
    assert ws.check(read=True).problems == ()
    marker = (ws.root / "yard.toml").read_text()
    assert f'store = "{s3}"' in marker
    assert "do-not-show-this" not in marker
    assert not (ws.root / "store").exists()
    run = subprocess.run(
        [sys.executable, "-c", SEE, yard], env=os.environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == [(sources[1] / "text.bin").read_bytes()[:20].hex(), []]
    assert Workspace(yard, store=s3).model("fraud") == second


def test_a_yard_is_never_opened_with_another_store_than_its_own(s3: str, tmp_path: Path, sources: list[Path]) -> None:
    Workspace(tmp_path / "yard", store=s3).register("fraud", sources[0])
    marker = (tmp_path / "yard" / ".modelyard" / "yard.toml").read_bytes()
    for other in (s3 + "/deeper", "s3://other/place", str(tmp_path / "folder"), "memory://x"):
        with pytest.raises(errors.StoreDiffers, match="leave the store out"):
            Workspace(tmp_path / "yard", store=other)
    assert not (tmp_path / "folder").exists()
    assert (tmp_path / "yard" / ".modelyard" / "yard.toml").read_bytes() == marker
    Workspace(tmp_path / "local").register("fraud", sources[0])
    with pytest.raises(errors.StoreDiffers):
        Workspace(tmp_path / "local", store=s3)


def test_a_bucket_that_is_not_there_is_told_before_there_is_a_yard(s3: str, tmp_path: Path) -> None:
    with pytest.raises(errors.StoreMissing, match="there is no bucket"):
        Workspace(tmp_path / "yard", store="s3://no-such-bucket/x")
    with pytest.raises(errors.SecretInUrl):
        Workspace(tmp_path / "yard", store="s3://key:do-not-show-this@models/x")
    assert not (tmp_path / "yard").exists()


def test_eight_threads_may_make_and_fill_one_yard_in_a_bucket(s3: str, tmp_path: Path, sources: list[Path]) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(
                lambda number: Workspace(tmp_path / "yard", store=s3).register("fraud", sources[number % 5]).version,
                range(8),
            )
        )
    assert sorted(made) == list(range(1, 9))
    assert Workspace(tmp_path / "yard").check(read=True).whole
