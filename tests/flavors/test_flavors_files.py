"""Files that are registered as they are."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from contextlib import suppress

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from modelyard.core.digests import canonical_json
from modelyard.core.errors import FlavorMissing, ModelUnreadable, UnknownFlavor
from modelyard.flavors import flavor_named, flavor_of_files
from modelyard.flavors.file_formats import FORMATS
from modelyard.profiles.columns import columns_of

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10) > 4
FILES = flavor_named("files")


def archive(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return data.getvalue()


def torch_archive(protocol_two: bytes) -> bytes:
    return archive(**{"model/data.pkl": protocol_two, "model/version": b"3\n"})


SAFETENSORS = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
WEIGHTS = b"\x80\x02ccollections\nOrderedDict\nq\x00)R."
MODULE = b"\x80\x02cmymodule\nNet\nq\x00)R."

TABLE = [
    # name, bytes, format
    ("model.joblib", b"anything at all", "joblib"),
    ("MODEL.JOBLIB", b"anything at all", "joblib"),
    ("model.pkl", pickle.dumps([1], 4), "pickle"),
    ("model.dat", pickle.dumps([1], 2), "pickle"),
    ("model.pkl", b"\x1f\x8b\x08compressed", "joblib"),
    ("model.pkl", b"not one", "file"),
    ("model.keras", archive(**{"config.json": b"{}"}), "keras"),
    ("renamed.zip", archive(**{"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}), "keras"),
    ("data.zip", archive(**{"a.csv": b"1"}), "file"),
    ("broken.zip", b"PK\x03\x04 and then nothing", "file"),
    ("model.h5", b"\x89HDF\r\n\x1a\n" + b"keras_version model_config", "keras-hdf5"),
    ("table.h5", b"\x89HDF\r\n\x1a\n" + b"columns", "hdf5"),
    ("model.h5", b"weights", "file"),
    ("model.json", b'{"learner":{"attributes":{}}}', "xgboost-json"),
    ("config.json", b'{"a": 1}', "file"),
    ("model.ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost-ubjson"),
    ("model.txt", b"tree\nversion=v4\n", "lightgbm-text"),
    ("notes.txt", b"tree of life", "file"),
    ("model.onnx", b"\x08\x0a\x12\x07skl2onnx", "onnx"),
    ("model.onnx", b"version https://git-lfs", "file"),
    ("w.safetensors", SAFETENSORS, "safetensors"),
    ("w.safetensors", b"version https://git-lfs.github.com/spec/v1", "file"),
    ("w.pt", torch_archive(WEIGHTS), "torch-weights"),
    ("w.pt", torch_archive(MODULE), "torch-pickle"),
    ("w.pth", torch_archive(b"\x80\x02 not a pickle"), "torch-pickle"),
    ("w.pt", pickle.dumps(1, 2), "torch-pickle"),
    ("w.pt2", archive(**{"m/archive_format": b"pt2"}), "torch-export"),
    ("w.pt", archive(**{"m/data.pkl": b"", "m/constants.pkl": b""}), "torchscript"),
    ("readme.md", b"", "file"),
    ("empty.joblib", b"", "file"),
]


@pytest.mark.parametrize(("name", "data", "form"), TABLE, ids=[f"{name}-{form}" for name, _, form in TABLE])
def test_a_file_is_recognised_without_being_opened_by_a_library(name, data, form, tmp_path):
    (tmp_path / name).write_bytes(data)
    assert flavor_of_files(tmp_path / name) == (
        "files",
        {"file": name, "format": form, "runs_code": FORMATS[form].runs_code},
    )


@given(st.binary(max_size=200), st.sampled_from(["", ".pkl", ".onnx", ".safetensors", ".pt", ".json", ".h5", ".keras"]))
def test_no_bytes_whatever_break_the_recognition(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("any") / f"model{suffix}"
    path.write_bytes(data)
    _, facts = flavor_of_files(path)
    assert facts["format"] in FORMATS
    canonical_json(facts)


def test_formats_that_use_pickle_run_code_and_no_other():
    runs = {name for name, form in FORMATS.items() if form.runs_code}
    assert runs == {"joblib", "pickle", "keras-hdf5", "torch-pickle", "torch-export"}


def test_a_folder_of_one_file_is_that_file_and_of_several_a_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/model.pkl").write_bytes(pickle.dumps({"a": 1}))
    _, facts = flavor_of_files(tmp_path)
    assert facts == {"file": "sub/model.pkl", "format": "pickle", "runs_code": True}
    assert FILES.load(tmp_path, facts) == {"a": 1}
    (tmp_path / "readme.md").write_text("hello")
    _, facts = flavor_of_files(tmp_path)
    assert facts == {"file": None, "format": "folder", "runs_code": False}
    assert FILES.load(tmp_path, facts) == tmp_path


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_a_pickled_estimator_loads_and_predicts_as_before(suffix, tmp_path):
    model = LogisticRegression().fit(X, Y)
    path = tmp_path / f"model{suffix}"
    joblib.dump(model, path, compress=3 if suffix == ".pickle" else 0)
    name, facts = flavor_of_files(path)
    loaded = flavor_named(name).load(tmp_path, facts)
    found = flavor_named(name).predictor(loaded, facts).predict(columns_of(X))
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_array_equal(found["probability"], model.predict_proba(X)[:, 1])
    assert [f.name for f in flavor_named(name).signature(loaded).inputs] == ["x0", "x1"]


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_a_file_of_xgboost_loads_as_its_booster(name, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)
    model.save_model(tmp_path / name)
    _, facts = flavor_of_files(tmp_path / name)
    booster = FILES.load(tmp_path, facts)
    found = FILES.predictor(booster, facts).predict(columns_of(X))
    np.testing.assert_array_equal(found["probability"], model.predict_proba(X)[:, 1])


def test_a_file_of_lightgbm_loads_as_its_booster(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1).fit(X, X[:, 0])
    model.booster_.save_model(tmp_path / "model.txt")
    _, facts = flavor_of_files(tmp_path / "model.txt")
    found = FILES.predictor(FILES.load(tmp_path, facts), facts).predict(columns_of(X))
    np.testing.assert_array_equal(found["prediction"], model.predict(X))


@pytest.mark.parametrize("name", ["w.safetensors", "notes.md"])
def test_what_no_library_loads_comes_back_as_the_path_of_the_file(name, tmp_path):
    (tmp_path / name).write_bytes(SAFETENSORS)
    _, facts = flavor_of_files(tmp_path / name)
    assert FILES.load(tmp_path, facts) == tmp_path / name


@pytest.mark.parametrize("name", ["model.pkl", "notes.md"])
def test_a_single_file_may_be_given_itself(name, tmp_path):
    (tmp_path / name).write_bytes(pickle.dumps([1, 2]) if name == "model.pkl" else b"notes")
    _, facts = flavor_of_files(tmp_path / name)
    assert FILES.load(tmp_path / name, facts) == FILES.load(tmp_path, facts)


def test_a_path_answers_no_predictions():
    with pytest.raises(UnknownFlavor, match="PosixPath"):
        FILES.predictor(__import__("pathlib").Path("notes.md"), {})


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return exec, ("import sys; sys.modules['exploded'] = sys",)


@pytest.fixture
def exploded():
    sys.modules.pop("exploded", None)
    yield lambda: "exploded" in sys.modules
    sys.modules.pop("exploded", None)


@pytest.mark.parametrize("form", sorted(set(FORMATS) | {"a format of tomorrow"}))
def test_no_facts_that_deny_running_code_make_a_pickle_run(form, tmp_path, exploded):
    for name in ("model.pkl", "model.keras", "model.txt"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        for facts in ({"file": name, "format": form, "runs_code": False}, {"file": name, "format": form}):
            with suppress(ModelUnreadable, FlavorMissing):
                FILES.load(tmp_path, facts)
            assert not exploded()


def test_the_bomb_of_these_tests_is_live(tmp_path, exploded):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    _, facts = flavor_of_files(tmp_path / "model.pkl")
    assert not exploded()
    FILES.load(tmp_path, facts)
    assert exploded()


@pytest.mark.parametrize("name", ["model.joblib", "model.ubj", "model.txt", "model.pkl"])
def test_a_damaged_file_is_one_typed_line(name, tmp_path):
    whole = {
        "model.joblib": pickle.dumps([1] * 99),
        "model.pkl": pickle.dumps([1] * 99),
        "model.ubj": b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{" + b"L" * 40,
        "model.txt": b"tree\nversion=v4\ntree_sizes=100\n\nTree=0\nnum_leaves=1\n",
    }
    (tmp_path / name).write_bytes(whole[name][:-9])
    _, facts = flavor_of_files(tmp_path / name)
    with pytest.raises(ModelUnreadable) as refusal:
        FILES.load(tmp_path, facts)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_pickle_that_needs_the_users_module_does_not_advise_to_install_one(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02cour_private_features\nThing\n.")
    _, facts = flavor_of_files(tmp_path / "model.pkl")
    with pytest.raises(ModelUnreadable, match="needs the module 'our_private_features'") as refusal:
        FILES.load(tmp_path, facts)
    assert "pip" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "data", "package"),
    [("model.joblib", pickle.dumps(LinearRegression()), "joblib"), ("model.pt", torch_archive(WEIGHTS), "torch")],
)
def test_a_package_that_a_file_needs_is_named(name, data, package, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(data)
    _, facts = flavor_of_files(tmp_path / name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FlavorMissing, match=f"pip install {package}"):
        FILES.load(tmp_path, json.loads(canonical_json(facts)))
