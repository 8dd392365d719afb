from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from sklearn.linear_model import LogisticRegression

from modelyard import Workspace
from modelyard.safety.bom.components import as_url
from modelyard.safety.signing import write_key_pair

TABLE = pd.DataFrame({"hour": [1, 2, 20, 21], "temp": [0.5, 1.5, 2.5, 3.5]})


def require_valid(document: dict) -> None:
    """By the schema of the standard, in the version that it says and in the newest one."""
    for version in (SchemaVersion.V1_6, SchemaVersion.V1_7):
        name = f"1.{version.value[1]}"
        text = json.dumps(
            {**document, "specVersion": name, "$schema": f"http://cyclonedx.org/schema/bom-{name}.schema.json"}
        )
        problem = JsonStrictValidator(version).validate_str(text)
        assert problem is None, problem


@pytest.fixture
def full(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A version of which there is something to say under every heading."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").write_text("print(1)\n")
    (project / "flights.csv").write_text("hour,late\n1,0\n")
    for step in (
        "init -q -b main",
        "add train.py",
        "-c user.name=ana -c user.email=ana@example.com commit -qm one",
        "remote add origin git@example.com:team/fraud.git",
    ):
        subprocess.run(["git", *step.split()], cwd=project, check=True)
    monkeypatch.chdir(project)
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_NUMBER": "42",
        "GITHUB_SERVER_URL": "https://example.com",
        "GITHUB_REPOSITORY": "team/fraud",
        "GITHUB_RUN_ID": "7",
    }.items():
        monkeypatch.setenv(name, value)
    ws.snapshot(project / "flights.csv", "flights")
    base = ws.save("base", LogisticRegression().fit(TABLE, [0, 0, 1, 1]))
    version = ws.save(
        "fraud",
        LogisticRegression().fit(TABLE, [0, 0, 1, 1]),
        label="1.0",
        description="Finds late flights. Größe: klein.",
        tags={"team": "a", "task": "late or not"},
        properties={"license": "apache-2.0", "limitations": "only flights of 2013"},
        metrics={"auc": 0.93},
        reference_data=TABLE,
        datasets=["flights/1", ("validation", "flights/1")],
        base=base,
    )
    version.log_metrics({"auc": 0.91}, dataset="flights/1")
    version.describe(card="# Late\n\nUse with *care*.")
    write_key_pair(tmp_path / "k.pem", tmp_path / "k.pub")
    version.sign(tmp_path / "k.pem")
    version.scan()
    return version


def test_a_full_bom_is_valid_and_says_it_all(full):
    document = full.bom()
    require_valid(document)
    model = document["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "fraud", "1")
    assert {file["name"]: file["hashes"][0]["content"] for file in model["components"]} == {
        file.path: file.digest.hex for file in full.manifest.files
    }
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    card = model["modelCard"]
    assert card["modelParameters"]["task"] == "late or not"
    assert card["modelParameters"]["approach"] == {"type": "supervised"}
    assert card["modelParameters"]["inputs"] == [{"format": "hour: integer"}, {"format": "temp: number"}]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "auc", "value": "0.93"},
        {"type": "auc", "value": "0.91", "slice": "flights/1"},
    ]
    assert card["considerations"] == {"technicalLimitations": ["only flights of 2013"]}
    data = next(one for one in document["components"] if one["type"] == "data")
    assert data["hashes"][0]["content"] == full.workspace.dataset("flights/1").digest.removeprefix("sha256:")
    assert [one["value"] for one in data["properties"]] == ["training", "validation"]
    assert card["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    purls = {one.get("purl", "").partition("@")[0] for one in document["components"]}
    assert {"pkg:pypi/scikit-learn", "pkg:pypi/numpy"} <= purls
    kinds = {one["type"]: one for one in model["externalReferences"]}
    assert kinds["vcs"]["url"] == "ssh://git@example.com/team/fraud.git"
    assert kinds["build-system"]["url"] == "https://example.com/team/fraud/actions/runs/7"
    assert kinds["digital-signature"]["hashes"]
    assert "safe" in kinds["static-analysis-report"]["comment"]
    assert model["pedigree"]["ancestors"][0]["name"] == "base"
    assert len(model["pedigree"]["commits"][0]["uid"]) == 40
    told = document["dependencies"][0]
    assert told["ref"] == model["bom-ref"]
    assert len(told["dependsOn"]) == len(document["components"])
    with pytest.raises(AssertionError):  # the schema is one that refuses
        require_valid({**document, "bogus": 1})


def test_the_same_version_gives_the_same_bytes(full):
    one, other = (json.dumps(full.bom()) for _ in range(2))
    assert one == other
    again = Workspace(full.workspace.root, actor="ben").model("fraud/1").bom()
    assert json.dumps(again) == one
    assert again["metadata"]["timestamp"].startswith(f"{full.created_time:%Y-%m-%d}")


def test_a_bare_version_and_a_data_set_have_valid_boms_too(any_ws: Workspace, tmp_path: Path):
    (tmp_path / "größe 1.bin").write_bytes(b"abc")
    version = any_ws.register("fraud", tmp_path / "größe 1.bin", tags={"license": "our own, ask first"})
    document = version.bom()
    require_valid(document)
    assert document["metadata"]["component"]["licenses"] == [{"license": {"name": "our own, ask first"}}]
    found = any_ws.snapshot(tmp_path / "größe 1.bin", "flights").bom()
    require_valid(found)
    assert found["metadata"]["component"]["type"] == "data"
    assert found["serialNumber"] != document["serialNumber"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com/a b.git", "https://example.com/a%20b.git"),
        ("git@example.com:team/fraud.git", "ssh://git@example.com/team/fraud.git"),
        ("example.com:fraud", "ssh://example.com/fraud"),
        ("git+https://example.com/x", "git+https://example.com/x"),
        ("/home/ana/x", None),
        ("../x", None),
        ("file:///home/ana/x", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_only_what_is_an_address_becomes_one(text, url):
    assert as_url(text) == url
