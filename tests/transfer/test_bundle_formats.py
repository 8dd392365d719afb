"""Every bundle that a release has written is read by every later release: samples of them are kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_forgery import forged
from transfer_yards import fill, require_whole, said

from modelyard import Workspace
from modelyard.core.digests import canonical_json
from modelyard.core.errors import BundleIncomplete
from modelyard.core.names import ModelName
from modelyard.store.codecs import Codec
from modelyard.transfer import Choices, import_bundle, verify_bundle
from modelyard.transfer.bundle.documents import parcel_from_json, parcel_to_json, row_from_json, row_to_json
from modelyard.transfer.bundle.layout import parsed
from modelyard.transfer.bundle.objects import store_of
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.selection import everything
from modelyard.transfer.source import YardSource

SAMPLES = Path(__file__).parent / "samples"
MakeYard = Callable[..., Workspace]


def test_a_kept_sample_arrives_as_it_was(make_yard: MakeYard) -> None:
    ws = make_yard("target")
    import_bundle(ws, SAMPLES / "bundle-1.myb", choices=Choices(policies=True))
    for told, expected in json.loads((SAMPLES / "bundle-1.json").read_text()).items():
        kind, name, number = told.replace("/", " ").split(" ")
        row = ws.registry.any_version(kind, ModelName(name), int(number))  # type: ignore[arg-type]
        found = (ws._model(row) if kind == "model" else ws._dataset(row)).to_json()
        assert {key: found[key] for key in expected} == expected
    assert ws.registry.history(name="fraud", limit=1)[0].happened.year == 2026
    assert [row.alias for row in ws.policies.list("fraud")] == ["production"]
    assert ws.register("fraud", SAMPLES / "bundle-1.pub").version == 5
    require_whole(ws)


def test_a_kept_sample_holds_a_chunk_of_every_codec() -> None:
    with BundleFile(SAMPLES / "bundle-1.myb") as bundle:
        assert {entry.codec for entry in store_of(bundle).index.entries()} == set(Codec)


def test_a_kept_continuation_follows_its_base_and_its_signature_holds(yard: MakeYard) -> None:
    ws = yard("target")
    assert verify_bundle(SAMPLES / "bundle-1-continued.myb", key=SAMPLES / "bundle-1.pub").borrowed == 1
    with pytest.raises(BundleIncomplete):
        import_bundle(ws, SAMPLES / "bundle-1-continued.myb")
    import_bundle(ws, SAMPLES / "bundle-1-first.myb")
    import_bundle(ws, SAMPLES / "bundle-1-continued.myb", key=SAMPLES / "bundle-1.pub")
    other = yard("other")
    import_bundle(other, SAMPLES / "bundle-1.myb")
    assert ws.model("fraud/3").digest == other.model("fraud/3").digest
    require_whole(ws)


def test_what_is_not_changed_is_forged_into_the_same_bundle(tmp_path: Path) -> None:
    """The tests with forged bundles change what they say that they change, and nothing else."""
    forged(SAMPLES / "bundle-1.myb", tmp_path / "same.myb")
    assert (tmp_path / "same.myb").read_bytes() == (SAMPLES / "bundle-1.myb").read_bytes()


def test_parcels_and_rows_come_back_equal_from_their_json(full: Workspace) -> None:
    full.policies.set("fraud", "production", movers=["ana"])
    full.approve("fraud/3", for_alias="production", reason="tried")
    parcels = list(YardSource(full, everything(full), rules=True).parcels())
    assert {parcel.model.name for parcel in parcels} == {"fraud", "churn", "flights"}
    assert any(parcel.approvals for parcel in parcels)
    assert any(parcel.policies for parcel in parcels)
    for parcel in parcels:
        assert parcel_from_json(parsed(canonical_json(parcel_to_json(parcel)), "a parcel")) == parcel
        for row in parcel.rows:
            assert row_from_json(row_to_json(row)) == row


def test_rows_that_came_from_a_third_yard_keep_their_origin_in_a_bundle(yard: MakeYard, tmp_path: Path) -> None:
    from modelyard.transfer import create_bundle

    first = fill(yard("first"), tmp_path / "files", versions=3)
    second, third = yard("second"), yard("third")
    for source, target in ((first, second), (second, third)):
        create_bundle(source, tmp_path / "f.myb", everything=True, exist_ok=True)
        import_bundle(target, tmp_path / "f.myb")
    assert said(third) == said(first)
    assert {row.origin["yard"] for row in third.registry.history(name="fraud") if row.origin} == {first.yard_id}
    assert import_bundle(first, tmp_path / "f.myb").nothing
