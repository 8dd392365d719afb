"""What changes from one version to another, and how it is told in one line."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts_samples import safetensors_of

from modelyard import Workspace, errors
from modelyard.client.difference import Pair
from modelyard.profiles.signature import Field, Signature


def _weights(seed: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(seed).standard_normal((40, 30)) * scale).astype("f4")


def _file(folder: Path, name: str = "model.safetensors", **arrays: np.ndarray[Any, Any]) -> Path:
    path = folder / name
    path.write_bytes(safetensors_of({key: ("F32", array) for key, array in arrays.items()}))
    return path


@pytest.fixture
def pair(ws: Workspace, tmp_path: Path) -> Workspace:
    """fraud/1 and fraud/2, which differ in one tensor of two."""
    body, head = _weights(1), _weights(2)
    ws.register(
        "fraud", _file(tmp_path, body=body, head=head), metrics={"accuracy": 0.91, "f1": 0.8}, tags={"team": "a"}
    )
    ws.register(
        "fraud",
        _file(tmp_path, body=body, head=head * np.float32(1.5)),
        metrics={"accuracy": 0.93, "auc": 0.7},
        tags={"team": "b", "gpu": "1"},
        properties={"seed": "7"},
        label="1.1",
        description="longer",
    )
    return ws


def test_a_difference_is_told_in_one_line(pair: Workspace) -> None:
    found = pair.diff("fraud/1", "fraud/2")
    assert str(found) == (
        "1 of 2 tensors changed, relative norm 0.5; accuracy 0.91 -> 0.93; metadata, tags, properties and metrics differ"
    )
    assert not found.same_bytes


def test_what_is_known_of_the_versions_is_compared_too(pair: Workspace) -> None:
    found = pair.model("fraud/1").diff("fraud/2")
    assert found.metadata == {"label": Pair(None, "1.1"), "description": Pair(None, "longer")}
    assert (found.tags.added, found.tags.changed) == ({"gpu": "1"}, {"team": Pair("a", "b")})
    assert found.properties.added == {"seed": "7"}
    assert (found.metrics.added, found.metrics.removed) == ({"auc": 0.7}, {"f1": 0.8})
    assert not found.packages
    assert not found.environment
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["metrics"]["changed"]["accuracy"]["difference"] == pytest.approx(0.02)
    assert document["tensors"]["changed"][0]["relative_norm"] == pytest.approx(0.5, rel=1e-6)


def test_a_version_and_itself_are_the_same_bytes(pair: Workspace) -> None:
    found = pair.diff("fraud/2", "fraud:1.1")
    assert str(found) == "fraud/2 is compared with itself: the same bytes"
    assert found.same_bytes
    document = found.to_json()
    for part in ("metadata", "code", "environment"):
        assert document[part] == {}
    for part in ("tags", "properties", "metrics", "inputs", "packages"):
        assert document[part] == {"added": {}, "removed": {}, "changed": {}}


def test_the_same_bytes_registered_twice_are_told_as_such(ws: Workspace, tmp_path: Path) -> None:
    path = _file(tmp_path, w=_weights(1))
    ws.register("fraud", path)
    ws.register("other", path, metrics={"auc": 0.9})
    assert str(ws.diff("fraud/1", "other")) == "the same bytes; metrics differ"


def test_versions_of_two_yards_are_compared(pair: Workspace, tmp_path: Path) -> None:
    elsewhere = Workspace(tmp_path / "elsewhere")
    theirs = elsewhere.register("fraud", _file(tmp_path, body=_weights(1), head=_weights(2)))
    assert str(pair.model("fraud/1").diff(theirs)).startswith("the same bytes")
    assert str(pair.diff("fraud/2", theirs)).startswith("1 of 2 tensors changed, relative norm 0.33;")


def test_the_environment_the_code_and_the_data_are_compared(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (project / "model.py").write_text("1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    rows = [tmp_path / f"{n}.csv" for n in (1, 2)]
    for number, path in enumerate(rows):
        path.write_text(f"a\n{number}\n")
        ws.snapshot(path, "rows")
    site = tmp_path / "site"
    for name, version in (("torchy", "2.0"), ("gone", "1")):
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(site)
    path = _file(tmp_path, w=_weights(1))
    ws.register("fraud", path, datasets=["rows/1"], signature=Signature((Field("a", "number"),)))
    (project / "model.py").write_text("2\n")
    newer = tmp_path / "newer"
    (newer / "torchy-2.1.dist-info").mkdir(parents=True)
    (newer / "torchy-2.1.dist-info" / "METADATA").write_text("Name: torchy\nVersion: 2.1\n")
    monkeypatch.syspath_prepend(newer)
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry != str(site)])
    ws.register("fraud", path, datasets=["rows/2"], base="fraud/1", signature=Signature((Field("b", "number"),)))
    found = ws.diff("fraud/1", "fraud/2")
    assert found.packages.changed == {"torchy": Pair("2.0", "2.1")}
    assert found.packages.removed == {"gone": "1"}
    assert found.code["dirty"] == Pair(False, True)
    assert found.code["uncommitted"].before is None
    assert found.inputs.changed == {"training rows": Pair("rows/1", "rows/2")}
    assert found.metadata["base"] == Pair(None, "fraud/1")
    assert found.metadata["signature"].after["inputs"][0]["name"] == "b"
    assert str(found) == "the same bytes; metadata, inputs, code and environment differ"


def test_data_sets_are_compared_with_data_sets(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    first = ws.snapshot(path, "rows")
    path.write_text("a\n1\n2\n")
    second = ws.snapshot(path, "rows")
    ws.register("fraud", path)
    for found in (
        ws.diff("rows/1", "rows/2", dataset=True),
        first.diff(second),
        ws.diff(first, "rows/2"),
        first.diff("rows"),
    ):
        assert str(found) == "1 file changed"
    assert ws.diff(first, second, text=True).comparison.texts["rows.csv"][-1] == "+2"
    with pytest.raises(
        errors.InvalidReference, match="'rows/1' does not name a version: 'rows' is a data set: compare data sets with"
    ):
        ws.diff("rows/1", "fraud/1")
    with pytest.raises(errors.InvalidReference, match="'fraud' is a model: leave out"):
        ws.diff("fraud/1", "fraud/1", dataset=True)
    with pytest.raises(errors.InvalidReference, match="it is a data set, and is to be compared with a model"):
        ws.model("fraud").diff(first)
    with pytest.raises(errors.VersionNotFound):
        first.diff("rows/9")
    with pytest.raises(errors.ModelNotFound):
        ws.diff("fraud/1", "nobody/1")


def test_progress_hears_of_the_bytes_that_are_gone_through(pair: Workspace) -> None:
    done: list[int] = []
    pair.diff("fraud/1", "fraud/2", progress=lambda step: done.append(step.done))
    assert sum(done) == 2 * 40 * 30 * 4, (
        "the small tensors are in one chunk: both are gone through to see which of them differs"
    )


def test_a_damaged_store_is_said_and_not_compared(pair: Workspace) -> None:
    packs = [path for path in pair.root.rglob("*") if path.is_file() and "packs" in path.parts]
    assert packs
    for pack in packs:
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        for at in range(0, len(data), 997):
            data[at] ^= 1
        pack.write_bytes(data)
    with pytest.raises(errors.Damaged):
        Workspace(pair.root).diff("fraud/1", "fraud/2")
