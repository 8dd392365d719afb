"""The calling styles that users bring, as they are written."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from modelyard import Model, Workspace, errors, model_registry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_azure_style_works_as_written(ws: Workspace, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    args = argparse.Namespace(model_name="compliance-classifier", build_number="20190809.2")
    run = SimpleNamespace(id="run-7", experiment=SimpleNamespace(workspace=ws))
    model_description = "Classifies."
    model = Model.register(
        model_path="model.h5",
        model_name=args.model_name,
        tags={"type": "classification", "run_id": run.id, "build_number": args.build_number},
        description=model_description,
        workspace=run.experiment.workspace,
    )
    Model.register(ws, "model.h5", "compliance-classifier", tags={"build_number": "20190810.1"})
    assert (model.name, model.version, model.id) == ("compliance-classifier", 1, "compliance-classifier:1")
    assert (model.created_by, model.description) == ("ana", "Classifies.")
    assert Model(ws, "compliance-classifier").version == 2
    assert Model(ws, "compliance-classifier", version=1) == model
    assert Model(ws, "compliance-classifier", tags={"build_number": "20190809.2"}) == model
    assert Model(ws, "compliance-classifier", tags=["run_id"]) == model
    assert Model(ws, "compliance-classifier", tags=[("type", "classification")]) == model


def test_the_tensorflow_style_works_as_written(here: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    model_registry.register("my_model")
    assert model_registry.list_models() == ["my_model"]
    assert model_registry.list_versions("my_model") == []
    model_registry.save("my_model", model, "1.0")
    loaded_model = model_registry.load("my_model", "1.0")
    assert np.array_equal(loaded_model.predict_proba([[1.4]]), model.predict_proba([[1.4]]))
    assert [version.label for version in model_registry.list_versions("my_model")] == ["1.0"]
    assert model_registry.register("my_model") is None


def test_a_workspace_is_found_upward_else_at_home(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Workspace().root == Path.home() / ".modelyard"
    made = Workspace(tmp_path)
    assert Workspace().root == made.root == tmp_path / ".modelyard"
    monkeypatch.setenv("MODELYARD_URL", str(tmp_path / "elsewhere"))
    assert Workspace().root == tmp_path / "elsewhere" / ".modelyard"
    assert Workspace(f"file://{tmp_path}").root == made.root
    with pytest.raises(errors.UnsupportedUrl, match="https"):
        Workspace("https://example.org")
    with pytest.raises(errors.YardNotFound):
        Workspace(tmp_path / "nowhere", create=False)


def test_the_same_bytes_make_a_new_version_and_are_stored_once(ws: Workspace, file: Path) -> None:
    first = ws.register("fraud", file)
    stored = {p: p.stat().st_size for p in (ws.root / "store" / "chunks").rglob("*") if p.is_file()}
    second = ws.register("fraud", file)
    assert (second.version, second.digest) == (2, first.digest)
    added = sum(p.stat().st_size for p in (ws.root / "store" / "chunks").rglob("*") if p.is_file() and p not in stored)
    assert added < 20_000, "only a provenance document may be new"
    assert not any(
        p.read_bytes() == b"weights"
        for p in (ws.root / "store" / "chunks").rglob("*")
        if p.is_file() and p not in stored
    )


def test_a_version_and_a_filter_that_does_not_match_raises(ws: Workspace, file: Path) -> None:
    ws.register("fraud", file, tags={"env": "test"})
    with pytest.raises(errors.FilterMismatch):
        Model(ws, "fraud", version=1, tags={"env": "prod"})
    with pytest.raises(errors.InvalidReference, match="one of version, label and alias"):
        Model(ws, "fraud", version=1, label="1.0")


def test_models_are_listed_by_name_tags_and_latest(ws: Workspace, file: Path) -> None:
    ws.register("fraud", file, tags={"env": "test"})
    ws.register("fraud", file, tags={"env": "prod"})
    ws.register("churn", file, tags={"env": "prod"})
    assert [m.reference for m in Model.list(ws)] == ["churn/1", "fraud/2", "fraud/1"]
    assert [m.reference for m in Model.list(ws, latest=True)] == ["churn/1", "fraud/2"]
    assert [m.reference for m in Model.list(ws, tags=[["env", "prod"]])] == ["churn/1", "fraud/2"]
    assert [m.reference for m in Model.list(ws, name="fraud", tags=["env"])] == ["fraud/2", "fraud/1"]


def test_tags_change_and_properties_do_not(ws: Workspace, file: Path) -> None:
    model = ws.register("fraud", file, tags={"a": "1"}, properties={"p": "1"})
    model.add_tags({"b": "2", "a": "3"})
    model.remove_tags(["b", "never there"])
    model.add_properties({"q": "2"})
    assert (model.tags, model.properties) == ({"a": "3"}, {"p": "1", "q": "2"})
    with pytest.raises(errors.PropertyExists):
        model.add_properties({"p": "1"})


def test_a_file_downloads_to_its_path_and_a_folder_to_the_folder(ws: Workspace, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "saved_model"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "x").write_text("1")
    (folder / "graph").write_text("2")
    got = Path(ws.register("one", file).download(tmp_path / "out1"))
    assert got == tmp_path / "out1" / "model.h5"
    assert got.read_bytes() == b"weights"
    got = Path(ws.register("many", folder).download(tmp_path / "out2"))
    assert got == tmp_path / "out2"
    assert (got / "variables" / "x").read_text() == "1"
    with pytest.raises(errors.TargetExists):
        ws.model("one").download(tmp_path / "out1")
    ws.model("one").download(tmp_path / "out1", exist_ok=True)


def test_data_sets_are_versions_too_and_a_model_names_the_ones_it_was_made_from(
    ws: Workspace, file: Path, tmp_path: Path
) -> None:
    data = tmp_path / "flights.csv"
    data.write_text("a,b\n1,2\n")
    first = ws.snapshot(data, name="flights")
    model = ws.register("fraud", file, datasets=["flights/1", ("validation", first)])
    assert model.inputs == [("training", "flights/1"), ("validation", "flights/1")]
    assert model.provenance["inputs"][0]["digest"] == first.digest
    assert Path(ws.dataset("flights/1").download(tmp_path / "out")).read_text() == "a,b\n1,2\n"
    with pytest.raises(errors.ModelNotFound, match="no dataset 'nothing'"):
        ws.register("fraud", file, datasets=["nothing/1"])
    assert ws.model("fraud").version == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "a/b"}, errors.InvalidName),
        ({"name": ".."}, errors.InvalidName),
        ({"name": "x" * 300}, errors.InvalidName),
        ({"name": "a\x07b"}, errors.InvalidName),
        ({"path": "nowhere"}, errors.PathMissing),
        ({"path": ""}, errors.PathEmpty),
        ({"path": "a\0b"}, errors.PathUnusable),
        ({"tags": {"a": 1}}, errors.InvalidTag),
        ({"label": "a b"}, errors.InvalidName),
        ({"metrics": {"auc": float("nan")}}, errors.InvalidMetric),
        ({"label": "taken"}, errors.LabelTaken),
    ],
)
def test_bad_input_raises_its_own_error_and_changes_nothing(
    ws: Workspace, file: Path, here: Path, arguments: dict[str, object], error: type[Exception]
) -> None:
    ws.register("fraud", file, label="taken")
    before = [row.to_json() for row in ws.history()]
    with pytest.raises(error) as caught:
        ws.register(**{"name": "fraud", "path": file, **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert [row.to_json() for row in ws.history()] == before


def test_an_object_of_no_known_flavor_is_refused_with_the_flavors_there_are(ws: Workspace) -> None:
    with pytest.raises(errors.UnknownFlavor, match="sklearn"):
        ws.save("fraud", object())
    assert ws.models() == []


def test_a_pickle_of_somebody_else_is_not_loaded_unless_trusted(ws: Workspace) -> None:
    from sklearn.linear_model import LogisticRegression

    ws.save("fraud", LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    other = Workspace(ws.root, actor="eve")
    with pytest.raises(errors.Untrusted, match="made by ana, and you are eve"):
        other.model("fraud").load()
    assert other.model("fraud").load(trust=True).predict([[1.0]]) == [1]
    with pytest.raises(errors.Untrusted):
        ws.model("fraud").load(trust=False)


def test_reference_data_becomes_a_profile_and_a_signature(ws: Workspace) -> None:
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    table = pd.DataFrame({"x": np.arange(50.0), "n": np.arange(50)})
    model = ws.save("line", LinearRegression().fit(table, table["x"]), reference_data=table)
    assert model.signature is not None
    assert [(field.name, field.type) for field in model.signature.inputs] == [("x", "number"), ("n", "integer")]
    assert model.reference_profile is not None
    assert model.reference_profile.rows == 50
    columns = {"x": np.array([3.0]), "n": np.array([3])}
    assert model.predictor().predict(columns)["prediction"] == pytest.approx([3.0])
