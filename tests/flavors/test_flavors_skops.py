from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from test_flavors_sklearn import LATE, SQUARE, TABLE

from modelyard import Workspace
from modelyard.core.errors import FlavorMissing, InvalidInput, ModelUnreadable, ObjectUnusable
from modelyard.flavors import flavor_named, flavor_of, flavor_of_files
from modelyard.profiles.columns import columns_of

MODELS = {
    "pipeline": lambda: make_pipeline(
        make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough"), LogisticRegression()
    ).fit(TABLE, LATE),
    "regressor": lambda: LinearRegression().fit(SQUARE, TABLE.temp),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=KFold(2)).fit(SQUARE, LATE),
    "network": lambda: MLPClassifier((3,), max_iter=1000, random_state=0).fit(
        StandardScaler().fit_transform(SQUARE), LATE
    ),
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2).fit(SQUARE, LATE),
    "gaussian process": lambda: GaussianProcessRegressor().fit(SQUARE, TABLE.temp),
    "text labels": lambda: SGDClassifier(random_state=0).fit(SQUARE, np.where(LATE, "late", "on time")),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_comes_back_and_predicts_as_before_for_whoever_loads_it(case, ws: Workspace):
    model = MODELS[case]()
    version = ws.save("late", model, format="skops")
    assert version.flavor == "skops"
    reader = Workspace(ws.root, actor="ben").model("late")
    data = TABLE[list(model.feature_names_in_)] if hasattr(model, "feature_names_in_") else SQUARE
    np.testing.assert_array_equal(reader.load().predict(data), model.predict(data))
    np.testing.assert_array_equal(reader.load(trust=False).predict(data), model.predict(data))
    found = next(iter(reader.predictor().predict(columns_of(data)).values()))
    np.testing.assert_array_equal(found, model.predict(data))


@pytest.mark.parametrize("case", MODELS)
def test_the_same_object_gives_the_same_bytes(case, ws: Workspace):
    model = MODELS[case]()
    assert ws.save("late", model, format="skops").digest == ws.save("late", model, format="skops").digest


def test_the_same_model_made_in_another_process_gives_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from sklearn.linear_model import LinearRegression;"
        "from modelyard.flavors import flavor_of; m = LinearRegression().fit([[0.0], [1.0]], [1.0, 2.0]);"
        "flavor_of(m, 'skops').save(m, Path(sys.argv[1]))"
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
    assert (tmp_path / "a" / "model.skops").read_bytes() == (tmp_path / "b" / "model.skops").read_bytes()


class Own(BaseEstimator):
    def fit(self, X, y=None):  # noqa: N803
        return self

    def predict(self, X):  # noqa: N803
        return X


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (lambda: Own(), "test_flavors_skops.Own"),
        (lambda: RandomForestClassifier(2).fit(SQUARE, LATE), "sklearn.tree._tree.Tree"),
    ],
    ids=["own class", "trees"],
)
def test_what_does_not_load_by_the_list_is_not_saved_and_told_by_name(model, named, ws: Workspace):
    with pytest.raises(ObjectUnusable, match=named):
        ws.save("late", model(), format="skops")
    assert ws.models() == []
    ws.save("late", model())


def test_a_file_with_types_of_its_own_is_refused_and_imports_nothing(tmp_path, monkeypatch):
    """The list is the reader's: a file that brings another, or says that its types are fine, gets nowhere."""
    (tmp_path / "evil.py").write_text("import pathlib; pathlib.Path('ran').touch()\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    flavor = flavor_of(MODELS["regressor"](), "skops")
    facts = flavor.save(MODELS["regressor"](), tmp_path)
    for module, name in (("evil", "Evil"), ("os", "system"), ("builtins", "eval"), ("sklearn.tree._tree", "Tree")):
        with zipfile.ZipFile(tmp_path / "model.skops") as archive:
            kept = {entry: archive.read(entry) for entry in archive.namelist()}
        schema = json.loads(kept["schema.json"])
        schema |= {"__module__": module, "__class__": name, "trusted": [f"{module}.{name}"]}
        with zipfile.ZipFile(tmp_path / "other.skops", "w") as archive:
            for entry, data in kept.items():
                archive.writestr(entry, json.dumps(schema) if entry == "schema.json" else data)
        with pytest.raises(ModelUnreadable, match=f"{module}.{name}"):
            flavor.load(tmp_path, {**facts, "file": "other.skops", "trusted": [f"{module}.{name}"]})
    assert not (tmp_path / "ran").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"{}"])
def test_a_damaged_archive_is_one_typed_line(data, tmp_path):
    (tmp_path / "model.skops").write_bytes(data)
    with pytest.raises(ModelUnreadable, match=r"model\.skops cannot be loaded as a skops"):
        flavor_named("skops").load(tmp_path, {"file": "model.skops", "format": "skops archive"})


def test_a_file_of_skops_that_is_registered_by_its_path_loads(ws: Workspace, tmp_path):
    import skops.io

    model = MODELS["regressor"]()
    skops.io.dump(model, tmp_path / "late.skops")
    assert flavor_of_files(tmp_path / "late.skops")[1] == {"file": "late.skops", "format": "skops", "runs_code": False}
    ws.register("late", tmp_path / "late.skops")
    reader = Workspace(ws.root, actor="ben").model("late")
    np.testing.assert_array_equal(reader.load().predict(SQUARE), model.predict(SQUARE))


def test_without_the_package_it_is_named(ws: Workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(FlavorMissing, match="pip install skops"):
        ws.save("late", MODELS["regressor"](), format="skops")


def test_a_format_that_there_is_not_is_refused():
    import xgboost

    with pytest.raises(InvalidInput, match="'pmml'"):
        flavor_of(MODELS["regressor"](), "pmml")
    with pytest.raises(InvalidInput, match="skops is for models of scikit-learn"):
        flavor_of(xgboost.XGBClassifier(), "skops")
    assert flavor_of(MODELS["regressor"](), "pickle").name == "sklearn"
