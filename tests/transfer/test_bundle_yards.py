"""Bundles from yard to yard: everything arrives equal, parts and continuations are small, and what does not hold changes nothing."""

import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from bundle_forgery import Lines, Pieces, forged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transfer_yards import StepClock, counts, fill, objects, require_whole, said, shown, weights

from modelyard import Workspace
from modelyard.core.errors import (
    BundleDamaged,
    BundleIncomplete,
    BundleSignatureInvalid,
    BundleTooNew,
    HistoryAltered,
    InvalidInventory,
    ModelyardError,
    NotABundle,
    NothingToMove,
    NumberConflict,
    PathMissing,
    TargetExists,
)
from modelyard.registry.ledger import hash_of
from modelyard.safety.signing import write_key_pair
from modelyard.store.codecs import Codec, zstandard
from modelyard.store.packs import Kind
from modelyard.store.packs import pack as packs
from modelyard.transfer import create_bundle, import_bundle, show_bundle, verify_bundle, write_inventory
from modelyard.transfer.bundle.documents import row_from_json
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.writing import BundleWriter

MakeYard = Callable[..., Workspace]


def refused(
    error: type[ModelyardError] | tuple[type[ModelyardError], ...], target: Workspace, path: Path, **options: Any
) -> ModelyardError:
    """The error; the yard says what it said before, and whatever else is in its store is in nobody's way."""
    before = counts(target), said(target)
    with pytest.raises(error) as caught:
        import_bundle(target, path, **options)
    assert (counts(target), said(target)) == before
    assert not target.check(read=True).problems
    assert isinstance(caught.value, ModelyardError)
    assert "{" not in str(caught.value)
    return caught.value


@pytest.fixture
def bundle(full: Workspace, tmp_path: Path) -> Path:
    """Everything of a full yard."""
    create_bundle(full, tmp_path / "f.myb", everything=True)
    return tmp_path / "f.myb"


def test_a_bundle_made_on_one_database_is_imported_into_the_other(tmp_path: Path, postgres: object) -> None:
    def on_postgres(name: str) -> Workspace:
        return Workspace(postgres.new_database(), store=str(tmp_path / name), actor="ben", clock=StepClock())  # type: ignore[attr-defined]

    first = fill(on_postgres("first"), tmp_path / "files")
    create_bundle(first, tmp_path / "1.myb", everything=True)
    second = Workspace(tmp_path / "second", actor="ana", clock=StepClock())
    import_bundle(second, tmp_path / "1.myb")
    create_bundle(second, tmp_path / "2.myb", everything=True)
    third = on_postgres("third")
    import_bundle(third, tmp_path / "2.myb")
    assert said(first) == said(second) == said(third)
    assert shown(first) == shown(second) == shown(third)
    for ws in (second, third):
        require_whole(ws)
    first.close()
    third.close()


def test_importing_twice_changes_nothing(sample_bundle: Path, yard: MakeYard) -> None:
    other = yard("other")
    assert import_bundle(other, sample_bundle).versions == 8
    before = counts(other), objects(other)
    assert import_bundle(other, sample_bundle).nothing
    assert (counts(other), objects(other)) == before


def test_a_bundle_comes_home_without_changing_anything(full: Workspace, bundle: Path) -> None:
    before = counts(full), objects(full)
    assert import_bundle(full, bundle).nothing
    assert (counts(full), objects(full)) == before


def test_equal_versions_give_equal_bundles(full: Workspace, bundle: Path, tmp_path: Path) -> None:
    create_bundle(full, tmp_path / "again.myb", everything=True)
    assert (tmp_path / "again.myb").read_bytes() == bundle.read_bytes()


def test_a_bundle_is_about_as_small_as_the_store(full: Workspace, bundle: Path) -> None:
    assert bundle.stat().st_size < 1.1 * full.stats().kept


def test_the_import_is_told_in_the_ledger(sample_bundle: Path, yard: MakeYard) -> None:
    other = yard("other", actor="ben")
    import_bundle(other, sample_bundle)
    row = other.registry.history(kind="yard")[0]
    found = show_bundle(sample_bundle)
    assert (row.action, row.actor, row.subject) == ("yard.import", "ben", found.header.yard)
    assert row.after["bundle"] == found.id
    assert row.after["versions"] == 8


def test_a_dry_run_says_what_would_come_and_changes_nothing(sample_bundle: Path, yard: MakeYard) -> None:
    other = yard("other")
    report = import_bundle(other, sample_bundle, dry_run=True)
    assert (report.versions, report.dry_run) == (8, True)
    assert sum(counts(other)[name] for name in ("models", "versions", "ledger")) == 0
    assert objects(other) == []


def test_what_is_in_a_bundle_is_shown_without_reading_its_bytes(sample_bundle: Path) -> None:
    found = show_bundle(sample_bundle)
    assert {(each.kind, each.name): (sorted(each.numbers), each.aliases) for each in found.names} == {
        ("dataset", "flights"): ([1, 2], {}),
        ("model", "churn"): ([1], {}),
        ("model", "fraud"): ([1, 2, 3, 4, 5], {"production": 2, "shadow": None}),
    }
    assert (found.header.versions, found.header.names, found.whole) == (8, 3, False)
    assert verify_bundle(sample_bundle).whole


def test_a_part_of_the_history_is_small_because_relatives_stand_on_each_other(full: Workspace, tmp_path: Path) -> None:
    alone = [create_bundle(full, tmp_path / f"{n}.myb", [f"fraud/{n}"], inputs=False).size for n in (2, 3, 4)]
    together = create_bundle(full, tmp_path / "all.myb", ["fraud/2", "fraud/3", "fraud/4"], inputs=False).size
    assert together < 0.85 * sum(alone)


def test_a_continuation_has_only_what_the_earlier_bundle_had_not(
    full: Workspace, yard: MakeYard, tmp_path: Path
) -> None:
    first = create_bundle(full, tmp_path / "1.myb", ["fraud/3"])
    full.register("fraud", weights(tmp_path, 1, 6), base=full.model("fraud/3"))
    full.promote("fraud/6", to="production")
    alone = create_bundle(full, tmp_path / "alone.myb", ["fraud@production"])
    second = create_bundle(full, tmp_path / "2.myb", ["fraud@production"], since=[tmp_path / "1.myb"])
    assert second.size < 0.8 * alone.size
    assert [need.told for need in second.header.needs] == ["model fraud/3"]
    assert [each.id for each in second.header.since] == [first.id]
    found = verify_bundle(tmp_path / "2.myb")
    assert found.borrowed > 0

    other = yard("other")
    error = refused(BundleIncomplete, other, tmp_path / "2.myb")
    assert error.versions == ["model fraud/3"]
    assert f"bundle 1.myb, {first.id[:12]}" in str(error)
    assert objects(other) == []
    import_bundle(other, tmp_path / "1.myb")
    import_bundle(other, tmp_path / "2.myb")
    assert other.model("fraud@production").to_json() == full.model("fraud@production").to_json()
    require_whole(other)


@pytest.mark.parametrize("how", ["have", "base"])
def test_what_the_receiver_has_by_its_own_word_is_left_out(
    full: Workspace, yard: MakeYard, tmp_path: Path, how: str
) -> None:
    other = yard("other")
    create_bundle(full, tmp_path / "1.myb", ["fraud/1", "fraud/2"])
    import_bundle(other, tmp_path / "1.myb")
    assert write_inventory(other, tmp_path / "have.txt") == 4
    whole = create_bundle(full, tmp_path / "whole.myb", ["fraud/*"])
    told: dict[str, Any] = {"have": [tmp_path / "have.txt"]} if how == "have" else {"base": ["fraud/1", "fraud/2"]}
    rest = create_bundle(full, tmp_path / "rest.myb", ["fraud/*"], **told)
    assert rest.size < 0.8 * whole.size
    import_bundle(other, tmp_path / "rest.myb")
    assert said(other)["model fraud"] == said(full)["model fraud"]
    require_whole(other)


def test_a_continuation_is_imported_where_the_same_files_came_another_way(
    full: Workspace, yard: MakeYard, tmp_path: Path
) -> None:
    create_bundle(full, tmp_path / "1.myb", ["fraud/1"])
    create_bundle(full, tmp_path / "2.myb", ["fraud/2"], since=[tmp_path / "1.myb"])
    other = yard("other")
    other.register("mine", weights(tmp_path, 1, 0))
    other.snapshot(full.dataset("flights/1").path(), "copy")
    other.snapshot(full.dataset("flights/2").path(), "copy")
    import_bundle(other, tmp_path / "2.myb")
    assert other.model("fraud/2").digest == full.model("fraud/2").digest
    require_whole(other)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "first line"),
        ("hello\n", "first line"),
        ("modelyard inventory 1\nx y z\n", "line 2"),
        ("modelyard inventory 1\n\xff", "line 2"),
    ],
)
def test_an_inventory_that_is_none_is_refused(full: Workspace, tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "have.txt").write_text(content)
    with pytest.raises(InvalidInventory, match=problem):
        create_bundle(full, tmp_path / "f.myb", ["fraud/1"], have=[tmp_path / "have.txt"])
    (tmp_path / "have.txt").write_bytes(b"modelyard inventory 1\n\xff\xfe")
    with pytest.raises(InvalidInventory, match="not text"):
        create_bundle(full, tmp_path / "f.myb", ["fraud/1"], have=[tmp_path / "have.txt"])
    with pytest.raises(InvalidInventory, match="no file"):
        create_bundle(full, tmp_path / "f.myb", ["fraud/1"], have=[tmp_path])
    with pytest.raises(PathMissing):
        create_bundle(full, tmp_path / "f.myb", ["fraud/1"], have=[tmp_path / "none"])
    assert not (tmp_path / "f.myb").exists()


def test_nothing_is_left_of_a_bundle_that_cannot_be_made(full: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NothingToMove):
        create_bundle(full, tmp_path / "out" / "f.myb")
    (tmp_path / "g.myb").write_text("mine")
    with pytest.raises(TargetExists):
        create_bundle(full, tmp_path / "g.myb", ["fraud/1"])
    assert (tmp_path / "g.myb").read_text() == "mine"


# --- signatures ---


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A private key, its public half, and that of somebody else."""
    write_key_pair(tmp_path / "key.pem", tmp_path / "key.pub")
    write_key_pair(tmp_path / "other.pem", tmp_path / "other.pub")
    return tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "other.pub"


def test_a_signed_bundle_is_imported_with_the_key_of_who_signed_it(
    full: Workspace, yard: MakeYard, tmp_path: Path, keys: tuple[Path, Path, Path]
) -> None:
    private, public, other_key = keys
    create_bundle(full, tmp_path / "s.myb", ["fraud/1"], key=private)
    found = verify_bundle(tmp_path / "s.myb", key=public)
    assert found.checked == found.signed_by[0]
    other = yard("other")
    assert "not by" in str(refused(BundleSignatureInvalid, other, tmp_path / "s.myb", key=other_key))
    import_bundle(other, tmp_path / "s.myb", key=public)
    assert other.registry.history(kind="yard")[0].after["signed_by"] == found.checked


def test_an_unsigned_bundle_is_not_imported_with_a_key(
    sample_bundle: Path, yard: MakeYard, keys: tuple[Path, Path, Path]
) -> None:
    assert "not signed" in str(refused(BundleSignatureInvalid, yard("other"), sample_bundle, key=keys[1]))


def test_a_signature_of_another_bundle_is_none_of_this_one(
    full: Workspace, yard: MakeYard, tmp_path: Path, keys: tuple[Path, Path, Path]
) -> None:

    create_bundle(full, tmp_path / "good.myb", ["fraud/1"], key=keys[0])
    create_bundle(full, tmp_path / "bad.myb", ["fraud/2"])
    with (
        BundleFile(tmp_path / "good.myb") as good,
        BundleFile(tmp_path / "bad.myb") as bad,
        BundleWriter(tmp_path / "mixed.myb") as writer,
    ):
        for member in bad.index.members:
            writer.add(member.name, [bad.read(member)], member.length)
        writer.finish(bad.header, lambda _identity: good.signatures[0])
    error = refused(BundleSignatureInvalid, yard("other"), tmp_path / "mixed.myb", key=keys[1])
    assert "made of this bundle" in str(error)


@pytest.mark.parametrize("change", [{"algorithm": "none"}, {"signature": "!!"}, {"signature": None}, {"signature": ""}])
def test_a_signature_that_is_none_is_refused(
    full: Workspace, yard: MakeYard, tmp_path: Path, keys: tuple[Path, Path, Path], change: dict[str, Any]
) -> None:
    from modelyard.transfer.bundle.signature import signer

    sign = signer(keys[0])
    with BundleWriter(tmp_path / "f.myb") as writer:
        writer.finish({}, lambda identity: {**sign(identity), **change})
    refused(BundleSignatureInvalid, yard("other"), tmp_path / "f.myb", key=keys[1])


# --- hurt on the way ---


def test_a_bundle_that_is_cut_at_every_hundredth_is_refused(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path
) -> None:
    other, whole = yard("other"), sample_bundle.read_bytes()
    for part in range(100):
        (tmp_path / "cut.myb").write_bytes(whole[: len(whole) * part // 100])
        with pytest.raises((BundleDamaged, NotABundle)):
            import_bundle(other, tmp_path / "cut.myb")
    assert objects(other) == []
    assert counts(other)["ledger"] == 0


def test_a_bit_that_flips_anywhere_is_found_before_anything_is_written(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path
) -> None:
    other, whole = yard("other"), sample_bundle.read_bytes()
    for place in range(0, len(whole), len(whole) // 150):
        hurt = bytearray(whole)
        hurt[place] ^= 1 << place % 8
        (tmp_path / "hurt.myb").write_bytes(hurt)
        with pytest.raises((BundleDamaged, NotABundle, BundleTooNew)):
            import_bundle(other, tmp_path / "hurt.myb")
    assert objects(other) == []
    assert counts(other)["ledger"] == 0


# --- made to deceive: every digest in the file fits ---


def version_of(lines: Lines, number: int = 1, name: str = "fraud") -> tuple[dict[str, Any], dict[str, Any]]:
    """The parcel and the version in it."""
    for line in lines:
        parcel = line["parcel"]
        for version in parcel["versions"]:
            if (parcel["model"]["name"], version["number"]) == (name, number):
                return parcel, version
    raise AssertionError


def change_version(field: str, value: Any) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        version_of(lines)[1][field] = value

    return change


def change_model(field: str, value: Any) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        version_of(lines)[0]["model"][field] = value

    return change


def change_parcel(field: str, value: Any) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        version_of(lines)[0][field] = value

    return change


OTHER = "sha256:" + "0" * 64

LIES: dict[str, Callable[[Lines], None]] = {
    "another digest": change_version("digest", OTHER),
    "no digest": change_version("digest", "sha256:x"),
    "another size": change_version("size", 5),
    "another flavor": change_version("flavor", "sklearn"),
    "other files": change_version("files", 9),
    "another provenance": change_version("provenance", OTHER),
    "another number": change_version("number", 4),
    "number zero": change_version("number", 0),
    "a huge number": change_version("number", 2**40),
    "a number that is none": change_version("number", "1"),
    "true for a number": change_version("number", True),
    "another label": change_version("label", "9.9"),
    "a label that is a path": change_version("label", "../x"),
    "a state that there is none of": change_version("state", "gone"),
    "a time before time": change_version("created_time", -1),
    "a time after time": change_version("created_time", 2**62),
    "a zero character": change_version("description", "a\0b"),
    "tags that are no text": change_version("tags", {"a": 1}),
    "a tag without a key": change_version("tags", {"": "1"}),
    "metrics that are none": change_version("metrics", [{"key": "auc"}]),
    "an input of nothing": change_version("inputs", [{"role": "x"}]),
    "a report in a document that is not there": change_version(
        "reports",
        [{"kind": "scan", "tool": "x", "summary": {}, "document": OTHER, "time": 1, "actor": "ana"}],
    ),
    "a field more": change_version("id", 7),
    "a name that is a path": change_model("name", "../fraud"),
    "another name": change_model("name", "churn"),
    "another kind": change_model("kind", "deployment"),
    "a counter that gives numbers again": change_model("next_number", 3),
    "an alias of a version that is not there": change_parcel(
        "aliases", {"production": {"number": 77, "moved_time": 1, "moved_by": "ana"}}
    ),
    "an alias that is reserved": change_parcel("aliases", {"latest": None}),
    "rows that are none": change_parcel("rows", [1]),
    "rows that are missing": change_parcel("rows", []),
    "no model": lambda lines: version_of(lines)[0].pop("model"),
    "a version twice": lambda lines: version_of(lines)[0]["versions"].append(version_of(lines)[1]),
    "rows of another model": lambda lines: version_of(lines)[0]["rows"].extend(
        row for line in lines if line["parcel"]["model"]["name"] == "flights" for row in line["parcel"]["rows"]
    ),
    "a line that is nothing": lambda lines: lines.append({"x": 1}),
    "a version that was registered twice": lambda lines: version_of(lines)[0]["rows"].append(
        next(row for row in version_of(lines)[0]["rows"] if row["action"] == "version.register")
    ),
    "a line of two things": lambda lines: lines.append({"parcel": {}, "loose": []}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.replace(" ", "-"))
def test_a_bundle_that_lies_in_its_records_is_refused(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path, lie: str
) -> None:
    other = yard("other")
    path = forged(sample_bundle, tmp_path / "lie.myb", records=LIES[lie])
    refused(BundleDamaged, other, path)
    assert objects(other) == []


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ("alias.move", "after", []), ("alias.move", "after", {"version": "1"}), ("alias.rollback", "after", None),
        ("tags.set", "after", {"a": 1}), ("tags.set", "after", None), ("tags.remove", "before", None), ("metrics.log", "after", 1),
        ("version.register", "after", None), ("version.archive", "after", {}), ("version.describe", "after", "x"),
        ("version.register", "workspace", "other"),
    ],
)  # fmt: skip
def test_a_ledger_row_that_does_not_say_what_its_action_says_is_refused(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path, action: str, field: str, value: Any
) -> None:
    """Its hash fits: it was made so."""

    def alter(lines: Lines) -> None:
        row = next(row for line in lines for row in line["parcel"]["rows"] if row["action"] == action)
        row[field] = value
        row["hash"] = hash_of(row_from_json(row))

    refused(BundleDamaged, yard("other"), forged(sample_bundle, tmp_path / "lie.myb", records=alter))


def test_a_ledger_row_that_was_altered_is_named(sample_bundle: Path, yard: MakeYard, tmp_path: Path) -> None:
    def alter(lines: Lines) -> None:
        row = next(row for row in version_of(lines)[0]["rows"] if row["action"] == "alias.rollback")
        row["actor"] = "mallory"

    error = refused(HistoryAltered, yard("other"), forged(sample_bundle, tmp_path / "lie.myb", records=alter))
    assert (error.action, error.subject) == ("alias.rollback", "fraud@production")


@pytest.mark.parametrize(
    "change", [{"yard": ""}, {"sequence": -1}, {"needs": [{}]}, {"since": 1}, {"x": 1}, {"versions": "1"}]
)
def test_a_header_that_no_bundle_of_ours_has_is_refused(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path, change: dict[str, Any]
) -> None:
    refused(
        BundleDamaged,
        yard("other"),
        forged(sample_bundle, tmp_path / "f.myb", header=lambda header: header.update(change)),
    )


def hurt_first(kind: Kind, **changes: Any) -> Callable[[Pieces], None]:
    def hurt(pieces: Pieces) -> None:
        place = next(
            n
            for n, (entry, _) in enumerate(pieces)
            if kind is Kind.RECIPE or (entry.kind is kind and entry.length > 1000)
        )
        entry, stored = pieces[place]
        pieces[place] = (entry._replace(**changes), stored)

    return hurt


def other_bytes(pieces: Pieces) -> None:
    place = max(range(len(pieces)), key=lambda n: pieces[n][0].length)
    entry, _ = pieces[place]
    pieces[place] = (entry._replace(codec=Codec.RAW, base=bytes(32), depth=0), bytes(entry.length))


def without_one(pieces: Pieces) -> None:
    del pieces[max(range(len(pieces)), key=lambda n: pieces[n][0].length)]


def other_recipe(pieces: Pieces) -> None:
    """The chunks of one file are said to be those of another: each chunk is right, the file is not."""
    first, second = [n for n, (entry, _) in enumerate(pieces) if entry.kind is Kind.RECIPE and entry.length > 60][:2]
    pieces[first] = (pieces[first][0]._replace(length=pieces[second][0].length), pieces[second][1])


def bomb(pieces: Pieces) -> None:
    place = next(n for n, (entry, _) in enumerate(pieces) if entry.kind is Kind.CHUNK)
    entry, _ = pieces[place]
    pieces[place] = (entry._replace(codec=Codec.ZSTD, length=2**31), zstandard.compressed(bytes(2**24)))


PIECES: dict[str, Callable[[Pieces], None]] = {
    "other bytes": other_bytes,
    "a chunk is missing": without_one,
    "a chunk of another length": hurt_first(Kind.CHUNK, length=999),
    "a chunk of four gigabytes": hurt_first(Kind.CHUNK, length=2**32 - 1),
    "a bomb": bomb,
    "a chunk that stands on itself": lambda pieces: pieces.__setitem__(
        0, (pieces[0][0]._replace(codec=Codec.PATCH, base=pieces[0][0].key, depth=1), pieces[0][1])
    ),
    "a chunk in another codec": hurt_first(Kind.CHUNK, codec=Codec.PLANES),
    "a recipe that is none": lambda pieces: pieces.__setitem__(
        -1, (pieces[-1][0]._replace(length=5), b"hello")
    ),
    "a recipe of another file": other_recipe,
    "nothing at all": lambda pieces: pieces.clear(),
}  # fmt: skip


@pytest.mark.parametrize("lie", PIECES, ids=lambda lie: lie.replace(" ", "-"))
def test_a_bundle_that_lies_in_its_bytes_is_refused(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path, lie: str
) -> None:
    path = forged(sample_bundle, tmp_path / "lie.myb", pieces=PIECES[lie])
    other = yard("other")
    refused(BundleDamaged, other, path)
    with pytest.raises(BundleDamaged):
        verify_bundle(path)
    if objects(other):  # what was brought before the lie was met is in nobody's way
        import_bundle(other, sample_bundle)
        require_whole(other)
        other.gc()
        require_whole(other)


def test_a_wrong_recipe_never_gets_into_the_store(
    full: Workspace, bundle: Path, yard: MakeYard, tmp_path: Path
) -> None:
    other = yard("other")
    refused(BundleDamaged, other, forged(bundle, tmp_path / "lie.myb", pieces=other_recipe))
    for file in full.model("fraud/1").manifest.files:
        other.register("own", full.model("fraud/1").path())
        assert other.store.read(file.digest) == full.store.read(file.digest)


def test_a_conflict_of_numbers_is_named_before_anything_is_written(
    sample_bundle: Path, yard: MakeYard, tmp_path: Path
) -> None:
    other = yard("other", actor="ben")
    other.register("fraud", weights(tmp_path, 9, 0))
    before = objects(other)
    error = refused(NumberConflict, other, sample_bundle)
    assert (error.number, error.author) == (1, "ben")
    assert objects(other) == before


def pack_with(entries: int) -> bytes:
    """A pack with five entries of zeros, whose foot says that it has so many."""
    table = zstandard.compressed(bytes(80) * 5)
    foot = struct.pack("<II32s8s", len(table), entries, blake3(table).digest(), packs.HEAD)
    return packs.HEAD + bytes(packs.ONCE) + table + foot


@pytest.mark.parametrize(
    "pack",
    [
        b"",
        b"x",
        bytes(200),
        pack_with(2**32 - 1),
        pack_with(10**6),
        pack_with(5),
        pack_with(4),
        pack_with(5)[:-1] + b"x",
    ],
)
def test_a_pack_that_is_none_is_refused(sample_bundle: Path, yard: MakeYard, tmp_path: Path, pack: bytes) -> None:
    with BundleFile(sample_bundle) as good, BundleWriter(tmp_path / "f.myb") as writer:
        for member in good.members("records/"):
            writer.add(member.name, [good.read(member)], member.length)
        writer.add("packs/" + "ab" * 32, [pack])
        writer.finish(good.header)
    refused(BundleDamaged, yard("other"), tmp_path / "f.myb")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_is_changed_in_a_piece_is_refused_with_a_sentence_or_makes_no_difference(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Every digest in the file fits, so what is decoded is what was made up."""

    def change(pieces: Pieces) -> None:
        place = data.draw(st.integers(0, len(pieces) - 1))
        entry, stored = pieces[place]
        hurt = bytearray(stored)
        for _ in range(data.draw(st.integers(0, 3))):
            hurt[data.draw(st.integers(0, len(hurt) - 1))] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.one_of(st.just(len(hurt)), st.integers(0, len(hurt))))
        pieces[place] = (
            entry._replace(
                codec=data.draw(st.one_of(st.just(entry.codec), st.sampled_from(Codec))),
                length=data.draw(st.one_of(st.just(entry.length), st.integers(0, 2**32 - 1))),
                depth=data.draw(st.one_of(st.just(entry.depth), st.integers(0, 255))),
                base=data.draw(st.one_of(st.just(entry.base), st.sampled_from([each.key for each, _ in pieces]))),
                kind=data.draw(st.one_of(st.just(entry.kind), st.sampled_from(Kind))),
            ),
            bytes(hurt[:cut]),
        )

    sample = Path(__file__).parent / "samples" / "bundle-1.myb"
    path = forged(sample, tmp_path / "f.myb", pieces=change)
    with suppress(BundleDamaged):
        verify_bundle(path)
    folder = tmp_path / data.draw(st.uuids()).hex
    ws = Workspace(folder)
    try:
        import_bundle(ws, path)
        require_whole(ws)
    except BundleDamaged:
        assert ws.models() == []
    finally:
        ws.close()
        shutil.rmtree(folder)
