"""What of the bytes travels: only what is missing, as it is kept, and what arrives reads as it did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transfer_yards import require_whole, weights

from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, MissingBlob
from modelyard.store.codecs import Codec
from modelyard.store.packs import Kind
from modelyard.store.writing.ancestry import DEEPEST
from modelyard.transfer import mirror, push

MakeYard = Callable[..., Workspace]


class Meter:
    """Counts the bytes that are read out of the packs of a yard."""

    def __init__(self, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = 0
        real = ws.store.objects.get_ranges

        def counting(key: str, ranges: Any) -> Any:
            self.read += sum(length for _, length in ranges) if key.startswith("packs/") else 0
            return real(key, ranges)

        monkeypatch.setattr(ws.store.objects, "get_ranges", counting)


@pytest.fixture
def history(yard: MakeYard, tmp_path: Path) -> Workspace:
    """Eight versions, each a little further."""
    ws = yard("history")
    for step in range(8):
        ws.register("fraud", weights(tmp_path, 1, step))
    return ws


def codecs(ws: Workspace) -> list[Codec]:
    return sorted(
        entry.codec for entry in ws.store.index.entries() if entry.kind is Kind.CHUNK and entry.length > 10_000
    )


def test_differences_travel_as_they_are(history: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    mirror(history, other)
    assert codecs(other) == codecs(history)
    assert codecs(other).count(Codec.DIFFERENCE) == 7
    assert abs(other.stats().kept - history.stats().kept) < 0.02 * history.stats().kept


def test_only_what_is_missing_is_read_from_the_source(
    history: Workspace, yard: MakeYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = yard("other")
    mirror(history, other)
    content = bytearray((tmp_path / "weights.npy").read_bytes()[:50]) + np.random.default_rng(3).bytes(3_000_000)
    (tmp_path / "big").write_bytes(content)
    history.register("big", tmp_path / "big")
    mirror(history, other)
    content[-1000] ^= 1
    (tmp_path / "big").write_bytes(content)
    history.register("big", tmp_path / "big")
    meter = Meter(history, monkeypatch)
    mirror(history, other)
    assert other.model("big/2").digest == history.model("big/2").digest
    assert 0 < meter.read < 1_200_000, "a chunk, and what says of the version what it is"
    meter.read = 0
    mirror(history, other)
    assert meter.read == 0
    require_whole(other)


def test_nothing_is_read_of_files_that_the_receiver_has_from_elsewhere(
    history: Workspace, yard: MakeYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = yard("other")
    other.register("mine", weights(tmp_path, 1, 7))
    meter = Meter(history, monkeypatch)
    push(history, other, ["fraud/8"])
    assert meter.read < 40_000
    require_whole(other)


@pytest.mark.parametrize("numbers", [[8], [3], [2, 5], [8, 7, 6, 5], [1, 8], [4, 8]])
def test_any_few_of_many_versions_arrive_whole_and_not_deep(
    history: Workspace, yard: MakeYard, numbers: list[int]
) -> None:
    other = yard("other")
    for number in numbers:
        push(history, other, [f"fraud/{number}"])
        require_whole(other)
    for entry in other.store.index.entries():
        assert entry.depth <= DEEPEST
    for number in numbers:
        mine, theirs = other.model(f"fraud/{number}"), history.model(f"fraud/{number}")
        assert mine.path().read_bytes() == theirs.path().read_bytes()


def test_a_version_whose_base_stays_behind_stands_on_a_relative_that_is_there(
    history: Workspace, yard: MakeYard
) -> None:
    other, alone = yard("other"), yard("alone")
    push(history, alone, ["fraud/8"])
    push(history, other, ["fraud/7"])
    before = other.stats().kept
    push(history, other, ["fraud/8"])
    assert other.stats().kept - before < 0.8 * alone.stats().kept


def test_a_mirror_of_a_mirror_is_read_as_the_original_is(history: Workspace, yard: MakeYard) -> None:
    one, two = yard("one"), yard("two")
    push(history, one, ["fraud/6"])
    mirror(history, one)
    mirror(one, two)
    history.compact()
    for number in range(1, 9):
        assert two.model(f"fraud/{number}").path().read_bytes() == history.model(f"fraud/{number}").path().read_bytes()
    require_whole(two)


def test_bytes_that_are_damaged_at_the_source_are_not_spread(history: Workspace, yard: MakeYard) -> None:
    digest = history.model("fraud/1").manifest.files[0].digest
    key, _ = max(history.store.files.recipe(digest, digest).chunks, key=lambda chunk: chunk[1])
    entry = history.store.index.find(Kind.CHUNK, key)[0]
    path = history.root / "store" / "packs" / entry.pack
    path.chmod(0o644)
    with path.open("r+b") as pack:
        pack.seek(entry.offset + entry.stored // 2)
        byte = pack.read(1)
        pack.seek(-1, 1)
        pack.write(bytes([byte[0] ^ 1]))
    other = yard("other")
    with pytest.raises(CorruptBlob, match=r"fraud/\d: weights.npy"):
        mirror(history, other)
    assert other.models() == []
    assert not other.check(read=True).problems


def test_a_pack_that_is_missing_at_the_source_is_named(history: Workspace, yard: MakeYard) -> None:
    digest = history.model("fraud/3").manifest.files[0].digest
    key, _ = max(history.store.files.recipe(digest, digest).chunks, key=lambda chunk: chunk[1])
    (history.root / "store" / "packs" / history.store.index.find(Kind.CHUNK, key)[0].pack).unlink()
    other = yard("other")
    with pytest.raises(MissingBlob, match="fraud/3"):
        mirror(Workspace(history.root), other)
    assert other.models() == []


def test_bytes_that_are_damaged_at_the_receiver_are_said_to_be_there(
    history: Workspace, yard: MakeYard, tmp_path: Path
) -> None:
    other = yard("other")
    noise = bytearray(np.random.default_rng(5).bytes(2_000_000))
    (tmp_path / "x").write_bytes(noise)
    history.register("x", tmp_path / "x")
    push(history, other, ["x/1"])
    noise[5] ^= 1
    (tmp_path / "x").write_bytes(noise)
    history.register("x", tmp_path / "x")
    for path in (other.root / "store" / "packs").iterdir():
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with pytest.raises(CorruptBlob):
        push(history, other, ["x/2"])
    assert not history.check(read=True).problems


def test_a_file_of_many_kinds_arrives(yard: MakeYard, tmp_path: Path) -> None:
    source, other = yard("source"), yard("other")
    folder = tmp_path / "many"
    (folder / "inner").mkdir(parents=True)
    (folder / "empty").write_bytes(b"")
    (folder / "inner" / "text.txt").write_text("hello\n" * 20_000)
    (folder / "inner" / "noise.bin").write_bytes(np.random.default_rng(2).bytes(700_000))
    np.save(folder / "numbers.npy", np.arange(300_000, dtype=np.float64))
    (folder / "ein Name mit Ümlaut").write_text("x")
    source.register("many", folder)
    (folder / "inner" / "text.txt").write_text("hello\n" * 9_000 + "there\n" + "hello\n" * 11_000)
    source.register("many", folder)
    mirror(source, other)
    for number in (1, 2):
        manifest = source.model(f"many/{number}").manifest
        assert other.model(f"many/{number}").manifest == manifest
        for file in manifest.files:
            assert other.store.read(Digest(file.digest)) == source.store.read(Digest(file.digest))
    require_whole(other)


def test_a_yard_whose_bytes_are_far_away_is_mirrored_to_and_from(
    yard: MakeYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far, back = yard("near"), yard("far", store="memory://a-far-place"), yard("back")
    content = bytearray(np.random.default_rng(7).bytes(2_500_000))
    for place in (5, 1_500_000):
        content[place] ^= 1
        (tmp_path / "big").write_bytes(content)
        near.register("big", tmp_path / "big")
        meter = Meter(far, monkeypatch)
        mirror(near, far)
        assert meter.read < 100_000, "what the far store has is read from the near one, for the digest of the whole"
    mirror(far, back)
    for ws in (far, back):
        assert ws.model("big/2").digest == near.model("big/2").digest
        require_whole(ws)
