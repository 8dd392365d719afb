"""A yard whose store was hit: `check` names what is hurt, `rebuild-index` and `repair` make it whole, and no wrong byte is ever returned."""

import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faulty_objects import Died, FaultyObjects
from sqlalchemy import select

from modelyard import Workspace, errors
from modelyard.core.digests import Digest
from modelyard.registry import schema
from modelyard.store import Store
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.writing import leases

VERSIONS = 3


def _safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    head: dict[str, object] = {}
    body = b""
    for name, array in arrays.items():
        raw = array.tobytes()
        head[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + body


def _trees(folder: Path) -> Iterator[Path]:
    """Versions of a small model: weights that drift, an opaque file where a few bytes change, and a text."""
    rng = np.random.default_rng(7)
    weights = rng.standard_normal((150, 200)).astype(np.float32)
    opaque = bytearray(rng.bytes(120_000))
    for number in range(VERSIONS):
        tree = folder / f"v{number + 1}"
        tree.mkdir(parents=True)
        (tree / "weights.safetensors").write_bytes(_safetensors({"layer": weights, "bias": weights[0]}))
        (tree / "vocab.bin").write_bytes(opaque)
        (tree / "README.md").write_text(f"version {number}\n" * 20)
        yield tree
        weights = (weights + rng.standard_normal(weights.shape) * 1e-4).astype(np.float32)
        opaque[number * 1000 : number * 1000 + 50] = rng.bytes(50)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A yard, ``backup``, a copy of it, ``twin``, where the same files were registered, and the folders that they came from."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yards = [Workspace(folder / name, actor="ana") for name in ("yard", "twin")]
        for number, tree in enumerate(_trees(folder / "trees")):
            for ws in yards:
                ws.register("fraud", tree, reference_data={"x": range(10)} if number == 1 else None)
        for ws in yards:
            ws.close()
    shutil.copytree(folder / "yard", folder / "backup")
    return folder


@pytest.fixture
def yard(made: Path, tmp_path: Path) -> Path:
    """A copy of the yard, to be damaged."""
    return _copied(made, tmp_path)


def _copied(made: Path, folder: Path) -> Path:
    target = folder / uuid.uuid4().hex / ".modelyard"
    shutil.copytree(made / "yard" / ".modelyard", target)
    for path in target.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return target


def _objects(yard: Path, kind: str = "packs") -> list[Path]:
    return sorted((yard / "store" / kind).iterdir())


def _entries(yard: Path) -> list[Entry]:
    return sorted(Store(yard / "store").index.entries(), key=lambda entry: (entry.pack, entry.offset))


def _flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def _hit(yard: Path, file: str, version: int = 1) -> Entry:
    """Flips a bit in the middle of the last chunk of a file of a version."""
    store = Workspace(yard).store
    manifest = Workspace(yard).model(f"fraud/{version}").manifest
    found = manifest.file(file)
    assert found is not None
    key, _ = store.files.recipe(found.digest, file).chunks[-1]
    (entry,) = store.index.find(Kind.CHUNK, key)
    _flip(yard / "store" / "packs" / entry.pack, entry.offset + entry.stored // 2)
    return entry


def _positions(yard: Path) -> Iterator[tuple[Path, int]]:
    """In every object: its head, every piece of it at its start and in its middle, its table, its foot."""
    entries = _entries(yard)
    for path in _objects(yard):
        size, inside = path.stat().st_size, [entry for entry in entries if entry.pack == path.name]
        end = max(entry.offset + entry.stored for entry in inside)
        places = {0, 7, end, (end + size - 48) // 2, size - 48, size - 44, size - 20, size - 1}
        for entry in inside:
            places |= {entry.offset, entry.offset + entry.stored // 2}
        yield from ((path, place) for place in sorted(places))
    for path in _objects(yard, "index"):
        size = path.stat().st_size
        yield from ((path, place) for place in (0, 7, 9, size // 2, size - 1))


def _broken(ws: Workspace, made: Path) -> set[str]:
    """The versions of which something is refused; whatever is not refused is what was registered."""
    broken: set[str] = set()
    for number in range(1, VERSIONS + 1):
        model, tree = ws.model(f"fraud/{number}"), made / "trees" / f"v{number}"
        with ws.registry.read() as connection:
            reports = (
                connection.execute(
                    select(schema.reports.c.document).where(
                        schema.reports.c.version_id == model.row.id, schema.reports.c.document.is_not(None)
                    )
                )
                .scalars()
                .all()
            )
        reads = [lambda: model.provenance, lambda: model.reference_profile]  # noqa: B023 - called below, in the same turn
        reads += [lambda document=document: ws.store.read(Digest(document)) for document in reports]
        for read in reads:
            try:
                read()
            except errors.Damaged:
                broken.add(f"model fraud/{number}")
        try:
            files = model.manifest.files
        except errors.Damaged:
            broken.add(f"model fraud/{number}")
            continue
        assert [file.path for file in files] == ["README.md", "vocab.bin", "weights.safetensors"]
        for file in files:
            try:
                data = ws.store.read(file.digest, file.path)
            except errors.Damaged:
                broken.add(f"model fraud/{number}")
            else:
                assert data == (tree / file.path).read_bytes(), f"wrong bytes of {file.path} of version {number}"
    return broken


def test_a_bit_flipped_anywhere_is_found_named_and_never_returned(made: Path, yard: Path) -> None:
    harmless = hurting = 0
    for number, (path, position) in enumerate(_positions(yard)):
        _flip(path, position, number % 8)
        ws = Workspace(yard)
        report = ws.check(read=True)
        assert not report.whole, f"a flipped bit at {position} of {path} was not found"
        assert {hurt.version for hurt in report.hurt} == _broken(ws, made), f"{position} of {path}"
        if report.hurt:
            hurting += 1
            assert all(any(hurt.file in problem for problem in report.problems) for hurt in report.hurt)
        else:
            harmless += 1
            assert report.problems == report.harmless
            assert all("harmless" in problem for problem in report.problems)
        ws.close()
        _flip(path, position, number % 8)
    assert Workspace(yard).check(read=True).whole
    assert harmless > 20
    assert hurting > 60


def test_what_another_yard_has_heals_a_bit_flipped_anywhere(made: Path, tmp_path: Path) -> None:
    template = _copied(made, tmp_path)
    for number, (path, position) in enumerate(_positions(template)):
        if number % 4:
            continue
        yard = _copied(made, tmp_path)
        _flip(yard / path.relative_to(template), position)
        ws = Workspace(yard)
        report = ws.repair(made / "backup")
        assert report.whole, (path, position, report)
        assert not report.nothing
        assert _broken(ws, made) == set()
        after = Workspace(yard).check(read=True)
        assert after.problems == after.notes == (), (path, position)
        assert not list(ws.store.objects.list(leases.PREFIX))
        assert not list(ws.store.objects.list(leases.CONDEMNED))
        ws.close()


def test_a_repair_from_a_yard_where_the_same_was_registered_costs_no_more_bytes_than_before(
    made: Path, yard: Path
) -> None:
    before = {entry._replace(pack="", offset=0) for entry in _entries(yard)}
    weights = {entry.key for entry in _entries(yard) if entry.stored > 50_000}
    for path in _objects(yard)[1:]:
        path.unlink()
    report = Workspace(yard).repair(made / "twin")
    assert {hurt.file for hurt in report.hurt} == {"the provenance"}, (
        "who made it, and when, only a copy of the yard knows"
    )
    after = {entry._replace(pack="", offset=0) for entry in _entries(yard)}
    assert {entry for entry in after if entry.key in weights} == {entry for entry in before if entry.key in weights}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_pack_cut_short_is_found_without_reading_and_healed(made: Path, yard: Path, share: float) -> None:
    for path in _objects(yard):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        ws = Workspace(yard)
        broken = _broken(ws, made)
        assert {hurt.version for hurt in ws.check().hurt} == broken
        assert {hurt.version for hurt in ws.check(read=True).hurt} == broken
        if share < 0.5:
            assert broken
        path.write_bytes(data)
    data = _objects(yard)[0].read_bytes()
    _objects(yard)[0].write_bytes(data[: int(len(data) * share)])
    assert Workspace(yard).repair(made / "backup").whole
    assert Workspace(yard).check(read=True).whole


def test_a_missing_pack_is_named_with_all_versions_that_it_hurts_and_healed(made: Path, yard: Path) -> None:
    first = next(entry.pack for entry in _entries(yard) if entry.base == NO_BASE and entry.length == 120_000)
    (yard / "store" / "packs" / first).unlink()
    ws = Workspace(yard)
    report = ws.check()
    assert {hurt.version for hurt in report.hurt} == {"model fraud/1", "model fraud/2", "model fraud/3"}
    assert any("weights.safetensors" in problem and "missing" in problem for problem in report.problems)
    with pytest.raises(errors.MissingBlob):
        ws.model("fraud/1").path()
    healed = ws.repair(made / "backup")
    assert healed.whole
    assert {healing.source for healing in healed.healed} == {str(made / "backup" / ".modelyard" / "store")}
    assert Workspace(yard).check(read=True).whole
    assert _broken(Workspace(yard), made) == set()


def test_a_version_that_was_used_here_is_repaired_from_the_cache(made: Path, yard: Path) -> None:
    for number in range(1, VERSIONS + 1):
        Workspace(yard).model(f"fraud/{number}").path()
    _hit(yard, "weights.safetensors", 1)
    _hit(yard, "vocab.bin", 2)
    report = Workspace(yard).repair()
    assert {healing.source for healing in report.healed} == {"the cache"}
    assert report.whole
    assert _broken(Workspace(yard), made) == set()
    assert Workspace(yard).check(read=True).whole


def test_the_folders_of_the_cache_do_where_its_shelf_is_gone(made: Path, yard: Path) -> None:
    Workspace(yard).model("fraud/1").path()
    shutil.rmtree(yard / "cache" / "files")
    _hit(yard, "weights.safetensors", 1)
    assert Workspace(yard).repair().whole


@pytest.mark.parametrize("given", ["v1/weights.safetensors", "v1", "renamed.bin"])
def test_the_file_that_was_registered_repairs_what_was_hurt_of_it(
    made: Path, yard: Path, tmp_path: Path, given: str
) -> None:
    shutil.copytree(made / "trees", tmp_path / "trees")
    shutil.copy(tmp_path / "trees" / "v1" / "weights.safetensors", tmp_path / "trees" / "renamed.bin")
    _hit(yard, "weights.safetensors", 1)
    hurt = {hurt.version for hurt in Workspace(yard).check(read=True).hurt}
    assert len(hurt) == 3, "the later versions are differences from the first"
    report = Workspace(yard).repair(tmp_path / "trees" / given)
    assert {healing.hurt.version for healing in report.healed} == hurt
    assert report.whole
    assert _broken(Workspace(yard), made) == set()


def test_a_file_that_has_other_bytes_repairs_nothing(yard: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(os.urandom(200_000))
    _hit(yard, "weights.safetensors", 1)
    report = Workspace(yard).repair(tmp_path / "weights.safetensors", tmp_path)
    assert not report.whole
    assert report.healed == ()


def test_a_version_that_is_a_difference_from_a_lost_one_is_repaired_by_itself(made: Path, yard: Path) -> None:
    _hit(yard, "weights.safetensors", 1)
    report = Workspace(yard).repair(made / "trees" / "v2", made / "trees" / "v3" / "weights.safetensors")
    assert {healing.hurt.version for healing in report.healed} == {"model fraud/2", "model fraud/3"}
    assert {hurt.version for hurt in report.hurt} == {"model fraud/1"}
    ws = Workspace(yard)
    assert {hurt.version for hurt in ws.check(read=True).hurt} == _broken(ws, made) == {"model fraud/1"}


def test_a_lost_recipe_is_made_again_from_the_file(made: Path, yard: Path) -> None:
    found = Workspace(yard).model("fraud/1").manifest.file("weights.safetensors")
    assert found is not None
    (entry,) = Workspace(yard).store.index.find(Kind.RECIPE, bytes.fromhex(found.digest.hex))
    _flip(yard / "store" / "packs" / entry.pack, entry.offset + 20)
    (problem,) = Workspace(yard).check(read=True).problems
    assert problem.startswith("model fraud/1: weights.safetensors: its recipe is damaged")
    with pytest.raises(errors.CorruptBlob):
        Workspace(yard).model("fraud/1").path()
    assert Workspace(yard).repair(made / "trees" / "v1").whole
    assert _broken(Workspace(yard), made) == set()


def test_what_nobody_has_stays_where_it_is_and_is_named(made: Path, yard: Path) -> None:
    entry = _hit(yard, "weights.safetensors", 1)
    path = yard / "store" / "packs" / entry.pack
    damaged = path.read_bytes()
    report = Workspace(yard).repair()
    assert not report.whole
    assert report.stays == (entry.pack,)
    assert {(hurt.version, hurt.file) for hurt in report.hurt} == {
        (f"model fraud/{number}", "weights.safetensors") for number in (1, 2, 3)
    }
    assert path.read_bytes() == damaged
    assert "stays as it is" in report.packs[0]
    found = Workspace(yard).check(read=True)
    assert found.hurt == report.hurt
    (problem,) = [problem for problem in found.problems if "fraud/1" in problem]
    head = 8 + int.from_bytes((made / "trees/v1/weights.safetensors").read_bytes()[:8], "little")
    assert f"model fraud/1: weights.safetensors: 800 bytes at offset {head + 120_000} are damaged" in problem
    assert f"(pack {entry.pack[:12]})" in problem


def test_what_can_be_saved_is_saved_though_not_all_can(made: Path, yard: Path, tmp_path: Path) -> None:
    _hit(yard, "weights.safetensors", 1)
    _hit(yard, "vocab.bin", 1)
    report = Workspace(yard).repair(made / "trees" / "v1" / "vocab.bin")
    assert {healing.hurt.file for healing in report.healed} == {"vocab.bin"}
    assert {hurt.file for hurt in report.hurt} == {"weights.safetensors"}
    assert {hurt.file for hurt in Workspace(yard).check(read=True).hurt} == {"weights.safetensors"}
    assert Workspace(yard).repair(made / "trees" / "v1" / "weights.safetensors").whole
    assert Workspace(yard).check(read=True).whole


def test_a_dry_run_says_what_would_be_done_and_does_nothing(made: Path, yard: Path) -> None:
    _hit(yard, "vocab.bin", 1)
    _objects(yard, "index")[0].unlink()
    before = {path: path.read_bytes() for path in (yard / "store").rglob("*") if path.is_file()}
    report = Workspace(yard).repair(made / "backup", dry_run=True)
    assert report.whole
    assert report.healed
    assert "would be written anew" in report.packs[0]
    rebuilding = Workspace(yard).rebuild_index(dry_run=True)
    assert rebuilding.new > 0
    assert {path: path.read_bytes() for path in (yard / "store").rglob("*") if path.is_file()} == before


def test_where_nothing_is_damaged_there_is_nothing_to_repair(yard: Path) -> None:
    before = _objects(yard), _objects(yard, "index")
    report = Workspace(yard).repair()
    assert report.nothing
    assert report.whole
    assert (_objects(yard), _objects(yard, "index")) == before


def test_a_place_that_has_nothing_to_give_is_refused(yard: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.PathMissing):
        Workspace(yard).repair(tmp_path / "nowhere")
    with pytest.raises(errors.NothingToRepairFrom, match="no store at memory://empty"):
        Workspace(yard).repair("memory://empty")


def test_a_store_by_its_url_heals_too(made: Path, yard: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}/copy"
    other = Store(url).objects
    for info in Store(made / "backup" / ".modelyard" / "store").objects.list(""):
        other.put(info.key, [Store(made / "backup" / ".modelyard" / "store").objects.get(info.key)])
    _hit(yard, "weights.safetensors", 2)
    report = Workspace(yard).repair(url)
    assert report.whole
    assert {healing.source for healing in report.healed} == {url}


def test_a_hurt_piece_that_no_version_needs_goes_unless_another_writer_counts_on_it(yard: Path) -> None:
    ws = Workspace(yard)
    with ws.store.intake() as intake:  # a registration that was cut off before it had a number
        kept = intake.put_bytes(os.urandom(5000))
        intake.commit()
    (entry,) = ws.store.index.find(Kind.CHUNK, ws.store.files.recipe(kept.digest, "x").chunks[0][0])
    _flip(yard / "store" / "packs" / entry.pack, entry.offset + 5)
    (problem,) = Workspace(yard).check(read=True).problems
    assert (
        "harmless: of the 1 hurt pieces in it (of 2) each is read from another pack, or no version needs it" in problem
    )
    with leases.held(ws.store.objects):
        report = Workspace(yard).repair()
        assert report.stays == (entry.pack,)
        assert "while another writer or another yard may count on it" in report.packs[0]
    assert Workspace(yard).repair().whole
    assert entry.pack not in [path.name for path in _objects(yard)]
    assert leases.condemned(ws.store.objects) == frozenset()
    assert Workspace(yard).check(read=True).problems == ()


def test_two_copies_of_a_piece_make_damage_to_one_harmless(made: Path, yard: Path) -> None:
    for path in _objects(yard, "index"):
        path.unlink()
    Workspace(yard).register("again", made / "trees" / "v1")  # nothing new counts on packs that no segment speaks of
    Workspace(yard).rebuild_index()
    entry = next(entry for entry in _entries(yard) if entry.stored > 90_000 and not entry.depth)
    assert len(Workspace(yard).store.index.find(Kind.CHUNK, entry.key)) == 2
    _flip(yard / "store" / "packs" / entry.pack, entry.offset + 100)
    ws = Workspace(yard)
    report = ws.check(read=True)
    assert report.hurt == ()
    assert len(report.harmless) == 1
    assert _broken(ws, made) == set()
    assert "in another pack too" in ws.repair().packs[0]
    assert Workspace(yard).check(read=True).whole


def test_without_any_segment_every_version_is_read_and_the_index_is_had_again(made: Path, yard: Path) -> None:
    before = _entries(yard)
    shutil.rmtree(yard / "store" / "index")
    assert _broken(Workspace(yard), made) == set()
    (problem,) = Workspace(yard).check().problems
    assert "harmless" in problem
    assert "rebuild-index" in problem
    rebuilding = Workspace(yard).rebuild_index()
    assert (rebuilding.packs, rebuilding.new, rebuilding.gone) == (len(_objects(yard)), len(before), 0)
    assert _entries(yard) == before
    assert len(_objects(yard, "index")) == 1
    assert Workspace(yard).check(read=True).problems == ()


@pytest.mark.parametrize("harm", ["missing", "damaged", "cut short"])
def test_a_segment_that_cannot_be_read_is_made_up_for_by_the_packs(made: Path, yard: Path, harm: str) -> None:
    before = _entries(yard)
    path = _objects(yard, "index")[0]
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        _flip(path, 300)
    else:
        path.write_bytes(path.read_bytes()[:100])
    assert _broken(Workspace(yard), made) == set()
    report = Workspace(yard).check()
    assert report.hurt == ()
    assert len(report.harmless) == 1
    assert Workspace(yard).repair().index
    assert Workspace(yard).check(read=True).problems == ()
    assert _entries(yard) == before


def test_a_pack_whose_table_is_damaged_is_known_by_the_index(made: Path, yard: Path) -> None:
    before, path = _entries(yard), _objects(yard)[0]
    _flip(path, path.stat().st_size - 60)
    rebuilding = Workspace(yard).rebuild_index()
    assert list(rebuilding.unreadable) == [path.name]
    assert rebuilding.kept == sum(entry.pack == path.name for entry in before)
    assert rebuilding.lost == ()
    assert _entries(yard) == before
    assert Workspace(yard).repair().whole
    assert _broken(Workspace(yard), made) == set()


def test_a_pack_of_which_nothing_is_known_stays_while_a_version_lacks_anything(made: Path, yard: Path) -> None:
    path = _objects(yard)[0]
    _flip(path, path.stat().st_size - 60)
    shutil.rmtree(yard / "store" / "index")
    assert Workspace(yard).rebuild_index().lost == (path.name,)
    report = Workspace(yard).repair()
    assert path.name in report.stays
    assert path.exists()
    assert "nothing is known of what is in it" in report.packs[0]
    assert Workspace(yard).repair(made / "backup").whole
    assert not path.exists()
    assert Workspace(yard).check(read=True).problems == ()
    assert _broken(Workspace(yard), made) == set()


def test_a_pack_of_a_writer_that_was_cut_off_is_no_damage(yard: Path) -> None:
    ws = Workspace(yard)
    with ws.store.intake() as intake:
        intake.put_bytes(b"x" * 1000)
        before = set(_objects(yard, "index"))
        intake.commit()
    for path in set(_objects(yard, "index")) - before:
        path.unlink()
    report = Workspace(yard).check(read=True)
    assert report.whole
    assert "1 packs that the index does not speak of" in report.notes[0]


def test_a_writer_at_work_loses_nothing_to_a_rebuilt_index(made: Path, yard: Path) -> None:
    ws = Workspace(yard)
    with ws.store.intake() as intake:
        kept = intake.put_bytes(b"first" * 1000)
        Workspace(yard).rebuild_index()
        intake.commit()
        second = intake.put_bytes(b"second" * 1000)
        Workspace(yard).rebuild_index()
        intake.commit()
    for store in (ws.store, Workspace(yard).store):
        assert store.read(kept.digest) == b"first" * 1000
        assert store.read(second.digest) == b"second" * 1000
    assert _broken(ws, made) == set(), "a reader that was there before goes on"


def test_a_reader_that_was_there_before_goes_on_after_a_repair(made: Path, yard: Path) -> None:
    reader = Workspace(yard)
    assert _broken(reader, made) == set()
    path = _objects(yard)[0]
    _flip(path, path.stat().st_size - 1)
    assert Workspace(yard).repair().whole
    assert not path.exists()
    assert _broken(reader, made) == set()


def test_a_document_that_names_files_is_healed_before_what_it_names_is_looked_for(made: Path, yard: Path) -> None:
    ws = Workspace(yard)
    digest = bytes.fromhex(ws.model("fraud/2").digest[7:])
    (manifest,) = ws.store.index.find(Kind.RECIPE, digest)
    _flip(yard / "store" / "packs" / manifest.pack, manifest.offset + 3)
    report = Workspace(yard).repair(made / "backup")
    assert {healing.hurt.file for healing in report.healed} == {"the manifest"}
    assert report.whole
    assert Workspace(yard).check(read=True).whole


def test_a_repair_loses_nothing_that_is_registered_meanwhile(made: Path, yard: Path, tmp_path: Path) -> None:
    _hit(yard, "vocab.bin", 1)
    (tmp_path / "new").mkdir()
    for number in range(8):
        (tmp_path / "new" / f"{number}.bin").write_bytes(os.urandom(3000) + bytes([number]))
    failed: list[BaseException] = []

    def register() -> None:
        try:
            for number in range(8):
                Workspace(yard).register("new", tmp_path / "new" / f"{number}.bin")
                Workspace(yard).register("fraud", made / "trees" / "v3")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    writer = threading.Thread(target=register)
    writer.start()
    ws = Workspace(yard)
    while not ws.repair(made / "backup").whole:
        assert writer.is_alive()
    writer.join()
    assert failed == []
    assert Workspace(yard).repair(made / "backup").whole
    assert Workspace(yard).check(read=True).problems == ()
    for number in range(8):
        path = Workspace(yard).model(f"new/{number + 1}").path()
        assert path.read_bytes() == (tmp_path / "new" / f"{number}.bin").read_bytes()
    assert _broken(Workspace(yard), made) == set()


def test_a_repair_that_is_cut_off_anywhere_is_finished_by_the_next(made: Path, tmp_path: Path) -> None:
    writes, finished = 0, False
    while not finished:
        yard = _copied(made, tmp_path)
        _hit(yard, "weights.safetensors", 1)
        ws = Workspace(yard)
        faulty = FaultyObjects(ws.store.objects, writes=writes)
        ws.store = Store(faulty)
        with suppress(Died):
            finished = ws.repair(made / "backup").whole
        report = Workspace(yard).repair(made / "backup")
        assert report.whole, writes
        assert _broken(Workspace(yard), made) == set(), writes
        after = Workspace(yard).check(read=True)
        assert after.problems == (), writes
        writes += 1
    assert writes > 5
