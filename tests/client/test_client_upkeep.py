"""`gc`, `compact` and `stats` of a whole yard, and at the command line."""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import delete, update

from modelyard import Workspace
from modelyard.cli import main
from modelyard.client import roots as roots_module
from modelyard.core.errors import CollectionRefused, ModelNotFound, StoreShared
from modelyard.registry import schema
from modelyard.store.packs import Kind
from modelyard.store.packs.pack import key_of
from modelyard.store.writing import leases


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # so that what is not committed in this repository is not part of the provenance
    (tmp_path / "weights.bin").write_bytes(os.urandom(100_000))
    return tmp_path / "weights.bin"


def abandon(ws: Workspace, length: int = 10_000) -> None:
    with ws.store.intake() as intake:
        intake.put_bytes(os.urandom(length))
        intake.commit()


def whole(ws: Workspace) -> bool:
    return ws.check(read=True).whole


def test_everything_that_a_version_refers_to_survives(
    ws: Workspace, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifest, files, provenance, its attachments, the profile; of models, of data sets, of archived versions."""
    repository = path.parent / "code"
    repository.mkdir()
    for step in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m x"):
        subprocess.run(["git", *step.split()], cwd=repository, check=True)
    (repository / "new.py").write_text("x = 1")
    monkeypatch.chdir(repository)
    table = pd.DataFrame({"amount": [1.0, 2.0, 3.0]})
    ws.snapshot(path, "payments")
    model = ws.register("fraud", path, reference_data=table, datasets=["payments/1"])
    assert model.provenance["attachments"]
    ws.register("fraud", path)
    with ws.registry.begin() as tx:
        tx.connection.execute(update(schema.versions).values(state="archived").where(schema.versions.c.number == 2))
    abandon(ws)
    done = ws.gc()
    assert done.outcome is not None
    assert len(done.outcome.removed) == 1
    found = ws.compact()
    assert found.plan.merge
    fresh = Workspace(ws.root)
    assert whole(fresh)
    assert fresh.model("fraud/1").reference_profile is not None
    for name in model.provenance["attachments"]:
        assert fresh.model("fraud/1").attachment(name)
    assert ws.gc().plan.empty


def test_a_version_that_somebody_took_out_of_the_database_keeps_its_bytes(ws: Workspace, path: Path) -> None:
    model = ws.register("fraud", path)
    manifest = model.manifest
    with ws.registry.begin() as tx:
        tx.connection.execute(delete(schema.reports))
        tx.connection.execute(delete(schema.versions))
    assert ws.gc().plan.empty
    assert ws.store.read(manifest.files[0].digest) == path.read_bytes()


def test_gc_refuses_where_the_database_says_nonsense(ws: Workspace, path: Path) -> None:
    ws.register("fraud", path)
    abandon(ws)
    before = [info.key for info in ws.store.objects.list("packs/")]
    with ws.registry.begin() as tx:
        tx.connection.execute(update(schema.versions).values(provenance="sha256:0"))
    with pytest.raises(CollectionRefused, match="fraud/1"):
        ws.gc()
    assert [info.key for info in ws.store.objects.list("packs/")] == before


def test_gc_refuses_where_a_provenance_cannot_be_read(ws: Workspace, path: Path) -> None:
    """It may name attachments, which would look unused."""
    model = ws.register("fraud", path)
    abandon(ws)
    entry = ws.store.index.find(Kind.RECIPE, bytes.fromhex(model.row.provenance.removeprefix("sha256:")))[0]
    data = bytearray(ws.store.objects.get(key_of(entry.pack)))
    data[entry.offset] ^= 1
    ws.store.objects.put(key_of(entry.pack), [data])
    with pytest.raises(CollectionRefused, match="nothing was removed"):
        Workspace(ws.root).gc()


def test_two_yards_in_one_store_do_not_remove_each_others_versions(tmp_path: Path, path: Path) -> None:
    store = str(tmp_path / "bucket")
    one, two = Workspace(tmp_path / "one", store=store), Workspace(tmp_path / "two", store=store)
    one.register("fraud", path)
    two.register("churn", path)
    with pytest.raises(StoreShared, match="two"):
        one.gc()
    with pytest.raises(StoreShared, match="one"):
        two.compact()
    assert whole(one)
    assert whole(two)


def test_a_yard_that_was_refused_its_store_leaves_no_announcement(tmp_path: Path) -> None:
    store = str(tmp_path / "bucket")
    one = Workspace(tmp_path / "one", store=store)
    assert [info.key for info in one.store.objects.list("yards/")] == [f"yards/{one.yard_id}"]
    assert one.gc().plan.empty


def test_stats_of_a_yard_and_of_one_name(ws: Workspace, path: Path) -> None:
    ws.register("fraud", path)
    path.write_bytes(path.read_bytes() + b"more")
    ws.register("fraud", path)
    ws.snapshot(path, "payments")
    found = ws.stats()
    assert [version.name for version in found.versions] == ["model fraud/1", "model fraud/2", "dataset payments/1"]
    assert sum(version.share for version in found.versions) == pytest.approx(found.needed)
    assert found.raw == 300_008
    assert found.kept < 0.5 * found.raw
    with pytest.raises(ModelNotFound):
        ws.stats("nobody")


# --- the command line -----------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main(list(line)) == 0
    return capsys.readouterr().out


def test_gc_says_what_it_does_and_why(ws: Workspace, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yard = ("--yard", str(ws.root))
    ws.register("fraud", path)
    assert said(capsys, *yard, "gc") == "keep 1 pack: all in them is needed\nthere is nothing to do\n"
    abandon(ws)
    before = list(ws.store.objects.list(""))
    plan = said(capsys, *yard, "gc", "--dry-run").splitlines()
    assert plan[0].startswith("remove pack ")
    assert plan[0].endswith(": nothing in it is referred to (pieces: 2)")
    assert plan[-1].startswith("nothing was changed; this would free 10.")
    assert list(ws.store.objects.list("")) == before
    assert said(capsys, *yard, "gc").splitlines()[-1].startswith("removed 1 pack (10.")
    assert whole(ws)


def test_gc_says_for_whom_it_waits(ws: Workspace, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    abandon(ws)
    with leases.held(ws.store.objects):
        told = said(capsys, "--yard", str(ws.root), "gc").splitlines()
        assert told[-1].startswith(f"1 pack will go in a later run: process {os.getpid()} on ")
    assert "condemned earlier" in said(capsys, "--yard", str(ws.root), "gc")


def test_compact_and_stats_at_the_command_line(ws: Workspace, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yard = ("--yard", str(ws.root))
    assert "no versions yet" in said(capsys, *yard, "stats")
    for number in range(9):
        path.write_bytes(path.read_bytes() + b"x" * number)
        ws.register("fraud", path)
    abandon(ws)
    told = said(capsys, *yard, "stats").splitlines()
    assert told[0].split() == ["name", "raw", "own", "share", "of", "raw", "chunks", "differences"]
    assert len([line for line in told if line.startswith("model fraud/")]) == 9
    assert any(line.startswith("9 versions, ") and "10 packs and" in line for line in told)
    assert told[-1].endswith("see: modelyard compact --dry-run")
    done = said(capsys, *yard, "compact").splitlines()
    assert done[-1].startswith("removed 10 packs (")
    assert "wrote 1 pack" in done[-1]
    assert "in 1 pack" not in said(capsys, *yard, "compact")
    found = json.loads(said(capsys, *yard, "stats", "fraud", "--json"))
    assert (found["packs"], found["segments"], found["garbage"]) == (1, 1, 0)
    assert len(found["versions"]) == 9
    assert json.loads(said(capsys, *yard, "gc", "--json"))["outcome"] is None
    assert json.loads(said(capsys, *yard, "compact", "--json", "--dry-run"))["plan"]["freed"] == 0
    assert whole(ws)


def test_what_stands_in_the_ledger_is_a_root_too(ws: Workspace, path: Path) -> None:
    model = ws.register("fraud", path)
    assert model.digest in roots_module.roots(ws).files
