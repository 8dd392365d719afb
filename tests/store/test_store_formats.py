"""Every format that a release has written is read by every later release: samples of them are kept."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from modelyard.core.digests import Digest
from modelyard.store import Store
from modelyard.store.codecs import Codec

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(params=["store-2"])
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[Digest]]:
    """A copy that may be written, and the manifests of the versions in it."""
    shutil.copytree(SAMPLES / request.param, tmp_path / "store", copy_function=shutil.copyfile)
    for path in (tmp_path / "store").rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    return tmp_path / "store", [Digest(text) for text in json.loads((SAMPLES / f"{request.param}.json").read_text())]


def test_every_version_of_a_kept_sample_reads_back_equal(sample: tuple[Path, list[Digest]], tmp_path: Path) -> None:
    store = Store(sample[0])
    for number, digest in enumerate(sample[1]):
        manifest = store.manifest(digest)
        store.materialize(manifest, tmp_path / str(number))
        assert store.verify_tree(manifest, tmp_path / str(number))
        assert manifest.facts == {"version": number}
    assert {entry.codec for entry in store.index.entries()} == set(Codec), "a sample holds a chunk of every codec"
    assert max(entry.depth for entry in store.index.entries()) == 2


def test_a_kept_sample_goes_on_with_this_release(sample: tuple[Path, list[Digest]], tmp_path: Path) -> None:
    store = Store(sample[0])
    before = store.manifest(sample[1][-1])
    store.materialize(before, tmp_path / "work")
    notes = tmp_path / "work" / "notes.txt"
    notes.write_text(notes.read_text() + "one more\n")
    with store.intake() as intake:
        after = intake.put_manifest("model", intake.put_tree(tmp_path / "work", [before]), {})
        intake.commit()
    store.materialize(Store(sample[0]).manifest(after.digest), tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == notes.read_text()
    assert intake.written.raw < 4000, "what has not changed was stored again: this release cuts or names it otherwise"


def test_the_index_of_a_kept_sample_can_be_lost(sample: tuple[Path, list[Digest]]) -> None:
    shutil.rmtree(sample[0] / "index")
    store = Store(sample[0])
    for digest in sample[1]:
        for file in store.manifest(digest).files:
            store.read(file.digest)
