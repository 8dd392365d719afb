from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from modelyard.core.digests import canonical_json
from modelyard.core.errors import FlavorMissing, InvalidRequest, ModelUnreadable, ObjectUnusable, UnknownFlavor
from modelyard.flavors import flavor_named, flavor_of
from modelyard.flavors.own_code import own_modules
from modelyard.flavors.sklearn import one_version_warning
from modelyard.profiles.columns import columns_of

RNG = np.random.default_rng(7)
ROWS = 80
TABLE = pd.DataFrame(
    {
        "hour": RNG.integers(0, 24, ROWS),
        "carrier": RNG.choice(["AA", "UA", "WN"], ROWS),
        "temp": RNG.normal(10, 5, ROWS),
    }
)
LATE = (TABLE["hour"] + RNG.normal(0, 5, ROWS) > 12).to_numpy()
SQUARE = TABLE[["hour", "temp"]].to_numpy(dtype=float)


class AddsDaypart(TransformerMixin, BaseEstimator):
    """Tells nothing of its columns, as transformers of users do."""

    def fit(self, X, y=None):  # noqa: N803
        self.seen_ = True
        return self

    def transform(self, X):  # noqa: N803
        return np.column_stack([X["hour"] // 6, X["temp"], X["carrier"] == "AA"]).astype(float)


def mixed():
    return make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")


MODELS = {
    "binary": lambda: make_pipeline(mixed(), StandardScaler(), LogisticRegression()).fit(TABLE, LATE),
    "text labels": lambda: make_pipeline(mixed(), LogisticRegression()).fit(TABLE, np.where(LATE, "late", "on time")),
    "multiclass": lambda: make_pipeline(mixed(), RandomForestClassifier(5, random_state=0)).fit(TABLE, TABLE.hour // 8),
    "no probabilities": lambda: LinearSVC().fit(SQUARE, LATE),
    "regressor on an array": lambda: LinearRegression().fit(SQUARE, TABLE.temp),
    "two outputs": lambda: LinearRegression().fit(SQUARE, SQUARE * 2),
    "two classifications": lambda: MultiOutputClassifier(LogisticRegression()).fit(SQUARE, np.c_[LATE, ~LATE]),
    "clusters": lambda: KMeans(3, random_state=0, n_init=1).fit(SQUARE),
    "a scaler alone": lambda: StandardScaler().fit(TABLE[["hour", "temp"]]),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(TABLE[["hour", "temp"]], LATE),
    "own transformer": lambda: make_pipeline(AddsDaypart(), LogisticRegression()).fit(TABLE, LATE),
    "categories of pandas": lambda: HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(
        TABLE.astype({"carrier": "category"}), LATE
    ),
}


def asked(model):
    """What the user would pass, and the same as columns."""
    if not hasattr(model, "feature_names_in_") and hasattr(model, "n_features_in_"):
        return SQUARE, columns_of(SQUARE)
    names = getattr(model, "feature_names_in_", TABLE.columns)
    shuffled = TABLE[list(names)[::-1]]
    return TABLE[list(names)], columns_of(shuffled)


@pytest.mark.parametrize("case", MODELS)
def test_a_loaded_model_predicts_exactly_as_the_saved_one(case, tmp_path):
    model = MODELS[case]()
    flavor = flavor_of(model)
    facts = json.loads(canonical_json(flavor.save(model, tmp_path)))
    loaded = flavor_named("sklearn").load(tmp_path, facts)
    data, columns = asked(model)
    found = flavor.predictor(loaded, facts).predict(columns)
    assert {len(values) for values in found.values()} == {ROWS}
    if case == "a scaler alone":
        np.testing.assert_array_equal(np.column_stack(list(found.values())), model.transform(data))
        return
    expected = model.predict(data)
    if expected.ndim == 2:
        assert list(found) == ["output_0", "output_1"]
        np.testing.assert_array_equal(np.column_stack(list(found.values())), expected)
    elif not hasattr(model, "classes_"):
        np.testing.assert_array_equal(found["prediction"], expected)
    else:
        np.testing.assert_array_equal(found["label"], expected)
        if not hasattr(model, "predict_proba"):
            assert list(found) == ["label"]
        elif len(model.classes_) == 2:
            assert list(found) == ["label", "probability"]
            np.testing.assert_array_equal(found["probability"], model.predict_proba(data)[:, 1])
        else:
            assert list(found) == ["label", "probability_0", "probability_1", "probability_2"]
            table = np.column_stack(list(found.values())[1:])
            np.testing.assert_array_equal(table, model.predict_proba(data))


@pytest.mark.parametrize("case", MODELS)
def test_the_same_object_gives_the_same_bytes(case, tmp_path):
    model = MODELS[case]()
    flavor = flavor_of(model)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        flavor.save(model, tmp_path / folder)
    assert (tmp_path / "a/model.pkl").read_bytes() == (tmp_path / "b/model.pkl").read_bytes()


def test_the_facts_name_library_class_and_file(tmp_path):
    import sklearn

    facts = flavor_named("sklearn").save(LinearRegression().fit(SQUARE, LATE), tmp_path)
    assert facts == {
        "class": "sklearn.linear_model._base.LinearRegression",
        "file": "model.pkl",
        "format": "pickle",
        "holds_code": False,
        "library": "scikit-learn",
        "library_version": sklearn.__version__,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "runs_code": True,
    }


def test_one_row_of_a_request_gets_what_the_whole_table_gets(tmp_path):
    model = MODELS["binary"]()
    predictor = flavor_of(model).predictor(model, {})
    one = predictor.predict({"temp": np.array([10.5]), "carrier": np.array(["WN"], object), "hour": np.array([23])})
    row = pd.DataFrame({"hour": [23], "carrier": ["WN"], "temp": [10.5]})
    assert one["probability"][0] == model.predict_proba(row)[0, 1]


def test_a_missing_column_is_named():
    model = MODELS["binary"]()
    with pytest.raises(InvalidRequest, match="missing column 'carrier'"):
        flavor_of(model).predictor(model, {}).predict({"hour": np.array([1]), "temp": np.array([1.0])})


def test_an_array_model_refuses_another_number_of_columns():
    model = MODELS["regressor on an array"]()
    with pytest.raises(InvalidRequest, match="takes 2 columns and the request has 1"):
        flavor_of(model).predictor(model, {}).predict({"x0": np.array([1.0])})


def test_the_signature_is_what_the_fitted_object_tells():
    flavor = flavor_named("sklearn")

    def shape(case):
        found = flavor.signature(MODELS[case]())
        return [f.name for f in found.inputs], {f.name: f.type for f in found.outputs}

    assert shape("binary") == (["hour", "carrier", "temp"], {"label": "boolean", "probability": "number"})
    assert shape("text labels")[1] == {"label": "string", "probability": "number"}
    assert shape("no probabilities") == (["x0", "x1"], {"label": "boolean"})
    assert list(shape("multiclass")[1]) == ["label", "probability_0", "probability_1", "probability_2"]
    assert shape("regressor on an array") == (["x0", "x1"], {"prediction": "number"})
    assert flavor.signature(MODELS["own transformer"]()) is None


PROJECT = """
from sklearn.base import BaseEstimator, TransformerMixin
import numpy as np
import helping
from helping import scale

class Features(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return np.column_stack([scale(X["hour"]) * FACTOR, helping.scale(X["temp"])])

FACTOR = {factor}
"""

READER = """
import json, sys
from pathlib import Path
import numpy as np
from modelyard.flavors import flavor_named
answers = []
for folder in sys.argv[1:]:
    flavor = flavor_named("sklearn")
    facts = json.loads(Path(folder, "facts.json").read_text())
    model = flavor.load(Path(folder), facts)
    columns = {"hour": np.array([1, 20]), "temp": np.array([3.0, 4.0])}
    predictor = flavor.predictor(model, facts)
    answers.append([predictor.predict(columns)["prediction"].tolist(), model[0].transform(columns).tolist()])
assert "features" not in sys.modules and "helping" not in sys.modules
print(json.dumps(answers))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the user's modules, importable as from his script; gone afterwards."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "helping.py").write_text("def scale(values):\n    return values / 24\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("features", "helping"):
        sys.modules.pop(name, None)


def write_version(project: Path, folder: Path, factor: int) -> np.ndarray:
    """One version of the user's code, a model made with it, and what it predicts."""
    (project / "features.py").write_text(PROJECT.format(factor=factor))
    sys.modules.pop("features", None)
    importlib.invalidate_caches()
    for cached in project.rglob("*.pyc"):
        cached.unlink()
    features = importlib.import_module("features")
    model = make_pipeline(features.Features(), LinearRegression()).fit(TABLE, LATE)
    folder.mkdir()
    facts = flavor_of(model).save(model, folder)
    assert facts["holds_code"] is True
    (folder / "facts.json").write_text(json.dumps(facts))
    request = pd.DataFrame({"hour": [1, 20], "temp": [3.0, 4.0]})
    return [model.predict(request).tolist(), model[0].transform(request).tolist()]


def test_two_versions_with_different_code_load_in_one_process_without_either(project, tmp_path):
    expected = [write_version(project, tmp_path / "one", 1), write_version(project, tmp_path / "two", 3)]
    assert expected[0][1] != expected[1][1]
    quiet = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", READER, tmp_path / "one", tmp_path / "two"],
        capture_output=True,
        text=True,
        env=quiet,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == expected


SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, pandas as pd
from sklearn.base import BaseEstimator
from modelyard.flavors import flavor_of

class Mean(BaseEstimator):
    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self
    def predict(self, X):
        return np.full(len(X), self.mean_)

folder = Path(sys.argv[1])
facts = flavor_of(Mean()).save(Mean().fit(pd.DataFrame({"a": [1, 2]}), [1.0, 4.0]), folder)
(folder / "facts.json").write_text(json.dumps(facts))
"""


def test_a_class_of_the_script_itself_loads_elsewhere(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, tmp_path], check=True)
    facts = json.loads((tmp_path / "facts.json").read_text())
    flavor = flavor_named("sklearn")
    found = flavor.predictor(flavor.load(tmp_path, facts), facts).predict({"a": np.arange(3)})
    assert found["prediction"].tolist() == [2.5, 2.5, 2.5]


def test_a_pipeline_that_ends_in_passthrough_transforms():
    model = make_pipeline(StandardScaler(), "passthrough").fit(SQUARE)
    found = flavor_of(model).predictor(model, {}).predict(columns_of(SQUARE))
    np.testing.assert_array_equal(np.column_stack(list(found.values())), model.transform(SQUARE))


def test_saving_leaves_no_trace_in_cloudpickle(project, tmp_path):
    import cloudpickle

    before = cloudpickle.list_registry_pickle_by_value()
    write_version(project, tmp_path / "one", 1)
    assert cloudpickle.list_registry_pickle_by_value() == before


def test_the_users_modules_are_his_files_and_not_the_libraries(project):
    (project / "features.py").write_text("ONE = 1\n")
    importlib.invalidate_caches()
    importlib.import_module("features")
    found = {module.__name__ for module in own_modules()}
    assert "features" in found
    assert not found & {"json", "numpy", "sklearn.base", "pytest", "modelyard.flavors.sklearn", "__main__"}


def test_code_of_another_python_is_refused_before_it_can_crash(project, tmp_path):
    write_version(project, tmp_path / "one", 1)
    facts = json.loads((tmp_path / "one/facts.json").read_text()) | {"python": "3.9"}
    with pytest.raises(ModelUnreadable, match=r"compiled by Python 3\.9"):
        flavor_named("sklearn").load(tmp_path / "one", facts)


def test_an_object_that_cannot_be_pickled_is_refused_in_one_line(tmp_path):
    model = LinearRegression().fit(SQUARE, LATE)
    model.handle = Path("/dev/null").open("rb")  # noqa: SIM115
    with model.handle, pytest.raises(ObjectUnusable, match="LinearRegression cannot be kept"):
        flavor_of(model).save(model, tmp_path)


class Anything:
    def predict(self, table):
        return table


@pytest.mark.parametrize("thing", [Anything(), 3, None, "model.pkl", {"a": 1}, LinearRegression])
def test_what_no_flavor_knows_is_refused_by_its_type(thing):
    with pytest.raises(UnknownFlavor) as refusal:
        flavor_of(thing)
    assert type(thing).__qualname__ in str(refusal.value)
    assert "sklearn" in str(refusal.value)


def test_an_unknown_flavor_of_a_manifest_is_named():
    with pytest.raises(UnknownFlavor, match="mystery"):
        flavor_named("mystery")


FACTS = {"file": "model.pkl", "format": "pickle", "runs_code": True}


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x80\x05", b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f", pickle.dumps([1, 2, 3])[:-1]],
)
def test_a_damaged_pickle_is_one_typed_line(data, tmp_path):
    (tmp_path / "model.pkl").write_bytes(data)
    with pytest.raises(ModelUnreadable, match=r"model\.pkl cannot be loaded as a pickle") as refusal:
        flavor_named("sklearn").load(tmp_path, FACTS)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__cause__ is not None


@pytest.mark.parametrize("claim", [False, None, "no", 0, 1])
def test_a_manifest_that_denies_running_code_makes_no_pickle_run(claim, tmp_path, monkeypatch):
    (tmp_path / "model.pkl").write_bytes(b"cbuiltins\nexec\n(Vimport sys; sys.modules['exploded'] = sys\ntR.")
    monkeypatch.delitem(sys.modules, "exploded", raising=False)
    with pytest.raises(ModelUnreadable, match="denies that loading it runs code"):
        flavor_named("sklearn").load(tmp_path, FACTS | {"runs_code": claim})
    assert "exploded" not in sys.modules
    flavor_named("sklearn").load(tmp_path, FACTS)
    assert sys.modules.pop("exploded") is sys  # the same file does run when it is admitted


@pytest.mark.parametrize("name", ["../secret.pkl", "/etc/passwd", "a/../../b", "a\\b", "", None, 3, "gone.pkl", "."])
def test_a_manifest_cannot_make_a_flavor_read_elsewhere(name, tmp_path):
    (tmp_path.parent / "secret.pkl").write_bytes(pickle.dumps("secret"))
    with pytest.raises(ModelUnreadable):
        flavor_named("sklearn").load(tmp_path, FACTS | {"file": name})


@pytest.mark.parametrize(
    ("module", "package"), [("sklearn", "scikit-learn"), ("category_encoders", "category_encoders")]
)
def test_a_missing_package_is_named_as_pip_knows_it(module, package, tmp_path, monkeypatch):
    data = f"c{module}.there\nThing\n.".encode()  # protocol 0: module.there.Thing
    (tmp_path / "model.pkl").write_bytes(data)
    if module == "sklearn":
        monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(FlavorMissing) as refusal:
        flavor_named("sklearn").load(tmp_path, FACTS)
    assert refusal.value.package == package


def test_a_model_of_another_release_gives_one_warning_with_both_releases(tmp_path):
    def many(count):
        with one_version_warning("model.pkl"):
            for i in range(count):
                warnings.warn(
                    InconsistentVersionWarning(
                        estimator_name=f"E{i}", current_sklearn_version="9.9", original_sklearn_version="1.0"
                    ),
                    stacklevel=1,
                )

    with pytest.warns(UserWarning, match=r"kept by scikit-learn 1\.0 and this is 9\.9") as caught:
        many(5)
    assert len(caught) == 1


def test_other_warnings_while_loading_still_reach_the_reader():
    with pytest.warns(DeprecationWarning, match="soon"), one_version_warning("model.pkl"):
        warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
